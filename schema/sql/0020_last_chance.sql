-- A task whose workers were lost again and again may be what ends them, or may only have been with what did. Its last chance
-- is had alone: claims of workers that hold something park it, and the sweep lets it in again.

ALTER TABLE task
    DROP CONSTRAINT task_parked_check,
    DROP CONSTRAINT parked_has_key,
    ADD CONSTRAINT task_parked_check CHECK (parked IN ('concurrency', 'rate', 'alone')),
    ADD CONSTRAINT parked_has_key CHECK (
        parked IS NULL OR CASE parked WHEN 'concurrency' THEN concurrency_key IS NOT NULL WHEN 'rate' THEN rate_key IS NOT NULL ELSE crashes > 0 END);
CREATE INDEX task_parked_alone ON task (town, available_at) WHERE parked = 'alone';

-- Offers last chances again when a worker was heard of lately that holds nothing, or when they have waited long enough.
CREATE FUNCTION admit_alone(p_town text, p_patience interval) RETURNS SETOF uuid LANGUAGE sql AS $$
    UPDATE task t SET due = true, parked = NULL, parked_at = NULL
    WHERE t.id IN (
        SELECT p.id FROM task p JOIN agent a ON a.id = p.agent_id
        WHERE p.town = p_town AND p.parked = 'alone'
          AND (p.available_at <= now() - p_patience
               OR EXISTS (SELECT FROM worker w
                          WHERE w.town = p_town AND w.state = 'active' AND w.seen_at > now() - interval '10 s' AND a.runtime = ANY (w.runtimes)
                            AND NOT EXISTS (SELECT FROM task r WHERE r.lease_worker = w.id AND r.state = 'running')))
        ORDER BY p.available_at LIMIT 100 FOR UPDATE OF p SKIP LOCKED)
    RETURNING t.agent_id
$$;
