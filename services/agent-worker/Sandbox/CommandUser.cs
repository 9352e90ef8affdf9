using System.Globalization;
using Townhall.Worker.Processes;

namespace Townhall.Worker.Sandbox;

/// <summary>Who commands run as when the worker itself is root.</summary>
internal sealed record CommandUser(uint Uid, uint Gid, string Name)
{
    /// <summary>Finds a user by name, or takes <c>uid:gid</c> as it is.</summary>
    /// <returns>Null when the user is unknown, or is root.</returns>
    public static CommandUser? Find(string name)
    {
        if (name.Split(':') is [var uid, var gid] && Number(uid) is { } u && Number(gid) is { } g)
        {
            return u == 0 ? null : new CommandUser(u, g, name);
        }

        foreach (var line in File.ReadLines("/etc/passwd"))
        {
            if (line.Split(':') is [var login, _, var id, var group, ..] && login == name && Number(id) is > 0 and { } user && Number(group) is { } main)
            {
                return new CommandUser(user, main, name);
            }
        }

        return null;
    }

    /// <summary>Whether the user may enter every folder above a path and execute what is there, by permission bits.</summary>
    /// <remarks>More cautious than the kernel: group memberships and access lists could only add rights.</remarks>
    public bool MayExecute(string path)
    {
        for (var current = path; current is not null; current = Path.GetDirectoryName(current))
        {
            if (Libc.Facts(0, current, follow: true) is not { } facts || !facts.MayExecute(Uid, Gid))
            {
                return false;
            }
        }

        return true;
    }

    private static uint? Number(string text) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
}
