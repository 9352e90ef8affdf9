-- Messages: what agents and people tell an agent. They stand in the prompt of its next attempt and are kept until an attempt
-- that had them was completed, or a person removed them; nothing else takes one away.

CREATE TABLE message (
    id             uuid PRIMARY KEY,            -- UUIDv7: by time
    town           text NOT NULL,
    to_agent       uuid NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('task', 'query', 'info', 'ack')),
    urgent         boolean NOT NULL,
    from_agent     uuid,                        -- null: a person or a program that is no agent
    from_name      text NOT NULL,
    body           text NOT NULL,
    ack_type       text CHECK (ack_type IN ('received', 'acknowledged', 'thanks', 'approved', 'rejected')),
    ack_reason     text,
    correlation_id text,
    task_id        uuid,                        -- of kind task: the task that is this message; it goes when that has ended
    created_by     text NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    -- The attempt that has it. Without effect once that attempt no longer runs: then the next one gets it.
    taken_task     uuid,
    taken_epoch    int,
    taken_at       timestamptz,
    CONSTRAINT ack_says_what CHECK ((kind = 'ack') = (ack_type IS NOT NULL)),
    CONSTRAINT reason_is_of_a_rejection CHECK (coalesce(ack_type = 'rejected', false) = (ack_reason IS NOT NULL)),
    CONSTRAINT taken_is_whole CHECK ((taken_task IS NULL) = (taken_epoch IS NULL))
);
-- An inbox in its order: urgent ones first, each group oldest first.
CREATE INDEX message_inbox ON message (to_agent, urgent DESC, id);
CREATE INDEX message_taken ON message (taken_task) WHERE taken_task IS NOT NULL;
CREATE INDEX message_task ON message (task_id) WHERE task_id IS NOT NULL;
GRANT SELECT, INSERT, UPDATE, DELETE ON message TO town_app;

-- True while the agent may have messages: the leases of the others need not look for any. Changed only under the agent's row lock.
ALTER TABLE agent ADD COLUMN mail boolean NOT NULL DEFAULT false;
-- True once a message refers to the task: the end of the others need not look for any.
ALTER TABLE task ADD COLUMN mail boolean NOT NULL DEFAULT false;

-- Puts a message into an inbox, with its entry; one of kind 'task' makes the task, too. p_to is the mailbox that all zeros and
-- a one name, or an agent. Answers 'sent', 'agent_not_found', 'agent_not_accepting', 'deadline_passed' or 'full': then nothing was made.
CREATE FUNCTION send_message(
    p_town text, p_id uuid, p_to uuid, p_kind text, p_urgent boolean, p_from uuid, p_from_name text, p_body text, p_ack text, p_reason text,
    p_correlation text, p_task uuid, p_actor text, p_most int)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    target agent;
    mailbox constant uuid := '00000000-0000-0000-0000-000000000001';
    refused text;
BEGIN
    IF p_to = mailbox THEN
        -- It has no row that could be locked: this orders the counting.
        PERFORM pg_advisory_xact_lock(hashtextextended('townhall.mailbox.' || p_town, 0));
        target.name := 'supervisor';
    ELSE
        SELECT * INTO target FROM agent a WHERE a.id = p_to AND a.town = p_town FOR NO KEY UPDATE;
        IF target.id IS NULL THEN
            RETURN 'agent_not_found';
        END IF;
        IF target.control NOT IN ('active', 'paused') THEN
            RETURN 'agent_not_accepting';
        END IF;
    END IF;

    IF (SELECT count(*) FROM (SELECT 1 FROM message m WHERE m.to_agent = p_to AND m.town = p_town LIMIT p_most) m) >= p_most THEN
        RETURN 'full';
    END IF;

    IF p_task IS NOT NULL THEN
        SELECT t.refusal INTO refused FROM accept_tasks(
            p_town, ARRAY[p_task], ARRAY[p_to], ARRAY[p_body], ARRAY[p_actor], ARRAY[CASE WHEN p_urgent THEN 100 ELSE 0 END::smallint],
            ARRAY[NULL::int], ARRAY[NULL::double precision], ARRAY[NULL::timestamptz], ARRAY[NULL::timestamptz], ARRAY[NULL::double precision],
            ARRAY[NULL::text], ARRAY[NULL::text], ARRAY[NULL::text], '{}', '{}', '{}') t;
        IF refused IS NOT NULL THEN
            RETURN refused;
        END IF;
        UPDATE task t SET mail = true WHERE t.id = p_task;
    END IF;

    INSERT INTO message (id, town, to_agent, kind, urgent, from_agent, from_name, body, ack_type, ack_reason, correlation_id, task_id, created_by)
    VALUES (p_id, p_town, p_to, p_kind, p_urgent, p_from, p_from_name, p_body, p_ack, p_reason, p_correlation, p_task, p_actor);
    UPDATE agent a SET mail = true WHERE a.id = target.id AND NOT a.mail AND p_task IS NULL;
    INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, task_id, detail)
    VALUES (p_town, p_actor, 'MessageSent', p_to, target.name, p_task,
        json_build_object('message_id', p_id, 'kind', p_kind, 'urgent', p_urgent, 'from', coalesce(p_from::text, p_from_name), 'from_name', p_from_name,
            'ack_type', p_ack, 'correlation_id', p_correlation, 'text', left(p_body, 2000))::text);
    RETURN 'sent';
