using System.Text.Json;
using Npgsql;
using Townhall.Contracts.Ids;
using Townhall.Contracts.Tasks;
using Townhall.Contracts.Workers;
using Townhall.Dispatcher.Control;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Dispatcher.Leases;

/// <summary>What one claim found: the leases, and what it learned of each agent it looked at.</summary>
/// <param name="TownFull">Nothing more may start in the whole town until something ends.</param>
internal sealed record Claim(List<Lease> Leases, List<Looked> Agents, bool TownFull);

/// <summary>What may start now.</summary>
/// <param name="Tasks">In the order in which they should.</param>
/// <param name="Still">Of those chosen earlier, what still waits.</param>
internal sealed record Choice(List<Guid> Tasks, List<Guid> Still, List<Looked> Agents);

/// <summary>Every statement that gives, keeps or repeats a lease. Any number of processes may run them at once.</summary>
internal sealed class LeaseStore(NpgsqlDataSource database, TownSettings town) : IClaimStore
{
    /// <summary>How long the last chance of a task waits for a worker that holds nothing; then it starts beside what runs.</summary>
    public static readonly TimeSpan AlonePatience = TimeSpan.FromMinutes(1);

    // What a lease carries, in the order Read expects; `a` is the agent, `t` the leased row.
    private const string LeaseColumns =
        "t.id, t.attempt, t.lease_token, a.id, a.name, a.runtime, a.cli, t.description, t.timeout_secs, a.trust_level, a.grants::text, t.steered OR a.mail, t.crashes >= $3";

    /// <summary>Leases up to <paramref name="limit"/> due tasks of the given agents: each agent's first before anyone's second.</summary>
    /// <param name="worker">Must be active at the commit, or nothing is given.</param>
    /// <param name="request">Remembered in the rows, so that a repeat of the call finds them (<see cref="RepeatAsync"/>).</param>
    /// <param name="turns">Candidates in turn; those that another transaction holds, or that are full, are passed over.</param>
    /// <returns>Leases that are this worker's alone until they end. What a key has no permit for is parked on the way.</returns>
    public async Task<Claim> ClaimAsync(
        WorkerId worker, Guid request, string[] runtimes, Turn[] turns, int limit, CancellationToken cancellationToken)
    {
        var seen = new Dictionary<Guid, (long Found, long Blocked, int Free, Share Share)>(turns.Length);
        var (leases, full) = await ExecuteAsync(
            ClaimSql.OfAgents, worker, request, runtimes, Array.ConvertAll(turns, static turn => turn.Agent),
            Array.ConvertAll(turns, static turn => turn.Quota), limit, seen, cancellationToken);
        var taken = leases.CountBy(static lease => lease.AgentId).ToDictionary();
        return new(leases, [.. turns.Select(turn => Judge(turn.Agent))], full);

        // More may be there when the look was cut short by its bound, or when others' turns came first.
        Looked Judge(Guid agent) => seen.TryGetValue(agent, out var one)
            ? new(agent, taken.GetValueOrDefault(agent), one.Found >= one.Free || taken.GetValueOrDefault(agent) + one.Blocked < one.Found, one.Share)
            : new(agent, 0, More: false, Share: null);
    }

    /// <summary>Leases what of the given tasks may still start, in their order, by the same rules as <see cref="ClaimAsync"/>.</summary>
    /// <returns>The leases, and whether the town is full.</returns>
    public Task<(List<Lease> Leases, bool TownFull)> ClaimTasksAsync(
        WorkerId worker, Guid request, string[] runtimes, Guid[] tasks, CancellationToken cancellationToken) => ExecuteAsync(
            ClaimSql.OfTasks, worker, request, runtimes, tasks, [.. Enumerable.Range(0, tasks.Length)], tasks.Length, [], cancellationToken);

