namespace Townhall.Faults;

/// <summary>What the town did was wrong, or the fault that should have been did not happen.</summary>
public sealed class FaultException(string message) : Exception(message);

/// <summary>One run of one scenario: its seed, its history, and the evidence that the fault was real.</summary>
public sealed class FaultRun(int row, int seed)
{
    private readonly List<string> _evidence = [];
    private readonly List<string> _seen = [];
    private readonly Dictionary<string, List<double>> _values = [];

    public int Row { get; } = row;

    public int Seed { get; } = seed;

    /// <summary>Every choice of the schedule comes from here, so a seed repeats it.</summary>
    public Random Random { get; } = new(seed);

    public History History { get; } = new(Path.Combine(Path.GetTempPath(), "townhall-faults"));

    /// <summary>Tasks the town had when it was checked.</summary>
    public long Tasks { get; set; }

    /// <summary>What was measured so far, by the names of <see cref="Measured"/>.</summary>
    public IReadOnlyDictionary<string, double[]> Values
    {
        get
        {
            lock (_values)
            {
                return _values.ToDictionary(static one => one.Key, static one => one.Value.ToArray());
            }
        }
    }

    /// <summary>Whether attempts of one task may make progress side by side: only where a worker itself was stopped.</summary>
    public bool MayOverlap { get; set; }

    /// <summary>What was observed, for the table at the end.</summary>
    public string Seen
    {
        get
        {
            lock (_seen)
            {
                return string.Join("; ", _seen);
            }
        }
    }

    public IReadOnlyList<string> Evidence
    {
        get
        {
            lock (_evidence)
            {
                return [.. _evidence];
            }
        }
    }

    /// <summary>Notes that a fault took effect.</summary>
    /// <exception cref="FaultException"><paramref name="fact"/> is false: it did not.</exception>
    public void Happened(bool fact, string what)
    {
        History.Note("fault", what);
        Require(fact, $"the fault did not happen: {what}");
        lock (_evidence)
        {
            _evidence.Add(what);
        }
    }

    /// <summary>Notes a figure or fact for the table.</summary>
    public void See(string what)
    {
        History.Note("seen", what);
        lock (_seen)
        {
            _seen.Add(what);
        }
    }

    /// <summary>Notes a value for the closing table.</summary>
    public void Measure(string name, double value)
    {
        lock (_values)
        {
            if (!_values.TryGetValue(name, out var values))
            {
                _values[name] = values = [];
            }

            values.Add(value);
        }
    }

    /// <exception cref="FaultException">It does not hold.</exception>
    public void Require(bool holds, string what)
    {
        if (!holds)
        {
            History.Note("broken", what);
            throw new FaultException(what);
        }
    }
}
