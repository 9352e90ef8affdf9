using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Townhall.Api;

/// <summary>Where a page of a list ended.</summary>
/// <param name="Part">Which part of the list, where it has several; else 0.</param>
/// <param name="Rank">What comes before the id in the order, where something does; else 0.</param>
/// <param name="Last">The last id that was passed.</param>
internal readonly record struct Position(byte Part, long Rank, Guid Last)
{
    public static implicit operator Position(Guid last) => new(0, 0, last);
}

/// <summary>Opaque positions in lists. Each belongs to one list with one set of filters: it is refused by every other.</summary>
/// <remarks>A cursor is no secret and opens nothing; its check sum only tells mistakes from positions.</remarks>
internal static class Cursors
{
    private const int PositionBytes = 1 + sizeof(long) + 16;
    private const int SumBytes = 5;
    private const int Length = (PositionBytes + SumBytes) / 3 * 4;
    private const int TextBytesMost = 1024;

    /// <param name="list">Names the list and all that narrows or orders it.</param>
    public static string Write(string list, Position at)
    {
        Span<byte> bytes = stackalloc byte[PositionBytes + SumBytes];
        bytes[0] = at.Part;
        BinaryPrimitives.WriteInt64BigEndian(bytes[1..], at.Rank);
        at.Last.TryWriteBytes(bytes[(1 + sizeof(long))..], bigEndian: true, out _);
        Sum(list, bytes[..PositionBytes], bytes[PositionBytes..]);
        return Base64Url.EncodeToString(bytes);
    }

    /// <returns>False when the cursor was not made by <see cref="Write"/> for this list; no cursor is null, the beginning.</returns>
    public static bool TryRead(string list, string? cursor, out Position? after)
    {
        after = null;
        if (cursor is null)
        {
            return true;
        }

        Span<byte> bytes = stackalloc byte[PositionBytes + SumBytes];
        if (cursor.Length != Length || !Base64Url.IsValid(cursor, out var length) || length != bytes.Length)
        {
            return false;
        }

        Base64Url.DecodeFromChars(cursor, bytes);
        Span<byte> sum = stackalloc byte[SumBytes];
        Sum(list, bytes[..PositionBytes], sum);
        after = new(bytes[0], BinaryPrimitives.ReadInt64BigEndian(bytes[1..]), new Guid(bytes[(1 + sizeof(long))..PositionBytes], bigEndian: true));
        return sum.SequenceEqual(bytes[PositionBytes..]);
    }

    /// <summary>The same for a list in the order of texts.</summary>
    /// <param name="last">The last text that was passed, at most 1 KiB of UTF-8.</param>
    public static string WriteText(string list, string last)
    {
        var bytes = new byte[Encoding.UTF8.GetByteCount(last) + SumBytes];
        var length = Encoding.UTF8.GetBytes(last, bytes);
        Sum(list, bytes.AsSpan(0, length), bytes.AsSpan(length));
        return Base64Url.EncodeToString(bytes);
    }

    /// <returns>False when the cursor was not made by <see cref="WriteText"/> for this list; no cursor is "", before every text.</returns>
    public static bool TryReadText(string list, string? cursor, out string after)
    {
        after = "";
        if (cursor is null)
        {
            return true;
        }

        if (cursor.Length > TextBytesMost * 2 || !Base64Url.IsValid(cursor, out var length) || length is <= SumBytes or > TextBytesMost + SumBytes)
        {
            return false;
        }

        var bytes = Base64Url.DecodeFromChars(cursor);
        Span<byte> sum = stackalloc byte[SumBytes];
        Sum(list, bytes.AsSpan(..^SumBytes), sum);
        after = Encoding.UTF8.GetString(bytes.AsSpan(..^SumBytes));
        return sum.SequenceEqual(bytes.AsSpan(^SumBytes..));
    }

    private static void Sum(string list, ReadOnlySpan<byte> position, Span<byte> sum)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes(list));
        hash.AppendData([0]);
        hash.AppendData(position);
        Span<byte> whole = stackalloc byte[SHA256.HashSizeInBytes];
        hash.GetHashAndReset(whole);
        whole[..sum.Length].CopyTo(sum);
    }
}
