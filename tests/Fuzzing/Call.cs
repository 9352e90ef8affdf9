using System.Globalization;
using System.Text;
using Townhall.Testing;

namespace Townhall.Fuzzing;

/// <summary>One request before it is sent.</summary>
/// <param name="Index">With the run's seed it makes the same request again, as far as the town's ids allow.</param>
/// <param name="Target">Path and query as they go on the wire.</param>
/// <param name="How">What was done to a valid request; empty for a valid one.</param>
/// <param name="Breaks">The body is outside the described schema on purpose: it must be refused.</param>
public sealed record Call(
    int Index, ApiOperation Operation, string Method, string Target, IReadOnlyList<(string Name, string Value)> Headers, byte[]? Body, string How = "",
    bool Breaks = false)
{
    /// <summary>Streams that stay open by design are read for a moment only.</summary>
    public bool Streams => Operation.Id == "followEvents" || Target.Contains("follow=", StringComparison.Ordinal);

    /// <summary>The same request for a terminal.</summary>
    public string Curl(Uri address)
    {
        var text = new StringBuilder($"curl -sS --path-as-is -X {Method} {Quoted(address.ToString().TrimEnd('/') + Target)}");
        foreach (var (name, value) in Headers)
        {
            text.Append(CultureInfo.InvariantCulture, $" -H {Quoted($"{name}: {value}")}");
        }

        if (Body is { } body)
        {
            text.Append(" --data-binary ").Append(body.Length > 4000 ? $"@<({body.Length} bytes, made by seed and index)" : Quoted(body));
        }

        return text.ToString();
    }

    private static string Quoted(string text) => Quoted(Encoding.UTF8.GetBytes(text));

    private static string Quoted(byte[] bytes) =>
        bytes.All(static one => one is >= 0x20 and < 0x7f and not (byte)'\'' and not (byte)'\\')
            ? $"'{Encoding.ASCII.GetString(bytes)}'"
            : $"$'{string.Concat(bytes.Select(static one => one is >= 0x20 and < 0x7f and not (byte)'\'' and not (byte)'\\' ? ((char)one).ToString() : $"\\x{one:x2}"))}'";
}
