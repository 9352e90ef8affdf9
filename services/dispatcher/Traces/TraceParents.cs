using Npgsql;

namespace Townhall.Dispatcher.Traces;

/// <summary>The traces of the calls that brought tasks and messages.</summary>
internal static class TraceParents
{
    /// <returns>The traceparent of each that has one.</returns>
    /// <exception cref="NpgsqlException">The database failed.</exception>
    public static async Task<Dictionary<Guid, string>> ReadAsync(NpgsqlDataSource database, Guid[] ids, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT task_id, traceparent FROM task_trace WHERE task_id = ANY ($1)");
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = ids });
        var parents = new Dictionary<Guid, string>(ids.Length);
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            parents[row.GetGuid(0)] = row.GetString(1);
        }

        return parents;
    }
}
