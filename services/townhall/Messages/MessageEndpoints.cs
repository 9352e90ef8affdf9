using System.ComponentModel.DataAnnotations;
using System.Diagnostics;
using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using Townhall.Api.Agents;
using Townhall.Api.Caching;
using Townhall.Api.Idempotency;
using Townhall.Contracts.Ids;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Redis;

namespace Townhall.Api.Messages;

/// <summary>What agents and people tell an agent. Words stand in its next attempt's prompt; a task is a task.</summary>
internal static class MessageEndpoints
{
    private const int PageMost = 500;
    private const int PageUsual = 100;

    public static void AddMessages(this IHostApplicationBuilder builder) => builder.Services.AddSingleton<MessageStore>();

    public static void MapMessages(this IEndpointRouteBuilder routes)
    {
        var messages = routes.MapGroup("/v1/messages").WithTags("Messages");
        messages.MapPost("/send", SendMessage).RequireAuthorization(Scopes.TownWrite).TakesIdempotencyKey()
            .WithName("sendMessage").WithSummary("Tell an agent something, or give it a task")
            .ProducesProblem(403).ProducesProblem(404).ProducesProblem(409).ProducesProblem(422).ProducesProblem(429);
        messages.MapGet("/{message_id}", GetMessage).RequireAuthorization(Scopes.TownRead).WithEntityTag()
            .WithName("getMessage").WithSummary("A message that nobody acted on yet").ProducesProblem(400).ProducesProblem(404);
        messages.MapDelete("/{message_id}", RemoveMessage).RequireAuthorization(Scopes.TownWrite)
            .WithName("removeMessage").WithSummary("Take a message away").ProducesProblem(400).ProducesProblem(404).ProducesProblem(409);
        routes.MapGet("/v1/agents/{agent}/inbox", GetInbox).RequireAuthorization(Scopes.TownRead).WithEntityTag().WithTags("Messages")
            .WithName("getInbox").WithSummary("What an agent has to read and to do; nothing is taken out").ProducesProblem(404).ProducesProblem(409);
        routes.MapPost("/v1/agents/{agent}/inbox", GetInbox).RequireAuthorization(Scopes.TownRead).WithTags("Messages")
            .WithName("readInbox").WithSummary("The same, for older clients").ProducesProblem(404).ProducesProblem(409);
    }

    internal static async Task<Results<Created<SentMessage>, KeyedAnswer, Refusal>> SendMessage(
        NewMessage message, IdempotencyKey? key, Caller caller, AgentDirectory directory, AgentStore agents, MessageStore messages, KeyStore keys,
        Doorbell doorbell, CancellationToken cancellationToken)
    {
        if (message.Fault() is { } fault)
        {
            return fault;
        }

        var (from, notYours) = await Senders.OfAsync(caller.Name, caller.Agent, caller.May(Scopes.Admin), message.From, directory, agents, cancellationToken);
        if (notYours is not null)
        {
            return notYours;
        }

        var (to, unknown) = await directory.MailboxAsync(message.To!, cancellationToken);
        if (unknown is not null)
        {
            return unknown;
        }

        if (message.KindWord == NewMessage.Task && to != AgentId.Supervisor && !caller.Reaches(to))
        {
            return Problems.BoundToAgent("it tells others words (kind query, info or ack) and gives tasks to its own agent");
        }

        // Nobody runs the supervisor: what is a task elsewhere is words there.
        TaskId? task = message.KindWord == NewMessage.Task && to != AgentId.Supervisor ? TaskId.New() : null;
        var letter = new Letter(TaskId.New().Value, to, message, from, task);
        var made = new SentMessage(letter.Id, to.Value, message.Urgent, message.KindWord, message.CorrelationId, task?.Value);
        if (key is null)
        {
            var verdict = await messages.SendAsync(letter, caller.Name, cancellationToken);
            if (verdict != "sent")
            {
                return Refused(verdict, message.To!, directory);
            }

            Ring(doorbell, to);
            return TypedResults.Created($"/v1/messages/{letter.Id}", made);
        }

        var refused = "";
        var outcome = await keys.OnceAsync(
            caller.Name, key, letter.Id, StatusCodes.Status201Created,
            async (connection, stop) => (refused = await messages.SendAsync(connection, letter, caller.Name, stop)) == "sent"
                ? JsonSerializer.Serialize(made, RestJson.Default.SentMessage)
                : null,
            cancellationToken);
        switch (outcome)
        {
            case KeyOutcome.Answered(var status, var response, var replayed):
                Ring(doorbell, to);
                return KeyedAnswer.Made(status, response, "/v1/messages/", "message_id", replayed);
            case KeyOutcome.Reused:
                return Problems.KeyReused();
            case KeyOutcome.NothingMade:
                return Refused(refused, message.To!, directory);
            default:
                throw new UnreachableException();
        }
    }

