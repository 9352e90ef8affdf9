-- Doing it again, and doing it to many: retries of ended tasks, and selections that are frozen before anything happens to them.

CREATE INDEX task_retries ON task (retry_of) WHERE retry_of IS NOT NULL;
CREATE INDEX task_history_retries ON task_history (retry_of) WHERE retry_of IS NOT NULL;
-- What selections for a retry read; an end that went well pays nothing.
CREATE INDEX task_history_unwell ON task_history (town, state, id) WHERE state <> 'completed';

-- Why a task may not be retried; null when it may.
CREATE FUNCTION retry_refusal(p_town text, p_id uuid, p_force boolean) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN h.id IS NULL AND EXISTS (SELECT FROM task t WHERE t.id = p_id AND t.town = p_town) THEN 'task_not_ended'
        WHEN h.id IS NULL THEN 'task_not_found'
        WHEN h.state = 'completed' AND NOT p_force THEN 'task_completed'
        WHEN NOT p_force AND (EXISTS (SELECT FROM task t WHERE t.retry_of = p_id)
                              OR EXISTS (SELECT FROM task_history t WHERE t.retry_of = p_id)) THEN 'already_retried'
        WHEN h.agent_id IS NULL THEN 'agent_not_found' END
    FROM (VALUES (1)) one (line)
    LEFT JOIN task_history h ON h.id = p_id AND h.town = p_town
$$;

-- Makes a new task from each ended one, p_new naming them in the order of p_ids: the same agent, text, keys and limits, and
-- the same time to its deadline. Each is judged alone. Answers one row per id: 'retried', or why not.
CREATE FUNCTION retry_tasks(p_town text, p_ids uuid[], p_new uuid[], p_actor text, p_force boolean)
RETURNS TABLE (task_id uuid, verdict text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    old uuid[];
    made uuid[];
    judged uuid[];
    refusals text[];
BEGIN
    -- Ended tasks are nobody's to lock: without this, two calls at once would both find that nobody retried it yet.
    PERFORM pg_advisory_xact_lock(hashtextextended('townhall.retry.' || p_town, 0));
    SELECT array_agg(i.id), array_agg(i.new) INTO old, made
    FROM unnest(p_ids, p_new) AS i (id, new) WHERE retry_refusal(p_town, i.id, p_force) IS NULL;
    RETURN QUERY
    SELECT i.id, retry_refusal(p_town, i.id, p_force) FROM unnest(p_ids) AS i (id) WHERE old IS NULL OR i.id <> ALL (old);
    IF old IS NULL THEN
        RETURN;
    END IF;

    SELECT array_agg(a.task_id), array_agg(a.refusal) INTO judged, refusals
    FROM (
        SELECT array_agg(i.new) AS ids, array_agg(h.agent_id) AS agents, array_agg(h.description) AS descriptions,
               array_agg(p_actor) AS actors, array_agg(h.priority) AS priorities, array_agg(h.max_attempts) AS attempts,
               array_agg(h.timeout_secs) AS timeouts, array_agg(NULL::timestamptz) AS available,
               array_agg(now() + (h.deadline - h.created_at)) AS deadlines, array_agg(h.concurrency_key) AS keys,
               array_agg(h.rate_key) AS rates, array_agg(to_json(h.tags)::text) AS tags
        FROM unnest(old, made) AS i (id, new) JOIN task_history h ON h.id = i.id) c
    CROSS JOIN LATERAL accept_tasks(p_town, c.ids, c.agents, c.descriptions, c.actors, c.priorities, c.attempts, c.timeouts,
        c.available, c.deadlines, '{}', c.keys, c.rates, c.tags, '{}', '{}', '{}') a;

    UPDATE task t SET retry_of = h.id, parent_id = h.parent_id
    FROM unnest(old, made) AS i (id, new) JOIN task_history h ON h.id = i.id
    WHERE t.id = i.new;
    INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, task_id, detail)
    SELECT p_town, p_actor, 'TaskRetried', h.agent_id, a.name, h.id, json_build_object('state', h.state, 'retried_as', i.new)::text
    FROM unnest(old, made) AS i (id, new)
    JOIN unnest(judged, refusals) AS j (id, refusal) ON j.id = i.new AND j.refusal IS NULL
    JOIN task_history h ON h.id = i.id
    LEFT JOIN agent a ON a.id = h.agent_id;
    RETURN QUERY
    SELECT i.id, coalesce(j.refusal, 'retried')
    FROM unnest(old, made) AS i (id, new) JOIN unnest(judged, refusals) AS j (id, refusal) ON j.id = i.new;
