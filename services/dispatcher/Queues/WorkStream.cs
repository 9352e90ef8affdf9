using StackExchange.Redis;
using Townhall.ServiceDefaults.Redis;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Dispatcher.Queues;

/// <summary>The Redis stream of tasks that may start now, in the order Postgres chose. Everything in it can be chosen again.</summary>
/// <remarks>
/// Read without a pending list and deleted when read, because neither an acknowledgement nor its absence proves anything: a
/// task that was read and not leased is still in the tables. So there is nothing to trim, and the length is what is unread.
/// </remarks>
internal sealed class WorkStream(RedisDoor redis, TownSettings town)
{
    private const string Group = "dispatchers";
    private const string Field = "task";

    /// <summary>Beyond this the oldest go: somebody else must have filled it.</summary>
    private const int LengthMost = 65_536;

    private readonly RedisKey _key = $"town:{town.Name}:startable";

    /// <summary>Adds tasks at the end.</summary>
    /// <returns>False when Redis did not take them all in time; some may be in.</returns>
    public async Task<bool> AddAsync(IReadOnlyList<Guid> tasks)
    {
        try
        {
            var (answered, _) = await redis.AskAsync(async database =>
            {
                var added = new Task<RedisResult>[tasks.Count];
                for (var i = 0; i < added.Length; i++)
                {
                    added[i] = database.ExecuteAsync("XADD", _key, "MAXLEN", "~", LengthMost, "*", Field, tasks[i].ToString());
                }

                return await Task.WhenAll(added);
            });
            return answered;
        }
        catch (RedisServerException)
        {
            return await HealAsync();
        }
    }

    /// <summary>Takes up to <paramref name="most"/> from the front: nobody else gets them.</summary>
    /// <returns>The tasks, what else is in it is not a task's id and is dropped; null when Redis did not answer.</returns>
    public async Task<Guid[]?> TakeAsync(int most)
    {
        try
        {
            return await ReadAsync(most);
        }
        catch (RedisServerException)
        {
            // No such key or group: emptied, restored, or never made.
            return await HealAsync() ? await AgainAsync(most) : null;
        }
    }

    private async Task<Guid[]?> AgainAsync(int most)
    {
        try
        {
            return await ReadAsync(most);
        }
        catch (RedisServerException)
        {
            return null;        // emptied again in this moment, or Redis refuses: claims go to Postgres meanwhile
        }
    }

    private async Task<Guid[]?> ReadAsync(int most)
    {
        var (answered, reply) = await redis.AskAsync(database =>
            database.ExecuteAsync("XREADGROUP", "GROUP", Group, "dispatcher", "COUNT", most, "NOACK", "STREAMS", _key, ">"));
        if (!answered)
        {
            return null;
        }

        if (reply is null || reply.IsNull)
        {
            return [];
        }

        // [[key, [[id, [field, value, …]], …]]]
        var entries = Array.ConvertAll((RedisResult[])((RedisResult[])((RedisResult[])reply!)[0]!)[1]!, static entry => (RedisResult[])entry!);
        // Without an answer they stay, delivered and unread by anybody, until newer ones push them out.
        await redis.AskAsync(database => database.ExecuteAsync("XDEL", [_key, .. entries.Select(static entry => (object)(string)entry[0]!)]));
        return [.. entries.Select(static entry => TaskOf(entry[1])).Where(static id => id != Guid.Empty).Distinct()];
    }

    /// <summary>Tasks in it; null when Redis did not answer.</summary>
    public async Task<long?> LengthAsync()
    {
        try
        {
            var (answered, length) = await redis.AskAsync(database => database.ExecuteAsync("XLEN", _key));
            return answered ? (long)length! : null;
        }
        catch (RedisServerException)
        {
            return await HealAsync() ? 0 : null;
        }
    }

    /// <summary>Makes what is missing. The group begins at the first entry, never at the newest: what was fed meanwhile counts.</summary>
    /// <returns>False when Redis does not answer, or refuses writes.</returns>
    private async Task<bool> HealAsync()
    {
        try
        {
            return (await redis.AskAsync(async database =>
            {
                if ((string?)await database.ExecuteAsync("TYPE", _key) is not ("none" or "stream"))
                {
                    await database.KeyDeleteAsync(_key);
                }

                return await database.ExecuteAsync("XGROUP", "CREATE", _key, Group, "0", "MKSTREAM");
            })).Answered;
        }
        catch (RedisServerException refused)
        {
            return refused.Message.StartsWith("BUSYGROUP", StringComparison.Ordinal);    // another dispatcher was faster
        }
    }

    private static Guid TaskOf(RedisResult fields) =>
        !fields.IsNull && (RedisResult[])fields! is [var name, var value, ..] && (string?)name == Field
        && Guid.TryParseExact((string?)value, "D", out var id) ? id : Guid.Empty;
}
