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

    public static Command Create(GlobalOptions globals, Func<RootCommand> tree)
    {
        var command = globals.Answer(
            "complete", "What may stand behind the words of a command line, one a line", [], [Typed],
            (invocation, cancellationToken) => AskAsync(invocation, tree(), invocation.Value(Typed), cancellationToken),
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
    private static async Task<Suggestions> AskAsync(Invocation invocation, RootCommand root, string[] words, CancellationToken cancellationToken)
    {
        var (before, word) = words is [.. var some, var last] ? (some, last) : ([], "");
        var parsed = root.Parse(before);
        var command = parsed.CommandResult;
        var open = OpenOption(parsed, before);
        var given = command.Children.OfType<ArgumentResult>().Sum(static argument => argument.Tokens.Count);
        IEnumerable<string> found;
        if (parsed.UnmatchedTokens.Count > 0)
        {
            found = [];     // behind what nobody understands nothing can be known
        }
        else if (open is not null)
        {
            found = await ValuesAsync(invocation, open.HelpName ?? "", open.GetCompletions, cancellationToken);
        }
        else if (word.StartsWith('-'))
        {
            found = OptionsOf(command);
        }
        else
        {
            var argument = command.Command.Arguments.Skip(given).FirstOrDefault()
                ?? command.Command.Arguments.LastOrDefault(static argument => argument.Arity.MaximumNumberOfValues > 1);
            var values = argument is null ? [] : await ValuesAsync(invocation, argument.Name, argument.GetCompletions, cancellationToken);
            var below = given == 0 ? command.Command.Subcommands.Where(static command => !command.Hidden).Select(static command => command.Name) : [];
            found = [.. below, .. values];
        }

        return new Suggestions([.. found.Where(each => each.StartsWith(word, StringComparison.OrdinalIgnoreCase)).Distinct(StringComparer.Ordinal)]);
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
        Invocation invocation, string kind, Func<System.CommandLine.Completions.CompletionContext, IEnumerable<System.CommandLine.Completions.CompletionItem>> known,
        CancellationToken cancellationToken)
    {
        if (kind is not (Words.Agent or Words.Task or Words.Key))
        {
            return known(System.CommandLine.Completions.CompletionContext.Empty).Select(static item => item.InsertText ?? item.Label);
        }

        using var patience = new CancellationTokenSource(Patience, invocation.Clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        try
        {
            return kind switch
            {
                Words.Agent => (await invocation.Town.AgentPageAsync(1000, null, either.Token)).Agents.Select(static agent => agent.Name),
                Words.Key => await invocation.Town.KeysAsync(either.Token).Where(static key => key.State == "active").Select(static key => key.Name)
                    .ToListAsync(either.Token),
                _ => (await invocation.Town.TaskPageAsync(new TaskQuery { Limit = TasksShown }, either.Token)).Tasks.Select(static task => task.TaskId.ToString()),
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
