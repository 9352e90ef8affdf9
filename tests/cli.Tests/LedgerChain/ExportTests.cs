using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Townhall.Cli.Tests.Harness;
using Townhall.Ledger;
using Townhall.Ledger.Checkpoints;

namespace Townhall.Cli.Tests.LedgerChain;

/// <summary>A ledger that was taken out of its town can be proven where nothing else is.</summary>
public sealed class ExportTests : IDisposable
{
    private const int Length = 300;
    private readonly TemporaryFolder _folder = new();
    private readonly CheckpointKey _key;

    public ExportTests() => _key = CheckpointKey.Ensure(Path.Combine(_folder.Path, "ledger.key"));

    private string File => Path.Combine(_folder.Path, "oak.jsonl");

    private string Pem => Path.Combine(_folder.Path, "oak.pem");

    [Fact]
    public async Task An_export_is_verified_offline_with_the_key_that_was_fetched()
    {
        await ExportAsync(Chain(), 100, 200, Length);
        var terminal = new TestTerminal();
        // Nobody listens there: nothing may be asked.
        Assert.Equal(0, await terminal.RunAsync("ledger", "verify", "--file", File, "--key", Pem, "--json", "--town-url", "http://127.0.0.1:9"));
        var verified = JsonDocument.Parse(terminal.Out).RootElement;
        Assert.True(verified.GetProperty("sound").GetBoolean());
        Assert.Equal(Length, verified.GetProperty("checked").GetInt64());
        Assert.Equal(3, verified.GetProperty("checkpoints").GetInt64());
    }

    [Fact]
    public async Task A_kept_key_is_never_replaced_by_another_one()
    {
        await ExportAsync(Chain(), 100);
        using var other = CheckpointKey.Ensure(Path.Combine(_folder.Path, "other.key"));
        await System.IO.File.WriteAllTextAsync(Pem, other.PublicPem);
        await using var town = await ServeAsync(Chain(), [100]);
        var terminal = new TestTerminal();
        Assert.Equal(5, await terminal.RunAsync(town, "ledger", "export", "--file", File, "--key-file", Pem));
        Assert.StartsWith("key_changed: ", terminal.Error, StringComparison.Ordinal);
        Assert.Equal(other.PublicPem, await System.IO.File.ReadAllTextAsync(Pem));
    }

    public static TheoryData<string, long> Tamperings() => new()
    {
        { "edited", 150 }, { "removed", 150 }, { "doubled", 151 }, { "inserted", 151 }, { "swapped", 150 }, { "garbage", 150 }, { "cut", 281 },
        { "rewritten", 101 }, { "rewritten from the first", 1 },
    };

    [Theory]
    [MemberData(nameof(Tamperings))]
    public async Task Whatever_was_done_to_the_file_is_named_with_the_first_bad_entry(string tampering, long firstBad)
    {
        await ExportAsync(Chain(), 100, 200, Length);
        var lines = (await System.IO.File.ReadAllLinesAsync(File)).ToList();
        switch (tampering)
        {
            case "edited":
                lines[150] = lines[150].Replace("\"actor\":\"local\"", "\"actor\":\"lokal\"", StringComparison.Ordinal);
                break;
            case "removed":
                lines.RemoveAt(150);
                break;
            case "doubled":
                lines.Insert(151, lines[150]);
                break;
            case "inserted":
                lines.Insert(151, lines[150].Replace("\"seq\":150", "\"seq\":151", StringComparison.Ordinal));
                break;
            case "swapped":
                (lines[150], lines[151]) = (lines[151], lines[150]);
                break;
            case "garbage":
                lines[150] = "{\"seq\":150";
                break;
            case "cut":
                lines.RemoveRange(281, 20);
                break;
            default:
                // With all hashes computed anew and the head to match: only a signature can tell.
                var forged = Chain(tampering == "rewritten" ? 150 : 1);
                var kept = lines[^3..];
                await ExportAsync(forged);
                lines = [.. await System.IO.File.ReadAllLinesAsync(File), .. kept];
                break;
        }

        await System.IO.File.WriteAllLinesAsync(File, lines);
        Assert.Equal(firstBad, await FirstBadAsync("--file", File, "--key", Pem));
    }

