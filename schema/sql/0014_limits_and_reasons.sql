-- Limits that people set, and what is needed to tell why a task waits.

-- Since when an agent stands where somebody put it.
ALTER TABLE agent ADD COLUMN control_at timestamptz NOT NULL DEFAULT now();

-- As before, and notes when.
CREATE OR REPLACE FUNCTION control_agent(p_town text, p_agent uuid, p_event text, p_freeze boolean, p_actor text)
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
        control_at = CASE WHEN target = was.control THEN a.control_at ELSE clock_timestamp() END,
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
CREATE OR REPLACE FUNCTION agent_drained() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE agent SET control = 'stopped', control_at = clock_timestamp()
    WHERE id = NEW.id AND control = 'draining' AND running = 0;
    IF FOUND THEN
        INSERT INTO ledger_pending (town, actor, action, agent_id, agent_name, detail)
        VALUES (NEW.town, 'dispatcher', 'AgentStopped', NEW.id, NEW.name, '{"from":"draining","to":"stopped"}');
    END IF;
    RETURN NULL;
END
$$;

-- Sets what a key allows, or (p_max, p_rate and p_burst null and p_forget) takes it back: then a concurrency key is one at
-- a time again and the town has no limit. What is held is changed by leases and their ends only, never here.
CREATE FUNCTION set_limit(p_town text, p_key text, p_max int, p_rate double precision, p_burst int, p_forget boolean, p_actor text)
RETURNS boolean LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    IF p_forget THEN
        UPDATE limit_key l
        SET max_concurrency = CASE WHEN p_key = 'town' THEN NULL ELSE 1 END, rate_per_minute = NULL, burst = 1, tokens = 1,
            refilled_at = clock_timestamp(), configured = false
        WHERE l.town = p_town AND l.key = p_key AND l.configured;
        IF NOT FOUND THEN
            RETURN false;
        END IF;
    ELSE
        INSERT INTO limit_key AS l (town, key, max_concurrency, rate_per_minute, burst, tokens, refilled_at, configured)
        VALUES (p_town, p_key, p_max, p_rate, p_burst, p_burst, clock_timestamp(), true)
        ON CONFLICT (town, key) DO UPDATE
        SET max_concurrency = p_max, rate_per_minute = p_rate, burst = p_burst, configured = true, refilled_at = clock_timestamp(),
            -- What was saved under the old rate stays, as far as the new burst holds it; a key that had none begins full.
            tokens = CASE WHEN l.rate_per_minute IS NULL THEN p_burst ELSE least(p_burst, rate_tokens(l)) END;
    END IF;

    INSERT INTO ledger_pending (town, actor, action, detail)
    VALUES (p_town, p_actor, 'LimitChanged', json_build_object('key', p_key, 'configured', NOT p_forget,
        'max_concurrency', p_max, 'rate_per_minute', p_rate, 'burst', p_burst)::text);
    RETURN true;
END
$$;
REVOKE EXECUTE ON FUNCTION set_limit(text, text, int, double precision, int, boolean, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION set_limit(text, text, int, double precision, int, boolean, text) TO town_app;
