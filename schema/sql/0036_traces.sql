-- The trace of the call that brought a task, so that what happens to it hours later, elsewhere, belongs to the same trace.
-- Beside the task and not in it: a town that is not traced writes nothing here, and no statement of the hot path changes.
CREATE TABLE task_trace (
    task_id     uuid PRIMARY KEY,
    town        text NOT NULL,
    -- W3C trace context, version 00: https://www.w3.org/TR/trace-context/#traceparent-header
    traceparent text NOT NULL CHECK (traceparent ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$'),
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX task_trace_age ON task_trace (created_at);
GRANT SELECT, INSERT, DELETE ON task_trace TO town_app;

-- Forgets traces of tasks that were accepted more than a week ago; answers how many.
CREATE FUNCTION prune_traces(p_most int) RETURNS int LANGUAGE sql AS $$
    WITH gone AS (
        DELETE FROM task_trace WHERE task_id IN (
            SELECT task_id FROM task_trace WHERE created_at < now() - interval '7 days' ORDER BY created_at LIMIT p_most FOR UPDATE SKIP LOCKED)
        RETURNING 1)
    SELECT count(*)::int FROM gone;
$$;
REVOKE EXECUTE ON FUNCTION prune_traces(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION prune_traces(int) TO town_app;
