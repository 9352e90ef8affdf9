namespace Townhall.Dispatcher.Leases;

/// <summary>The agents that may have something to start, in turn: each gets its chance before any gets a second one.</summary>
/// <remarks>
/// Only a hint: Postgres decides at the claim. An agent is added when the doorbell, a settlement or the sweep names it and
/// leaves when a claim found nothing more. A ring that arrives while a claim is looking is kept, so none is lost between
/// the claim's snapshot and its answer.
/// </remarks>
internal sealed class ReadyAgents
{
    /// <summary>Agents remembered at most; the sweep finds the others again.</summary>
    public const int Most = 50_000;

    private readonly Lock _gate = new();
    private readonly Queue<Guid> _turns = new();
    private readonly HashSet<Guid> _queued = [];
    private readonly HashSet<Guid> _looking = [];
    private readonly HashSet<Guid> _rungMeanwhile = [];

    /// <summary>Agents waiting for their turn.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _turns.Count;
            }
        }
    }

    /// <summary>This agent may have something to start.</summary>
    public void Ring(Guid agent)
    {
        lock (_gate)
        {
            if (_looking.Contains(agent))
            {
                _rungMeanwhile.Add(agent);
            }
            else if (_turns.Count < Most && _queued.Add(agent))
            {
                _turns.Enqueue(agent);
            }
        }
    }

    /// <summary>The next agents in turn, at most <paramref name="most"/>. Each must be given back.</summary>
    public Guid[] Take(int most)
    {
        lock (_gate)
        {
            var taken = new Guid[Math.Min(most, _turns.Count)];
            for (var i = 0; i < taken.Length; i++)
            {
                taken[i] = _turns.Dequeue();
                _queued.Remove(taken[i]);
                _looking.Add(taken[i]);
            }

            return taken;
        }
    }

    /// <summary>The claim is over. An agent with more to start, or rung meanwhile, goes to the end of the line.</summary>
    public void GiveBack(Guid agent, bool more)
    {
        lock (_gate)
        {
            _looking.Remove(agent);
            if ((_rungMeanwhile.Remove(agent) || more) && _queued.Add(agent))
            {
                _turns.Enqueue(agent);
            }
        }
    }
}