    internal static async Task<Results<Ok<InboxView>, Refusal>> GetInbox(
        string agent, AgentDirectory directory, MessageStore messages, CancellationToken cancellationToken, [Range(1, PageMost)] int limit = PageUsual, string? cursor = null)
    {
        if (limit is < 1 or > PageMost)
        {
            return Problems.BadQuery($"limit must be 1 to {PageMost}.");
        }

        var (id, refusal) = await directory.MailboxAsync(agent, cancellationToken);
        if (refusal is not null)
        {
            return refusal;
        }

        var list = $"inbox:{id}";
        if (!Cursors.TryRead(list, cursor, out var after))
        {
            return Problems.BadCursor();
        }

        var page = await messages.InboxAsync(id, after ?? default, limit, cancellationToken);
        return TypedResults.Ok(new InboxView(
            agent, id.Value, page.Total, page.Urgent, page.Rows, page.Rows.Count, page.Next is { } next ? Cursors.Write(list, next) : null));
    }

    internal static async Task<Results<Ok<MessageView>, Refusal>> GetMessage(
        [Microsoft.AspNetCore.Mvc.FromRoute(Name = "message_id")] string id, MessageStore messages, CancellationToken cancellationToken) =>
        !TaggedIds.TryRead(id, TaggedIds.Message, out var parsed) ? Problems.BadMessageId()
        : await messages.FindAsync(parsed, cancellationToken) is { } message ? TypedResults.Ok(message)
        : Problems.MessageNotFound(id);

    /// <summary>For the supervisor's mailbox this is how a message counts as acted on.</summary>
    internal static async Task<Results<Ok<RemovedMessage>, Refusal>> RemoveMessage(
        [Microsoft.AspNetCore.Mvc.FromRoute(Name = "message_id")] string id, Caller caller, MessageStore messages, CancellationToken cancellationToken)
    {
        if (!TaggedIds.TryRead(id, TaggedIds.Message, out var parsed))
        {
            return Problems.BadMessageId();
        }

        if (caller.HeldTo() is { } own && await messages.FindAsync(parsed, cancellationToken) is { } message && message.ToAgent != own.Value)
        {
            return Problems.MessageNotFound(id);
        }

        return await messages.RemoveAsync(parsed, caller.Name, cancellationToken) switch
        {
            "removed" => TypedResults.Ok(new RemovedMessage(true, parsed)),
            "is_task" => Problems.MessageIsTask(id),
            _ => Problems.MessageNotFound(id),
        };
    }

    /// <summary>Also for words: a claim passes over an agent whose row is locked, as it was while they were written down.</summary>
    private static void Ring(Doorbell doorbell, AgentId to)
    {
        if (to != AgentId.Supervisor)
        {
            doorbell.Ring(Doorbell.Work, to.ToString());
        }
    }

    private static Refusal Refused(string verdict, string reference, AgentDirectory directory)
    {
        switch (verdict)
        {
            case "full":
                return Problems.InboxFull(reference);
            case "agent_not_accepting":
                return Problems.AgentNotAccepting(reference);
            case "agent_not_found":
                directory.Forget(reference);
                return Problems.AgentNotFound(reference);
            default:
                throw new UnreachableException($"send_message refused with {verdict}.");
        }
    }
}
