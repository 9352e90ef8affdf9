using Microsoft.Extensions.Logging;
using Townhall.Contracts.Workers;
using Townhall.Worker.Drain;
using Townhall.Worker.Lifetime;
using Townhall.Worker.Runtimes;
using Townhall.Worker.Runtimes.Command;

namespace Townhall.Worker.Leasing;

/// <content>How the loop ends: drained, stopped or forgotten; and what people decide about single attempts.</content>
internal sealed partial class WorkLoop
{
    private static readonly TimeSpan KillPatience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LastSettle = TimeSpan.FromSeconds(1);
    private long _forgottenSince;
    private long _forcedSince;
    private bool _graceEnded;

    /// <summary>How this session has ended, or null while it goes on.</summary>
    private SessionEnd? End()
    {
        if (_session.Over.IsCancellationRequested)
        {
            _leaseStop.Cancel();
            EndAll(EndReason.Lost);
            _forgottenSince = _forgottenSince == 0 ? _clock.GetTimestamp() : _forgottenSince;
            return _running == 0 || _clock.GetElapsedTime(_forgottenSince) > KillPatience ? SessionEnd.Forgotten : null;
        }

        if (_stop.Requested.IsCancellationRequested && !_drain.IsStopping)
        {
            _drain.StopNow();
            _leaseStop.Cancel();

            // What is frozen cannot finish within any grace.
            foreach (var attempt in _held.Values.Where(static attempt => attempt.IsFrozen))
            {
                attempt.End(EndReason.Released);
            }
        }

        if (_drain.GraceIsOver && !_graceEnded)
        {
            _graceEnded = true;
            EndAll(EndReason.Released);
        }

        if (_stop.Forced.IsCancellationRequested)
        {
            EndAll(EndReason.Released);
            _forcedSince = _forcedSince == 0 ? _clock.GetTimestamp() : _forcedSince;
            return _held.Count == 0 || _clock.GetElapsedTime(_forcedSince) > LastSettle ? SessionEnd.Stopped : null;
        }

        if (_drain.IsStopping)
        {
            return _drain.TimeIsUp || (_drain.Answered && _held.Count == 0 && _settles.Undelivered == 0 && !_leasing) ? SessionEnd.Stopped : null;
        }

        return _drain.Answered ? SessionEnd.Drained : null;
    }

    private void EndAll(EndReason reason)
    {
        foreach (var attempt in _held.Values)
        {
            attempt.End(reason);
        }
    }

    private void StartDraining()
    {
        // A lease call under way may bring work; the dispatcher knows, and refuses then.
        if (_drain.ReasonToAsk(_held.Count + _settles.Undelivered) is { } reason)
        {
            _drain.Asking();
            Unforeseen.EndsTheProcess(DrainAsync(reason));
        }
    }

    private async Task DrainAsync(string reason)
    {
        var reply = await _drain.AskAsync(reason);
        Post(() =>
        {
            _drain.Heard(reply, reason);
            if (reason == "stopping" && reply is not null)
            {
                // Leases whose grant never reached us: given back now, they start elsewhere within a second.
                _settles.Add([.. reply.Leases.Where(lease => !_held.ContainsKey(AttemptKey.Of(lease))).Select(Results.Released)]);
            }
        });
    }

    private void Apply(Directive directive)
    {
        if (directive.Kind == "drain")
        {
            _drain.ToldToDrain();
            return;
        }

        foreach (var attempt in _held.Values.Where(attempt =>
            attempt.Lease.TaskId == directive.TaskId && attempt.Lease.Epoch == (directive.Epoch ?? attempt.Lease.Epoch) && !attempt.IsFinished))
        {
            LogDirected(directive.Kind, attempt.Lease.TaskId, attempt.Lease.Epoch);
            switch (directive.Kind)
            {
                case "cancel":
                    attempt.End(EndReason.Cancelled);
                    break;
                case "kill":
                    attempt.End(EndReason.Killed);
                    break;
                case "pause":
                    attempt.Pause(true);
                    break;
                case "resume":
                    attempt.Pause(false);
                    break;
                case "steer" when attempt.Folders is { } folders && directive.Text is { } text:
                    if (!ExchangeFiles.AppendSteer(folders, text))
                    {
                        LogNotSteered(attempt.Lease.TaskId);
                    }

                    break;
            }
        }
    }

    [LoggerMessage(LogLevel.Information, "Told to {Kind} {TaskId} attempt {Epoch}")]
    private partial void LogDirected(string kind, Guid taskId, int epoch);

    [LoggerMessage(LogLevel.Warning, "{TaskId} cannot be steered: the command has replaced its steering file")]
    private partial void LogNotSteered(Guid taskId);
}
