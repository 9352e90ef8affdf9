-- The backlog: tasks that are nobody's yet, who may take them, and how they are taken.

-- Whose work a task in the backlog is: the role of its first tag `role:…`, in small letters. Without such a tag, and for the
-- roles default and worker, it is generalists' work, written ''. An agent takes the work of its own lane and no other.
CREATE FUNCTION role_lane(role text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN role IS NULL OR lower(trim(role)) IN ('', 'default', 'worker') THEN '' ELSE lower(trim(role)) END
$$;
CREATE FUNCTION task_lane(tags text[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT role_lane((SELECT substr(tag, 6) FROM unnest(tags) WITH ORDINALITY AS t (tag, nth)
                      WHERE lower(left(tag, 5)) = 'role:' ORDER BY nth LIMIT 1))
$$;
CREATE INDEX task_lane ON task (town, task_lane(tags), rank, id) WHERE state = 'pending';
CREATE INDEX agent_lane ON agent (town, role_lane(role_id)) WHERE control = 'active';

-- Puts a task into the backlog, with its entry. How often it is tried is said here, since it has no agent that could say it.
CREATE FUNCTION add_to_backlog(
    p_town text, p_id uuid, p_description text, p_tags text[], p_priority smallint, p_max_attempts int, p_timeout double precision,
    p_not_before timestamptz, p_deadline timestamptz, p_actor text)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF p_deadline <= now() THEN
        RETURN 'deadline_passed';
    END IF;

    INSERT INTO task (id, town, state, due, available_at, priority, rank, description, tags, max_attempts, timeout_secs, deadline, created_by)
    VALUES (p_id, p_town, 'pending', coalesce(p_not_before <= now(), true), coalesce(p_not_before, now()), p_priority,
            (extract(epoch FROM now()) * 1000)::bigint - p_priority * 60000, p_description, p_tags, p_max_attempts, p_timeout, p_deadline, p_actor);
    INSERT INTO task_count_delta (town, pending) VALUES (p_town, 1);
    INSERT INTO ledger_pending (town, actor, action, task_id, detail)
    VALUES (p_town, p_actor, 'TaskAdded', p_id,
            json_build_object('description', left(p_description, 200), 'priority', p_priority, 'role', task_lane(p_tags))::text);
    RETURN 'added';
END
$$;

-- Gives tasks of the backlog to an agent because somebody said so: those in p_ids, or (p_ids null) the first p_most of all.
-- The agent is judged before anything is taken. Answers one row per task that is now the agent's; one row without a task when
-- it takes none: verdict 'agent_not_found' or 'agent_not_accepting'. Of p_ids, those not in the backlog have no row.
CREATE FUNCTION take_from_backlog(p_town text, p_ids uuid[], p_agent uuid, p_most int, p_actor text)
RETURNS TABLE (verdict text, task_id uuid) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    target agent;
    ids uuid[] := p_ids;
BEGIN
    -- Held until the end: an agent that is closed meanwhile is closed after it got the tasks, and it cannot be removed.
    SELECT * INTO target FROM agent a WHERE a.id = p_agent AND a.town = p_town FOR SHARE;
    IF target.id IS NULL OR target.control NOT IN ('active', 'paused') THEN
        RETURN QUERY SELECT CASE WHEN target.id IS NULL THEN 'agent_not_found' ELSE 'agent_not_accepting' END, NULL::uuid;
        RETURN;
    END IF;

    IF ids IS NULL THEN
        -- Whoever else takes one at this moment has it.
        ids := ARRAY(SELECT t.id FROM task t WHERE t.town = p_town AND t.state = 'pending' ORDER BY t.id LIMIT p_most FOR UPDATE SKIP LOCKED);
    END IF;

    RETURN QUERY
    WITH found AS MATERIALIZED (
        SELECT t.id FROM task t WHERE t.id = ANY (ids) AND t.town = p_town AND t.state = 'pending' ORDER BY t.id FOR UPDATE
    ), moved AS (
        UPDATE task t
        SET agent_id = p_agent, state = 'assigned', due = t.available_at <= now(), timeout_secs = coalesce(t.timeout_secs, target.timeout_secs)
        FROM found WHERE t.id = found.id
        RETURNING t.id
    ), counted AS (
        INSERT INTO task_count_delta (town, pending, assigned) SELECT p_town, -count(*), count(*) FROM moved HAVING count(*) > 0
    ), logged AS (
        INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, task_id, detail)
        SELECT p_town, p_actor, 'TaskAssigned', p_agent, target.name, moved.id, '{"from":"backlog"}' FROM moved ORDER BY moved.id
    )
    SELECT 'taken', moved.id FROM moved ORDER BY moved.id;
END
$$;

-- Agents of a lane that would start something at once if they had it, with how much: active, below their limit, and without
-- due work of their own. Whoever was idle longest comes first. One probe per agent of the lane.
CREATE FUNCTION idle_agents(p_town text, p_lane text, p_most int)
RETURNS TABLE (agent_id uuid, agent_name text, timeout_secs double precision, free int) LANGUAGE sql STABLE AS $$
    SELECT a.id, a.name, a.timeout_secs, a.max_concurrency - a.running
    FROM agent a
    WHERE a.town = p_town AND role_lane(a.role_id) = p_lane AND a.control = 'active' AND a.running < a.max_concurrency
      AND NOT EXISTS (SELECT FROM task t WHERE t.agent_id = a.id AND t.state = 'assigned' AND t.due)
    ORDER BY a.last_active_at NULLS FIRST, a.id
    LIMIT p_most
$$;

-- The lanes that have work in the backlog whose time has come, and how much of it idle agents could start this instant.
CREATE FUNCTION claimable_backlog(p_town text, p_most int)
RETURNS TABLE (lane text, startable bigint, oldest timestamptz) LANGUAGE sql STABLE AS $$
    WITH RECURSIVE lane AS (
        (SELECT task_lane(t.tags) AS name FROM task t WHERE t.town = p_town AND t.state = 'pending' ORDER BY 1 LIMIT 1)
        UNION ALL
        SELECT (SELECT task_lane(t.tags) FROM task t
                WHERE t.town = p_town AND t.state = 'pending' AND task_lane(t.tags) > lane.name ORDER BY 1 LIMIT 1)
        FROM lane WHERE lane.name IS NOT NULL
    )
    SELECT lane.name, least(work.due, idle.free), work.oldest
    FROM lane
    CROSS JOIN LATERAL (
        SELECT count(*) AS due, min(w.available_at) AS oldest FROM (
            SELECT t.available_at FROM task t
            WHERE t.town = p_town AND t.state = 'pending' AND task_lane(t.tags) = lane.name AND t.available_at <= now()
              AND (t.deadline IS NULL OR t.deadline > now())
            ORDER BY t.rank, t.id LIMIT p_most) w) work
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(i.free), 0)::bigint AS free FROM idle_agents(p_town, lane.name, p_most) i WHERE work.due > 0) idle
    WHERE lane.name IS NOT NULL AND least(work.due, idle.free) > 0
