-- Every look at an agent or a task by its id is one probe of its primary key, also in a plan that was made while the tables were
-- small or just vacuumed: with a condition on town or state beside it the planner may take an index of the whole town and read
-- all of it for each row. OFFSET 0 keeps the probe apart from the other conditions. What decides is as before.

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
        JOIN LATERAL (SELECT a.town, a.control FROM agent a WHERE a.id = i.agent_id OFFSET 0) a
            ON a.town = p_town AND a.control IN ('active', 'paused')
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
        LEFT JOIN LATERAL (
            SELECT a.id, a.town, a.name, a.control, a.max_attempts, a.timeout_secs FROM agent a WHERE a.id = i.agent_id OFFSET 0) a
            ON a.town = p_town
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

CREATE OR REPLACE FUNCTION ready_agents(p_town text, p_runtimes text[], p_most int)
RETURNS TABLE (agent_id uuid, runtime text, startable int) LANGUAGE sql STABLE AS $$
    WITH RECURSIVE owner AS (
        (SELECT t.agent_id FROM task t WHERE t.state = 'assigned' AND t.due ORDER BY t.agent_id LIMIT 1)
        UNION ALL
        SELECT (SELECT t.agent_id FROM task t
                WHERE t.state = 'assigned' AND t.due AND t.agent_id > owner.agent_id ORDER BY t.agent_id LIMIT 1)
        FROM owner WHERE owner.agent_id IS NOT NULL
    )
    SELECT a.id, a.runtime,
           (SELECT count(*)::int FROM (
                SELECT 1 FROM task t WHERE t.agent_id = a.id AND t.state = 'assigned' AND t.due
                LIMIT a.max_concurrency - a.running) due)
    FROM owner
    CROSS JOIN LATERAL (
        SELECT a.id, a.town, a.runtime, a.control, a.max_concurrency, a.running FROM agent a WHERE a.id = owner.agent_id OFFSET 0) a
    WHERE a.town = p_town AND a.control = 'active' AND a.running < a.max_concurrency AND (p_runtimes IS NULL OR a.runtime = ANY (p_runtimes))
    LIMIT p_most
$$;

CREATE OR REPLACE FUNCTION admit_parked(p_town text, p_keys text[], p_most int) RETURNS SETOF uuid LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    IF NOT EXISTS (SELECT FROM task WHERE town = p_town AND parked = 'concurrency')
       AND NOT EXISTS (SELECT FROM task WHERE town = p_town AND parked = 'rate') THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH RECURSIVE busy AS (
        (SELECT t.concurrency_key AS key FROM task t WHERE t.town = p_town AND t.parked = 'concurrency' ORDER BY 1 LIMIT 1)
        UNION ALL
        SELECT (SELECT t.concurrency_key FROM task t
                WHERE t.town = p_town AND t.parked = 'concurrency' AND t.concurrency_key > busy.key ORDER BY 1 LIMIT 1)
        FROM busy WHERE busy.key IS NOT NULL
    ), room AS MATERIALIZED (
        SELECT busy.key,
               CASE WHEN l.key IS NULL THEN 1 ELSE coalesce(l.max_concurrency, p_most + l.held) - l.held END - (
                   SELECT count(*) FROM task t JOIN agent a ON a.id = t.agent_id
                   WHERE t.town = p_town AND t.concurrency_key = busy.key AND t.parked IS NULL AND t.state = 'assigned' AND t.due
                     AND a.control = 'active' AND a.running < a.max_concurrency) AS free
        FROM busy LEFT JOIN limit_key l ON l.town = p_town AND l.key = busy.key
        WHERE busy.key IS NOT NULL AND (p_keys IS NULL OR busy.key = ANY (p_keys))
    ), chosen AS MATERIALIZED (
        SELECT t.id FROM room CROSS JOIN LATERAL (
            SELECT t.id FROM task t JOIN agent a ON a.id = t.agent_id
            WHERE t.town = p_town AND t.parked = 'concurrency' AND t.concurrency_key = room.key
              AND a.control = 'active' AND a.running < a.max_concurrency
            ORDER BY t.rank, t.id LIMIT greatest(0, least(room.free, p_most)) FOR UPDATE OF t SKIP LOCKED) t
        WHERE room.free > 0
    )
    UPDATE task t SET due = true, parked = NULL, parked_at = NULL FROM chosen WHERE t.id = chosen.id RETURNING t.agent_id;

    RETURN QUERY
    WITH RECURSIVE busy AS (
        (SELECT t.rate_key AS key FROM task t WHERE t.town = p_town AND t.parked = 'rate' ORDER BY 1 LIMIT 1)
        UNION ALL
        SELECT (SELECT t.rate_key FROM task t
                WHERE t.town = p_town AND t.parked = 'rate' AND t.rate_key > busy.key ORDER BY 1 LIMIT 1)
        FROM busy WHERE busy.key IS NOT NULL
    ), room AS MATERIALIZED (
        SELECT busy.key, CASE WHEN l.rate_per_minute IS NULL THEN p_most ELSE floor(rate_tokens(l))::int END AS free
        FROM busy LEFT JOIN limit_key l ON l.town = p_town AND l.key = busy.key
        WHERE busy.key IS NOT NULL AND (p_keys IS NULL OR busy.key = ANY (p_keys))
    ), chosen AS MATERIALIZED (
        SELECT t.id FROM room CROSS JOIN LATERAL (
            SELECT t.id FROM task t JOIN agent a ON a.id = t.agent_id
            WHERE t.town = p_town AND t.parked = 'rate' AND t.rate_key = room.key
              AND a.control = 'active' AND a.running < a.max_concurrency
            ORDER BY t.rank, t.id LIMIT greatest(0, least(room.free, p_most)) FOR UPDATE OF t SKIP LOCKED) t
        WHERE room.free > 0
    )
    UPDATE task t SET due = true, parked = NULL, parked_at = NULL FROM chosen WHERE t.id = chosen.id RETURNING t.agent_id;
