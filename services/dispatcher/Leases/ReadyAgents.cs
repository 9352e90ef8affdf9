namespace Townhall.Dispatcher.Leases;

/// <summary>An agent's share of one claim: up to <paramref name="Quota"/> of its tasks may start.</summary>
internal readonly record struct Turn(Guid Agent, int Quota);

/// <summary>What a claim learned of an agent it looked at.</summary>
/// <param name="Taken">Tasks it gave.</param>
/// <param name="More">The look was cut short: there may be more.</param>
/// <param name="Share">Whose it is and what it weighs; null where the claim did not see it.</param>
internal readonly record struct Looked(Guid Agent, int Taken, bool More, Share? Share);

/// <summary>What decides how often an agent's turn comes.</summary>
/// <param name="Most">Tasks it may run at once.</param>
internal sealed record Share(string Tenant, int TenantWeight, int Weight, int Most);

/// <summary>
/// The agents that may have something to start. Turns are fair between tenants, and between the agents of a tenant, each by
/// its weight, counted in tasks started: a tenant gains nothing from spreading its work over many agents.
/// </summary>
/// <remarks>
/// Only a hint: Postgres decides at the claim. An agent is added when the doorbell, a settlement or the sweep names it and
/// leaves when a claim found nothing more. A ring that arrives while a claim is looking is kept, so none is lost between
/// the claim's snapshot and its answer. Start-time fair queueing: whoever has the smallest virtual time is next, a task
/// costs 1 / weight of it, and who comes back after a pause begins where the others are, without credit for the pause.
/// Whose an agent is, its first claim tells; until then it counts to one tenant of strangers.
/// </remarks>
internal sealed class ReadyAgents
{
    /// <summary>Agents remembered at most; the sweep finds the others again.</summary>
    public const int Most = 50_000;

    private readonly Lock _gate = new();
    private readonly Dictionary<Guid, Agent> _agents = [];
    private readonly Dictionary<string, Tenant> _tenants = new(StringComparer.Ordinal);
    private readonly PriorityQueue<Tenant, (double Pass, long Order)> _line = new();
    private readonly Tenant _strangers = new();
    private double _floor;
    private long _order;
    private int _waiting;

