using Microsoft.Extensions.Logging;
using Townhall.Contracts.Workers;
using Townhall.Worker.Drain;
using Townhall.Worker.Lifetime;
using Townhall.Worker.Runtimes;
using Townhall.Worker.Runtimes.Command;
using Townhall.Worker.Sandbox;

namespace Townhall.Worker.Leasing;

/// <content>How the loop ends: drained, stopped or forgotten; and what people decide about single attempts.</content>
internal sealed partial class WorkLoop
{
    private static readonly TimeSpan KillPatience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LastSettle = TimeSpan.FromSeconds(1);
    private long _forgottenSince;
    private long _forcedSince;
    private bool _graceEnded;

    /// <summary>After a second signal: how long results may still be delivered.</summary>
    private TimeSpan UntilForced => LastSettle - _clock.GetElapsedTime(_forcedSince);

    private TimeSpan UntilForgotten => KillPatience - _clock.GetElapsedTime(_forgottenSince);

    /// <summary>How this session has ended, or null while it goes on.</summary>
    private SessionEnd? End()
    {
        if (_session.Over.IsCancellationRequested)
        {
            _leaseStop.Cancel();
            EndAll(EndReason.Lost);
            _forgottenSince = _forgottenSince == 0 ? _clock.GetTimestamp() : _forgottenSince;
            // What had ended before is handed in first; it counts as long as nobody else was given the task.
            return (_running == 0 && _settles.Undelivered == 0) || UntilForgotten <= TimeSpan.Zero ? SessionEnd.Forgotten : null;
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
            // Hurried late, it must not leave later than it would have left unhurried.
            return _held.Count == 0 || _drain.TimeIsUp || UntilForced <= TimeSpan.Zero ? SessionEnd.Stopped : null;
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
        if (directive.Kind == DirectiveKinds.Drain)
        {
            _drain.ToldToDrain();
            return;
        }

        foreach (var attempt in _held.Values.Where(attempt =>
            attempt.Lease.TaskId == directive.TaskId && attempt.Lease.Epoch == (directive.Epoch ?? attempt.Lease.Epoch) && !attempt.IsFinished))
        {
            switch (directive.Kind)
            {
                case DirectiveKinds.Cancel:
                    End(attempt, EndReason.Cancelled, directive.Kind);
                    break;
                case DirectiveKinds.Kill:
                    End(attempt, EndReason.Killed, directive.Kind);
                    break;
                case DirectiveKinds.Pause or DirectiveKinds.Resume:
                    LogDirected(directive.Kind, attempt.Lease.TaskId, attempt.Lease.Epoch);
                    attempt.Pause(directive.Kind == DirectiveKinds.Pause);
                    Heeded.Paused(attempt.Key, directive.Kind == DirectiveKinds.Pause);
                    break;
                // Before it has its folders it cannot take notes; they come again.
                case DirectiveKinds.Steer when attempt.Folders is { } folders && directive is { Text: { } text, NoteId: { } note }:
                    Steer(attempt, folders, note, directive.At, text);
                    break;
            }
        }
    }

    private void End(Attempt attempt, EndReason reason, string kind)
    {
        // Directives come again until they had their effect; once is worth a line.
        if (attempt.Reason < reason)
        {
            LogDirected(kind, attempt.Lease.TaskId, attempt.Lease.Epoch);
        }

        attempt.End(reason);
    }

    private void Steer(Attempt attempt, AttemptFolders folders, long note, DateTime? at, string text)
    {
        var delivered = true;
        if (attempt.Notes.Add(note))
        {
            LogDirected(DirectiveKinds.Steer, attempt.Lease.TaskId, attempt.Lease.Epoch);
            delivered = ExchangeFiles.AppendNote(folders, note, at, text);
            if (!delivered)
            {
                attempt.Notes.Remove(note);
                LogNotSteered(attempt.Lease.TaskId);
            }
        }

        Heeded.Steered(new(note, attempt.Lease.TaskId, attempt.Lease.Epoch, delivered));
    }

    [LoggerMessage(LogLevel.Information, "Told to {Kind} {TaskId} attempt {Epoch}")]
    private partial void LogDirected(string kind, Guid taskId, int epoch);

    [LoggerMessage(LogLevel.Warning, "{TaskId} cannot be steered: the command has replaced its steering file")]
    private partial void LogNotSteered(Guid taskId);
}
