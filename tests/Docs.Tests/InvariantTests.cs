using System.Globalization;
using System.Text.RegularExpressions;

namespace Townhall.Docs.Tests;

/// <summary>docs/invariants.md is honest about each promise.</summary>
public sealed partial class InvariantTests
{
    private const int Promises = 52;

    [Fact]
    public void Each_promise_stands_once_with_its_number_and_what_is_held_names_a_test()
    {
        var rows = Repository.Rows("docs/invariants.md").Where(static row => row[0].Length > 0 && row[0].All(char.IsAsciiDigit)).ToList();
        Assert.Equal(Enumerable.Range(1, Promises), rows.Select(static row => int.Parse(row[0], CultureInfo.InvariantCulture)));
        Assert.Empty(rows.Where(static row => row[2] is not ("held" or "partly" or "not yet built")).Select(static row => row[0]));
        Assert.Empty(rows.Where(static row => row[2] == "held" && !Name().IsMatch(row[3])).Select(static row => row[0]));
        Assert.Empty(rows.SelectMany(static row => Name().Matches(row[3]).Select(static name => name.Value.Trim('`'))).Distinct().Except(Tests()));
    }

    /// <summary>The names of all methods of tests.</summary>
    private static HashSet<string> Tests() => [.. Repository.Files("tests")
        .Where(static path => path.EndsWith("Tests.cs", StringComparison.Ordinal))
        .SelectMany(static path => Method().Matches(Repository.Read(path)).Select(static method => method.Groups[1].Value))];

    [GeneratedRegex(@"^    public (?:static )?(?:async )?(?:Task|void) (\w+)\(", RegexOptions.Multiline)]
    private static partial Regex Method();

    [GeneratedRegex("`[A-Z][a-z0-9]*(_[A-Za-z0-9]+){2,}`")]
    private static partial Regex Name();
}
