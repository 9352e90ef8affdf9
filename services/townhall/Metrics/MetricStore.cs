using Npgsql;
using Townhall.Contracts.Ids;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Api.Metrics;

/// <summary>One named number with at most one label.</summary>
internal readonly record struct MetricTotal(string Name, string Label, double Value);

/// <summary>What counters and short indexes know, read in one statement, so that its numbers belong together.</summary>
/// <param name="Tasks">By state, live and ended ones.</param>
internal sealed record MetricFacts(
    IReadOnlyDictionary<string, long> Tasks, IReadOnlyDictionary<string, long> Workers, long Slots,
    long LedgerHead, long LedgerFolded, long LedgerPending, double LedgerPendingAge, double OldestSnapshot,
    IReadOnlyList<MetricTotal> Totals)
{
    /// <summary>A total without a label; 0 when nothing was counted yet.</summary>
    public double Total(string name) => Totals.FirstOrDefault(one => one.Name == name).Value;

    /// <summary>The totals of one name by their label.</summary>
    public IEnumerable<KeyValuePair<string, double>> By(string name) =>
        Totals.Where(one => one.Name == name).Select(static one => KeyValuePair.Create(one.Label, one.Value));
}

/// <summary>What costs a look at every agent, and is therefore asked more seldom.</summary>
/// <param name="ByState">Agents by state; one without agents is 0.</param>
/// <param name="OldestWaiting">Seconds; 0 when nothing could start.</param>
internal sealed record AgentFacts(IReadOnlyDictionary<string, long> ByState, long Urgent, double OldestWaiting);

/// <summary>Every statement of <c>/metrics</c>.</summary>
internal sealed class MetricStore(NpgsqlDataSource database, TownSettings town)
{
    /// <summary>Entries of one turn of folding.</summary>
    public const int FoldMost = 5000;

    private static readonly string[] TaskStates = ["pending", "assigned", "running", "waiting", "completed", "failed", "cancelled", "dead"];
    private static readonly string[] AgentStates = ["cold", "starting", "idle", "working", "paused", "draining", "stopped", "error"];
    private static readonly string[] WorkerStates = ["active", "draining"];

    /// <summary>One bounded turn of folding the ledger into the counters.</summary>
    /// <returns>How many entries; <see cref="FoldMost"/> says that there may be more.</returns>
    public async Task<int> FoldAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT fold_metrics($1, $2, $3, $4)");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = FoldMost });
        command.Parameters.Add(new NpgsqlParameter<double[]> { TypedValue = MetricFamilies.WaitBounds });
        command.Parameters.Add(new NpgsqlParameter<double[]> { TypedValue = MetricFamilies.RunBounds });
        return (int)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <exception cref="NpgsqlException">The database failed.</exception>
    public async Task<MetricFacts> ReadAsync(CancellationToken cancellationToken)
    {
        // Two statements in one round trip; between them only the fold may move, and it only rises.
        await using var batch = database.CreateBatch();
        var facts = new NpgsqlBatchCommand("""
            SELECT c.pending, c.assigned, c.running, c.waiting, c.completed, c.failed, c.cancelled, c.dead,
                   (SELECT count(*) FROM worker WHERE town = $1 AND state = 'active'),
                   (SELECT count(*) FROM worker WHERE town = $1 AND state = 'draining'),
                   (SELECT coalesce(sum(slots), 0)::bigint FROM worker WHERE town = $1 AND state = 'active'),
                   coalesce((SELECT seq FROM ledger_head WHERE town = $1), 0), coalesce((SELECT seq FROM metric_cursor WHERE town = $1), 0),
                   (SELECT count(*) FROM (SELECT 1 FROM ledger_pending WHERE town = $1 LIMIT 100000) p),
                   coalesce((SELECT extract(epoch FROM clock_timestamp() - at)::float8 FROM ledger_pending WHERE town = $1 ORDER BY id LIMIT 1), 0),
                   coalesce((SELECT age_secs FROM oldest_snapshot()), 0)
            FROM task_count_now c WHERE c.town = $1
            """);
        facts.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        var totals = new NpgsqlBatchCommand("SELECT name, label, value FROM metric_total WHERE town = $1 ORDER BY name, label");
        totals.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        batch.BatchCommands.Add(facts);
        batch.BatchCommands.Add(totals);

        await using var row = await batch.ExecuteReaderAsync(cancellationToken);
        if (!await row.ReadAsync(cancellationToken))
        {
            throw new InvalidOperationException($"Town {town.Name} is not in the database; the schema step makes it.");
        }

        var tasks = By(TaskStates, at => row.GetInt64(at));
        var read = new MetricFacts(
            tasks, By(WorkerStates, at => row.GetInt64(8 + at)), row.GetInt64(10), row.GetInt64(11), row.GetInt64(12),
            row.GetInt64(13), Math.Max(0, row.GetDouble(14)), Math.Max(0, row.GetDouble(15)), []);
        await row.NextResultAsync(cancellationToken);
        var all = new List<MetricTotal>();
        while (await row.ReadAsync(cancellationToken))
        {
            all.Add(new(row.GetString(0), row.GetString(1), row.GetDouble(2)));
        }

        return read with { Totals = all };
    }

    /// <exception cref="NpgsqlException">The database failed.</exception>
    public async Task<AgentFacts> ReadAgentsAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            SELECT ARRAY(SELECT coalesce(a.agents, 0) FROM unnest($3) WITH ORDINALITY AS s (state, nth)
                         LEFT JOIN agents_by_state($1, $2) a ON a.state = s.state ORDER BY s.nth),
                   -- Agent by agent, along the index of inboxes; and the mailbox of whoever leads the town.
                   (SELECT coalesce(sum(box.urgent), 0)::bigint FROM (SELECT id FROM agent WHERE town = $1 UNION ALL SELECT $4) a
                    CROSS JOIN LATERAL (
                        SELECT count(*) AS urgent FROM message m WHERE m.to_agent = a.id AND m.urgent AND m.town = $1) box),
                   coalesce((SELECT extract(epoch FROM now() - min(first.available_at))::float8
                    FROM ready_agents($1, NULL, 10000) ready CROSS JOIN LATERAL (
                        SELECT t.available_at FROM task t WHERE t.agent_id = ready.agent_id AND t.state = 'assigned' AND t.due
                        ORDER BY t.rank, t.id LIMIT 1) first), 0)
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = town.IdleTimeout });
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = AgentStates });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = AgentId.Supervisor.Value });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        var agents = row.GetFieldValue<long[]>(0);
        return new(By(AgentStates, at => agents[at]), row.GetInt64(1), Math.Max(0, row.GetDouble(2)));
    }

    private static Dictionary<string, long> By(string[] states, Func<int, long> of) =>
        states.Select((state, at) => KeyValuePair.Create(state, of(at))).ToDictionary(StringComparer.Ordinal);
}
