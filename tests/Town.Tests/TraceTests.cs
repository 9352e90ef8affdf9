using Townhall.Testing;

namespace Townhall.Town.Tests;

/// <summary>From the call to the settlement, through three processes and a command, is one trace; and what is measured arrives, too.</summary>
public sealed class TraceTests
{
    private const string Trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    private const string Another = "0af7651916cd43dd8448eb211c80319c";
    private const string Third = "1cf7651916cd43dd8448eb211c80319d";

    private static readonly string[] Steps = ["task.lease", "task.attempt", "task.settle"];
    private readonly CancellationToken _deadline = Deadline.Of(TimeSpan.FromSeconds(120));

    [Fact]
    public async Task A_task_is_one_trace_from_the_call_to_its_settlement_and_its_command_can_go_on_with_it()
    {
        await using var town = await TracedTown.StartAsync(_deadline);
        await town.PostAsync("/v1/agents", """{"name":"ann","cli":"sh"}""", Trace, _deadline);
        var task = (await town.PostAsync("/v1/tasks/assign", """{"agent":"ann","task":"echo \"$TRACEPARENT\""}""", Trace, _deadline)).GetProperty("task_id").GetString()!;
        var ended = await town.EndedAsync(task, _deadline);
        Assert.True(ended.GetProperty("state").GetString() == "completed", $"{ended}\n{town.WorkerLog}");

        // What each process said of this trace: the settlement comes last, and its batch a moment later.
        var (spans, _) = await SeenAsync(
            town, Trace, static seen => Steps.All(step => seen.Any(span => span.Name == step)) && seen.Any(static span => span.Service == "Townhall.Api"));
        var settle = spans.Single(static span => span.Name == "task.settle");
        var attempt = spans.Single(static span => span.Name == "task.attempt");
        var lease = spans.Single(static span => span.Name == "task.lease");
        Assert.Equal((attempt.Id, "Townhall.Dispatcher"), (settle.Parent, settle.Service));
        Assert.Equal((lease.Id, "agent-worker"), (attempt.Parent, attempt.Service));
        Assert.Equal("Townhall.Dispatcher", lease.Service);
        var call = spans.Single(span => span.Id == lease.Parent);
        Assert.Equal("Townhall.Api", call.Service);
        Assert.Equal($"00-{Trace}-{attempt.Id}-01", ended.GetProperty("result").GetString()!.Trim());
    }

    [Fact]
    public async Task Messages_and_bulk_retries_go_on_in_the_traces_of_their_calls_and_metrics_arrive()
    {
        await using var town = await TracedTown.StartAsync(_deadline);
        await town.PostAsync("/v1/agents", """{"name":"ann","cli":"sh"}""", "2cf7651916cd43dd8448eb211c80319e", _deadline);

        // Words first: the attempt of the task that is a message finds them in its prompt.
        await town.PostAsync("/v1/messages/send", """{"to":"ann","kind":"info","message":"be kind"}""", Trace, _deadline);
        var task = (await town.PostAsync("/v1/messages/send", """{"to":"ann","kind":"task","message":"exit 3"}""", Another, _deadline)).GetProperty("task_id").GetString()!;
        await SeenAsync(town, Trace, static seen => seen.Any(static span => span is { Name: "message.deliver", Service: "Townhall.Dispatcher" }));
        await SeenAsync(town, Another, static seen => Steps.All(step => seen.Any(span => span.Name == step)));
        Assert.Equal("failed", (await town.EndedAsync(task, _deadline)).GetProperty("state").GetString());

        var draft = await town.PostAsync("/v1/tasks/bulk", """{"action":"retry","dry_run":true}""", "3cf7651916cd43dd8448eb211c80319f", _deadline);
        Assert.Equal(1, draft.GetProperty("count").GetInt32());
        await town.PostAsync("/v1/tasks/bulk", $$"""{"confirm_token":"{{draft.GetProperty("confirm_token").GetString()}}"}""", Third, _deadline);
        await SeenAsync(town, Third, static seen => Steps.All(step => seen.Any(span => span.Name == step)));

        await Eventually.Is(
            () => town.Receiver.Metrics,
            static names => ((string[])["tinytown.tasks.pending", "tinytown.agents.total", "townhall.tasks.accepted", "townhall.ledger.pending.oldest", "townhall.workers"])
                .All(names.Contains),
            _deadline, "the families of metrics to arrive");
    }

    private async Task<Seen> SeenAsync(TracedTown town, string trace, Func<Span[], bool> enough) => await Eventually.Is(
        () => Task.FromResult(new Seen([.. town.Receiver.Spans.Where(span => span.Trace == trace)], town.Receiver.Spans.Count)),
        seen => enough(seen.Spans), _deadline, "all spans to arrive");

    private sealed record Seen(Span[] Spans, int InAll)
    {
        public override string ToString() => $"{string.Join(", ", Spans.Select(static span => $"{span.Service} {span.Name}"))} of {InAll}";
    }
}
