using System.CommandLine;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Cli.Tasks;
using Townhall.Settings;

namespace Townhall.Cli.Configuration;

/// <summary>One key of a town's file.</summary>
/// <param name="Value">As it stands in the file; null when it does not, and <c>***</c> for a secret.</param>
/// <param name="Line">Where it stands, from 1.</param>
/// <param name="Overridden">The variable that is set here and wins over the file; null when none.</param>
internal sealed record SettingRow(string Key, string? Value, int? Line, string? Setting, string TakesEffect, string Meaning, string? Overridden);

/// <param name="Mistakes">What a start would refuse.</param>
internal sealed record SettingList(string File, IReadOnlyList<SettingRow> Settings, IReadOnlyList<string> Mistakes, IReadOnlyList<string> Warnings);

/// <summary><c>tt config</c>: a town's file, <c>tinytown.toml</c>, read and changed in place; comments stay.</summary>
internal static class ConfigCommands
{
    private const int ValueBytesMost = 64 * 1024;
    private static readonly string[] Known = [.. FileKey.All.Select(static key => key.Name).Where(static name => !name.Contains('*', StringComparison.Ordinal))];
    private static readonly Argument<string> Key = new("KEY")
    {
        Description = "A key with its table, such as agent.idle_timeout_secs",
        CompletionSources = { Known },
    };

    private static readonly Argument<string> Value = new("VALUE")
    {
        Description = "true, 12, a,b for an array, anything for a text; - reads it from standard input",
    };

    private static readonly Argument<string?> MaybeKey = new("KEY")
    {
        Description = "As for get",
        Arity = ArgumentArity.ZeroOrOne,
        CompletionSources = { Known },
    };

    private static readonly Argument<string?> MaybeValue = new("VALUE") { Description = "As for set", Arity = ArgumentArity.ZeroOrOne };
    private static readonly Option<string?> FileName = new("--file")
    {
        Description = "Another file (TOWN_CONFIG; default tinytown.toml in the town's folder)",
        HelpName = "FILE",
    };

    public static Command Create(GlobalOptions globals)
    {
        var config = globals.Command(
            "config", "The settings in a town's file", ["tt config", "tt config max_agents 20", "tt config get agent.idle_timeout_secs"],
            [MaybeKey, MaybeValue, FileName],
            static (invocation, cancellationToken) => (invocation.Optional(MaybeKey), invocation.Optional(MaybeValue)) switch
            {
                (null, _) => Task.FromResult(List(invocation)),
                ({ } key, null) => Task.FromResult(Get(invocation, key)),
                ({ } key, { } value) => SetAsync(invocation, key, value, cancellationToken),
            });
        config.Add(globals.Command(
            "list", "Every key, with its value in the file", ["tt config list"], [FileName], static (invocation, _) => Task.FromResult(List(invocation))));
        config.Add(globals.Command(
            "get", "One key", ["tt config get townhall.rest_port"], [Key, FileName],
            static (invocation, _) => Task.FromResult(Get(invocation, invocation.Value(Key)))));
        config.Add(globals.Command(
            "set", "Change one key; everything else in the file stays as it is",
            ["tt config set agent.idle_timeout_secs 600", "tt config set redis.password - <password.txt"], [Key, Value, FileName],
            static (invocation, cancellationToken) => SetAsync(invocation, invocation.Value(Key), invocation.Value(Value), cancellationToken)));
        return config;
    }

    private static int List(Invocation invocation)
    {
        var file = Read(invocation);
        var said = file.Entries.ToLookup(static entry => entry.Key.Name);
        var rows = FileKey.All
            .SelectMany(key => said[key.Name].Any()
                ? said[key.Name].Select(entry => Row(invocation, key, entry.Path, entry))
                : [Row(invocation, key, key.Name, null)])
            .ToArray();
        if (invocation.Json)
        {
            invocation.Screen.Json(new SettingList(file.Name, rows, file.Mistakes, file.Warnings));
        }
        else
        {
            ShowList(invocation, file, rows);
        }

        foreach (var words in file.Mistakes.Concat(file.Warnings))
        {
            invocation.Screen.Notice(words);
        }

        return file.Mistakes.Count == 0 ? ExitCodes.Ok : ExitCodes.Failed;
    }

