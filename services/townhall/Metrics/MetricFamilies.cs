namespace Townhall.Api.Metrics;

/// <summary>One family of <c>/metrics</c>.</summary>
/// <param name="Type"><c>gauge</c>, <c>counter</c> or <c>histogram</c>.</param>
internal sealed record MetricFamily(string Name, string Type, string Help);

/// <summary>Every family that <c>/metrics</c> shows, in its order; docs/metrics.md repeats the table and a test compares the two.</summary>
internal static class MetricFamilies
{
    /// <summary>Upper bounds of the buckets of waiting, in seconds.</summary>
    public static readonly double[] WaitBounds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600];

    /// <summary>Upper bounds of the buckets of running, in seconds.</summary>
    public static readonly double[] RunBounds = [0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14_400];

    public static readonly MetricFamily Up = new("tinytown_up", "gauge", "1: this process answers.");
    public static readonly MetricFamily Ready = new("tinytown_ready", "gauge", "1 when Postgres and Redis answer, else 0.");
    public static readonly MetricFamily Agents = new("tinytown_agents_total", "gauge", "Agents by state; a state without agents is 0.");
    public static readonly MetricFamily Pending = new("tinytown_tasks_pending", "gauge", "Tasks in the backlog and assigned ones that no worker has.");
    public static readonly MetricFamily Completed = new("tinytown_tasks_completed_total", "counter", "Tasks that completed.");
    public static readonly MetricFamily Missions = new("tinytown_missions_active", "gauge", "Missions that have not ended.");
    public static readonly MetricFamily RedisLatency = new("tinytown_redis_latency_seconds", "gauge", "Round trip to Redis; missing while it is away.");
    public static readonly MetricFamily Backlog = new("tinytown_backlog_tasks", "gauge", "Tasks in the backlog.");
    public static readonly MetricFamily AssignedPending = new("tinytown_tasks_assigned_pending", "gauge", "Assigned tasks that no worker has.");
    public static readonly MetricFamily Urgent = new("tinytown_urgent_messages", "gauge", "Urgent messages that nobody has acted on.");
    public static readonly MetricFamily Tasks = new("townhall_tasks", "gauge", "Live tasks by state.");
    public static readonly MetricFamily Accepted = new("townhall_tasks_accepted_total", "counter", "Tasks that were accepted.");
    public static readonly MetricFamily Ended = new("townhall_tasks_ended_total", "counter", "Tasks that ended, by state; `dead` is work that lost its workers too often.");
    public static readonly MetricFamily Started = new("townhall_attempts_started_total", "counter", "Attempts that a worker began.");
    public static readonly MetricFamily Attempts = new("townhall_attempts_ended_total", "counter", "Attempts that ended, by outcome; `lost` said nothing, `retried` failed and goes on.");
    public static readonly MetricFamily Wait = new("townhall_task_wait_seconds", "histogram", "From acceptance to the first attempt.");
    public static readonly MetricFamily Run = new("townhall_attempt_run_seconds", "histogram", "From the lease to the recorded end, of attempts whose worker answered.");
    public static readonly MetricFamily Entries = new("townhall_ledger_entries_total", "counter", "Sealed ledger entries by action, as far as they are folded in.");
    public static readonly MetricFamily LedgerHead = new("townhall_ledger_head", "gauge", "Position of the newest sealed entry.");
    public static readonly MetricFamily LedgerFolded = new("townhall_ledger_folded", "gauge", "Position up to which these counters know the ledger.");
    public static readonly MetricFamily LedgerPending = new("townhall_ledger_pending", "gauge", "Entries that wait to be sealed, counted up to 100000.");
    public static readonly MetricFamily LedgerPendingAge = new("townhall_ledger_pending_oldest_seconds", "gauge", "How long the oldest of them waits; 0 when none does.");
    public static readonly MetricFamily OldestWaiting = new("townhall_oldest_waiting_seconds", "gauge", "How long the oldest task that could start now has been due; 0 when there is none.");
    public static readonly MetricFamily OldestSnapshot = new("townhall_oldest_snapshot_seconds", "gauge", "Age of the oldest snapshot that somebody holds; an old one keeps the tables from being cleaned.");
    public static readonly MetricFamily Workers = new("townhall_workers", "gauge", "Registered workers by state.");
    public static readonly MetricFamily Slots = new("townhall_worker_slots", "gauge", "Slots of workers that take work.");
    public static readonly MetricFamily StreamDepth = new("townhall_stream_depth", "gauge", "Startable tasks in the Redis stream; missing while Redis is away.");
    public static readonly MetricFamily SnapshotAge = new("townhall_snapshot_age_seconds", "gauge", "How old these figures are, at most about 1; those of agents up to 10 more.");
    public static readonly MetricFamily Requests = new("townhall_http_requests_total", "counter", "Answers of this process by route, method and status, since it started.");

    public static IReadOnlyList<MetricFamily> All { get; } =
    [
        Up, Ready, Agents, Pending, Completed, Missions, RedisLatency, Backlog, AssignedPending, Urgent, Tasks, Accepted, Ended, Started, Attempts,
        Wait, Run, Entries, LedgerHead, LedgerFolded, LedgerPending, LedgerPendingAge, OldestWaiting, OldestSnapshot, Workers, Slots, StreamDepth,
        SnapshotAge, Requests,
    ];
}
