using System.Globalization;
using System.Text;

namespace Townhall.Client.Calls;

/// <summary>The part of an address behind the question mark; what is null is left out.</summary>
internal sealed class Query
{
    private readonly StringBuilder _text = new();

    public Query Add(string name, string? value)
    {
        if (value is not null)
        {
            _text.Append(_text.Length == 0 ? '?' : '&').Append(name).Append('=').Append(Uri.EscapeDataString(value));
        }

        return this;
    }

    public Query Add(string name, long? value) => Add(name, value?.ToString(CultureInfo.InvariantCulture));

    public Query Add(string name, DateTimeOffset? value) => Add(name, value?.UtcDateTime.ToString("O", CultureInfo.InvariantCulture));

    public Query Flag(string name, bool isSet) => Add(name, isSet ? "true" : null);

    public override string ToString() => _text.ToString();
}
