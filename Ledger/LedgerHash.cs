using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Townhall.Ledger;

/// <summary>The canonical bytes of an entry and their SHA-256.</summary>
/// <remarks>
/// Every field is preceded by its length (4 bytes, big-endian; −1 for null), so no text can pass from one field into the
/// next without changing the hash, and every field is covered. Numbers are 8 bytes big-endian, instants microseconds
/// since 1970, ids their 16 bytes in text order. docs/ledger.md shows an example to check other implementations against.
/// </remarks>
public static class LedgerHash
{
    /// <summary>What stands before the first entry.</summary>
    public static readonly byte[] Genesis = new byte[32];

    private const byte Version = 1;

    /// <summary>The hash of an entry whose <see cref="LedgerEntry.Hash"/> is ignored.</summary>
    public static byte[] Compute(LedgerEntry entry) => Compute(
        entry.Town, entry.Seq, entry.Id, entry.At, entry.Actor, entry.Action, entry.AgentId, entry.AgentName,
        entry.TaskId, entry.Outcome, entry.Detail, entry.PrevHash);

    internal static byte[] Compute(
        string town, long seq, long id, DateTime at, string actor, string action, Guid? agentId, string? agentName,
        Guid? taskId, string outcome, string detail, byte[] prevHash)
    {
        var most = 1 + (12 * 4) + (3 * 8) + (2 * 16) + 32
            + Encoding.UTF8.GetMaxByteCount(town.Length + actor.Length + action.Length + (agentName?.Length ?? 0) + outcome.Length)
            + Encoding.UTF8.GetMaxByteCount(detail.Length) + 64;
        var buffer = ArrayPool<byte>.Shared.Rent(most);
        try
        {
            var writer = new Writer(buffer);
            writer.Raw(Version);
            writer.Text(town);
            writer.Number(seq);
            writer.Number(id);
            writer.Number((at.Ticks - DateTime.UnixEpoch.Ticks) / TimeSpan.TicksPerMicrosecond);
            writer.Text(actor);
            writer.Text(action);
            writer.Id(agentId);
            writer.Text(agentName);
            writer.Id(taskId);
            writer.Text(outcome);
            writer.Text(detail);
            writer.Bytes(prevHash);
            return SHA256.HashData(buffer.AsSpan(0, writer.Length));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private ref struct Writer(Span<byte> buffer)
    {
        private readonly Span<byte> _buffer = buffer;

        public int Length { get; private set; }

        public void Raw(byte value) => _buffer[Length++] = value;

        public void Text(string? value)
        {
            if (value is null)
            {
                Size(-1);
                return;
            }

            var written = Encoding.UTF8.GetBytes(value, _buffer[(Length + 4)..]);
            Size(written);
            Length += written;
        }

        public void Number(long value)
        {
            Size(8);
            BinaryPrimitives.WriteInt64BigEndian(_buffer[Length..], value);
            Length += 8;
        }

        public void Id(Guid? value)
        {
            if (value is not { } id)
            {
                Size(-1);
                return;
            }

            Size(16);
            id.TryWriteBytes(_buffer[Length..], bigEndian: true, out _);
            Length += 16;
        }

        public void Bytes(ReadOnlySpan<byte> value)
        {
            Size(value.Length);
            value.CopyTo(_buffer[Length..]);
            Length += value.Length;
        }

        private void Size(int value)
        {
            BinaryPrimitives.WriteInt32BigEndian(_buffer[Length..], value);
            Length += 4;
        }
    }
}
