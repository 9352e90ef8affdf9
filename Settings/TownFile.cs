using System.Globalization;
using Tomlyn.Parsing;
using Tomlyn.Syntax;

namespace Townhall.Settings;

/// <summary>One value in the file.</summary>
/// <param name="Path">The key as it is written, with its table.</param>
/// <param name="Text">As a setting would hold it.</param>
/// <param name="Line">From 1.</param>
/// <param name="Offset">Where the value's text begins in the file, in characters, and how long it is.</param>
public sealed record FileEntry(FileKey Key, string Path, string Text, int Line, int Offset, int Length);

/// <summary>A <c>tinytown.toml</c>, read: what it says, and what is wrong with it.</summary>
/// <param name="Mistakes">What a start must refuse: it is no TOML, or a value is of the wrong kind. Each names the line.</param>
/// <param name="Warnings">Keys that nobody knows, or that have no meaning here. Each names key and line.</param>
public sealed record TownFile(
    string Name, IReadOnlyList<FileEntry> Entries, IReadOnlyList<string> Mistakes, IReadOnlyList<string> Warnings)
{
    /// <summary>The file that is looked for in the town's root when <c>TOWN_CONFIG</c> names none.</summary>
    public const string DefaultName = "tinytown.toml";

    /// <summary>Larger files are a mistake of somebody's: 1 MiB.</summary>
    public const int BytesMost = 1024 * 1024;

    /// <summary>Which file is meant: <c>TOWN_CONFIG</c>, else <c>tinytown.toml</c> in <c>TOWN_ROOT</c>, else in the working directory.</summary>
    /// <param name="setting">Gives the value of a variable, or null.</param>
    public static string PathFrom(Func<string, string?> setting) =>
        setting("TOWN_CONFIG") is { Length: > 0 } named
            ? System.IO.Path.GetFullPath(named)
            : System.IO.Path.GetFullPath(DefaultName, setting("TOWN_ROOT") is { Length: > 0 } root
                ? System.IO.Path.GetFullPath(root) : Directory.GetCurrentDirectory());

    /// <summary>Reads a file; one that does not exist says nothing and has no mistakes.</summary>
    /// <exception cref="IOException">It is there and cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The same.</exception>
    public static TownFile Read(string path)
    {
        var file = new FileInfo(path);
        return !file.Exists ? Parse("", path)
            : file.Length > BytesMost ? new(path, [], [$"{path} is larger than {BytesMost} bytes."], [])
            : Parse(File.ReadAllText(path), path);
    }

    /// <summary>Reads a text; <paramref name="name"/> is what mistakes call it.</summary>
    public static TownFile Parse(string text, string name)
    {
        var document = SyntaxParser.Parse(text, name, validate: true);
        var mistakes = new List<string>();
        var lines = text.Split('\n');
        foreach (var message in document.Diagnostics)
        {
            var line = message.Span.Start.Line;
            mistakes.Add(string.Create(CultureInfo.InvariantCulture,
                $"{name} line {line + 1}: {(line < lines.Length && MayHoldSecret(lines[line]) ? "this is no TOML; the value is not shown here." : message.Message)}"));
        }

        var entries = new List<FileEntry>();
        var warnings = new List<string>();
        if (mistakes.Count == 0)
        {
            var walk = new Walk(name, entries, mistakes, warnings);
            walk.Over(document.KeyValues, []);
            foreach (var table in document.Tables)
            {
                if (table is TableArraySyntax)
                {
                    mistakes.Add(string.Create(CultureInfo.InvariantCulture, $"{name} line {table.Span.Start.Line + 1}: a table of settings stands in single brackets."));
                    continue;
                }

                walk.Over(table.Items, Parts(table.Name!));
            }
        }

        return new(name, entries, mistakes, warnings);
    }

    /// <summary>The values by setting; presets are one setting with a line for each, <c>name=command line</c>.</summary>
    public IReadOnlyDictionary<string, string> Settings()
    {
        var settings = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        var folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(Name))!;
        foreach (var entry in Entries)
        {
            if (entry.Key is { Setting: { } setting } && !entry.Key.Name.Contains('*', StringComparison.Ordinal))
            {
                settings[setting] = entry.Key.Value == FileValue.Path && entry.Text.Length > 0 ? System.IO.Path.GetFullPath(entry.Text, folder) : entry.Text;
            }
        }

        var presets = Entries.Where(static entry => entry.Key.Setting == "TOWN_AGENT_CLIS")
            .Select(static entry => $"{entry.Path["agent_clis.".Length..^".command".Length]}={entry.Text}").ToList();
        if (presets is not [])
        {
            settings["TOWN_AGENT_CLIS"] = string.Join('\n', presets);
        }

        return settings;
    }

    /// <summary>Where a setting's value stands in the file, in words; null when it does not.</summary>
    public string? WhereIs(string setting) =>
        Entries.FirstOrDefault(entry => entry.Key.Setting == setting) is { } entry
            ? string.Create(CultureInfo.InvariantCulture, $"{entry.Path} in {Name}, line {entry.Line}")
            : null;

    // The reader quotes what it stumbles over, and mistakes go into logs.
    private static bool MayHoldSecret(string line) => FileKey.All.Any(key =>
        key.Secret && line.Contains(key.Name[(key.Name.TrimEnd('.', '*').LastIndexOf('.') + 1)..].TrimEnd('.', '*'), StringComparison.OrdinalIgnoreCase));

    internal static string[] Parts(KeySyntax key) =>
        [TextOf(key.Key!), .. key.DotKeys.Select(static part => TextOf(part.Key!))];

    private static string TextOf(BareKeyOrStringValueSyntax part) => part switch
    {
        BareKeySyntax bare => bare.Key!.Text ?? "",
        StringValueSyntax quoted => quoted.Value ?? "",
        _ => part.ToString(),
    };

    private sealed class Walk(string name, List<FileEntry> entries, List<string> mistakes, List<string> warnings)
    {
        public void Over(IEnumerable<KeyValueSyntax> pairs, string[] table)
        {
            foreach (var pair in pairs)
            {
                string[] path = [.. table, .. Parts(pair.Key!)];
                if (pair.Value is InlineTableSyntax inline)
                {
                    Over(inline.Items.Select(static item => item.KeyValue!), path);
                }
                else
                {
                    Take(path, pair.Value!, pair.Key!.Span.Start.Line + 1);
                }
            }
        }

        private void Take(string[] path, ValueSyntax value, int line)
        {
            var written = string.Join('.', path);
            if (FileKey.Find(path) is not { } key)
            {
                var near = Nearest(written);
                warnings.Add(string.Create(CultureInfo.InvariantCulture,
                    $"{name} line {line}: nothing reads the key {written}{(near is null ? "" : $"; is {near} meant?")}"));
                return;
            }

            if (TextOf(key.Value, value) is not { } text)
            {
                mistakes.Add(string.Create(CultureInfo.InvariantCulture, $"{name} line {line}: {written} must be {Kind(key.Value)}."));
                return;
            }

            // A line each is how presets travel.
            if (key.Setting == "TOWN_AGENT_CLIS" && (text.Trim().Length == 0 || text.Any(char.IsControl) || path[1].Trim().Length == 0 || path[1].Any(static one => one == '=' || char.IsControl(one))))
            {
                mistakes.Add(string.Create(CultureInfo.InvariantCulture, $"{name} line {line}: {written} must be one command line, under a name without =."));
                return;
            }

            if (key.Effect == TakesEffect.Never)
            {
                warnings.Add(string.Create(CultureInfo.InvariantCulture, $"{name} line {line}: {written} has no effect. {key.Meaning}"));
            }

            entries.Add(new(key, written, text, line, value.Span.Offset, value.Span.Length));
        }

        private static string Kind(FileValue kind) => kind switch
        {
            FileValue.Number => "a number",
            FileValue.Switch => "true or false",
            FileValue.Texts => "an array of texts",
            _ => "a text in quotes",
        };

        private static string? TextOf(FileValue kind, ValueSyntax value) => (kind, value) switch
        {
            (FileValue.Text or FileValue.Path, StringValueSyntax text) => text.Value,
            (FileValue.Number, IntegerValueSyntax number) => number.Value.ToString(CultureInfo.InvariantCulture),
            (FileValue.Number, FloatValueSyntax number) => number.Value.ToString(CultureInfo.InvariantCulture),
            (FileValue.Switch, BooleanValueSyntax flag) => flag.Value ? "true" : "false",
            (FileValue.Texts, ArraySyntax texts) when texts.Items.All(static item => item.Value is StringValueSyntax) =>
                string.Join(',', texts.Items.Select(static item => ((StringValueSyntax)item.Value!).Value)),
            _ => null,
        };

        // One slip of the finger is what people make; a key that merely sounds alike is no help.
        private static string? Nearest(string written) => FileKey.All
            .Select(static key => key.Name)
            .Where(known => Math.Abs(known.Length - written.Length) <= 2)
            .Select(known => (Name: known, Steps: Distance(known, written)))
            .Where(static near => near.Steps <= 2)
            .OrderBy(static near => near.Steps)
            .Select(static near => near.Name)
            .FirstOrDefault();

        private static int Distance(string one, string other)
        {
            var row = new int[other.Length + 1];
            for (var j = 0; j <= other.Length; j++)
            {
                row[j] = j;
            }

            for (var i = 1; i <= one.Length; i++)
            {
                var diagonal = row[0];
                row[0] = i;
                for (var j = 1; j <= other.Length; j++)
                {
                    var above = row[j];
                    row[j] = Math.Min(Math.Min(above, row[j - 1]) + 1, diagonal + (one[i - 1] == other[j - 1] ? 0 : 1));
                    diagonal = above;
                }
            }

            return row[other.Length];
        }
    }
}