END
$$;

-- Withdraws each task that is still in the state it is expected in (p_states null: whatever it is), as cancel_task does.
-- Answers one row per id: 'cancelled', 'running' (noted), 'state_changed' (nothing was done), the state it had ended in, or null.
CREATE FUNCTION cancel_tasks(p_town text, p_ids uuid[], p_states text[], p_actor text)
RETURNS TABLE (task_id uuid, done boolean, stands text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH seen AS MATERIALIZED (
        SELECT t.id, t.agent_id, t.state, t.cancel_requested_at FROM task t
        WHERE t.id = ANY (p_ids) AND t.town = p_town
        ORDER BY t.id
        FOR UPDATE
    ), found AS MATERIALIZED (
        SELECT seen.* FROM seen
        WHERE p_states IS NULL OR seen.state = p_states[array_position(p_ids, seen.id)]
    ), ended AS (
        DELETE FROM task t USING found
        WHERE t.id = found.id AND found.state IN ('pending', 'assigned', 'waiting')
        RETURNING t.*
    ), kept AS (
        INSERT INTO task_history (id, town, agent_id, state, priority, description, tags, max_attempts, timeout_secs,
            deadline, concurrency_key, rate_key, attempt, failures, crashes, lease_token, lease_worker, created_by, created_at,
            started_at, failure_code, retry_of, parent_id)
        SELECT id, town, agent_id, 'cancelled', priority, description, tags, max_attempts, timeout_secs, deadline,
            concurrency_key, rate_key, attempt, failures, crashes, lease_token, lease_worker, created_by, created_at, started_at,
            'cancelled', retry_of, parent_id
        FROM ended
    ), moved AS (
        INSERT INTO task_count_delta (town, pending, assigned, waiting, cancelled)
        SELECT p_town, -count(*) FILTER (WHERE state = 'pending'), -count(*) FILTER (WHERE state = 'assigned'),
               -count(*) FILTER (WHERE state = 'waiting'), count(*)
        FROM ended HAVING count(*) > 0
    ), wished AS (
        UPDATE task t SET cancel_requested_at = now() FROM found
        WHERE t.id = found.id AND found.state = 'running' AND found.cancel_requested_at IS NULL
        RETURNING t.id
    ), logged AS (
        INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, task_id)
        SELECT p_town, p_actor, CASE WHEN found.state = 'running' THEN 'TaskCancelRequested' ELSE 'TaskCancelled' END,
               found.agent_id, a.name, found.id
        FROM found LEFT JOIN agent a ON a.id = found.agent_id
        WHERE found.state <> 'running' OR found.cancel_requested_at IS NULL
    )
    SELECT i.id, found.id IS NOT NULL,
           CASE WHEN found.id IS NOT NULL THEN CASE WHEN found.state = 'running' THEN 'running' ELSE 'cancelled' END
                WHEN seen.id IS NOT NULL THEN 'state_changed'
                ELSE (SELECT h.state FROM task_history h WHERE h.id = i.id AND h.town = p_town) END
    FROM unnest(p_ids) AS i (id)
    LEFT JOIN seen ON seen.id = i.id
    LEFT JOIN found ON found.id = i.id;
END
$$;

CREATE OR REPLACE FUNCTION cancel_task(p_town text, p_id uuid, p_actor text) RETURNS text LANGUAGE sql AS $$
    SELECT stands FROM cancel_tasks(p_town, ARRAY[p_id], NULL, p_actor)
$$;

