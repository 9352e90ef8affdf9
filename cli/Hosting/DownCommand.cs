using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;

namespace Townhall.Cli.Hosting;

/// <summary><c>tt down</c>: asks the host of a town to stop everything in order, and waits until it has.</summary>
internal static class DownCommand
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(200);
    private static readonly Option<string?> Data = new("--data") { Description = "The town's data folder (TOWN_DATA, default .town of the checkout)", HelpName = "DIR" };
    private static readonly Option<int?> WaitSecs = Words.Whole("--wait-secs", [], "N", "How long to wait until it has stopped (default 60)", 1, 3600);

    public static Command Create(GlobalOptions globals) => globals.Command(
        "down", "Stop a town on this machine; what was accepted is kept", ["tt down", "tt down --data ~/towns/oak"], [Data, WaitSecs], RunAsync);

    private static async Task<int> RunAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        var folder = TownFolder.Find(invocation.Value(Data), invocation);
        if (folder.Holder() is not { } id)
        {
            Say(invocation, new HostedTown("not_up", null, folder.Path, null, null), $"No town is up on {folder.Path}");
            return ExitCodes.Ok;
        }

        using (var kill = Process.Start(new ProcessStartInfo(
            "sh", ["-c", "kill -TERM \"$0\" 2>/dev/null", id.ToString(CultureInfo.InvariantCulture)])))
        {
            await kill!.WaitForExitAsync(cancellationToken);
            if (kill.ExitCode != 0)
            {
                throw new CommandFailure(ExitCodes.Auth, "not_yours", $"Process {id}, which holds {folder.Path}, does not listen to you.");
            }
        }

        var began = invocation.Clock.GetTimestamp();
        var bound = TimeSpan.FromSeconds(invocation.Value(WaitSecs) ?? 60);
        await BusyLine.WhileAsync(
            invocation.Screen, () => $"{Looks.Span(invocation.Clock.GetElapsedTime(began))}  the town stops", async () =>
        {
            using var pace = new PeriodicTimer(LookEvery, invocation.Clock);
            while (folder.Holder() == id)
            {
                if (invocation.Clock.GetElapsedTime(began) > bound)
                {
                    throw new CommandFailure(ExitCodes.Timeout, "late", $"Process {id} has not ended after {bound.TotalSeconds:0} s; it was told to.");
                }

                await pace.WaitForNextTickAsync(cancellationToken);
            }
        });
        Say(invocation, new HostedTown("stopped", null, folder.Path, id, folder.Logs), $"The town on {folder.Path} has stopped");
        return ExitCodes.Ok;
    }

    private static void Say(Invocation invocation, HostedTown town, string words)
    {
        if (invocation.Json)
        {
            invocation.Screen.Json(town);
        }
        else
        {
            invocation.Screen.Answers.MarkupLine(Looks.Done(Markup.Escape(words)));
        }
    }
}
