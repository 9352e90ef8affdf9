using System.Security.Cryptography;
using System.Text;
using Npgsql;
using Townhall.Contracts.Ids;
using Townhall.Contracts.Tasks;
using Townhall.Contracts.Workers;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Dispatcher.Settling;

/// <summary>One attempt's end, with the worker that reports it.</summary>
internal readonly record struct Ending(WorkerId Worker, AttemptResult Result);

/// <summary>How one ending was received.</summary>
/// <param name="Agent">Whose slot became free; null when nothing changed.</param>
/// <param name="Key">The concurrency key whose permit became free, if it had one.</param>
internal readonly record struct Settled(string Verdict, Guid? Agent, string? Key = null);

/// <summary>Records ends of attempts: each at most once, only for the attempt that the row names.</summary>
internal sealed class SettleStore(NpgsqlDataSource database, TownSettings town) : ISettleStore
{
    /// <summary>Back-off before a retry: full jitter under 1 s × 2^failures, at most this long.</summary>
    private static readonly TimeSpan BackOffMost = TimeSpan.FromMinutes(5);

    /// <summary>Settles a batch in one round trip. No task may stand in it twice.</summary>
    /// <returns>One answer per ending, in their order.</returns>
    public async Task<Settled[]> SettleAsync(IReadOnlyList<Ending> endings, CancellationToken cancellationToken)
    {
        var answers = new Settled[endings.Count];
        var places = new Dictionary<(Guid, int), int>(endings.Count);
        for (var i = 0; i < endings.Count; i++)
        {
            places.Add((endings[i].Result.Lease.TaskId, endings[i].Result.Lease.Epoch), i);
        }

        await using (var command = Command(endings))
        await using (var row = await command.ExecuteReaderAsync(cancellationToken))
        {
            while (await row.ReadAsync(cancellationToken))
            {
                var verdict = row.GetString(2) switch
                {
                    "retry" => Verdicts.Retrying,
                    "release" => Verdicts.Released,
                    _ => Verdicts.Recorded,
                };
                answers[places[(row.GetGuid(0), row.GetInt32(1))]] = new(verdict, row.GetGuid(3), row.IsDBNull(4) ? null : row.GetString(4));
            }
        }

        var unknown = Enumerable.Range(0, endings.Count).Where(i => answers[i].Verdict is null).ToArray();
        if (unknown.Length > 0)
        {
            await ClassifyAsync(endings, unknown, answers, cancellationToken);
        }

        return answers;
    }