$$;

-- The dispatcher's claim: gives idle agents what of the backlog is for their role, as much as they can start now and no more, so
-- that the rest stays free for whoever is idle next. Each agent's first before anyone's second. Answers the agents.
CREATE FUNCTION claim_backlog(p_town text, p_most int) RETURNS SETOF uuid LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    place record;
    mine uuid[];
BEGIN
    IF NOT EXISTS (SELECT FROM task t WHERE t.town = p_town AND t.state = 'pending') THEN
        RETURN;
    END IF;

    FOR place IN SELECT c.lane, c.startable FROM claimable_backlog(p_town, p_most) c LOOP
        -- Only who is not locked: a claim or a decision about it goes first, and so does another one of us.
        mine := ARRAY(
            SELECT a.id FROM agent a WHERE a.id IN (SELECT i.agent_id FROM idle_agents(p_town, place.lane, p_most) i)
            FOR NO KEY UPDATE SKIP LOCKED);
        RETURN QUERY
        WITH idle AS MATERIALIZED (
            -- Looked at again under the lock: what it was given meanwhile counts.
            SELECT a.id, a.name, a.timeout_secs, a.max_concurrency - a.running AS free, a.last_active_at
            FROM idle_agents(p_town, place.lane, p_most) i JOIN agent a ON a.id = i.agent_id
            WHERE a.id = ANY (mine)
        ), slot AS MATERIALIZED (
            SELECT idle.id, idle.name, idle.timeout_secs, row_number() OVER (ORDER BY round, idle.last_active_at NULLS FIRST, idle.id) AS nth
            FROM idle CROSS JOIN LATERAL generate_series(1, idle.free) AS round
        ), work AS MATERIALIZED (
            SELECT t.id, t.rank FROM task t
            WHERE t.town = p_town AND t.state = 'pending' AND task_lane(t.tags) = place.lane AND t.available_at <= now()
              AND (t.deadline IS NULL OR t.deadline > now())
            ORDER BY t.rank, t.id
            LIMIT least(place.startable, (SELECT count(*) FROM slot))
            FOR UPDATE SKIP LOCKED
        ), pair AS MATERIALIZED (
            SELECT w.id, slot.id AS agent_id, slot.name, slot.timeout_secs
            FROM (SELECT work.id, row_number() OVER (ORDER BY work.rank, work.id) AS nth FROM work) w JOIN slot ON slot.nth = w.nth
        ), moved AS (
            UPDATE task t
            SET agent_id = pair.agent_id, state = 'assigned', due = true, timeout_secs = coalesce(t.timeout_secs, pair.timeout_secs)
            FROM pair WHERE t.id = pair.id
            RETURNING t.id, pair.agent_id, pair.name
        ), counted AS (
            INSERT INTO task_count_delta (town, pending, assigned) SELECT p_town, -count(*), count(*) FROM moved HAVING count(*) > 0
        ), logged AS (
            INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, task_id, detail)
            SELECT p_town, 'dispatcher', 'TaskAssigned', moved.agent_id, moved.name, moved.id,
                   json_build_object('from', 'backlog', 'role', place.lane)::text
            FROM moved ORDER BY moved.id
        )
        SELECT DISTINCT moved.agent_id FROM moved;
    END LOOP;
END
$$;

REVOKE EXECUTE ON FUNCTION add_to_backlog(text, uuid, text, text[], smallint, int, double precision, timestamptz, timestamptz, text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION take_from_backlog(text, uuid[], uuid, int, text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION claim_backlog(text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION add_to_backlog(text, uuid, text, text[], smallint, int, double precision, timestamptz, timestamptz, text) TO town_app;
GRANT EXECUTE ON FUNCTION take_from_backlog(text, uuid[], uuid, int, text) TO town_app;
GRANT EXECUTE ON FUNCTION claim_backlog(text, int) TO town_app;
