using Townhall.Client;

namespace Townhall.Cli.Watching;

/// <summary>A town at one moment, as <c>tt top --json</c> shows it.</summary>
/// <param name="PerMinute">Tasks that ended in the last minute or since it began to look; null at the first look.</param>
internal sealed record TopView(
    string Town, TaskCounts Tasks, long AgentCount, IReadOnlyList<TownAgent> Agents, int Workers, ScalingReading? Scaling, double? PerMinute);

/// <summary>How many tasks end, over the last minute.</summary>
internal sealed class Throughput(TimeProvider clock)
{
    private static readonly TimeSpan Window = TimeSpan.FromMinutes(1);
    private readonly Queue<(long At, long Ended)> _looks = new();

    /// <returns>Per minute; null until there are two looks.</returns>
    public double? Look(TaskCounts tasks)
    {
        var ended = tasks.Completed + tasks.Failed + tasks.Cancelled + tasks.Dead;
        var now = clock.GetTimestamp();
        _looks.Enqueue((now, ended));
        while (_looks.Count > 2 && clock.GetElapsedTime(_looks.Peek().At, now) > Window)
        {
            _looks.Dequeue();
        }

        var (at, before) = _looks.Peek();
        var passed = clock.GetElapsedTime(at, now);
        return passed > TimeSpan.Zero ? Math.Max(0, ended - before) / passed.TotalMinutes : null;
    }
}