    private NpgsqlCommand Command(IReadOnlyList<Ending> endings)
    {
        var command = database.CreateCommand("""
            WITH ending AS MATERIALIZED (
                SELECT * FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
                    AS e (id, epoch, token, worker, outcome, exit_code, result, result_blob, result_bytes, failure_code,
                          failure_detail, sandbox, wall_ms, output_bytes)
            ), hit AS MATERIALIZED (
                -- Carries all that is needed later: the planner thinks a CTE holds one row, and would join two of them row by row.
                SELECT e.*, t.agent_id, a.name AS agent_name, t.state AS was, t.failures AS failed_before, t.leased_at,
                       t.concurrency_key,
                       -- Withdrawn by its deadline, it has failed; by a person, it is cancelled. Either way it does not start again.
                       CASE WHEN e.outcome = 'completed' THEN 'completed'
                           WHEN e.outcome IN ('cancelled', 'released') AND t.cancel_reason = 'deadline' THEN 'failed'
                           WHEN e.outcome = 'cancelled' THEN 'cancelled'
                           -- Every attempt before this one failed, was lost or was released: the releases need no counter of their own.
                           WHEN e.outcome = 'released' THEN CASE WHEN t.cancel_requested_at IS NOT NULL THEN 'cancelled'
                               WHEN t.attempt - t.failures - t.crashes > $17 THEN 'dead' ELSE 'release' END
                           ELSE CASE WHEN t.failures + 1 >= t.max_attempts OR t.cancel_reason = 'deadline' THEN 'failed'
                                     WHEN t.cancel_requested_at IS NULL THEN 'retry' ELSE 'cancelled' END
                       END AS move,
                       CASE WHEN e.outcome <> 'completed' AND t.cancel_reason = 'deadline' THEN 'deadline_exceeded'
                           WHEN e.outcome = 'released' AND t.attempt - t.failures - t.crashes > $17 THEN 'released_too_often'
                           ELSE e.failure_code END AS code
                FROM ending e
                JOIN task t ON t.id = e.id AND t.attempt = e.epoch AND t.lease_token = e.token AND t.lease_worker = e.worker
                JOIN agent a ON a.id = t.agent_id
                -- A late result still counts; a late release has nothing to give back, and is no legal move.
                WHERE t.state = 'running' OR (t.state = 'assigned' AND e.outcome <> 'released')
                ORDER BY t.id
                FOR UPDATE OF t
            ), locked AS MATERIALIZED (
                -- In order of id, so that two settlements never wait for each other in a circle.
                SELECT a.id FROM agent a WHERE a.id IN (SELECT agent_id FROM hit) ORDER BY a.id FOR NO KEY UPDATE
            ), permit AS MATERIALIZED (
                -- After the agents, as claims do.
                SELECT l.key FROM limit_key l
                WHERE l.town = $1 AND l.key = ANY (ARRAY(SELECT concurrency_key FROM hit WHERE concurrency_key IS NOT NULL))
                    AND (SELECT count(*) FROM locked) > 0
                ORDER BY l.key FOR UPDATE
            ), ended AS (
                DELETE FROM task t USING hit
                WHERE t.id = hit.id AND hit.move IN ('completed', 'failed', 'cancelled', 'dead')
                RETURNING t.*, hit.move, hit.exit_code, hit.result, hit.result_blob, hit.result_bytes, hit.code AS failure_code,
                          hit.failure_detail, hit.sandbox, hit.wall_ms, hit.output_bytes
            ), kept AS (
                INSERT INTO task_history (id, town, agent_id, state, priority, description, tags, max_attempts, timeout_secs,
                    deadline, concurrency_key, rate_key, attempt, failures, crashes, lease_token, lease_worker, created_by, created_at,
                    started_at, exit_code, result, result_blob, result_bytes, failure_code, failure_detail, sandbox, wall_ms,
                    output_bytes, retry_of, parent_id)
                SELECT id, town, agent_id, move, priority, description, tags, max_attempts, timeout_secs, deadline,
                    concurrency_key, rate_key, attempt, failures + (move = 'failed')::int, crashes, lease_token, lease_worker, created_by,
                    created_at, started_at, exit_code, result, result_blob, result_bytes, failure_code, failure_detail, sandbox,
                    wall_ms, output_bytes, retry_of, parent_id
                FROM ended
            ), back AS (
                UPDATE task t
                SET state = 'assigned', lease_until = NULL, lease_token = NULL, settled_token = hit.token,
                    due = hit.move = 'release', parked = NULL, parked_at = NULL,
                    available_at = CASE WHEN hit.move = 'release' THEN now()
                        ELSE now() + random() * least($16, interval '1 second' * power(2, least(hit.failed_before, 20))) END,
                    failures = t.failures + (hit.move = 'retry')::int,
                    last_error = coalesce(hit.failure_detail, hit.code, t.last_error)
                FROM hit
                WHERE t.id = hit.id AND hit.move IN ('retry', 'release')
            ), freed AS (
                UPDATE agent a
                SET running = a.running - f.freed, last_active_at = now(), tasks_completed = a.tasks_completed + f.done,
                    rounds_completed = a.rounds_completed + f.rounds
                FROM (SELECT hit.agent_id, count(*) FILTER (WHERE hit.was = 'running') AS freed,
                             count(*) FILTER (WHERE hit.move = 'completed') AS done,
                             count(*) FILTER (WHERE hit.move <> 'release') AS rounds
                      FROM hit GROUP BY hit.agent_id) f
                WHERE a.id = f.agent_id AND (SELECT count(*) FROM locked) > 0
            ), permits AS (
                UPDATE limit_key l SET held = greatest(0, l.held - f.some)
                FROM (SELECT hit.concurrency_key AS key, count(*) AS some FROM hit
                      WHERE hit.was = 'running' AND hit.concurrency_key IS NOT NULL GROUP BY 1) f
                WHERE l.town = $1 AND l.key = f.key AND (SELECT count(*) FROM permit) > 0
            ), moved AS (
                INSERT INTO task_count_delta (town, assigned, running, completed, failed, cancelled, dead)
                SELECT $1,
                       count(*) FILTER (WHERE move IN ('retry', 'release')) - count(*) FILTER (WHERE was = 'assigned'),
                       - count(*) FILTER (WHERE was = 'running'),
                       count(*) FILTER (WHERE move = 'completed'), count(*) FILTER (WHERE move = 'failed'),
                       count(*) FILTER (WHERE move = 'cancelled'), count(*) FILTER (WHERE move = 'dead')
                FROM hit HAVING count(*) > 0
            ), logged AS (
                INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, task_id, outcome, detail)
                SELECT $1, 'worker:' || hit.worker,
                       CASE hit.move WHEN 'completed' THEN 'TaskCompleted' WHEN 'failed' THEN 'TaskFailed'
                           WHEN 'cancelled' THEN 'TaskCancelled' WHEN 'retry' THEN 'TaskRetried' WHEN 'dead' THEN 'TaskDead'
                           ELSE 'TaskReleased' END,
                       hit.agent_id, hit.agent_name, hit.id,
                       CASE WHEN hit.move IN ('failed', 'retry', 'dead') THEN 'failure' ELSE 'success' END,
                       json_build_object('attempt', hit.epoch, 'worker_id', hit.worker, 'leased_at', hit.leased_at,
                           'exit_code', hit.exit_code, 'failure_code', hit.code, 'sandbox', hit.sandbox,
                           'wall_ms', hit.wall_ms, 'result_bytes', hit.result_bytes)::text
                FROM hit
            )
            SELECT id, epoch, move, agent_id, concurrency_key FROM hit
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        Add(endings, command, static one => one.Result.Lease.TaskId);
        Add(endings, command, static one => one.Result.Lease.Epoch);
        Add(endings, command, static one => one.Result.Lease.Token);
        Add(endings, command, static one => one.Worker.Value);
        Add(endings, command, static one => one.Result.Outcome);
        Add(endings, command, static one => one.Result.ExitCode);
        Add(endings, command, static one => one.Result.Result);
        Add(endings, command, static one => one.Result.ResultBlob is { } hash ? Convert.FromHexString(hash) : null);
        Add(endings, command, static one => one.Result.ResultBytes);
        Add(endings, command, static one => one.Result.FailureCode);
        Add(endings, command, static one => one.Result.FailureDetail);
        Add(endings, command, static one => one.Result.Sandbox);
        Add(endings, command, static one => one.Result.WallMs);
        Add(endings, command, static one => one.Result.OutputBytes);
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = BackOffMost });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = TaskLimits.Releases });
        return command;
    }

    /// <summary>Endings that hit nothing: repeats of recorded ones, or results of an attempt that a newer one has replaced.</summary>
    private async Task ClassifyAsync(
        IReadOnlyList<Ending> endings, int[] unknown, Settled[] answers, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("""
            WITH ending AS MATERIALIZED (
                SELECT * FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10) WITH ORDINALITY
                    AS e (id, epoch, token, worker, outcome, exit_code, failure_code, result_bytes, result_sha256, place)
            ), judged AS (
                SELECT e.*, coalesce(t.agent_id, h.agent_id) AS agent_id,
                       CASE WHEN h.attempt = e.epoch AND h.lease_token = e.token THEN 'recorded'
                            WHEN t.settled_token = e.token THEN 'retrying'
                            ELSE 'stale' END AS verdict
                FROM ending e LEFT JOIN task t ON t.id = e.id LEFT JOIN task_history h ON h.id = e.id
            ), kept AS (
                INSERT INTO ledger_pending (town, actor, action, agent_id, task_id, outcome, detail)
                SELECT $1, 'worker:' || worker, 'ResultRefused', agent_id, id, 'denied',
                       json_build_object('attempt', epoch, 'worker_id', worker, 'reported', outcome, 'exit_code', exit_code,
                           'failure_code', failure_code, 'result_bytes', result_bytes, 'result_sha256', result_sha256)::text
                FROM judged WHERE verdict = 'stale'
            )
            SELECT place, verdict FROM judged
            """);
        var asked = Array.ConvertAll(unknown, i => endings[i]);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
        Add(asked, command, static one => one.Result.Lease.TaskId);
        Add(asked, command, static one => one.Result.Lease.Epoch);
        Add(asked, command, static one => one.Result.Lease.Token);
        Add(asked, command, static one => one.Worker.Value);
        Add(asked, command, static one => one.Result.Outcome);
        Add(asked, command, static one => one.Result.ExitCode);
        Add(asked, command, static one => one.Result.FailureCode);
        Add(asked, command, static one => one.Result.ResultBytes);
        Add(asked, command, static one => HashOf(one.Result));
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            answers[unknown[(int)row.GetInt64(0) - 1]] = new(row.GetString(1), Agent: null);
        }
    }

    /// <summary>Says which result it was that was not taken, without keeping it: null where there was none.</summary>
    private static string? HashOf(AttemptResult result) =>
        result.ResultBlob ?? (result.Result is { } text ? Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text))) : null);

    private static void Add<T>(IReadOnlyList<Ending> endings, NpgsqlCommand command, Func<Ending, T> column)
    {
        var values = new T[endings.Count];
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = column(endings[i]);
        }

        command.Parameters.Add(new NpgsqlParameter<T[]> { TypedValue = values });
    }
}