    /// <summary>Chooses what may start now, each agent's first before anyone's second; nothing is changed or locked.</summary>
    /// <param name="chosen">Tasks chosen earlier that nobody has leased as far as the caller knows: not chosen again, and
    /// they count against their agents' limits as long as they may still start.</param>
    public async Task<Choice> ChooseAsync(Turn[] turns, Guid[] chosen, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            WITH still AS MATERIALIZED (
                SELECT t.id, t.agent_id FROM unnest($3) AS c (id) CROSS JOIN LATERAL (SELECT * FROM task WHERE id = c.id OFFSET 0) t
                WHERE t.state = 'assigned' AND t.due
            ), slot AS MATERIALIZED (
                SELECT a.id, c.turn, a.tenant, a.weight, a.max_concurrency,
                       least(c.quota, a.max_concurrency - a.running - (SELECT count(*) FROM still s WHERE s.agent_id = a.id)) AS free
                FROM unnest($1, $2) WITH ORDINALITY AS c (id, quota, turn)
                JOIN agent a ON a.id = c.id AND a.control = 'active'
            )
            SELECT 0 AS kind, id, NULL::uuid, NULL, NULL::int, NULL::int, NULL::int, NULL::int, NULL::bigint, NULL::bigint FROM still
            UNION ALL
            SELECT 1, slot.id, NULL, slot.tenant, coalesce(w.weight, 1), slot.weight, slot.max_concurrency, greatest(slot.free, 0)::int, NULL, NULL
            FROM slot LEFT JOIN tenant w ON w.town = $4 AND w.name = slot.tenant
            UNION ALL
            SELECT 2, slot.id, t.id, NULL, NULL, NULL, NULL, NULL, row_number() OVER (PARTITION BY slot.id ORDER BY t.rank, t.id) AS nth, slot.turn
            FROM slot CROSS JOIN LATERAL (
                SELECT id, rank FROM task
                WHERE agent_id = slot.id AND state = 'assigned' AND due AND (deadline IS NULL OR deadline > now())
                  AND id NOT IN (SELECT id FROM still)
                ORDER BY rank, id LIMIT greatest(slot.free, 0)) t
            ORDER BY 9, 10
            """);
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = Array.ConvertAll(turns, static turn => turn.Agent) });
        command.Parameters.Add(new NpgsqlParameter<int[]> { TypedValue = Array.ConvertAll(turns, static turn => turn.Quota) });
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = chosen });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        var still = new List<Guid>();
        var tasks = new List<Guid>();
        var shares = new Dictionary<Guid, (Share Share, int Free)>(turns.Length);
        var taken = new Dictionary<Guid, int>(turns.Length);
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            switch (row.GetInt32(0))
            {
                case 0:
                    still.Add(row.GetGuid(1));
                    break;
                case 1:
                    shares[row.GetGuid(1)] = (new(row.GetString(3), row.GetInt32(4), row.GetInt32(5), row.GetInt32(6)), row.GetInt32(7));
                    break;
                default:
                    tasks.Add(row.GetGuid(2));
                    taken[row.GetGuid(1)] = taken.GetValueOrDefault(row.GetGuid(1)) + 1;
                    break;
            }
        }

        return new(tasks, still, [.. turns.Select(Judge)]);

        // An agent that is full leaves the line; the end of one of its tasks rings for it.
        Looked Judge(Turn turn) => shares.TryGetValue(turn.Agent, out var one)
            ? new(turn.Agent, taken.GetValueOrDefault(turn.Agent), one.Free > 0 && taken.GetValueOrDefault(turn.Agent) >= one.Free, one.Share)
            : new(turn.Agent, 0, More: false, Share: null);
    }

    private NpgsqlBatchCommand Claim(string claim, WorkerId worker, Guid request, string[] runtimes, Guid[] ids, int[] numbers, int limit)
    {
        var command = new NpgsqlBatchCommand(claim);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = worker.Value });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = request });
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = ids });
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = runtimes });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = limit });
        command.Parameters.Add(new NpgsqlParameter<int[]> { TypedValue = numbers });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = town.LeaseOf("") });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = town.LeaseOf(Contracts.Agents.Runtimes.Command) });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = TaskLimits.Crashes - 1 });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = AlonePatience });
        return command;
    }

    private async Task<(List<Lease> Leases, bool TownFull)> ExecuteAsync(
        string claim, WorkerId worker, Guid request, string[] runtimes, Guid[] ids, int[] numbers, int limit,
        Dictionary<Guid, (long Found, long Blocked, int Free, Share Share)> seen, CancellationToken cancellationToken)
    {
        // Two statements, one transaction, one round trip: the second one's snapshot is younger than the town's lock, so
        // that its count of what runs cannot be outdated.
        await using var batch = database.CreateBatch();
        var lockTown = new NpgsqlBatchCommand("SELECT FROM limit_key WHERE town = $1 AND key = 'town' AND max_concurrency IS NOT NULL FOR UPDATE");
        lockTown.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        batch.BatchCommands.Add(lockTown);
        var command = Claim(claim, worker, request, runtimes, ids, numbers, limit);
        batch.BatchCommands.Add(command);

        var leases = new List<Lease>(limit);
        var full = false;
        var steered = new List<Lease>();
        await using (var row = await batch.ExecuteReaderAsync(cancellationToken))
        {
            await row.NextResultAsync(cancellationToken);
            while (await row.ReadAsync(cancellationToken))
            {
                if (row.IsDBNull(0))
                {
                    leases.Add(Read(row, 2, 16, steered));
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
        return (leases, full);
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
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = TaskLimits.Crashes - 1 });
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
        steered is [] ? Task.CompletedTask : SpokenPrompts.AddAsync(database, town.Name, leases, steered, cancellationToken);

    private Lease Read(NpgsqlDataReader row, int at, int steeredAt, List<Lease> steered)
    {
        var lease = new Lease(
            row.GetGuid(at), row.GetInt32(at + 1), row.GetGuid(at + 2), row.GetGuid(at + 3), row.GetString(at + 4),
            row.GetString(at + 5), row.GetString(at + 6), row.GetString(at + 7), town.LeaseOf(row.GetString(at + 5)).TotalSeconds,
            row.IsDBNull(at + 8) ? null : row.GetDouble(at + 8), row.GetString(at + 9),
            GrantOf(row.GetString(at + 10)), Alone: row.GetBoolean(steeredAt + 1));
        if (row.GetBoolean(steeredAt))
        {
            steered.Add(lease);
        }

        return lease;
    }

    /// <summary>A grant that cannot be read allows nothing; throwing here would strand what others were given in the same claim.</summary>
    private static AgentGrant GrantOf(string json)
    {
        try
        {
            return JsonSerializer.Deserialize(json, WorkerJson.Default.AgentGrant) is { Network: not null, Read: not null, Write: not null } grant
                ? grant : AgentGrant.None;
        }
        catch (JsonException)
        {
            return AgentGrant.None;
        }
    }
}
