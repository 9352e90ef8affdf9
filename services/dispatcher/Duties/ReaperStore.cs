using Npgsql;
using Townhall.Contracts.Tasks;
using Townhall.Dispatcher.Leases;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Dispatcher.Duties;

/// <summary>Every statement that ends what ran out of time.</summary>
internal sealed partial class ReaperStore(NpgsqlDataSource database, TownSettings town, ILogger<ReaperStore> logger) : IReaperStore
{
    private const int BatchMost = 500;

    /// <summary>Rows that cannot be ended and are stepped over in one turn, at most.</summary>
    private const int BrokenMost = 100;

    /// <summary>Parked tasks of one key let in at once, where the key itself allows more.</summary>
    private const int AdmittedMost = 1000;

    /// <summary>Notes a turn of the reaper and says whether it may expire leases. After a gap (an outage of ours, in which
    /// workers could not renew) it may not for one lease.</summary>
    /// <param name="broken">The turn before this one failed: however short the gap, nothing could be renewed in it.</param>
    public async Task<bool> BeginAsync(long epoch, bool broken, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            UPDATE leader
            SET hold_until = CASE WHEN turned_at IS NULL OR $5 OR now() - turned_at > $3 THEN now() + $4 ELSE hold_until END,
                turned_at = now()
            WHERE town = $1 AND duty = 'dispatch' AND epoch = $2
            RETURNING hold_until IS NULL OR hold_until <= now()
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = epoch });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = Gap(town) });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = town.LeaseOf("") });
        command.Parameters.Add(new NpgsqlParameter<bool> { TypedValue = broken });
        return await command.ExecuteScalarAsync(cancellationToken) is true;
    }

    /// <summary>How far two turns may lie apart before that counts as an outage: a worker renews at a third of its lease, so one that
    /// was silent for half a lease and no longer has its next try before the lease is over.</summary>
    internal static TimeSpan Gap(TownSettings town) => town.ReaperPeriod + (town.LeaseOf("") / 2);

    /// <summary>Offers tasks of leases that ran out again, or buries those whose workers were lost too often. A row that cannot be ended
    /// holds up no other.</summary>
    /// <returns>The agents whose tasks came back; as many as a bounded batch held.</returns>
    public async Task<IReadOnlyList<Guid>> ExpireAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await SqlFailures.AgainAfterConflictAsync(() => ExpireBatchAsync(BatchMost, 0, cancellationToken));
        }
        catch (PostgresException bad) when (bad.IsOfARow())
        {
            return await ExpireOneByOneAsync(cancellationToken);
        }
    }

    private async Task<IReadOnlyList<Guid>> ExpireOneByOneAsync(CancellationToken cancellationToken)
    {
        var agents = new List<Guid>();
        for (var broken = 0; broken < BrokenMost && agents.Count < BatchMost;)
        {
            try
            {
                var freed = await ExpireBatchAsync(1, broken, cancellationToken);
                if (freed.Count == 0)
                {
                    break;
                }

                agents.AddRange(freed);
            }
            catch (PostgresException bad) when (bad.IsOfARow())
            {
                broken++;
                LogBroken(broken, bad.SqlState, bad.MessageText);
            }
        }

        return agents;
    }

    /// <param name="skip">So many of the oldest are left alone.</param>
    private async Task<IReadOnlyList<Guid>> ExpireBatchAsync(int most, int skip, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            WITH gone AS MATERIALIZED (
                SELECT id, agent_id, attempt, lease_worker, crashes, concurrency_key, cancel_requested_at IS NOT NULL AS withdrawn,
                       cancel_reason = 'deadline' AS late
                FROM task
                WHERE state = 'running' AND lease_until < now() AND town = $1
                ORDER BY lease_until, id
                LIMIT $3 OFFSET $4
                FOR UPDATE SKIP LOCKED
            ), slot AS MATERIALIZED (
                SELECT a.id, a.name FROM agent a WHERE a.id IN (SELECT agent_id FROM gone) ORDER BY a.id FOR NO KEY UPDATE
            ), ended AS (
                DELETE FROM task t USING gone
                WHERE t.id = gone.id AND (gone.crashes + 1 >= $2 OR gone.withdrawn)
                RETURNING t.*, gone.withdrawn, gone.late
            ), kept AS (
                INSERT INTO task_history (id, town, agent_id, state, priority, description, tags, max_attempts, timeout_secs,
                    deadline, concurrency_key, rate_key, attempt, failures, crashes, lease_token, lease_worker, created_by, created_at,
                    started_at, failure_code, failure_detail, retry_of, parent_id)
                SELECT id, town, agent_id, CASE WHEN late THEN 'failed' WHEN withdrawn THEN 'cancelled' ELSE 'dead' END, priority, description, tags,
                    max_attempts, timeout_secs, deadline, concurrency_key, rate_key, attempt, failures, crashes + 1, lease_token,
                    lease_worker, created_by, created_at, started_at,
                    CASE WHEN late THEN 'deadline_exceeded' WHEN withdrawn THEN 'cancelled' ELSE 'workers_lost' END,
                    format('Attempt %s ended without an answer; %s attempts did so in all.', attempt, crashes + 1),
                    retry_of, parent_id
                FROM ended
            ), back AS (
                UPDATE task t
                SET state = 'assigned', lease_until = NULL, crashes = t.crashes + 1, due = true, available_at = now(),
                    last_error = format('Attempt %s ended without an answer.', t.attempt)
                FROM gone
                WHERE t.id = gone.id AND gone.crashes + 1 < $2 AND NOT gone.withdrawn
            ), freed AS (
                UPDATE agent a SET running = a.running - f.some
                FROM (SELECT gone.agent_id, count(*) AS some FROM gone JOIN slot ON slot.id = gone.agent_id GROUP BY gone.agent_id) f
                WHERE a.id = f.agent_id
            ), permit AS MATERIALIZED (
                SELECT l.key FROM limit_key l
                WHERE l.town = $1 AND l.key = ANY (ARRAY(SELECT concurrency_key FROM gone WHERE concurrency_key IS NOT NULL))
                    AND (SELECT count(*) FROM slot) > 0
                ORDER BY l.key FOR UPDATE
            ), permits AS (
                UPDATE limit_key l SET held = greatest(0, l.held - f.some)
                FROM (SELECT concurrency_key AS key, count(*) AS some FROM gone WHERE concurrency_key IS NOT NULL GROUP BY 1) f
                WHERE l.town = $1 AND l.key = f.key AND (SELECT count(*) FROM permit) > 0
            ), moved AS (
                INSERT INTO task_count_delta (town, running, assigned, dead, cancelled, failed)
                SELECT $1, -count(*), count(*) FILTER (WHERE crashes + 1 < $2 AND NOT withdrawn),
                       count(*) FILTER (WHERE crashes + 1 >= $2 AND NOT withdrawn),
                       count(*) FILTER (WHERE withdrawn AND late IS NOT TRUE), count(*) FILTER (WHERE late)
                FROM gone HAVING count(*) > 0
            ), logged AS (
                INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, task_id, outcome, detail)
                SELECT $1, 'dispatcher',
                       CASE WHEN late THEN 'TaskFailed' WHEN withdrawn THEN 'TaskCancelled' WHEN crashes + 1 >= $2 THEN 'TaskDead' ELSE 'LeaseExpired' END,
                       gone.agent_id, slot.name, gone.id, 'failure',
                       json_build_object('attempt', attempt, 'worker_id', lease_worker, 'crashes', crashes + 1)::text
                FROM gone JOIN slot ON slot.id = gone.agent_id
            )
            SELECT agent_id FROM gone
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = TaskLimits.Crashes });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = most });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = skip });
        return await GuidsAsync(command, cancellationToken);
    }

    /// <summary>Declares workers lost that hold nothing and were not heard of for two leases: one that comes back just after
    /// its lease ran out can still hand in what it did.</summary>
    public async Task<int> LoseSilentWorkersAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            WITH silent AS (
                UPDATE worker w SET state = 'lost', ended_at = now()
                WHERE w.town = $1 AND w.state IN ('active', 'draining') AND w.seen_at < now() - $2
                  AND NOT EXISTS (SELECT FROM task t WHERE t.lease_worker = w.id AND t.state = 'running')
                RETURNING w.id
            )
            INSERT INTO ledger_pending (town, actor, action, outcome, detail)
            SELECT $1, 'dispatcher', 'WorkerLost', 'failure', json_build_object('worker_id', id)::text FROM silent
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = town.LeaseOf("") * 2 });
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Lets parked work in as far as its keys have room.</summary>
    /// <param name="keys">Which keys; null for all.</param>
    /// <returns>The agents whose work may start now.</returns>
    public async Task<IReadOnlyList<Guid>> AdmitAsync(string[]? keys, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT admit_parked($1, $2, $3)");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<string[]?> { TypedValue = keys });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = AdmittedMost });
        return await GuidsAsync(command, cancellationToken);
    }

    /// <summary>Ends what waited beyond its deadline and withdraws attempts that run beyond it.</summary>
    /// <returns>The tasks whose attempts were withdrawn: their workers should hear of it.</returns>
    public async Task<IReadOnlyList<Guid>> ExpireDeadlinesAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT expire_deadlines($1, $2)");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = BatchMost });
        return await GuidsAsync(command, cancellationToken);
    }

    /// <summary>Agents that have something to start now, for lost rings; delayed and parked work whose time has come joins first.</summary>
    public async Task<IReadOnlyList<Guid>> SweepAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            WITH promoted AS MATERIALIZED (SELECT agent_id FROM promote_delayed($2) AS p (agent_id)),
                 admitted AS MATERIALIZED (SELECT agent_id FROM admit_parked($1, NULL, $4) AS p (agent_id)),
                 alone AS MATERIALIZED (SELECT agent_id FROM admit_alone($1, $5) AS p (agent_id))
            SELECT agent_id FROM promoted UNION SELECT agent_id FROM admitted UNION SELECT agent_id FROM alone UNION SELECT agent_id FROM ready_agents($1, NULL, $3)
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = 2000 });
        // As many as are remembered: a smaller bound would always name the same ones.
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = ReadyAgents.Most });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = AdmittedMost });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = LeaseStore.AlonePatience });
        return await GuidsAsync(command, cancellationToken);
    }

    /// <summary>Makes the partitions of the next months.</summary>
    public async Task<int> EnsurePartitionsAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT ensure_partitions()");
        return (int)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    private static async Task<IReadOnlyList<Guid>> GuidsAsync(NpgsqlCommand command, CancellationToken cancellationToken)
    {
        var ids = new List<Guid>();
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            ids.Add(row.GetGuid(0));
        }

        return ids;
    }

    [LoggerMessage(LogLevel.Error, "The lease that ran out as number {Place} of the oldest cannot be ended and is stepped over ({SqlState}): {Reason}")]
    private partial void LogBroken(int place, string sqlState, string reason);
}
