using Townhall.Ledger;
using Townhall.Testing;

namespace Townhall.Faults;

/// <summary>Compares what clients were told, what attempts did, and what stands in the tables and the chain.</summary>
public sealed class Checker(TownUnderTest town, FaultRun run)
{
    /// <summary>The clocks of the journal have a resolution of 10 ms.</summary>
    private const double Tick = 0.011;

    /// <summary>Waits until the town is quiet, then checks everything.</summary>
    /// <param name="stuckAfter">Longer than this nothing may remain undone.</param>
    /// <exception cref="FaultException">Something is wrong; all of it is named.</exception>
    public async Task CheckAsync(TimeSpan stuckAfter, CancellationToken deadline)
    {
        var wrong = new List<string>();
        try
        {
            await town.QuietAsync(Deadline.Of(stuckAfter * Math.Min(5, ProcessTable.Stretch())));
        }
        catch (EventuallyException late)
        {
            wrong.Add($"stuck: {late.Message}");
        }

        var rows = await RowsAsync(deadline);
        run.Tasks = rows.Count;
        await ResultsAsync(wrong, deadline);
        var entries = await EntriesAsync(deadline);
        Calls(rows, wrong);
        EffectsOfAttempts(rows, wrong);
        Ends(rows, entries, wrong);
        await ChainAsync(entries, wrong, deadline);
        await CountsAsync(wrong, deadline);
        if (run.Evidence.Count == 0)
        {
            wrong.Add("no fault: nothing shows that the planned fault took effect");
        }

        var (all, ok) = run.History.Outside();
        if (all > 0 && ok < 0.95 * all)
        {
            wrong.Add($"unusable: only {ok} of {all} calls outside fault windows succeeded");
        }

        run.See($"{rows.Count} tasks, {entries.Count} entries, {ok}/{all} calls ok outside of faults");
        if (wrong.Count > 0)
        {
            throw new FaultException(string.Join("\n  ", wrong.Take(12)));
        }
    }

    private void Calls(List<Row> rows, List<string> wrong)
    {
        var byKey = rows.ToLookup(static row => row.Key, StringComparer.Ordinal);
        var calls = run.History.Calls;
        foreach (var call in calls)
        {
            var found = byKey[call.Key].Count();
            if (call.Ending == Ending.Ok && found == 0)
            {
                wrong.Add($"lost: {call.Key} was accepted as {call.Task} and is nowhere");
            }

            if (call.Ending == Ending.Fail && found > 0)
            {
                wrong.Add($"ghost: {call.Key} was refused with {call.Status} and exists");
            }

            if (found > 1)
            {
                wrong.Add($"double: {call.Key} has {found} tasks");
            }

            if (call.Status == 500)
            {
                wrong.Add($"500: {call.Key} was answered with an internal error");
            }

            if (call.NotBefore is { } due && byKey[call.Key].FirstOrDefault()?.Started is { } started && started < due.UtcDateTime)
            {
                wrong.Add($"early: {call.Key} started at {started:O}, due {due:O}");
            }
        }

        var known = calls.Select(static call => call.Key).ToHashSet(StringComparer.Ordinal);
        wrong.AddRange(rows.Where(row => row.Key.Length > 0 && !known.Contains(row.Key)).Select(static row => $"ghost: task {row.Id} is nobody's"));
    }

    private void EffectsOfAttempts(List<Row> rows, List<string> wrong)
    {
        var byId = rows.ToDictionary(static row => row.Id);
        foreach (var task in town.Effects.Read().GroupBy(static effect => effect.Task))
        {
            if (!byId.TryGetValue(task.Key, out var row))
            {
                wrong.Add($"ghost: something ran for task {task.Key}, which does not exist");
                continue;
            }

            var attempts = task.GroupBy(static effect => effect.Epoch).OrderBy(static attempt => attempt.Key).ToList();
            if (attempts[^1].Key > row.Attempt)
            {
                wrong.Add($"order: {task.Key} ran as attempt {attempts[^1].Key}, but its row knows {row.Attempt}");
            }

            foreach (var attempt in attempts.Where(static attempt => attempt.Count(static effect => effect.Fact == "start") != 1))
            {
                wrong.Add($"double: attempt {attempt.Key} of {task.Key} was started {attempt.Count(static effect => effect.Fact == "start")} times");
            }

            foreach (var (earlier, later) in attempts.Zip(attempts.Skip(1)))
            {
                var begins = later.Min(static effect => effect.Seconds);
                if (!run.MayOverlap && earlier.Max(static effect => effect.Seconds) > begins + Tick)
                {
                    wrong.Add($"overlap: attempt {earlier.Key} of {task.Key} made progress after attempt {later.Key} began");
                }
            }

            if (row.State == "completed" && !attempts[^1].Any(static effect => effect.Fact == "end"))
            {
                wrong.Add($"lie: {task.Key} is completed, but its last attempt never ended its work");
            }
        }
    }

    private static void Ends(List<Row> rows, List<LedgerEntry> entries, List<string> wrong)
    {
        var byTask = entries.Where(static entry => entry.TaskId is not null).ToLookup(static entry => entry.TaskId!.Value);
        foreach (var row in rows)
        {
            var mine = byTask[row.Id].ToList();
            var ends = mine.Count(static entry => entry.Action is "TaskCompleted" or "TaskFailed" or "TaskCancelled" or "TaskDead");
            if (ends != (row.Ended ? 1 : 0))
            {
                wrong.Add($"double: {row.Id} is {row.State} and has {ends} ends in the ledger");
            }

            if (row.Key.Length > 0 && mine.Count(static entry => entry.Action == "TaskAssigned") != 1)
            {
                wrong.Add($"equality: {row.Id} was accepted {mine.Count(static entry => entry.Action == "TaskAssigned")} times by the ledger");
            }

            var epochs = mine.Where(static entry => entry.Action == "TaskStarted").Select(Attempt).ToList();
            if (!epochs.SequenceEqual(Enumerable.Range(1, epochs.Count)) || (epochs.Count > 0 && epochs.Count != row.Attempt))
            {
                wrong.Add($"order: {row.Id} was started as {string.Join(", ", epochs)}, its row knows {row.Attempt}");
            }
        }
    }

