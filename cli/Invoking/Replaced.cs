using System.CommandLine;

namespace Townhall.Cli.Invoking;

/// <summary>Commands of an earlier tool that have no place here: each says in one line what does its work now, and ends with 2.</summary>
internal static class Replaced
{
    /// <summary>What was typed, and what to do instead.</summary>
    public static IReadOnlyList<(string Command, string Instead)> All { get; } =
    [
        ("bootstrap", "A town brings its own Redis and Postgres up: tt up."),
        ("init", "A town needs no making: tt up starts one, with settings from its file (tt config) and from TOWN_* variables (docs/configuration.md)."),
        ("start", "tt up starts a town, tt resume and tt restart start an agent."),
        ("stop", "tt down stops a town, tt close and tt kill stop an agent."),
        ("agent-loop", "Agents are no processes any more: workers start by themselves when there is work (tt scaling)."),
        ("save", "Everything is kept as it is accepted: there is nothing to save."),
        ("restore", "Everything is kept as it is accepted: tt up goes on where the town stopped."),
        ("reset", "What was accepted never vanishes. Withdraw tasks with tt bulk cancel, remove agents with tt prune, or start a town on another --data."),
        ("conductor", "Any agent can hand out work: make one with tt spawn, and tell it so with tt send."),
        ("towns", "Each town has its own address: name one with --url or TOWN_URL; tt doctor tells about it."),
        ("plan", "Tasks come from a fleet file (tt fleet run), tt assign or tt backlog add."),
        ("sync", "There is no plan file to keep in step: tt fleet run hands over what a file names."),
        ("migrate", "A town brings its own tables up to date at every start."),
        ("generate-api-key", "tt auth gen-key makes a key and its hash, tt keys create one that the town knows."),
        ("mission", "Towns have no missions yet; tt fleet run runs several agents over one goal."),
    ];

    public static IEnumerable<Command> Create(GlobalOptions globals)
    {
        foreach (var (name, instead) in All)
        {
            var command = new Command(name, instead) { Hidden = true, TreatUnmatchedTokensAsErrors = false };
            command.SetAction(parsed => FailureWords.Of(globals, parsed).Say(
                new CommandFailure(ExitCodes.Usage, "replaced", $"tt {name} has no place here. {instead}")));
            yield return command;
        }
    }
}
