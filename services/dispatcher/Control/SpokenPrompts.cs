using System.Text;
using Npgsql;
using Townhall.Contracts.Workers;
using Townhall.Dispatcher.Traces;

namespace Townhall.Dispatcher.Control;

/// <summary>What stands behind a task's text in an attempt's prompt: words for the task first, then messages for its agent.</summary>
/// <remarks>Runs after the lease is committed. If it fails, the repeat of the lease call does it.</remarks>
internal static class SpokenPrompts
{
    /// <summary>Before the first message.</summary>
    public const string Heading = "# Messages for you:";

    /// <summary>Messages of one prompt; the others wait for the next one.</summary>
    private const int MessagesMost = 64;

    /// <summary>Bytes of all of them together, except that one alone always fits.</summary>
    private const int BytesMost = 128 * 1024;

    /// <param name="spoken">Those of the leases for which there may be words or messages.</param>
    public static async Task AddAsync(
        NpgsqlDataSource database, string town, List<Lease> leases, IReadOnlyList<Lease> spoken, CancellationToken cancellationToken)
    {
        await SteeredPrompts.AddAsync(database, town, leases, spoken, cancellationToken);
        await using var command = database.CreateCommand("""
            SELECT task_id, message_id, kind, urgent, from_name, body, ack_type, correlation_id, created_at
            FROM take_messages($1, $2, $3, $4, $5)
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town });
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = [.. spoken.Select(static lease => lease.TaskId)] });
        command.Parameters.Add(new NpgsqlParameter<int[]> { TypedValue = [.. spoken.Select(static lease => lease.Epoch)] });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = MessagesMost });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = BytesMost });
        var messages = new Dictionary<Guid, StringBuilder>();
        var delivered = new List<(Guid Message, Lease To)>();
        await using (var row = await command.ExecuteReaderAsync(cancellationToken))
        {
            while (await row.ReadAsync(cancellationToken))
            {
                if (!messages.TryGetValue(row.GetGuid(0), out var text))
                {
                    messages[row.GetGuid(0)] = text = new StringBuilder("\n\n").Append(Heading).Append('\n');
                }

                var about = $" {row.GetString(2)}{(row.IsDBNull(6) ? "" : $" ({row.GetString(6)})")} from {row.GetString(4)}{(row.GetBoolean(3) ? ", urgent" : "")}"
                    + $", message {row.GetGuid(1)}{(row.IsDBNull(7) ? "" : $", about {row.GetString(7)}")}:";
                SteeredPrompts.Add(text, row.GetDateTime(8), row.GetString(5), about);
                var task = row.GetGuid(0);
                delivered.Add((row.GetGuid(1), spoken.First(lease => lease.TaskId == task)));
            }
        }

        for (var i = 0; i < leases.Count; i++)
        {
            if (messages.TryGetValue(leases[i].TaskId, out var text))
            {
                leases[i] = leases[i] with { Description = leases[i].Description + text };
            }
        }

        await MessageTraces.DeliveredAsync(database, delivered, cancellationToken);
    }
}
