using System.ComponentModel;
using Townhall.Scaler.Demand;

namespace Townhall.Scaler.Workers;

/// <summary>Starts workers as processes of this machine. They end by themselves; nobody here stops one that works.</summary>
/// <remarks>Called by one loop only; what happens on other threads just rings the bell.</remarks>
internal sealed partial class ProcessActuator(
    WorkerCommand command, WorkerRows rows, WorkBell bell, int workersMost, TimeProvider clock, ILogger<ProcessActuator> logger) : IWorkerActuator, IDisposable
{
    /// <summary>A worker that has not registered after so long is ended; by itself it gives up after a minute without a dispatcher.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);
    private readonly StartJournal _journal = new(command.Data, clock);
    private readonly WorkerLog _log = new(command.Data);
    private readonly StartBackOff _backOff = new(clock);
    private readonly Dictionary<Guid, WorkerProcess> _children = [];
    private readonly HashSet<Guid> _starting = [];
    private Dictionary<Guid, WorkerStart>? _inherited;
    private long _inheritedAt;

    /// <summary>Workers on their way: started here or by an earlier scaler, and not registered yet.</summary>
    public int Starting => _starting.Count + (_inherited?.Count ?? 0);

    public async Task CatchUpAsync(CancellationToken cancellationToken)
    {
        if (_inherited is null)
        {
            _inherited = _journal.Open(Patience).ToDictionary(static start => start.Worker);
            _inheritedAt = clock.GetTimestamp();
        }
        var gone = _children.Values.Where(static child => child.HasExited).ToList();
        var rowsOf = await rows.OfAsync(
            [.. _starting.Select(worker => _children[worker].Start), .. _inherited.Values, .. gone.Select(static child => child.Start)],
            cancellationToken);
        foreach (var worker in _starting.Where(rowsOf.Contains).ToList())
        {
            Forget(worker);
            _backOff.Arrived();
            LogArrived(worker, _children[worker].Pid, (int)clock.GetElapsedTime(_children[worker].StartedAt).TotalMilliseconds);
        }

        foreach (var (worker, start) in _inherited.ToList())
        {
            // One whose scaler was killed before the process was made never registers and has no process to look for.
            if (rowsOf.Contains(worker) || (start.Pid is { } pid && !StartJournal.IsAlive(pid)) || clock.GetElapsedTime(_inheritedAt) > Patience)
            {
                Forget(worker);
            }
        }

        foreach (var child in gone)
        {
            await BuryAsync(child, [.. rowsOf[child.Worker]], cancellationToken);
        }

        EndTheLate();
        _log.Trim();
    }

    public int Adjust(int wanted, TownDemand demand)
    {
        var allowed = _backOff.Allowed(workersMost);
        while (demand.Workers + Starting < Math.Min(wanted, workersMost) && Starting < allowed && TryStart(demand.At))
        {
            // Each pass starts one.
        }

        return Starting;
    }

    /// <summary>Lets go of the processes without ending them.</summary>
    public void Dispose()
    {
        foreach (var child in _children.Values)
        {
            child.Dispose();
        }
    }

    private bool TryStart(DateTime at)
    {
        var intent = new WorkerStart(Guid.CreateVersion7(), null, at);
        var number = Enumerable.Range(1, int.MaxValue).First(place => _children.Values.All(child => child.Number != place));
        try
        {
            _journal.Note(intent);
            var child = WorkerProcess.Begin(command, intent, number, _log.Open(number), bell.Ring, clock);
            _children.Add(child.Worker, child);
            _starting.Add(child.Worker);
            _journal.Note(child.Start);
            LogStarted(child.Worker, child.Pid, number);
            return true;
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException or Win32Exception)
        {
            if (!_children.ContainsKey(intent.Worker))
            {
                _journal.End(intent.Worker);
            }

            _backOff.Failed();
            LogRefused(refused.Message, _backOff.Pause);
            return false;
        }
    }

    /// <summary>A child has ended, which its parent knows for certain.</summary>
    private async Task BuryAsync(WorkerProcess child, IReadOnlyList<WorkerRow> registrations, CancellationToken cancellationToken)
    {
        if (registrations.Count == 0)
        {
            _backOff.Failed();
            LogFailed(child.Worker, child.ExitCode, child.Number, _backOff.Failures, _backOff.Pause);
        }

        var lost = false;
        foreach (var row in registrations.Where(static row => row.IsLive))
        {
            lost |= await rows.EndedAsync(row.Id, cancellationToken);
        }

        if (lost)
        {
            LogLost(child.Worker, child.Pid, child.ExitCode, child.Number);
        }
        else if (registrations.Count > 0)
        {
            LogEnded(child.Worker, child.ExitCode);
        }

        Forget(child.Worker);
        _children.Remove(child.Worker);
        child.Dispose();
    }

    private void EndTheLate()
    {
        foreach (var late in _starting.Select(worker => _children[worker]).Where(child => clock.GetElapsedTime(child.StartedAt) > Patience))
        {
            LogLate(late.Worker, late.Pid, Patience);
            late.Kill();
        }
    }

    private void Forget(Guid worker)
    {
        if (_starting.Remove(worker) | _inherited?.Remove(worker) == true)
        {
            _journal.End(worker);
        }
    }

    [LoggerMessage(LogLevel.Information, "Started worker {Worker} as process {Pid}; it writes to logs/worker-{Number}.log")]
    private partial void LogStarted(Guid worker, int pid, int number);

    [LoggerMessage(LogLevel.Information, "Worker {Worker} (process {Pid}) registered within {Milliseconds} ms")]
    private partial void LogArrived(Guid worker, int pid, int milliseconds);

    [LoggerMessage(LogLevel.Information, "Worker {Worker} ended with code {ExitCode}")]
    private partial void LogEnded(Guid worker, int exitCode);

    [LoggerMessage(LogLevel.Warning, "Worker {Worker} (process {Pid}) died with code {ExitCode}; its tasks start again elsewhere. See logs/worker-{Number}.log")]
    private partial void LogLost(Guid worker, int pid, int exitCode, int number);

    [LoggerMessage(LogLevel.Warning, "Worker {Worker} ended with code {ExitCode} before it registered; see logs/worker-{Number}.log. Failure {Failures}, next try after {Pause}")]
    private partial void LogFailed(Guid worker, int exitCode, int number, int failures, TimeSpan pause);

    [LoggerMessage(LogLevel.Warning, "No worker can be started ({Reason}); next try after {Pause}")]
    private partial void LogRefused(string reason, TimeSpan pause);

    [LoggerMessage(LogLevel.Warning, "Worker {Worker} (process {Pid}) has not registered within {Patience} and is ended")]
    private partial void LogLate(Guid worker, int pid, TimeSpan patience);
}