END
$$;

CREATE OR REPLACE FUNCTION expire_deadlines(p_town text, p_most int) RETURNS SETOF uuid LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    -- The earliest deadline alone: the first entry of an index, whatever else is in the table.
    IF (SELECT deadline FROM task WHERE deadline IS NOT NULL ORDER BY deadline LIMIT 1) > now() IS NOT FALSE THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH late AS MATERIALIZED (
        SELECT t.id, t.state, t.agent_id FROM task t
        WHERE t.deadline <= now() AND t.town = p_town AND (t.state <> 'running' OR t.cancel_requested_at IS NULL)
        ORDER BY t.id LIMIT p_most FOR UPDATE SKIP LOCKED
    ), ended AS (
        DELETE FROM task t USING late WHERE t.id = late.id AND late.state <> 'running' RETURNING t.*
    ), kept AS (
        INSERT INTO task_history (id, town, agent_id, state, priority, description, tags, max_attempts, timeout_secs,
            deadline, concurrency_key, rate_key, attempt, failures, crashes, lease_token, lease_worker, created_by, created_at,
            started_at, failure_code, failure_detail, retry_of, parent_id)
        SELECT id, town, agent_id, 'failed', priority, description, tags, max_attempts, timeout_secs, deadline,
            concurrency_key, rate_key, attempt, failures, crashes, lease_token, lease_worker, created_by, created_at, started_at,
            'deadline_exceeded', coalesce('Its deadline passed while it waited. Before: ' || last_error, 'Its deadline passed while it waited.'),
            retry_of, parent_id
        FROM ended
    ), moved AS (
        INSERT INTO task_count_delta (town, pending, assigned, waiting, failed)
        SELECT p_town, -count(*) FILTER (WHERE state = 'pending'), -count(*) FILTER (WHERE state = 'assigned'),
               -count(*) FILTER (WHERE state = 'waiting'), count(*)
        FROM ended HAVING count(*) > 0
    ), wished AS (
        UPDATE task t SET cancel_requested_at = now(), cancel_reason = 'deadline'
        FROM late WHERE t.id = late.id AND late.state = 'running'
        RETURNING t.id
    ), logged AS (
        INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, task_id, outcome, detail)
        SELECT p_town, 'dispatcher', CASE WHEN late.state = 'running' THEN 'TaskCancelRequested' ELSE 'TaskFailed' END,
               late.agent_id, a.name, late.id, CASE WHEN late.state = 'running' THEN 'success' ELSE 'failure' END,
               '{"failure_code":"deadline_exceeded"}'
        FROM late LEFT JOIN agent a ON a.id = late.agent_id
    )
    SELECT id FROM wished;
