using System.Text.Json;

namespace Townhall.Fuzzing;

/// <summary>What earlier answers named, bounded: so that later requests speak of things that exist.</summary>
public sealed class Known
{
    private const int Most = 200;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, List<string>> _values = new(StringComparer.Ordinal);

    /// <summary>A remembered value of one kind; null when there is none.</summary>
    public string? One(string kind, Random random)
    {
        lock (_gate)
        {
            return _values.GetValueOrDefault(kind) is { Count: > 0 } values ? values[random.Next(values.Count)] : null;
        }
    }

    /// <summary>Takes a value away: it works once.</summary>
    public string? Take(string kind)
    {
        lock (_gate)
        {
            if (_values.GetValueOrDefault(kind) is not { Count: > 0 } values)
            {
                return null;
            }

            var last = values[^1];
            values.RemoveAt(values.Count - 1);
            return last;
        }
    }

    public void Add(string kind, string value, Random random)
    {
        lock (_gate)
        {
            var values = _values.TryGetValue(kind, out var known) ? known : _values[kind] = [];
            if (values.Count < Most)
            {
                values.Add(value);
            }
            else
            {
                values[random.Next(Most)] = value;
            }
        }
    }

    /// <summary>Remembers what an answer named.</summary>
    public void Learn(string operation, JsonElement answer, Random random)
    {
        if (answer.ValueKind != JsonValueKind.Object)
        {
            return;
        }

        foreach (var member in answer.EnumerateObject().Where(static one => one.Value.ValueKind == JsonValueKind.String))
        {
            var value = member.Value.GetString()!;
            switch (member.Name)
            {
                case "task_id":
                    Add("task", value, random);
                    break;
                case "message_id":
                    Add("message", value, random);
                    break;
                case "key_id":
                    Add("key", value, random);
                    break;
                case "agent_id":
                    Add("agent", value, random);
                    break;
                case "name" when operation == "spawnAgent":
                    Add("agent", value, random);
                    break;
                case "bulk_id" or "confirm_token":
                    Add(member.Name, value, random);
                    break;
                case "next_cursor":
                    Add($"cursor of {operation}", value, random);
                    break;
            }
        }
    }
}
