using System.Text;
using Townhall.Worker.Processes;
using Townhall.Worker.Sandbox;

namespace Townhall.Worker.Runtimes.Command;

/// <summary>Makes and removes the folders of attempts: <c>work/&lt;incarnation&gt;/&lt;task&gt;-&lt;epoch&gt;/{work,io}</c>.</summary>
/// <remarks>
/// The folder above <c>work</c> and <c>io</c> belongs to the worker, so a command can neither replace nor rename them. Each
/// incarnation holds a lock on its folder; a folder whose lock is free belongs to nobody and is removed by the next start.
/// </remarks>
internal sealed class WorkFolders : IDisposable
{
    private const string LockName = ".lock";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode Passable = OwnerOnly | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    private readonly string _home;
    private readonly CommandUser? _user;
    private readonly FileStream _lock;

    private WorkFolders(string home, CommandUser? user, FileStream held)
    {
        _home = home;
        _user = user;
        _lock = held;
    }

    /// <summary>Opens the folder of this incarnation and removes those of dead ones.</summary>
    /// <param name="data">Where the town keeps data, or null for the system's temp folder.</param>
    /// <returns>Null when another process of this incarnation lives: nothing of it is touched.</returns>
    public static WorkFolders? Open(string? data, Guid incarnation, CommandUser? user)
    {
        var root = data is null ? TempRoot() : Path.Combine(data, "work");
        MakeFolder(root);

        // Commands of another user must be able to walk to their folder; a data folder often lies where they cannot.
        if (user is not null && !user.MayExecute(root))
        {
            root = TempRoot();
            MakeFolder(root);
        }

        using (HoldSweep(root))
        {
            RemoveLeftovers(root);
            var home = Path.Combine(root, incarnation.ToString("N"));
            Directory.CreateDirectory(home, Passable);
            return Hold(Path.Combine(home, LockName)) is { } held ? new WorkFolders(home, user, held) : null;
        }
    }

    /// <summary>Makes the empty folders of one attempt.</summary>
    /// <exception cref="IOException">There is no room, or no right to.</exception>
    public AttemptFolders Create(string attempt)
    {
        var folder = Path.Combine(_home, attempt);
        Directory.CreateDirectory(folder, Passable);
        var folders = new AttemptFolders(Path.Combine(folder, "work"), Path.Combine(folder, "io"));
        foreach (var owned in (string[])[folders.Work, folders.Exchange])
        {
            Directory.CreateDirectory(owned, OwnerOnly);
            GiveAway(owned);
        }

        return folders;
    }

    /// <summary>Writes a file that the command may read and change.</summary>
    public void Write(string path, string text)
    {
        File.WriteAllText(path, text, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false));
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        GiveAway(path);
    }

    /// <summary>Removes an attempt's folders with everything in them. Links are removed, never followed.</summary>
    public void Remove(AttemptFolders folders)
    {
        var folder = Path.GetDirectoryName(folders.Work)!;
        if (Path.GetDirectoryName(folder) != _home)
        {
            throw new ArgumentException($"{folder} is not one of ours.", nameof(folders));
        }

        RemoveTree(folder);
    }

    public void Dispose()
    {
        _lock.Dispose();
        try
        {
            RemoveTree(_home);
        }
        catch (Exception stuck) when (stuck is IOException or UnauthorizedAccessException)
        {
            // Somebody still writes there. The lock is free, so the next worker that starts removes it.
        }
    }

    private static string TempRoot() => Path.Combine(Path.GetTempPath(), $"townhall-work-{Libc.EffectiveUser()}");

    private static void MakeFolder(string folder)
    {
        Directory.CreateDirectory(folder);

        // A folder in the temp folder could have been put there by anybody, with links of their choice inside.
        if (Libc.Facts(0, folder, follow: false) is not { IsFolder: true } facts || facts.Uid != Libc.EffectiveUser())
        {
            throw new IOException($"{folder} is not a folder of this user.");
        }

        File.SetUnixFileMode(folder, Passable);
    }

    private static FileStream HoldSweep(string root)
    {
        var path = Path.Combine(root, ".sweep");
        for (var tries = 0; tries < 100; tries++)
        {
            if (Hold(path) is { } held)
            {
                return held;
            }

            // Another worker is starting; it needs milliseconds. An empty poll is the only wait before anything runs here.
            _ = Libc.Poll([], 20);
        }

        throw new IOException($"{path} stays locked.");
    }

    private static FileStream? Hold(string path)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static void RemoveLeftovers(string root)
    {
        foreach (var folder in Directory.EnumerateDirectories(root))
        {
            // Only what carries our kind of name: a data folder may hold other things.
            if (Guid.TryParseExact(Path.GetFileName(folder), "N", out _) && Hold(Path.Combine(folder, LockName)) is { } free)
            {
                free.Dispose();
                RemoveTree(folder);
            }
        }
    }

    private static void RemoveTree(string folder)
    {
        try
        {
            Directory.Delete(folder, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // Somebody was faster.
        }
        catch (Exception refused) when (refused is UnauthorizedAccessException or IOException)
        {
            // Package managers make read-only folders; their owner may make them writable again.
            foreach (var inner in Directory.EnumerateDirectories(folder, "*", new EnumerationOptions
            {
                RecurseSubdirectories = false,
                AttributesToSkip = FileAttributes.ReparsePoint,
            }))
            {
                Unlock(inner);
            }

            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Unlock(string folder)
    {
        File.SetUnixFileMode(folder, OwnerOnly);
        foreach (var inner in new DirectoryInfo(folder).EnumerateDirectories())
        {
            if (inner.LinkTarget is null)
            {
                Unlock(inner.FullName);
            }
        }
    }

    private void GiveAway(string path)
    {
        if (_user is { } user && Libc.ChangeOwner(path, user.Uid, user.Gid) != 0)
        {
            throw Libc.Broken($"Giving {path} to {user.Name}");
        }
    }
}
