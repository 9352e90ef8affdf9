using System.Runtime.InteropServices;
using System.Text;
using Townhall.Worker.Processes;

namespace Townhall.Worker.Warden;

/// <summary>The second process: freezes trees at their fences by its own clock, and ends what is left of them with its input.</summary>
internal static class WardenProgram
{
    /// <summary>How late a fence may be noticed after the machine slept; a fence that lies ahead is met on time.</summary>
    private const int LookEveryMs = 250;

    public static int Run(int input)
    {
        // A Ctrl-C in the terminal goes to everybody; this process ends last.
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, static context => context.Cancel = true);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, static context => context.Cancel = true);

        Dictionary<(string, string), Guarded> trees = [];
        HashSet<(string, string)> frozen = [];
        var rest = "";
        var buffer = new byte[65536];
        Span<Libc.PollFd> fds = [new Libc.PollFd { Fd = input, Events = Libc.PollIn }];
        while (true)
        {
            if (Libc.Poll(fds, Patience(trees, frozen)) > 0)
            {
                var length = Libc.Read(input, buffer);
                if (length == 0)
                {
                    break;
                }

                var lines = (rest + Encoding.UTF8.GetString(buffer.AsSpan(0, Math.Max(0, length)))).Split('\n');
                rest = lines[^1];
                foreach (var told in lines[..^1].Select(Guarded.Read).OfType<Guarded>())
                {
                    Take(told, trees, frozen);
                }
            }

            foreach (var (key, tree) in trees)
            {
                if (tree.FenceMs <= Libc.UptimeMs() && frozen.Add(key))
                {
                    ProcessTree.Hold(tree.Main, tree.Shape, tree.Task, tree.Attempt, frozen: true);
                }
            }
        }

        foreach (var tree in trees.Values.Where(static tree => tree.Shape == TreeShape.Loose))
        {
            ProcessTree.KillLoose(tree.Main, tree.Task, tree.Attempt);
        }

        return Lifetime.ExitCodes.Done;
    }

    private static void Take(Guarded told, Dictionary<(string, string), Guarded> trees, HashSet<(string, string)> frozen)
    {
        var key = (told.Task, told.Attempt);
        if (told.Main == 0)
        {
            trees.Remove(key);
            frozen.Remove(key);
            return;
        }

        trees[key] = told;
        // What we froze we let go on; what the worker froze, it does.
        if (told.FenceMs > Libc.UptimeMs() && frozen.Remove(key) && !told.Paused)
        {
            ProcessTree.Hold(told.Main, told.Shape, told.Task, told.Attempt, frozen: false);
        }
    }

    /// <summary>How long there is nothing to look for unless something is said; -1 for ever.</summary>
    private static int Patience(Dictionary<(string, string), Guarded> trees, HashSet<(string, string)> frozen)
    {
        var next = long.MaxValue;
        foreach (var (key, tree) in trees)
        {
            next = frozen.Contains(key) ? next : Math.Min(next, tree.FenceMs);
        }

        return next == long.MaxValue ? -1 : (int)Math.Clamp(next - Libc.UptimeMs(), 0, LookEveryMs);
    }
}