END
$$;

-- Whether the attempt that has a message still runs. A newer one, or none, means that it may be given again.
CREATE FUNCTION message_held(taken_task uuid, taken_epoch int) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT taken_task IS NOT NULL AND EXISTS (
        SELECT FROM task t WHERE t.id = taken_task AND t.attempt = taken_epoch AND t.state = 'running')
$$;

-- Gives messages to running attempts, in the order of p_tasks: urgent ones first, then oldest first, at most p_most and p_bytes
-- each. An attempt that has some already gets them again, for a lease whose reply was lost.
CREATE FUNCTION take_messages(p_town text, p_tasks uuid[], p_epochs int[], p_most int, p_bytes int)
RETURNS TABLE (task_id uuid, message_id uuid, kind text, urgent boolean, from_name text, body text, ack_type text, correlation_id text, created_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    held task;
    ids uuid[];
    fresh uuid[];
BEGIN
    FOR i IN 1..cardinality(p_tasks) LOOP
        -- Fenced: an attempt that has ended meanwhile gets nothing.
        UPDATE task t SET mail = true WHERE t.id = p_tasks[i] AND t.attempt = p_epochs[i] AND t.state = 'running' RETURNING * INTO held;
        CONTINUE WHEN NOT FOUND;

        SELECT array_agg(s.id), array_agg(s.id) FILTER (WHERE s.fresh) INTO ids, fresh FROM (
            SELECT f.id, f.fresh, sum(octet_length(f.body)) OVER (ORDER BY f.urgent DESC, f.id) AS so_far, row_number() OVER (ORDER BY f.urgent DESC, f.id) AS nth
            FROM (
                SELECT m.id, m.urgent, m.body, (m.taken_task, m.taken_epoch) IS DISTINCT FROM (held.id, held.attempt) AS fresh
                FROM message m
                WHERE m.to_agent = held.agent_id AND m.town = p_town AND m.task_id IS NULL
                  AND ((m.taken_task, m.taken_epoch) IS NOT DISTINCT FROM (held.id, held.attempt) OR NOT message_held(m.taken_task, m.taken_epoch))
                ORDER BY m.urgent DESC, m.id
                LIMIT p_most
                FOR UPDATE SKIP LOCKED) f) s
        WHERE s.so_far <= p_bytes OR s.nth = 1;
        CONTINUE WHEN ids IS NULL;

        UPDATE message m SET taken_task = held.id, taken_epoch = held.attempt, taken_at = now() WHERE m.id = ANY (fresh);
        INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, task_id, detail)
        SELECT p_town, 'dispatcher', 'MessageDelivered', held.agent_id, (SELECT a.name FROM agent a WHERE a.id = held.agent_id), held.id,
               json_build_object('message_id', f.id, 'attempt', held.attempt)::text
        FROM unnest(fresh) AS f (id);
        RETURN QUERY
        SELECT held.id, m.id, m.kind, m.urgent, m.from_name, m.body, m.ack_type, m.correlation_id, m.created_at
        FROM message m WHERE m.id = ANY (ids) ORDER BY m.urgent DESC, m.id;
    END LOOP;
END
$$;

