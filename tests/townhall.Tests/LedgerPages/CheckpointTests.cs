using Townhall.Ledger;
using Townhall.Ledger.Checkpoints;
using Townhall.Testing;

namespace Townhall.Api.Tests.LedgerPages;

public sealed class CheckpointTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>
{
    [Fact]
    public async Task A_client_fetches_checkpoints_page_by_page_and_checks_them_with_the_fetched_key()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        var folder = Directory.CreateTempSubdirectory("townhall-keys-").FullName;
        using var key = CheckpointKey.Ensure(Path.Combine(folder, "ledger.key"));
        var table = new CheckpointTable(api.Database.Sequencer);
        await table.PublishAsync(api.Database.Town, key, deadline);
        for (var seq = 1; seq <= 5; seq++)
        {
            await table.PublishAsync(key.Sign(api.Database.Town, seq, LedgerHash.Genesis, new DateTime(2026, 1, 2, 3, 4, seq, 60, 70, DateTimeKind.Utc)), deadline);
        }

        var listed = (await api.GetAsync("/v1/ledger/keys", deadline)).Json;
        Assert.Equal(1, listed.GetProperty("count").GetInt32());
        using var fetched = CheckpointPublicKey.FromPem(listed.GetProperty("keys")[0].GetProperty("public_key").GetString()!);
        Assert.Equal(key.Public.Id, fetched.Id);

        var seen = new List<long>();
        long? after = 0;
        while (after is { } from)
        {
            var page = (await api.GetAsync($"/v1/ledger/checkpoints?after={from}&limit=2", deadline)).Json;
            foreach (var row in page.GetProperty("checkpoints").EnumerateArray())
            {
                var checkpoint = Checkpoint.Parse(row.GetRawText())!;
                Assert.True(fetched.Signed(checkpoint));
                seen.Add(checkpoint.Seq);
            }

            after = page.GetProperty("next_after").ValueKind == System.Text.Json.JsonValueKind.Null ? null : page.GetProperty("next_after").GetInt64();
        }

        Assert.Equal([1, 2, 3, 4, 5], seen);
        Assert.Equal("bad_query", (await api.GetAsync("/v1/ledger/checkpoints?limit=0", deadline)).Code);
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Readiness_names_a_ledger_that_is_not_the_kept_one()
    {
        var deadline = Deadline.Usual();
        await using var api = await Api.StartAsync(postgres, redis, deadline);
        await new CheckpointTable(api.Database.Sequencer).RaiseAsync(api.Database.Town, 9, LedgerHash.Genesis, "its tail is missing", deadline);
        var answer = await api.GetAsync("/ready", deadline);
        Assert.Equal(503, answer.Status);

        // Anybody may ask whether, a reader of the town also why.
        Assert.Contains("ledger", answer.Json.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.DoesNotContain("its tail is missing", answer.Text, StringComparison.Ordinal);
        var troubles = (await api.GetAsync("/v1/status", deadline)).Json.GetProperty("troubles");
        Assert.Contains("its tail is missing", Assert.Single(troubles.EnumerateArray()).GetString(), StringComparison.Ordinal);
    }
}
