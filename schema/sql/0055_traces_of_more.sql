-- What a selection or a message brings belongs to the trace of its call, too, as a single task does.

-- The trace of the call that let a selection run; null where that was not collected.
ALTER TABLE bulk_selection ADD COLUMN traceparent text CHECK (traceparent ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$');

COMMENT ON COLUMN task_trace.task_id IS 'The task that the call brought; for a message that makes none, the message: both ids are by time and unique.';

-- Does the next items of one confirmed selection, as many as p_new names ids for retries, in one transaction with the note of
-- how far it came; so a process that dies leaves a whole number of batches done. Any number of processes may call it at once.
-- A batch that fails changes nothing but the note of it, and comes again later and smaller; one item that fails for the third
-- time is given up, and after ten of them in a row the rest is. Answers no row when nothing is to be done now.
-- As before; the tasks that a retry makes keep the trace of the selection.
CREATE OR REPLACE FUNCTION bulk_step(p_town text, p_new uuid[]) RETURNS TABLE (selection_id uuid, action text, finished boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    s bulk_selection;
    ids uuid[];
    states text[];
    verdicts text[];
    ended boolean;
    why text;
BEGIN
    -- At random, so that one selection that always fails does not keep the others from their turn.
    SELECT * INTO s FROM bulk_selection b WHERE b.town = p_town AND b.state = 'running' AND b.again_at <= now()
    ORDER BY random() LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;

    SELECT array_agg(i.task_id ORDER BY i.place), array_agg(i.state ORDER BY i.place) INTO ids, states
    FROM bulk_item i
    WHERE i.selection_id = s.id AND i.place > s.position AND i.place <= s.position + least(cardinality(p_new), s.batch_most);
    IF ids IS NOT NULL THEN
      BEGIN
        CASE s.action
            WHEN 'cancel' THEN
                SELECT array_agg(CASE WHEN r.done THEN 'done' WHEN r.stands = 'state_changed' THEN 'state_changed' ELSE 'task_ended' END)
                INTO verdicts FROM cancel_tasks(p_town, ids, states, s.created_by) r;
            WHEN 'retry' THEN
                SELECT array_agg(CASE r.verdict WHEN 'retried' THEN 'done' ELSE r.verdict END)
                INTO verdicts FROM retry_tasks(p_town, ids, p_new[1:cardinality(ids)], s.created_by, false) r;
                IF s.traceparent IS NOT NULL THEN
                    INSERT INTO task_trace (task_id, town, traceparent)
                    SELECT made.id, p_town, s.traceparent FROM unnest(p_new[1:cardinality(ids)]) AS made (id)
                    WHERE EXISTS (SELECT FROM task t WHERE t.id = made.id);
                END IF;
            ELSE
                SELECT array_agg(CASE r.verdict WHEN 'reassigned' THEN 'done' ELSE r.verdict END)
                INTO verdicts FROM reassign_tasks(p_town, ids, states, s.target_agent, s.created_by) r;
        END CASE;
      EXCEPTION WHEN query_canceled OR OTHERS THEN
        -- A timeout as well: a batch that is too slow must become smaller. An outage ends the whole call instead.
        GET STACKED DIAGNOSTICS why = RETURNED_SQLSTATE;
        IF cardinality(ids) > 1 OR s.stumbles < 2 THEN
            UPDATE bulk_selection b SET
                stumbles = CASE WHEN cardinality(ids) > 1 THEN 0 ELSE b.stumbles + 1 END, batch_most = greatest(1, cardinality(ids) / 10), again_at = now() + interval '1 s'
            WHERE b.id = s.id;
            RETURN;
        END IF;
        verdicts := array_fill('internal_error'::text, ARRAY[CASE WHEN s.given_up >= 9 THEN s.total - s.position ELSE 1 END]);
      END;
    END IF;

    ended := s.position + coalesce(cardinality(verdicts), 0) >= s.total;
    UPDATE bulk_selection b SET
        position = b.position + v.items, done = b.done + v.done, skipped = b.skipped + v.skipped,
        failed = b.failed + v.items - v.done - v.skipped,
        reasons = (
            SELECT coalesce(jsonb_object_agg(r.reason, r.items), '{}')
            FROM (SELECT reason, sum(items) AS items
                  FROM (SELECT key AS reason, value::int AS items FROM jsonb_each_text(b.reasons)
                        UNION ALL SELECT x, 1 FROM unnest(verdicts) AS x WHERE x <> 'done') all_reasons
                  GROUP BY reason) r),
        stumbles = 0, given_up = CASE WHEN why IS NULL THEN 0 ELSE b.given_up + 1 END,
        -- What went well goes back to whole batches step by step.
        batch_most = CASE WHEN why IS NULL THEN least(500, b.batch_most * 2) ELSE 1 END,
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