-- The end of a task: what its completed attempt had been given is acted on, what another had is given again, and a message that
-- was the task itself has done its duty. Settling holds the agent's lock here, so nobody sends to it meanwhile.
CREATE FUNCTION task_mail_end() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ended task_history;
BEGIN
    SELECT * INTO ended FROM task_history h WHERE h.id = OLD.id;
    WITH acted AS (
        DELETE FROM message m
        WHERE m.task_id = OLD.id
           OR (m.taken_task = OLD.id AND m.taken_epoch = ended.attempt AND ended.state = 'completed')
        RETURNING m.id, m.to_agent, m.task_id
    )
    INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, task_id, detail)
    SELECT OLD.town, 'dispatcher', 'MessageActedOn', acted.to_agent, (SELECT a.name FROM agent a WHERE a.id = acted.to_agent), OLD.id,
           json_build_object('message_id', acted.id, 'attempt', ended.attempt, 'state', ended.state)::text
    FROM acted;
    UPDATE agent a SET mail = false
    WHERE a.id = OLD.agent_id AND a.mail AND NOT EXISTS (SELECT FROM message m WHERE m.to_agent = a.id AND m.task_id IS NULL);
    RETURN NULL;
END
$$;
CREATE TRIGGER task_mail_end AFTER DELETE ON task
    FOR EACH ROW WHEN (OLD.mail) EXECUTE FUNCTION task_mail_end();

-- A task that goes to another agent takes the message along that it is; in the backlog it is nobody's message.
CREATE FUNCTION task_mail_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.agent_id IS NULL THEN
        DELETE FROM message m WHERE m.task_id = NEW.id;
    ELSE
        UPDATE message m SET to_agent = NEW.agent_id WHERE m.task_id = NEW.id;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER task_mail_moves AFTER UPDATE OF agent_id ON task
    FOR EACH ROW WHEN (NEW.mail AND NEW.agent_id IS DISTINCT FROM OLD.agent_id) EXECUTE FUNCTION task_mail_moves();

-- Takes a message away because somebody said so. One that is a task is withdrawn with the task, not here.
-- Answers 'removed', 'is_task', or null where there is none.
CREATE FUNCTION remove_message(p_town text, p_id uuid, p_actor text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    note message;
BEGIN
    SELECT * INTO note FROM message m WHERE m.id = p_id AND m.town = p_town;
    IF note.id IS NULL THEN
        RETURN NULL;
    END IF;
    IF note.task_id IS NOT NULL THEN
        RETURN 'is_task';
    END IF;

    -- The agent first, as settling does.
    PERFORM FROM agent a WHERE a.id = note.to_agent FOR NO KEY UPDATE;
    DELETE FROM message m WHERE m.id = p_id;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    UPDATE agent a SET mail = false
    WHERE a.id = note.to_agent AND a.mail AND NOT EXISTS (SELECT FROM message m WHERE m.to_agent = a.id AND m.task_id IS NULL);
    INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, detail)
    SELECT p_town, p_actor, 'MessageRemoved', note.to_agent, coalesce((SELECT a.name FROM agent a WHERE a.id = note.to_agent), 'supervisor'),
           json_build_object('message_id', p_id)::text;
    RETURN 'removed';
END
$$;

-- Moves messages that no ended agent will read to another one, oldest first and as far as its inbox has room. p_from null: of
-- all ended agents. What is a task goes with the task, not here. Answers how many were, or (p_dry) would be, moved.
CREATE FUNCTION reclaim_messages(p_town text, p_from uuid, p_to uuid, p_dry boolean, p_actor text, p_most int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
    room int := p_most;
BEGIN
    IF p_to IS NOT NULL AND NOT p_dry THEN
        PERFORM FROM agent a WHERE a.id = p_to AND a.town = p_town AND a.control IN ('active', 'paused') FOR NO KEY UPDATE;
        IF NOT FOUND THEN
            RETURN 0;
        END IF;
    END IF;
    IF p_to IS NOT NULL THEN
        room := greatest(0, p_most - (SELECT count(*) FROM message m WHERE m.to_agent = p_to));
    END IF;

    ids := ARRAY(
        SELECT m.id FROM agent a JOIN message m ON m.to_agent = a.id
        WHERE a.town = p_town AND a.mail AND a.control IN ('stopped', 'error') AND (p_from IS NULL OR a.id = p_from)
          AND m.task_id IS NULL AND NOT message_held(m.taken_task, m.taken_epoch)
        ORDER BY m.id LIMIT room);
    IF p_dry OR p_to IS NULL THEN
        RETURN cardinality(ids);
    END IF;

    WITH moved AS (
        UPDATE message m SET to_agent = p_to, taken_task = NULL, taken_epoch = NULL, taken_at = NULL
        FROM (SELECT o.id, o.to_agent FROM message o WHERE o.id = ANY (ids) ORDER BY o.id FOR UPDATE) o
        WHERE m.id = o.id AND m.task_id IS NULL
        RETURNING m.id, o.to_agent AS was
    ), logged AS (
        INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, detail)
        SELECT p_town, p_actor, 'MessageMoved', p_to, (SELECT a.name FROM agent a WHERE a.id = p_to),
               json_build_object('message_id', moved.id, 'from_agent_id', moved.was)::text
        FROM moved ORDER BY moved.id
    )
    SELECT count(*)::int INTO room FROM moved;
    UPDATE agent a SET mail = true WHERE a.id = p_to AND NOT a.mail AND room > 0;
    RETURN room;
