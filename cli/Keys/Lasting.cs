using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Townhall.Cli.Keys;

/// <summary>Lengths of time as people type them: <c>90d</c>, <c>12h</c>, <c>30m</c>, <c>45s</c>, and a bare number for seconds.</summary>
internal static class Lasting
{
    public static Option<TimeSpan?> Option(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "TIME",
        CustomParser = result => Read(result.Tokens[0].Value) is { } time ? time : Refuse(result, name),
    };

    /// <returns>Null for what is no length of time, or one of more than a century.</returns>
    internal static TimeSpan? Read(string text)
    {
        var (digits, unit) = text.Length == 0 ? ("", 0L) : text[^1] switch
        {
            'd' => (text[..^1], 86_400L),
            'h' => (text[..^1], 3600L),
            'm' => (text[..^1], 60L),
            's' => (text[..^1], 1L),
            _ => (text, 1L),
        };
        const long centurySecs = 36_525L * 86_400;
        return long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= centurySecs / unit
            ? TimeSpan.FromSeconds(number * unit)
            : null;
    }

    private static TimeSpan? Refuse(ArgumentResult result, string name)
    {
        result.AddError($"{name} must be a length of time such as 90d, 12h, 30m or 45s.");
        return null;
    }
}
