using System.Globalization;
using System.Text.Json;

namespace Townhall.Settings;

/// <summary>Changes one value of a file's text and leaves everything else, comments too, as it is.</summary>
public static class TownFileEditor
{
    /// <summary>The text with <paramref name="path"/> set to <paramref name="value"/>.</summary>
    /// <param name="value">As a person types it: <c>true</c>, <c>12</c>, <c>a,b</c> for an array, anything for a text.</param>
    /// <exception cref="FormatException">There is no such key, the value is of the wrong kind, or the file is not whole, or would not be afterwards.</exception>
    public static string Set(string text, string path, string value)
    {
        if (FileKey.Find(path.Split('.')) is not { } key)
        {
            throw new FormatException($"There is no key {path}.");
        }

        var file = TownFile.Parse(text, TownFile.DefaultName);
        if (file.Mistakes is not [])
        {
            throw new FormatException($"Not changed, because the file has mistakes: {file.Mistakes[0]}");
        }

        var changed = Changed(text, path, Render(key, value), file);
        return TownFile.Parse(changed, TownFile.DefaultName).Mistakes is [var mistake, ..]
            ? throw new FormatException($"Not changed, because it would be a mistake: {mistake}")
            : changed;
    }

    private static string Changed(string text, string path, string rendered, TownFile file)
    {
        if (file.Entries.FirstOrDefault(entry => entry.Path == path) is { } entry)
        {
            return string.Concat(text.AsSpan(0, entry.Offset), rendered, text.AsSpan(entry.Offset + entry.Length));
        }

        var dot = path.LastIndexOf('.');
        return Insert(text, dot < 0 ? "" : path[..dot], $"{path[(dot + 1)..]} = {rendered}");
    }

    private static string Render(FileKey key, string value) => key.Value switch
    {
        FileValue.Number when double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number) =>
            value.Trim(),
        FileValue.Switch when value is "true" or "false" => value,
        FileValue.Texts => $"[{string.Join(", ", value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(Quoted))}]",
        FileValue.Text or FileValue.Path => Quoted(value),
        FileValue.Number => throw new FormatException($"{key.Name} must be a number, not '{value}'."),
        _ => throw new FormatException($"{key.Name} must be true or false, not '{value}'."),
    };

    // What JSON escapes in a string, TOML's basic strings escape alike.
    private static string Quoted(string text) => $"\"{JsonEncodedText.Encode(text)}\"";

    private static string Insert(string text, string table, string line)
    {
        var lines = text.Length == 0 ? [] : text.TrimEnd('\n').Split('\n').ToList();
        var header = table.Length == 0 ? -1 : lines.FindIndex(one => one.Split('#')[0].Trim() == $"[{table}]");
        if (table.Length > 0 && header < 0)
        {
            if (lines.Count > 0)
            {
                lines.Add("");
            }

            lines.Add($"[{table}]");
            header = lines.Count - 1;
        }

        // Behind the table's last line that says something, before the next table.
        var end = lines.FindIndex(header + 1, static one => one.TrimStart().StartsWith('['));
        end = end < 0 ? lines.Count : end;
        while (end > header + 1 && lines[end - 1].Trim().Length == 0)
        {
            end--;
        }

        lines.Insert(end, line);
        return string.Join('\n', lines) + "\n";
    }
}
