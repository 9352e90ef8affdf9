-- What people decide about agents and running work: rows first, whether or not a worker exists that could act on them.

-- An attempt leased before this instant is to be ended, whatever became of the agent since.
ALTER TABLE agent ADD COLUMN killed_at timestamptz;
-- True once somebody said something about the task: its leases are the only ones that have to look for words.
ALTER TABLE task ADD COLUMN steered boolean NOT NULL DEFAULT false;

-- The legal moves of an agent, the same rows as Contracts' AgentMoves; a test compares them. To move where one is changes
-- nothing. Closing an agent that runs something leaves it draining; the end of its last attempt is 'drained'.
CREATE TABLE agent_move (
    from_control text NOT NULL,
    event        text NOT NULL,
    to_control   text NOT NULL,
    PRIMARY KEY (from_control, event)
);
INSERT INTO agent_move (from_control, event, to_control) VALUES
    ('active',   'pause',   'paused'),
    ('paused',   'pause',   'paused'),
    ('active',   'resume',  'active'),
    ('paused',   'resume',  'active'),
    ('active',   'kill',    'stopped'),
    ('paused',   'kill',    'stopped'),
    ('draining', 'kill',    'stopped'),
    ('stopped',  'kill',    'stopped'),
    ('error',    'kill',    'stopped'),
    ('stopped',  'restart', 'active'),
    ('error',    'restart', 'active'),
    ('active',   'close',   'draining'),
    ('paused',   'close',   'draining'),
    ('draining', 'close',   'draining'),
    ('stopped',  'close',   'stopped'),
    ('draining', 'drained', 'stopped');
GRANT SELECT ON agent_move TO town_app;

-- Moves an agent. Answers no row where there is no such agent; else whether the move was legal, whether it changed
-- anything, and where the agent stands now. p_freeze is for 'pause' only: null leaves a frozen agent frozen.
CREATE FUNCTION control_agent(p_town text, p_agent uuid, p_event text, p_freeze boolean, p_actor text)
RETURNS TABLE (legal boolean, changed boolean, name text, control text, frozen boolean, running int)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    was agent;
    target text;
    freezes boolean;
BEGIN
    SELECT * INTO was FROM agent WHERE id = p_agent AND town = p_town FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;

    SELECT m.to_control INTO target FROM agent_move m WHERE m.from_control = was.control AND m.event = p_event;
    IF target IS NULL THEN
        RETURN QUERY SELECT false, false, was.name, was.control, was.frozen, was.running;
        RETURN;
    END IF;

    IF target = 'draining' AND was.running = 0 THEN
        target := 'stopped';
    END IF;

    freezes := target = 'paused' AND coalesce(p_freeze, was.frozen);
    IF target = was.control AND freezes = was.frozen THEN
        RETURN QUERY SELECT true, false, was.name, was.control, was.frozen, was.running;
        RETURN;
    END IF;

    -- The clock, not the transaction's start: a lease given while this row was waited for is older than the kill.
    UPDATE agent a SET control = target, frozen = freezes,
        killed_at = CASE WHEN p_event = 'kill' THEN clock_timestamp() ELSE a.killed_at END
    WHERE a.id = p_agent;
    INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, detail)
    VALUES (p_town, p_actor,
        CASE p_event WHEN 'pause' THEN 'AgentPaused' WHEN 'resume' THEN 'AgentResumed' WHEN 'kill' THEN 'AgentKilled'
            WHEN 'restart' THEN 'AgentRestarted' ELSE 'AgentClosed' END,
        was.id, was.name,
        json_build_object('from', was.control, 'to', target, 'frozen', freezes, 'running', was.running)::text);
    RETURN QUERY SELECT true, true, was.name, target, freezes, was.running;
END
$$;

-- The end of the last attempt of a draining agent, in the transaction of that end, whoever brought it about.
CREATE FUNCTION agent_drained() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE agent SET control = 'stopped' WHERE id = NEW.id AND control = 'draining' AND running = 0;
    IF FOUND THEN
        INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, detail)
        VALUES (NEW.town, 'dispatcher', 'AgentStopped', NEW.id, NEW.name, '{"from":"draining","to":"stopped"}');
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER agent_drained AFTER UPDATE OF running ON agent
    FOR EACH ROW WHEN (NEW.control = 'draining' AND NEW.running = 0) EXECUTE FUNCTION agent_drained();

-- Says something about a live task. Answers one row: verdict 'noted', 'full' (its words together would be more than
-- p_bytes_most), or the state it ended in; no row where there is no such task.
CREATE FUNCTION steer_task(p_town text, p_task uuid, p_text text, p_actor text, p_bytes_most int)
RETURNS TABLE (verdict text, id bigint, state text, attempt int, created_at timestamptz) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    target task;
    note steering;
BEGIN
    -- The lock orders these words and a lease: who gets it first is seen by the other.
    SELECT * INTO target FROM task t WHERE t.id = p_task AND t.town = p_town FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN QUERY SELECT h.state, NULL::bigint, h.state, h.attempt, NULL::timestamptz
        FROM task_history h WHERE h.id = p_task AND h.town = p_town;
        RETURN;
    END IF;

    IF octet_length(p_text) + (SELECT coalesce(sum(octet_length(s.text)), 0) FROM steering s WHERE s.task_id = p_task) > p_bytes_most THEN
        RETURN QUERY SELECT 'full', NULL::bigint, target.state, target.attempt, NULL::timestamptz;
        RETURN;
    END IF;

    INSERT INTO steering (town, task_id, text, created_by, created_at)
    VALUES (p_town, p_task, p_text, p_actor, clock_timestamp()) RETURNING * INTO note;
    UPDATE task t SET steered = true WHERE t.id = p_task AND NOT t.steered;
    INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, task_id, detail)
    SELECT p_town, p_actor, 'TaskSteered', target.agent_id, (SELECT a.name FROM agent a WHERE a.id = target.agent_id), p_task,
           json_build_object('steering_id', note.id, 'text', left(p_text, 2000))::text;
    RETURN QUERY SELECT 'noted', note.id, target.state, target.attempt, note.created_at;
END
$$;

-- Words are kept with the task until it ends; the ledger keeps that they were said.
CREATE FUNCTION task_words_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM steering WHERE task_id = OLD.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER task_words_end AFTER DELETE ON task
    FOR EACH ROW WHEN (OLD.steered) EXECUTE FUNCTION task_words_end();

REVOKE EXECUTE ON FUNCTION control_agent(text, uuid, text, boolean, text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION steer_task(text, uuid, text, text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION control_agent(text, uuid, text, boolean, text) TO town_app;
GRANT EXECUTE ON FUNCTION steer_task(text, uuid, text, text, int) TO town_app;
