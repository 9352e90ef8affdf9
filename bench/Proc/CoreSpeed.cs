using System.Security.Cryptography;

namespace Townhall.Bench.Proc;

/// <summary>How fast one core is at this moment, by work that never changes: figures of different hours are compared beside it.</summary>
/// <remarks>A virtual machine's cores are shared with strangers that no process list shows.</remarks>
internal static class CoreSpeed
{
    private static readonly TimeSpan Length = TimeSpan.FromMilliseconds(300);

    /// <returns>Bytes hashed by one thread, in MB a second.</returns>
    public static Figure Measure(TimeProvider clock)
    {
        var block = new byte[64 * 1024];
        var hash = new byte[SHA256.HashSizeInBytes];
        var blocks = 0;
        var startedAt = clock.GetTimestamp();
        while (clock.GetElapsedTime(startedAt) < Length)
        {
            SHA256.HashData(block, hash);
            blocks++;
        }

        return new Figure("one core, SHA-256", blocks * (double)block.Length / 1_000_000 / clock.GetElapsedTime(startedAt).TotalSeconds, "MB/s");
    }
}
