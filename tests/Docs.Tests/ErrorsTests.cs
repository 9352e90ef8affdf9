using System.Reflection;
using System.Text.RegularExpressions;
using Townhall.Contracts.Tasks;

namespace Townhall.Docs.Tests;

/// <summary>docs/errors.md and the sources know the same problem codes with the same statuses, and the same failure codes.</summary>
public sealed partial class ErrorsTests
{
    private const string Page = "docs/errors.md";

    [Fact]
    public void Every_problem_code_of_the_sources_is_told_with_its_status_and_no_other()
    {
        var thrown = Repository.Files("services").Concat(Repository.Files("ServiceDefaults"))
            .Where(static path => path.EndsWith(".cs", StringComparison.Ordinal))
            .Select(Repository.Read)
            .Where(static text => text.Contains("Refusal", StringComparison.Ordinal))
            .SelectMany(static text => Refusal().Matches(text))
            .SelectMany(static match => match.Groups["code"].Captures.Select(code => (Code: code.Value, Status: match.Groups["status"].Value)))
            .ToList();
        Assert.True(thrown.Count > 25, "The pattern no longer finds the refusals.");
        var told = Told("code");
        Assert.Equal(thrown.Select(static one => one.Code).Distinct().Order(StringComparer.Ordinal), told.Keys.Order(StringComparer.Ordinal));
        var wrong = thrown.Where(one => one.Status.All(char.IsAsciiDigit) && !told[one.Code].Contains(one.Status, StringComparison.Ordinal));
        Assert.Empty(wrong);
    }

    [Fact]
    public void Every_failure_code_of_a_task_is_told_and_no_other()
    {
        var codes = typeof(FailureCodes).GetFields(BindingFlags.Public | BindingFlags.Static).Select(static field => (string)field.GetRawConstantValue()!);
        Assert.Equal(codes.Order(StringComparer.Ordinal), Told("failure_code").Keys.Order(StringComparer.Ordinal));
    }

    /// <summary>First column to second column of the table whose first heading is this.</summary>
    private static Dictionary<string, string> Told(string heading) => Repository.Rows(Page)
        .SkipWhile(row => row[0] != $"`{heading}`").Skip(2)
        .TakeWhile(static row => row[0] is not ("`code`" or "`failure_code`"))
        .ToDictionary(static row => row[0].Trim('`'), static row => row[1]);

    // new(404, "code", … and new Refusal(status, wrong ? "one" : "other", …; also over the end of a line.
    [GeneratedRegex("""new(?:\s+Refusal)?\s*\(\s*(?<status>[\w.]+)\s*,\s*(?:[^,"()]*\?\s*)?"(?<code>[a-z_]+)"(?:\s*:\s*"(?<code>[a-z_]+)")?\s*,""")]
    private static partial Regex Refusal();
}
