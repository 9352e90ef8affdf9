using System.CommandLine;
using System.Globalization;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Client;

namespace Townhall.Cli.Keys;

internal sealed record KeyList(IReadOnlyList<TownKey> Keys, int Count);

internal sealed record RevokedKey(bool Revoked, string KeyId);

/// <summary><c>tt keys</c>: who may call a town. A new key is the answer, alone on standard output, and is shown this once.</summary>
internal static class KeyCommands
{
    /// <summary>The words that towns know (docs/authentication.md).</summary>
    internal static readonly string[] Scopes = ["town.read", "town.write", "agent.manage", "admin", "worker"];

    private const int IdLength = 16;
    private static readonly Argument<string> Key = new(Words.Key) { Description = "Its id, or the name of an active one" };
    private static readonly Argument<string> Name = new("NAME") { Description = "What the ledger calls its holder; no other living key may be called so" };

    private static readonly Option<string[]> Scope = new("--scope")
    {
        Description = "What its holder may do; may be given several times",
        HelpName = "SCOPE",
        Required = true,
        CompletionSources = { Scopes },
    };

    private static readonly Option<string?> Agent = new("--agent") { Description = "The one agent that its holder acts as", HelpName = Words.Agent };
    private static readonly Option<TimeSpan?> Expires = Lasting.Option("--expires", "How long it is good, 60s to ten years (default: until it is revoked)");
    private static readonly Option<TimeSpan?> NewExpires = Lasting.Option("--expires", "How long the new one is good (default: as long as the old one was)");
    private static readonly Option<TimeSpan?> Overlap = Lasting.Option("--overlap", "How long the old one goes on, at most 30d (default 1h)");

    public static Command Create(GlobalOptions globals) => GlobalOptions.Group(
        "keys", "Who may call the town",
        globals.Answer(
            "list", "Every key, also those that have ended; never the key itself", ["tt keys list"], [],
            static async (invocation, cancellationToken) =>
            {
                var keys = await invocation.Town.KeysAsync(cancellationToken).ToListAsync(cancellationToken);
                return new KeyList(keys, keys.Count);
            },
            WriteList),
        globals.Answer(
            "create", "Make a key; it is shown this once",
            ["tt keys create ci --scope town.read --scope town.write --expires 90d", "export TOWN_API_KEY=$(tt keys create laptop --scope admin)"],
            [Name, Scope, Agent, Expires], CreateAsync, WriteMade),
        globals.Answer(
            "rotate", "Make a key in the place of another; the old one goes on for a while",
            ["tt keys rotate ci", "tt keys rotate ci --overlap 10m --expires 90d"], [Key, Overlap, NewExpires],
            static async (invocation, cancellationToken) => await invocation.Town.RotateKeyAsync(
                await IdAsync(invocation, cancellationToken), invocation.Value(Overlap), invocation.Value(NewExpires), cancellationToken),
            WriteMade),
        globals.Answer(
            "revoke", "End a key; within 5 s nobody takes it any more", ["tt keys revoke ci", "tt keys revoke 6f1c0a9be2d47358"], [Key],
            static async (invocation, cancellationToken) =>
            {
                var id = await IdAsync(invocation, cancellationToken);
                await invocation.Town.RevokeKeyAsync(id, cancellationToken);
                return new RevokedKey(true, id);
            },
            static (invocation, revoked) => invocation.Screen.Answers.MarkupLine(Looks.Done($"key {Looks.Text(revoked.KeyId)} is revoked"))));

    private static async Task<MadeKey> CreateAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        var agent = invocation.Value(Agent) is { } named ? (await invocation.Town.AgentAsync(named, cancellationToken)).Id : (Guid?)null;
        return await invocation.Town.MakeKeyAsync(
            new NewKey(invocation.Value(Name), invocation.Value(Scope)!, agent, (long?)invocation.Value(Expires)?.TotalSeconds), cancellationToken);
    }

    /// <summary>A name stands for its active key: after a rotation the older ones have it, too.</summary>
    private static async Task<string> IdAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        var typed = invocation.Value(Key);
        if (typed.Length == IdLength && typed.All(char.IsAsciiHexDigitLower))
        {
            return typed;
        }

        var active = await invocation.Town.KeysAsync(cancellationToken).Where(static key => key.State == "active").ToListAsync(cancellationToken);
        return active.Find(key => key.Name.Equals(typed, StringComparison.OrdinalIgnoreCase))?.KeyId
            ?? throw new CommandFailure(
                ExitCodes.NotFound, "key_not_found", $"There is no active key {typed}.{DidYouMean.Question(typed, active.Select(static key => key.Name))}");
    }

    private static void WriteMade(Invocation invocation, MadeKey made)
    {
        invocation.Screen.Line(Printable.Line(made.Key));
        var until = made.ExpiresAt is { } end ? $" until {Looks.Instant(end)}" : "";
        var old = made.ReplacedKeyId is { } replaced ? $" It takes the place of {replaced}." : "";
        invocation.Screen.Notice(
            $"This is key {made.KeyId} ({made.Name}), good for {string.Join(", ", made.Scopes)}{until}.{old} Keep it now: it is never shown again.");
    }

    private static void WriteList(Invocation invocation, KeyList list)
    {
        if (list.Count == 0)
        {
            invocation.Screen.Answers.MarkupLine("[grey]No keys.[/]");
            return;
        }

        var table = Looks.Table("key", "name", "scopes", "agent", "state", "expires", "last used");
        foreach (var key in list.Keys.OrderBy(static key => key.Name, StringComparer.OrdinalIgnoreCase).ThenByDescending(static key => key.CreatedAt))
        {
            table.AddRow(
                Looks.Text(key.KeyId), $"[bold]{Looks.Text(key.Name)}[/]", string.Join('\n', key.Scopes.Select(Looks.Text)),
                key.AgentId is { } agent ? agent.ToString()[..8] : "[grey]–[/]",
                key.State switch
                {
                    "active" => "[green]active[/]",
                    "replaced" => "[yellow]replaced[/]",
                    _ => $"[grey]{Looks.Text(key.State)}[/]",
                },
                Day(key.ExpiresAt), Day(key.LastUsedAt));
        }

        invocation.Screen.Answers.Write(table);
    }

    private static string Day(DateTime? instant) =>
        instant is { } at ? at.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture) : "[grey]–[/]";
}
