using System.CommandLine;
using Townhall.Cli.Invoking;
using Townhall.Cli.Tests.Harness;
using Townhall.Testing;

namespace Townhall.Cli.Tests.Docs;

/// <summary>docs/cli.md and the command tree name the same commands and options.</summary>
public sealed class CommandPageTests
{
    private static readonly string Page = File.ReadAllText(Path.Combine(Programs.Repository(), "docs", "cli.md"));

    [Fact]
    public void Every_command_and_every_option_stands_on_the_page()
    {
        var missing = Below(CommandTree.Build(new TestTerminal().World()))
            .SelectMany(static command => (IEnumerable<string>)[command.Name, .. command.Options.Where(static option => !option.Hidden).Select(static option => option.Name)])
            .Where(static word => word is not "--help")
            .Distinct(StringComparer.Ordinal)
            .Where(static word => !Page.Contains(word, StringComparison.Ordinal));
        Assert.Empty(missing);
    }

    [Fact]
    public void Every_command_without_a_place_stands_there_too() =>
        Assert.All(Replaced.All, static each => Assert.Contains($"`{each.Command}`", Page, StringComparison.Ordinal));

    private static IEnumerable<Command> Below(Command command) => command.Subcommands
        .Where(static below => !below.Hidden)
        .SelectMany(static below => (IEnumerable<Command>)[below, .. Below(below)]);
}
