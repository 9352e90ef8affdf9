using System.Globalization;
using System.Text;
using Npgsql;

namespace Townhall.Ledger;

/// <summary>Which entries a reader wants; what is null is not asked for.</summary>
/// <param name="AgentId">Entries of this agent.</param>
/// <param name="AgentName">Entries of agents of this name, whatever its case.</param>
/// <param name="TaskId">Entries of this task.</param>
/// <param name="Actions">Entries of one of these actions, in CamelCase.</param>
public sealed record LedgerFilter(Guid? AgentId, string? AgentName, Guid? TaskId, IReadOnlyList<string>? Actions)
{
    /// <summary>Lets everything through.</summary>
    public static readonly LedgerFilter None = new(null, null, null, null);

    /// <summary>Whether an entry passes; the same rule as in SQL.</summary>
    public bool Passes(LedgerEntry entry) =>
        (AgentId is null || entry.AgentId == AgentId)
        && (AgentName is null || string.Equals(entry.AgentName, AgentName, StringComparison.OrdinalIgnoreCase))
        && (TaskId is null || entry.TaskId == TaskId)
        && (Actions is null || Actions.Contains(entry.Action, StringComparer.Ordinal));

    /// <summary>The conditions that are asked for, and no others, so that each combination gets the plan that suits it.</summary>
    internal string Conditions(NpgsqlParameterCollection parameters)
    {
        var conditions = new StringBuilder();
        if (AgentId is { } agent)
        {
            Add("agent_id = {0}", new NpgsqlParameter<Guid> { TypedValue = agent });
        }

        if (AgentName is { } name)
        {
            Add("lower(agent_name) = lower({0})", new NpgsqlParameter<string> { TypedValue = name });
        }

        if (TaskId is { } task)
        {
            Add("task_id = {0}", new NpgsqlParameter<Guid> { TypedValue = task });
        }

        if (Actions is { } actions)
        {
            Add("action = ANY ({0})", new NpgsqlParameter<string[]> { TypedValue = [.. actions] });
        }

        return conditions.ToString();

        void Add(string condition, NpgsqlParameter parameter)
        {
            parameters.Add(parameter);
            conditions.Append(" AND ").AppendFormat(
                CultureInfo.InvariantCulture, condition, string.Create(CultureInfo.InvariantCulture, $"${parameters.Count}"));
        }
    }
}
