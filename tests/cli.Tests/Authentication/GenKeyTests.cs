using System.Text.Json;
using Townhall.Cli.Tests.Harness;
using Townhall.Secrets;

namespace Townhall.Cli.Tests.Authentication;

public sealed class GenKeyTests
{
    [Fact]
    public async Task A_key_is_printed_with_the_hash_that_knows_it()
    {
        var terminal = new TestTerminal();
        Assert.Equal(0, await terminal.RunAsync("auth", "gen-key"));
        var lines = terminal.Out.TrimEnd('\n').Split('\n');
        Assert.Matches("^key: [0-9a-f]{64}$", lines[0]);
        Assert.Matches(@"^TOWN_AUTH_API_KEY_HASH='\$argon2id\$v=19\$m=65536,t=3,p=1\$[^']+'$", lines[1]);
        Assert.True(Argon2.Verify(lines[1].Split('\'')[1], lines[0]["key: ".Length..]));
        Assert.Contains("never shown again", terminal.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Each_is_another_and_the_hash_is_one_that_a_town_takes()
    {
        var (one, other) = (await MakeAsync(), await MakeAsync());
        Assert.NotEqual(one.Key, other.Key);
        Assert.Null(Argon2.Fault(one.Hash));
        Assert.True(Argon2.Verify(one.Hash, one.Key));
        Assert.False(Argon2.Verify(one.Hash, other.Key));

        static async Task<(string Key, string Hash)> MakeAsync()
        {
            var terminal = new TestTerminal();
            Assert.Equal(0, await terminal.RunAsync("auth", "gen-key", "--json"));
            var made = JsonDocument.Parse(terminal.Out).RootElement;
            return (made.GetProperty("key").GetString()!, made.GetProperty("hash").GetString()!);
        }
    }
}
