using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Client;

namespace Townhall.Cli.Hosting;

/// <summary>A town on this machine, as <c>--json</c> of <c>tt up</c> and <c>tt down</c> shows it.</summary>
/// <param name="State"><c>ready</c>, <c>already_up</c>, <c>stopped</c> or <c>not_up</c>.</param>
/// <param name="Pid">Of its host; null when there is none.</param>
internal sealed record HostedTown(string State, string? Url, string Data, int? Pid, string? Log);

/// <summary>
/// <c>tt up</c>: starts the host of a town in the background and waits until the town is ready. The host is the <c>run</c> of a checkout, or
/// the program that <c>--host</c> names; it lives on its own, and <c>tt down</c> stops it.
/// </summary>
internal static class UpCommand
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(300);
    private const int LinesShown = 15;

    private static readonly Option<int?> Port = Words.Whole("--port", [], "N", "Its port on the loopback address (TOWN_PORT, default 8080)", 1, 65_535);
    private static readonly Option<string?> Data = new("--data") { Description = "Where it keeps everything (TOWN_DATA, default .town of the checkout)", HelpName = "DIR" };
    private static readonly Option<string?> Host = new("--host") { Description = "An installed host program instead of a checkout's ./run", HelpName = "PROGRAM" };

    private static readonly Option<int?> WaitSecs = Words.Whole(
        "--wait-secs", [], "N", "How long to wait until it is ready (default 300: the first start builds it)", 1, 3600);

    public static Command Create(GlobalOptions globals) => globals.Command(
        "up", "Start a town on this machine, in the background", ["tt up", "tt up --port 9000 --data ~/towns/oak"], [Port, Data, Host, WaitSecs], RunAsync);

    private static async Task<int> RunAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        var world = invocation.World;
        var folder = TownFolder.Find(invocation.Value(Data), invocation);
        var port = invocation.Value(Port)
            ?? (int.TryParse(world.Environment("TOWN_PORT"), NumberStyles.None, CultureInfo.InvariantCulture, out var told) ? told : 8080);
        var url = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}");
        if (folder.Holder() is { } running)
        {
            Say(invocation, new HostedTown("already_up", null, folder.Path, running, folder.Logs), $"A town is up already on {folder.Path} (process {running})");
            return ExitCodes.Ok;
        }

        using var town = new TownClient(new TownClientOptions(new Uri(url)) { Clock = world.Clock, Deadline = TimeSpan.FromSeconds(3) });
        if (await IsReadyAsync(town, cancellationToken))
        {
            throw new CommandFailure(ExitCodes.Conflict, "port_taken", $"Another town answers at {url}; choose another --port, or stop that one.");
        }

        Directory.CreateDirectory(folder.Path);
        using var host = Start(invocation, folder, port);
        var began = invocation.Clock.GetTimestamp();
        var bound = TimeSpan.FromSeconds(invocation.Value(WaitSecs) ?? 300);
        await BusyLine.WhileAsync(
            invocation.Screen, () => $"{Looks.Span(invocation.Clock.GetElapsedTime(began))}  {LastLine(folder)}", async () =>
        {
            using var pace = new PeriodicTimer(LookEvery, invocation.Clock);
            while (!await IsReadyAsync(town, cancellationToken))
            {
                if (host.HasExited)
                {
                    throw new CommandFailure(
                        ExitCodes.Failed, "host_ended",
                        $"The host ended with {host.ExitCode} before the town was ready. It said:\n{string.Join('\n', Tail(folder, LinesShown))}");
                }

                if (invocation.Clock.GetElapsedTime(began) > bound)
                {
                    throw new CommandFailure(
                        ExitCodes.Timeout, "late", $"The town is not ready after {bound.TotalSeconds:0} s; it goes on starting. See {folder.HostLog}, stop it with tt down.");
                }

                await pace.WaitForNextTickAsync(cancellationToken);
            }
        });

        Say(invocation, new HostedTown("ready", url, folder.Path, folder.Holder() ?? host.Id, folder.HostLog), $"The town is ready at {url}");
        return ExitCodes.Ok;
    }

    private static Process Start(Invocation invocation, TownFolder folder, int port)
    {
        var checkout = Checkout.Find(invocation.World);
        var program = invocation.Value(Host) is { } told ? Path.GetFullPath(told, invocation.World.CurrentFolder)
            : checkout is not null ? Path.Combine(checkout, "run")
            : throw new CommandFailure(
                ExitCodes.NotFound, "no_host", "There is no checkout above this program or the current folder; name an installed host with --host.");
        if (!File.Exists(program))
        {
            throw new CommandFailure(ExitCodes.NotFound, "no_host", $"There is no program at {program}.");
        }

        // A session of its own: a Ctrl-C meant for tt, or the end of this terminal, must not take the town along. A shell puts its output
        // into the file, because a pipe would break when tt ends.
        var start = new ProcessStartInfo("setsid") { WorkingDirectory = invocation.TownRoot ?? invocation.World.CurrentFolder, RedirectStandardInput = true };
        foreach (var word in (string[])["sh", "-c", "exec \"$0\" \"$@\" </dev/null >\"$TT_HOST_LOG\" 2>&1", program])
        {
            start.ArgumentList.Add(word);
        }

        if (invocation.Value(Host) is null)
        {
            start.ArgumentList.Add(string.Create(CultureInfo.InvariantCulture, $"--port={port}"));
            start.ArgumentList.Add($"--data={folder.Path}");
        }

        start.Environment["TT_HOST_LOG"] = folder.HostLog;
        start.Environment["TOWN_PORT"] = port.ToString(CultureInfo.InvariantCulture);
        start.Environment["TOWN_DATA"] = folder.Path;
        return Process.Start(start) ?? throw new CommandFailure(ExitCodes.Failed, "host_ended", $"{program} could not be started.");
    }

    private static async Task<bool> IsReadyAsync(TownClient town, CancellationToken cancellationToken)
    {
        try
        {
            return (await town.ReadyAsync(cancellationToken)).Readiness.Status == "ready";
        }
        catch (TownException)
        {
            return false;       // not yet
        }
    }

    private static void Say(Invocation invocation, HostedTown town, string words)
    {
        if (invocation.Json)
        {
            invocation.Screen.Json(town);
        }
        else
        {
            invocation.Screen.Answers.MarkupLine(Looks.Done($"{Markup.Escape(words)}  [grey]stop it: tt down[/]"));
            if (town.Url is { } url && new Uri(url).Authority != invocation.Address.Authority)
            {
                // Another port than the usual one: without this the next command would ask another town.
                invocation.Screen.Notice($"For the commands that follow: export {GlobalOptions.UrlVariable}={url}");
            }
        }
    }

    private static string LastLine(TownFolder folder) => Tail(folder, 1) is [var line] ? line : "starting";

    private static string[] Tail(TownFolder folder, int most)
    {
        try
        {
            using var file = new FileStream(folder.HostLog, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            file.Seek(-Math.Min(file.Length, 16 * 1024), SeekOrigin.End);
            return [.. new StreamReader(file).ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).TakeLast(most)];
        }
        catch (IOException)
        {
            return [];      // it has not said anything yet
        }
    }
}
