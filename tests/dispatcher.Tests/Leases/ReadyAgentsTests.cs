using Townhall.Dispatcher.Leases;

namespace Townhall.Dispatcher.Tests.Leases;

public sealed class ReadyAgentsTests
{
    private readonly ReadyAgents _ready = new();
    private readonly Dictionary<Guid, Share> _shares = [];
    private readonly Dictionary<Guid, int> _left = [];
    private readonly Dictionary<Guid, int> _started = [];

    [Fact]
    public void An_agent_with_one_task_is_served_in_the_first_round_of_one_with_a_hundred_thousand()
    {
        var crowd = Agent("t", tasks: 100_000);
        var single = Agent("t", tasks: 1);
        Serve(starts: 32);
        Assert.Equal((31, 1), (_started[crowd], _started[single]));
    }

    [Fact]
    public void A_tenant_gains_nothing_from_spreading_over_five_hundred_agents()
    {
        var spread = Enumerable.Range(0, 500).Select(_ => Agent("spread", tasks: 1000)).ToArray();
        var one = Agent("one", tasks: 100_000);
        // Until their first claim tells whose they are, all are strangers.
        Serve(starts: 2000);
        var before = (Spread: spread.Sum(agent => _started[agent]), One: _started[one]);
        Serve(starts: 10_000);
        Assert.InRange(_started[one] - before.One, 4900, 5100);
        Assert.InRange(spread.Sum(agent => _started[agent]) - before.Spread, 4900, 5100);
        // And within the tenant each agent has its part.
        Assert.InRange(spread.Max(agent => _started[agent]) - spread.Min(agent => _started[agent]), 0, 4);
    }

    [Fact]
    public void Weights_divide_the_turns()
    {
        var heavy = Agent("a", tasks: 100_000, weight: 3);
        var light = Agent("a", tasks: 100_000);
        var big = Agent("b", tasks: 100_000, tenantWeight: 4);
        Serve(starts: 100);
        var before = (_started[heavy], _started[light], _started[big]);
        Serve(starts: 10_000);
        Assert.InRange(_started[big] - before.Item3, 7900, 8100);
        Assert.InRange(_started[heavy] - before.Item1, 1450, 1550);
        Assert.InRange(_started[light] - before.Item2, 450, 550);
    }

    [Fact]
    public void Who_comes_back_after_a_pause_gets_no_credit_for_it()
    {
        var always = Agent("a", tasks: 100_000);
        var paused = Agent("b", tasks: 10);
        Serve(starts: 5000);
        _left[paused] = 100_000;
        _ready.Ring(paused);
        var (before, started) = (_started[always], _started[paused]);
        Serve(starts: 1000);
        Assert.InRange(_started[always] - before, 450, 550);
        Assert.InRange(_started[paused] - started, 450, 550);
    }

    [Fact]
    public void A_ring_while_a_claim_looks_is_not_lost()
    {
        var agent = Agent("a", tasks: 0);
        var turn = Assert.Single(_ready.Take(8));
        _ready.Ring(agent);
        Assert.Equal(0, _ready.Count);
        _ready.GiveBack(new(turn.Agent, 0, More: false, _shares[agent]));
        Assert.Equal(1, _ready.Count);
        turn = Assert.Single(_ready.Take(8));
        _ready.GiveBack(new(turn.Agent, 0, More: false, Share: null));
        Assert.Equal(0, _ready.Count);
        Assert.Empty(_ready.Take(8));
    }

    [Fact]
    public void An_agent_is_offered_no_more_than_it_may_run_and_rings_do_not_multiply_it()
    {
        var agent = Agent("a", tasks: 100, most: 4);
        Serve(starts: 1);
        _ready.Ring(agent);
        _ready.Ring(agent);
        Assert.Equal(1, _ready.Count);
        var turn = Assert.Single(_ready.Take(64));
        Assert.Equal(new Turn(agent, 4), turn);
        Assert.Empty(_ready.Take(64));
    }

    [Fact]
    public void Starts_in_a_row_go_to_fewer_agents_at_once_and_to_all_of_them_alike()
    {
        var agents = Enumerable.Range(0, 64).Select(_ => Agent("t", tasks: 1000)).ToArray();
        Serve(starts: 256);
        Assert.Equal([(16, 4)], _ready.Take(64, inARow: 4).GroupBy(static turn => turn.Quota).Select(static turns => (turns.Count(), turns.Key)));
        Serve(starts: 48 * 4, inARow: 4);
        // The sixteen are still looked at; each of the others had one turn.
        Assert.Equal([(4, 16), (8, 48)], agents.CountBy(agent => _started[agent]).Select(static one => (one.Key, one.Value)).Order());
    }

    [Fact]
    public void Who_had_nothing_more_gets_one_start_and_not_several_in_a_row()
    {
        var agent = Agent("t", tasks: 1);
        Serve(starts: 1);
        _ready.Ring(agent);
        Assert.Equal(new Turn(agent, 1), Assert.Single(_ready.Take(1, inARow: 8)));
    }

    [Fact]
    public void Shares_that_were_not_used_are_paid_back()
    {
        // One tenant's agent is always found busy: it must not pay for starts that it never got.
        var busy = Agent("a", tasks: 100_000);
        var other = Agent("b", tasks: 100_000);
        Serve(starts: 10);
        for (var i = 0; i < 1000; i++)
        {
            foreach (var turn in _ready.Take(8))
            {
                _ready.GiveBack(new(turn.Agent, turn.Agent == busy ? 0 : turn.Quota, More: true, _shares[turn.Agent]));
            }
        }

        var before = (_started[busy], _started[other]);
        Serve(starts: 1000);
        Assert.True(_started[busy] - before.Item1 >= 450, $"{_started[busy] - before.Item1} of 1000");
    }

    private Guid Agent(string tenant, int tasks, int weight = 1, int tenantWeight = 1, int most = 1024)
    {
        var id = Guid.NewGuid();
        _shares.Add(id, new(tenant, tenantWeight, weight, most));
        (_left[id], _started[id]) = (tasks, 0);
        _ready.Ring(id);
        return id;
    }

    /// <summary>Claims of 64 that end at once, until so many tasks were started.</summary>
    private void Serve(int starts, int inARow = 1)
    {
        while (starts > 0 && _ready.Take(Math.Min(64, starts), inARow) is { Length: > 0 } turns)
        {
            foreach (var (agent, quota) in turns)
            {
                var given = Math.Min(quota, _left[agent]);
                _left[agent] -= given;
                _started[agent] += given;
                starts -= given;
                _ready.GiveBack(new(agent, given, More: _left[agent] > 0, _shares[agent]));
            }
        }
    }
}
