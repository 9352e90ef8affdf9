namespace Townhall.Simulation.Checks;

/// <summary>What a run is worth: which faults really happened, and how many calls succeeded while there were none.</summary>
internal sealed class Tally
{
    private readonly Dictionary<string, long> _faults = new(StringComparer.Ordinal);

    /// <summary>Nothing goes wrong from here on.</summary>
    public bool Calm { get; set; }

    /// <summary>How often each kind of fault happened.</summary>
    public IReadOnlyDictionary<string, long> Faults => _faults;

    /// <summary>Calls of workers that were begun while nothing went wrong and that ended.</summary>
    public long Calls { get; private set; }

    /// <summary>Those of them that were answered.</summary>
    public long Answered { get; private set; }

    public void Happened(string fault) => _faults[fault] = _faults.GetValueOrDefault(fault) + 1;

    /// <summary>A call that was begun in calm has ended.</summary>
    public void Ended(bool answered)
    {
        Calls++;
        Answered += answered ? 1 : 0;
    }

    public void Add(Tally other)
    {
        foreach (var (fault, times) in other._faults)
        {
            _faults[fault] = _faults.GetValueOrDefault(fault) + times;
        }

        (Calls, Answered) = (Calls + other.Calls, Answered + other.Answered);
    }
}