    private static void ShowList(Invocation invocation, TownFile file, IEnumerable<SettingRow> rows)
    {
        var table = Looks.Table("key", "value", "takes effect", "");
        foreach (var row in rows.Where(static row => row.Setting is not null || row.Value is not null))
        {
            table.AddRow(
                Looks.Text(row.Key), row.Value is null ? "[grey]–[/]" : $"[bold]{Markup.Escape(Printable.Cut(row.Value, 24))}[/]",
                $"[grey]{row.TakesEffect}[/]", row.Overridden is null ? "" : $"[yellow]{row.Overridden} wins[/]");
        }

        invocation.Screen.Answers.Write(table);
        invocation.Screen.Answers.MarkupLine($"[grey]{Looks.Text(file.Name)}{(File.Exists(file.Name) ? "" : ", which does not exist yet")}[/]");
    }

    private static int Get(Invocation invocation, string path)
    {
        var key = Find(path);
        var file = Read(invocation);
        if (file.Mistakes.Count > 0)
        {
            throw new CommandFailure(ExitCodes.Failed, "file_broken", file.Mistakes[0]);
        }

        var row = Row(invocation, key, path, file.Entries.FirstOrDefault(entry => entry.Path == path));
        if (invocation.Json)
        {
            invocation.Screen.Json(row);
        }
        else if (row.Value is not null)
        {
            invocation.Screen.Line(Printable.Line(row.Value));
        }
        else
        {
            invocation.Screen.Notice($"{path} does not stand in {file.Name}. {key.Meaning}");
        }

        return row.Value is null ? ExitCodes.NotFound : ExitCodes.Ok;
    }

    private static async Task<int> SetAsync(Invocation invocation, string path, string typed, CancellationToken cancellationToken)
    {
        var key = Find(path);
        var name = PathOf(invocation);
        var value = await StandardText.ReadAsync(invocation, typed, "value", ValueBytesMost, cancellationToken);
        var text = await ConfigFile.ChangeAsync(name, key, path, typed == "-" ? value.TrimEnd('\r', '\n') : value, cancellationToken);
        var row = Row(invocation, key, path, TownFile.Parse(text, name).Entries.FirstOrDefault(entry => entry.Path == path));
        if (invocation.Json)
        {
            invocation.Screen.Json(row);
        }
        else
        {
            invocation.Screen.Answers.MarkupLine(Looks.Done(
                $"{Looks.Text(path)} = [bold]{Looks.Text(row.Value)}[/] in {Looks.Text(name)}  [grey]takes effect: {row.TakesEffect}[/]"
                + (row.Overridden is null ? "" : $" [yellow]({row.Overridden} is set and wins)[/]")));
        }

        return ExitCodes.Ok;
    }

    private static SettingRow Row(Invocation invocation, FileKey key, string path, FileEntry? entry) => new(
        path, entry is null ? null : key.Secret ? "***" : entry.Text, entry?.Line, key.Setting,
        key.Effect switch
        {
            TakesEffect.AtOnce => "within seconds",
            TakesEffect.AtStart => "at the next start",
            _ => "never",
        },
        key.Meaning,
        key.Setting is { } setting
            ? TownConfiguration.Stronger(setting).FirstOrDefault(name => invocation.World.Environment(name) is { Length: > 0 })
            : null);

    private static FileKey Find(string path) => FileKey.Find(path.Split('.'))
        ?? throw new CommandFailure(
            ExitCodes.NotFound, "unknown_key", $"There is no key {path}.{DidYouMean.Question(path, Known)} All of them: tt config list");

    private static TownFile Read(Invocation invocation)
    {
        try
        {
            return TownFile.Read(PathOf(invocation));
        }
        catch (UnauthorizedAccessException closed)
        {
            throw new CommandFailure(ExitCodes.Failed, "io", closed.Message, closed);
        }
    }

    private static string PathOf(Invocation invocation) => invocation.Value(FileName) is { } file
        ? Path.GetFullPath(file, invocation.World.CurrentFolder)
        : TownFile.PathFrom(name => name == "TOWN_ROOT"
            ? invocation.TownRoot ?? Said(invocation, name) ?? Said(invocation, "TINYTOWN_TOWN_DIR") ?? invocation.World.CurrentFolder
            // A folder that was named here is looked into, whatever file the environment names.
            : invocation.TownRoot is null && Said(invocation, name) is { } config ? Path.GetFullPath(config, invocation.World.CurrentFolder) : null);

    private static string? Said(Invocation invocation, string name) => invocation.World.Environment(name) is { Length: > 0 } said ? said : null;
}
