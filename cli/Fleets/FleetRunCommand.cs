using System.CommandLine;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Client;
using Townhall.Client.Following;

namespace Townhall.Cli.Fleets;

/// <summary><c>tt fleet run</c>: from a file to a report. The work belongs to the town from the start; this only hands it over and looks on.</summary>
internal static class FleetRunCommand
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LookAtWorkersEvery = TimeSpan.FromSeconds(1);

    private static readonly Argument<string> FilePath = new("FILE") { Description = "The fleet file" };

    private static readonly Option<string?> Repo = new("--repo")
    {
        Description = "The folder that {repo} stands for (default: the current one)",
        HelpName = "PATH",
    };

    private static readonly Option<bool> Keep = new("--keep")
    {
        Description = "Leave the agents for the next run (they always stay; tt prune removes those that have ended)",
    };

    private static readonly Option<int> WaitSecs = new("--wait-secs")
    {
        Description = "Give up looking after so many seconds; the work goes on",
        HelpName = "N",
        DefaultValueFactory = static _ => 900,
        Validators = { Words.Bounds<int>(static secs => secs is >= 1 and <= 86_400, "--wait-secs must be 1 to 86400.") },
    };

    public static Command Create(GlobalOptions globals) => globals.Command(
        "run", "Make a fleet's agents, give them their tasks, and report", ["tt fleet run fleet.json --repo ~/src/app"],
        [FilePath, Repo, Keep, WaitSecs], RunAsync);

    private static async Task<int> RunAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        var folder = invocation.World.CurrentFolder;
        var repo = Path.TrimEndingDirectorySeparator(Path.GetFullPath(invocation.Value(Repo) ?? ".", folder));
        if (!Directory.Exists(repo))
        {
            throw CommandFailure.Usage($"--repo must be a folder; there is none at {repo}.");
        }

        var path = invocation.Value(FilePath);
        var (plan, mistakes) = FleetFile.Read(Path.GetFullPath(path, folder), repo);
        if (plan is null)
        {
            if (invocation.Json)
            {
                throw new CommandFailure(ExitCodes.Usage, "fleet_file", $"{path}: {string.Join(' ', mistakes)}");
            }

            foreach (var mistake in mistakes)
            {
                invocation.Screen.Notice($"fleet_file: {path}: {mistake}");
            }

            return ExitCodes.Usage;
        }

        var began = invocation.Clock.GetTimestamp();
        var runs = new List<FleetTaskRun>(plan.Tasks.Count);
        bool ended;
        try
        {
            var made = await FleetStart.AgentsAsync(plan, invocation.Town, cancellationToken);
            await FleetStart.TasksAsync(plan, invocation.Town, runs.Add, cancellationToken);
            ended = await FollowAsync(invocation, plan, made, runs, cancellationToken);
        }
        catch (Exception left) when (left is OperationCanceledException or TownException && runs.Count > 0)
        {
            SayWhereToLook(invocation.Screen, runs, left is TownException ? "Following ended" : "Interrupted");
            throw;
        }

        var took = invocation.Clock.GetElapsedTime(began);
        if (invocation.Json)
        {
            var completed = runs.Count(static run => run.State == "completed");
            invocation.Screen.Json(
                new FleetReport(
                    plan.Name, plan.Repo, ended, Math.Round(took.TotalSeconds, 3), completed, runs.Count - completed,
                    [.. runs.Select(static run => run.Report())]));
        }
        else
        {
            FleetReportView.Write(invocation.Screen, runs, took);
        }

        if (!ended)
        {
            SayWhereToLook(invocation.Screen, runs, "Not waited for any longer");
        }

        return !ended ? ExitCodes.Timeout : runs.All(static run => run.State == "completed") ? ExitCodes.Ok : ExitCodes.Failed;
    }

    /// <returns>False when the bound came first.</returns>
    private static async Task<bool> FollowAsync(
        Invocation invocation, FleetPlan plan, int made, IReadOnlyList<FleetTaskRun> runs, CancellationToken cancellationToken)
    {
        var clock = invocation.Clock;
        var bound = TimeSpan.FromSeconds(invocation.Value(WaitSecs));
        var progress = new FleetProgress(invocation.Screen, plan, runs, clock);
        var watch = new FleetWatch(runs, invocation.Town, clock, new Patience(clock, progress.Notice, met: true));
        progress.Begin(made);
        return await progress.WhileAsync(watch, async redraw =>
        {
            var began = clock.GetTimestamp();
            long? asked = null;
            using var pace = new PeriodicTimer(LookEvery, clock);
            while (true)
            {
                progress.Changed(await watch.LookAsync(withOutput: invocation.Screen.ProgressIsLive, cancellationToken));
                if (invocation.Screen.ProgressIsLive && (asked is not { } last || clock.GetElapsedTime(last) >= LookAtWorkersEvery))
                {
                    asked = clock.GetTimestamp();
                    await watch.LookAtWorkersAsync(cancellationToken);
                }

                redraw();
                if (watch.AllEnded)
                {
                    return true;
                }

                if (clock.GetElapsedTime(began) > bound)
                {
                    return false;
                }

                await pace.WaitForNextTickAsync(cancellationToken);
            }
        });
    }

    private static void SayWhereToLook(Screen screen, IReadOnlyList<FleetTaskRun> runs, string why)
    {
        var open = runs.Where(static run => !FleetWatch.Ended(run.State)).ToArray();
        screen.Notice(open.Length == 0
            ? $"{why}; every task that was handed over has ended. Look with: tt task ID"
            : $"{why}; the town works on. Look with: tt status, tt task ID, tt output ID -f; withdraw with: tt cancel ID");
        foreach (var run in runs)
        {
            screen.Notice($"  {run.Id}  {run.State,-10} {run.Plan.Title}");
        }
    }
}
