using Townhall.Contracts.Agents;
using Townhall.Contracts.Tasks;
using Townhall.Testing;

namespace Townhall.Contracts.Tests;

public sealed class LifecycleTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    public static TheoryData<TaskState, TaskEvent> Pairs()
    {
        var pairs = new TheoryData<TaskState, TaskEvent>();
        foreach (var state in Enum.GetValues<TaskState>())
        {
            foreach (var on in Enum.GetValues<TaskEvent>())
            {
                pairs.Add(state, on);
            }
        }

        return pairs;
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void A_state_with_an_end_has_no_way_out_and_the_sources_of_an_event_are_its_moves(TaskState from, TaskEvent on)
    {
        var to = TaskLifecycle.Next(from, on);
        Assert.False(TaskLifecycle.IsTerminal(from) && to is not null);
        Assert.Equal(to is not null, TaskLifecycle.Sources(on).Contains(TaskLifecycle.Word(from)));
    }

    [Fact]
    public async Task The_schema_knows_the_same_moves()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        Assert.Equal(Rows(), await ReadAsync(database, "SELECT from_state || ' ' || event || ' ' || to_state FROM task_move", deadline));
    }

    [Fact]
    public async Task The_schema_knows_the_same_moves_of_agents()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var moves = AgentMoves.All.Select(static move => $"{Lower(move.From)} {Lower(move.On)} {Lower(move.To)}").Order(StringComparer.Ordinal);
        Assert.Equal(moves, await ReadAsync(database, "SELECT from_control || ' ' || event || ' ' || to_control FROM agent_move", deadline));
    }

    [Fact]
    public void The_diagram_shows_the_same_moves()
    {
        var diagram = File.ReadAllLines(Path.Combine(Programs.Repository(), "docs", "lifecycles.md"))
            .Select(static line => line.Trim())
            .Where(static line => line.Contains(" --> ", StringComparison.Ordinal) && line.Contains(": ", StringComparison.Ordinal))
            .Select(static line => line.Split([" --> ", ": "], StringSplitOptions.TrimEntries))
            .SelectMany(static parts => parts[2].Split(", ").Select(on => $"{parts[0]} {on} {parts[1]}"))
            .Order(StringComparer.Ordinal);
        Assert.Equal(Rows(), diagram);
    }

    [Fact]
    public async Task The_schema_derives_the_same_agent_state_from_every_input()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var told = await ReadAsync(database, """
            SELECT concat_ws(' ', control, running, queued, worked, recent, agent_state(control, running, queued, worked, recent))
            FROM unnest(ARRAY['active', 'paused', 'draining', 'stopped', 'error']) AS control,
                 unnest(ARRAY[0, 2]) AS running, unnest(ARRAY[true, false]) AS queued,
                 unnest(ARRAY[true, false]) AS worked, unnest(ARRAY[true, false]) AS recent
            """, deadline);
        var derived =
            from control in Enum.GetValues<AgentControl>()
            from running in (int[])[0, 2]
            from queued in (bool[])[true, false]
            from worked in (bool[])[true, false]
            from recent in (bool[])[true, false]
            select $"{Lower(control)} {running} {Letter(queued)} {Letter(worked)} {Letter(recent)} {Lower(AgentStates.Derive(control, running, queued, worked, recent))}";
        Assert.Equal(derived.Order(StringComparer.Ordinal), told);
    }

    private static IEnumerable<string> Rows() => TaskLifecycle.Moves
        .Select(static move => $"{TaskLifecycle.Word(move.From)} {Lower(move.On)} {TaskLifecycle.Word(move.To)}").Order(StringComparer.Ordinal);

    private static string Letter(bool value) => value ? "t" : "f";

#pragma warning disable CA1308 // the words on the wire are lower-case
    private static string Lower<T>(T value)
        where T : struct, Enum => value.ToString().ToLowerInvariant();
#pragma warning restore CA1308

    private static async Task<List<string>> ReadAsync(TestDatabase database, string sql, CancellationToken deadline)
    {
        var rows = new List<string>();
        await using var command = database.App.CreateCommand(sql);
        await using var row = await command.ExecuteReaderAsync(deadline);
        while (await row.ReadAsync(deadline))
        {
            rows.Add(row.GetString(0));
        }

        rows.Sort(StringComparer.Ordinal);
        return rows;
    }
}
