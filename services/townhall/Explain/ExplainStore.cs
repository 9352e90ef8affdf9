using Npgsql;
using Townhall.Contracts.Ids;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Api.Explain;

/// <summary>A task that holds what another one waits for.</summary>
internal sealed record Holder(Guid TaskId, DateTime LeasedAt);

/// <summary>Everything that decides whether one task may start, from one snapshot.</summary>
internal sealed class TaskFacts
{
    public required string State { get; init; }
    public DateTime Now { get; init; }
    public DateTime CreatedAt { get; init; }
    public DateTime? EndedAt { get; init; }
    public bool Due { get; init; }
    public DateTime AvailableAt { get; init; }
    public int Attempt { get; init; }
    public int Failures { get; init; }
    public string? LastError { get; init; }
    public string? Parked { get; init; }
    public DateTime? ParkedAt { get; init; }
    public string? ConcurrencyKey { get; init; }
    public string? RateKey { get; init; }
    public DateTime? LeasedAt { get; init; }
    public bool Withdrawn { get; init; }
    public string? WorkerName { get; init; }
    public long Position { get; init; }
    public string? AgentName { get; init; }
    public string? AgentControl { get; init; }
    public DateTime? AgentControlAt { get; init; }
    public bool AgentFrozen { get; init; }
    public int AgentRunning { get; init; }
    public int AgentMost { get; init; }
    public string? Runtime { get; init; }
    public IReadOnlyList<Holder> AgentHolders { get; init; } = [];
    public int? KeyMost { get; init; }
    public int KeyHeld { get; init; }
    public IReadOnlyList<Holder> KeyHolders { get; init; } = [];
    public double? Rate { get; init; }
    public double? Tokens { get; init; }
    public int? TownMost { get; init; }
    public long TownRunning { get; init; }
    public int Workers { get; init; }
    public int WorkersFit { get; init; }
    public long FreeSlots { get; init; }
    public int WorkersDraining { get; init; }

    /// <summary>Workers that could run it and were not heard of for a whole lease: they count as there, until they are declared lost.</summary>
    public int WorkersSilent { get; init; }
    public DateTime? WorkersSilentSince { get; init; }

    /// <summary>Since when the dispatcher gives nothing, because the town's ledger is not the one that was kept.</summary>
    public DateTime? LedgerStoppedAt { get; init; }
    public DateTime? LastWorkerEnd { get; init; }
    public DateTime? Deadline { get; init; }
    public DateTime? LeaseUntil { get; init; }

    /// <summary>Until when a dispatcher has said that it is there; null where none ever was.</summary>
    public DateTime? DispatcherUntil { get; init; }

    /// <summary>When the last task of the town was leased that still runs.</summary>
    public DateTime? TownFullSince { get; init; }

    /// <summary>The same of the workers that could run it.</summary>
    public DateTime? WorkersBusySince { get; init; }

    /// <summary>In the backlog: the role whose agents may take it; empty for generalists.</summary>
    public string Lane { get; init; } = "";
    public int LaneActive { get; init; }
    public int LaneIdle { get; init; }
}

/// <summary>Reads what decides about one task, in one statement.</summary>
internal sealed class ExplainStore(NpgsqlDataSource database, TownSettings town)
{
    /// <summary>Tasks ahead are counted up to here.</summary>
    public const int PositionMost = 10_000;

    private const int HoldersMost = 10;