    [Theory]
    [InlineData("no checkpoints", "brings no checkpoint")]
    [InlineData("another key", "signed by another key")]
    [InlineData("a changed checkpoint", "it was changed")]
    [InlineData("an older export", "its tail is missing")]
    [InlineData("another history", "is not the one that was kept")]
    public async Task Against_a_key_and_kept_checkpoints_also_a_file_that_agrees_with_itself_is_found(string what, string why)
    {
        await ExportAsync(Chain(), 100, 200);
        var kept = Path.Combine(_folder.Path, "kept");
        var last = _key.Sign("oak", 250, Chain()[249].Hash, new DateTime(2026, 2, 3, 4, 5, 6, DateTimeKind.Utc));
        string[] arguments = ["--file", File, "--key", Pem];
        switch (what)
        {
            case "no checkpoints":
                await ExportAsync(Chain());
                break;
            case "another key":
                using (var other = CheckpointKey.Ensure(Path.Combine(_folder.Path, "other.key")))
                {
                    await System.IO.File.WriteAllTextAsync(Pem, other.PublicPem);
                }

                break;
            case "a changed checkpoint":
                await System.IO.File.WriteAllTextAsync(kept, (last with { Seq = 249, Hash = Chain()[248].Hash }).ToLine());
                arguments = [.. arguments, "--kept", kept];
                break;
            case "an older export":
                await ExportAsync(Chain()[..220], 100, 200);
                await System.IO.File.WriteAllTextAsync(kept, last.ToLine());
                arguments = [.. arguments, "--kept", kept];
                break;
            default:
                await ExportAsync(Chain(220), 100, 200);
                await System.IO.File.WriteAllTextAsync(kept, last.ToLine());
                arguments = [.. arguments, "--kept", kept];
                break;
        }

        var terminal = new TestTerminal();
        Assert.Equal(1, await terminal.RunAsync(["ledger", "verify", .. arguments]));
        Assert.Contains(why, terminal.Error, StringComparison.Ordinal);
    }

