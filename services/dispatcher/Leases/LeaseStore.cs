using System.Text.Json;
using Npgsql;
using Townhall.Contracts.Ids;
using Townhall.Contracts.Workers;
using Townhall.Dispatcher.Control;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Dispatcher.Leases;

/// <summary>What one claim found: the leases, and what it learned of each agent it looked at.</summary>
/// <param name="TownFull">Nothing more may start in the whole town until something ends.</param>
internal sealed record Claim(List<Lease> Leases, List<Looked> Agents, bool TownFull);

/// <summary>Every statement that gives, keeps or repeats a lease. Any number of processes may run them at once.</summary>
internal sealed class LeaseStore(NpgsqlDataSource database, TownSettings town) : IClaimStore
{
    // What a lease carries, in the order Read expects; `a` is the agent, `t` the leased row.
    private const string LeaseColumns =
        "t.id, t.attempt, t.lease_token, a.id, a.name, a.runtime, a.cli, t.description, t.timeout_secs, a.trust_level, a.grants::text, t.steered";

    private const string ClaimText = """
        WITH taker AS MATERIALIZED (
            -- Shared with other claims, exclusive to a drain: after its yes no claim sees this worker active.
            SELECT id FROM worker WHERE id = $1 AND state = 'active' FOR SHARE
        ), room AS MATERIALIZED (
            SELECT least($5, (
                SELECT l.max_concurrency - (SELECT count(*) FROM task t WHERE t.town = $9 AND t.state = 'running')
                FROM limit_key l WHERE l.town = $9 AND l.key = 'town' AND l.max_concurrency IS NOT NULL)) AS starts
        ), slot AS MATERIALIZED (
            SELECT a.id, a.name, a.runtime, a.cli, a.trust_level, a.grants, least(a.max_concurrency - a.running, c.quota) AS free, c.turn,
                   a.tenant, a.weight, a.max_concurrency
            FROM unnest($3, $6) WITH ORDINALITY AS c (id, quota, turn)
            JOIN agent a ON a.id = c.id
            CROSS JOIN taker
            WHERE a.control = 'active' AND a.running < a.max_concurrency AND a.runtime = ANY ($4)
            FOR NO KEY UPDATE OF a SKIP LOCKED
        ), found AS MATERIALIZED (
            -- Carries all that is needed later: the planner thinks a CTE holds one row, and would join two of them row by row.
            SELECT t.id, slot.id AS agent_id, slot.name, slot.runtime, slot.cli, slot.trust_level, slot.grants, slot.free,
                   slot.turn, slot.tenant, slot.weight, slot.max_concurrency, t.rank, t.concurrency_key, t.rate_key,
                   row_number() OVER (PARTITION BY slot.id ORDER BY t.rank, t.id) AS nth
            FROM slot
            CROSS JOIN LATERAL (
                SELECT id, rank, concurrency_key, rate_key FROM task
                WHERE agent_id = slot.id AND state = 'assigned' AND due AND (deadline IS NULL OR deadline > now())
                ORDER BY rank, id
                LIMIT slot.free
                -- Others lock a task before its agent: waiting for one here could be a circle.
                FOR NO KEY UPDATE SKIP LOCKED) t
        ), permit AS MATERIALIZED (
            -- Locked last and in order, as everyone does, so that nobody waits for them in a circle; the lock reads the newest row.
            SELECT l.key, l.max_concurrency - l.held AS free,
                   CASE WHEN l.rate_per_minute IS NOT NULL THEN floor(rate_tokens(l)) END AS tokens
            FROM limit_key l
            WHERE l.town = $9 AND l.key = ANY (ARRAY(
                SELECT concurrency_key FROM found WHERE concurrency_key IS NOT NULL
                UNION SELECT rate_key FROM found WHERE rate_key IS NOT NULL))
            ORDER BY l.key FOR UPDATE
        ), judged AS MATERIALIZED (
            SELECT f.*,
                   CASE WHEN f.concurrency_key IS NOT NULL AND (k.key IS NULL
                            OR row_number() OVER (PARTITION BY f.concurrency_key ORDER BY f.rank, f.id) > k.free) THEN 'concurrency'
                        WHEN f.rate_key IS NOT NULL
                            AND row_number() OVER (PARTITION BY f.rate_key ORDER BY f.rank, f.id) > r.tokens THEN 'rate' END AS blocked
            FROM found f
            LEFT JOIN permit k ON k.key = f.concurrency_key
            LEFT JOIN permit r ON r.key = f.rate_key
        ), leased AS (
            UPDATE task t
            SET state = 'running', attempt = t.attempt + 1, lease_token = gen_random_uuid(), lease_worker = $1,
                lease_request = $2, leased_at = now(), started_at = coalesce(t.started_at, now()),
                lease_until = now() + CASE WHEN p.runtime = 'command' THEN $8 ELSE $7 END
            FROM (SELECT * FROM judged WHERE blocked IS NULL ORDER BY nth, turn LIMIT (SELECT greatest(starts, 0) FROM room)) p
            WHERE t.id = p.id AND t.state = 'assigned' AND t.due
            RETURNING t.id, t.attempt, t.lease_token, t.agent_id, p.name, p.runtime, p.cli, t.description, t.timeout_secs,
                      p.trust_level, p.grants, t.concurrency_key, t.rate_key, t.steered
        ), parked AS (
            UPDATE task t SET due = false, parked = j.blocked, parked_at = now()
            FROM judged j WHERE j.blocked IS NOT NULL AND t.id = j.id
        ), charged AS (
            UPDATE limit_key l
            SET held = l.held + u.held,
                tokens = CASE WHEN l.rate_per_minute IS NULL THEN l.tokens ELSE greatest(0, rate_tokens(l) - u.used) END,
                refilled_at = CASE WHEN l.rate_per_minute IS NULL THEN l.refilled_at ELSE clock_timestamp() END
            FROM (SELECT key, sum(held) AS held, sum(used) AS used
                  FROM (SELECT concurrency_key, 1, 0 FROM leased WHERE concurrency_key IS NOT NULL
                        UNION ALL SELECT rate_key, 0, 1 FROM leased WHERE rate_key IS NOT NULL) AS k (key, held, used)
                  GROUP BY key) u
            WHERE l.town = $9 AND l.key = u.key
        ), counted AS (
            UPDATE agent a SET running = a.running + l.some, last_active_at = now()
            FROM (SELECT agent_id, count(*) AS some FROM leased GROUP BY agent_id) l
            WHERE a.id = l.agent_id
        ), moved AS (
            INSERT INTO task_count_delta (town, assigned, running)
            SELECT $9, -count(*), count(*) FROM leased HAVING count(*) > 0
        ), logged AS (
            -- A no-op ends before anybody could read that it began; its leasing is on the entry of its end.
            INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, task_id, detail)
            SELECT $9, 'worker:' || $1, 'TaskStarted', agent_id, name, id,
                   json_build_object('attempt', attempt, 'worker_id', $1::uuid)::text
            FROM leased WHERE runtime <> 'noop'
        )
        SELECT NULL::bigint, NULL::int, id, attempt, lease_token, agent_id, name, runtime, cli, description, timeout_secs,
               trust_level, grants::text, NULL::int, NULL::int, NULL::bigint, steered
        FROM leased
        UNION ALL
        SELECT count(*), min(free), NULL, coalesce((SELECT w.weight FROM tenant w WHERE w.town = $9 AND w.name = tenant), 1), NULL,
               agent_id, tenant, NULL, NULL, NULL, NULL, NULL, NULL, min(weight), min(max_concurrency), count(blocked), NULL
        FROM judged GROUP BY agent_id, tenant
        UNION ALL
        SELECT 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
        FROM room WHERE starts <= 0 AND EXISTS (SELECT FROM judged)
        """;

