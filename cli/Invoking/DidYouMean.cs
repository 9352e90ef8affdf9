namespace Townhall.Cli.Invoking;

/// <summary>Finds what somebody probably meant to type.</summary>
internal static class DidYouMean
{
    private const int ShownMost = 3;

    /// <summary>The nearest words, nearest first; none when nothing is near.</summary>
    public static IReadOnlyList<string> Among(string typed, IEnumerable<string> known)
    {
        var most = Math.Max(1, typed.Length / 3);
        return
        [
            .. known.Distinct(StringComparer.OrdinalIgnoreCase)
                .Select(word => (Word: word, Distance: Distance(typed.ToUpperInvariant(), word.ToUpperInvariant(), most)))
                .Where(near => near.Distance <= most)
                .OrderBy(static near => near.Distance).ThenBy(static near => near.Word, StringComparer.Ordinal)
                .Take(ShownMost).Select(static near => near.Word),
        ];
    }

    /// <summary>As a question behind a sentence; empty when nothing is near.</summary>
    public static string Question(string typed, IEnumerable<string> known) =>
        Among(typed, known) is { Count: > 0 } near ? $" Did you mean {string.Join(" or ", near)}?" : "";

    /// <summary>Letters to insert, remove, change or swap with their neighbour (optimal string alignment).</summary>
    /// <returns>More than <paramref name="most"/> when it is more; how much more is not worked out.</returns>
    internal static int Distance(string one, string other, int most)
    {
        if (Math.Abs(one.Length - other.Length) > most)
        {
            return most + 1;
        }

        var rows = new int[one.Length + 1, other.Length + 1];
        for (var i = 0; i <= one.Length; i++)
        {
            rows[i, 0] = i;
        }

        for (var j = 0; j <= other.Length; j++)
        {
            rows[0, j] = j;
        }

        for (var i = 1; i <= one.Length; i++)
        {
            for (var j = 1; j <= other.Length; j++)
            {
                var change = rows[i - 1, j - 1] + (one[i - 1] == other[j - 1] ? 0 : 1);
                rows[i, j] = Math.Min(change, Math.Min(rows[i - 1, j], rows[i, j - 1]) + 1);
                if (i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1])
                {
                    rows[i, j] = Math.Min(rows[i, j], rows[i - 2, j - 2] + 1);
                }
            }
        }

        return rows[one.Length, other.Length];
    }
}
