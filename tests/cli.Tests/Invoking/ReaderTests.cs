using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Townhall.Cli.Tests.Harness;
using Townhall.Testing;

namespace Townhall.Cli.Tests.Invoking;

/// <summary>The real program in a real pipe: what it does when its reader goes.</summary>
public sealed class ReaderTests
{
    private static readonly string Tt = Path.ChangeExtension(Programs.Built("cli"), null);

    [Theory]
    [InlineData("sleep 0")]         // gone before the first event, and no event comes
    [InlineData("head -n 1")]       // gone between two events
    public async Task It_ends_at_once_and_without_a_word(string reader)
    {
        await using var town = await FakeTown.StartAsync(app => app.MapGet("/events", async (HttpContext context) =>
        {
            context.Response.ContentType = "text/event-stream";
            await context.Response.WriteAsync("retry: 1000\n\n");
            for (var seq = 1; reader.StartsWith("head", StringComparison.Ordinal) && seq <= 2; seq++)
            {
                await context.Response.WriteAsync($$"""
                    id: {{seq}}
                    data: {"id":"1","seq":{{seq}},"agent_id":null,"agent_name":"scout","task_id":null,"actor":"local","action":"TaskAssigned","timestamp":"2026-01-02T03:04:05Z","payload":{},"detail":{},"outcome":"success","prev_hash":"00","hash":"00"}


                    """);
            }

            await context.Response.Body.FlushAsync();
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
        }));
        using var folder = new TemporaryFolder();
        var environment = new Dictionary<string, string> { ["DOTNET_ROOT"] = Path.GetDirectoryName(Programs.Dotnet())! };
        var (_, printed) = await folder.RunAsync("bash", "", environment, "-c", $"'{Tt}' events -f --json --url {town.Address} | {reader}; echo \"${{PIPESTATUS[0]}}\"");
        Assert.EndsWith("0\n", printed, StringComparison.Ordinal);
        Assert.InRange(printed.Split('\n').Length, 2, 3);
    }

    [Fact]
    public async Task Into_a_file_it_writes_behind_what_others_write_there()
    {
        using var folder = new TemporaryFolder();
        var environment = new Dictionary<string, string> { ["DOTNET_ROOT"] = Path.GetDirectoryName(Programs.Dotnet())! };
        var (exitCode, _) = await folder.RunAsync(
            "bash", "", environment, "-c", $"{{ echo before; '{Tt}' completion fish; echo after; '{Tt}' init; }} >out 2>&1");
        Assert.Equal(2, exitCode);
        var lines = (await File.ReadAllTextAsync(Path.Combine(folder.Path, "out"))).TrimEnd().Split('\n');
        Assert.Equal("before", lines[0]);
        Assert.Equal("after", lines[^2]);
        Assert.StartsWith("replaced: ", lines[^1], StringComparison.Ordinal);
    }
}
