-- Withdrawing a task is durable intent: one that has not started ends at once and never starts; of a running one the
-- wish is noted, and its worker ends it and says so, or the reaper does when the worker is gone.
-- Answers where it stands now: 'cancelled', 'running' (noted), an ended state (nothing was changed), or null (no such task).
CREATE FUNCTION cancel_task(p_town text, p_id uuid, p_actor text) RETURNS text LANGUAGE sql AS $$
    WITH found AS MATERIALIZED (
        SELECT t.id, t.agent_id, t.state, t.cancel_requested_at FROM task t
        WHERE t.id = p_id AND t.town = p_town
        FOR UPDATE
    ), ended AS (
        DELETE FROM task t USING found
        WHERE t.id = found.id AND found.state IN ('pending', 'assigned', 'waiting')
        RETURNING t.*
    ), kept AS (
        INSERT INTO task_history (id, town, agent_id, state, priority, description, tags, max_attempts, timeout_secs,
            deadline, concurrency_key, attempt, failures, crashes, lease_token, lease_worker, created_by, created_at,
            started_at, failure_code, retry_of, parent_id)
        SELECT id, town, agent_id, 'cancelled', priority, description, tags, max_attempts, timeout_secs, deadline,
            concurrency_key, attempt, failures, crashes, lease_token, lease_worker, created_by, created_at, started_at,
            'cancelled', retry_of, parent_id
        FROM ended
    ), moved AS (
        INSERT INTO task_count_delta (town, pending, assigned, waiting, cancelled)
        SELECT p_town, -(state = 'pending')::int, -(state = 'assigned')::int, -(state = 'waiting')::int, 1 FROM ended
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
    SELECT coalesce(
        (SELECT CASE WHEN state = 'running' THEN 'running' ELSE 'cancelled' END FROM found),
        (SELECT state FROM task_history WHERE id = p_id AND town = p_town))
$$;
