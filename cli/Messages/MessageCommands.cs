using System.CommandLine;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Cli.Tasks;
using Townhall.Client;
using Townhall.Contracts.Tasks;

namespace Townhall.Cli.Messages;

/// <summary><c>tt send</c>, <c>tt inbox</c> and <c>tt message</c>: words for an agent, delivered with its next prompt.</summary>
internal static class MessageCommands
{
    private static readonly Argument<string> To = Words.AgentArgument("Whom to tell");
    private static readonly Argument<string> Text = new("MESSAGE") { Description = "What to say; - reads it from standard input" };
    private static readonly Option<string?> From = new("--from") { Description = "Who says it, where you may say so (default: you)", HelpName = Words.Agent };
    private static readonly Option<bool> Query = new("--query") { Description = "It is a question" };
    private static readonly Option<bool> Info = new("--info") { Description = "It is for their information" };
    private static readonly Option<bool> Ack = new("--ack") { Description = "It confirms: received, approved, thanks, rejected: why" };
    private static readonly Option<bool> Urgent = new("--urgent") { Description = "Before everything that is not urgent" };
    private static readonly Option<string?> Correlation = new("--correlation-id") { Description = "What it belongs to", HelpName = "ID" };
    /// <summary>Columns that everything but the summary takes, with the frame.</summary>
    private const int OtherColumns = 82;

    private const int Usual = 100;
    private const int PageMost = 500;
    private static readonly Argument<Guid> Id = new("MESSAGE-ID") { Description = "The message's id, as tt inbox shows it" };
    private static readonly Option<int?> Limit = Words.Whole("--limit", ["-n"], "N", $"At most so many of each (default {Usual})", 1, 100_000);
    private static readonly Option<bool> All = new("--all", "-a") { Description = "Of every agent that has messages" };

    private static readonly Argument<string?> Whose = new(Words.Agent)
    {
        Description = "Whose (default: the agent whose command this runs in)",
        Arity = ArgumentArity.ZeroOrOne,
    };

    public static Command Send(GlobalOptions globals) => globals.Answer(
        "send", "Tell an agent something", ["tt send scout 'please rebase'", "tt send scout 'which branch?' --query --urgent"],
        [To, Text, From, Query, Info, Ack, Urgent, Correlation],
        static async (invocation, cancellationToken) => await invocation.Town.SendAsync(
            new NewMessage(
                invocation.Value(To),
                await StandardText.ReadAsync(invocation, invocation.Value(Text), "message", TaskLimits.DescriptionBytes, cancellationToken),
                invocation.Value(From), Kind(invocation), invocation.Value(Urgent) ? true : null, invocation.Value(Correlation)),
            cancellationToken),
        static (invocation, sent) => invocation.Screen.Answers.MarkupLine(Looks.Done(
            $"sent to [bold]{Looks.Text(invocation.Value(To))}[/]{(sent.Urgent ? " [yellow]urgent[/]" : "")}  [grey]{sent.MessageId}[/]")));

    public static Command Inbox(GlobalOptions globals) => globals.Answer(
        "inbox", "What waits for an agent; looking takes nothing out", ["tt inbox scout", "tt inbox supervisor", "tt inbox --all"], [Whose, All, Limit], AskAsync, Show);

    public static Command One(GlobalOptions globals) => GlobalOptions.Group(
        "message", "One message of an inbox",
        globals.Answer(
            "show", "A message whole; reading changes nothing", ["tt message show 01890a5d-ac96-774b-bcce-b302099a8057"], [Id],
            static (invocation, cancellationToken) => invocation.Town.MessageAsync(invocation.Value(Id), cancellationToken), Write),
        globals.Answer(
            "remove", "Take a message away; in the supervisor's inbox it counts as acted on",
            ["tt message remove 01890a5d-ac96-774b-bcce-b302099a8057"], [Id],
            static (invocation, cancellationToken) => invocation.Town.RemoveMessageAsync(invocation.Value(Id), cancellationToken),
            static (invocation, removed) => invocation.Screen.Answers.MarkupLine(Looks.Done($"{removed.MessageId} is removed"))));

    private static string? Kind(Invocation invocation) =>
        (invocation.Value(Query), invocation.Value(Info), invocation.Value(Ack)) switch
        {
            (false, false, false) => null,
            (true, false, false) => "query",
            (false, true, false) => "info",
            (false, false, true) => "ack",
            _ => throw CommandFailure.Usage("Say one of --query, --info and --ack."),
        };

