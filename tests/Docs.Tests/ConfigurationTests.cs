using System.Text.RegularExpressions;

namespace Townhall.Docs.Tests;

/// <summary>docs/configuration.md and the sources name the same variables.</summary>
public sealed partial class ConfigurationTests
{
    private const string Page = "docs/configuration.md";

    [Fact]
    public void Every_variable_of_the_programs_is_in_the_table_and_no_other()
    {
        var read = Sources().SelectMany(static path => Names(Repository.Read(path))).ToHashSet();
        var told = Repository.Rows(Page).SelectMany(static row => Names(row[0])).ToHashSet();
        Assert.True(read.IsSubsetOf(told), $"{Page} lacks {string.Join(", ", read.Except(told).Order())}");
        Assert.True(told.IsSubsetOf(read), $"{Page} lists what no program names: {string.Join(", ", told.Except(read).Order())}");
    }

    [Theory]
    [InlineData("ConnectionStrings__town")]
    [InlineData("ConnectionStrings__town-sequencer")]
    [InlineData("ConnectionStrings__town-admin")]
    [InlineData("ConnectionStrings__redis")]
    [InlineData("services__dispatcher__http__0")]
    [InlineData("services__townhall__http__0")]
    [InlineData("services__scaler__http__0")]
    [InlineData("services__notifier__http__0")]
    [InlineData("OTEL_EXPORTER_OTLP_ENDPOINT")]
    [InlineData("TOWNHALL_URL")]
    public void What_other_systems_named_is_in_the_table_too(string variable) =>
        Assert.Contains(Repository.Rows(Page), row => row[0].Contains($"`{variable}`", StringComparison.Ordinal));

    /// <summary>Programs and scripts; not what only tests and benches set.</summary>
    private static IEnumerable<string> Sources() => Repository.Files("").Where(static path =>
        !path.StartsWith("tests/", StringComparison.Ordinal) && !path.StartsWith("bench/", StringComparison.Ordinal)
        && (path.EndsWith(".cs", StringComparison.Ordinal) || path.EndsWith(".sh", StringComparison.Ordinal)
            || path is "run" or "test" || path.EndsWith("/run", StringComparison.Ordinal)));

    // A name that ends with _ is a family in the code, not a variable.
    private static IEnumerable<string> Names(string text) =>
        Variable().Matches(text).Select(static name => name.Value).Where(static name => !name.EndsWith('_'));

    [GeneratedRegex("(?<![A-Z_])TOWN_[A-Z_]+")]
    private static partial Regex Variable();
}
