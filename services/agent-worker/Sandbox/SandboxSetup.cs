using Townhall.Worker.Processes;
using Townhall.Worker.Runtimes.Command;
using Townhall.Worker.Settings;

namespace Townhall.Worker.Sandbox;

/// <summary>Finds out once, at start, who commands run as and what they run in.</summary>
internal static class SandboxSetup
{
    /// <summary>The user for commands where the worker is root; null otherwise, and null with a mistake where that user is unknown.</summary>
    public static (CommandUser? User, string? Mistake) ChooseUser(WorkerSettings settings)
    {
        if (Libc.EffectiveUser() != 0)
        {
            return (null, null);
        }

        return CommandUser.Find(settings.CommandUser) is { } user
            ? (user, null)
            : (null, $"TOWN_COMMAND_USER is '{settings.CommandUser}'; it must be a user of this host other than root, or uid:gid.");
    }

    public static async Task<Sandboxes> ProbeAsync(
        WorkerSettings settings, CommandUser? user, WorkFolders folders, ChildProcesses children, TimeProvider clock)
    {
        var tools = Tools.Find();
        var confinement = new Confinement(tools, user, settings.CommandMemoryMb * 1_048_576L);

        // Without setpriv a worker that is root could only run commands as root: then it runs none.
        var bare = user is null || tools.SetPriv is not null ? new BareSandbox(confinement) : null;
        if (!settings.MaySandbox)
        {
            return new Sandboxes(null, bare, "TOWN_SANDBOX is none");
        }

        if (tools.Bubblewrap is null || bare is null)
        {
            return new Sandboxes(null, bare, tools.Bubblewrap is null ? "bubblewrap is not installed" : "setpriv is not installed");
        }

        var sandbox = new BubblewrapSandbox(tools.Bubblewrap, confinement, settings.Data);
        var trial = folders.Create("probe");
        try
        {
            var complaint = await SandboxProbe.TryAsync(sandbox, trial, children, clock);
            return complaint is null ? new Sandboxes(sandbox, bare, null) : new Sandboxes(null, bare, $"bubblewrap does not work here: {complaint}");
        }
        finally
        {
            folders.Remove(trial);
        }
    }
}
