using Townhall.Contracts.Agents;
using Townhall.Simulation.Checks;
using Townhall.Simulation.Loop;
using Townhall.Simulation.Store;

namespace Townhall.Simulation.Town;

/// <summary>People: they hand in work, cancel some of it, and pause agents. The REST services between are modelled as one statement and one ring.</summary>
internal sealed class Clients(World world, Server server, SimulatedTown town, Work work, Checker checker, bool cycles)
{
    private const int LiveMost = 40;
    private readonly List<Guid> _agents = [];
    private double _everySecs;
    private double _delayed;
    private double _deadlines;
    private double _kills;
    private double _fails;
    private double _ambush;
    private bool _over;

    public void Begin()
    {
        for (var count = world.Random.Next(1, 5); count > 0; count--)
        {
            var agent = new AgentRow(world.NewId(), world.Chance(0.25) ? Runtimes.Noop : Runtimes.Command, world.Random.Next(1, 4))
            {
                Tenant = world.Chance(0.5) ? "red" : "blue",
                Weight = world.Random.Next(1, 4),
            };
            server.Tables.Agents.Add(agent.Id, agent);
            _agents.Add(agent.Id);
        }

        _everySecs = 0.05 * Math.Pow(200, world.Random.NextDouble());
        _delayed = world.Chance(0.5) ? 0.2 : 0;
        _deadlines = !cycles && world.Chance(0.5) ? 0.2 : 0;
        _kills = world.Chance(0.3) ? 0.05 : 0;
        _fails = world.Chance(0.6) ? world.Random.NextDouble() : 0;
        _ambush = cycles ? 0.7 : world.Chance(0.5) ? 0.5 : 0;
        server.Asked += Ambush;
        world.At(world.Next(1), "work is offered", Offer);
        if (cycles)
        {
            (_everySecs, _kills, _fails) = (3, 0, 0);
            return;
        }

        if (world.Chance(0.6))
        {
            world.At(world.Next(5), "work is cancelled", Cancel);
        }

        if (world.Chance(0.4))
        {
            world.At(world.Next(10), "agent is paused", Pause);
        }
    }

    /// <summary>Nobody offers, cancels or pauses any more, and every agent may work.</summary>
    public void End()
    {
        _over = true;
        foreach (var agent in _agents)
        {
            server.Tables.Control(agent, active: true);
            town.Ring(agent);
        }
    }

    private Guid Agent() => _agents[world.Random.Next(_agents.Count)];

    private void Offer()
    {
        if (_over)
        {
            return;
        }

        // Bursts, and pauses in which everybody leaves.
        for (var some = world.Chance(0.1) ? world.Random.Next(2, 12) : 1; some > 0 && server.Tables.Tasks.Count < LiveMost; some--)
        {
            Accept(Agent());
        }

        world.At(world.Chance(0.02) ? world.Between(5, 60) : world.Next(_everySecs), "work is offered", Offer);
    }

    /// <summary>Work that comes in the very moment in which a worker is leaving, when nobody else may be there.</summary>
    private void Ambush()
    {
        if (!_over && world.Chance(_ambush) && server.Tables.Tasks.Count < LiveMost)
        {
            world.At(world.Between(0, world.Chance(0.5) ? 0.01 : 0.1), "work comes while somebody leaves", () => Accept(Agent()));
        }
    }

    private void Accept(Guid agent)
    {
        if (server.IsAway)
        {
            return;
        }

        long? notBefore = world.Chance(_delayed) ? world.Now + world.Between(0.1, 15).Ticks : null;
        long? deadline = world.Chance(_deadlines) ? world.Now + world.Between(0.2, 20).Ticks : null;
        var takes = cycles ? world.Next(0.02) : world.Chance(0.05) ? town.Lease * (1 + (2 * world.Random.NextDouble())) : world.Next(0.8);
        var plan = new WorkPlan(
            world.NewId(), agent, world.Random.Next(-2, 3), world.Random.Next(1, 4), notBefore, deadline, takes, _fails, world.Chance(_kills));
        work.Plans.Add(plan.Id, plan);
        server.Tables.Accept(plan.Id, plan.Agent, plan.Priority, plan.MaxAttempts, plan.NotBefore, plan.Deadline);
        if (!world.Chance(server.AnswersLost))
        {
            checker.Accepted.Add(plan.Id);
        }

        town.Ring(agent);
    }

    private void Cancel()
    {
        if (_over)
        {
            return;
        }

        if (!server.IsAway && server.Tables.Tasks.Count > 0)
        {
            var id = server.Tables.Tasks.Values.OrderBy(static task => task.Order).ElementAt(world.Random.Next(server.Tables.Tasks.Count)).Id;
            checker.Wished(id);
            server.Tables.Cancel(id);
            town.RingControl();
        }

        world.At(world.Next(5), "work is cancelled", Cancel);
    }

    private void Pause()
    {
        if (_over)
        {
            return;
        }

        var agent = Agent();
        server.Tables.Control(agent, active: false);
        world.At(world.Next(5), "agent is resumed", () =>
        {
            server.Tables.Control(agent, active: true);
            town.Ring(agent);
        });
        world.At(world.Next(10), "agent is paused", Pause);
    }
}
