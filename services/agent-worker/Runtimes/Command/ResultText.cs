using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Townhall.Worker.Runtimes.Command;

/// <summary>What a task keeps of a result, made from bytes that a program wrote: always valid text, always bounded.</summary>
/// <param name="Inline">The text itself, or its beginning.</param>
/// <param name="Whole">The bytes that go into a blob because the text is longer than what is kept inline.</param>
/// <param name="Bytes">Bytes that the program wrote.</param>
internal sealed record ResultText(string Inline, byte[]? Whole, long Bytes)
{
    private static readonly UTF8Encoding Replacing = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: false);

    public string? Sha256 => Whole is null ? null : Convert.ToHexStringLower(SHA256.HashData(Whole));

    /// <param name="written">The first bytes of what was written.</param>
    /// <param name="total">How many there were in all.</param>
    /// <param name="inlineBytes">Longest text kept inline.</param>
    /// <param name="wholeBytes">Longest blob; what is longer is cut, and says so at its end.</param>
    public static ResultText From(ReadOnlySpan<byte> written, long total, int inlineBytes, int wholeBytes)
    {
        // Neither JSON nor a text column takes NUL; what is not UTF-8 becomes the replacement character while decoding.
        var text = Replacing.GetString(written).Replace('\0', '\ufffd');
        var bytes = Replacing.GetByteCount(text);
        if (total > written.Length || bytes > wholeBytes)
        {
            var mark = string.Create(CultureInfo.InvariantCulture, $"\n[cut: the whole was {total} bytes]\n");
            text = Cut(text, wholeBytes - mark.Length) + mark;
            bytes = Replacing.GetByteCount(text);
        }

        return bytes <= inlineBytes
            ? new ResultText(text, null, total)
            : new ResultText(Cut(text, inlineBytes), Replacing.GetBytes(text), total);
    }

    /// <summary>The longest beginning of a text that fits, never ending inside a character.</summary>
    public static string Cut(string text, int bytes)
    {
        if (Replacing.GetByteCount(text) <= bytes)
        {
            return text;
        }

        var (length, room) = (0, bytes);
        foreach (var rune in text.EnumerateRunes())
        {
            room -= rune.Utf8SequenceLength;
            if (room < 0)
            {
                break;
            }

            length += rune.Utf16SequenceLength;
        }

        return text[..length];
    }
}
