-- What the dispatcher asks about order, limits and deadlines.

-- Keyed work that may start or runs: what of a key's permits is spoken for.
DROP INDEX task_key_holders;
CREATE INDEX task_key_holders ON task (town, concurrency_key, state) WHERE concurrency_key IS NOT NULL AND parked IS NULL;

-- A deadline ends what waits; of what runs, it withdraws the attempt, which then counts as failed.
INSERT INTO task_move (from_state, event, to_state) VALUES
    ('pending',  'expire', 'failed'),
    ('assigned', 'expire', 'failed'),
    ('waiting',  'expire', 'failed'),
    ('running',  'expire', 'failed');

-- Agents that may start something now, with how much: due work, not paused, below their own limit.
-- One index probe per agent that has due work, whatever the number of its tasks; OFFSET 0 keeps it a probe, because a plan
-- made while nothing is due would read all agents.
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
        SELECT a.id, a.runtime, a.max_concurrency, a.running FROM agent a
        WHERE a.id = owner.agent_id AND a.town = p_town AND a.control = 'active' AND a.running < a.max_concurrency
          AND (p_runtimes IS NULL OR a.runtime = ANY (p_runtimes))
        OFFSET 0) a
    LIMIT p_most
$$;

-- Moves delayed work whose time has come among the due work. Bounded; the caller repeats while it answers p_most.
CREATE OR REPLACE FUNCTION promote_delayed(p_most int) RETURNS SETOF uuid LANGUAGE sql AS $$
    UPDATE task SET due = true
    WHERE id IN (SELECT id FROM task WHERE state = 'assigned' AND NOT due AND parked IS NULL AND available_at <= now()
                 ORDER BY available_at LIMIT p_most FOR UPDATE SKIP LOCKED)
    RETURNING agent_id
$$;

-- What a rate key has now: tokens refill continuously up to the burst.
CREATE FUNCTION rate_tokens(l limit_key) RETURNS double precision LANGUAGE sql STABLE AS $$
    SELECT least(l.burst, l.tokens + greatest(0, extract(epoch FROM clock_timestamp() - l.refilled_at)) / 60 * l.rate_per_minute)
$$;

-- Lets parked work in as far as its key has room, smallest rank first, and says whose. p_keys null looks at every key with
-- parked work. A guess like the parking: what is let in for an agent that cannot start it does not count against the others.
CREATE FUNCTION admit_parked(p_town text, p_keys text[], p_most int) RETURNS SETOF uuid LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    IF NOT EXISTS (SELECT FROM task WHERE town = p_town AND parked IS NOT NULL) THEN
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

-- Ends what waited beyond its deadline, and withdraws the attempts that run beyond it; their workers are told.
-- Answers the tasks whose attempts were withdrawn. Bounded; what is left comes with the next call.
CREATE FUNCTION expire_deadlines(p_town text, p_most int) RETURNS SETOF uuid LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    IF NOT EXISTS (SELECT FROM task WHERE deadline IS NOT NULL AND deadline <= now()
                                      AND (state <> 'running' OR cancel_requested_at IS NULL)) THEN
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
