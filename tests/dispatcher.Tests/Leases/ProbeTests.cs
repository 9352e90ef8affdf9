using System.Globalization;
using System.Text.RegularExpressions;
using Npgsql;
using Townhall.Contracts.Ids;
using Townhall.Dispatcher.Leases;
using Townhall.Testing;

namespace Townhall.Dispatcher.Tests.Leases;

/// <summary>What accepting, looking and claiming read grows with what they were asked for and not with the town, also by plans that
/// were made for an empty one, as those of a process that has run since.</summary>
public sealed partial class ProbeTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    private const int Agents = 600;
    private const int Claimed = 40;

    private const string Prepare = """
        SET plan_cache_mode = force_generic_plan;
        PREPARE accept (text, uuid[], uuid[], int) AS SELECT count(*) FROM accept_tasks(
            $1, $2, $3, array_fill('work'::text, ARRAY[$4]), array_fill('test'::text, ARRAY[$4]), array_fill(0::smallint, ARRAY[$4]),
            array_fill(NULL::int, ARRAY[$4]), array_fill(NULL::float8, ARRAY[$4]), array_fill(NULL::timestamptz, ARRAY[$4]),
            array_fill(NULL::timestamptz, ARRAY[$4]), array_fill(NULL::float8, ARRAY[$4]), array_fill(NULL::text, ARRAY[$4]),
            array_fill(NULL::text, ARRAY[$4]), array_fill(NULL::text, ARRAY[$4]), array_fill(NULL::text, ARRAY[$4]),
            array_fill(NULL::bytea, ARRAY[$4]), array_fill(NULL::text, ARRAY[$4]));
        PREPARE ready (text) AS SELECT * FROM ready_agents($1, NULL, 10000);
        PREPARE late (text) AS SELECT expire_deadlines($1, 500);
        PREPARE parked (text) AS SELECT admit_parked($1, NULL, 500)
        """;

    private const string ClaimTypes = "(uuid, uuid, uuid[], text[], int, int[], interval, interval, text, int, interval)";

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task No_statement_reads_the_town_for_each_of_its_rows(bool vacuumed)
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var (seed, town) = (new Seed(database), database.Town);
        var worker = (await seed.WorkerAsync(deadline)).Id.Value;
        if (vacuumed)
        {
            await database.ExecuteAsync("VACUUM (ANALYZE) task", deadline);
            await database.ExecuteAsync("VACUUM (ANALYZE) agent", deadline);
        }

        await using var session = await database.Owner.OpenConnectionAsync(deadline);
        await using (var prepare = new NpgsqlCommand($"{Prepare}; PREPARE agents {ClaimTypes} AS {ClaimSql.OfAgents}; PREPARE tasks {ClaimTypes} AS {ClaimSql.OfTasks}", session))
        {
            await prepare.ExecuteNonQueryAsync(deadline);
        }

        foreach (var statement in (string[])[Accept(town, [Guid.NewGuid()]), $"ready('{town}')", $"late('{town}')", $"parked('{town}')",
            Claim("agents", worker, town, [Guid.NewGuid()]), Claim("tasks", worker, town, [Guid.NewGuid()])])
        {
            await PagesAsync(session, statement, deadline);
        }

        await database.ExecuteAsync($$"""
            INSERT INTO agent (id, town, name, cli, runtime, grants, max_concurrency, max_attempts)
            SELECT gen_random_uuid(), '{{town}}', 'a' || i, 'sh', 'command', '{"network":"none","read":[],"write":[]}', 1, 1 FROM generate_series(1, {{Agents}}) i
            """, deadline);
        var agents = (await database.ScalarAsync<Guid[]>("SELECT array_agg(id ORDER BY id) FROM agent", deadline))!;
        await PagesAsync(session, Accept(town, agents), deadline);
        Assert.InRange(await PagesAsync(session, Accept(town, agents[^1..]), deadline), 1, 120);
        Assert.InRange(await PagesAsync(session, $"ready('{town}')", deadline), 1, 60 * Agents);
        Assert.InRange(await PagesAsync(session, $"late('{town}')", deadline), 0, 100);
        Assert.InRange(await PagesAsync(session, $"parked('{town}')", deadline), 0, 100);

        Assert.InRange(await PagesAsync(session, Claim("agents", worker, town, agents[..Claimed]), deadline), Claimed, 60 * Claimed);
        var rest = (await database.ScalarAsync<Guid[]>($"SELECT array_agg(id) FROM (SELECT id FROM task t WHERE state = 'assigned' AND NOT EXISTS (SELECT FROM task o WHERE o.agent_id = t.agent_id AND o.id < t.id) ORDER BY id DESC LIMIT {Claimed}) t", deadline))!;
        Assert.InRange(await PagesAsync(session, Claim("tasks", worker, town, rest), deadline), Claimed, 60 * Claimed);
        Assert.Equal(2L * Claimed, await database.ScalarAsync<long>("SELECT count(*) FROM task WHERE state = 'running'", deadline));
    }

    private static string Accept(string town, Guid[] agents) => string.Create(
        CultureInfo.InvariantCulture, $"accept('{town}', '{Many(agents.Select(static _ => TaskId.New().Value))}', '{Many(agents)}', {agents.Length})");

    private static string Claim(string of, Guid worker, string town, Guid[] ids) => string.Create(
        CultureInfo.InvariantCulture,
        $"{of}('{worker}', '{Guid.NewGuid()}', '{Many(ids)}', '{{command}}', {ids.Length}, '{Many(ids.Select(static _ => 1))}', '30 s', '120 s', '{town}', 2, '60 s')");

    private static string Many<T>(IEnumerable<T> values) => $"{{{string.Join(',', values)}}}";

    /// <summary>Executes what is prepared and says how many pages it asked for, in memory or on disk.</summary>
    private static async Task<long> PagesAsync(NpgsqlConnection session, string prepared, CancellationToken deadline)
    {
        await using var explain = new NpgsqlCommand($"EXPLAIN (ANALYZE, BUFFERS) EXECUTE {prepared}", session);
        await using var row = await explain.ExecuteReaderAsync(deadline);
        while (await row.ReadAsync(deadline))
        {
            // The first line of buffers is that of the whole.
            if (Buffers().Match(row.GetString(0)) is { Success: true } found)
            {
                return found.Groups[1].Captures.Concat(found.Groups[2].Captures).Sum(static one => long.Parse(one.Value, CultureInfo.InvariantCulture));
            }
        }

        return 0;
    }

    [GeneratedRegex("Buffers: shared(?: hit=([0-9]+))?(?: read=([0-9]+))?")]
    private static partial Regex Buffers();
}