END
$$;

CREATE OR REPLACE FUNCTION fold_metrics(p_town text, p_most int, p_wait double precision[], p_run double precision[])
RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    behind bigint;
    folded int;
    last bigint;
BEGIN
    INSERT INTO metric_cursor (town) VALUES (p_town) ON CONFLICT DO NOTHING;
    SELECT seq INTO behind FROM metric_cursor WHERE town = p_town FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;

    WITH page AS MATERIALIZED (
        SELECT l.seq, l.action, l.actor, l.task_id, l.at, l.detail
        FROM ledger l WHERE l.town = p_town AND l.seq > behind ORDER BY l.seq LIMIT p_most
    ), ended AS MATERIALIZED (
        -- Read once: as text of JSON it would be read again for every member.
        SELECT action, task_id, at, (read.detail ->> 'leased_at')::timestamptz AS leased_at, (read.detail ->> 'attempt')::int AS nth
        FROM page CROSS JOIN LATERAL (SELECT page.detail::jsonb AS detail OFFSET 0) read
        WHERE action IN ('TaskCompleted', 'TaskFailed', 'TaskCancelled', 'TaskRetried', 'TaskReleased') AND actor LIKE 'worker:%'
    ), attempt AS MATERIALIZED (
        -- A task's id says when it was accepted (UUIDv7: milliseconds in the first 48 bits).
        SELECT CASE action WHEN 'TaskCompleted' THEN 'completed' WHEN 'TaskFailed' THEN 'failed' WHEN 'TaskCancelled' THEN 'cancelled'
                   WHEN 'TaskRetried' THEN 'retried' ELSE 'released' END AS outcome,
               greatest(0, extract(epoch FROM at - leased_at)::float8) AS run,
               CASE WHEN nth = 1 THEN greatest(0, extract(epoch FROM leased_at)::float8
                   - ('x' || left(replace(task_id::text, '-', ''), 12))::bit(48)::bigint / 1000.0) END AS wait
        FROM ended WHERE leased_at IS NOT NULL
    ), fact AS (
        SELECT 'entries' AS name, action AS label, count(*)::float8 AS value FROM page GROUP BY action
        UNION ALL SELECT 'attempts', outcome, count(*) FROM attempt GROUP BY outcome
        UNION ALL SELECT 'attempts', 'lost', count(*) FROM page WHERE action IN ('LeaseExpired', 'TaskDead') AND actor = 'dispatcher' HAVING count(*) > 0
        UNION ALL SELECT 'wait', width_bucket(wait, p_wait)::text, count(*) FROM attempt WHERE wait IS NOT NULL GROUP BY 2
        UNION ALL SELECT 'wait_sum', '', sum(wait) FROM attempt WHERE wait IS NOT NULL HAVING count(*) > 0
        UNION ALL SELECT 'run', width_bucket(run, p_run)::text, count(*) FROM attempt GROUP BY 2
        UNION ALL SELECT 'run_sum', '', sum(run) FROM attempt HAVING count(*) > 0
    ), kept AS (
        INSERT INTO metric_total AS m (town, name, label, value) SELECT p_town, name, label, value FROM fact
        ON CONFLICT (town, name, label) DO UPDATE SET value = m.value + excluded.value
    )
    SELECT count(*), max(seq) INTO folded, last FROM page;
    IF folded > 0 THEN
        UPDATE metric_cursor SET seq = last WHERE town = p_town;
    END IF;

    -- Attempts begun: those that ended and those that run. What runs may end before its end is folded, so the highest sum seen counts.
    INSERT INTO metric_total AS m (town, name, value)
    SELECT p_town, 'started', coalesce((SELECT sum(value) FROM metric_total WHERE town = p_town AND name = 'attempts'), 0) + greatest(c.running, 0)
    FROM task_count_now c WHERE c.town = p_town
    ON CONFLICT (town, name, label) DO UPDATE SET value = excluded.value WHERE m.value < excluded.value;
    RETURN folded;
END
$$;
