-- Keys of creating calls: judged without a gap between the key and the task, and forgotten after a day.

-- Forgets keys older than a day, oldest first. Bounded; the caller repeats while it answers p_most.
CREATE FUNCTION prune_idempotency(p_most int) RETURNS int LANGUAGE sql AS $$
    WITH gone AS (
        DELETE FROM idempotency
        WHERE (town, principal, key) IN (
            SELECT town, principal, key FROM idempotency
            WHERE created_at < now() - interval '24 hours'
            ORDER BY created_at
            LIMIT p_most)
        RETURNING 1
    )
    SELECT count(*)::int FROM gone
$$;

-- Accepts a batch: each row is judged alone, all that pass are committed together with their entries and their keys.
-- Answers one row per input. refusal is null, or 'agent_not_found', 'agent_not_accepting', 'deadline_passed',
-- 'key_reused' (the key was used with another body), 'replayed' (then status and response are the first call's) or 'again'
-- (what refused it changed while it was judged: nothing was made, the caller offers it again).
-- No idempotency key may stand in p_keys twice. plpgsql, because its plans are kept; a sql function's are made at each call.
CREATE OR REPLACE FUNCTION accept_tasks(
    p_town text, p_ids uuid[], p_agents uuid[], p_descriptions text[], p_actors text[], p_priorities smallint[],
    p_max_attempts int[], p_timeouts double precision[], p_available timestamptz[], p_deadlines timestamptz[],
    p_total_timeouts double precision[], p_concurrency_keys text[], p_rate_keys text[], p_tags text[],
    p_keys text[], p_hashes bytea[], p_responses text[])
RETURNS TABLE (task_id uuid, refusal text, status smallint, response text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    IF EXISTS (SELECT FROM unnest(p_keys) AS k (key) WHERE key IS NOT NULL) THEN
        -- In order, so that two batches with the same keys never wait for each other in a circle. What is refused leaves its key unused.
        INSERT INTO idempotency (town, principal, key, body_sha256, made, status, response)
        SELECT p_town, i.actor, i.key, i.hash, i.id, 201, i.response
        FROM unnest(p_ids, p_agents, p_actors, p_keys, p_hashes, p_responses, p_deadlines)
             AS i (id, agent_id, actor, key, hash, response, deadline)
        JOIN agent a ON a.id = i.agent_id AND a.town = p_town AND a.control IN ('active', 'paused')
        WHERE i.key IS NOT NULL AND (i.deadline IS NULL OR i.deadline > now())
        ORDER BY i.actor, i.key
        ON CONFLICT DO NOTHING;
    END IF;
    IF EXISTS (SELECT FROM unnest(p_concurrency_keys) AS k (key) WHERE key IS NOT NULL) THEN
        INSERT INTO limit_key (town, key, max_concurrency)
        SELECT p_town, key, 1 FROM unnest(p_concurrency_keys) AS k (key) WHERE key IS NOT NULL GROUP BY key ORDER BY key
        ON CONFLICT DO NOTHING;
    END IF;

    RETURN QUERY
    WITH offered AS MATERIALIZED (
        SELECT i.*, a.name, a.max_attempts AS agent_attempts, a.timeout_secs AS agent_timeout,
               least(i.deadline, now() + make_interval(secs => i.total_timeout)) AS ends_by,
               -- A batch of rows travels as arrays; a row's own array of tags travels as JSON in one element.
               CASE WHEN i.tag_json IS NULL THEN '{}'::text[]
                    ELSE ARRAY(SELECT jsonb_array_elements_text(i.tag_json::jsonb)) END AS tags,
               -- The key first: a repeat gets its answer also when the agent has gone since.
               -- One that just got its key was judged with it: what changed since must not leave a key without a task.
               CASE WHEN k.made = i.id THEN NULL
                    WHEN k.made <> i.id AND k.body_sha256 <> i.hash THEN 'key_reused'
                    WHEN k.made <> i.id THEN 'replayed'
                    WHEN a.id IS NULL THEN 'agent_not_found'
                    WHEN a.control NOT IN ('active', 'paused') THEN 'agent_not_accepting'
                    WHEN i.deadline <= now() THEN 'deadline_passed'
                    -- Without a row of its own it must not be made: a repeat would make it twice.
                    WHEN i.key IS NOT NULL THEN 'again' END AS refused,
               k.status AS first_status, k.response AS first_response
        FROM unnest(p_ids, p_agents, p_descriptions, p_actors, p_priorities, p_max_attempts, p_timeouts, p_available,
                    p_deadlines, p_total_timeouts, p_concurrency_keys, p_rate_keys, p_tags, p_keys, p_hashes)
             AS i (id, agent_id, description, actor, priority, max_attempts, timeout_secs, available_at, deadline,
                   total_timeout, concurrency_key, rate_key, tag_json, key, hash)
        LEFT JOIN agent a ON a.id = i.agent_id AND a.town = p_town
        -- OFFSET 0 keeps it a probe per row: a plan made while the table was small must not scan it later.
        LEFT JOIN LATERAL (
            SELECT d.made, d.body_sha256, d.status, d.response FROM idempotency d
            WHERE d.town = p_town AND d.principal = i.actor AND d.key = i.key OFFSET 0) k ON true
    ), room AS MATERIALIZED (
        -- What a key cannot start at once is parked from the beginning, so that claims do not have to step over it. Only
        -- a guess: claims decide, and the sweep lets in what was parked too early.
        SELECT o.id, row_number() OVER (PARTITION BY o.concurrency_key ORDER BY o.priority DESC, o.id) AS nth, l.free
        FROM offered o
        JOIN LATERAL (
            SELECT CASE WHEN EXISTS (SELECT FROM task t WHERE t.town = p_town AND t.parked = 'concurrency' AND t.concurrency_key = o.concurrency_key)
                        THEN 0 ELSE l.max_concurrency - l.held END AS free
            FROM limit_key l WHERE l.town = p_town AND l.key = o.concurrency_key OFFSET 0) l ON true
        WHERE o.refused IS NULL AND o.concurrency_key IS NOT NULL
    ), made AS (
        INSERT INTO task (id, town, agent_id, state, due, parked, parked_at, available_at, priority, rank, description, tags,
                          max_attempts, timeout_secs, deadline, concurrency_key, rate_key, created_by)
        SELECT o.id, p_town, agent_id, 'assigned', wait.no AND NOT wait.full, CASE WHEN wait.no AND wait.full THEN 'concurrency' END,
               CASE WHEN wait.no AND wait.full THEN now() END, coalesce(available_at, now()), priority,
               (extract(epoch FROM now()) * 1000)::bigint - priority * 60000, description, tags,
               coalesce(max_attempts, agent_attempts), coalesce(timeout_secs, agent_timeout), ends_by,
               concurrency_key, rate_key, actor
        FROM offered o
        LEFT JOIN room ON room.id = o.id
        CROSS JOIN LATERAL (
            SELECT coalesce(available_at <= now(), true) AS no, coalesce(room.nth > room.free, false) AS full) AS wait
        WHERE refused IS NULL
    ), logged AS (
        INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, task_id, detail)
        SELECT p_town, actor, 'TaskAssigned', agent_id, name, id,
               json_build_object('description', left(description, 200), 'priority', priority)::text
        FROM offered WHERE refused IS NULL
    ), counted AS (
        INSERT INTO task_count_delta (town, assigned)
        SELECT p_town, count(*) FROM offered WHERE refused IS NULL HAVING count(*) > 0
    )
    SELECT id, refused, first_status, CASE WHEN refused = 'replayed' THEN first_response END FROM offered;
END
$$;
