using System.Data;
using Npgsql;
using Townhall.Contracts.Ids;
using Townhall.Contracts.Workers;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Dispatcher.Workers;

/// <summary>Every statement over <c>worker</c> in this service.</summary>
internal sealed class WorkerStore(NpgsqlDataSource database, TownSettings town)
{
    /// <summary>Registers a start of a worker process; a repeat of the same process replaces its token.</summary>
    /// <returns>False when another process lives under this incarnation, which is not touched, or when it has ended: an ended
    /// one never lives again.</returns>
    public async Task<bool> RegisterAsync(RegisterRequest worker, byte[] tokenHash, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            WITH made AS (
                INSERT INTO worker (id, town, name, host, pid, version, runtimes, slots, sandbox, token_hash)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                ON CONFLICT (id) DO UPDATE SET token_hash = $10, seen_at = now()
                WHERE worker.state = 'active' AND worker.town = $2 AND worker.host = $4 AND worker.pid = $5
                RETURNING id, xmax = 0 AS fresh
            ), logged AS (
                INSERT INTO ledger_pending (town, actor, action, detail)
                SELECT $2, 'worker:' || id, 'WorkerRegistered',
                       json_build_object('worker_id', id, 'name', $3::text, 'host', $4::text, 'pid', $5::int, 'slots', $8::int, 'sandbox', $9::text)::text
                FROM made WHERE fresh
            )
            SELECT count(*) FROM made
            """);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = worker.Incarnation });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = worker.Name });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = worker.Host });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = worker.Pid });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = worker.Version });
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = worker.Runtimes });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = worker.Slots });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = worker.Sandbox });
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = tokenHash });
        return await command.ExecuteScalarAsync(cancellationToken) is 1L;
    }

    /// <summary>A worker that lives or was declared lost, with the hash of its token; null when there is none.</summary>
    public async Task<(KnownWorker Worker, byte[] TokenHash, bool Lives)?> FindAsync(WorkerId id, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            "SELECT runtimes, slots, token_hash, state <> 'lost' FROM worker WHERE id = $1 AND town = $2 AND state IN ('active', 'draining', 'lost')");
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = id.Value });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        return await row.ReadAsync(cancellationToken)
            ? (new KnownWorker(id, row.GetFieldValue<string[]>(0), row.GetInt32(1)), row.GetFieldValue<byte[]>(2), row.GetBoolean(3))
            : null;
    }

    /// <summary>Notes that a worker was heard of.</summary>
    public async Task TouchAsync(WorkerId id, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            "UPDATE worker SET seen_at = now() WHERE id = $1 AND state IN ('active', 'draining')");
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = id.Value });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>
    /// Decides whether a worker may end, under the lock that leasing shares: after a yes nothing is given to it any more.
    /// An idle one is refused while work that it could run waits; a stopping one is given nothing from now on either way.
    /// </summary>
    public async Task<DrainReply> DrainAsync(KnownWorker worker, bool stopping, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.ReadCommitted, cancellationToken);
        var state = await LockAsync(connection, worker.Id, cancellationToken);
        if (state is null or "drained" or "lost")
        {
            return new(Drained: true, [], WorkWaiting: false);      // a repeat: it has ended already
        }

        // A statement of its own, after the lock: leases given before it are visible now.
        var (held, waiting) = await HeldAsync(connection, worker, cancellationToken);
        var next = AfterAsking(state, held.Length > 0, waiting, stopping);
        if (next != state)
        {
            await MoveAsync(connection, worker.Id, next, stopping ? "stopping" : "idle", cancellationToken);
        }

        await transaction.CommitAsync(cancellationToken);
        return new(next == "drained", held, WorkWaiting: waiting && next != "drained");
    }

    /// <summary>What becomes of a worker that asks whether it may end.</summary>
    /// <param name="state">Its state under the lock.</param>
    /// <param name="holding">It holds leases.</param>
    /// <param name="waiting">Work that it could run waits.</param>
    /// <param name="stopping">It was told to end; an idle one only wants to.</param>
    internal static string AfterAsking(string state, bool holding, bool waiting, bool stopping) => (holding, waiting, stopping) switch
    {
        (true, _, true) => "draining",
        (true, _, false) => state,
        (false, true, false) when state == "active" => state,
        _ => "drained",
    };

    private static async Task<string?> LockAsync(NpgsqlConnection connection, WorkerId id, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("SELECT state FROM worker WHERE id = $1 FOR UPDATE", connection);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = id.Value });
        return (string?)await command.ExecuteScalarAsync(cancellationToken);
    }

    private async Task<(LeaseRef[] Held, bool Waiting)> HeldAsync(
        NpgsqlConnection connection, KnownWorker worker, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("""
            SELECT id, attempt, lease_token FROM task WHERE lease_worker = $1 AND state = 'running'
            UNION ALL
            SELECT NULL, NULL, NULL WHERE EXISTS (SELECT FROM ready_agents($2, $3, 1))
            """, connection);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = worker.Id.Value });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = worker.Runtimes });
        var held = new List<LeaseRef>();
        var waiting = false;
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            if (row.IsDBNull(0))
            {
                waiting = true;
            }
            else
            {
                held.Add(new(row.GetGuid(0), row.GetInt32(1), row.GetGuid(2)));
            }
        }

        return ([.. held], waiting);
    }

    private async Task MoveAsync(
        NpgsqlConnection connection, WorkerId id, string state, string reason, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("""
            WITH moved AS (
                UPDATE worker SET state = $2, seen_at = now(), ended_at = CASE WHEN $2 = 'drained' THEN now() END
                WHERE id = $1 RETURNING id, state
            )
            INSERT INTO ledger_pending (town, actor, action, detail)
            SELECT $3, 'worker:' || id, 'WorkerDrained', json_build_object('worker_id', id, 'reason', $4::text)::text
            FROM moved WHERE state = 'drained'
            """, connection);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = id.Value });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = state });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = reason });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
