using System.Buffers.Binary;
using System.Buffers.Text;
using System.Globalization;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;

namespace Townhall.Contracts.Keys;

/// <summary>
/// A key as text: <c>thk_</c>, the key's id in 16 hexadecimal digits, <c>_</c>, 32 random bytes in 43 characters, and a
/// checksum in 6. The form lets scanners find lost keys, and lets a service refuse mistyped ones without asking anybody.
/// </summary>
public static class KeyFormat
{
    public const string Prefix = "thk_";
    public const int Length = SecretEnds + 6;
    public const int HashBytes = SHA256.HashSizeInBytes;

    private const int IdEnds = 20;
    private const int SecretEnds = IdEnds + 1 + 43;
    private const int CheckBytes = 4;

    /// <summary>A new key.</summary>
    /// <returns>The key itself, to be told once; its id; and what is kept of it.</returns>
    public static (string Key, string Id, byte[] Hash) Make()
    {
        var id = BinaryPrimitives.ReadUInt64BigEndian(RandomNumberGenerator.GetBytes(8));
        var body = $"{Prefix}{Name(id)}_{Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32))}";
        Span<byte> check = stackalloc byte[CheckBytes];
        BinaryPrimitives.WriteUInt32BigEndian(check, Checksum(body));
        var key = body + Base64Url.EncodeToString(check);
        return (key, Name(id), SHA256.HashData(Encoding.ASCII.GetBytes(key)));
    }

    /// <summary>Reads a key without allocating.</summary>
    /// <param name="hash">Gets its SHA-256; <see cref="HashBytes"/> long.</param>
    /// <returns>False for what is no key: another form, or a wrong checksum. Then nothing was hashed.</returns>
    public static bool TryRead(ReadOnlySpan<char> text, out ulong id, Span<byte> hash)
    {
        id = 0;
        Span<byte> check = stackalloc byte[CheckBytes];
        if (text.Length != Length || !text.StartsWith(Prefix, StringComparison.Ordinal) || text[IdEnds] != '_'
            || text[Prefix.Length..IdEnds].ContainsAnyExceptInRange('0', 'f') || text[Prefix.Length..IdEnds].ContainsAnyInRange('A', 'F')
            || !ulong.TryParse(text[Prefix.Length..IdEnds], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out id)
            || !Ascii.IsValid(text)
            || !Base64Url.IsValid(text[SecretEnds..], out var length) || length != CheckBytes
            || Base64Url.DecodeFromChars(text[SecretEnds..], check) != CheckBytes
            || BinaryPrimitives.ReadUInt32BigEndian(check) != Checksum(text[..SecretEnds]))
        {
            return false;
        }

        Span<byte> bytes = stackalloc byte[Length];
        Ascii.FromUtf16(text, bytes, out _);
        SHA256.HashData(bytes, hash);
        return true;
    }

    /// <summary>A key's id as people see it.</summary>
    public static string Name(ulong id) => id.ToString("x16", CultureInfo.InvariantCulture);

    // CRC-32C: it finds slips of the pen, and keeps nobody out.
    private static uint Checksum(ReadOnlySpan<char> text)
    {
        var crc = uint.MaxValue;
        foreach (var one in text)
        {
            crc = BitOperations.Crc32C(crc, (byte)one);
        }

        return ~crc;
    }
}
