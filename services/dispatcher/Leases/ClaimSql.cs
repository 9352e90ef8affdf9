namespace Townhall.Dispatcher.Leases;

/// <summary>The claim: one statement that gives leases. Who is looked at differs between the queues; what decides does not.</summary>
internal static class ClaimSql
{
    /// <summary>Each agent's share of its due tasks in their order: $3 agents, $6 shares.</summary>
    public const string OfAgents = Head + """

        ), slot AS MATERIALIZED (
            SELECT a.id, a.name, a.runtime, a.cli, a.trust_level, a.grants, least(a.max_concurrency - a.running, c.quota) AS free, c.turn,
                   a.tenant, a.weight, a.max_concurrency, a.mail
            FROM unnest($3, $6) WITH ORDINALITY AS c (id, quota, turn)
            JOIN agent a ON a.id = c.id
            CROSS JOIN taker
            WHERE a.control = 'active' AND a.running < a.max_concurrency AND a.runtime = ANY ($4)
            FOR NO KEY UPDATE OF a SKIP LOCKED
        ), found AS MATERIALIZED (
            -- Carries all that is needed later: the planner thinks a CTE holds one row, and would join two of them row by row.
            SELECT t.id, slot.id AS agent_id, slot.name, slot.runtime, slot.cli, slot.trust_level, slot.grants, slot.free,
                   slot.turn, slot.tenant, slot.weight, slot.max_concurrency, slot.mail, t.rank, t.concurrency_key, t.rate_key, t.suspect, t.available_at,
                   row_number() OVER (PARTITION BY slot.id ORDER BY t.rank, t.id) AS nth
            FROM slot
            CROSS JOIN LATERAL (
                SELECT id, rank, concurrency_key, rate_key, crashes >= $10 AS suspect, available_at FROM task
                WHERE agent_id = slot.id AND state = 'assigned' AND due AND (deadline IS NULL OR deadline > now())
                ORDER BY rank, id
                LIMIT slot.free
                -- Others lock a task before its agent: waiting for one here could be a circle.
                FOR NO KEY UPDATE SKIP LOCKED) t

        """ + Decide;

    /// <summary>Tasks chosen before, by id: $3 tasks, $6 their places in the order.</summary>
    public const string OfTasks = Head + """

        ), found AS MATERIALIZED (
            -- The first ones in rank of each agent, as many as it may start. An agent is locked once for each of its tasks, which is
            -- one lock; nothing is waited for.
            SELECT * FROM (
                SELECT t.id, t.agent_id, t.name, t.runtime, t.cli, t.trust_level, t.grants, t.free, t.turn, t.tenant, t.weight,
                       t.max_concurrency, t.mail, t.rank, t.concurrency_key, t.rate_key, t.suspect, t.available_at,
                       row_number() OVER (PARTITION BY t.agent_id ORDER BY t.rank, t.id) AS nth
                FROM (
                    SELECT t.id, t.agent_id, t.rank, t.concurrency_key, t.rate_key, t.crashes >= $10 AS suspect, t.available_at, c.turn,
                           a.name, a.runtime, a.cli, a.trust_level, a.grants, a.max_concurrency - a.running AS free, a.tenant, a.weight, a.max_concurrency, a.mail
                    FROM unnest($3, $6) AS c (id, turn)
                    -- A probe of the primary key for each, see 0060_probes.sql.
                    CROSS JOIN LATERAL (SELECT * FROM task WHERE id = c.id OFFSET 0 FOR NO KEY UPDATE SKIP LOCKED) t
                    -- What it runs is read from the locked row: the snapshot's may be older.
                    CROSS JOIN LATERAL (
                        SELECT a.* FROM agent a
                        WHERE a.id = t.agent_id AND a.control = 'active' AND a.runtime = ANY ($4)
                        FOR NO KEY UPDATE SKIP LOCKED) a
                    CROSS JOIN taker
                    WHERE t.state = 'assigned' AND t.due AND (t.deadline IS NULL OR t.deadline > now())) t) f
            WHERE nth <= free

        """ + Decide;

    private const string Head = """
        WITH taker AS MATERIALIZED (
            -- Shared with other claims, exclusive to a drain: after its yes no claim sees this worker active.
            SELECT id FROM worker WHERE id = $1 AND state = 'active' FOR SHARE
        ), room AS MATERIALIZED (
            SELECT least($5, (
                SELECT l.max_concurrency - (SELECT count(*) FROM task t WHERE t.town = $9 AND t.state = 'running')
                FROM limit_key l WHERE l.town = $9 AND l.key = 'town' AND l.max_concurrency IS NOT NULL)) AS starts
        """;

