using System.Text;
using Townhall.Contracts.Workers;
using Townhall.Worker.Processes;
using Townhall.Worker.Sandbox;

namespace Townhall.Worker.Runtimes.Command;

/// <summary>Finds the program of a command line before anything is started, as the command's own user will find it.</summary>
/// <remarks>A missing program has a failure code of its own; found out only by starting it, it looks like any exit code.</remarks>
internal static class ProgramLookup
{
    /// <param name="Path">Absolute path of the program.</param>
    /// <param name="Folders">Folders that a sandbox must show for it to start.</param>
    public sealed record Program(string Path, IReadOnlyList<string> Folders);

    /// <returns>The program, or null and why not.</returns>
    public static (Program? Found, string? Missing) Find(
        string name, IReadOnlyList<string> path, AgentGrant grant, ISandbox sandbox, CommandUser? user)
    {
        string? unreachable = null;
        foreach (var candidate in Candidates(name, path, grant))
        {
            if (Libc.Facts(0, candidate, follow: true) is not { IsRegular: true })
            {
                continue;
            }

            if (!MayExecute(candidate, user))
            {
                unreachable ??= candidate;
                continue;
            }

            if (MissingInterpreter(candidate, path, user) is { } interpreter)
            {
                return (null, $"{candidate} needs {interpreter}, which is not there.");
            }

            return (new Program(candidate, FoldersOf(candidate, grant, sandbox)), null);
        }

        return (null, unreachable is null
            ? $"There is no program '{name}' on {string.Join(':', path)}."
            : $"{unreachable} exists, but may not be executed by {user?.Name ?? "the worker's user"}.");
    }

    private static IEnumerable<string> Candidates(string name, IReadOnlyList<string> path, AgentGrant grant) => name switch
    {
        ['/', ..] => [name],
        _ when name.Contains('/', StringComparison.Ordinal) => grant.Workdir is { } folder ? [Path.GetFullPath(name, folder)] : [],
        _ => path.Select(folder => Path.Combine(folder, name)),
    };

    private static bool MayExecute(string file, CommandUser? user) =>
        user is null ? Libc.Access(file, 1) == 0 : user.MayExecute(file) && user.MayExecute(RealPath(file));

    private static string RealPath(string file) =>
        new FileInfo(file).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? file;

    /// <summary>A script without its interpreter fails to start with the words "no such file", which mislead everybody.</summary>
    private static string? MissingInterpreter(string file, IReadOnlyList<string> path, CommandUser? user)
    {
        Span<byte> head = stackalloc byte[256];
        int length;
        try
        {
            using var handle = File.OpenHandle(file);
            length = RandomAccess.Read(handle, head, 0);
        }
        catch (UnauthorizedAccessException)
        {
            return null;        // executable but not readable: then it is no script, since its interpreter could not read it either
        }

        if (length < 3 || head[0] != '#' || head[1] != '!')
        {
            return null;
        }

        var line = head[2..length];
        var end = line.IndexOf((byte)'\n');
        var words = Encoding.UTF8.GetString(end < 0 ? line : line[..end]).Split([' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries);
        return words switch
        {
            [] => null,
            [var env, var program] when Path.GetFileName(env) == "env" && !program.StartsWith('-') =>
                path.Any(folder => File.Exists(Path.Combine(folder, program)) && MayExecute(Path.Combine(folder, program), user)) ? null : program,
            [var interpreter, ..] => File.Exists(interpreter) ? null : interpreter,
        };
    }

    /// <summary>The folder a program is found in, and those of everything its links lead to, as far as the sandbox hides them.</summary>
    private static List<string> FoldersOf(string program, AgentGrant grant, ISandbox sandbox)
    {
        List<string> folders = [];
        var file = program;
        for (var links = 0; file is not null && links < 16; links++)
        {
            var folder = PackageFolder(file);
            if (!sandbox.Sees(folder, grant) && !folders.Contains(folder))
            {
                folders.Add(folder);
            }

            file = new FileInfo(file).ResolveLinkTarget(returnFinalTarget: false)?.FullName;
        }

        return folders;
    }

    /// <summary>A program of a Node package needs its neighbours: everything in the outermost <c>node_modules</c>.</summary>
    private static string PackageFolder(string file)
    {
        const string modules = "/node_modules/";
        var start = file.IndexOf(modules, StringComparison.Ordinal);
        if (start >= 0)
        {
            return file[..(start + modules.Length - 1)];
        }

        // A program lying in somebody's home or in a shared temp folder must not open all of that to itself.
        var folder = Path.GetDirectoryName(file)!;
        return folder is "/" or "/root" or "/tmp" or "/var/tmp" || Path.GetDirectoryName(folder) == "/home" ? file : folder;
    }
}
