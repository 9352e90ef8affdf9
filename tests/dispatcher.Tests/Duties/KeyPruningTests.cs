using Microsoft.Extensions.Logging.Abstractions;
using Townhall.Dispatcher.Duties;
using Townhall.Testing;

namespace Townhall.Dispatcher.Tests.Duties;

public sealed class KeyPruningTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    [Theory]
    [InlineData(true, 3)]
    [InlineData(false, 28)]
    public async Task Keys_older_than_a_day_are_forgotten_batch_by_batch_by_who_leads(bool leads, int left)
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await database.ExecuteAsync($"""
            INSERT INTO idempotency (town, principal, key, body_sha256, made, status, response, created_at)
            SELECT '{database.Town}', 'local', 'k-' || i, sha256('x'), gen_random_uuid(), 201, '', now() - interval '22 hours 50 minutes' - i * interval '20 minutes'
            FROM generate_series(1, 28) i
            """, deadline);
        using var pruning = new KeyPruning(database.App, new Led(leads), TimeProvider.System, NullLogger<KeyPruning>.Instance);
        await pruning.TurnAsync(10, deadline);
        Assert.Equal((long)left, await database.ScalarAsync<long>("SELECT count(*) FROM idempotency", deadline));
    }

    private sealed class Led(bool leads) : ILeadership
    {
        public long? Epoch => leads ? 1 : null;
    }
}
