using Npgsql;
using Townhall.Bench.Load;
using Townhall.Bench.Proc;
using Townhall.Bench.Town;
using Townhall.Testing;

namespace Townhall.Bench.Benchmarks;

/// <summary>How fast one worker process empties a queue: leased, executed, settled with fencing, a durable result, the ledger included.</summary>
internal sealed class DrainBenchmark : IBenchmark
{
    private const int WarmUp = 10_000;
    private const string LiveTasks = "SELECT count(*) FROM task";

    public string Name => "P4";

    public async Task MeasureAsync(Options options, CancellationToken cancellationToken)
    {
        var runs = await Runs.TakeAsync(Name, options, () => RunOnceAsync(options, cancellationToken));
        Report.Print(
            Name,
            $"{options.Count} tasks of runtime noop over {options.Agents} agents, queued before one worker with {options.Slots} slots starts",
            runs,
            new Dictionary<string, string> { ["drained"] = "at least 15000 (10000 at the least)" },
            "from the first settlement to the last, by the database's clock; middle: from the first tenth settled to the ninth",
            "two ledger entries a task: TaskAssigned, sealed before the worker starts, and TaskCompleted",
            $"the services are warm (another worker drained {WarmUp} tasks before), the measured worker is not");
    }

    private static async Task<IReadOnlyList<Figure>> RunOnceAsync(Options options, CancellationToken cancellationToken)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, Deadline.Of(TimeSpan.FromSeconds(220)));
        var deadline = bound.Token;
        await using var town = await BenchTown.StartAsync(options, TownParts.Dispatcher, deadline);
        var target = town.Townhall.Address;
        var plan = new LoadPlan { Target = target, Requests = await town.SpawnAgentsAsync(target, deadline), Callers = options.Callers, Count = WarmUp };

        // Another worker empties a first queue, so that the services have compiled what they do; the measured one starts anew.
        var first = await town.StartWorkerAsync();
        await LoadThread.RunAsync(plan, TimeProvider.System, deadline);
        await Eventually.Is(() => town.CountAsync(LiveTasks, deadline), static live => live == 0, deadline, "the first queue to be empty");
        await town.EndWorkerAsync(first, deadline);

        Report.Progress($"queueing {options.Count} tasks");
        await LoadThread.RunAsync(plan with { Count = options.Count }, TimeProvider.System, deadline);
        await town.LedgerSealedAsync(deadline);
        var queuedAt = await town.ClockAsync(deadline);

        Report.Progress("starting the worker");
        await town.StartWorkerAsync();
        var all = WarmUp + options.Count;
        CpuMeter? meter = null;
        IReadOnlyList<Figure> cpu = [];
        await Eventually.Is(
            async () =>
            {
                var completed = await town.CountAsync("SELECT completed FROM task_count_now WHERE town = 'town'", deadline);
                if (meter is null && completed > WarmUp)
                {
                    meter = town.StartCpuMeter();
                }
                else if (cpu.Count == 0 && meter is not null && completed >= all)
                {
                    cpu = meter.Stop(await town.PostgresLabelsAsync(deadline));
                }

                return completed;
            },
            completed => completed >= all, deadline, $"{options.Count} tasks to be completed");
        await town.LedgerSealedAsync(deadline);
        await VerifyAsync(town, all, deadline);
        return [.. await SpeedAsync(town, queuedAt, deadline), .. cpu];
    }

    private static async Task VerifyAsync(BenchTown town, long count, CancellationToken deadline)
    {
        (string What, string Sql, long Expected)[] facts =
        [
            ("live tasks", LiveTasks, 0),
            ("completed tasks with their result", "SELECT count(*) FROM task_history WHERE state = 'completed' AND result = description AND attempt = 1", count),
            ("tasks whose assignment is in the ledger", "SELECT count(DISTINCT task_id) FROM ledger WHERE action = 'TaskAssigned'", count),
            ("tasks whose completion is in the ledger", "SELECT count(DISTINCT task_id) FROM ledger WHERE action = 'TaskCompleted'", count),
            ("task entries in the ledger", "SELECT count(*) FROM ledger WHERE task_id IS NOT NULL", 2 * count),
            ("gaps in the ledger", "SELECT h.seq - (SELECT count(*) FROM ledger) FROM ledger_head h", 0),
            ("permits still held", "SELECT sum(running) FROM agent", 0),
        ];
        foreach (var (what, sql, expected) in facts)
        {
            if (await town.CountAsync(sql, deadline) is var found && found != expected)
            {
                throw new NotMeasuredException($"After the drain there are {found} {what}; it should be {expected}.");
            }
        }
    }

    private static async Task<IReadOnlyList<Figure>> SpeedAsync(BenchTown town, DateTime queuedAt, CancellationToken deadline)
    {
        // The first settlement marks the start, so its own tasks are not part of what happened since.
        await using var command = town.Owner.CreateCommand("""
            SELECT (count(*) FILTER (WHERE completed_at > first))::float8 / extract(epoch FROM max(completed_at) - min(completed_at))::float8,
                   0.8 * count(*) / extract(epoch FROM percentile_disc(0.9) WITHIN GROUP (ORDER BY completed_at)
                                                       - percentile_disc(0.1) WITHIN GROUP (ORDER BY completed_at))::float8,
                   extract(epoch FROM max(completed_at) - min(completed_at))::float8,
                   count(*)::float8 / count(DISTINCT completed_at)
            FROM task_history, (SELECT min(completed_at) AS first FROM task_history WHERE completed_at > $1) one
            WHERE completed_at > $1
            """);
        command.Parameters.Add(new NpgsqlParameter<DateTime> { TypedValue = queuedAt });
        await using var row = await command.ExecuteReaderAsync(deadline);
        await row.ReadAsync(deadline);
        return
        [
            new("drained", row.GetDouble(0), "1/s"), new("drained, middle", row.GetDouble(1), "1/s"), new("drain time", row.GetDouble(2), "s"),
            new("settled together", row.GetDouble(3), "tasks"),
        ];
    }
}
