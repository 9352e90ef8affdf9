using System.Globalization;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Client;

namespace Townhall.Cli.Hosting;

/// <summary>Looks at a town from outside, and at its data folder when it is of this machine. Looking changes nothing.</summary>
internal sealed class Examination(Invocation invocation, TownFolder folder)
{
    /// <summary>Beyond it deadlines and events look wrong to people, although the town itself goes by one clock.</summary>
    private static readonly TimeSpan ClockMost = TimeSpan.FromSeconds(5);

    private const double OldestMostSecs = 120;
    private const long DiskWarning = 2L << 30;
    private const long DiskFailure = 256L << 20;

    private readonly List<Check> _checks = [];

    public async Task<IReadOnlyList<Check>> RunAsync(CancellationToken cancellationToken)
    {
        if (await ReachableAsync(cancellationToken))
        {
            await VersionsAsync(cancellationToken);
            if (await AllowedAsync(cancellationToken))
            {
                await WorkAsync(cancellationToken);
                await SandboxAsync(cancellationToken);
            }
        }

        Disk();
        return _checks;
    }

    private async Task<bool> ReachableAsync(CancellationToken cancellationToken)
    {
        var began = invocation.Clock.GetTimestamp();
        try
        {
            var (ready, at) = await invocation.Town.ReadyAsync(cancellationToken);
            var took = invocation.Clock.GetElapsedTime(began);
            Say("reachable", "ok", $"answers in {Looks.Seconds(took.TotalMilliseconds)}");
            Say("postgres", ready.Database is null or "connected" ? "ok" : "failed", ready.Database ?? "not said",
                ready.Database is null or "connected" ? null : "Nothing is accepted without it. Look at tt logs, or at ConnectionStrings__town.");
            Say("redis", ready.Redis == "connected" ? "ok" : "warning",
                ready.RedisLatencyMs is { } latency ? string.Create(CultureInfo.InvariantCulture, $"{ready.Redis}, {latency:0.0} ms") : ready.Redis,
                ready.Redis == "connected" ? null : "Work goes on through Postgres, more slowly; live output and presence wait for it. Look at tt logs redis.");
            if (ready.Dispatcher is { } dispatcher)
            {
                Say("dispatcher", dispatcher is "stalled" or "unknown" ? "warning" : "ok", dispatcher,
                    dispatcher == "stalled" ? "It has not looked at its missions for a while: tt logs dispatcher." : null);
            }

            Clock(at, took);
            return true;
        }
        catch (TownException failed)
        {
            Say("reachable", "failed", failed.Message, $"Start one with tt up (or ./run), or name another with --url or {GlobalOptions.UrlVariable}.");
            return false;
        }
    }

    private void Clock(DateTimeOffset? at, TimeSpan took)
    {
        if (at is not { } theirs)
        {
            Say("clock", "skipped", "its answer shows no time");
            return;
        }

        // Its seconds are whole, and the answer was on its way for a part of the time it took.
        var apart = (invocation.Clock.GetUtcNow() - theirs).Duration() - took - TimeSpan.FromSeconds(1);
        if (apart < TimeSpan.Zero)
        {
            apart = TimeSpan.Zero;
        }

        Say("clock", apart > ClockMost ? "warning" : "ok", apart == TimeSpan.Zero ? "as this machine's" : $"{Looks.Seconds(apart.TotalMilliseconds)} from this machine's",
            apart > ClockMost ? "Let both machines keep time (chrony, systemd-timesyncd): instants you give, such as --not-before, count by the town's clock." : null);
    }

    private async Task VersionsAsync(CancellationToken cancellationToken)
    {
        try
        {
            var health = await invocation.Town.HealthAsync(cancellationToken);
            var same = Major(health.Version) == Major(TownClient.Version);
            Say("versions", same ? "ok" : "warning", $"town {health.Version ?? "unknown"}, tt {TownClient.Version}, up for {Looks.Span(TimeSpan.FromSeconds(health.UptimeSecs))}",
                same ? null : "Use the tt of the town's version: answers of another one may not be understood.");
        }
        catch (TownException failed)
        {
            Say("versions", "failed", failed.Message);
        }
    }

