using Townhall.ServiceDefaults.Problems;

namespace Townhall.Api;

/// <summary>Every refusal of this service that a client can branch on, as in docs/errors.md.</summary>
internal static partial class Problems
{
    public static Refusal TaskNotFound(string id) => new(404, "task_not_found", $"There is no task {CommonRefusals.Printable(id)}.");

    public static Refusal TaskEnded(string id, string state) =>
        new(409, "task_ended", $"Task {id} already ended as {state}.");

    public static Refusal AgentNotFound(string reference) => new(404, "agent_not_found", $"There is no agent {CommonRefusals.Printable(reference)}.");

    public static Refusal AgentAmbiguous(string reference) =>
        new(409, "agent_ambiguous", $"More than one agent answers to {CommonRefusals.Printable(reference)}; use its id.");

    public static Refusal AgentNotAccepting(string reference) =>
        new(409, "agent_not_accepting", $"Agent {CommonRefusals.Printable(reference)} takes no new work: it is draining, stopped or in error.");

    public static Refusal DeadlinePassed() => new(422, "deadline_passed", "The deadline is over already; nothing was accepted.");

    public static Refusal BadKey() => new(400, "bad_idempotency_key", "Idempotency-Key is one header of 1 to 255 printable ASCII characters.");

    public static Refusal KeyReused() =>
        new(422, "idempotency_key_reused", "This Idempotency-Key was used for another call; nothing was changed. A new call takes a new key.");

    public static Refusal NameTaken(string name) => new(409, "agent_name_taken", $"An agent is called {CommonRefusals.Printable(name)} already.");

    public static Refusal NameReserved(string name) => new(409, "agent_name_reserved", $"{CommonRefusals.Printable(name)} is the town's own name for its supervisor.");

    public static Refusal BlobNotFound(string hash) => new(404, "blob_not_found", $"There is no blob {CommonRefusals.Printable(hash)}.");

    public static Refusal Invalid(string detail) => new(422, "invalid_value", detail);

    public static Refusal BadCursor() => new(400, "bad_cursor", "This cursor was not given out by this list.");

    public static Refusal BadQuery(string detail) => new(400, "bad_query", detail);
}
