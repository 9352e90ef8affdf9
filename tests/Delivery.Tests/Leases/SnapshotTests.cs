using Townhall.Delivery.Tests.Town;
using Townhall.Testing;

namespace Townhall.Delivery.Tests.Leases;

/// <summary>What one look at the database sees while everything moves.</summary>
public sealed class SnapshotTests
{
    /// <summary>Each line is a fact, how often entries say it, and how often rows or counters do. One statement sees one snapshot.</summary>
    private const string Differences = """
        WITH entry AS MATERIALIZED (
            SELECT action, actor FROM ledger_pending UNION ALL SELECT action, actor FROM ledger
        ), said AS (
            SELECT count(*) FILTER (WHERE action = 'TaskAssigned') AS accepted, count(*) FILTER (WHERE action = 'TaskCompleted') AS completed,
                   count(*) FILTER (WHERE action = 'TaskFailed') AS failed, count(*) FILTER (WHERE action = 'TaskCancelled') AS cancelled,
                   count(*) FILTER (WHERE action = 'TaskStarted') AS started, count(*) FILTER (WHERE action IN ('TaskRetried', 'TaskFailed')) AS failures,
                   count(*) FILTER (WHERE action IN ('LeaseExpired', 'TaskDead') OR (action = 'TaskCancelled' AND actor = 'dispatcher')) AS lost
            FROM entry
        ), one AS MATERIALIZED (
            SELECT t.state, t.attempt, t.failures, t.crashes, a.runtime FROM task t JOIN agent a ON a.id = t.agent_id
            UNION ALL SELECT h.state, h.attempt, h.failures, h.crashes, a.runtime FROM task_history h JOIN agent a ON a.id = h.agent_id
        ), counted AS (
            SELECT c.* FROM task_count_now c WHERE c.town = (SELECT town FROM agent LIMIT 1)
        ), fact AS (
            SELECT 'accepted', (SELECT accepted FROM said), (SELECT count(*) FROM one)
            UNION ALL SELECT 'completed', (SELECT completed FROM said), (SELECT count(*) FROM one WHERE state = 'completed')
            UNION ALL SELECT 'failed', (SELECT failed FROM said), (SELECT count(*) FROM one WHERE state = 'failed')
            UNION ALL SELECT 'cancelled', (SELECT cancelled FROM said), (SELECT count(*) FROM one WHERE state = 'cancelled')
            UNION ALL SELECT 'started', (SELECT started FROM said), (SELECT sum(attempt) FROM one WHERE runtime <> 'noop')
            UNION ALL SELECT 'failures', (SELECT failures FROM said), (SELECT sum(failures) FROM one)
            UNION ALL SELECT 'lost', (SELECT lost FROM said), (SELECT sum(crashes) FROM one)
            UNION ALL SELECT 'counter of assigned', (SELECT assigned FROM counted), (SELECT count(*) FROM one WHERE state = 'assigned')
            UNION ALL SELECT 'counter of running', (SELECT running FROM counted), (SELECT count(*) FROM one WHERE state = 'running')
            UNION ALL SELECT 'counter of completed', (SELECT completed FROM counted), (SELECT count(*) FROM one WHERE state = 'completed')
            UNION ALL SELECT 'counter of failed', (SELECT failed FROM counted), (SELECT count(*) FROM one WHERE state = 'failed')
            UNION ALL SELECT 'counter of cancelled', (SELECT cancelled FROM counted), (SELECT count(*) FROM one WHERE state = 'cancelled')
        )
        SELECT array_agg(what || ': ' || coalesce(here, 0) || ' and ' || coalesce(there, 0)), (SELECT count(*) FROM one WHERE state IN ('assigned', 'running'))
        FROM fact AS f (what, here, there) WHERE coalesce(here, 0) <> coalesce(there, 0)
        """;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Rows_counters_and_entries_agree_in_every_snapshot_under_load(bool streams)
    {
        var deadline = Deadline.Of(TimeSpan.FromSeconds(120));
        await using var town = await MeasuredTown.StartAsync(new(Workers: 2, Lease: 2, Slots: 4), deadline, streams);
        var noop = await town.AgentAsync(deadline, fake: false, concurrency: 8);
        var fake = (await town.Parts.AgentsAsync(1, deadline, concurrency: 4, attempts: 2))[0];
        await town.ReapsAsync(deadline);
        var load = Task.WhenAll(LoadAsync(town, noop, 300, static _ => "x", deadline), LoadAsync(town, fake, 40, static i => i % 4 == 0 ? "code 3" : "sleep 0.02", deadline));

        var (moving, killed) = (0, false);
        while (true)
        {
            var arrived = load.IsCompletedSuccessfully;
            var (different, open) = await LookAsync(town, deadline);
            Assert.True(different is null, string.Join("; ", different ?? []));
            moving += open > 0 ? 1 : 0;
            if (!killed && await town.ScalarAsync<bool>("SELECT count(*) > 20 FROM task_history", deadline))
            {
                // Its leases run out: what is lost and offered again must add up as well.
                killed = true;
                await town.Parts.Workers[0].KillAsync(deadline);
            }

            if (arrived && open == 0)
            {
                break;
            }

            if (load.IsFaulted)
            {
                await load;
            }
        }

        Assert.True(killed);
        Assert.True(moving >= 20, $"only {moving} snapshots saw anything move");
        Assert.Equal((340L, true, true), (
            await town.ScalarAsync<long>("SELECT count(*) FROM task_history", deadline),
            await town.EntriesAsync("TaskFailed", deadline) > 0,
            await town.EntriesAsync("TaskCancelled", deadline) > 0));
    }

    private static async Task LoadAsync(MeasuredTown town, string agent, int tasks, Func<int, string> text, CancellationToken deadline)
    {
        for (var i = 0; i < tasks; i++)
        {
            var task = await town.AssignAsync(agent, text(i), deadline);
            if (i % 10 == 9)
            {
                // Before, while or after it runs: each is a case of its own.
                var (status, body) = await town.SendAsync(HttpMethod.Post, $"/v1/tasks/{task}/cancel", null, deadline);
                Assert.True(status is 200 or 202 or 409, $"{status} {body}");
            }
        }
    }

    private static async Task<(string[]? Different, long Open)> LookAsync(MeasuredTown town, CancellationToken deadline)
    {
        await using var command = town.Parts.Database.Owner.CreateCommand(Differences);
        await using var row = await command.ExecuteReaderAsync(deadline);
        await row.ReadAsync(deadline);
        return (row.IsDBNull(0) ? null : row.GetFieldValue<string[]>(0), row.GetInt64(1));
    }
}
