using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Townhall.Ledger.Checkpoints;

/// <summary>A signed statement that a town's chain stood at an entry: whoever keeps one can tell a chain that was cut or rewritten.</summary>
/// <param name="Town">Whose chain.</param>
/// <param name="Seq">Its size; 0 for an empty one.</param>
/// <param name="Hash">Hash of the entry at <paramref name="Seq"/>.</param>
/// <param name="At">When it was made: database clock, microseconds, UTC.</param>
/// <param name="KeyId">SHA-256 of the public key, lower-case hex.</param>
/// <param name="Signature">ECDSA P-256 over the SHA-256 of <see cref="SignedBytes"/>, 64 bytes: r and s.</param>
public sealed record Checkpoint(string Town, long Seq, byte[] Hash, DateTime At, string KeyId, byte[] Signature)
{
    private const string Format = "yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'";

    /// <summary>Longest line of <see cref="ToLine"/>, bytes, with room.</summary>
    internal const int LineBytesMost = 1024;

    /// <summary>What sets these bytes apart from anything else a key could sign.</summary>
    private static readonly byte[] Purpose = "townhall ledger checkpoint"u8.ToArray();

    /// <summary>The canonical bytes: version 1, then each field behind its length (4 bytes, big-endian), as docs/ledger.md says.</summary>
    public byte[] SignedBytes()
    {
        var bytes = new List<byte>(256) { 1 };
        Field(bytes, Purpose);
        Field(bytes, Encoding.UTF8.GetBytes(Town));
        Field(bytes, Number(Seq));
        Field(bytes, Hash);
        Field(bytes, Number((At.Ticks - DateTime.UnixEpoch.Ticks) / TimeSpan.TicksPerMicrosecond));
        Field(bytes, Encoding.UTF8.GetBytes(KeyId));
        return [.. bytes];
    }

    /// <summary>Whether <paramref name="hash"/> is the one remembered.</summary>
    public bool Remembers(ReadOnlySpan<byte> hash) => hash.SequenceEqual(Hash);

    /// <summary>One line of JSON, without its end.</summary>
    public string ToLine()
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("town", Town);
            json.WriteNumber("seq", Seq);
            json.WriteString("hash", Convert.ToHexStringLower(Hash));
            json.WriteString("at", At.ToString(Format, CultureInfo.InvariantCulture));
            json.WriteString("key_id", KeyId);
            json.WriteString("signature", Convert.ToBase64String(Signature));
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.ToArray());
    }

    /// <summary>Reads what <see cref="ToLine"/> wrote; null when it is anything else.</summary>
    public static Checkpoint? Parse(string line)
    {
        try
        {
            using var document = JsonDocument.Parse(line, new JsonDocumentOptions { MaxDepth = 4 });
            var root = document.RootElement;
            return new(
                root.GetProperty("town").GetString()!, root.GetProperty("seq").GetInt64(),
                Convert.FromHexString(root.GetProperty("hash").GetString()!), root.GetProperty("at").GetDateTime().ToUniversalTime(),
                root.GetProperty("key_id").GetString()!, Convert.FromBase64String(root.GetProperty("signature").GetString()!));
        }
        catch (Exception other) when (other is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentNullException)
        {
            return null;
        }
    }

    private static void Field(List<byte> bytes, ReadOnlySpan<byte> value)
    {
        Span<byte> size = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(size, value.Length);
        bytes.AddRange(size);
        bytes.AddRange(value);
    }

    private static byte[] Number(long value)
    {
        var bytes = new byte[8];
        BinaryPrimitives.WriteInt64BigEndian(bytes, value);
        return bytes;
    }
}
