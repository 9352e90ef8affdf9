using System.Globalization;
using Townhall.Worker.Processes;

namespace Townhall.Worker.Warden;

/// <summary>What the warden knows of one tree, as it stands on a line of its input.</summary>
/// <param name="Task">The variable that marks the members of the task.</param>
/// <param name="Attempt">The one that marks those of the attempt.</param>
/// <param name="Main">The process that was started; 0 when the tree has ended.</param>
/// <param name="FenceMs">When it may no longer run, in ms since the machine started (<see cref="Libc.UptimeMs"/>).</param>
/// <param name="Paused">An operator paused it: whatever the fence says, it is not for the warden to let it go on.</param>
internal sealed record Guarded(string Task, string Attempt, int Main, TreeShape Shape, long FenceMs, bool Paused)
{
    public string Line() => string.Create(
        CultureInfo.InvariantCulture, $"{Task} {Attempt} {Main} {(Shape == TreeShape.Loose ? 'l' : 'n')} {FenceMs} {(Paused ? 1 : 0)}\n");

    /// <summary>Null for anything else.</summary>
    public static Guarded? Read(string line) =>
        line.Split(' ') is [var task, var attempt, var main, ("l" or "n") and var shape, var fence, ("0" or "1") and var paused]
        && int.TryParse(main, NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
        && long.TryParse(fence, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var fenceMs)
            ? new(task, attempt, pid, shape == "l" ? TreeShape.Loose : TreeShape.Namespace, fenceMs, paused == "1")
            : null;
}
