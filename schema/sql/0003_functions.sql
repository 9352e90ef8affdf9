-- SQL that several services share: each rule stands here once.

-- The state people see. Twin of Contracts' AgentStates.Derive; a test compares them over all inputs.
CREATE FUNCTION agent_state(control text, running int, queued boolean, worked boolean, recent boolean)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN control <> 'active' THEN control
        WHEN running > 0 THEN 'working'
        WHEN recent THEN CASE WHEN worked THEN 'idle' ELSE 'starting' END
        ELSE CASE WHEN queued THEN 'starting' ELSE 'cold' END
    END
$$;

-- Agents that may start something now, with how much: due work, not paused, below their own limit.
-- One index probe per agent that has due work, whatever the number of its tasks.
CREATE FUNCTION ready_agents(p_town text, p_runtimes text[], p_most int)
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
    FROM owner JOIN agent a ON a.id = owner.agent_id
    WHERE a.town = p_town AND a.control = 'active' AND a.running < a.max_concurrency
      AND (p_runtimes IS NULL OR a.runtime = ANY (p_runtimes))
    LIMIT p_most
$$;

-- Accepts a batch: each row is judged alone, all that pass are committed together with their entries.
-- Answers one row per input: refusal is null, 'agent_not_found' or 'agent_not_accepting'.
CREATE FUNCTION accept_tasks(
    p_town text, p_ids uuid[], p_agents uuid[], p_descriptions text[], p_actors text[], p_priorities smallint[],
    p_max_attempts int[], p_timeouts double precision[], p_available timestamptz[], p_deadlines timestamptz[],
    p_concurrency_keys text[], p_tags text[])
RETURNS TABLE (task_id uuid, refusal text) LANGUAGE sql AS $$
    WITH offered AS MATERIALIZED (
        SELECT i.*, a.id AS found, a.name, a.control, a.max_attempts AS agent_attempts, a.timeout_secs AS agent_timeout,
               -- A batch of rows travels as arrays; a row's own array of tags travels as JSON in one element.
               CASE WHEN i.tag_json IS NULL THEN '{}'::text[]
                    ELSE ARRAY(SELECT jsonb_array_elements_text(i.tag_json::jsonb)) END AS tags
        FROM unnest(p_ids, p_agents, p_descriptions, p_actors, p_priorities, p_max_attempts, p_timeouts, p_available,
                    p_deadlines, p_concurrency_keys, p_tags)
             AS i (id, agent_id, description, actor, priority, max_attempts, timeout_secs, available_at, deadline,
                   concurrency_key, tag_json)
        LEFT JOIN agent a ON a.id = i.agent_id AND a.town = p_town
    ), made AS (
        INSERT INTO task (id, town, agent_id, state, due, available_at, priority, description, tags, max_attempts,
                          timeout_secs, deadline, concurrency_key, created_by)
        SELECT id, p_town, agent_id, 'assigned', coalesce(available_at <= now(), true), coalesce(available_at, now()),
               priority, description, tags, coalesce(max_attempts, agent_attempts), coalesce(timeout_secs, agent_timeout),
               deadline, concurrency_key, actor
        FROM offered WHERE control IN ('active', 'paused')
    ), logged AS (
        INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, task_id, detail)
        SELECT p_town, actor, 'TaskAssigned', agent_id, name, id,
               json_build_object('description', left(description, 200), 'priority', priority)::text
        FROM offered WHERE control IN ('active', 'paused')
    ), counted AS (
        INSERT INTO task_count_delta (town, assigned)
        SELECT p_town, count(*) FROM offered WHERE control IN ('active', 'paused') HAVING count(*) > 0
    )
    SELECT id, CASE WHEN found IS NULL THEN 'agent_not_found'
                    WHEN control NOT IN ('active', 'paused') THEN 'agent_not_accepting' END
    FROM offered
$$;

-- Moves delayed work whose time has come among the due work. Bounded; the caller repeats while it answers p_most.
CREATE FUNCTION promote_delayed(p_most int) RETURNS SETOF uuid LANGUAGE sql AS $$
    UPDATE task SET due = true
    WHERE id IN (SELECT id FROM task WHERE state = 'assigned' AND NOT due AND available_at <= now()
                 ORDER BY available_at LIMIT p_most FOR UPDATE SKIP LOCKED)
    RETURNING agent_id
$$;

-- Partitions ahead of need, so that nothing lands in the catch-all: history and output by month (ids are by time),
-- the ledger by 16 million entries. Runs as the owner, because services may not create tables.
CREATE FUNCTION ensure_partitions() RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    made int := 0;
    span bigint := 16777216;
    month timestamptz;
    part text;
    edge bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('townhall.ensure_partitions', 0));
    FOR i IN 0..2 LOOP
        month := date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + make_interval(months => i);
        FOREACH part IN ARRAY ARRAY['task_history', 'task_output'] LOOP
            IF to_regclass(format('%s_%s', part, to_char(month AT TIME ZONE 'UTC', 'YYYYMM'))) IS NULL THEN
                EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                    part || '_' || to_char(month AT TIME ZONE 'UTC', 'YYYYMM'), part,
                    uuid7_floor(month), uuid7_floor(month + interval '1 month'));
                made := made + 1;
            END IF;
        END LOOP;
    END LOOP;
    SELECT coalesce(max(seq), 0) / span INTO edge FROM ledger_head;
    FOR i IN edge..edge + 2 LOOP
        IF to_regclass(format('ledger_%s', i)) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF ledger FOR VALUES FROM (%s) TO (%s)',
                'ledger_' || i, i * span, (i + 1) * span);
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END
$$;

-- The smallest UUIDv7 of an instant: 48 bits of milliseconds, the rest zero (RFC 9562, section 5.7).
CREATE FUNCTION uuid7_floor(instant timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex(floor(extract(epoch FROM instant) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

SELECT ensure_partitions();
