using System.Threading.Channels;
using Npgsql;
using Townhall.Dispatcher.Duties;
using Townhall.Dispatcher.Leases;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.Dispatcher.Settling;

/// <summary>Settles in micro-batches: whatever workers reported while a commit was in flight goes into the next one.</summary>
internal sealed partial class SettleBatcher(
    ISettleStore store, IReaperStore parked, ReadyAgents ready, LeasePump pump, SequencerBell sequencer, ILogger<SettleBatcher> logger)
    : BackgroundService
{
    private const int WaitingMost = 4096;
    private const int BatchMost = 1024;
    private readonly Channel<Report> _reports = Channel.CreateBounded<Report>(
        new BoundedChannelOptions(WaitingMost) { FullMode = BoundedChannelFullMode.Wait, SingleReader = true });

    /// <summary>Returns after the commit; one answer per ending, in their order.</summary>
    /// <exception cref="OverloadedException">Too many reports wait; this one was not begun.</exception>
    /// <exception cref="NpgsqlException">The database failed; repeat the call, it is recorded at most once.</exception>
    public async Task<Settled[]> SettleAsync(Ending[] endings, CancellationToken cancellationToken)
    {
        var report = new Report(endings);
        return _reports.Writer.TryWrite(report)
            ? await report.Done.Task.WaitAsync(cancellationToken)
            : throw new OverloadedException();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var batch = new List<Report>();
        var tasks = new HashSet<Guid>();
        Report? held = null;
        try
        {
            while (held is not null || await _reports.Reader.WaitToReadAsync(stoppingToken))
            {
                batch.Clear();
                tasks.Clear();
                var size = 0;
                while (held is not null || _reports.Reader.TryRead(out held))
                {
                    // One statement may not meet a task twice: a second report of one (a repeat) goes into the next batch.
                    if (batch.Count > 0 && (size + held.Endings.Length > BatchMost || held.Endings.Any(one => tasks.Contains(one.Result.Lease.TaskId))))
                    {
                        break;
                    }

                    batch.Add(held);
                    size += held.Endings.Length;
                    tasks.UnionWith(held.Endings.Select(static one => one.Result.Lease.TaskId));
                    held = null;
                }

                await CommitAsync(batch);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping: workers repeat their reports to the next dispatcher.
        }
    }

    private async Task CommitAsync(List<Report> batch)
    {
        try
        {
            // Not the callers' tokens: one worker hanging up must not roll back the others' results.
            Ending[] endings = [.. batch.SelectMany(static report => report.Endings)];
            var answers = await SqlFailures.AgainAfterConflictAsync(() => store.SettleAsync(endings, CancellationToken.None));
            var at = 0;
            foreach (var report in batch)
            {
                report.Done.TrySetResult(answers[at..(at + report.Endings.Length)]);
                at += report.Endings.Length;
            }

            foreach (var answer in answers)
            {
                if (answer.Agent is { } agent)
                {
                    ready.Ring(agent);
                }
            }

            pump.Wake();
            sequencer.Ring();
            await AdmitAsync([.. answers.Select(static answer => answer.Key).OfType<string>().Distinct(StringComparer.Ordinal)]);
        }
        catch (PostgresException bad) when (batch.Count > 1 && (bad.IsOfARow() || bad.IsConflict()))
        {
            // One report holds a value that cannot be stored, or meets somebody's lock again and again: it fails alone.
            foreach (var report in batch)
            {
                await CommitAsync([report]);
            }
        }
        catch (Exception failure) when (failure is NpgsqlException or TimeoutException or InvalidOperationException)
        {
            foreach (var report in batch)
            {
                report.Done.TrySetException(failure);
            }
        }
    }

    /// <summary>What waited for a permit that just became free.</summary>
    private async Task AdmitAsync(string[] keys)
    {
        if (keys.Length == 0)
        {
            return;
        }

        try
        {
            foreach (var agent in await parked.AdmitAsync(keys, CancellationToken.None))
            {
                ready.Ring(agent);
            }

            pump.Wake();
        }
        catch (Exception failure) when (failure is NpgsqlException or TimeoutException)
        {
            // The results are recorded; the sweep looks at all keys within a second.
            LogNotAdmitted(failure.Message);
        }
    }

    [LoggerMessage(LogLevel.Warning, "What waits for a permit that became free is looked for again within a second: {Reason}")]
    private partial void LogNotAdmitted(string reason);

    private sealed class Report(Ending[] endings)
    {
        public Ending[] Endings { get; } = endings;

        public TaskCompletionSource<Settled[]> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
