using Npgsql;
using Townhall.Contracts.Ids;
using Townhall.Contracts.Tasks;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Api.Recovery;

/// <summary>Finds and moves work whose worker or agent is gone. What says <c>dry</c> changes nothing.</summary>
internal sealed class RecoveryStore(NpgsqlDataSource database, TownSettings town)
{
    /// <summary>Rows moved by one statement; a call makes at most <see cref="BatchesMost"/> of them.</summary>
    internal const int BatchMost = 1000;
    internal const int BatchesMost = 10;

    /// <summary>Ends leases whose worker is gone.</summary>
    /// <returns>Every agent with running work, and how many of its leases were, or would be, ended.</returns>
    public async Task<IReadOnlyList<(string Agent, int Ended)>> RecoverAsync(bool dry, string actor, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT agent_name, ended FROM recover_agents($1, $2, $3)");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<bool> { TypedValue = dry });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = actor });
        var agents = new List<(string, int)>();
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            agents.Add((row.GetString(0), row.GetInt32(1)));
        }

        return agents;
    }

    /// <summary>The first orphans, at most <paramref name="most"/>.</summary>
    /// <param name="agent">Of this agent only; null for all.</param>
    /// <param name="waiting">With those that wait for a person or a child, which can be cancelled but not moved.</param>
    public async Task<IReadOnlyList<OrphanView>> OrphansAsync(AgentId? agent, bool waiting, int most, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT task_id, agent_id, agent_name, state, reason FROM orphan_tasks($1, $2, $3, $4)");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<Guid?> { TypedValue = agent?.Value });
        command.Parameters.Add(new NpgsqlParameter<bool> { TypedValue = waiting });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = most });
        return await ReadAsync(command, cancellationToken);
    }

    /// <summary>Moves orphans, batch by batch, each committed by itself.</summary>
    /// <param name="to">Null for the backlog. Nothing is moved to an agent that takes no work.</param>
    /// <returns>What was moved, and whether the bound was reached before all were.</returns>
    public Task<(IReadOnlyList<OrphanView> Moved, bool More)> ReclaimAsync(
        AgentId? agent, AgentId? to, string actor, CancellationToken cancellationToken) => InBatchesAsync(async () =>
    {
        await using var command = database.CreateCommand("SELECT task_id, agent_id, agent_name, state, reason FROM reclaim_tasks($1, $2, $3, $4, $5)");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<Guid?> { TypedValue = agent?.Value });
        command.Parameters.Add(new NpgsqlParameter<Guid?> { TypedValue = to?.Value });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = actor });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = BatchMost });
        return await ReadAsync(command, cancellationToken);
    });

    /// <summary>Moves messages of ended agents that nobody acted on to another agent, as far as its inbox has room.</summary>
    /// <param name="to">Null only looks, as <paramref name="dry"/> does.</param>
    /// <returns>How many were, or would be, moved.</returns>
    public async Task<int> MessagesAsync(AgentId? agent, AgentId? to, bool dry, string actor, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT reclaim_messages($1, $2, $3, $4, $5, $6)");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<Guid?> { TypedValue = agent?.Value });
        command.Parameters.Add(new NpgsqlParameter<Guid?> { TypedValue = to?.Value });
        command.Parameters.Add(new NpgsqlParameter<bool> { TypedValue = dry });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = actor });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = TaskLimits.InboxMessages });
        return (int)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    /// <summary>Withdraws orphans, as cancelling each would.</summary>
    public Task<(IReadOnlyList<OrphanView> Cancelled, bool More)> CancelAsync(string actor, CancellationToken cancellationToken) => InBatchesAsync(async () =>
    {
        // The rows are chosen before any is withdrawn; each is judged again under its own lock. All in one go: row by row a thousand took
        // longer than a command may, and whoever reclaimed beside it waited that long.
        await using var command = database.CreateCommand("""
            WITH orphan AS MATERIALIZED (SELECT * FROM orphan_tasks($1, NULL, true, $3)),
            ended AS MATERIALIZED (
                SELECT c.task_id, c.done, c.stands
                FROM (SELECT array_agg(task_id ORDER BY task_id) AS ids, array_agg(state ORDER BY task_id) AS states FROM orphan HAVING count(*) > 0) o
                CROSS JOIN LATERAL cancel_tasks($1, o.ids, o.states, $2) c)
            SELECT o.task_id, o.agent_id, o.agent_name, o.state, o.reason
            FROM ended JOIN orphan o ON o.task_id = ended.task_id
            WHERE ended.done AND ended.stands = 'cancelled' ORDER BY o.task_id
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = actor });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = BatchMost });
        return await ReadAsync(command, cancellationToken);
    });

    /// <summary>Removes agents that have ended (with <paramref name="all"/> also cold ones) and have no live task.</summary>
    /// <returns>Their ids and names, at most <see cref="BatchMost"/> in one call.</returns>
    public async Task<IReadOnlyList<(AgentId Id, string Name)>> PruneAsync(bool all, bool dry, string actor, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(dry
            ? "SELECT agent_id, agent_name FROM prunable_agents($1, $2, $3, $4)"
            : "SELECT agent_id, agent_name FROM prune_agents($1, $2, $3, $5, $4)");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<bool> { TypedValue = all });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = town.IdleTimeout });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = BatchMost });
        if (!dry)
        {
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = actor });
        }

        var agents = new List<(AgentId, string)>();
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            agents.Add((new(row.GetGuid(0)), row.GetString(1)));
        }

        return agents;
    }

    private static async Task<(IReadOnlyList<OrphanView>, bool)> InBatchesAsync(Func<Task<IReadOnlyList<OrphanView>>> batch)
    {
        var all = new List<OrphanView>();
        for (var i = 0; i < BatchesMost; i++)
        {
            var some = await batch();
            all.AddRange(some);
            if (some.Count < BatchMost)
            {
                return (all, false);
            }
        }

        return (all, true);
    }

    private static async Task<IReadOnlyList<OrphanView>> ReadAsync(NpgsqlCommand command, CancellationToken cancellationToken)
    {
        var orphans = new List<OrphanView>();
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            orphans.Add(new(row.GetGuid(0), row.GetGuid(1), row.IsDBNull(2) ? null : row.GetString(2), row.GetString(3), row.GetString(4)));
        }

        return orphans;
    }
}
