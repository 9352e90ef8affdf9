using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Townhall.Api.Agents;
using Townhall.Contracts.Agents;
using Townhall.ServiceDefaults.Problems;
using Townhall.Testing;

namespace Townhall.Api.Tests.Agents;

public sealed class ControlTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    public static TheoryData<AgentControl, AgentEvent> Pairs()
    {
        var pairs = new TheoryData<AgentControl, AgentEvent>();
        foreach (var control in Enum.GetValues<AgentControl>())
        {
            foreach (var on in (AgentEvent[])[AgentEvent.Pause, AgentEvent.Resume, AgentEvent.Kill, AgentEvent.Restart, AgentEvent.Close])
            {
                pairs.Add(control, on);
            }
        }

        return pairs;
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public async Task A_move_does_what_the_table_says_and_leaves_one_entry_when_it_changes_something(AgentControl from, AgentEvent on)
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var agent = await parts.SpawnAsync("ann", deadline);
        // One attempt runs, so that closing has something to wait for.
        await database.ExecuteAsync($"UPDATE agent SET control = '{Word(from)}', running = 1", deadline);
        var before = await EntriesAsync(database, deadline);
        var moved = await parts.Control.MoveAsync(agent, on, null, "test", deadline);
        var expected = AgentMoves.Next(from, on);
        Assert.Equal((expected is not null, expected is not null && expected != from), (moved!.Legal, moved.Changed));
        Assert.Equal(Word(expected ?? from), moved.Control);
        Assert.Equal(Word(expected ?? from), await database.ScalarAsync<string>("SELECT control FROM agent", deadline));
        Assert.Equal(moved.Changed ? 1 : 0, await EntriesAsync(database, deadline) - before);

        // A lost answer may be asked for again.
        if (moved.Legal && on != AgentEvent.Restart)
        {
            Assert.Equal((true, false), await parts.Control.MoveAsync(agent, on, null, "test", deadline) is { } again ? (again.Legal, again.Changed) : default);
        }
    }

    [Fact]
    public async Task Pausing_freezes_only_when_asked_and_resuming_thaws()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var agent = await parts.SpawnAsync("ann", deadline);
        (AgentEvent On, bool? Freeze, string Control, bool Frozen)[] steps =
        [
            (AgentEvent.Pause, null, "paused", false), (AgentEvent.Pause, true, "paused", true), (AgentEvent.Pause, null, "paused", true),
            (AgentEvent.Pause, false, "paused", false), (AgentEvent.Pause, true, "paused", true), (AgentEvent.Resume, null, "active", false),
        ];
        foreach (var (on, freeze, control, frozen) in steps)
        {
            var moved = await parts.Control.MoveAsync(agent, on, freeze, "test", deadline);
            Assert.Equal((control, frozen), (moved!.Control, moved.Frozen));
        }

        Assert.Equal(5L, await EntriesAsync(database, deadline) - 1);
    }

    [Fact]
    public async Task A_closed_agent_is_stopped_at_once_when_nothing_runs_and_else_by_the_end_of_its_last_attempt()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var idle = await parts.SpawnAsync("idle", deadline);
        Assert.Equal("stopped", (await parts.Control.MoveAsync(idle, AgentEvent.Close, null, "test", deadline))!.Control);

        var busy = await parts.SpawnAsync("busy", deadline);
        await database.ExecuteAsync("UPDATE agent SET running = 2 WHERE name = 'busy'", deadline);
        Assert.Equal("draining", (await parts.Control.MoveAsync(busy, AgentEvent.Close, null, "test", deadline))!.Control);
        foreach (var (running, control) in ((int, string)[])[(1, "draining"), (0, "stopped")])
        {
            await database.ExecuteAsync($"UPDATE agent SET running = {running} WHERE name = 'busy'", deadline);
            Assert.Equal(control, await database.ScalarAsync<string>("SELECT control FROM agent WHERE name = 'busy'", deadline));
        }

        Assert.Equal(1L, await database.ScalarAsync<long>("SELECT count(*) FROM ledger_pending WHERE action = 'AgentStopped'", deadline));
    }

    [Fact]
    public async Task A_change_touches_what_it_names_and_null_takes_away()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var agent = await parts.SpawnAsync("ann", deadline, nickname: "Dorothy");
        async Task<AgentView> ChangeAsync(string json)
        {
            var change = JsonSerializer.Deserialize(json, OperatorJson.Default.AgentChange)!;
            Assert.Null(change.Fault());
            await parts.Control.ChangeAsync(agent, change, "test", deadline);
            return (await parts.Agents.FindAsync(agent, deadline))!;
        }

        var changed = await ChangeAsync("""{"max_concurrency":4,"timeout_secs":60,"weight":7,"tenant":"blue"}""");
        Assert.Equal((4, 60.0, 7, "blue", "Dorothy", 1), (changed.MaxConcurrency, changed.TimeoutSecs!.Value, changed.Weight, changed.Tenant, changed.Nickname, changed.MaxAttempts));
        changed = await ChangeAsync("""{"timeout_secs":null,"nickname":null}""");
        Assert.Equal((4, null, null), (changed.MaxConcurrency, changed.TimeoutSecs, changed.Nickname));
        Assert.Equal("""{"timeout_secs":null,"nickname":null}""", await database.ScalarAsync<string>(
            "SELECT detail FROM ledger_pending WHERE action = 'AgentChanged' ORDER BY id DESC LIMIT 1", deadline));
        await ChangeAsync("""{"max_concurrency":4,"timeout_secs":null}""");
        Assert.Equal(2L, await database.ScalarAsync<long>("SELECT count(*) FROM ledger_pending WHERE action = 'AgentChanged'", deadline));
    }

    [Theory]
    [InlineData("""{"max_concurrency":0}""")]
    [InlineData("""{"max_attempts":101}""")]
    [InlineData("""{"timeout_secs":"1"}""")]
    [InlineData("""{"timeout_secs":0}""")]
    [InlineData("""{"weight":0}""")]
    [InlineData("""{"tenant":""}""")]
    [InlineData("""{"nickname":5}""")]
    [InlineData("""{"nickname":"a\nb"}""")]
    public void A_change_out_of_bounds_is_refused(string json) =>
        Assert.Equal("invalid_value", JsonSerializer.Deserialize(json, OperatorJson.Default.AgentChange)!.Fault()?.Code);

    [Fact]
    public async Task An_unknown_agent_is_404_an_ambiguous_one_and_an_illegal_move_409()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        await parts.SpawnAsync("one", deadline, nickname: "twin");
        await parts.SpawnAsync("two", deadline, nickname: "twin");
        var directory = new AgentDirectory(parts.Agents);
        async Task<string> RestartAsync(string agent) =>
            (await ControlEndpoints.Restart(agent, Parts.Somebody, directory, parts.Control, parts.Doorbell, deadline)).Result switch
            {
                Refusal refusal => $"{refusal.Status} {refusal.Code}",
                IValueHttpResult { Value: ControlledAgent done } => done.Status,
                var other => $"{other}",
            };
        Assert.Equal("404 agent_not_found", await RestartAsync("nobody"));
        Assert.Equal("409 agent_ambiguous", await RestartAsync("twin"));
        Assert.Equal("409 agent_move_refused", await RestartAsync("one"));
        await ControlEndpoints.Kill("one", Parts.Somebody, directory, parts.Control, parts.Doorbell, deadline);
        Assert.Equal("restarted", await RestartAsync("one"));
    }

    private static Task<long> EntriesAsync(TestDatabase database, CancellationToken deadline) =>
        database.ScalarAsync<long>("SELECT count(*) FROM ledger_pending", deadline)!;

#pragma warning disable CA1308 // the words in the schema are lower-case
    private static string Word(AgentControl control) => control.ToString().ToLowerInvariant();
#pragma warning restore CA1308
}
