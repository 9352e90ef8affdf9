using Townhall.Client;

namespace Townhall.Cli.Fleets;

/// <summary>How a fleet ended, as <c>--json</c> shows it.</summary>
/// <param name="Ended">False when waiting was given up; the work goes on then.</param>
internal sealed record FleetReport(
    string Fleet, string Repo, bool Ended, double Seconds, int Completed, int NotCompleted, IReadOnlyList<FleetTaskReport> Tasks);

internal sealed record FleetTaskReport(
    string Title, string Agent, string AgentName, Guid TaskId, string State, string? Sandbox, double? WallMs, int? ExitCode,
    string? FailureCode, string? FailureDetail, string? Result, long ResultBytes, string? ResultBlob);

/// <summary>One task of a fleet on its way.</summary>
internal sealed class FleetTaskRun(FleetTask plan, Guid id)
{
    public FleetTask Plan { get; } = plan;

    public Guid Id { get; } = id;

    /// <summary>As last seen; null before the first look.</summary>
    public AgentTask? Seen { get; set; }

    /// <summary>The last whole line it printed, for people who watch.</summary>
    public string LastLine { get; set; } = "";

    /// <summary>Bytes of <see cref="OutputAttempt"/> that were read for <see cref="LastLine"/>.</summary>
    public long OutputOffset { get; set; }

    public int OutputAttempt { get; set; } = 1;

    /// <summary>When it was first seen running, by this process's clock.</summary>
    public long? RunningSince { get; set; }

    public string State => Seen?.State ?? "assigned";

    public FleetTaskReport Report() => new(
        Plan.Title, Plan.Agent.Name, Plan.Agent.TownName, Id, State, Seen?.Sandbox, Seen?.WallMs, Seen?.ExitCode,
        Seen?.FailureCode, Seen?.FailureDetail, Seen?.Result, Seen?.ResultBytes ?? 0, Seen?.ResultBlob);
}
