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
                List<Guarded> thawed = [];
                foreach (var told in lines[..^1].Select(Guarded.Read).OfType<Guarded>())
                {
                    if (Take(told, trees, frozen))
                    {
                        thawed.Add(told);
                    }
                }

                Hold(thawed, frozen: false);
            }

            Hold([.. trees.Where(tree => tree.Value.FenceMs <= Libc.UptimeMs() && frozen.Add(tree.Key)).Select(static tree => tree.Value)], frozen: true);
        }

        // Sandboxes, too: the kernel ends one with its parent only from the moment on when it has asked for that, and a
        // command can be running before its sandbox did.
        foreach (var tree in trees.Values)
        {
            ProcessTree.KillLeftBehind(tree.Main, tree.Task, tree.Attempt);
        }

        return Lifetime.ExitCodes.Done;
    }

    /// <returns>Whether the tree may go on: what we froze we let go on; what the worker froze, it does.</returns>
    private static bool Take(Guarded told, Dictionary<(string, string), Guarded> trees, HashSet<(string, string)> frozen)
    {
        var key = (told.Task, told.Attempt);
        if (told.Main == 0)
        {
            trees.Remove(key);
            frozen.Remove(key);
            return false;
        }

        trees[key] = told;
        return told.FenceMs > Libc.UptimeMs() && frozen.Remove(key) && !told.Paused;
    }

    private static void Hold(List<Guarded> trees, bool frozen)
    {
        if (trees.Count > 0)
        {
            ProcessTree.Hold([.. trees.Select(static tree => (tree.Main, tree.Shape, tree.Task, tree.Attempt))], frozen);
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
