using System.CommandLine;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Cli.Tasks;
using Townhall.Client;
using Townhall.Contracts.Tasks;

namespace Townhall.Cli.Messages;

/// <summary><c>tt send</c> and <c>tt inbox</c>: words for an agent, delivered with its next prompt.</summary>
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
            $"sent to [bold]{Looks.Text(sent.ToAgent)}[/]{(sent.Urgent ? " [yellow]urgent[/]" : "")}  [grey]{sent.MessageId}[/]")));

    public static Command Inbox(GlobalOptions globals) => globals.Answer(
        "inbox", "What waits for an agent; looking takes nothing out", ["tt inbox scout", "tt inbox --all"], [Whose, All], AskAsync, Show);

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
            return new InboxList([await invocation.Town.InboxAsync(CurrentCommand.Whose(invocation, invocation.Optional(Whose)), cancellationToken)]);
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
                inboxes.Add(await invocation.Town.InboxAsync(agent.Id.ToString(), cancellationToken) with { Agent = agent.Name });
            }
        }

        return new InboxList(inboxes);
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

            var table = Looks.Table("type", "from", "at", "summary");
            foreach (var message in inbox.Messages)
            {
                table.AddRow(
                    Looks.Text(message.Type) + (message.Urgent ? " [yellow]urgent[/]" : ""),
                    Markup.Escape(Printable.Cut(message.FromName ?? message.From, 36)),
                    Looks.Instant(message.CreatedAt) + (message.DeliveredAt is null ? "" : " [grey](delivered)[/]"), Markup.Escape(Printable.Cut(message.Summary, 80)));
            }

            console.Write(table);
        }
    }
}

internal sealed record InboxList(IReadOnlyList<Inbox> Inboxes);
