using System.Globalization;
using System.Text;
using Npgsql;
using Townhall.Contracts.Workers;

namespace Townhall.Dispatcher.Control;

/// <summary>What was said about a task before an attempt began stands behind the task's text in that attempt's prompt.</summary>
internal static class SteeredPrompts
{
    /// <summary>Behind the text, before the first note.</summary>
    public const string Heading = "# Said about this task since it was given:";

    /// <summary>Adds their notes to these just given leases, and notes that they were delivered.</summary>
    /// <param name="steered">Those of the leases whose tasks have notes.</param>
    /// <remarks>Runs after the lease is committed. If it fails, the repeat of the lease call does it.</remarks>
    public static async Task AddAsync(
        NpgsqlDataSource database, string town, List<Lease> leases, IReadOnlyList<Lease> steered, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            WITH given AS MATERIALIZED (SELECT * FROM unnest($2, $3) AS g (task_id, epoch)),
            marked AS (
                UPDATE steering s SET delivered_epoch = g.epoch, delivered_at = now()
                FROM given g
                WHERE s.task_id = g.task_id AND s.delivered_epoch IS DISTINCT FROM g.epoch
                RETURNING s.id, s.task_id, g.epoch
            ), logged AS (
                INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, task_id, detail)
                SELECT $1, 'dispatcher', 'SteeringDelivered', a.id, a.name, m.task_id,
                       json_build_object('steering_id', m.id, 'attempt', m.epoch, 'by', 'prompt')::text
                FROM marked m JOIN task t ON t.id = m.task_id JOIN agent a ON a.id = t.agent_id
                ORDER BY m.id
            )
            SELECT s.task_id, s.created_at, s.text FROM steering s JOIN given g ON g.task_id = s.task_id ORDER BY s.id
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town });
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = [.. steered.Select(static lease => lease.TaskId)] });
        command.Parameters.Add(new NpgsqlParameter<int[]> { TypedValue = [.. steered.Select(static lease => lease.Epoch)] });
        var notes = new Dictionary<Guid, StringBuilder>();
        await using (var row = await command.ExecuteReaderAsync(cancellationToken))
        {
            while (await row.ReadAsync(cancellationToken))
            {
                if (!notes.TryGetValue(row.GetGuid(0), out var text))
                {
                    notes[row.GetGuid(0)] = text = new StringBuilder("\n\n").Append(Heading).Append('\n');
                }

                Add(text, row.GetDateTime(1), row.GetString(2));
            }
        }

        for (var i = 0; i < leases.Count; i++)
        {
            if (notes.TryGetValue(leases[i].TaskId, out var text))
            {
                leases[i] = leases[i] with { Description = leases[i].Description + text };
            }
        }
    }

    internal static void Add(StringBuilder text, DateTime at, string note, string? about = null)
    {
        text.Append(CultureInfo.InvariantCulture, $"# [{at:yyyy-MM-ddTHH:mm:ssZ}]{about}");
        // Every line behind a #, because a task's text may be a script: there a note is a comment and never a command.
        foreach (var line in note.AsSpan().EnumerateLines())
        {
            text.Append("\n# ").Append(line);
        }

        text.Append('\n');
    }
}
