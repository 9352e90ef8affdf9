using System.Globalization;
using System.Text.Json;

namespace Townhall.Cli.Fleets;

/// <summary>One object of a fleet file, which collects what is wrong with it instead of stopping at the first mistake.</summary>
internal sealed class FleetElement
{
    private readonly JsonElement _element;
    private readonly string _path;
    private readonly List<string> _mistakes;
    private readonly bool _isObject;

    public FleetElement(JsonElement element, string path, List<string> mistakes)
    {
        (_element, _path, _mistakes) = (element, path, mistakes);
        _isObject = element.ValueKind == JsonValueKind.Object;
        if (!_isObject)
        {
            _mistakes.Add($"{(path.Length == 0 ? "The file" : path)} must be an object.");
        }
    }

    public void Wrong(string member, string what) => _mistakes.Add($"{Place(member)} {what}.");

    /// <summary>A member that is misspelt would otherwise be a wish nobody hears.</summary>
    public void Only(params ReadOnlySpan<string> members)
    {
        if (!_isObject)
        {
            return;
        }

        foreach (var member in _element.EnumerateObject())
        {
            if (!members.Contains(member.Name))
            {
                Wrong(member.Name, $"is unknown here; known are {string.Join(", ", members)}");
            }
        }
    }

    /// <summary>A text that must be there; null when it is not.</summary>
    public string? Text(string member)
    {
        if (_isObject && Find(member) is null)
        {
            Wrong(member, "is missing");
        }

        return Optional(member);
    }

    /// <summary>A text that may be there.</summary>
    public string? Optional(string member)
    {
        if (Find(member) is not { } value)
        {
            return null;
        }

        if (value.ValueKind != JsonValueKind.String || string.IsNullOrWhiteSpace(value.GetString()))
        {
            Wrong(member, "must be a text that is not empty");
            return null;
        }

        return value.GetString();
    }

    public string[]? Texts(string member)
    {
        if (Find(member) is not { } value)
        {
            return null;
        }

        if (value.ValueKind != JsonValueKind.Array || value.EnumerateArray().Any(static item => item.ValueKind != JsonValueKind.String))
        {
            Wrong(member, "must be a list of texts");
            return null;
        }

        return [.. value.EnumerateArray().Select(static item => item.GetString()!)];
    }

    public int? Whole(string member, int least, int most)
    {
        if (Find(member) is not { } value)
        {
            return null;
        }

        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number >= least && number <= most)
        {
            return number;
        }

        Wrong(member, string.Create(CultureInfo.InvariantCulture, $"must be a whole number from {least} to {most}"));
        return null;
    }

    public FleetElement? Child(string member) =>
        Find(member) is { } value ? new FleetElement(value, Place(member), _mistakes) : null;

    /// <summary>The objects of a list, in order.</summary>
    public IReadOnlyList<FleetElement> Items(string member, bool atLeastOne)
    {
        if (!_isObject)
        {
            return [];
        }

        if (Find(member) is not { ValueKind: JsonValueKind.Array } list)
        {
            Wrong(member, Find(member) is null ? "is missing" : "must be a list");
            return [];
        }

        if (atLeastOne && list.GetArrayLength() == 0)
        {
            Wrong(member, "is empty");
        }

        return
        [
            .. list.EnumerateArray().Select((item, index) =>
                new FleetElement(item, string.Create(CultureInfo.InvariantCulture, $"{Place(member)}[{index}]"), _mistakes)),
        ];
    }

    /// <summary>True when the words stand anywhere in it.</summary>
    public bool Mentions(string words) => Mentions(_element, words);

    private static bool Mentions(JsonElement element, string words) => element.ValueKind switch
    {
        JsonValueKind.String => element.GetString()!.Contains(words, StringComparison.Ordinal),
        JsonValueKind.Array => element.EnumerateArray().Any(item => Mentions(item, words)),
        JsonValueKind.Object => element.EnumerateObject().Any(member => Mentions(member.Value, words)),
        _ => false,
    };

    private JsonElement? Find(string member) =>
        _isObject && _element.TryGetProperty(member, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private string Place(string member) => _path.Length == 0 ? member : $"{_path}.{member}";
}
