using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Cli.Town;

namespace Townhall.Cli.Events;

/// <summary><c>tt events</c>: what happened, and with <c>-f</c> what happens; each event once, in order.</summary>
internal static class EventsCommand
{
    /// <summary>Shown without <c>--after</c> and <c>-f</c>.</summary>
    private const int LastShown = 20;

    /// <summary>The past lies ready; a stream that says nothing for so long does not have it.</summary>
    private static readonly TimeSpan PastMost = TimeSpan.FromSeconds(20);

    private static readonly Option<bool> Follow = new("--follow", "-f") { Description = "Go on with what happens from now on, until Ctrl-C" };

    private static readonly Option<long?> After = new("--after")
    {
        Description = $"Begin behind this event; 0 is the beginning (default: the last {LastShown}, with -f from now on)",
        HelpName = "N",
        Validators =
        {
            static result =>
            {
                if (result.GetValueOrDefault<long?>() < 0)
                {
                    result.AddError("--after must be 0 or more.");
                }
            },
        },
    };

    public static Command Create(GlobalOptions globals) =>
        globals.Command("events", "What happened in the town", [Follow, After], RunAsync);

    private static Task<int> RunAsync(Invocation invocation, CancellationToken cancellationToken) => invocation.Value(Follow)
        ? FollowAsync(invocation, invocation.Value(After), cancellationToken)
        : PastAsync(invocation, invocation.Value(After), cancellationToken);

    private static async Task<int> FollowAsync(Invocation invocation, long? after, CancellationToken cancellationToken)
    {
        var events = new EventFollow(invocation.Town, invocation.Clock, invocation.Screen.Notice);
        await foreach (var block in events.RunAsync(after?.ToString(CultureInfo.InvariantCulture), cancellationToken))
        {
            Show(invocation, block);
        }

        return ExitCodes.Ok;
    }

    private static async Task<int> PastAsync(Invocation invocation, long? after, CancellationToken cancellationToken)
    {
        // Where the chain stands now is where we stop: a busy town would keep us for ever.
        var head = (await invocation.Town.LedgerAsync(after ?? 0, 1, cancellationToken)).Head.Seq;
        var position = after ?? Math.Max(0, head - LastShown);
        if (position >= head)
        {
            return ExitCodes.Ok;
        }

        using var patience = new Deadline(PastMost, invocation.Clock, cancellationToken);
        try
        {
            var events = new EventFollow(invocation.Town, invocation.Clock, invocation.Screen.Notice);
            await foreach (var block in events.RunAsync(position.ToString(CultureInfo.InvariantCulture), patience.Token))
            {
                patience.Extend(PastMost);
                if (long.TryParse(block.Id, NumberStyles.None, CultureInfo.InvariantCulture, out var seq))
                {
                    position = seq;
                }

                if (position <= head)
                {
                    Show(invocation, block);
                }

                if (position >= head)
                {
                    break;
                }
            }
        }
        catch (OperationCanceledException) when (patience.Passed)
        {
            throw new CommandFailure(
                ExitCodes.Failed, "late", $"The stream said nothing for {PastMost.TotalSeconds:0} s; it stands at {position} of {head}.");
        }

        return ExitCodes.Ok;
    }

    private static void Show(Invocation invocation, ServerEvent block)
    {
        if (block.Data is not { } data)
        {
            return;
        }

        if (block.Type != "message")
        {
            // A gap, or a wish to reconnect: nothing that happened in the town, yet nothing to hide either.
            if (block.Type == "gap")
            {
                invocation.Screen.Notice($"gap: {data}");
            }

            return;
        }

        var row = JsonSerializer.Deserialize(data, TownJson.Default.EventRow)
            ?? throw new JsonException("An event says null.");
        if (invocation.Json)
        {
            invocation.Screen.Json(row, TownJson.Readable.EventRow);
            return;
        }

        var at = row.Timestamp.ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture);
        var outcome = row.Outcome == "success" ? "" : $" {Looks.State(row.Outcome)}";
        var about = row.TaskId is { } task ? $"[grey]{task}[/]" : Looks.Text(row.Actor);

        // Not through a table: an event is one line, also where that line is longer than the window.
        var line = new Markup(
            $"[grey]{row.Seq,6}[/]  [grey]{at}[/]  [bold]{Markup.Escape(Printable.Line(row.Action).PadRight(20))}[/]"
            + $" {Markup.Escape(Printable.Line(row.AgentName ?? "").PadRight(24))} {about}{outcome}")
        { Overflow = Overflow.Ellipsis };
        invocation.Screen.Answers.Write(line);
        invocation.Screen.Answers.WriteLine();
    }
}
