using System.Globalization;
using System.Text;
using Townhall.Ledger;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.Notifier.Events;

/// <summary>What a listener asked for: from which position on, and which events.</summary>
/// <param name="After">The last position it has seen; null to begin at the head.</param>
internal sealed record EventRequest(long? After, LedgerFilter Filter)
{
    private const int ActionsMost = 32;
    private const int TextMost = 200;

    private static readonly Refusal BadPosition = new(
        400, "bad_event_id", "Last-Event-ID (or after) must be the id of an event of this stream: a whole number, 0 for the beginning.");

    private static readonly Refusal BadFilter = new(
        400, "bad_filter", "Filters are agent (an id or a name), task (an id) and action (names as TaskAssigned or task_assigned, at most 32, comma separated).");

    /// <summary>Reads the request; exactly one of the two is null.</summary>
    public static (EventRequest? Request, Refusal? Refusal) From(IHeaderDictionary headers, IQueryCollection query)
    {
        // A browser that reconnects repeats its address and adds the header: the header is the newer one.
        var position = First(headers["Last-Event-ID"].ToString(), query["after"].ToString(), query["last_event_id"].ToString());
        var after = 0L;
        if (position is not null && !long.TryParse(position, NumberStyles.None, CultureInfo.InvariantCulture, out after))
        {
            return (null, BadPosition);
        }

        return Filters(query) is { } filter
            ? (new EventRequest(position is null ? null : after, filter), null)
            : (null, BadFilter);
    }

    private static LedgerFilter? Filters(IQueryCollection query)
    {
        var agent = First(query["agent"].ToString());
        var task = First(query["task"].ToString());
        var actions = First(query["action"].ToString());
        if (agent is { Length: > TextMost } || actions is { Length: > ActionsMost * TextMost })
        {
            return null;
        }

        Guid? taskId = null;
        if (task is not null)
        {
            if (!Guid.TryParse(task, out var id))
            {
                return null;
            }

            taskId = id;
        }

        var names = actions?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(CamelCase).ToArray();
        if (names is { Length: 0 or > ActionsMost })
        {
            return null;
        }

        return Guid.TryParse(agent, out var agentId)
            ? new LedgerFilter(agentId, null, taskId, names)
            : new LedgerFilter(null, agent, taskId, names);
    }

    /// <summary><c>task_assigned</c> and <c>TaskAssigned</c> name the same action.</summary>
    internal static string CamelCase(string action)
    {
        var camel = new StringBuilder(action.Length);
        var upper = true;
        foreach (var letter in action)
        {
            if (letter == '_')
            {
                upper = true;
                continue;
            }

            camel.Append(upper ? char.ToUpperInvariant(letter) : letter);
            upper = false;
        }

        return camel.ToString();
    }

    private static string? First(params ReadOnlySpan<string> texts)
    {
        foreach (var text in texts)
        {
            if (text.Length > 0)
            {
                return text;
            }
        }

        return null;
    }
}
