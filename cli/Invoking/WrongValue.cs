using System.Text.RegularExpressions;

namespace Townhall.Cli.Invoking;

/// <summary>What the reader of command lines says of a value that it cannot read, in words that name no type of this program.</summary>
internal static partial class WrongValue
{
    public static string Words(string message) => Unread().Match(message) is { Success: true } unread
        ? $"'{unread.Groups["value"].Value}' is not {Wanted(unread.Groups["type"].Value)}{Where(unread)}."
        : message;

    private static string Where(Match unread) => unread.Groups["kind"].Value == "option" ? $", as {unread.Groups["name"].Value} wants it" : "";

    private static string Wanted(string type) =>
        type.Contains("Guid", StringComparison.Ordinal) ? "an id such as 01890a5d-ac96-774b-bcce-b302099a8057"
        : type.Contains("DateTimeOffset", StringComparison.Ordinal) ? "an instant such as 2026-01-02T03:04Z"
        : type.Contains("Int", StringComparison.Ordinal) ? "a whole number"
        : type.Contains("Double", StringComparison.Ordinal) ? "a number"
        : "a value that can be read";

    [GeneratedRegex("^Cannot parse argument '(?<value>.*)' for (?<kind>command|option) '(?<name>[^']*)' as expected type '(?<type>[^']*)'\\.", RegexOptions.Singleline)]
    private static partial Regex Unread();
}
