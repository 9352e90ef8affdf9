using System.Diagnostics;

namespace Townhall.Contracts.Traces;

/// <summary>The spans of a task's life, under one source in every process: accept, lease, attempt, settle.</summary>
/// <remarks>Without a listener none of these makes anything.</remarks>
public static class TaskTraces
{
    /// <summary>Name of the source and of our meter.</summary>
    public const string Name = "Townhall";

    private static readonly ActivitySource Source = new(Name);

    /// <summary>True while somebody collects.</summary>
    public static bool Collected => Source.HasListeners();

    /// <summary>The W3C traceparent of the call that goes on here; null where nobody collects it, because then its id leads nowhere.</summary>
    public static string? Call => Activity.Current is { Recorded: true } call ? call.Id : null;

    /// <summary>Begins a step of one task under <paramref name="parent"/>, without becoming the current activity of the caller.</summary>
    /// <param name="parent">W3C traceparent; null or nonsense makes nothing, so that no step becomes a trace of its own.</param>
    public static Activity? Begin(string step, ActivityKind kind, string? parent, Guid task, int attempt)
    {
        if (parent is null || !ActivityContext.TryParse(parent, null, isRemote: true, out var context))
        {
            return null;
        }

        var current = Activity.Current;
        var activity = Source.StartActivity(step, kind, context);
        activity?.SetTag("townhall.task.id", task.ToString()).SetTag("townhall.task.attempt", attempt);
        Activity.Current = current;
        return activity;
    }

    /// <summary>Ends a step with what came of it.</summary>
    public static void End(this Activity? activity, string outcome)
    {
        if (activity is null)
        {
            return;
        }

        activity.SetTag("townhall.outcome", outcome);
        if (outcome is "failed")
        {
            activity.SetStatus(ActivityStatusCode.Error);
        }

        var current = Activity.Current;
        activity.Dispose();
        Activity.Current = current;
    }
}