    private const string Decide = """
        ), permit AS MATERIALIZED (
            -- Locked last and in order, as everyone does, so that nobody waits for them in a circle; the lock reads the newest row.
            SELECT l.key, l.max_concurrency - l.held AS free,
                   CASE WHEN l.rate_per_minute IS NOT NULL THEN floor(rate_tokens(l)) END AS tokens
            FROM limit_key l
            WHERE l.town = $9 AND l.key = ANY (ARRAY(
                SELECT concurrency_key FROM found WHERE concurrency_key IS NOT NULL
                UNION SELECT rate_key FROM found WHERE rate_key IS NOT NULL))
            ORDER BY l.key FOR UPDATE
        ), judged AS MATERIALIZED (
            SELECT f.*,
                   CASE WHEN f.concurrency_key IS NOT NULL AND (k.key IS NULL
                            OR row_number() OVER (PARTITION BY f.concurrency_key ORDER BY f.rank, f.id) > k.free) THEN 'concurrency'
                        WHEN f.rate_key IS NOT NULL
                            AND row_number() OVER (PARTITION BY f.rate_key ORDER BY f.rank, f.id) > r.tokens THEN 'rate'
                        -- Its last chance is had alone: whoever else was lost with a poison must not be lost with it to the end.
                        WHEN f.suspect AND f.available_at > now() - $11
                            AND EXISTS (SELECT FROM task t WHERE t.lease_worker = $1 AND t.state = 'running') THEN 'alone' END AS blocked
            FROM found f
            LEFT JOIN permit k ON k.key = f.concurrency_key
            LEFT JOIN permit r ON r.key = f.rate_key
        ), leased AS (
            UPDATE task t
            SET state = 'running', attempt = t.attempt + 1, lease_token = gen_random_uuid(), lease_worker = $1,
                lease_request = $2, leased_at = now(), started_at = coalesce(t.started_at, now()),
                lease_until = now() + CASE WHEN p.runtime = 'command' THEN $8 ELSE $7 END
            FROM (
                SELECT * FROM judged
                WHERE blocked IS NULL AND (suspect OR NOT EXISTS (SELECT FROM judged WHERE suspect AND blocked IS NULL))
                ORDER BY nth, turn
                LIMIT (SELECT CASE WHEN EXISTS (SELECT FROM judged WHERE suspect AND blocked IS NULL) THEN least(greatest(starts, 0), 1)
                              ELSE greatest(starts, 0) END
                       FROM room)) p
            -- By its id alone, since these rows are locked and judged above: with "assigned and due" beside it, the planner may take the index of
            -- the startable for small, after a vacuum of an empty table, and read all of it for every lease.
            WHERE t.id = p.id
            RETURNING t.id, t.attempt, t.lease_token, t.agent_id, p.name, p.runtime, p.cli, t.description, t.timeout_secs,
                      p.trust_level, p.grants, t.concurrency_key, t.rate_key, t.steered OR p.mail AS spoken, p.suspect
        ), parked AS (
            UPDATE task t SET due = false, parked = j.blocked, parked_at = now()
            FROM judged j WHERE j.blocked IS NOT NULL AND t.id = j.id
        ), charged AS (
            UPDATE limit_key l
            SET held = l.held + u.held,
                tokens = CASE WHEN l.rate_per_minute IS NULL THEN l.tokens ELSE greatest(0, rate_tokens(l) - u.used) END,
                refilled_at = CASE WHEN l.rate_per_minute IS NULL THEN l.refilled_at ELSE clock_timestamp() END
            FROM (SELECT key, sum(held) AS held, sum(used) AS used
                  FROM (SELECT concurrency_key, 1, 0 FROM leased WHERE concurrency_key IS NOT NULL
                        UNION ALL SELECT rate_key, 0, 1 FROM leased WHERE rate_key IS NOT NULL) AS k (key, held, used)
                  GROUP BY key) u
            WHERE l.town = $9 AND l.key = u.key
        ), counted AS (
            UPDATE agent a SET running = a.running + l.some, last_active_at = now()
            FROM (SELECT agent_id, count(*) AS some FROM leased GROUP BY agent_id) l
            WHERE a.id = l.agent_id
        ), moved AS (
            INSERT INTO task_count_delta (town, assigned, running)
            SELECT $9, -count(*), count(*) FROM leased HAVING count(*) > 0
        ), logged AS (
            -- A no-op ends before anybody could read that it began; its leasing is on the entry of its end.
            INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, task_id, detail)
            SELECT $9, 'worker:' || $1, 'TaskStarted', agent_id, name, id,
                   json_build_object('attempt', attempt, 'worker_id', $1::uuid)::text
            FROM leased WHERE runtime <> 'noop'
        )
        SELECT NULL::bigint, NULL::int, id, attempt, lease_token, agent_id, name, runtime, cli, description, timeout_secs,
               trust_level, grants::text, NULL::int, NULL::int, NULL::bigint, spoken, suspect
        FROM leased
        UNION ALL
        SELECT count(*), min(free), NULL, coalesce((SELECT w.weight FROM tenant w WHERE w.town = $9 AND w.name = tenant), 1), NULL,
               agent_id, tenant, NULL, NULL, NULL, NULL, NULL, NULL, min(weight), min(max_concurrency), count(blocked), NULL, NULL
        FROM judged GROUP BY agent_id, tenant
        UNION ALL
        SELECT 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
        FROM room WHERE starts <= 0 AND EXISTS (SELECT FROM judged)
        """;
}
