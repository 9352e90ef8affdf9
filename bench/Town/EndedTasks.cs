using System.Globalization;
using Npgsql;
using NpgsqlTypes;

namespace Townhall.Bench.Town;

/// <summary>Fills a town with work of the past by COPY: ended tasks and their two ledger entries, as large as the real ones.</summary>
/// <remarks>The hashes are made up: what is measured afterwards appends to the chain and reads by index; nothing verifies it.</remarks>
internal static class EndedTasks
{
    private const int RowsAtOnce = 250_000;

    /// <summary>The end of a COPY waits for all of its rows, and here zero means at once, not never.</summary>
    private static readonly TimeSpan Unhurried = TimeSpan.FromMinutes(10);

    /// <summary>Loads <paramref name="rows"/> tasks, brings statistics and visibility up to date, and leaves nothing to do behind.</summary>
    public static async Task LoadAsync(NpgsqlDataSource owner, int rows, CancellationToken deadline)
    {
        var agents = await AgentsAsync(owner, deadline);
        await using var connection = await owner.OpenConnectionAsync(deadline);
        // Nobody works meanwhile: no worker runs and everything is sealed, so nobody else moves the head.
        var seq = await HeadAsync(connection, deadline);
        for (var done = 0; done < rows; done += RowsAtOnce)
        {
            var some = Math.Min(RowsAtOnce, rows - done);
            // A task each millisecond, the last one an hour ago.
            var oldest = TimeProvider.System.GetUtcNow().AddHours(-1).AddMilliseconds(done - rows);
            var tasks = Enumerable.Range(0, some).Select(at => Guid.CreateVersion7(oldest.AddMilliseconds(at))).ToArray();
            await HistoryAsync(connection, tasks, agents, oldest.UtcDateTime, deadline);
            await LedgerAsync(connection, tasks, agents, oldest.UtcDateTime, seq, deadline);
            seq += 2 * some;
            await ExecuteAsync(
                connection,
                string.Create(CultureInfo.InvariantCulture, $"UPDATE ledger_head SET seq = {seq}; UPDATE task_count SET completed = completed + {some}; UPDATE metric_cursor SET seq = {seq}; SELECT ensure_partitions()"),
                deadline);
            Report.Progress($"{done + some} of {rows} ended tasks are loaded");
        }

        await ExecuteAsync(connection, "VACUUM (ANALYZE)", deadline);
        await ExecuteAsync(connection, "CHECKPOINT", deadline);
    }

    private static async Task HistoryAsync(
        NpgsqlConnection connection, Guid[] tasks, (Guid Id, string Name)[] agents, DateTime oldest, CancellationToken deadline)
    {
        var work = new string('x', 200);
        await using var copy = await connection.BeginBinaryImportAsync("""
            COPY task_history (id, town, agent_id, state, priority, description, tags, max_attempts, attempt, failures, crashes, lease_token,
                lease_worker, created_by, created_at, started_at, completed_at, exit_code, result, result_bytes, sandbox, wall_ms, output_bytes)
            FROM STDIN (FORMAT BINARY)
            """, deadline);
        copy.Timeout = Unhurried;
        var worker = Guid.NewGuid();
        for (var i = 0; i < tasks.Length; i++)
        {
            var at = oldest.AddMilliseconds(i);
            await copy.StartRowAsync(deadline);
            await copy.WriteAsync(tasks[i], deadline);
            await copy.WriteAsync("town", deadline);
            await copy.WriteAsync(agents[i % agents.Length].Id, deadline);
            await copy.WriteAsync("completed", deadline);
            await copy.WriteAsync((short)0, deadline);
            await copy.WriteAsync(work, deadline);
            await copy.WriteAsync(Array.Empty<string>(), deadline);
            await copy.WriteAsync(1, deadline);
            await copy.WriteAsync(1, deadline);
            await copy.WriteAsync(0, deadline);
            await copy.WriteAsync(0, deadline);
            await copy.WriteAsync(Guid.NewGuid(), deadline);
            await copy.WriteAsync(worker, deadline);
            await copy.WriteAsync("local", deadline);
            await copy.WriteAsync(at, NpgsqlDbType.TimestampTz, deadline);
            await copy.WriteAsync(at, NpgsqlDbType.TimestampTz, deadline);
            await copy.WriteAsync(at, NpgsqlDbType.TimestampTz, deadline);
            await copy.WriteAsync(0, deadline);
            await copy.WriteAsync(work, deadline);
            await copy.WriteAsync(200L, deadline);
            await copy.WriteAsync("none", deadline);
            await copy.WriteAsync(0.1, deadline);
            await copy.WriteAsync(0L, deadline);
        }

        await copy.CompleteAsync(deadline);
    }

