using System.Globalization;
using Townhall.Ledger;
using Townhall.Testing;

namespace Townhall.Notifier.Tests;

/// <summary>Writes entries into a town's ledger as services and the sequencer do.</summary>
internal sealed class TownLog(TestDatabase database, RedisInstance? redis, CancellationToken deadline)
{
    private readonly LedgerChain _chain = new(database.Sequencer);

    /// <summary>Appends entries, seals them, and rings.</summary>
    /// <returns>The head.</returns>
    public async Task<long> AppendAsync(
        int count = 1, string action = "TaskAssigned", Guid? task = null, Guid? agent = null, string? agentName = null, string detail = "{}")
    {
        await using var command = database.App.CreateCommand("""
            INSERT INTO ledger_pending (town, actor, action, task_id, agent_id, agent_name, detail)
            SELECT $1, 'test', $2, $3, $4, $5, $6 FROM generate_series(1, $7)
            """);
        command.Parameters.Add(new() { Value = database.Town });
        command.Parameters.Add(new() { Value = action });
        command.Parameters.Add(new() { Value = (object?)task ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Uuid });
        command.Parameters.Add(new() { Value = (object?)agent ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Uuid });
        command.Parameters.Add(new() { Value = (object?)agentName ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text });
        command.Parameters.Add(new() { Value = detail });
        command.Parameters.Add(new() { Value = count });
        await command.ExecuteNonQueryAsync(deadline);

        long head;
        int sealedNow;
        do
        {
            (sealedNow, head) = await _chain.SealAsync(database.Town, 1, 2000, deadline);
        }
        while (sealedNow == 2000);

        if (redis is not null)
        {
            await redis.CommandAsync(deadline, "PUBLISH", $"town:{database.Town}:ledger", head.ToString(CultureInfo.InvariantCulture));
        }

        return head;
    }
}