-- Gives waiting tasks to another agent, each if it is still in the state it is expected in. Their place in time stays theirs.
-- Answers one row per id: 'reassigned', 'state_changed', 'agent_not_found' or 'agent_not_accepting'.
CREATE FUNCTION reassign_tasks(p_town text, p_ids uuid[], p_states text[], p_to uuid, p_actor text)
RETURNS TABLE (task_id uuid, verdict text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    target agent;
BEGIN
    -- Held until the end: an agent that is closed meanwhile is closed after it got the tasks.
    SELECT * INTO target FROM agent a WHERE a.id = p_to AND a.town = p_town FOR SHARE;
    IF target.id IS NULL OR target.control NOT IN ('active', 'paused') THEN
        RETURN QUERY SELECT i.id, CASE WHEN target.id IS NULL THEN 'agent_not_found' ELSE 'agent_not_accepting' END
        FROM unnest(p_ids) AS i (id);
        RETURN;
    END IF;
    RETURN QUERY
    WITH found AS MATERIALIZED (
        SELECT t.id, t.state, t.agent_id FROM task t
        WHERE t.id = ANY (p_ids) AND t.town = p_town AND t.state IN ('pending', 'assigned')
          AND t.state = p_states[array_position(p_ids, t.id)]
        ORDER BY t.id
        FOR UPDATE
    ), moved AS (
        UPDATE task t SET agent_id = p_to, state = 'assigned' FROM found WHERE t.id = found.id
    ), counted AS (
        INSERT INTO task_count_delta (town, pending, assigned)
        SELECT p_town, -count(*), count(*) FROM found WHERE found.state = 'pending' HAVING count(*) > 0
    ), logged AS (
        INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, task_id, detail)
        SELECT p_town, p_actor, 'TaskReassigned', p_to, target.name, found.id, json_build_object('from', found.agent_id)::text
        FROM found
    )
    SELECT i.id, CASE WHEN found.id IS NULL THEN 'state_changed' ELSE 'reassigned' END
    FROM unnest(p_ids) AS i (id) LEFT JOIN found ON found.id = i.id;
END
$$;