    /// <returns>Null when there is no such task.</returns>
    public async Task<TaskFacts?> ReadAsync(TaskId task, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand($"""
            WITH it AS MATERIALIZED (
                SELECT id, state, agent_id, created_at, NULL::timestamptz AS ended_at, due, available_at, attempt, failures, last_error,
                       parked, parked_at, concurrency_key, rate_key, rank, leased_at, cancel_requested_at IS NOT NULL AS withdrawn, lease_worker,
                       deadline, lease_until, CASE WHEN state = 'pending' THEN task_lane(tags) END AS lane
                FROM task WHERE id = $2 AND town = $1
                UNION ALL
                SELECT id, state, agent_id, created_at, completed_at, false, created_at, attempt, failures, failure_detail,
                       NULL, NULL, concurrency_key, rate_key, 0, NULL, false, lease_worker, NULL, NULL, NULL
                FROM task_history WHERE id = $2 AND town = $1
            ), load AS MATERIALIZED (
                SELECT CASE WHEN w.seen_at < now() - $3 THEN 'silent' ELSE w.state END AS state, w.runtimes, w.slots - held.tasks AS free, held.since,
                       w.seen_at
                FROM worker w CROSS JOIN LATERAL (
                    SELECT count(*) AS tasks, max(t.leased_at) AS since FROM task t WHERE t.lease_worker = w.id AND t.state = 'running') held
                WHERE w.town = $1 AND w.state IN ('active', 'draining')
            )
            SELECT it.state, now(), it.created_at, it.ended_at, it.due, it.available_at, it.attempt, it.failures, it.last_error,
                   it.parked, it.parked_at, it.concurrency_key, it.rate_key, it.leased_at, it.withdrawn, w.name,
                   CASE WHEN it.state = 'assigned' THEN (
                       SELECT count(*) FROM (
                           SELECT FROM task t WHERE t.agent_id = it.agent_id AND t.state = 'assigned' AND t.due
                               AND (t.rank, t.id) < (it.rank, it.id) LIMIT {PositionMost}) ahead) ELSE 0 END,
                   a.name, a.control, a.control_at, coalesce(a.frozen, false), coalesce(a.running, 0), coalesce(a.max_concurrency, 0), a.runtime,
                   (SELECT array_agg(h.id ORDER BY h.leased_at) FROM (
                       SELECT t.id, t.leased_at FROM task t WHERE t.agent_id = it.agent_id AND t.state = 'running'
                       ORDER BY t.leased_at LIMIT {HoldersMost}) h),
                   (SELECT array_agg(h.leased_at ORDER BY h.leased_at) FROM (
                       SELECT t.leased_at FROM task t WHERE t.agent_id = it.agent_id AND t.state = 'running'
                       ORDER BY t.leased_at LIMIT {HoldersMost}) h),
                   k.max_concurrency, coalesce(k.held, 0),
                   (SELECT array_agg(h.id ORDER BY h.leased_at) FROM (
                       SELECT t.id, t.leased_at FROM task t WHERE t.town = $1 AND t.concurrency_key = it.concurrency_key
                           AND t.parked IS NULL AND t.state = 'running' ORDER BY t.leased_at LIMIT {HoldersMost}) h),
                   (SELECT array_agg(h.leased_at ORDER BY h.leased_at) FROM (
                       SELECT t.leased_at FROM task t WHERE t.town = $1 AND t.concurrency_key = it.concurrency_key
                           AND t.parked IS NULL AND t.state = 'running' ORDER BY t.leased_at LIMIT {HoldersMost}) h),
                   r.rate_per_minute, CASE WHEN r.rate_per_minute IS NOT NULL THEN rate_tokens(r) END,
                   everything.max_concurrency,
                   CASE WHEN everything.max_concurrency IS NOT NULL
                        THEN (SELECT count(*) FROM task t WHERE t.town = $1 AND t.state = 'running') ELSE 0 END,
                   (SELECT count(*)::int FROM load WHERE state = 'active'),
                   (SELECT count(*)::int FROM load WHERE state = 'active' AND a.runtime = ANY (runtimes)),
                   (SELECT coalesce(sum(greatest(free, 0)), 0)::bigint FROM load WHERE state = 'active' AND a.runtime = ANY (runtimes)),
                   (SELECT count(*)::int FROM load WHERE state = 'draining' AND a.runtime = ANY (runtimes)),
                   (SELECT max(ended_at) FROM worker WHERE town = $1 AND state IN ('drained', 'lost')),
                   it.deadline, it.lease_until, (SELECT until FROM leader WHERE town = $1 AND duty = 'dispatch'),
                   CASE WHEN everything.max_concurrency IS NOT NULL
                        THEN (SELECT max(t.leased_at) FROM task t WHERE t.town = $1 AND t.state = 'running') END,
                   (SELECT max(since) FROM load WHERE state = 'active' AND a.runtime = ANY (runtimes)),
                   coalesce(it.lane, ''),
                   CASE WHEN it.lane IS NULL THEN 0 ELSE (
                       SELECT count(*)::int FROM (
                           SELECT FROM agent g WHERE g.town = $1 AND role_lane(g.role_id) = it.lane AND g.control = 'active' LIMIT {PositionMost}) g) END,
                   CASE WHEN it.lane IS NULL THEN 0 ELSE (SELECT count(*)::int FROM idle_agents($1, it.lane, {PositionMost})) END,
                   (SELECT count(*)::int FROM load WHERE state = 'silent' AND a.runtime = ANY (runtimes)),
                   (SELECT max(seen_at) FROM load WHERE state = 'silent' AND a.runtime = ANY (runtimes)),
                   (SELECT found_at FROM ledger_alarm WHERE town = $1)
            FROM it
            LEFT JOIN agent a ON a.id = it.agent_id
            LEFT JOIN worker w ON w.id = it.lease_worker
            LEFT JOIN limit_key k ON k.town = $1 AND k.key = it.concurrency_key
            LEFT JOIN limit_key r ON r.town = $1 AND r.key = it.rate_key
            LEFT JOIN limit_key everything ON everything.town = $1 AND everything.key = 'town'
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = task.Value });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = town.LeaseOf("") });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        return await row.ReadAsync(cancellationToken)
            ? new()
            {
                State = row.GetString(0),
                Now = row.GetDateTime(1),
                CreatedAt = row.GetDateTime(2),
                EndedAt = Instant(row, 3),
                Due = row.GetBoolean(4),
                AvailableAt = row.GetDateTime(5),
                Attempt = row.GetInt32(6),
                Failures = row.GetInt32(7),
                LastError = Text(row, 8),
                Parked = Text(row, 9),
                ParkedAt = Instant(row, 10),
                ConcurrencyKey = Text(row, 11),
                RateKey = Text(row, 12),
                LeasedAt = Instant(row, 13),
                Withdrawn = row.GetBoolean(14),
                WorkerName = Text(row, 15),
                Position = row.GetInt64(16),
                AgentName = Text(row, 17),
                AgentControl = Text(row, 18),
                AgentControlAt = Instant(row, 19),
                AgentFrozen = row.GetBoolean(20),
                AgentRunning = row.GetInt32(21),
                AgentMost = row.GetInt32(22),
                Runtime = Text(row, 23),
                AgentHolders = Holders(row, 24),
                KeyMost = row.IsDBNull(26) ? null : row.GetInt32(26),
                KeyHeld = row.GetInt32(27),
                KeyHolders = Holders(row, 28),
                Rate = row.IsDBNull(30) ? null : row.GetDouble(30),
                Tokens = row.IsDBNull(31) ? null : row.GetDouble(31),
                TownMost = row.IsDBNull(32) ? null : row.GetInt32(32),
                TownRunning = row.GetInt64(33),
                Workers = row.GetInt32(34),
                WorkersFit = row.GetInt32(35),
                FreeSlots = row.GetInt64(36),
                WorkersDraining = row.GetInt32(37),
                LastWorkerEnd = Instant(row, 38),
                Deadline = Instant(row, 39),
                LeaseUntil = Instant(row, 40),
                DispatcherUntil = Instant(row, 41),
                TownFullSince = Instant(row, 42),
                WorkersBusySince = Instant(row, 43),
                Lane = row.GetString(44),
                LaneActive = row.GetInt32(45),
                LaneIdle = row.GetInt32(46),
                WorkersSilent = row.GetInt32(47),
                WorkersSilentSince = Instant(row, 48),
                LedgerStoppedAt = Instant(row, 49),
            }
            : null;
    }

    private static IReadOnlyList<Holder> Holders(NpgsqlDataReader row, int at) => row.IsDBNull(at)
        ? []
        : [.. row.GetFieldValue<Guid[]>(at).Zip(row.GetFieldValue<DateTime[]>(at + 1), static (task, since) => new Holder(task, since))];

    private static string? Text(NpgsqlDataReader row, int at) => row.IsDBNull(at) ? null : row.GetString(at);

    private static DateTime? Instant(NpgsqlDataReader row, int at) => row.IsDBNull(at) ? null : row.GetDateTime(at);
}