    /// <summary>The reader of a file that anybody may have written says yes to nothing but what was sealed, and never breaks.</summary>
    [Fact]
    public async Task No_random_change_of_a_file_is_taken_for_the_ledger()
    {
        await ExportAsync(Chain()[..30], 20, 30);
        var original = await System.IO.File.ReadAllBytesAsync(File);
        var random = new Random(20);
        for (var round = 0; round < 400; round++)
        {
            var bytes = original.ToArray();
            var at = random.Next(bytes.Length);
            switch (random.Next(3))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes = [.. bytes[..at], (byte)random.Next(256), .. bytes[at..]];
                    break;
                default:
                    bytes = [.. bytes[..at], .. bytes[Math.Min(bytes.Length, at + 1 + random.Next(200))..]];
                    break;
            }

            await System.IO.File.WriteAllBytesAsync(File, bytes);
            var terminal = new TestTerminal();
            var code = await terminal.RunAsync("ledger", "verify", "--file", File, "--key", Pem, "--json");
            Assert.True(code is 0 or 1 or 2, $"round {round} ended with {code}: {terminal.Error}");
            if (code == 0)
            {
                // What still holds says the same: a space between members, or a checkpoint less.
                var verified = JsonDocument.Parse(terminal.Out).RootElement;
                Assert.Equal(30, verified.GetProperty("checked").GetInt64());
                Assert.Equal(Convert.ToHexStringLower(Chain()[29].Hash), verified.GetProperty("head").GetProperty("hash").GetString(), ignoreCase: true);
            }
        }
    }

    [Fact]
    public async Task Kept_checkpoints_are_compared_with_a_town_that_runs_too()
    {
        var kept = _folder.Write("kept", _key.Sign("oak", 250, Chain()[249].Hash, new DateTime(2026, 2, 3, 4, 5, 6, DateTimeKind.Utc)).ToLine());
        await System.IO.File.WriteAllTextAsync(Pem, _key.PublicPem);
        await using var sound = await ServeAsync(Chain(), []);
        Assert.Equal(0, await new TestTerminal().RunAsync(sound, "ledger", "verify", "--key", Pem, "--kept", kept));
        await using var rewritten = await ServeAsync(Chain(220), []);
        var terminal = new TestTerminal();
        Assert.Equal(1, await terminal.RunAsync(rewritten, "ledger", "verify", "--key", Pem, "--kept", kept));
        Assert.Contains("is not the one that was kept", terminal.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--file", "missing")]
    [InlineData("--key", "missing")]
    [InlineData("--kept", "missing")]
    [InlineData("--file", "ledger.key")]
    [InlineData("--key", "oak.jsonl")]
    public async Task A_file_that_is_none_is_a_usage_mistake(string option, string file)
    {
        _folder.Write("oak.jsonl", "{}\n");
        var terminal = new TestTerminal { Folder = _folder.Path };
        Assert.Equal(2, await terminal.RunAsync("ledger", "verify", option, file, "--town-url", "http://127.0.0.1:9"));
        Assert.StartsWith("usage: ", terminal.Error, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        _key.Dispose();
        _folder.Dispose();
    }

    private static async Task<long> FirstBadAsync(params string[] arguments)
    {
        var terminal = new TestTerminal();
        Assert.Equal(1, await terminal.RunAsync(["ledger", "verify", "--json", .. arguments]));
        return JsonDocument.Parse(terminal.Out).RootElement.GetProperty("first_bad").GetInt64();
    }

    private async Task ExportAsync(List<LedgerEntry> chain, params int[] checkpoints)
    {
        await using var town = await ServeAsync(chain, checkpoints);
        var terminal = new TestTerminal();
        var code = await terminal.RunAsync(town, "ledger", "export", "--file", File, "--key-file", Pem);
        Assert.True(code == 0, terminal.Error);
    }

    /// <param name="changed">The entry from which on another history is told; 0 for none.</param>
    private static List<LedgerEntry> Chain(int changed = 0)
    {
        var chain = new List<LedgerEntry>(Length);
        var previous = LedgerHash.Genesis;
        for (var seq = 1L; seq <= Length; seq++)
        {
            var entry = new LedgerEntry(
                "oak", seq, seq * 3, new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc).AddMicroseconds(seq * 10), "local",
                seq == changed ? "TaskFailed" : "TaskAssigned", null, null, seq % 3 == 0 ? null : new Guid(Documents.TaskId), "success", "{\"a\":\"ü<é>\"}",
                previous, []);
            entry = entry with { Hash = LedgerHash.Compute(entry) };
            previous = entry.Hash;
            chain.Add(entry);
        }

        return chain;
    }

    private Task<FakeTown> ServeAsync(List<LedgerEntry> chain, int[] checkpoints) => FakeTown.StartAsync(app =>
    {
        app.MapGet("/v1/ledger", (long after, int limit) =>
        {
            var page = chain.Where(entry => entry.Seq > after).Take(Math.Min(limit, 130)).ToArray();
            var next = page.Length > 0 && page[^1].Seq < chain[^1].Seq ? page[^1].Seq.ToString(CultureInfo.InvariantCulture) : "null";
            return FakeTown.Json(
                $$"""
                {"town":"oak","entries":[{{string.Join(',', page.Select(VerifyTests.Entry))}}],
                 "head":{"seq":{{chain[^1].Seq}},"hash":"{{Convert.ToHexStringLower(chain[^1].Hash)}}"},"next_after":{{next}}}
                """);
        });
        app.MapGet("/v1/ledger/checkpoints", (long after) =>
        {
            var rest = checkpoints.Skip((int)after).Take(2).ToArray();
            var rows = rest.Select((seq, i) => _key.Sign("oak", seq, chain[seq - 1].Hash, chain[seq - 1].At).ToLine().Replace(
                "{\"town\"", $"{{\"id\":{after + i + 1},\"town\"", StringComparison.Ordinal));
            return FakeTown.Json($$"""{"checkpoints":[{{string.Join(',', rows)}}],"count":{{rest.Length}},"next_after":{{(rest.Length == 2 ? $"{after + 2}" : "null")}}}""");
        });
        app.MapGet("/v1/ledger/keys", () => FakeTown.Json(
            $$"""{"keys":[{"key_id":"{{_key.Public.Id}}","algorithm":"ecdsa-p256-sha256","public_key":{{JsonSerializer.Serialize(_key.PublicPem)}},"since":"2026-01-02T03:04:05Z"}],"count":1}"""));
    });
}
