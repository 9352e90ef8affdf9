using System.Text.Json;
using Townhall.Contracts.Workers;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.Dispatcher;

/// <summary>Every refusal of the worker protocol, as in docs/errors.md.</summary>
internal static class Problems
{
    public static readonly Refusal BadKey =
        new(401, "worker_key_refused", "Registering a worker takes the town's worker key as bearer.");

    public static readonly Refusal UnknownWorker =
        new(401, "worker_unknown", "This token belongs to no living worker: end what runs and register anew with a new incarnation.");

    public static readonly Refusal WorkerIdTaken =
        new(409, "worker_id_taken", "Another process lives or lived under this incarnation: each start of a worker needs one of its own.");

    public static readonly Refusal Stopping =
        new(503, "stopping", "This dispatcher is stopping; ask again.") { RetryAfterSecs = 1 };

    public static Refusal LedgerBroken(string detail) => new(503, "ledger_broken", detail) { RetryAfterSecs = 30 };

    /// <summary>Every result of the call came too late; <paramref name="verdicts"/> is the member <c>results</c>.</summary>
    public static Refusal StaleResults(SettleReply verdicts) =>
        new(409, "stale_results", "No result of this call is of a current attempt: nothing was changed, and the ledger keeps that they came.")
        {
            More = json =>
            {
                json.WritePropertyName("results");
                JsonSerializer.Serialize(json, verdicts.Results, WorkerJson.Default.SettleVerdictArray);
            },
        };

    public static Refusal Invalid(string detail) => new(422, "invalid_value", detail);
}
