using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Townhall.Cli.Tests.Harness;
using Townhall.Ledger;

namespace Townhall.Cli.Tests.LedgerChain;

public sealed class VerifyTests
{
    private const int Length = 2500;        // more than two pages

    [Fact]
    public async Task A_sound_chain_is_sound_over_all_its_pages()
    {
        await using var town = await ServeAsync(Chain());
        var (people, program) = (new TestTerminal(), new TestTerminal());
        Assert.Equal(0, await people.RunAsync(town, "ledger", "verify"));
        Assert.Contains("2,500 entries", people.Out, StringComparison.Ordinal);
        Assert.Equal(0, await program.RunAsync(town, "ledger", "verify", "--json"));
        var verified = JsonDocument.Parse(program.Out).RootElement;
        Assert.True(verified.GetProperty("sound").GetBoolean());
        Assert.Equal(Length, verified.GetProperty("checked").GetInt64());
    }

    [Theory]
    [InlineData("", true, true)]
    [InlineData("", true, false)]
    [InlineData("--json", true, false)]
    [InlineData("", false, false)]
    public async Task Long_work_shows_how_far_it_is_to_people_and_to_nobody_else(string option, bool isTerminal, bool coloured)
    {
        await using var town = await ServeAsync(Chain());
        var terminal = new TestTerminal { IsTerminal = isTerminal };
        if (!coloured)
        {
            terminal.Environment["NO_COLOR"] = "1";
        }

        Assert.Equal(0, await terminal.RunAsync(town, ["ledger", "verify", .. option.Split(' ', StringSplitOptions.RemoveEmptyEntries)]));
        Assert.Equal(isTerminal && option.Length == 0, terminal.Error.Contains("verify 2,500 entries", StringComparison.Ordinal));
        Assert.Equal(coloured, terminal.Error.Contains("\u001b[9", StringComparison.Ordinal) || terminal.Error.Contains("\u001b[3", StringComparison.Ordinal));
        Assert.True(isTerminal && option.Length == 0 || terminal.Error.Length == 0, terminal.Error);
    }

    public static TheoryData<string> Tamperings() => new("actor", "detail", "at", "agent", "hash", "no hash", "removed", "tail");

    [Theory]
    [MemberData(nameof(Tamperings))]
    public async Task The_first_bad_entry_is_named(string tampering)
    {
        const int place = 1700;
        var chain = Chain();
        var bad = chain[place - 1];
        var head = (chain[^1].Seq, chain[^1].Hash);
        switch (tampering)
        {
            case "removed":
                chain.RemoveAt(place - 1);
                break;
            case "tail":
                chain.RemoveRange(place - 1, chain.Count - place + 1);
                break;
            default:
                chain[place - 1] = tampering switch
                {
                    "actor" => bad with { Actor = "someone" },
                    "detail" => bad with { Detail = bad.Detail + " " },
                    "at" => bad with { At = bad.At.AddMicroseconds(1) },
                    "agent" => bad with { AgentName = "" },
                    "no hash" => bad with { Hash = [] },
                    _ => bad with { Hash = new byte[32] },
                };
                break;
        }

        await using var town = await ServeAsync(chain, head);
        var terminal = new TestTerminal();
        Assert.Equal(1, await terminal.RunAsync(town, "ledger", "verify"));
        Assert.StartsWith("ledger_broken: ", terminal.Error, StringComparison.Ordinal);
        Assert.Contains("The first bad entry is 1700; 1699 before it are sound.", terminal.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_sealed_meanwhile_belongs_to_the_next_walk()
    {
        var chain = Chain();
        await using var town = await ServeAsync(chain, (2200, chain[2199].Hash));
        var terminal = new TestTerminal();
        Assert.Equal(0, await terminal.RunAsync(town, "ledger", "verify"));
        Assert.Contains("2,200 entries", terminal.Out, StringComparison.Ordinal);
    }

    private static List<LedgerEntry> Chain()
    {
        var chain = new List<LedgerEntry>(Length);
        var previous = LedgerHash.Genesis;
        var at = new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc);
        for (var seq = 1L; seq <= Length; seq++)
        {
            // Microseconds that end in zeros, text that needs escapes, nulls: what a wire could lose.
            var entry = new LedgerEntry(
                "oak", seq, seq * 3, at.AddMicroseconds(seq * 10), "local", "TaskAssigned", seq % 2 == 0 ? null : new Guid(Documents.AgentId),
                seq % 2 == 0 ? null : "sc\"oüt", seq % 3 == 0 ? null : new Guid(Documents.TaskId), "success", "{\"a\" :  \"\\u00fc<é>\"}", previous, []);
            entry = entry with { Hash = LedgerHash.Compute(entry) };
            previous = entry.Hash;
            chain.Add(entry);
        }

        return chain;
    }

    private static Task<FakeTown> ServeAsync(List<LedgerEntry> chain, (long Seq, byte[] Hash)? head = null) => FakeTown.StartAsync(app =>
        app.MapGet("/v1/ledger", (long after, int limit) =>
        {
            var page = chain.Where(entry => entry.Seq > after).Take(limit).ToArray();
            var (seq, hash) = head ?? (chain[^1].Seq, chain[^1].Hash);
            return FakeTown.Json(
                $$"""
                {"town":"oak","entries":[{{string.Join(',', page.Select(Entry))}}],
                 "head":{"seq":{{seq}},"hash":"{{Convert.ToHexStringLower(hash)}}"},
                 "next_after":{{(page.Length == limit ? page[^1].Seq.ToString(CultureInfo.InvariantCulture) : "null")}}}
                """);
        }));

    internal static string Entry(LedgerEntry entry) => JsonSerializer.Serialize(new
    {
        seq = entry.Seq,
        id = entry.Id,
        at = entry.At.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture),
        actor = entry.Actor,
        action = entry.Action,
        agent_id = entry.AgentId,
        agent_name = entry.AgentName,
        task_id = entry.TaskId,
        outcome = entry.Outcome,
        detail = entry.Detail,
        prev_hash = Convert.ToHexStringLower(entry.PrevHash),
        hash = Convert.ToHexStringLower(entry.Hash),
    });
}
