using System.CommandLine;
using Townhall.Cli.Invoking;
using Townhall.Client;
using Townhall.Client.Following;

namespace Townhall.Cli.Watching;

/// <summary><c>tt top</c>: the town, live, until q or Ctrl-C. Where nobody looks, it is one look.</summary>
internal static class TopCommand
{
    private static readonly TimeSpan KeysEvery = TimeSpan.FromMilliseconds(50);

    private static readonly Option<double> Every = new("--interval", "-i")
    {
        Description = "Seconds between looks (default 1)",
        HelpName = "SECS",
        DefaultValueFactory = static _ => 1,
        Validators = { Words.Bounds<double>(static secs => secs is >= 0.2 and <= 60, "--interval must be 0.2 to 60.") },
    };

    public static Command Create(GlobalOptions globals) => globals.Command(
        "top", "The town, live: agents, queue, workers, throughput; q ends it", ["tt top", "tt top --json | jq .tasks.running"], [Every], RunAsync);

    private static async Task<int> RunAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        var throughput = new Throughput(invocation.Clock);
        if (invocation.Json)
        {
            invocation.Screen.Json(await LookAsync(invocation, throughput, cancellationToken));
            return ExitCodes.Ok;
        }

        if (!invocation.Screen.OutIsTerminal)
        {
            var once = await LookAsync(invocation, throughput, cancellationToken);
            invocation.Screen.Write(TopFrame.Draw(invocation.Screen, once, null, rows: int.MaxValue, hint: false));
            return ExitCodes.Ok;
        }

        // The first look is taken before the screen changes: what fails then is said as everywhere.
        var seen = await LookAsync(invocation, throughput, cancellationToken);
        string? notice = null;
        var patience = new Patience(invocation.Clock, words => notice = words, met: true);
        var every = TimeSpan.FromSeconds(invocation.Value(Every));
        using var display = new FullScreen(invocation.Screen);
        while (true)
        {
            display.Show(TopFrame.Draw(invocation.Screen, seen, notice, invocation.Screen.Size.Rows, hint: true));
            if (await QuitsAsync(invocation, every, cancellationToken))
            {
                return ExitCodes.Ok;
            }

            try
            {
                seen = await LookAsync(invocation, throughput, cancellationToken);
                notice = null;
                patience.Regained();
            }
            catch (TownException away) when (patience.Accepts(away))
            {
                // Shown as it was seen last, and the notice says so.
                notice ??= "The town does not answer; trying again.";
            }
        }
    }

    private static async Task<TopView> LookAsync(Invocation invocation, Throughput throughput, CancellationToken cancellationToken)
    {
        var status = await invocation.Town.StatusAsync(cancellationToken);
        ScalingReading? scaling;
        try
        {
            scaling = await invocation.Town.ScalingAsync(cancellationToken);
        }
        catch (TownException)
        {
            scaling = null;     // shown as unknown; the town itself answered
        }

        return new TopView(
            status.Name, status.Tasks, status.AgentCount, status.Agents, status.Workers, scaling, throughput.Look(status.Tasks));
    }

    /// <returns>True when q was pressed before the pause ended.</returns>
    private static async Task<bool> QuitsAsync(Invocation invocation, TimeSpan pause, CancellationToken cancellationToken)
    {
        var began = invocation.Clock.GetTimestamp();
        using var pace = new PeriodicTimer(KeysEvery, invocation.Clock);
        do
        {
            while (invocation.World.Key() is { } key)
            {
                if (key is 'q' or 'Q' or '\u001b')
                {
                    return true;
                }
            }

            await pace.WaitForNextTickAsync(cancellationToken);
        }
        while (invocation.Clock.GetElapsedTime(began) < pause);

        return false;
    }
}
