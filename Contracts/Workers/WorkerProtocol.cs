using System.Text.Json.Serialization;

namespace Townhall.Contracts.Workers;

// The worker protocol: what a worker and the dispatcher say to each other over HTTP, in snake_case JSON
// (docs/worker-protocol.md). Every call carries a request id; a repeat with the same id gets the same answer.

/// <summary><c>POST /worker/register</c>, with the worker key as bearer.</summary>
/// <param name="Incarnation">Made by the worker at its start; becomes the worker's id.</param>
/// <param name="Slots">Tasks it runs at once, 1 to 1024.</param>
/// <param name="Sandbox">What its commands run in: <c>bubblewrap</c> or <c>none</c>.</param>
public sealed record RegisterRequest(
    Guid RequestId, Guid Incarnation, string Name, string Host, int Pid, string Version, string[] Runtimes, int Slots, string Sandbox);

/// <param name="Token">Bearer of every later call of this process.</param>
/// <param name="IdleTimeoutSecs">After so long without a lease the worker asks to be drained; 0 means never.</param>
/// <param name="OutputLimitBytes">Output kept of one attempt.</param>
public sealed record RegisterReply(
    Guid WorkerId, string Token, string Town, double IdleTimeoutSecs, long OutputLimitBytes, int InlineResultBytes);

/// <summary><c>POST /worker/lease</c>: up to <paramref name="Max"/> tasks, waiting up to <paramref name="WaitMs"/> (at most 30,000) for the first.</summary>
public sealed record LeaseRequest(Guid RequestId, int Max, int WaitMs);

/// <param name="Draining">True when nothing will be given to this worker any more.</param>
public sealed record LeaseReply(Lease[] Leases, bool Draining);

/// <summary>The right to run one attempt of one task until the lease ends.</summary>
/// <param name="Epoch">The attempt's number; it fences everything the attempt reports.</param>
/// <param name="LeaseSecs">Length from the moment the dispatcher answered; renew every third of it.</param>
/// <param name="TimeoutSecs">Longest run of this attempt, or null for no bound but the lease.</param>
/// <param name="Alone">Its workers were lost so often that one more time ends it: take nothing else while it runs, so that nobody
/// shares its end.</param>
/// <param name="Traceparent">W3C trace context under which the attempt's own trace goes on; null when it is not traced.</param>
public sealed record Lease(
    Guid TaskId, int Epoch, Guid Token, Guid AgentId, string AgentName, string Runtime, string Cli, string Description,
    double LeaseSecs, double? TimeoutSecs, string TrustLevel, AgentGrant Grant,
    bool Alone = false, string? Traceparent = null);

/// <summary>What an agent's commands may touch beside their own empty work folder. Paths are absolute.</summary>
/// <param name="Network"><c>host</c> or <c>none</c>.</param>
/// <param name="Read">Folders and files it may read.</param>
/// <param name="Write">Folders it may change.</param>
/// <param name="Workdir">Where it starts; null means its own work folder.</param>
public sealed record AgentGrant(string Network, string[] Read, string[] Write, string? Workdir)
{
    /// <summary>Nothing at all.</summary>
    public static readonly AgentGrant None = new("none", [], [], null);
}

/// <summary>Names one attempt and proves the right to speak for it.</summary>
public sealed record LeaseRef(Guid TaskId, int Epoch, Guid Token);

/// <summary><c>POST /worker/renew</c>.</summary>
public sealed record RenewRequest(Guid RequestId, LeaseRef[] Leases);

public sealed record RenewReply(RenewVerdict[] Leases);

/// <param name="Verdict"><c>held</c> (go on), <c>cancel</c> (still yours: end it and settle as cancelled), <c>lost</c> (end it; say nothing more).</param>
/// <param name="LeaseSecs">What the lease has from now on.</param>
public sealed record RenewVerdict(Guid TaskId, int Epoch, string Verdict, double LeaseSecs);

/// <summary><c>POST /worker/directives</c>: waits up to <paramref name="WaitMs"/> for something to do beside leasing.</summary>
/// <param name="Paused">Tasks whose attempts stand still here because they were told to; what is missing is told again.</param>
/// <param name="Steered">What became of notes since the last call; what is missing is sent again.</param>
public sealed record DirectivesRequest(Guid RequestId, int WaitMs, Guid[]? Paused = null, SteeringTaken[]? Steered = null);

/// <param name="Id">The note's <see cref="Directive.NoteId"/>.</param>
/// <param name="Delivered">False when the attempt had no file left that could take it.</param>
public sealed record SteeringTaken(long Id, Guid TaskId, int Epoch, bool Delivered);

public sealed record DirectivesReply(Directive[] Directives);

/// <param name="Kind"><c>cancel</c>, <c>kill</c>, <c>pause</c>, <c>resume</c>, <c>steer</c> (text) or <c>drain</c>.</param>
/// <param name="NoteId">Of a <c>steer</c>: which note it is; a note that comes twice counts once.</param>
/// <param name="At">Of a <c>steer</c>: when it was said.</param>
public sealed record Directive(string Kind, Guid? TaskId, int? Epoch, string? Text, long? NoteId = null, DateTime? At = null);

