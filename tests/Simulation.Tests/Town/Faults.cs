using Townhall.Simulation.Loop;
using Townhall.Simulation.Store;

namespace Townhall.Simulation.Town;

/// <summary>What goes wrong in a run, and how often: each kind is there in half of the runs.</summary>
internal sealed class Faults(World world, SimulatedTown town, Server server, Network network)
{
    private bool _over;

    /// <summary>Lets things go wrong from now on.</summary>
    public void Begin()
    {
        server.AnswersLost = Sometimes(0.02);
        server.Conflicts = Sometimes(0.01);
        network.Lost = Sometimes(0.1);
        network.Doubled = Sometimes(0.1);
        network.Slowest = world.Chance(0.5) ? 0.01 : 1.5;
        town.RingsLost = Sometimes(1);
        town.StartsFail = Sometimes(0.3);
        Every("dispatcher is killed", 30, () => town.KillDispatcher(world.Between(0.05, 12)));
        Every("dispatcher is stopped", 40, () => Stop(town.AnyDispatcher(), 8));
        Every("scaler is killed", 20, () => town.KillScaler(world.Between(0.05, 10)));
        Every("scaler is stopped", 40, () => Stop(town.Scaler, 8));
        Every("server goes away", 40, () =>
        {
            world.Tally.Happened("server goes away");
            server.GoAway();
            world.At(world.Between(0.1, 20), "server comes back", server.ComeBack);
        });
        Every("worker is killed", 15, () =>
        {
            if (town.AnyWorker() is { } worker)
            {
                world.Tally.Happened("worker is killed");
                worker.Kill();
            }
        });
        Every("worker is stopped", 15, () => Stop(town.AnyWorker(), town.Lease.TotalSeconds * 3));
        Every("worker gets SIGTERM", 15, () => Signal(town.AnyWorker()));
        Every("network of a worker is cut", 15, () =>
        {
            if (town.AnyWorker() is { } worker)
            {
                world.Tally.Happened("network is cut");
                worker.Link.IsCut = true;
                world.At(world.Between(0.1, town.Lease.TotalSeconds * 3), "network is back", () => worker.Link.IsCut = false);
            }
        });
    }

    /// <summary>Nothing goes wrong; workers are told to stop, as in any deployment.</summary>
    public void OnlyStops() => Repeat("worker gets SIGTERM", 3, () => Signal(town.AnyWorker()));

    /// <summary>Ends all faults; what is broken is repaired.</summary>
    public void End()
    {
        _over = true;
        world.Tally.Calm = true;
        (server.AnswersLost, server.Conflicts, network.Lost, network.Doubled, network.Slowest) = (0, 0, 0, 0, 0.01);
        (town.RingsLost, town.StartsFail) = (0, 0);
        server.ComeBack();
        town.Repair();
    }

    private double Sometimes(double most) => world.Chance(0.5) ? world.Random.NextDouble() * most : 0;

    private void Every(string what, double meanSecs, Action happens)
    {
        if (world.Chance(0.5))
        {
            Repeat(what, meanSecs * (0.3 + world.Random.NextDouble()), happens);
        }
    }

    private void Repeat(string what, double meanSecs, Action happens)
    {
        void Happen()
        {
            if (!_over)
            {
                happens();
                world.At(world.Next(meanSecs), what, Happen);
            }
        }

        world.At(world.Next(meanSecs), what, Happen);
    }

    private void Stop(SimulatedProcess? process, double mostSecs)
    {
        if (process is { IsFrozen: false })
        {
            world.Tally.Happened($"{process.Name.Split(' ')[0]} is stopped");
            process.Freeze();
            world.At(world.Between(0.05, mostSecs), $"{process.Name} goes on", process.Resume);
        }
    }

    private void Signal(SimulatedWorker? worker)
    {
        if (worker is not null)
        {
            world.Tally.Happened("SIGTERM");
            world.At(TimeSpan.Zero, "SIGTERM", worker.Signal, worker);
        }
    }
}
