using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Townhall.Cli.Tests.Harness;
using Townhall.Testing;

namespace Townhall.Cli.Tests.Tasks;

public sealed class OutputTests
{
    [Fact]
    public async Task Following_goes_on_at_the_byte_where_the_connection_broke()
    {
        var offsets = new List<long>();
        var ended = false;
        var terminal = new TestTerminal();
        await using var town = await FakeTown.StartAsync(app =>
        {
            app.MapGet("/v1/tasks/{id}", (string id) => FakeTown.Json(Documents.Task(id, ended ? "completed" : "running")));
            app.MapGet("/v1/tasks/{id}/output", async (HttpContext context, long offset, bool follow = false) =>
            {
                offsets.Add(offset);
                const string whole = "one\ntwo\nthree\n";
                if (offsets.Count == 1)
                {
                    await context.Response.WriteAsync(whole[..6]);
                    await context.Response.Body.FlushAsync();

                    // A reset may overtake what was sent before it.
                    await Eventually.Holds(() => terminal.Out.Length == 6, Deadline.Usual());
                    context.Abort();
                    return;
                }

                await context.Response.WriteAsync(whole[(int)offset..]);
                ended = true;
            });
        });
        Assert.Equal(0, await terminal.RunAsync(town, "output", Documents.TaskId, "-f"));
        Assert.Equal("one\ntwo\nthree\n", terminal.Out);
        Assert.Equal([0L, 6], offsets.Take(2));
    }

    [Fact]
    public async Task A_stream_that_ends_before_its_task_is_followed_on()
    {
        // As when townhall restarts: it closes the answer in good order, and the task has not ended.
        var calls = 0;
        await using var town = await FakeTown.StartAsync(app =>
        {
            app.MapGet("/v1/tasks/{id}", (string id) => FakeTown.Json(Documents.Task(id, calls >= 2 ? "failed" : "running")));
            app.MapGet("/v1/tasks/{id}/output", (long offset) => Results.Text(++calls == 1 ? "a\n" : offset == 2 ? "b\n" : ""));
        });
        var terminal = new TestTerminal();
        Assert.Equal(0, await terminal.RunAsync(town, "output", Documents.TaskId, "-f"));
        Assert.Equal("a\nb\n", terminal.Out);
    }

    [Fact]
    public async Task Leaving_a_follow_never_touches_the_work()
    {
        await using var town = await FakeTown.StartAsync(static app =>
        {
            app.MapGet("/v1/tasks/{id}", static (string id) => FakeTown.Json(Documents.Task(id, "running")));
            app.MapGet("/v1/tasks/{id}/output", static async context =>
            {
                await context.Response.WriteAsync("busy\n");
                await context.Response.Body.FlushAsync();
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
            });
        });
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Deadline.Usual());
        var terminal = new TestTerminal();
        var follows = terminal.RunAsync(stop.Token, "output", Documents.TaskId, "-f", "--town-url", town.Address);
        await Eventually.Holds(() => terminal.Out == "busy\n", Deadline.Usual());
        await stop.CancelAsync();
        Assert.Equal(130, await follows);
        Assert.All(town.Asked, static asked => Assert.StartsWith("GET ", asked, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_new_attempt_begins_at_its_own_first_byte()
    {
        var attempt = 1;
        await using var town = await FakeTown.StartAsync(app =>
        {
            app.MapGet("/v1/tasks/{id}", (string id) => FakeTown.Json(Documents.Task(id, attempt == 2 ? "completed" : "running", attempt)));
            app.MapGet("/v1/tasks/{id}/output", (int attempt, long offset) =>
            {
                var text = $"of attempt {attempt}\n"[(int)offset..];
                MoveOn();
                return Results.Text(text);
            });
            void MoveOn() => attempt = 2;
        });
        var terminal = new TestTerminal();
        Assert.Equal(0, await terminal.RunAsync(town, "output", Documents.TaskId, "-f"));
        Assert.Equal("of attempt 1\nof attempt 2\n", terminal.Out);
        Assert.Contains("--- attempt 2 ---", terminal.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task On_a_terminal_output_cannot_move_the_cursor_and_in_a_pipe_it_is_what_it_is()
    {
        await using var town = await FakeTown.StartAsync(static app =>
        {
            app.MapGet("/v1/tasks/{id}", static (string id) => FakeTown.Json(Documents.Task(id, "completed")));
            app.MapGet("/v1/tasks/{id}/output", static () => Results.Text("a\u001b[2Jé\n"));
        });
        var (pipe, terminal) = (new TestTerminal(), new TestTerminal { IsTerminal = true });
        await pipe.RunAsync(town, "output", Documents.TaskId);
        await terminal.RunAsync(town, "output", Documents.TaskId);
        Assert.Equal("a\u001b[2Jé\n", pipe.Out);
        Assert.Equal("a\ufffd[2Jé\n", terminal.Out);
    }
}
