using System.Globalization;
using System.Net;
using Townhall.Api.Metrics;
using Townhall.Testing;

namespace Townhall.Api.Tests.Metrics;

public sealed class MetricPageTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>
{
    private readonly CancellationToken _deadline = Deadline.Of(TimeSpan.FromSeconds(90));

    [Fact]
    public async Task Every_family_is_in_the_documentation_and_no_other()
    {
        await using var api = await Api.StartAsync(postgres, redis, _deadline);
        await api.GetAsync("/health", _deadline);
        var page = await api.GetAsync("/metrics", _deadline);
        var shown = page.Text.Split('\n').Where(static line => line.StartsWith("# TYPE ", StringComparison.Ordinal)).Select(static line => line[7..]);
        var told = File.ReadLines(Path.Combine(Programs.Repository(), "docs", "metrics.md"))
            .Where(static line => line.StartsWith("| `t", StringComparison.Ordinal) && line.Contains('_', StringComparison.Ordinal) && line.Split('|').Length == 6)
            .Select(static line => line.Split('|', StringSplitOptions.TrimEntries))
            .Select(static cells => $"{cells[1].Trim('`')} {cells[2]}");
        Assert.Equal(told, shown);
        var series = page.Text.Split('\n').Where(static line => line.Length > 0 && line[0] != '#').ToArray();
        Assert.All(series, static line => Assert.Matches(@"^[a-z_]+(\{[a-z]+=""[^""]*""(,[a-z]+=""[^""]*"")*\})? [0-9.eE+-]+$", line));
        Assert.Equal(series.Length, series.Select(static line => line.Split(' ')[0]).Distinct(StringComparer.Ordinal).Count());
    }

    [Fact]
    public void What_is_exported_has_the_page_s_names_once_units_and_totals_are_put_back()
    {
        Assert.All(MetricExport.Exported, static family => Assert.Equal(
            family.Name,
            MetricExport.NameOf(family).Replace('.', '_') + (family.Name.EndsWith("_seconds", StringComparison.Ordinal) ? "_seconds" : "") + (family.Type == "counter" ? "_total" : "")));
        Assert.Equal(MetricExport.Exported.Count(), MetricExport.Exported.Select(MetricExport.NameOf).Distinct(StringComparer.Ordinal).Count());
        Assert.Equal(MetricFamilies.All.Count - 4, MetricExport.Exported.Count());
    }

