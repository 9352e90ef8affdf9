using System.Text.Json;
using Microsoft.Win32.SafeHandles;
using Townhall.Worker.Processes;
using Townhall.Worker.Sandbox;

namespace Townhall.Worker.Runtimes.Command;

/// <summary>Reads and writes the files that worker and command share. The command can put anything there, so nothing is trusted.</summary>
internal static class ExchangeFiles
{
    /// <summary>Reads a result file, if there is one that deserves the name.</summary>
    /// <param name="most">Most bytes taken; a file may claim to be larger than the disk.</param>
    /// <returns>The first bytes and the file's size; null when there is no ordinary, non-empty file.</returns>
    public static (byte[] Bytes, long Total)? ReadResult(string path, int most)
    {
        // No link is followed and no FIFO waited for: a command could name any file of this host, which we may read and it may not.
        var fd = Libc.Open(path, Libc.ReadOnly | Libc.NoFollow | Libc.NonBlocking | Libc.CloseOnExec);
        if (fd < 0)
        {
            return null;
        }

        using var file = new SafeFileHandle(fd, ownsHandle: true);

        // A second name could have been made for a file that belongs to somebody else.
        if (Libc.Facts(fd, "", follow: true) is not { IsRegular: true, Links: 1 })
        {
            return null;
        }

        var size = RandomAccess.GetLength(file);
        var bytes = new byte[Math.Min(size, most)];
        var length = 0;
        while (length < bytes.Length && RandomAccess.Read(file, bytes.AsSpan(length), length) is > 0 and var read)
        {
            length += read;
        }

        return length == 0 ? null : (bytes[..length], size);
    }

    /// <summary>Appends a note for a running command: one line of JSON, <c>{"id", "at", "text"}</c>.</summary>
    /// <returns>False when the command has replaced the file by something that is not one, or the disk is full.</returns>
    public static bool AppendNote(AttemptFolders folders, long id, DateTime? at, string text)
    {
        const int writeOnly = 1, append = 0x400;
        var fd = Libc.Open(folders.Steer, writeOnly | append | Libc.NoFollow | Libc.NonBlocking | Libc.CloseOnExec);
        if (fd < 0)
        {
            return false;
        }

        using var file = new SafeFileHandle(fd, ownsHandle: true);
        if (Libc.Facts(fd, "", follow: true) is not { IsRegular: true, Links: 1 })
        {
            return false;
        }

        using var line = new MemoryStream();
        using (var json = new Utf8JsonWriter(line))
        {
            json.WriteStartObject();
            json.WriteNumber("id", id);
            if (at is { } said)
            {
                json.WriteString("at", said);
            }

            json.WriteString("text", text);
            json.WriteEndObject();
        }

        line.WriteByte((byte)'\n');
        try
        {
            RandomAccess.Write(file, line.GetBuffer().AsSpan(0, (int)line.Length), RandomAccess.GetLength(file));
            return true;
        }
        catch (IOException)
        {
            // No room: the note is for the next attempt.
            return false;
        }
    }
}
