using System.Globalization;
using System.Text;
using Townhall.Simulation.Checks;

namespace Townhall.Simulation.Loop;

/// <summary>Time, chance and order: a queue of events over simulated time. The same seed gives the same history.</summary>
internal sealed class World(int seed)
{
    private const int Remembered = 80;
    private const int WithoutProgress = 20_000;
    private readonly PriorityQueue<Event, (long At, long Turn)> _events = new();
    private readonly (long At, string What)[] _last = new (long, string)[Remembered];
    private long _turns;
    private int _sameInstant;

    /// <summary>Called after each event, when all that followed from it at once has been done.</summary>
    public event Action? Stepped;

    /// <summary>Lets those that know of continuations on the thread pool wait for them.</summary>
    public event Action? Settling;

    public Random Random { get; } = new(seed);

    public SimulationContext Context { get; } = new();

    public Tally Tally { get; } = new();

    /// <summary>The database's clock in ticks; every other clock is derived from it and wrong.</summary>
    public long Now { get; private set; } = TimeSpan.TicksPerSecond;

    /// <summary>Events that mattered; mere timers are not counted.</summary>
    public long Steps { get; private set; }

    /// <summary>A fingerprint of the history so far.</summary>
    public ulong Trace { get; private set; } = 14695981039346656037;

    /// <summary>The first thing that was wrong, or null.</summary>
    public string? Violation { get; private set; }

    private sealed record Event(string? What, Action Run, SimulatedProcess? Owner);

    /// <summary>Something will happen; with an owner it happens to that process, waits while it is frozen and is lost when it is gone.</summary>
    public void At(TimeSpan delay, string what, Action run, SimulatedProcess? owner = null) => Add(delay, new(what, run, owner));

    /// <summary>A timer: it is no step and draws no lots, because whether a stale one still fires must not matter.</summary>
    public void Quietly(TimeSpan delay, Action run, SimulatedProcess? owner = null) => Add(delay, new(null, run, owner));

    /// <summary>Notes what is wrong. Never throws: product code may be on the stack, and it ends the process for what it did not foresee.</summary>
    public void Fail(string violation) => Violation ??= $"after {Steps} steps, at {Seconds(Now)} s: {violation}";

    public bool Chance(double probability) => probability > 0 && Random.NextDouble() < probability;

    public TimeSpan Between(double leastSecs, double mostSecs) => TimeSpan.FromSeconds(leastSecs + (Random.NextDouble() * (mostSecs - leastSecs)));

    /// <summary>Time until the next event of a kind that comes once in <paramref name="meanSecs"/>.</summary>
    public TimeSpan Next(double meanSecs) => TimeSpan.FromSeconds(Math.Min(meanSecs * 8, -Math.Log(1 - Random.NextDouble()) * meanSecs) + 0.0001);

    public Guid NewId()
    {
        Span<byte> bytes = stackalloc byte[16];
        Random.NextBytes(bytes);
        return new Guid(bytes);
    }

    /// <summary>Lets the next event happen, and all that follows from it at once.</summary>
    /// <returns>False when nothing will ever happen again.</returns>
    public bool Step()
    {
        if (!_events.TryDequeue(out var next, out var when))
        {
            return false;
        }

        _sameInstant = when.At > Now ? 0 : _sameInstant + 1;
        Now = Math.Max(Now, when.At);
        if (_sameInstant > WithoutProgress)
        {
            Fail($"{WithoutProgress} events happened without any time passing");
        }

        if (next.What is { } what)
        {
            Note(next.Owner is { } owner ? $"{owner.Name}: {what}" : what);
        }

        if (next.Owner is { } process)
        {
            process.Take(next.Run);
        }
        else
        {
            next.Run();
            Settle(null);
        }

        Stepped?.Invoke();
        return true;
    }

    /// <summary>Runs all continuations of an event, and the turns that its process takes because of them.</summary>
    public void Settle(SimulatedProcess? process)
    {
        do
        {
            do
            {
                Context.Drain();
                Settling?.Invoke();
            }
            while (Context.Drain() > 0);
        }
        while (process is { IsAlive: true, IsFrozen: false } && process.AfterEvent());
    }

    /// <summary>The last events, oldest first.</summary>
    public string Tail()
    {
        var text = new StringBuilder();
        for (var i = Math.Max(0, Steps - Remembered); i < Steps; i++)
        {
            var (at, what) = _last[i % Remembered];
            text.Append(CultureInfo.InvariantCulture, $"  {Seconds(at)}  {what}\n");
        }

        return text.ToString();
    }

    public static string Seconds(long ticks) => (ticks / (double)TimeSpan.TicksPerSecond).ToString("F6", CultureInfo.InvariantCulture);

    private void Add(TimeSpan delay, Event what) => _events.Enqueue(what, (Now + Math.Max(0, delay.Ticks), _turns++));

    private void Note(string what)
    {
        _last[Steps % Remembered] = (Now, what);
        Steps++;
        foreach (var letter in what)
        {
            Trace = (Trace ^ letter) * 1099511628211;
        }

        Trace = (Trace ^ (ulong)Now) * 1099511628211;
    }
}
