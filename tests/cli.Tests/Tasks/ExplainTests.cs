using Microsoft.AspNetCore.Builder;
using Townhall.Cli.Tests.Harness;

namespace Townhall.Cli.Tests.Tasks;

public sealed class ExplainTests
{
    private const string Told = """
        {"task_id":"0199c2a4-7fff-7d44-b222-bbbbbbbbbbbb","state":"assigned","waiting":true,"since":"2026-01-02T03:04:05Z","position":12,
         "reasons":[{"code":"agent_busy","detail":"Agent ann runs 1 of at most 1 tasks at once.","since":"2026-01-02T03:04:06Z",
                     "changes_when":"One of them ends.","at":null,"tasks":["0199c2a4-7fff-7d44-b222-bbbbbbbbbbbc"]},
                    {"code":"delayed","detail":"Not \u001b[2Jyet.","since":null,"changes_when":"Its time comes.","at":"2026-02-02T03:04:05Z","tasks":null}]}
        """;

    [Fact]
    public async Task It_says_why_since_when_and_what_would_change_it()
    {
        await using var town = await FakeTown.StartAsync(static app => app.MapGet("/v1/tasks/{id}/explain", static () => FakeTown.Json(Told)));
        var terminal = new TestTerminal();
        Assert.Equal(0, await terminal.RunAsync(town, "explain", "0199c2a4-7fff-7d44-b222-bbbbbbbbbbbb"));
        foreach (var part in (string[])["waits", "12 ahead of it", "agent_busy", "One of them ends.", "held by 0199c2a4-7fff-7d44-b222-bbbbbbbbbbbc", "delayed", "2026-02-02"])
        {
            Assert.Contains(part, terminal.Out, StringComparison.Ordinal);
        }

        Assert.DoesNotContain("\u001b", terminal.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task With_json_it_is_the_document_of_the_town()
    {
        await using var town = await FakeTown.StartAsync(static app => app.MapGet("/v1/tasks/{id}/explain", static () => FakeTown.Json(Told)));
        var terminal = new TestTerminal();
        Assert.Equal(0, await terminal.RunAsync(town, "explain", "x", "--json"));
        using var document = System.Text.Json.JsonDocument.Parse(terminal.Out);
        Assert.Equal("agent_busy", document.RootElement.GetProperty("reasons")[0].GetProperty("code").GetString());
        Assert.Equal(12, document.RootElement.GetProperty("position").GetInt64());
    }
}
