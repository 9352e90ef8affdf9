using System.CommandLine;
using System.CommandLine.Parsing;
using Townhall.Cli.Invoking;
using Townhall.Client;

namespace Townhall.Cli.Completion;

/// <summary>What may stand where the cursor is.</summary>
internal sealed record Suggestions(IReadOnlyList<string> Words);

/// <summary>
/// <c>tt complete</c>, asked by shells: commands and options from the command tree, agents, tasks and keys from the town. A town that does
/// not answer at once completes nothing; typing must not wait.
/// </summary>
internal static class SuggestCommand
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private const int TasksShown = 50;

    private static readonly Argument<string[]> Typed = new("WORDS") { Arity = ArgumentArity.ZeroOrMore };

    public static Command Create(GlobalOptions globals)
    {
        var command = globals.Answer(
            "complete", "What may stand behind the words of a command line, one a line", [], [Typed],
            static (invocation, cancellationToken) => AskAsync(invocation, invocation.Value(Typed), cancellationToken),
            static (invocation, found) =>
            {
                foreach (var word in found.Words)
                {
                    invocation.Screen.Line(word);
                }
            });
        command.Hidden = true;
        return command;
    }

    /// <param name="words">As typed behind <c>tt</c>; the last one is being completed, and empty when it has not begun.</param>
    private static async Task<Suggestions> AskAsync(Invocation invocation, string[] words, CancellationToken cancellationToken)
    {
        var globals = new GlobalOptions(invocation.World);
        var root = CommandTree.Build(globals);
        var (before, word) = words is [.. var some, var last] ? (some, last) : ([], "");
        var parsed = root.Parse(before);
        var command = parsed.CommandResult;

        // A town that is named on the line is the one whose names are meant; else the one of this command itself.
        using var other = TownOf(invocation, globals, parsed);
        var town = other ?? invocation.Town;
        var open = OpenOption(parsed, before);
        var given = command.Children.OfType<ArgumentResult>().Sum(static argument => argument.Tokens.Count);
        IEnumerable<string> found;
        if (parsed.UnmatchedTokens.Count > 0)
        {
            found = [];     // behind what nobody understands nothing can be known
        }
        else if (open is not null)
        {
            found = await ValuesAsync(town, invocation.Clock, open.HelpName ?? "", open.GetCompletions, cancellationToken);
        }
        else if (word.StartsWith('-'))
        {
            found = OptionsOf(command);
        }
        else
        {
            var argument = command.Command.Arguments.Skip(given).FirstOrDefault()
                ?? command.Command.Arguments.LastOrDefault(static argument => argument.Arity.MaximumNumberOfValues > 1);
            var values = argument is null ? [] : await ValuesAsync(town, invocation.Clock, argument.Name, argument.GetCompletions, cancellationToken);
            var below = given == 0 ? command.Command.Subcommands.Where(static command => !command.Hidden).Select(static command => command.Name) : [];
            found = [.. below, .. values];
        }

        return new Suggestions([.. found.Where(each => each.StartsWith(word, StringComparison.OrdinalIgnoreCase)).Distinct(StringComparer.Ordinal)]);
    }

    /// <returns>Null where the line names none that could be asked.</returns>
    private static TownClient? TownOf(Invocation invocation, GlobalOptions globals, ParseResult parsed)
    {
        var (url, key) = (Said(globals.Url), Said(globals.ApiKey));
        if (url is null && key is null)
        {
            return null;
        }

        try
        {
            return Invocation.Connect(
                invocation.World, url is null ? invocation.Address : Invocation.AddressOf(url, invocation.World),
                key ?? invocation.World.Environment(GlobalOptions.KeyVariable));
        }
        catch (CommandFailure)
        {
            return null;    // half typed
        }

        string? Said(Option<string?> option) => parsed.GetResult(option) is { Tokens: [{ Value: var value }] } ? value : null;
    }

    /// <summary>The option whose value comes next.</summary>
    private static Option? OpenOption(ParseResult parsed, string[] before) => before is [.., var last] && last.StartsWith('-')
        ? Reachable(parsed.CommandResult).FirstOrDefault(option =>
            (option.Name == last || option.Aliases.Contains(last)) && option.Arity.MinimumNumberOfValues > 0)
        : null;

    private static IEnumerable<string> OptionsOf(CommandResult command) =>
        Reachable(command).Where(static option => !option.Hidden && option.Name.StartsWith("--", StringComparison.Ordinal)).Select(static option => option.Name);

    private static IEnumerable<Option> Reachable(CommandResult command)
    {
        for (SymbolResult? at = command; at is not null; at = at.Parent)
        {
            if (at is CommandResult { Command: var level })
            {
                foreach (var option in level.Options.Where(option => at == command || option.Recursive))
                {
                    yield return option;
                }
            }
        }
    }

    private static async Task<IEnumerable<string>> ValuesAsync(
        TownClient town, TimeProvider clock, string kind, Func<System.CommandLine.Completions.CompletionContext, IEnumerable<System.CommandLine.Completions.CompletionItem>> known,
        CancellationToken cancellationToken)
    {
        if (kind is not (Words.Agent or Words.Task or Words.Key))
        {
            return known(System.CommandLine.Completions.CompletionContext.Empty).Select(static item => item.InsertText ?? item.Label);
        }

        using var patience = new CancellationTokenSource(Patience, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        try
        {
            return kind switch
            {
                Words.Agent => (await town.AgentPageAsync(1000, null, either.Token)).Agents.Select(static agent => agent.Name),
                Words.Key => await town.KeysAsync(either.Token).Where(static key => key.State == "active").Select(static key => key.Name)
                    .ToListAsync(either.Token),
                _ => (await town.TaskPageAsync(new TaskQuery { Limit = TasksShown }, either.Token)).Tasks.Select(static task => task.TaskId.ToString()),
            };
        }
        catch (TownException)
        {
            return [];
        }
        catch (OperationCanceledException) when (patience.IsCancellationRequested)
        {
            return [];
        }
    }
}
