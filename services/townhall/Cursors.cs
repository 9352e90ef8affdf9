using System.Buffers.Text;

namespace Townhall.Api;

/// <summary>Opaque positions in lists that are ordered by id.</summary>
internal static class Cursors
{
    private const int IdBytes = 16;

    public static string Write(Guid last) => Base64Url.EncodeToString(last.ToByteArray(bigEndian: true));

    /// <returns>False when the cursor was not made by <see cref="Write"/>; no cursor is the beginning.</returns>
    public static bool TryRead(string? cursor, out Guid after)
    {
        after = Guid.Empty;
        if (cursor is null)
        {
            return true;
        }

        Span<byte> bytes = stackalloc byte[IdBytes];
        if (cursor.Length > 24 || !Base64Url.IsValid(cursor, out var length) || length != IdBytes)
        {
            return false;
        }

        Base64Url.DecodeFromChars(cursor, bytes);
        after = new Guid(bytes, bigEndian: true);
        return true;
    }
}