/// <summary>The words of <see cref="Directive.Kind"/>.</summary>
public static class DirectiveKinds
{
    public const string Cancel = "cancel";
    public const string Kill = "kill";
    public const string Pause = "pause";
    public const string Resume = "resume";
    public const string Steer = "steer";
    public const string Drain = "drain";
}

/// <summary><c>POST /worker/output</c>: more of what attempts printed, in order and without gaps.</summary>
public sealed record OutputRequest(Guid RequestId, OutputChunk[] Chunks);

/// <param name="Offset">Bytes of this attempt before this chunk; a chunk already stored is acknowledged again.</param>
/// <param name="Dropped">Bytes that the worker dropped so far because the limit was reached.</param>
/// <param name="Bytes">At most 1 MiB.</param>
public sealed record OutputChunk(LeaseRef Lease, long Offset, long Dropped, byte[] Bytes);

public sealed record OutputReply(OutputVerdict[] Chunks);

/// <param name="Verdict"><c>stored</c>, <c>lost</c> (a newer attempt exists) or <c>gap</c> (send again from <paramref name="NextOffset"/>).</param>
public sealed record OutputVerdict(Guid TaskId, int Epoch, string Verdict, long NextOffset);

/// <summary><c>POST /worker/settle</c>.</summary>
public sealed record SettleRequest(Guid RequestId, AttemptResult[] Results);

/// <param name="Outcome"><c>completed</c>, <c>failed</c>, <c>cancelled</c> or <c>released</c> (unharmed, not counted).</param>
/// <param name="Result">At most 64 KiB of text; the whole is in blob <paramref name="ResultBlob"/> when it is longer.</param>
/// <param name="ResultBlob">SHA-256 in lower-case hex of a blob uploaded with <c>PUT /worker/blobs/{sha256}</c>.</param>
/// <param name="FailureCode">One of <c>FailureCodes</c> where the outcome is failed.</param>
/// <param name="Sandbox">What the attempt ran in: <c>bubblewrap</c>, <c>none</c> or <c>in-process</c>.</param>
/// <param name="OutputBytes">Bytes printed, dropped ones included.</param>
/// <param name="Traceparent">W3C trace context of the attempt, under which its settlement is traced; null when it is not.</param>
public sealed record AttemptResult(
    LeaseRef Lease, string Outcome, int? ExitCode, string? Result, string? ResultBlob, long ResultBytes,
    string? FailureCode, string? FailureDetail, string Sandbox, double WallMs, long OutputBytes, string? Traceparent = null);

public sealed record SettleReply(SettleVerdict[] Results);

/// <param name="Verdict"><c>recorded</c>, <c>retrying</c>, <c>released</c> or <c>stale</c> (a newer attempt exists; kept as evidence only).</param>
public sealed record SettleVerdict(Guid TaskId, int Epoch, string Verdict);

/// <summary><c>POST /worker/drain</c>: may this worker end?</summary>
/// <param name="Reason"><c>idle</c>: only if nothing waits for it. <c>stopping</c>: nothing more is given to it from now on.</param>
public sealed record DrainRequest(Guid RequestId, string Reason);

/// <param name="Drained">Yes: it holds no lease and will be given none.</param>
/// <param name="Leases">What it still holds.</param>
/// <param name="WorkWaiting">True when an idle worker is refused because work it could run is waiting.</param>
public sealed record DrainReply(bool Drained, LeaseRef[] Leases, bool WorkWaiting);

/// <summary>The words in the verdicts above.</summary>
public static class Verdicts
{
    public const string Held = "held";
    public const string Cancel = "cancel";
    public const string Lost = "lost";
    public const string Stored = "stored";
    public const string Gap = "gap";
    public const string Recorded = "recorded";
    public const string Retrying = "retrying";
    public const string Released = "released";
    public const string Stale = "stale";
}

/// <summary>The words of <see cref="AttemptResult.Outcome"/>.</summary>
public static class AttemptOutcomes
{
    public const string Completed = "completed";
    public const string Failed = "failed";
    public const string Cancelled = "cancelled";
    public const string Released = "released";
}

/// <summary>Reads and writes the worker protocol without reflection.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    AllowDuplicateProperties = false)]
[JsonSerializable(typeof(RegisterRequest))]
[JsonSerializable(typeof(RegisterReply))]
[JsonSerializable(typeof(LeaseRequest))]
[JsonSerializable(typeof(LeaseReply))]
[JsonSerializable(typeof(RenewRequest))]
[JsonSerializable(typeof(RenewReply))]
[JsonSerializable(typeof(DirectivesRequest))]
[JsonSerializable(typeof(DirectivesReply))]
[JsonSerializable(typeof(OutputRequest))]
[JsonSerializable(typeof(OutputReply))]
[JsonSerializable(typeof(SettleRequest))]
[JsonSerializable(typeof(SettleReply))]
[JsonSerializable(typeof(DrainRequest))]
[JsonSerializable(typeof(DrainReply))]
[JsonSerializable(typeof(AgentGrant))]
public sealed partial class WorkerJson : JsonSerializerContext;
