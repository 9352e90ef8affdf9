using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Townhall.Cli.Tests.Harness;

namespace Townhall.Cli.Tests.Town;

public sealed class RefusalTests
{
    [Theory]
    [InlineData(404, 3)]
    [InlineData(409, 5)]
    [InlineData(400, 2)]
    [InlineData(422, 1)]
    [InlineData(500, 1)]
    [InlineData(401, 4)]
    [InlineData(403, 4)]
    [InlineData(408, 8)]
    [InlineData(503, 9)]
    public async Task A_refusal_is_code_and_detail_on_one_line(int status, int exitCode)
    {
        await using var town = await FakeTown.StartAsync(app =>
            app.MapGet("/v1/tasks/{id}", () => FakeTown.Refusal(status, "some_code", "What happened, and what would be right.")));
        var terminal = new TestTerminal();
        Assert.Equal(exitCode, await terminal.RunAsync(town, "task", Documents.TaskId));
        var remedy = status == 401 ? " With tt: --api-key or TOWN_API_KEY." : "";
        Assert.Equal($"some_code: What happened, and what would be right.{remedy}\n", terminal.Error);
        Assert.Empty(terminal.Out);
    }

    [Fact]
    public async Task A_page_of_something_else_is_no_stack_trace()
    {
        await using var town = await FakeTown.StartAsync(static app =>
            app.MapGet("/v1/status", static () => Results.Text("<html>no</html>", "text/html", statusCode: 502)));
        var terminal = new TestTerminal();
        Assert.Equal(9, await terminal.RunAsync(town, "status"));
        Assert.StartsWith("http_502: ", terminal.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_answer_of_another_shape_is_told_as_such()
    {
        await using var town = await FakeTown.StartAsync(static app => app.MapGet("/v1/status", static () => FakeTown.Json("[1, 2]")));
        var terminal = new TestTerminal();
        Assert.Equal(1, await terminal.RunAsync(town, "status"));
        Assert.StartsWith("unexpected_answer: ", terminal.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", terminal.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Words_of_others_cannot_move_the_cursor()
    {
        await using var town = await FakeTown.StartAsync(static app =>
            app.MapGet("/v1/tasks/{id}", static () => FakeTown.Refusal(404, "x", "a\\u001b[2Jb\\u202ec")));
        var terminal = new TestTerminal { IsTerminal = true };
        Assert.Equal(3, await terminal.RunAsync(town, "task", Documents.TaskId));
        Assert.Equal("x: a\ufffd[2Jb\ufffdc\n", terminal.Error);
    }
}