    private static async Task LedgerAsync(
        NpgsqlConnection connection, Guid[] tasks, (Guid Id, string Name)[] agents, DateTime oldest, long seq, CancellationToken deadline)
    {
        var work = $$"""{"description" : "{{new string('x', 200)}}", "priority" : 0}""";
        const string End = """{"attempt" : 1, "worker_id" : "01890a5d-ac96-774b-bcce-b302099a8057", "leased_at" : "2026-01-02T03:04:05.123456+00:00", "exit_code" : 0, "failure_code" : null, "sandbox" : "none", "wall_ms" : 0.1, "result_bytes" : 200}""";
        var hash = new byte[32];
        await using var copy = await connection.BeginBinaryImportAsync("""
            COPY ledger (town, seq, id, at, actor, action, agent_id, agent_name, task_id, outcome, detail, prev_hash, hash)
            FROM STDIN (FORMAT BINARY)
            """, deadline);
        copy.Timeout = Unhurried;
        for (var i = 0; i < 2 * tasks.Length; i++)
        {
            var (task, begins) = (tasks[i / 2], i % 2 == 0);
            var (agent, name) = agents[i / 2 % agents.Length];
            BitConverter.TryWriteBytes(hash, seq + i);
            await copy.StartRowAsync(deadline);
            await copy.WriteAsync("town", deadline);
            await copy.WriteAsync(seq + i + 1, deadline);
            await copy.WriteAsync(seq + i + 1, deadline);
            await copy.WriteAsync(oldest.AddMilliseconds(i / 2), NpgsqlDbType.TimestampTz, deadline);
            await copy.WriteAsync(begins ? "local" : "worker:01890a5d-ac96-774b-bcce-b302099a8057", deadline);
            await copy.WriteAsync(begins ? "TaskAssigned" : "TaskCompleted", deadline);
            await copy.WriteAsync(agent, deadline);
            await copy.WriteAsync(name, deadline);
            await copy.WriteAsync(task, deadline);
            await copy.WriteAsync("success", deadline);
            await copy.WriteAsync(begins ? work : End, deadline);
            await copy.WriteAsync(hash, deadline);
            await copy.WriteAsync(hash, deadline);
        }

        await copy.CompleteAsync(deadline);
    }

    private static async Task<(Guid Id, string Name)[]> AgentsAsync(NpgsqlDataSource owner, CancellationToken deadline)
    {
        await using var command = owner.CreateCommand("SELECT id, name FROM agent ORDER BY name");
        var agents = new List<(Guid, string)>();
        await using var row = await command.ExecuteReaderAsync(deadline);
        while (await row.ReadAsync(deadline))
        {
            agents.Add((row.GetGuid(0), row.GetString(1)));
        }

        return [.. agents];
    }

    private static async Task<long> HeadAsync(NpgsqlConnection connection, CancellationToken deadline)
    {
        await using var command = new NpgsqlCommand("SELECT seq FROM ledger_head", connection);
        return await command.ExecuteScalarAsync(deadline) is long seq ? seq : 0;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken deadline)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        await command.ExecuteNonQueryAsync(deadline);
    }
}