    /// <summary>Leases up to <paramref name="limit"/> due tasks of the given agents: each agent's first before anyone's second.</summary>
    /// <param name="worker">Must be active at the commit, or nothing is given.</param>
    /// <param name="request">Remembered in the rows, so that a repeat of the call finds them (<see cref="RepeatAsync"/>).</param>
    /// <param name="turns">Candidates in turn; those that another transaction holds, or that are full, are passed over.</param>
    /// <returns>Leases that are this worker's alone until they end. What a key has no permit for is parked on the way.</returns>
    public async Task<Claim> ClaimAsync(
        WorkerId worker, Guid request, string[] runtimes, Turn[] turns, int limit, CancellationToken cancellationToken)
    {
        // Two statements, one transaction, one round trip: the second one's snapshot is younger than the town's lock, so
        // that its count of what runs cannot be outdated.
        await using var batch = database.CreateBatch();
        var lockTown = new NpgsqlBatchCommand("SELECT FROM limit_key WHERE town = $1 AND key = 'town' AND max_concurrency IS NOT NULL FOR UPDATE");
        lockTown.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        batch.BatchCommands.Add(lockTown);
        var command = new NpgsqlBatchCommand(ClaimText);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = worker.Value });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = request });
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = Array.ConvertAll(turns, static turn => turn.Agent) });
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = runtimes });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = limit });
        command.Parameters.Add(new NpgsqlParameter<int[]> { TypedValue = Array.ConvertAll(turns, static turn => turn.Quota) });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = town.LeaseOf("") });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = town.LeaseOf(Contracts.Agents.Runtimes.Command) });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        batch.BatchCommands.Add(command);

        var leases = new List<Lease>(limit);
        var seen = new Dictionary<Guid, (long Found, long Blocked, int Free, Share Share)>(turns.Length);
        var taken = new Dictionary<Guid, int>(turns.Length);
        var full = false;
        var steered = new List<Lease>();
        await using (var row = await batch.ExecuteReaderAsync(cancellationToken))
        {
            await row.NextResultAsync(cancellationToken);
            while (await row.ReadAsync(cancellationToken))
            {
                if (row.IsDBNull(0))
                {
                    var lease = Read(row, 2, 16, steered);
                    leases.Add(lease);
                    taken[lease.AgentId] = taken.GetValueOrDefault(lease.AgentId) + 1;
                }
                else if (row.IsDBNull(5))
                {
                    full = true;
                }
                else
                {
                    seen[row.GetGuid(5)] = (row.GetInt64(0), row.GetInt64(15), row.GetInt32(1),
                        new(row.GetString(6), row.GetInt32(3), row.GetInt32(13), row.GetInt32(14)));
                }
            }
        }

        await AddNotesAsync(leases, steered, cancellationToken);
        return new(leases, [.. turns.Select(turn => Judge(turn.Agent))], full);

        // More may be there when the look was cut short by its bound, or when others' turns came first.
        Looked Judge(Guid agent) => seen.TryGetValue(agent, out var one)
            ? new(agent, taken.GetValueOrDefault(agent), one.Found >= one.Free || taken.GetValueOrDefault(agent) + one.Blocked < one.Found, one.Share)
            : new(agent, 0, More: false, Share: null);
    }

    /// <summary>What the same call was given before: its reply may have been lost.</summary>
    public async Task<Lease[]> RepeatAsync(WorkerId worker, Guid request, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand($"""
            SELECT {LeaseColumns}
            FROM task t JOIN agent a ON a.id = t.agent_id
            WHERE t.lease_worker = $1 AND t.state = 'running' AND t.lease_request = $2
            """);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = worker.Value });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = request });
        var leases = new List<Lease>();
        var steered = new List<Lease>();
        await using (var row = await command.ExecuteReaderAsync(cancellationToken))
        {
            while (await row.ReadAsync(cancellationToken))
            {
                leases.Add(Read(row, 0, 11, steered));
            }
        }

        await AddNotesAsync(leases, steered, cancellationToken);
        return [.. leases];
    }

    /// <summary>Prolongs the leases that this worker still holds.</summary>
    /// <returns>One verdict per lease, in their order: held, cancel, or lost.</returns>
    public async Task<RenewVerdict[]> RenewAsync(WorkerId worker, LeaseRef[] leases, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            WITH asked AS (SELECT * FROM unnest($2, $3, $4) AS asked (id, epoch, token)),
                 held AS MATERIALIZED (
                    -- In order of id, as everyone who locks several tasks does.
                    SELECT t.id, a.runtime FROM task t JOIN asked ON asked.id = t.id JOIN agent a ON a.id = t.agent_id
                    WHERE t.attempt = asked.epoch AND t.lease_token = asked.token AND t.lease_worker = $1 AND t.state = 'running'
                    ORDER BY t.id FOR NO KEY UPDATE OF t)
            UPDATE task t
            SET lease_until = now() + CASE WHEN held.runtime = 'command' THEN $6 ELSE $5 END
            FROM held
            WHERE t.id = held.id
            RETURNING t.id, t.cancel_requested_at IS NOT NULL, held.runtime
            """);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = worker.Value });
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = Array.ConvertAll(leases, static lease => lease.TaskId) });
        command.Parameters.Add(new NpgsqlParameter<int[]> { TypedValue = Array.ConvertAll(leases, static lease => lease.Epoch) });
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = Array.ConvertAll(leases, static lease => lease.Token) });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = town.LeaseOf("") });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = town.LeaseOf(Contracts.Agents.Runtimes.Command) });
        var held = new Dictionary<Guid, (bool Cancel, string Runtime)>(leases.Length);
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            held[row.GetGuid(0)] = (row.GetBoolean(1), row.GetString(2));
        }

        return Array.ConvertAll(leases, lease => held.TryGetValue(lease.TaskId, out var one)
            ? new RenewVerdict(lease.TaskId, lease.Epoch, one.Cancel ? Verdicts.Cancel : Verdicts.Held, town.LeaseOf(one.Runtime).TotalSeconds)
            : new RenewVerdict(lease.TaskId, lease.Epoch, Verdicts.Lost, 0));
    }

    private Task AddNotesAsync(List<Lease> leases, List<Lease> steered, CancellationToken cancellationToken) =>
        steered is [] ? Task.CompletedTask : SteeredPrompts.AddAsync(database, town.Name, leases, steered, cancellationToken);

    private Lease Read(NpgsqlDataReader row, int at, int steeredAt, List<Lease> steered)
    {
        var lease = new Lease(
            row.GetGuid(at), row.GetInt32(at + 1), row.GetGuid(at + 2), row.GetGuid(at + 3), row.GetString(at + 4),
            row.GetString(at + 5), row.GetString(at + 6), row.GetString(at + 7), town.LeaseOf(row.GetString(at + 5)).TotalSeconds,
            row.IsDBNull(at + 8) ? null : row.GetDouble(at + 8), row.GetString(at + 9),
            JsonSerializer.Deserialize(row.GetString(at + 10), WorkerJson.Default.AgentGrant) ?? AgentGrant.None);
        if (row.GetBoolean(steeredAt))
        {
            steered.Add(lease);
        }

        return lease;
    }
}