-- Tasks as they stood at one instant, and what is to be done with them once somebody confirms.
CREATE TABLE bulk_selection (
    id           uuid PRIMARY KEY,
    town         text NOT NULL,
    action       text NOT NULL CHECK (action IN ('cancel', 'retry', 'reassign')),
    target_agent uuid,
    token_sha256 bytea NOT NULL CHECK (length(token_sha256) = 32),
    state        text NOT NULL DEFAULT 'frozen' CHECK (state IN ('frozen', 'running', 'finished')),
    total        int NOT NULL,
    position     int NOT NULL DEFAULT 0,    -- items up to here are done with
    done         int NOT NULL DEFAULT 0,
    skipped      int NOT NULL DEFAULT 0,
    failed       int NOT NULL DEFAULT 0,
    reasons      jsonb NOT NULL DEFAULT '{}',
    created_by   text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    started_at   timestamptz,
    finished_at  timestamptz,
    CONSTRAINT reassign_has_target CHECK ((action = 'reassign') = (target_agent IS NOT NULL)),
    CONSTRAINT each_item_counts_once CHECK (done + skipped + failed = position AND position <= total)
);
CREATE UNIQUE INDEX bulk_token ON bulk_selection (token_sha256);
CREATE INDEX bulk_running ON bulk_selection (town) WHERE state = 'running';
CREATE INDEX bulk_age ON bulk_selection (created_at);
CREATE TABLE bulk_item (
    selection_id uuid NOT NULL,     -- no foreign key: checking it for 100,000 rows takes longer than choosing them
    place        int NOT NULL CHECK (place > 0),
    task_id      uuid NOT NULL,
    state        text NOT NULL,
    PRIMARY KEY (selection_id, place)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON bulk_selection TO town_app;
GRANT SELECT, INSERT, DELETE ON bulk_item TO town_app;

-- Does the next items of one confirmed selection, as many as p_new names ids for retries, in one transaction with the note of
-- how far it came; so a process that dies leaves a whole number of batches done. Any number of processes may call it at once.
-- Answers no row when nothing is to be done.
CREATE FUNCTION bulk_step(p_town text, p_new uuid[]) RETURNS TABLE (selection_id uuid, action text, finished boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    s bulk_selection;
    ids uuid[];
    states text[];
    verdicts text[];
    ended boolean;
BEGIN
    -- At random, so that one selection that always fails does not keep the others from their turn.
    SELECT * INTO s FROM bulk_selection b WHERE b.town = p_town AND b.state = 'running'
    ORDER BY random() LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;

    SELECT array_agg(i.task_id ORDER BY i.place), array_agg(i.state ORDER BY i.place) INTO ids, states
    FROM bulk_item i
    WHERE i.selection_id = s.id AND i.place > s.position AND i.place <= s.position + cardinality(p_new);
    IF ids IS NOT NULL THEN
        CASE s.action
            WHEN 'cancel' THEN
                SELECT array_agg(CASE WHEN r.done THEN 'done' WHEN r.stands = 'state_changed' THEN 'state_changed' ELSE 'task_ended' END)
                INTO verdicts FROM cancel_tasks(p_town, ids, states, s.created_by) r;
            WHEN 'retry' THEN
                SELECT array_agg(CASE r.verdict WHEN 'retried' THEN 'done' ELSE r.verdict END)
                INTO verdicts FROM retry_tasks(p_town, ids, p_new[1:cardinality(ids)], s.created_by, false) r;
            ELSE
                SELECT array_agg(CASE r.verdict WHEN 'reassigned' THEN 'done' ELSE r.verdict END)
                INTO verdicts FROM reassign_tasks(p_town, ids, states, s.target_agent, s.created_by) r;
        END CASE;
    END IF;

    ended := s.position + coalesce(cardinality(ids), 0) >= s.total;
    UPDATE bulk_selection b SET
        position = b.position + v.items, done = b.done + v.done, skipped = b.skipped + v.skipped,
        failed = b.failed + v.items - v.done - v.skipped,
        reasons = (
            SELECT coalesce(jsonb_object_agg(r.reason, r.items), '{}')
            FROM (SELECT reason, sum(items) AS items
                  FROM (SELECT key AS reason, value::int AS items FROM jsonb_each_text(b.reasons)
                        UNION ALL SELECT x, 1 FROM unnest(verdicts) AS x WHERE x <> 'done') all_reasons
                  GROUP BY reason) r),
        state = CASE WHEN ended THEN 'finished' ELSE b.state END,
        finished_at = CASE WHEN ended THEN now() END
    FROM (
        SELECT count(*)::int AS items, (count(*) FILTER (WHERE x = 'done'))::int AS done,
               (count(*) FILTER (WHERE x IN ('state_changed', 'task_ended', 'task_not_ended', 'task_not_found', 'already_retried')))::int AS skipped
        FROM unnest(verdicts) AS x) v
    WHERE b.id = s.id;
    IF ended THEN
        INSERT INTO ledger_pending (town, actor, action, detail)
        SELECT p_town, b.created_by, 'BulkFinished', json_build_object('bulk_id', b.id, 'action', b.action, 'total', b.total,
            'done', b.done, 'skipped', b.skipped, 'failed', b.failed, 'reasons', b.reasons)::text
        FROM bulk_selection b WHERE b.id = s.id;
    END IF;

    RETURN QUERY SELECT s.id, s.action, ended;
END
$$;

-- Forgets selections that nobody confirmed in time, and what finished ones had selected a week ago. Bounded.
CREATE FUNCTION prune_bulk(p_most int) RETURNS int LANGUAGE sql AS $$
    WITH gone AS (
        DELETE FROM bulk_selection WHERE id IN (
            SELECT id FROM bulk_selection
            WHERE (state = 'frozen' AND expires_at < now()) OR (state = 'finished' AND finished_at < now() - interval '7 days')
            ORDER BY created_at LIMIT p_most)
        RETURNING id
    ), items AS (
        DELETE FROM bulk_item i USING gone WHERE i.selection_id = gone.id
    )
    SELECT count(*)::int FROM gone
$$;
