using System.Globalization;
using Townhall.Testing;

namespace Townhall.Faults;

/// <summary>A file system of a few megabytes that can be filled; needs root, as mounting does.</summary>
public sealed class SmallDisk : IAsyncDisposable
{
    private SmallDisk(string folder) => Folder = folder;

    public string Folder { get; }

    private string Filler => Path.Combine(Folder, "filler");

    /// <param name="owner">Whose folder it is to be; null leaves it to this process.</param>
    /// <exception cref="MissingProgramException">This process may not mount.</exception>
    public static async Task<SmallDisk> MountAsync(int megabytes, CancellationToken deadline, string? owner = null)
    {
        var folder = Directory.CreateTempSubdirectory("townhall-disk-").FullName;
        var size = $"size={megabytes.ToString(CultureInfo.InvariantCulture)}m,mode=0777";
        await using var mount = await KeptProcess.StartAsync(
            "mount", Programs.Find("mount", "mount"), ["-t", "tmpfs", "-o", size, "townhall-faults", folder], new Dictionary<string, string>());
        if (await mount.ExitAsync(deadline) != 0)
        {
            throw new MissingProgramException($"A full disk needs the right to mount one: {mount.Log}");
        }

        if (owner is not null)
        {
            await using var chown = await KeptProcess.StartAsync(
                "chown", Programs.Find("chown", "coreutils"), [owner, folder], new Dictionary<string, string>());
            await chown.ExitAsync(deadline);
        }

        return new SmallDisk(folder);
    }

    /// <summary>Writes until there is no room.</summary>
    public void Fill()
    {
        using var filler = File.Create(Filler);
        var block = new byte[4096];
        try
        {
            while (true)
            {
                filler.Write(block);
                filler.Flush();
            }
        }
        catch (IOException)
        {
            // Full, as it should be.
        }
    }

    public void Free() => File.Delete(Filler);

    public async ValueTask DisposeAsync()
    {
        await using var unmount = await KeptProcess.StartAsync(
            "umount", Programs.Find("umount", "mount"), ["--lazy", Folder], new Dictionary<string, string>());
        await unmount.ExitAsync(Deadline.Usual());
        Directory.Delete(Folder);
    }
}
