using Townhall.Settings;

namespace Townhall.Docs.Tests;

/// <summary>docs/configuration.md tells every key of the settings file, and no other.</summary>
public sealed class SettingsFileTests
{
    [Fact]
    public void Every_key_of_the_file_is_told_with_its_setting_and_when_it_takes_effect()
    {
        var told = Repository.Rows("docs/configuration.md").Where(static row => row.Length == 5 && row[3] is "within seconds" or "at the next start" or "never")
            .Select(static row => (row[0].Trim('`'), row[2].Trim('`'), row[3])).ToHashSet();
        var known = FileKey.All.Select(static key => (key.Name, key.Setting ?? "", key.Effect switch
        {
            TakesEffect.AtOnce => "within seconds",
            TakesEffect.AtStart => "at the next start",
            _ => "never",
        })).ToHashSet();
        Assert.Empty(known.Except(told));
        Assert.Empty(told.Except(known));
    }

    [Fact]
    public void Something_reads_the_setting_of_every_key()
    {
        var sources = Repository.Files("").Where(static path => path.EndsWith(".cs", StringComparison.Ordinal)
            && !path.StartsWith("tests/", StringComparison.Ordinal) && !path.StartsWith("bench/", StringComparison.Ordinal)
            && !path.EndsWith("/FileKey.cs", StringComparison.Ordinal)).Select(Repository.Read).ToArray();
        Assert.All(FileKey.All.Select(static key => key.Setting).OfType<string>(), setting =>
            Assert.Contains(sources, source => source.Contains($"\"{setting}\"", StringComparison.Ordinal)));
    }
}
