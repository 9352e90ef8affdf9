namespace Townhall.Api;

/// <summary>Ids in paths, queries and references, said bare or with what they name before them, as <c>task:01890a5d-ac96-774b-bcce-b302099a8057</c>.
/// Answers have the bare form.</summary>
internal static class TaggedIds
{
    public const string Agent = "agent";
    public const string Bulk = "bulk";
    public const string Message = "message";
    public const string Task = "task";

    /// <returns>False where it is no UUID of 36 characters, or names something else.</returns>
    public static bool TryRead(string text, string tag, out Guid id) => Guid.TryParseExact(Bare(text, tag), "D", out id);

    /// <summary>The text without the tag; as it is where it has none.</summary>
    public static string Bare(string text, string tag) =>
        text.Length > tag.Length && text[tag.Length] == ':' && text.StartsWith(tag, StringComparison.Ordinal) ? text[(tag.Length + 1)..] : text;
}
