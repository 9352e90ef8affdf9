using System.Collections.Concurrent;

namespace Townhall.Api.Metrics;

/// <summary>Counts this process' answers. Routes are templates and methods the known ones, so a caller cannot make new series.</summary>
internal sealed class RequestCounts
{
    private static readonly HashSet<string> Methods = new(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"], StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(string Route, string Method, int Status), Counter> _counts = new();

    public IEnumerable<((string Route, string Method, int Status) Series, long Count)> All =>
        _counts.Select(static one => (one.Key, Volatile.Read(ref one.Value.Count)))
            .OrderBy(static one => one.Key.Route, StringComparer.Ordinal).ThenBy(static one => one.Key.Method, StringComparer.Ordinal).ThenBy(static one => one.Key.Status);

    public void Add(string? route, string method, int status)
    {
        var series = (route ?? "none", Methods.Contains(method) ? method : "other", status);
        Interlocked.Increment(ref _counts.GetOrAdd(series, static _ => new()).Count);
    }

    private sealed class Counter
    {
        public long Count;
    }
}
