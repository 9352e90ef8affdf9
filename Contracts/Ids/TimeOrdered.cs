using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Townhall.Contracts.Ids;

/// <summary>UUIDv7 that rises strictly within a process: work given one after the other also sorts so, within one millisecond too.</summary>
/// <remarks>RFC 9562, section 6.2, method 1: the 12 bits behind the milliseconds count. When they are used up, or the clock
/// steps back, the ids run ahead of the clock instead of going back.</remarks>
internal static class TimeOrdered
{
    private const int CounterBits = 12;
    private static long s_last;

    public static Guid Next()
    {
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() << CounterBits;
        long last, next;
        do
        {
            last = Volatile.Read(ref s_last);
            next = Math.Max(now, last + 1);
        }
        while (Interlocked.CompareExchange(ref s_last, next, last) != last);

        Span<byte> bytes = stackalloc byte[16];
        RandomNumberGenerator.Fill(bytes[8..]);
        BinaryPrimitives.WriteInt64BigEndian(bytes, next >> CounterBits << 16);
        BinaryPrimitives.WriteInt16BigEndian(bytes[6..], (short)(0x7000 | (int)(next & ((1 << CounterBits) - 1))));
        bytes[8] = (byte)(0x80 | (bytes[8] & 0x3F));
        return new Guid(bytes, bigEndian: true);
    }
}
