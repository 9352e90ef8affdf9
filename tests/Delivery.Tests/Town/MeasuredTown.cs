using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using Townhall.Faults;
using Townhall.Testing;

namespace Townhall.Delivery.Tests.Town;

/// <summary>A town of real processes whose events are dated by its database. Leases are short, so that bounds are, too.</summary>
internal sealed class MeasuredTown : IAsyncDisposable
{
    /// <summary>The reaper's period in these towns.</summary>
    public static readonly TimeSpan Reaper = TimeSpan.FromSeconds(0.5);

    /// <summary>The pause between two looks for lost rings.</summary>
    public static readonly TimeSpan Look = TimeSpan.FromSeconds(1);

    /// <summary>Grace of a process that is told to stop, and of an attempt that is told to end.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);

    private const string Entries =
        "(SELECT at, task_id, action, detail FROM ledger_pending UNION ALL SELECT at, task_id, action, detail FROM ledger) e";

    private MeasuredTown(TownUnderTest town) => Parts = town;

    public TownUnderTest Parts { get; }

    public TimeSpan Lease => TimeSpan.FromSeconds(Parts.Lease);

    public static async Task<MeasuredTown> StartAsync(TownOptions options, CancellationToken deadline, bool streams = false, RedisInstance? redis = null) =>
        // The seed chooses nothing here but the queue: every third one is that of the stream.
        new(await TownUnderTest.StartAsync(new FaultRun(0, streams ? 2 : 1), options, deadline, redis: redis));

    /// <summary>The database's clock.</summary>
    public async Task<DateTime> NowAsync(CancellationToken deadline) => await ScalarAsync<DateTime>("SELECT clock_timestamp()", deadline);

    public Task<T?> ScalarAsync<T>(string sql, CancellationToken deadline) => Parts.Database.ScalarAsync<T>(sql, deadline);

    public async Task<string> AgentAsync(CancellationToken deadline, bool fake = true, int concurrency = 4) =>
        Assert.Single(await Parts.AgentsAsync(1, deadline, fake, concurrency));

    /// <summary>Hands over a task; it must be accepted.</summary>
    public async Task<Guid> AssignAsync(string agent, string text, CancellationToken deadline, DateTime? notBefore = null)
    {
        var call = await Parts.Client.AssignAsync(agent, text, deadline, notBefore is { } time ? new DateTimeOffset(time, TimeSpan.Zero) : null);
        Assert.True(call.Ending == Ending.Ok, $"It was answered {call.Status}.");
        return call.Task!.Value;
    }

    public async Task<(int Status, JsonElement Body)> SendAsync(HttpMethod method, string path, object? body, CancellationToken deadline)
    {
        using var request = new HttpRequestMessage(method, new Uri(path, UriKind.Relative)) { Content = body is null ? null : JsonContent.Create(body) };
        using var answer = await Parts.Client.Http.SendAsync(request, deadline);
        return ((int)answer.StatusCode, await answer.Content.ReadFromJsonAsync<JsonElement>(deadline));
    }

    /// <summary>Waits until the reaper may expire leases: after its own start it waits one lease.</summary>
    public Task ReapsAsync(CancellationToken deadline) =>
        Eventually.Is(true, () => ScalarAsync<bool>("SELECT hold_until <= now() FROM leader", deadline), deadline, "the reaper's own grace to be over");

    /// <summary>When an attempt of a command was leased, by its entry.</summary>
    public Task<DateTime> StartedAsync(Guid task, int attempt, CancellationToken deadline) => EntryAsync(
        "TaskStarted", task, deadline, $"detail::json ->> 'attempt' = '{attempt.ToString(CultureInfo.InvariantCulture)}'");

    /// <summary>The time of a task's entry, once it is there.</summary>
    public Task<DateTime> EntryAsync(string action, Guid task, CancellationToken deadline, string where = "true") => Eventually.Is<DateTime>(
        () => ScalarAsync<DateTime>($"SELECT at FROM {Entries} WHERE action = '{action}' AND task_id = '{task}' AND {where}", deadline),
        static at => at != default, deadline, $"the entry {action}");

    /// <summary>How many entries of a kind there are, sealed or not.</summary>
    public async Task<long> EntriesAsync(string action, CancellationToken deadline, string where = "true") =>
        await ScalarAsync<long>($"SELECT count(*) FROM {Entries} WHERE action = '{action}' AND {where}", deadline);

    public ValueTask DisposeAsync() => Parts.DisposeAsync();
}