    [Fact]
    public async Task What_happened_is_counted_from_the_ledger_once_and_never_forgotten()
    {
        await using var api = await Api.StartAsync(postgres, redis, _deadline);
        await api.SpawnAsync("ann", _deadline);
        for (var i = 0; i < 3; i++)
        {
            await api.AssignAsync("ann", "work", _deadline);
        }

        await api.EndAsync("completed", _deadline, where: "id IN (SELECT id FROM task ORDER BY id LIMIT 2)");
        await SealAsync(api, """
            (1, 'worker:w', 'TaskCompleted', '{"attempt":1,"leased_at":"2027-01-01T00:00:00.03Z"}', '2027-01-01T00:00:02.03Z'),
            (2, 'worker:w', 'TaskRetried', '{"attempt":1,"leased_at":"2027-01-01T00:00:20Z"}', '2027-01-01T00:10:00Z'),
            (3, 'worker:w', 'TaskCompleted', '{"attempt":2,"leased_at":"2027-01-01T00:00:20Z"}', '2027-01-01T00:00:21Z'),
            (4, 'dispatcher', 'LeaseExpired', '{"attempt":1}', '2027-01-01T00:00:00Z'),
            (5, 'local', 'TaskRetried', '{"retried_as":"x"}', '2027-01-01T00:00:00Z')
            """);
        var before = await FoldedAsync(api, 5);
        Assert.Equal(3, before["townhall_tasks_accepted_total"]);
        Assert.Equal(2, before["tinytown_tasks_completed_total"]);
        Assert.Equal(1, before["tinytown_tasks_assigned_pending"]);
        Assert.Equal(2, before["townhall_attempts_ended_total{outcome=\"completed\"}"]);
        Assert.Equal(1, before["townhall_attempts_ended_total{outcome=\"retried\"}"]);
        Assert.Equal(1, before["townhall_attempts_ended_total{outcome=\"lost\"}"]);
        Assert.Equal(4, before["townhall_attempts_started_total"]);
        Assert.Equal(2, before["townhall_ledger_entries_total{action=\"TaskRetried\"}"]);
        // The ids say 2027-01-01T00:00:00Z: first attempts waited 30 ms and 20 s; a second attempt does not count.
        Assert.Equal(0, before["townhall_task_wait_seconds_bucket{le=\"0.025\"}"]);
        Assert.Equal(1, before["townhall_task_wait_seconds_bucket{le=\"0.05\"}"]);
        Assert.Equal(2, before["townhall_task_wait_seconds_bucket{le=\"30\"}"]);
        Assert.Equal(2, before["townhall_task_wait_seconds_count"]);
        Assert.Equal(20.03, before["townhall_task_wait_seconds_sum"], 3);
        Assert.Equal(3, before["townhall_attempt_run_seconds_count"]);
        Assert.Equal(2, before["townhall_attempt_run_seconds_bucket{le=\"5\"}"]);

        // History is archived, the process starts anew, one more entry comes.
        await api.Database.ExecuteAsync("DELETE FROM task_history; DELETE FROM ledger WHERE seq < 5", _deadline);
        await api.KillReplicaAsync(0, _deadline);
        await api.AddReplicaAsync(_deadline);
        await SealAsync(api, """(6, 'worker:w', 'TaskFailed', '{"attempt":1,"leased_at":"2027-01-01T00:00:00Z"}', '2027-01-01T00:00:01Z')""");
        var after = await FoldedAsync(api, 6);
        foreach (var (name, value) in before.Where(static one => one.Key.Contains("_total", StringComparison.Ordinal)
            && !one.Key.StartsWith("tinytown_agents", StringComparison.Ordinal) && !one.Key.StartsWith("townhall_http", StringComparison.Ordinal)))
        {
            Assert.True(after[name] >= value, $"{name} fell from {value} to {after[name]}");
        }

        Assert.Equal(5, after["townhall_attempts_started_total"]);
        Assert.Equal(1, after["townhall_attempts_ended_total{outcome=\"failed\"}"]);
    }

    [Fact]
    public async Task A_database_that_does_not_answer_is_a_503_that_says_not_ready_and_nothing_it_does_not_know()
    {
        await using var own = await PostgresServer.StartOwnAsync(_deadline);
        await using var database = await PostgresServer.CopyAsync(own, _deadline);
        await using var townhall = await ServiceProcess.StartAsync("services/townhall", database.Settings(redis.Instance), _deadline);
        await own.StopAsync(_deadline);
        var page = await Eventually.Is(
            async () => await townhall.Client.GetAsync(new Uri("/metrics", UriKind.Relative), _deadline),
            static answer => answer.StatusCode == HttpStatusCode.ServiceUnavailable, _deadline, "503");
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", page.Content.Headers.ContentType!.ToString());
        Assert.Equal(["tinytown_up 1", "tinytown_ready 0"], (await page.Content.ReadAsStringAsync(_deadline)).Split('\n').Where(static line => line.Length > 0 && line[0] != '#'));
    }

    private async Task SealAsync(Api api, string entries) => await api.Database.ExecuteAsync($"""
        INSERT INTO ledger (town, seq, id, at, actor, action, task_id, outcome, detail, prev_hash, hash)
        SELECT '{api.Database.Town}', seq, seq, at::timestamptz, actor, action,
               (lpad(to_hex((extract(epoch FROM timestamptz '2027-01-01T00:00:00Z') * 1000)::bigint), 12, '0') || '7000800000000000000' || seq)::uuid, 'success', detail,
               decode(repeat('00', 32), 'hex'), decode(repeat('00', 32), 'hex')
        FROM (VALUES {entries}) AS e (seq, actor, action, detail, at)
        """, _deadline);

    private async Task<Dictionary<string, double>> FoldedAsync(Api api, long seq) => await Eventually.Is(
        async () => (await api.GetAsync("/metrics", _deadline)).Text.Split('\n').Where(static line => line.Length > 0 && line[0] != '#')
            .Select(static line => line.Split(' ')).ToDictionary(static one => one[0], static one => double.Parse(one[1], CultureInfo.InvariantCulture)),
        series => series["townhall_ledger_folded"] == seq, _deadline, $"the ledger to be folded to {seq}");
}