    /// <summary>Agents waiting for their turn.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _waiting;
            }
        }
    }

    /// <summary>This agent may have something to start.</summary>
    public void Ring(Guid id)
    {
        lock (_gate)
        {
            if (!_agents.TryGetValue(id, out var agent))
            {
                if (_agents.Count >= Most && !ForgetOne())
                {
                    return;
                }

                _agents.Add(id, agent = new Agent(id, _strangers));
            }

            if (agent.Looking)
            {
                agent.RungMeanwhile = true;
            }
            else if (!agent.Waiting)
            {
                Enter(agent);
            }
        }
    }

    /// <summary>Divides <paramref name="most"/> starts among those whose turn it is. Each agent named must be given back.</summary>
    /// <param name="inARow">Starts that an agent gets in one turn if its last look left more to start; all of them count.</param>
    public Turn[] Take(int most, int inARow = 1)
    {
        lock (_gate)
        {
            var taken = new List<Agent>();
            for (var left = most; left > 0 && NextTenant() is { } tenant;)
            {
                var agent = Next(tenant);
                if (agent.Quota == 0)
                {
                    taken.Add(agent);
                }

                var starts = agent.HadMore ? Math.Min(Math.Min(inARow, left), agent.Most - agent.Quota) : 1;
                agent.Quota += starts;
                left -= starts;
                agent.Pass += (double)starts / agent.Weight;
                tenant.Pass += (double)starts / tenant.Weight;
                if (agent.Quota < agent.Most)
                {
                    Queue(agent);
                }
                else
                {
                    LineUp(tenant);
                }
            }

            var turns = new Turn[taken.Count];
            for (var i = 0; i < turns.Length; i++)
            {
                var agent = taken[i];
                if (agent.Queued)
                {
                    Unqueue(agent);
                }

                (agent.Waiting, agent.Looking) = (false, true);
                _waiting--;
                turns[i] = new(agent.Id, agent.Quota);
            }

            return turns;
        }
    }

    /// <summary>The claim is over. Shares that were not used are paid back; an agent with more to start, or rung meanwhile, waits again.</summary>
    public void GiveBack(Looked looked)
    {
        lock (_gate)
        {
            if (!_agents.TryGetValue(looked.Agent, out var agent) || !agent.Looking)
            {
                return;
            }

            var unused = agent.Quota - Math.Min(looked.Taken, agent.Quota);
            agent.Pass -= (double)unused / agent.Weight;
            agent.Tenant.Pass -= (double)unused / agent.Tenant.Weight;
            (agent.Looking, agent.Quota, agent.HadMore) = (false, 0, looked.More);
            if (looked.Share is { } share)
            {
                Know(agent, share, looked.Taken);
            }

            if (agent.RungMeanwhile || looked.More)
            {
                Enter(agent);
            }

            agent.RungMeanwhile = false;
        }
    }

    private void Know(Agent agent, Share share, int started)
    {
        var tenant = agent.Tenant;
        if (tenant.Name != share.Tenant)
        {
            // What it started as a stranger was its own tenant's doing.
            tenant.Pass -= (double)started / tenant.Weight;
            if (!_tenants.TryGetValue(share.Tenant, out tenant))
            {
                _tenants.Add(share.Tenant, tenant = new Tenant { Name = share.Tenant, Weight = share.TenantWeight, Pass = _floor });
            }

            agent.Tenant = tenant;
            agent.Pass = tenant.Floor + ((double)started / share.Weight);
            tenant.Pass += (double)started / share.TenantWeight;
        }

        tenant.Weight = share.TenantWeight;
        (agent.Weight, agent.Most) = (share.Weight, share.Most);
    }

    private void Enter(Agent agent)
    {
        agent.Waiting = true;
        _waiting++;
        agent.Pass = Math.Max(agent.Pass, agent.Tenant.Floor);
        Queue(agent);
    }

    private void Queue(Agent agent)
    {
        agent.Queued = true;
        agent.Tenant.Live++;
        agent.Tenant.Agents.Enqueue((agent, ++agent.Stamp), (agent.Pass, ++_order));
        LineUp(agent.Tenant);
    }

    /// <summary>Its entry stays where it is and is passed over by its old stamp: taking it out would mean looking for it.</summary>
    private static void Unqueue(Agent agent)
    {
        agent.Queued = false;
        agent.Stamp++;
        agent.Tenant.Live--;
    }

    private void LineUp(Tenant tenant)
    {
        if (!tenant.InLine && tenant.Live > 0)
        {
            tenant.InLine = true;
            tenant.Pass = Math.Max(tenant.Pass, _floor);
            _line.Enqueue(tenant, (tenant.Pass, ++_order));
        }
    }

    private Tenant? NextTenant()
    {
        while (_line.TryDequeue(out var tenant, out var at))
        {
            tenant.InLine = false;
            if (tenant.Live > 0)
            {
                _floor = Math.Max(_floor, at.Pass);
                return tenant;
            }
        }

        return null;
    }

    private static Agent Next(Tenant tenant)
    {
        while (true)
        {
            var (agent, stamp) = tenant.Agents.Dequeue();
            if (agent.Queued && agent.Stamp == stamp)
            {
                Unqueue(agent);
                tenant.Floor = Math.Max(tenant.Floor, agent.Pass);
                return agent;
            }
        }
    }

    private bool ForgetOne()
    {
        foreach (var (id, agent) in _agents)
        {
            if (!agent.Waiting && !agent.Looking)
            {
                return _agents.Remove(id);
            }
        }

        return false;
    }

    private sealed class Tenant
    {
        public string Name { get; init; } = "";

        public int Weight { get; set; } = 1;

        public double Pass { get; set; }

        /// <summary>The virtual time of its agent that was served last: where a newcomer begins.</summary>
        public double Floor { get; set; }

        public bool InLine { get; set; }

        /// <summary>Agents in the queue, without the entries that were left behind.</summary>
        public int Live { get; set; }

        public PriorityQueue<(Agent Agent, int Stamp), (double Pass, long Order)> Agents { get; } = new();
    }

    private sealed class Agent(Guid id, Tenant tenant)
    {
        public Guid Id { get; } = id;

        public Tenant Tenant { get; set; } = tenant;

        public int Weight { get; set; } = 1;

        /// <summary>A stranger gets one start; what it may run at once is known after its first claim.</summary>
        public int Most { get; set; } = 1;

        public double Pass { get; set; }

        public int Quota { get; set; }

        public bool Waiting { get; set; }

        /// <summary>Stands in its tenant's queue, also for a further share of the claim that is being divided.</summary>
        public bool Queued { get; set; }

        /// <summary>Of its last entry in the queue; older ones count no more.</summary>
        public int Stamp { get; set; }

        public bool Looking { get; set; }

        /// <summary>Its last look found as much as it was allowed to.</summary>
        public bool HadMore { get; set; }

        public bool RungMeanwhile { get; set; }
    }
}
