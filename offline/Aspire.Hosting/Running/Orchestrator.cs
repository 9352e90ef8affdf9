using System.Globalization;
using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.Hosting;

namespace Aspire.Hosting.Running;

/// <summary>Starts the resources in the declared order, keeps them running, and stops them in reverse.</summary>
internal sealed class Orchestrator(
    IDistributedApplicationBuilder builder, IServiceProvider services, IHostApplicationLifetime lifetime, TimeProvider clock)
    : IHostedService, IDisposable
{
    private readonly string _hostId = Guid.NewGuid().ToString("N");
    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(3) };
    private readonly Dictionary<IResource, ResourceState> _states = [];
    private readonly List<ResourceRunner> _runners = [];
    private readonly CancellationTokenSource _stopping = new();
    private Town? _town;
    private Task _watching = Task.CompletedTask;

    /// <summary>Takes the data directory and the ports. Nothing runs yet, so a refusal leaves nothing behind.</summary>
    /// <exception cref="HostRefusedException">They cannot be had.</exception>
    public void Claim()
    {
        var data = DataDirectory.Claim(DataDirectory.PathFor(builder));
        try
        {
            Ports.Allocate(builder.Resources);
            _town = new Town(
                data,
                new Spawner(),
                new HostConsole(Console.Out, [.. builder.Resources.Where(Runs).Select(static resource => resource.Name)], HostConsole.ColourWanted));
        }
        catch
        {
            data.Dispose();
            throw;
        }
    }

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var (data, spawner, console) = _town!;
        await EndEarlierHostAsync(data, console);
        _town.Pipe = new LifetimePipe(data.LifetimePipe);

        foreach (var resource in builder.Resources)
        {
            // What has no process of its own (a parameter, a connection string) is there from the start.
            _states[resource] = new ResourceState();
            if (!Runs(resource) && resource is not PostgresDatabaseResource && !IsExplicit(resource))
            {
                _states[resource].SetHealthy();
            }
        }

        var completed = builder.Resources.SelectMany(static resource => resource.Annotations.OfType<WaitAnnotation>())
            .Where(static wait => wait.WaitType == WaitType.WaitForCompletion)
            .Select(static wait => wait.Resource)
            .ToHashSet();
        foreach (var resource in builder.Resources.Where(Runs))
        {
            var log = new ResourceLog(Path.Combine(data.Logs, $"{resource.Name}.log"));
            _runners.Add(new ResourceRunner(resource, Launch(resource), completed.Contains(resource), _states, spawner, console, log, clock));
        }

        console.Say($"starting {string.Join(", ", _runners.Select(static runner => runner.Resource.Name))}; data in {data.Path}");
        _watching = Task.WhenAll([WatchStartAsync(console), .. _runners.Select(runner => WatchAsync(runner, console))]);
    }

    /// <summary>A worker's own grace is 8 s; after it, it still kills, reports and leaves.</summary>
    private static readonly TimeSpan s_drain = TimeSpan.FromSeconds(10);

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_town is not var (data, spawner, console))
        {
            return;
        }

        // Asked a second time, everything ends at once.
        using var hurry = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var again = new Impatience(hurry);
        console.Say("stopping");
        await _stopping.CancelAsync();

        // Workers drain by talking to the services they reference, so those outlive them; the others go first, among them
        // whoever would start new workers.
        var needed = NeededByWorkers();
        foreach (var runner in _runners.AsEnumerable().Reverse().Where(runner => runner.Resource is ProjectResource && !needed.Contains(runner.Resource)))
        {
            await runner.StopAsync(hurry.Token);
        }

        var workers = Leftovers.Find(_hostId, OwnProcesses());
        if (workers.Count > 0)
        {
            console.Say($"waiting for {workers.Count} worker processes to drain");
            Leftovers.Ask(workers);
            await Leftovers.WaitAsync(_hostId, OwnProcesses, s_drain, clock, hurry.Token);
        }

        // Only now: for a worker the closed pipe means that the host is gone, and it ends at once with all it runs.
        _town.Pipe?.Dispose();
        foreach (var runner in _runners.AsEnumerable().Reverse())
        {
            await runner.StopAsync(hurry.Token);
        }

        if (await Leftovers.EndAsync(_hostId, clock, hurry.Token) is > 0 and var ended)
        {
            console.Say($"{ended} processes were still there and had to be ended");
        }

        await _watching;
        File.Delete(data.HostIdFile);
        console.Say("stopped");
        await console.DisposeAsync();
        spawner.Dispose();
        data.Dispose();
    }

    public void Dispose()
    {
        _runners.ForEach(static runner => runner.Dispose());
        _stopping.Dispose();
        _http.Dispose();
        _town?.Data.Dispose();
    }

    private static bool IsExplicit(IResource resource) => resource.Annotations.OfType<ExplicitStartupAnnotation>().Any();

    private static bool Runs(IResource resource) =>
        resource is ProjectResource or RedisResource or PostgresServerResource && !IsExplicit(resource);

    private ILaunch Launch(IResource resource) => resource switch
    {
        RedisResource redis => new RedisLaunch(redis, _town!.Data, clock),
        PostgresServerResource postgres => new PostgresLaunch(postgres, _town!.Data, _town.Spawner, _town.Console, clock),
        ProjectResource project => new ProjectLaunch(project, builder, _town!.Data, _hostId, _http),
        _ => throw new NotSupportedException($"This host does not know how to run {resource.GetType().Name} '{resource.Name}'."),
    };

    private HashSet<IResource> NeededByWorkers() => builder.Resources.Where(IsExplicit)
        .SelectMany(static resource => resource.Annotations.OfType<ResourceRelationshipAnnotation>())
        .Where(static relation => relation.Type == "Reference")
        .Select(static relation => relation.Resource)
        .ToHashSet();

    private IReadOnlyCollection<int> OwnProcesses() => [.. _runners.Select(static runner => runner.ProcessId).OfType<int>()];

    private async Task EndEarlierHostAsync(DataDirectory data, HostConsole console)
    {
        if (File.Exists(data.HostIdFile)
            && await Leftovers.EndAsync(await File.ReadAllTextAsync(data.HostIdFile), clock, CancellationToken.None) is > 0 and var ended)
        {
            console.Say($"ended {ended} processes that an earlier host left behind");
        }

        SecretFiles.Write(data.HostIdFile, _hostId);
    }

    /// <summary>A resource that can never run ends the host; what started is stopped in order.</summary>
    private async Task WatchAsync(ResourceRunner runner, HostConsole console)
    {
        try
        {
            await runner.RunAsync();
        }
        catch (Exception failure)
        {
            console.Say(failure is HostRefusedException ? failure.Message : $"{runner.Resource.Name}: {failure}");
            Environment.ExitCode = failure is HostRefusedException refusal ? refusal.ExitCode : 1;
            lifetime.StopApplication();
        }
    }

    /// <summary>Says what the start is waiting for, and calls back those who asked to hear when a resource is ready.</summary>
    private async Task WatchStartAsync(HostConsole console)
    {
        try
        {
            var awaited = _runners.Where(static runner => !runner.State.Finished.IsCompleted).ToList();
            foreach (var resource in builder.Resources)
            {
                foreach (var ready in resource.Annotations.OfType<ReadyCallbackAnnotation>())
                {
                    var healthy = _states[resource].Healthy;
                    while (await Task.WhenAny(healthy, Task.Delay(TimeSpan.FromSeconds(10), clock, _stopping.Token)) != healthy)
                    {
                        _stopping.Token.ThrowIfCancellationRequested();
                        console.Say("still waiting for " + string.Join(", ", awaited
                            .Where(static runner => !runner.State.Healthy.IsCompleted && !runner.State.Finished.IsCompleted)
                            .Select(static runner => runner.State.Trouble is { } trouble
                                ? string.Create(CultureInfo.InvariantCulture, $"{runner.Resource.Name} ({trouble})")
                                : runner.Resource.Name)));
                    }

                    // The callback may write to the terminal itself: what was said before must be there before.
                    await console.FlushAsync();
                    await ready.Callback(services, _stopping.Token);
                }
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // Stopped before everything was up.
        }
    }

    /// <summary>What exists from the claim to the end.</summary>
    private sealed record Town(DataDirectory Data, Spawner Spawner, HostConsole Console)
    {
        public LifetimePipe? Pipe { get; set; }
    }
}
