using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Townhall.Contracts.Ids;

namespace Townhall.Dispatcher.Workers;

/// <summary>A worker that has proven who it is.</summary>
/// <param name="Runtimes">What it said it can execute.</param>
internal sealed record KnownWorker(WorkerId Id, string[] Runtimes, int Slots);

/// <summary>Tokens of registered workers: <c>twk_</c>, the worker's id, and 32 random bytes of which the database keeps the hash.</summary>
/// <remarks>A proven token is remembered for a few seconds. What a gone worker may still do meanwhile is nothing: every
/// statement that gives or takes something names the worker's state or its lease.</remarks>
internal sealed class WorkerTokens(WorkerStore workers, TimeProvider clock)
{
    private const string Prefix = "twk_";
    private static readonly TimeSpan Remembered = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan TouchEvery = TimeSpan.FromSeconds(2);
    private readonly ConcurrentDictionary<string, Entry> _proven = new(StringComparer.Ordinal);

    /// <summary>A new token for a worker, and what is stored of it.</summary>
    public static (string Token, byte[] Hash) Make(WorkerId worker)
    {
        var token = $"{Prefix}{worker.Value:N}_{Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32))}";
        return (token, Hash(token));
    }

    /// <summary>The bearer of a request, or null.</summary>
    public static string? Bearer(HttpRequest request) =>
        request.Headers.Authorization is [{ } header] && header.StartsWith("Bearer ", StringComparison.Ordinal) ? header["Bearer ".Length..] : null;

    /// <summary>Whose token the request carries; null when nobody has it. Notes that a living worker was seen.</summary>
    /// <param name="lostToo">Whether one that was declared lost may still ask this: it may hand in what it did, and nothing else.</param>
    public async ValueTask<KnownWorker?> ProveAsync(HttpContext context, bool lostToo)
    {
        if (Bearer(context.Request) is not { } token)
        {
            return null;
        }

        if (_proven.TryGetValue(token, out var entry) && clock.GetElapsedTime(entry.ProvenAt) < Remembered)
        {
            await TouchAsync(entry, context.RequestAborted);
            return entry.Lives || lostToo ? entry.Worker : null;
        }

        _proven.TryRemove(token, out _);
        if (!token.StartsWith(Prefix, StringComparison.Ordinal) || token.Length < Prefix.Length + 32
            || !Guid.TryParseExact(token.AsSpan(Prefix.Length, 32), "N", out var id)
            || await workers.FindAsync(new WorkerId(id), context.RequestAborted) is not var (worker, hash, lives)
            || !CryptographicOperations.FixedTimeEquals(hash, Hash(token)))
        {
            return null;
        }

        entry = new Entry(worker, lives, clock.GetTimestamp());
        _proven[token] = entry;
        Prune();
        await TouchAsync(entry, context.RequestAborted);
        return lives || lostToo ? worker : null;
    }

    private async ValueTask TouchAsync(Entry entry, CancellationToken cancellationToken)
    {
        var last = Interlocked.Read(ref entry.TouchedAt);
        if ((last == 0 || clock.GetElapsedTime(last) >= TouchEvery)
            && Interlocked.CompareExchange(ref entry.TouchedAt, clock.GetTimestamp(), last) == last)
        {
            await workers.TouchAsync(entry.Worker.Id, cancellationToken);
        }
    }

    private void Prune()
    {
        foreach (var (token, entry) in _proven)
        {
            if (clock.GetElapsedTime(entry.ProvenAt) >= Remembered)
            {
                _proven.TryRemove(token, out _);
            }
        }
    }

    private static byte[] Hash(string token) => SHA256.HashData(Encoding.UTF8.GetBytes(token));

    private sealed class Entry(KnownWorker worker, bool lives, long provenAt)
    {
        public readonly KnownWorker Worker = worker;
        public readonly bool Lives = lives;
        public readonly long ProvenAt = provenAt;
        public long TouchedAt;
    }
}