    private async Task<bool> AllowedAsync(CancellationToken cancellationToken)
    {
        try
        {
            var town = await invocation.Town.TownAsync(cancellationToken);
            Say("credentials", "ok", $"the town {town.Name} answers you");
            return true;
        }
        catch (TownProblemException refused) when ((int)refused.Status is 401 or 403)
        {
            Say("credentials", "failed", refused.Message, $"Give a key with --api-key or {GlobalOptions.KeyVariable}; tt keys create makes one (docs/authentication.md).");
            return false;
        }
        catch (TownException failed)
        {
            Say("credentials", "failed", failed.Message);
            return false;
        }
    }

    private async Task WorkAsync(CancellationToken cancellationToken)
    {
        try
        {
            var signal = await invocation.Town.ScalingAsync(cancellationToken);
            var stuck = signal.Workers.Active == 0 && signal.RecommendedWorkers > 0 && signal.OldestWaitingSecs > OldestMostSecs / 4;
            Say("workers", stuck ? "failed" : "ok", $"{signal.Workers.Active} active, {signal.Workers.Draining} draining, {signal.RecommendedWorkers} recommended",
                stuck ? "Work waits and nobody starts workers: see tt logs scaler, TOWN_MAX_WORKERS and TOWN_ACTUATOR." : null);
            var old = signal.OldestWaitingSecs > OldestMostSecs;
            Say("queue", old ? "warning" : "ok",
                $"{Looks.Number(signal.StartableTasks)} can start, {Looks.Number(signal.InFlightTasks)} in flight"
                + (signal.OldestWaitingSecs is { } secs ? $", the oldest waits for {Looks.Seconds(secs * 1000)}" : ""),
                old ? "tt explain TASK-ID says why one waits; more workers: TOWN_MAX_WORKERS." : null);
        }
        catch (TownException failed)
        {
            Say("workers", "failed", failed.Message, "The scaler does not answer: tt logs scaler.");
        }
    }

    /// <summary>What ended last tells best whether commands run in a sandbox here.</summary>
    private async Task SandboxAsync(CancellationToken cancellationToken)
    {
        try
        {
            var page = await invocation.Town.TaskPageAsync(new TaskQuery { States = ["completed", "failed"], Limit = 1 }, cancellationToken);
            if (page.Tasks is not [var last, ..])
            {
                Say("sandbox", "skipped", "nothing has run yet that would tell");
                return;
            }

            var task = await invocation.Town.TaskAsync(last.TaskId.ToString(), cancellationToken);
            var bare = task.Sandbox is "none";
            var missing = task.FailureCode == "sandbox_unavailable";
            Say("sandbox", bare || missing ? "warning" : task.Sandbox is null ? "skipped" : "ok",
                missing ? "the worker has none" : task.Sandbox is { } sandbox ? $"{sandbox}, as the last task ran" : "the last task does not say",
                bare || missing ? "Install bubblewrap where workers run (apt-get install bubblewrap), and see TOWN_SANDBOX." : null);
        }
        catch (TownException unknown)
        {
            Say("sandbox", "skipped", unknown.Message);
        }
    }

    private void Disk()
    {
        if (!invocation.Address.IsLoopback || !Directory.Exists(folder.Path))
        {
            Say("disk", "skipped", invocation.Address.IsLoopback ? $"there is no data folder at {folder.Path}; name it with --data" : "the town is not of this machine");
            return;
        }

        try
        {
            var drive = new DriveInfo(folder.Path);
            var free = drive.AvailableFreeSpace;
            Say("disk", free < DiskFailure ? "failed" : free < DiskWarning ? "warning" : "ok", $"{Looks.Bytes(free)} free for {folder.Path}",
                free < DiskWarning ? "Make room: without it Postgres stops accepting work." : null);
        }
        catch (IOException failed)
        {
            Say("disk", "skipped", failed.Message);
        }
    }

    private void Say(string name, string verdict, string detail, string? remedy = null) => _checks.Add(new Check(name, verdict, detail, remedy));

    private static string? Major(string? version) => version?.Split('.')[0];
}
