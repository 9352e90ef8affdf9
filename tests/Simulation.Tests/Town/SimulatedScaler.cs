using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging.Abstractions;
using Townhall.Scaler.Demand;
using Townhall.Scaler.Signal;
using Townhall.Scaler.Workers;
using Townhall.ServiceDefaults.Settings;
using Townhall.Simulation.Checks;
using Townhall.Simulation.Loop;
using Townhall.Simulation.Store;

namespace Townhall.Simulation.Town;

/// <summary>One scaler: the product's loop over a simulated actuator, and the product's signal, which a platform may follow instead.</summary>
internal sealed class SimulatedScaler : SimulatedProcess
{
    private readonly World _world;
    private readonly Checker _checker;
    private readonly ScaleLoop _loop;
    private readonly ScalingSignal _signal;
    private readonly WorkBell _bell = new();
    private Task _running = Task.CompletedTask;

    public SimulatedScaler(
        World world, TownSettings town, TimeSpan quiet, Server server, IWorkerHost host, Checker checker, Mutation mutation)
        : base(world, "scaler")
    {
        (_world, _checker) = (world, checker);
        var connection = new Connection(server, this, mutation);
        var actuator = new SimulatedActuator(world, host, connection, Clock, town.MaxWorkers, mutation);
        _loop = new(connection, actuator, _bell, town, Clock, NullLogger<ScaleLoop>.Instance);
        _signal = new(connection, _bell, town, new(quiet), Clock, NullLogger<ScalingSignal>.Instance);
    }

    /// <summary>The host has started.</summary>
    /// <param name="actuates">False when a platform starts and stops workers by the signal.</param>
    public void Start(bool actuates)
    {
        if (actuates)
        {
            _running = Execute(_loop, CancellationToken.None);
        }
    }

    public void Heard() => _bell.Ring();

    public void Settle()
    {
        if (_running.IsFaulted)
        {
            _world.Fail($"the scaler's loop ended: {_running.Exception}");
        }
    }

    /// <summary><c>GET /api/scaling</c>: what is recommended, or null for a 503.</summary>
    public async Task<int?> RecommendAsync()
    {
        var reading = await _signal.ReadAsync(CancellationToken.None);
        if (reading is not null)
        {
            _checker.Recommended(reading.RecommendedWorkers);
        }

        return reading?.RecommendedWorkers;
    }

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "ExecuteAsync")]
    private static extern Task Execute(ScaleLoop loop, CancellationToken stoppingToken);
}
