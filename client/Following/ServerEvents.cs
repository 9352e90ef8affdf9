using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using System.Text;

namespace Townhall.Client.Following;

/// <summary>One block of an event stream.</summary>
/// <param name="Id">Where a reader stands behind it; null when it did not say.</param>
/// <param name="Data">Null for a block that only moves the position or the pause.</param>
/// <param name="Retry">The pause the server asks for before the next connection.</param>
internal sealed record ServerEvent(string? Id, string Type, string? Data, TimeSpan? Retry);

/// <summary>Reads server-sent events (WHATWG HTML, 9.2) of one connection. A block counts when its empty line has come, not before.</summary>
internal static class ServerEvents
{
    /// <summary>A line that is longer is no event of a town.</summary>
    private const int LineBytesMost = 4 * 1024 * 1024;

    /// <summary>Until the connection ends.</summary>
    /// <param name="heard">Called at every sign of life, also for keep-alives.</param>
    /// <exception cref="IOException">The connection broke.</exception>
    /// <exception cref="InvalidDataException">What comes is no event stream.</exception>
    public static async IAsyncEnumerable<ServerEvent> ReadAsync(
        Stream body, Action heard, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var reader = PipeReader.Create(body, new StreamPipeReaderOptions(leaveOpen: true));
        var block = new Block();
        while (true)
        {
            var result = await reader.ReadAsync(cancellationToken);
            heard();
            var buffer = result.Buffer;
            while (TryLine(ref buffer, out var line))
            {
                if (block.Take(line) is { } complete)
                {
                    yield return complete;
                }
            }

            if (buffer.Length > LineBytesMost)
            {
                throw new InvalidDataException($"A line of the event stream is longer than {LineBytesMost} bytes.");
            }

            reader.AdvanceTo(buffer.Start, buffer.End);
            if (result.IsCompleted)
            {
                // What has no empty line behind it was cut off, and comes again on the next connection.
                yield break;
            }
        }
    }

    private static bool TryLine(ref ReadOnlySequence<byte> buffer, out string line)
    {
        if (buffer.PositionOf((byte)'\n') is not { } end)
        {
            line = "";
            return false;
        }

        line = Encoding.UTF8.GetString(buffer.Slice(0, end)).TrimEnd('\r');
        buffer = buffer.Slice(buffer.GetPosition(1, end));
        return true;
    }

    private sealed class Block
    {
        private readonly StringBuilder _data = new();
        private bool _hasData;
        private string? _id;
        private string _type = "message";
        private TimeSpan? _retry;

        /// <summary>The finished block when <paramref name="line"/> is the empty one behind it.</summary>
        public ServerEvent? Take(string line)
        {
            if (line.Length == 0)
            {
                var complete = _hasData || _id is not null || _retry is not null
                    ? new ServerEvent(_id, _type, _hasData ? _data.ToString() : null, _retry)
                    : null;
                _data.Clear();
                (_hasData, _id, _type, _retry) = (false, null, "message", null);
                return complete;
            }

            var colon = line.IndexOf(':', StringComparison.Ordinal);
            var (field, value) = colon < 0 ? (line, "") : (line[..colon], line[(colon + 1)..]);
            value = value.StartsWith(' ') ? value[1..] : value;
            switch (field)
            {
                case "data":
                    if (_hasData)
                    {
                        _data.Append('\n');
                    }

                    _data.Append(value);
                    _hasData = true;
                    break;
                case "id" when !value.Contains('\0', StringComparison.Ordinal):
                    _id = value;
                    break;
                case "event":
                    _type = value;
                    break;
                case "retry" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var milliseconds):
                    _retry = TimeSpan.FromMilliseconds(milliseconds);
                    break;
                default:
                    break;      // comments, and fields of later versions
            }

            return null;
        }
    }
}
