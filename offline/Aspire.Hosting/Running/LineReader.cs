using System.Text;

namespace Aspire.Hosting.Running;

/// <summary>Cuts a child's output into lines, with a bound, so that a program that never ends its line costs no memory.</summary>
internal static class LineReader
{
    public const int LineBytesMax = 16 * 1024;

    public static async Task ReadAsync(Stream stream, Action<string> onLine)
    {
        var buffer = new byte[LineBytesMax];
        var filled = 0;
        try
        {
            while (await stream.ReadAsync(buffer.AsMemory(filled)) is > 0 and var count)
            {
                filled += count;
                var start = 0;
                while (buffer.AsSpan(start, filled - start).IndexOf((byte)'\n') is >= 0 and var length)
                {
                    Tell(buffer.AsSpan(start, length));
                    start += length + 1;
                }

                buffer.AsSpan(start, filled - start).CopyTo(buffer);
                filled -= start;
                if (filled == buffer.Length)
                {
                    Tell(buffer);
                    filled = 0;
                }
            }
        }
        catch (Exception error) when (error is IOException or ObjectDisposedException)
        {
            // The pipe broke: there is nothing more to read.
        }

        if (filled > 0)
        {
            Tell(buffer.AsSpan(0, filled));
        }

        void Tell(ReadOnlySpan<byte> line) => onLine(Encoding.UTF8.GetString(line.TrimEnd((byte)'\r')));
    }
}
