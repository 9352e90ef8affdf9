using Npgsql;
using Townhall.Scaler.Demand;
using Townhall.Scaler.Signal;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Scaler.Workers;

/// <summary>Compares what is wanted with what is there, once a second and at once when the town rings, and lets the actuator act.</summary>
/// <remarks>Level-triggered: a lost ring or a lost start is made up for in the next second, because nothing is remembered but what is seen.</remarks>
internal sealed partial class ScaleLoop(
    IDemandStore store, IWorkerActuator actuator, WorkBell bell, TownSettings town, TimeProvider clock, ILogger<ScaleLoop> logger)
    : BackgroundService
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(3);

    /// <summary>Between two turns when nobody works yet: somebody waits for the first worker.</summary>
    private static readonly TimeSpan SpacingFromZero = TimeSpan.FromMilliseconds(20);

    /// <summary>Between two turns when workers are there: they take the work meanwhile, and every task rings.</summary>
    private static readonly TimeSpan Spacing = TimeSpan.FromMilliseconds(250);
    private bool _failing;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                var turnAt = clock.GetTimestamp();
                var spacing = await TurnAsync(stoppingToken);
                if (await bell.WaitAsync(Period, clock, stoppingToken) && clock.GetElapsedTime(turnAt) is var passed && passed < spacing)
                {
                    await Task.Delay(spacing - passed, clock, stoppingToken);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping. Workers go on: they end when they are idle or when their host is gone.
        }
    }

    /// <summary>One turn.</summary>
    /// <returns>How soon another one makes sense.</returns>
    internal async Task<TimeSpan> TurnAsync(CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(Deadline, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            await actuator.CatchUpAsync(either.Token);
            var demand = await store.ReadAsync(either.Token);
            var starting = actuator.Adjust(ScalingDecision.ToRun(demand, new ScalingLimits(town.MaxAgents, town.MaxWorkers, town.WorkerSlots)), demand);
            if (_failing)
            {
                _failing = false;
                LogBack();
            }

            return demand.Workers + starting == 0 ? SpacingFromZero : Spacing;
        }
        catch (Exception away) when (away is NpgsqlException or TimeoutException or OperationCanceledException
            && !cancellationToken.IsCancellationRequested)
        {
            // Unknown is not zero: workers that are there stay, and none is started for work that cannot be seen.
            if (!_failing)
            {
                _failing = true;
                LogAway(away.GetType().Name);
            }

            return Spacing;
        }
    }

    [LoggerMessage(LogLevel.Warning, "The database does not answer ({Reason}); no worker is started until it does")]
    private partial void LogAway(string reason);

    [LoggerMessage(LogLevel.Information, "The database answers again; workers are started as needed")]
    private partial void LogBack();
}
