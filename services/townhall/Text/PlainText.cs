using System.Text;

namespace Townhall.Api.Text;

/// <summary>What may stand in a caller's text: bounded, storable, without control characters that would lie on a terminal.</summary>
internal static class PlainText
{
    /// <returns>What is wrong with <paramref name="text"/>, in words that name <paramref name="field"/>; null when nothing is.</returns>
    public static string? Fault(string field, string? text, int bytesMost, bool lines)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            return $"{field} must not be empty.";
        }

        for (var i = 0; i < text.Length; i++)
        {
            var at = text[i];
            if (char.IsControl(at) && !(lines && at is '\n' or '\r' or '\t'))
            {
                return $"{field} has a control character (U+{(int)at:X4}) at position {i}.";
            }

            if (char.IsSurrogate(at) && (!char.IsHighSurrogate(at) || i + 1 == text.Length || !char.IsLowSurrogate(text[++i])))
            {
                return $"{field} has half of a surrogate pair at position {i}.";
            }
        }

        return Encoding.UTF8.GetByteCount(text) > bytesMost ? $"{field} is longer than {bytesMost} bytes of UTF-8." : null;
    }
}