END
$$;

-- As before, and never one that has messages nobody acted on.
CREATE OR REPLACE FUNCTION prunable_agents(p_town text, p_all boolean, p_recent interval, p_most int)
RETURNS TABLE (agent_id uuid, agent_name text) LANGUAGE sql STABLE AS $$
    SELECT a.id, a.name FROM agent a
    WHERE a.town = p_town AND a.running = 0
      AND (a.control IN ('stopped', 'error')
           OR (p_all AND a.control = 'active' AND p_recent > interval '0' AND now() - coalesce(a.last_active_at, a.created_at) >= p_recent))
      AND NOT EXISTS (SELECT FROM task t WHERE t.agent_id = a.id AND t.state = 'assigned' AND t.due)
      AND NOT EXISTS (SELECT FROM task t WHERE t.agent_id = a.id AND t.state = 'assigned' AND NOT t.due)
      AND NOT EXISTS (SELECT FROM task t WHERE t.agent_id = a.id AND t.state = 'waiting')
      AND NOT EXISTS (SELECT FROM message m WHERE m.to_agent = a.id)
    ORDER BY a.name
    LIMIT p_most
$$;

CREATE OR REPLACE FUNCTION prune_agents(p_town text, p_all boolean, p_recent interval, p_actor text, p_most int)
RETURNS TABLE (agent_id uuid, agent_name text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    chosen uuid[];
BEGIN
    IF NOT EXISTS (SELECT FROM prunable_agents(p_town, p_all, p_recent, 1)) THEN
        RETURN;
    END IF;

    -- For as long as this takes, nobody accepts a task: one that is being accepted for an agent is either seen here, or
    -- finds the agent gone.
    LOCK TABLE task IN SHARE MODE;
    chosen := ARRAY(
        SELECT a.id FROM agent a WHERE a.id IN (SELECT p.agent_id FROM prunable_agents(p_town, p_all, p_recent, p_most) p)
        ORDER BY a.id FOR UPDATE SKIP LOCKED);
    RETURN QUERY
    WITH gone AS (
        DELETE FROM agent a
        WHERE a.id = ANY (chosen) AND a.running = 0 AND (a.control IN ('stopped', 'error') OR (p_all AND a.control = 'active'))
          -- Looked at again under the lock: a message may have arrived since.
          AND NOT EXISTS (SELECT FROM message m WHERE m.to_agent = a.id)
        RETURNING a.id, a.name, a.control
    ), logged AS (
        INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, detail)
        SELECT p_town, p_actor, 'AgentPruned', id, name, json_build_object('control', control)::text FROM gone ORDER BY name
    )
    SELECT id, name FROM gone ORDER BY name;
END
$$;

REVOKE EXECUTE ON FUNCTION send_message(text, uuid, uuid, text, boolean, uuid, text, text, text, text, text, uuid, text, int) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION take_messages(text, uuid[], int[], int, int) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION remove_message(text, uuid, text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION reclaim_messages(text, uuid, uuid, boolean, text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION send_message(text, uuid, uuid, text, boolean, uuid, text, text, text, text, text, uuid, text, int) TO town_app;
GRANT EXECUTE ON FUNCTION take_messages(text, uuid[], int[], int, int) TO town_app;
GRANT EXECUTE ON FUNCTION remove_message(text, uuid, text) TO town_app;
GRANT EXECUTE ON FUNCTION reclaim_messages(text, uuid, uuid, boolean, text, int) TO town_app;
