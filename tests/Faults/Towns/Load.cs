namespace Townhall.Faults;

/// <summary>Clients that assign work one after the other, from now until they are stopped.</summary>
public sealed class Load : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _clients;

    private Load(TownUnderTest town, FaultRun run, IReadOnlyList<string> agents, int clients, TimeSpan pace, Func<Random, string> text, bool insist, CancellationToken deadline)
    {
        var seeds = Enumerable.Range(0, clients).Select(_ => run.Random.Next()).ToArray();
        _clients = Task.WhenAll(seeds.Select(seed => Task.Run(() => CallAsync(town, agents, new Random(seed), pace, text, insist, deadline), deadline)));
    }

    /// <param name="pace">Pause of each client between two calls.</param>
    /// <param name="text">What the agents read, drawn for each call.</param>
    /// <param name="insist">Whether a call of unknown end is repeated with its idempotency key.</param>
    public static Load Start(
        TownUnderTest town, FaultRun run, IReadOnlyList<string> agents, int clients, TimeSpan pace, CancellationToken deadline,
        Func<Random, string>? text = null, bool insist = false) =>
        new(town, run, agents, clients, pace, text ?? (static random => $"sleep 0.0{random.Next(1, 9)}"), insist, deadline);

    /// <summary>Waits until the calls under way have ended.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _clients;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _stop.Dispose();
    }

    private async Task CallAsync(
        TownUnderTest town, IReadOnlyList<string> agents, Random random, TimeSpan pace, Func<Random, string> text, bool insist, CancellationToken deadline)
    {
        while (!_stop.IsCancellationRequested && !deadline.IsCancellationRequested)
        {
            await town.Client.AssignAsync(agents[random.Next(agents.Count)], text(random), deadline, insist: insist);
            try
            {
                await Task.Delay(pace, TimeProvider.System, _stop.Token);
            }
            catch (OperationCanceledException)
            {
                return;     // stopped in its pause
            }
        }
    }
}
