namespace Townhall.Worker.Processes;

/// <summary>Where the members of a command's tree are found.</summary>
internal enum TreeShape
{
    /// <summary>In a PID namespace: whatever happens inside stays below the process we started.</summary>
    Namespace,

    /// <summary>Anywhere: members may have left the family by a double fork, and are known by session and environment.</summary>
    Loose,
}

/// <summary>Everything one command has started, to be frozen, thawed and ended together.</summary>
/// <param name="main">The process we started: the command itself, or its sandbox.</param>
/// <param name="taskMark">A variable that every member inherited.</param>
/// <param name="attemptMark">Another one; both together name the attempt.</param>
internal sealed class ProcessTree(ChildProcess main, TreeShape shape, string taskMark, string attemptMark)
{
    // A tree that forks faster than we look at it is not stopped by looking once.
    private const int Passes = 20;

    public ChildProcess Main { get; } = main;

    /// <summary>Stops every member where it stands. They cannot refuse, and they notice nothing but lost time.</summary>
    public void Freeze()
    {
        HashSet<int> stopped = [];
        for (var pass = 0; pass < Passes; pass++)
        {
            var fresh = Members().Where(stopped.Add).ToList();
            if (fresh is [])
            {
                return;
            }

            SignalAll(fresh, Libc.SigStop);
        }
    }

    /// <summary>Lets all members go on.</summary>
    public void Thaw() => SignalAll(Members(), Libc.SigCont);

    /// <summary>Asks all members to end. The sandbox itself is not asked: it would take its members with it unheard.</summary>
    public void Terminate()
    {
        var table = ProcessTable.Read();
        var members = Members(table);
        if (shape == TreeShape.Namespace)
        {
            // The first process below the sandbox is the init of the namespace; it ends when the others have.
            members.ExceptWith(table.ChildrenOf(Main.Pid));
            members.Remove(Main.Pid);
        }

        SignalAll(members, Libc.SigTerm);
    }

    /// <summary>Ends all members at once.</summary>
    public void Kill()
    {
        for (var pass = 0; pass < Passes; pass++)
        {
            // A namespace ends with its sandbox, by the kernel's doing: there is nobody left to look for.
            if (shape == TreeShape.Namespace && Main.HasExited)
            {
                return;
            }

            Main.Signal(Libc.SigKill);
            var members = Members();
            members.Remove(Main.Pid);
            if (members is { Count: 0 })
            {
                return;
            }

            SignalAll(members, Libc.SigKill);
        }
    }

    /// <summary>Living members, for those who want to see that there are none.</summary>
    public HashSet<int> Members() => Members(ProcessTable.Read());

    private HashSet<int> Members(ProcessTable table)
    {
        HashSet<int> found = [];
        if (!Main.HasExited && table.IsAlive(Main.Pid))
        {
            found.Add(Main.Pid);
        }

        if (shape == TreeShape.Loose)
        {
            found.UnionWith(LooseMembers(table, Main.Pid, taskMark, attemptMark));
        }

        found.UnionWith(table.Descendants([.. found]));
        return found;
    }

    /// <summary>Ends a tree whose parent, and with it everything known but these names, is gone.</summary>
    public static void KillLeftBehind(int session, string taskMark, string attemptMark)
    {
        for (var pass = 0; pass < Passes; pass++)
        {
            var table = ProcessTable.Read();
            var members = LooseMembers(table, session, taskMark, attemptMark);
            members.UnionWith(table.Descendants([.. members]));
            if (members is { Count: 0 })
            {
                return;
            }

            foreach (var pid in members)
            {
                _ = Libc.Kill(pid, Libc.SigKill);
            }
        }
    }

    /// <summary>Stops every member of trees that another process started, or lets them go on. All of them by the same looks at
    /// the process table: one by one, the last of many would be late.</summary>
    public static void Hold(IReadOnlyCollection<(int Main, TreeShape Shape, string TaskMark, string AttemptMark)> trees, bool frozen)
    {
        HashSet<int> known = [];
        for (var pass = 0; pass < Passes; pass++)
        {
            var table = ProcessTable.Read();
            HashSet<int> members = [];
            foreach (var (main, shape, taskMark, attemptMark) in trees)
            {
                if (table.IsAlive(main))
                {
                    members.Add(main);
                }

                if (shape == TreeShape.Loose)
                {
                    members.UnionWith(LooseMembers(table, main, taskMark, attemptMark));
                }
            }

            members.UnionWith(table.Descendants([.. members]));
            members.RemoveWhere(one => !known.Add(one));
            if (members is { Count: 0 })
            {
                return;
            }

            foreach (var pid in members)
            {
                _ = Libc.Kill(pid, frozen ? Libc.SigStop : Libc.SigCont);
            }
        }
    }

    // The kernel gives a number to nobody else while it still names a session.
    private static HashSet<int> LooseMembers(ProcessTable table, int session, string taskMark, string attemptMark) =>
        [.. table.OfSession(session), .. table.Marked(taskMark, attemptMark)];

    private void SignalAll(IEnumerable<int> members, int signal)
    {
        foreach (var pid in members)
        {
            if (pid == Main.Pid)
            {
                Main.Signal(signal);
            }
            else
            {
                _ = Libc.Kill(pid, signal);
            }
        }
    }
}