    /// <summary>A fake agent says which attempt it was: the recorded result is that of the row's attempt, or it is stale.</summary>
    private async Task ResultsAsync(List<string> wrong, CancellationToken deadline)
    {
        await using var command = town.Database.Owner.CreateCommand($"""
            SELECT count(*) FILTER (WHERE result <> 'done by attempt ' || attempt || E'\n'), count(*)
            FROM task_history WHERE town = '{town.Database.Town}' AND result LIKE 'done by attempt %'
            """);
        await using var counted = await command.ExecuteReaderAsync(deadline);
        await counted.ReadAsync(deadline);
        if (counted.GetInt64(0) is > 0 and var stale)
        {
            wrong.Add($"stale: {stale} of {counted.GetInt64(1)} results are those of another attempt");
        }

        run.Measure(Measured.Stale, counted.GetInt64(0));
    }

    private static int Attempt(LedgerEntry entry) =>
        System.Text.Json.JsonDocument.Parse(entry.Detail).RootElement.GetProperty("attempt").GetInt32();

    private async Task ChainAsync(List<LedgerEntry> entries, List<string> wrong, CancellationToken deadline)
    {
        await using var command = town.Database.Owner.CreateCommand($"SELECT seq, hash FROM ledger_head WHERE town = '{town.Database.Town}'");
        await using var head = await command.ExecuteReaderAsync(deadline);
        await head.ReadAsync(deadline);
        var verdict = await LedgerVerifier.VerifyAsync(Stream(entries), (head.GetInt64(0), head.GetFieldValue<byte[]>(1)), deadline);
        if (verdict.FirstBad is not null)
        {
            wrong.Add($"chain: {verdict.Why}");
        }
    }

    private async Task CountsAsync(List<string> wrong, CancellationToken deadline)
    {
        var counted = await town.Database.ScalarAsync<string>($"""
            SELECT concat_ws(' ', pending + assigned + running + waiting, completed, failed, cancelled, dead)
            FROM task_count_now WHERE town = '{town.Database.Town}'
            """, deadline);
        var there = await town.Database.ScalarAsync<string>($"""
            SELECT concat_ws(' ', (SELECT count(*) FROM task WHERE town = '{town.Database.Town}'),
                count(*) FILTER (WHERE state = 'completed'), count(*) FILTER (WHERE state = 'failed'),
                count(*) FILTER (WHERE state = 'cancelled'), count(*) FILTER (WHERE state = 'dead'))
            FROM task_history WHERE town = '{town.Database.Town}'
            """, deadline);
        if (counted != there)
        {
            wrong.Add($"equality: the counters say {counted}, the rows {there} (live, completed, failed, cancelled, dead)");
        }

        var slots = await town.Database.ScalarAsync<long>($"""
            SELECT count(*) FROM agent a WHERE town = '{town.Database.Town}'
              AND running <> (SELECT count(*) FROM task t WHERE t.agent_id = a.id AND t.state = 'running')
            """, deadline);
        if (slots > 0)
        {
            wrong.Add($"equality: {slots} agents count other tasks as running than there are");
        }

        var twice = await town.Database.ScalarAsync<long>("SELECT count(*) FROM task JOIN task_history USING (id)", deadline);
        if (twice > 0)
        {
            wrong.Add($"double: {twice} tasks are live and ended");
        }
    }

    private async Task<List<Row>> RowsAsync(CancellationToken deadline)
    {
        await using var command = town.Database.Owner.CreateCommand($"""
            SELECT id, coalesce(substring(description FROM '#([0-9-]+)$'), ''), state, attempt, started_at, false FROM task
            WHERE town = '{town.Database.Town}'
            UNION ALL
            SELECT id, coalesce(substring(description FROM '#([0-9-]+)$'), ''), state, attempt, started_at, true FROM task_history
            WHERE town = '{town.Database.Town}'
            """);
        var rows = new List<Row>();
        await using var row = await command.ExecuteReaderAsync(deadline);
        while (await row.ReadAsync(deadline))
        {
            rows.Add(new(
                row.GetGuid(0), row.GetString(1), row.GetString(2), row.GetInt32(3),
                await row.IsDBNullAsync(4, deadline) ? null : row.GetDateTime(4), row.GetBoolean(5)));
        }

        return rows;
    }

    private async Task<List<LedgerEntry>> EntriesAsync(CancellationToken deadline)
    {
        var reader = new LedgerReader(town.Database.Owner);
        var entries = new List<LedgerEntry>();
        while (await reader.AfterAsync(town.Database.Town, entries.Count > 0 ? entries[^1].Seq : 0, 10_000, deadline) is { Count: > 0 } page)
        {
            entries.AddRange(page);
        }

        return entries;
    }

    private static async IAsyncEnumerable<LedgerEntry> Stream(IEnumerable<LedgerEntry> entries)
    {
        foreach (var entry in entries)
        {
            yield return entry;
        }

        await Task.CompletedTask;
    }

    private sealed record Row(Guid Id, string Key, string State, int Attempt, DateTime? Started, bool Ended);
}
