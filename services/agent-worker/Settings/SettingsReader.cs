using System.Globalization;

namespace Townhall.Worker.Settings;

/// <summary>Reads variables and collects every mistake, so that one start shows all of them.</summary>
internal sealed class SettingsReader(IReadOnlyDictionary<string, string> environment)
{
    private static readonly Uri Nowhere = new("http://localhost");
    private readonly List<string> _mistakes = [];

    public IReadOnlyList<string> Mistakes => _mistakes;

    public void Mistake(string sentence) => _mistakes.Add(sentence);

    /// <summary>The variable's text; unset and empty are the same.</summary>
    public string? Text(string name) => environment.GetValueOrDefault(name) is { Length: > 0 } text ? text : null;

    public Uri Address(string name, string otherwise)
    {
        var text = Text(name) ?? Text(otherwise);
        if (text is null)
        {
            Mistake($"{name} is not set; it names the dispatcher, for example http://127.0.0.1:8101.");
        }
        else if (!Uri.TryCreate(text, UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
        {
            Mistake($"{name} is '{text}'; it must be an http or https address.");
        }
        else
        {
            return address;
        }

        return Nowhere;
    }

    public int Number(string name, int otherwise, int min, int max)
    {
        if (Text(name) is not { } text)
        {
            return otherwise;
        }

        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= min && number <= max)
        {
            return number;
        }

        Mistake($"{name} is '{text}'; it must be a whole number from {min} to {max}.");
        return otherwise;
    }

    public Guid? Id(string name)
    {
        if (Text(name) is not { } text)
        {
            return null;
        }

        if (Guid.TryParseExact(text, "D", out var id) && id != Guid.Empty)
        {
            return id;
        }

        Mistake($"{name} is '{text}'; it must be a UUID.");
        return null;
    }

    public bool Flag(string name, bool otherwise) => Text(name) switch
    {
        null => otherwise,
        "true" or "1" or "True" => true,
        "false" or "0" or "False" => false,
        var text => WrongFlag(name, text),
    };

    public string Choice(string name, params ReadOnlySpan<string> choices)
    {
        var text = Text(name) ?? choices[0];
        if (choices.Contains(text))
        {
            return text;
        }

        Mistake($"{name} is '{text}'; it must be one of {string.Join(", ", choices!)}.");
        return choices[0];
    }

    public IReadOnlyList<string> Words(string name, IReadOnlyList<string> known)
    {
        if (Text(name) is not { } text)
        {
            return known;
        }

        var words = text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Distinct().ToList();
        if (words is [] || words.Exists(word => !known.Contains(word)))
        {
            Mistake($"{name} is '{text}'; it must be a comma-separated list of {string.Join(", ", known)}.");
        }

        return words;
    }

    public string? AbsolutePath(string name)
    {
        if (Text(name) is { } path && !Path.IsPathFullyQualified(path))
        {
            Mistake($"{name} is '{path}'; it must be an absolute path.");
        }

        return Text(name);
    }

    public string? ExistingPath(string name)
    {
        var path = AbsolutePath(name);
        if (path is not null && !File.Exists(path))
        {
            Mistake($"{name} is '{path}', which does not exist.");
        }

        return path;
    }

    public IReadOnlyList<string> Folders(string name, string otherwise) =>
        [.. (Text(name) ?? Text(otherwise) ?? "/usr/local/bin:/usr/bin:/bin")
            .Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Where(Path.IsPathFullyQualified)
            .Distinct()];

    /// <summary>The variables that a comma-separated list names, as far as they are set.</summary>
    public IReadOnlyDictionary<string, string> Named(string list)
    {
        var named = new Dictionary<string, string>();
        foreach (var name in (Text(list) ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (Text(name) is { } value)
            {
                named[name] = value;
            }
        }

        return named;
    }

    /// <summary>A line each, <c>name=value</c>; the value may hold more of the sign.</summary>
    public IReadOnlyDictionary<string, string> Pairs(string name)
    {
        var pairs = new Dictionary<string, string>();
        foreach (var line in (Text(name) ?? "").Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var sign = line.IndexOf('=', StringComparison.Ordinal);
            if (sign <= 0 || line[(sign + 1)..].Trim().Length == 0)
            {
                Mistake($"{name} has the line '{line}'; each must be name=command line.");
            }
            else
            {
                pairs[line[..sign].Trim()] = line[(sign + 1)..].Trim();
            }
        }

        return pairs;
    }

    private bool WrongFlag(string name, string text)
    {
        Mistake($"{name} is '{text}'; it must be true or false.");
        return false;
    }
}