    private static async Task<InboxList> AskAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        if (!invocation.Value(All))
        {
            return new InboxList([await InboxAsync(invocation, CurrentCommand.Whose(invocation, invocation.Optional(Whose)), cancellationToken)]);
        }

        if (invocation.Optional(Whose) is not null)
        {
            throw CommandFailure.Usage("Say an agent or --all, not both.");
        }

        var inboxes = new List<Inbox>();
        await foreach (var agent in invocation.Town.AgentsAsync(cancellationToken))
        {
            if (agent.InboxLen + agent.UrgentLen > 0)
            {
                inboxes.Add(await InboxAsync(invocation, agent.Id.ToString(), cancellationToken) with { Agent = agent.Name });
            }
        }

        return new InboxList(inboxes);
    }

    /// <summary>As many pages as it takes; <c>next_cursor</c> of the last says whether there are more.</summary>
    private static async Task<Inbox> InboxAsync(Invocation invocation, string agent, CancellationToken cancellationToken)
    {
        var most = invocation.Value(Limit) ?? Usual;
        var inbox = await invocation.Town.InboxPageAsync(agent, Math.Min(most, PageMost), null, cancellationToken);
        while (inbox.NextCursor is { } cursor && inbox.Messages.Length < most)
        {
            var page = await invocation.Town.InboxPageAsync(agent, Math.Min(most - inbox.Messages.Length, PageMost), cursor, cancellationToken);
            if (page.Messages.Length == 0 || page.NextCursor == cursor)
            {
                break;
            }

            inbox = page with { Messages = [.. inbox.Messages, .. page.Messages], Count = inbox.Messages.Length + page.Messages.Length };
        }

        return inbox;
    }

    private static void Write(Invocation invocation, TownMessage message)
    {
        var facts = Looks.Facts(
            ("message", $"[bold]{message.MessageId}[/]"),
            ("kind", Looks.Text(message.Kind) + (message.Urgent ? " [yellow]urgent[/]" : "")),
            ("from", Looks.Text(message.FromName ?? message.From)),
            ("to", message.ToAgent.ToString()),
            ("at", Looks.Instant(message.CreatedAt)),
            ("delivered", message.DeliveredAt is null ? "not yet" : $"{Looks.Instant(message.DeliveredAt)} to task {message.DeliveredTo}"));
        void Say(string what, string? value)
        {
            if (value is not null)
            {
                facts.AddRow($"[grey]{what}[/]", Looks.Text(value));
            }
        }

        Say("answer", message.AckType);
        Say("because", message.Reason);
        Say("belongs to", message.CorrelationId);
        Say("task", message.TaskId?.ToString());
        invocation.Screen.Answers.Write(facts);
        invocation.Screen.Line("");
        invocation.Screen.Line(Printable.Text(message.Message));
    }

    private static void Show(Invocation invocation, InboxList list)
    {
        var console = invocation.Screen.Answers;
        if (list.Inboxes.Count == 0)
        {
            console.MarkupLine("[grey]No agent has messages.[/]");
        }

        foreach (var inbox in list.Inboxes)
        {
            console.MarkupLine($"[bold]{Looks.Text(inbox.Agent)}[/]  {Looks.Number(inbox.Total)} waiting, {Looks.Number(inbox.Urgent)} urgent");
            if (inbox.Messages.Length == 0)
            {
                continue;
            }

            var room = Math.Clamp(invocation.Screen.Size.Columns - OtherColumns, 16, 120);
            var table = Looks.Table("message", "type", "from", "", "summary");
            foreach (var message in inbox.Messages)
            {
                table.AddRow(
                    message.Id.ToString(), $"[{(message.Urgent ? "yellow" : "default")}]{Looks.Text(message.Type)}{(message.Urgent ? "!" : "")}[/]",
                    Markup.Escape(Printable.Cut(message.FromName ?? message.From, 12)),
                    message.DeliveredAt is null ? "" : "[blue]→[/]", Markup.Escape(Printable.Cut(message.Summary, room)));
            }

            console.Write(table);
            if (inbox.NextCursor is not null)
            {
                invocation.Screen.Notice($"The first {inbox.Messages.Length}; more with --limit.");
            }
        }
    }
}

internal sealed record InboxList(IReadOnlyList<Inbox> Inboxes);
