-- Work whose worker or agent is gone: found by rows, looked at without a change, moved in bounded batches.

-- What an agent has beside due and running work; mostly empty.
CREATE INDEX task_undue ON task (agent_id, id) WHERE state = 'assigned' AND NOT due;
CREATE INDEX task_waiting ON task (agent_id, id) WHERE state = 'waiting';

-- Ends leases whose worker is known to be gone, so that the reaper offers their tasks again: its own rule, only earlier.
-- A lease that a living worker may still renew is never touched. p_dry: only says what it would do.
-- Answers one row per agent with running work; ended is how many of its leases are (or would be) ended.
CREATE FUNCTION recover_agents(p_town text, p_dry boolean, p_actor text)
RETURNS TABLE (agent_id uuid, agent_name text, ended int) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    gone uuid[];
BEGIN
    gone := ARRAY(
        SELECT t.id FROM task t LEFT JOIN worker w ON w.id = t.lease_worker
        WHERE t.town = p_town AND t.state = 'running' AND t.lease_until > now()
          AND (w.id IS NULL OR w.state IN ('drained', 'lost'))
        ORDER BY t.id);
    IF NOT p_dry THEN
        -- In order of id, as everyone who locks several tasks does.
        WITH held AS MATERIALIZED (
            SELECT t.id FROM task t LEFT JOIN worker w ON w.id = t.lease_worker
            WHERE t.id = ANY (gone) AND t.state = 'running' AND t.lease_until > now()
              AND (w.id IS NULL OR w.state IN ('drained', 'lost'))
            ORDER BY t.id FOR UPDATE OF t
        ), ended AS (
            UPDATE task t SET lease_until = now() FROM held WHERE t.id = held.id RETURNING t.id
        )
        SELECT coalesce(array_agg(ended.id), '{}') INTO gone FROM ended;
        INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, detail)
        SELECT p_town, p_actor, 'AgentRecovered', a.id, a.name, json_build_object('leases', count(*))::text
        FROM task t JOIN agent a ON a.id = t.agent_id WHERE t.id = ANY (gone) GROUP BY a.id ORDER BY a.id;
    END IF;

    RETURN QUERY
    SELECT a.id, a.name, (count(*) FILTER (WHERE t.id = ANY (gone)))::int
    FROM task t JOIN agent a ON a.id = t.agent_id
    WHERE t.town = p_town AND t.state = 'running' GROUP BY a.id, a.name ORDER BY a.name;
END
$$;

-- Live tasks that nobody will start because their agent has ended ('agent_terminal') or is gone ('agent_missing').
-- What still runs is not among them: its lease decides. p_agent null: of all such agents. Oldest agents first, then by id.
-- One index probe per agent that has waiting work, whatever the number of its tasks.
CREATE FUNCTION orphan_tasks(p_town text, p_agent uuid, p_waiting boolean, p_most int)
RETURNS TABLE (task_id uuid, agent_id uuid, agent_name text, state text, reason text) LANGUAGE sql STABLE AS $$
    WITH RECURSIVE due AS (
        (SELECT t.agent_id FROM task t WHERE t.state = 'assigned' AND t.due ORDER BY t.agent_id LIMIT 1)
        UNION ALL
        SELECT (SELECT t.agent_id FROM task t
                WHERE t.state = 'assigned' AND t.due AND t.agent_id > due.agent_id ORDER BY t.agent_id LIMIT 1)
        FROM due WHERE due.agent_id IS NOT NULL
    ), undue AS (
        (SELECT t.agent_id FROM task t WHERE t.state = 'assigned' AND NOT t.due ORDER BY t.agent_id LIMIT 1)
        UNION ALL
        SELECT (SELECT t.agent_id FROM task t
                WHERE t.state = 'assigned' AND NOT t.due AND t.agent_id > undue.agent_id ORDER BY t.agent_id LIMIT 1)
        FROM undue WHERE undue.agent_id IS NOT NULL
    ), owner AS (
        SELECT o.agent_id, a.name, CASE WHEN a.id IS NULL THEN 'agent_missing' ELSE 'agent_terminal' END AS reason
        FROM (SELECT agent_id FROM due UNION SELECT agent_id FROM undue
              UNION SELECT t.agent_id FROM task t WHERE p_waiting AND t.state = 'waiting') o
        LEFT JOIN agent a ON a.id = o.agent_id
        WHERE o.agent_id IS NOT NULL AND (p_agent IS NULL OR o.agent_id = p_agent)
          AND (a.id IS NULL OR (a.town = p_town AND a.control IN ('stopped', 'error')))
    )
    SELECT t.id, owner.agent_id, owner.name, t.state, owner.reason
    FROM owner CROSS JOIN LATERAL (
        (SELECT id, state, town FROM task WHERE agent_id = owner.agent_id AND state = 'assigned' AND due ORDER BY id LIMIT p_most)
        UNION ALL
        (SELECT id, state, town FROM task WHERE agent_id = owner.agent_id AND state = 'assigned' AND NOT due ORDER BY id LIMIT p_most)
        UNION ALL
        (SELECT id, state, town FROM task WHERE p_waiting AND agent_id = owner.agent_id AND state = 'waiting' ORDER BY id LIMIT p_most)) t
    WHERE t.town = p_town
    ORDER BY owner.agent_id, t.id
    LIMIT p_most
