using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Townhall.Faults;

/// <summary>How a call ended, as its caller knows it.</summary>
public enum Ending
{
    /// <summary>No answer yet.</summary>
    Open,

    /// <summary>Done, by the town's word.</summary>
    Ok,

    /// <summary>Definitely not done.</summary>
    Fail,

    /// <summary>Nobody knows.</summary>
    Info,
}

/// <summary>One call of a client.</summary>
/// <param name="Key">Stands in the task's text, so that its row is found whatever the client was told.</param>
public sealed record Call(string Key, string Agent, double Invoked)
{
    public Ending Ending { get; internal set; }

    public double Ended { get; internal set; } = double.MaxValue;

    public int Status { get; internal set; }

    public Guid? Task { get; internal set; }

    /// <summary>Not to start before, where the caller said so.</summary>
    public DateTimeOffset? NotBefore { get; init; }
}

/// <summary>What clients did and when the town was being broken, as JSON lines; times are seconds since its start.</summary>
public sealed class History(string folder)
{
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly Lock _gate = new();
    private readonly List<string> _lines = [];
    private readonly List<Call> _calls = [];
    private readonly List<(double From, double To)> _windows = [];
    private (double From, double To, DateTime Began)? _faulted;

    public IReadOnlyList<Call> Calls
    {
        get
        {
            lock (_gate)
            {
                return [.. _calls];
            }
        }
    }

    public double Now => Stopwatch.GetElapsedTime(_start).TotalSeconds;

    public Call Invoke(string key, string agent, DateTimeOffset? notBefore)
    {
        var call = new Call(key, agent, Now) { NotBefore = notBefore };
        lock (_gate)
        {
            _calls.Add(call);
            Write("invoke", call, null);
        }

        return call;
    }

    public void End(Call call, Ending ending, int status, Guid? task, string? detail)
    {
        lock (_gate)
        {
            (call.Ending, call.Status, call.Task, call.Ended) = (ending, status, task, Now);
            Write(ending.ToString().ToLowerInvariant(), call, detail);
        }
    }

    /// <summary>Calls whose effects were taken away on purpose: nothing is demanded for them any more.</summary>
    public void Forget(IEnumerable<Call> calls)
    {
        lock (_gate)
        {
            foreach (var call in calls)
            {
                _calls.Remove(call);
            }
        }
    }

    /// <summary>Something that is not a call: a fault, a signal, what was seen.</summary>
    public void Note(string kind, string text)
    {
        lock (_gate)
        {
            _lines.Add(JsonSerializer.Serialize(new { t = Math.Round(Now, 3), kind, text }));
        }
    }

    /// <summary>Calls that touch the time until the returned window is closed, or <paramref name="after"/> longer, may fail.</summary>
    public IDisposable FaultWindow(TimeSpan after)
    {
        var (from, began) = (Now, TimeProvider.System.GetUtcNow().UtcDateTime);
        return new Closing(() =>
        {
            lock (_gate)
            {
                _faulted = (from, Now, began);
                _windows.Add((from, Now + after.TotalSeconds));
            }
        });
    }

    /// <summary>Calls that began and ended outside of every fault window: how many, and how many of them were ok.</summary>
    public (int All, int Ok) Outside()
    {
        lock (_gate)
        {
            var outside = _calls.Where(call => _windows.TrueForAll(window => call.Ended < window.From || call.Invoked > window.To)).ToList();
            return (outside.Count, outside.Count(static call => call.Ending == Ending.Ok));
        }
    }

    /// <summary>When the last closed fault window began (also by the machine's clock) and ended; null before the first.</summary>
    public (double From, double To, DateTime Began)? Faulted
    {
        get
        {
            lock (_gate)
            {
                return _faulted;
            }
        }
    }

    /// <summary>Calls that ended well between two times, per second.</summary>
    public double Rate(double from, double to)
    {
        lock (_gate)
        {
            return to <= from ? 0 : _calls.Count(call => call.Ending == Ending.Ok && call.Ended > from && call.Ended <= to) / (to - from);
        }
    }

    /// <summary>Keeps the lines in a file for whoever looks for the cause.</summary>
    public string Save(string name)
    {
        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, $"{name}.jsonl");
        lock (_gate)
        {
            File.WriteAllLines(path, _lines);
        }

        return path;
    }

    private void Write(string kind, Call call, string? detail) => _lines.Add(JsonSerializer.Serialize(new
    {
        t = Math.Round(Now, 3),
        kind,
        key = call.Key,
        agent = call.Agent,
        status = call.Status.ToString(CultureInfo.InvariantCulture),
        task = call.Task,
        detail,
    }));

    private sealed class Closing(Action close) : IDisposable
    {
        private Action? _close = close;

        public void Dispose() => Interlocked.Exchange(ref _close, null)?.Invoke();
    }
}
