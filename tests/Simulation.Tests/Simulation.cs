using Townhall.ServiceDefaults.Settings;
using Townhall.Simulation.Checks;
using Townhall.Simulation.Loop;
using Townhall.Simulation.Store;
using Townhall.Simulation.Town;

namespace Townhall.Simulation;

/// <param name="Violation">What was wrong, or null.</param>
/// <param name="Tail">The last events before it.</param>
/// <param name="Trace">A fingerprint of the history: equal seeds give equal ones.</param>
internal sealed record SimulationResult(
    int Seed, long Steps, string? Violation, string Tail, ulong Trace, int Leases, IReadOnlyList<long> Endings, int Drained, Tally Tally);

/// <summary>One town from its first task to its rest: a while with faults and new work, then calm until nothing is left to do.</summary>
internal static class Simulation
{
    /// <summary>Time and steps in which a calm town must come to rest: back-offs, silences of workers and quiet windows included.</summary>
    private static readonly TimeSpan RestWithin = TimeSpan.FromMinutes(30);
    private const int RestSteps = 60_000;

    public static SimulationResult Run(SimulationOptions options)
    {
        var world = new World(options.Seed);
        var before = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(world.Context);
        try
        {
            return Run(options, world);
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(before);
        }
    }

    private static SimulationResult Run(SimulationOptions options, World world)
    {
        var settings = new TownSettings
        {
            Name = "town",
            Root = "/",
            Lease = world.Chance(0.5) ? TimeSpan.FromSeconds(3) : world.Between(1, 20),
            ReaperPeriod = world.Between(0.1, 5),
            IdleTimeout = options.Cycles ? world.Between(0.01, 1) : world.Between(0.1, 15),
            MaxAgents = 10,
            MaxWorkers = world.Random.Next(1, 5),
            WorkerSlots = world.Random.Next(1, 5),
        };
        var tables = new Tables(world, settings, options.Mutation);
        var work = new Work();
        var checker = new Checker(world, tables, settings, work);
        var server = new Server(world, tables);
        var network = new Network();
        var platform = world.Chance(0.3);
        var town = new SimulatedTown(world, settings, server, network, work, checker, options.Mutation, platform);
        var clients = new Clients(world, server, town, work, checker, options.Cycles);
        var faults = new Faults(world, town, server, network);
        world.Stepped += checker.AfterStep;

        clients.Begin();
        if (options.Cycles)
        {
            faults.OnlyStops();
        }
        else
        {
            faults.Begin();
        }

        while (world.Violation is null && world.Steps < options.Steps && world.Step())
        {
            // Each pass is an event.
        }

        clients.End();
        faults.End();
        world.Settle(null);
        var (calmAt, calmSteps) = (world.Now, world.Steps);
        while (world.Violation is null && !AtRest(tables, town) && world.Now - calmAt < RestWithin.Ticks && world.Steps - calmSteps < RestSteps
            && world.Step())
        {
            // No faults any more; what is left must come to its end.
        }

        if (world.Violation is null)
        {
            checker.AtRest(town.Workers);
        }

        return new(
            options.Seed, world.Steps, world.Violation, world.Tail(), world.Trace, checker.Leases, checker.Endings, server.Drained, world.Tally);
    }

    private static bool AtRest(Tables tables, SimulatedTown town) => tables.Tasks.Count == 0 && town.Workers.Count == 0 && tables.Live.Count == 0;
}