$$;

-- Gives orphans to another agent, or to nobody (p_to null: the backlog). They keep their age, attempts and delays.
-- Answers what was moved, as it was found; fewer than p_most means that none is left. Nothing is moved to an agent that takes no work.
CREATE FUNCTION reclaim_tasks(p_town text, p_agent uuid, p_to uuid, p_actor text, p_most int)
RETURNS TABLE (task_id uuid, agent_id uuid, agent_name text, state text, reason text) LANGUAGE sql AS $$
    WITH orphan AS MATERIALIZED (
        SELECT o.* FROM orphan_tasks(p_town, p_agent, false, p_most) o
        WHERE p_to IS NULL OR EXISTS (SELECT FROM agent a WHERE a.id = p_to AND a.town = p_town AND a.control IN ('active', 'paused'))
    ), held AS MATERIALIZED (
        -- Waiting for a row and looking again: one that was leased meanwhile is nobody's orphan.
        SELECT t.id, orphan.agent_id, orphan.agent_name, orphan.reason FROM task t JOIN orphan ON orphan.task_id = t.id
        WHERE t.state = 'assigned' AND t.agent_id = orphan.agent_id
        ORDER BY t.id FOR UPDATE OF t
    ), moved AS (
        UPDATE task t
        SET state = CASE WHEN p_to IS NULL THEN 'pending' ELSE 'assigned' END, agent_id = p_to,
            due = t.available_at <= now(), parked = NULL, parked_at = NULL
        FROM held WHERE t.id = held.id
        RETURNING t.id, held.agent_id, held.agent_name, held.reason
    ), counted AS (
        INSERT INTO task_count_delta (town, assigned, pending)
        SELECT p_town, -count(*), count(*) FROM moved WHERE p_to IS NULL HAVING count(*) > 0
    ), logged AS (
        INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, task_id, detail)
        SELECT p_town, p_actor, 'TaskReclaimed', m.agent_id, m.agent_name, m.id,
               json_build_object('reason', m.reason, 'to', CASE WHEN p_to IS NULL THEN 'backlog' ELSE 'agent' END,
                   'to_agent_id', p_to, 'to_agent_name', (SELECT a.name FROM agent a WHERE a.id = p_to))::text
        FROM moved m ORDER BY m.id
    )
    SELECT id, agent_id, agent_name, 'assigned', reason FROM moved ORDER BY id
$$;

-- Agents that can be removed: ended, or with p_all also cold (nothing to do, not active for p_recent), and without a live task.
CREATE FUNCTION prunable_agents(p_town text, p_all boolean, p_recent interval, p_most int)
RETURNS TABLE (agent_id uuid, agent_name text) LANGUAGE sql STABLE AS $$
    SELECT a.id, a.name FROM agent a
    WHERE a.town = p_town AND a.running = 0
      AND (a.control IN ('stopped', 'error')
           OR (p_all AND a.control = 'active' AND p_recent > interval '0' AND now() - coalesce(a.last_active_at, a.created_at) >= p_recent))
      AND NOT EXISTS (SELECT FROM task t WHERE t.agent_id = a.id AND t.state = 'assigned' AND t.due)
      AND NOT EXISTS (SELECT FROM task t WHERE t.agent_id = a.id AND t.state = 'assigned' AND NOT t.due)
      AND NOT EXISTS (SELECT FROM task t WHERE t.agent_id = a.id AND t.state = 'waiting')
    ORDER BY a.name
    LIMIT p_most
$$;

CREATE FUNCTION prune_agents(p_town text, p_all boolean, p_recent interval, p_actor text, p_most int)
RETURNS TABLE (agent_id uuid, agent_name text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    IF NOT EXISTS (SELECT FROM prunable_agents(p_town, p_all, p_recent, 1)) THEN
        RETURN;
    END IF;

    -- For as long as this takes, nobody accepts a task: one that is being accepted for an agent is either seen here, or
    -- finds the agent gone.
    LOCK TABLE task IN SHARE MODE;
    RETURN QUERY
    WITH chosen AS MATERIALIZED (
        SELECT a.id FROM agent a WHERE a.id IN (SELECT p.agent_id FROM prunable_agents(p_town, p_all, p_recent, p_most) p)
        ORDER BY a.id FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM agent a USING chosen
        WHERE a.id = chosen.id AND a.running = 0 AND (a.control IN ('stopped', 'error') OR (p_all AND a.control = 'active'))
        RETURNING a.id, a.name, a.control
    ), logged AS (
        INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, detail)
        SELECT p_town, p_actor, 'AgentPruned', id, name, json_build_object('control', control)::text FROM gone ORDER BY name
    )
    SELECT id, name FROM gone ORDER BY name;
END
$$;

REVOKE EXECUTE ON FUNCTION recover_agents(text, boolean, text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION reclaim_tasks(text, uuid, uuid, text, int) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION prune_agents(text, boolean, interval, text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION recover_agents(text, boolean, text) TO town_app;
GRANT EXECUTE ON FUNCTION reclaim_tasks(text, uuid, uuid, text, int) TO town_app;
GRANT EXECUTE ON FUNCTION prune_agents(text, boolean, interval, text, int) TO town_app;
