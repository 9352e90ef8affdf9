using System.Globalization;
using System.Text;
using Townhall.Worker.Processes;

namespace Townhall.Worker.Settings;

/// <summary>Where the worker key comes from: an inherited descriptor or a file, never a variable that children could inherit.</summary>
internal sealed record KeySource(int? Descriptor, string? File)
{
    // A key is about 80 characters; a descriptor that never ends must not fill the memory.
    private const int LongestKeyBytes = 4096;

    public static KeySource Read(SettingsReader reader)
    {
        var descriptor = reader.Text("TOWN_WORKER_KEY_FD");
        var file = reader.AbsolutePath("TOWN_WORKER_KEY_FILE");
        if (descriptor is not null)
        {
            if (int.TryParse(descriptor, NumberStyles.None, CultureInfo.InvariantCulture, out var fd))
            {
                return new KeySource(fd, null);
            }

            reader.Mistake($"TOWN_WORKER_KEY_FD is '{descriptor}'; it must be the number of an open descriptor.");
        }
        else if (file is null)
        {
            reader.Mistake("Neither TOWN_WORKER_KEY_FD nor TOWN_WORKER_KEY_FILE is set; one must say where the worker key is read.");
        }
        else if (!System.IO.File.Exists(file))
        {
            reader.Mistake($"TOWN_WORKER_KEY_FILE is '{file}', which does not exist.");
        }

        return new KeySource(null, file);
    }

    /// <summary>Reads the key; a descriptor is read to its end and closed.</summary>
    /// <returns>The key, or null when there is nothing to read.</returns>
    public string? Take()
    {
        var key = (Descriptor is { } fd ? ReadAndClose(fd) : System.IO.File.ReadAllText(File!)).Trim();
        return key.Length > 0 ? key : null;
    }

    private static string ReadAndClose(int fd)
    {
        Span<byte> buffer = stackalloc byte[LongestKeyBytes];
        var length = 0;
        while (length < buffer.Length && Libc.Read(fd, buffer[length..]) is > 0 and var read)
        {
            length += read;
        }

        if (fd <= 2)
        {
            // A closed standard descriptor would be handed out again, and a socket as standard input is a trap.
            var nothing = Libc.Open("/dev/null", Libc.ReadOnly | Libc.CloseOnExec);
            _ = Libc.Dup2(nothing, fd);
            _ = Libc.Close(nothing);
        }
        else
        {
            _ = Libc.Close(fd);
        }

        var key = Encoding.UTF8.GetString(buffer[..length]);
        buffer.Clear();
        return key;
    }
}
