-- What metrics say of the past. Folded from the ledger, each entry once, so that counters never fall, survive every restart and
-- cost the statements that lease and settle nothing. Like every projection it can be dropped and rebuilt.

-- How many agents of a town are in each state, as people see it (agent_state); p_idle is the idle timeout, 0 for none.
CREATE FUNCTION agents_by_state(p_town text, p_idle interval) RETURNS TABLE (state text, agents bigint) LANGUAGE sql STABLE AS $$
    -- Only an agent that would be cold needs the probe for work: every other state is known without it.
    SELECT agent_state(a.control, a.running, CASE WHEN a.control = 'active' AND a.running = 0 AND NOT r.recent
               THEN EXISTS (SELECT 1 FROM task t WHERE t.agent_id = a.id AND t.state = 'assigned' AND t.due)
               ELSE false END, a.last_active_at IS NOT NULL, r.recent), count(*)
    FROM agent a
    CROSS JOIN LATERAL (
        SELECT p_idle = interval '0' OR now() - greatest(a.created_at, coalesce(a.last_active_at, a.created_at)) < p_idle AS recent) r
    WHERE a.town = p_town
    GROUP BY 1
$$;

CREATE TABLE metric_total (
    town  text NOT NULL,
    name  text NOT NULL,
    label text NOT NULL DEFAULT '',
    value double precision NOT NULL CHECK (value >= 0),
    PRIMARY KEY (town, name, label)
) WITH (fillfactor = 50);

-- How far the ledger is folded in.
CREATE TABLE metric_cursor (
    town text PRIMARY KEY,
    seq  bigint NOT NULL DEFAULT 0
);
GRANT SELECT, INSERT, UPDATE ON metric_total, metric_cursor TO town_app;

-- Folds up to p_most entries. Any number of processes may call it: one folds, the others find it busy.
-- p_wait and p_run are the upper bounds of the histograms' buckets in seconds; bucket n is label n, the last one is the rest.
-- Answers how many entries it folded; 0 when there are none or somebody else is at it.
CREATE FUNCTION fold_metrics(p_town text, p_most int, p_wait double precision[], p_run double precision[])
RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    behind bigint;
    folded int;
    last bigint;
BEGIN
    INSERT INTO metric_cursor (town) VALUES (p_town) ON CONFLICT DO NOTHING;
    SELECT seq INTO behind FROM metric_cursor WHERE town = p_town FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;

    WITH page AS MATERIALIZED (
        SELECT l.seq, l.action, l.actor, l.task_id, l.at,
               CASE WHEN l.action IN ('TaskCompleted', 'TaskFailed', 'TaskCancelled', 'TaskRetried', 'TaskReleased') AND l.actor LIKE 'worker:%'
                    THEN l.detail::json END AS ended
        FROM ledger l WHERE l.town = p_town AND l.seq > behind ORDER BY l.seq LIMIT p_most
    ), attempt AS MATERIALIZED (
        -- A task's id says when it was accepted (UUIDv7: milliseconds in the first 48 bits).
        SELECT CASE action WHEN 'TaskCompleted' THEN 'completed' WHEN 'TaskFailed' THEN 'failed' WHEN 'TaskCancelled' THEN 'cancelled'
                   WHEN 'TaskRetried' THEN 'retried' ELSE 'released' END AS outcome,
               greatest(0, extract(epoch FROM at - (ended->>'leased_at')::timestamptz)::float8) AS run,
               CASE WHEN (ended->>'attempt')::int = 1 THEN greatest(0, extract(epoch FROM (ended->>'leased_at')::timestamptz)::float8
                   - ('x' || left(replace(task_id::text, '-', ''), 12))::bit(48)::bigint / 1000.0) END AS wait
        FROM page WHERE ended->>'leased_at' IS NOT NULL
    ), fact AS (
        SELECT 'entries' AS name, action AS label, count(*)::float8 AS value FROM page GROUP BY action
        UNION ALL SELECT 'attempts', outcome, count(*) FROM attempt GROUP BY outcome
        UNION ALL SELECT 'attempts', 'lost', count(*) FROM page WHERE action IN ('LeaseExpired', 'TaskDead') AND actor = 'dispatcher' HAVING count(*) > 0
        UNION ALL SELECT 'wait', width_bucket(wait, p_wait)::text, count(*) FROM attempt WHERE wait IS NOT NULL GROUP BY 2
        UNION ALL SELECT 'wait_sum', '', sum(wait) FROM attempt WHERE wait IS NOT NULL HAVING count(*) > 0
        UNION ALL SELECT 'run', width_bucket(run, p_run)::text, count(*) FROM attempt GROUP BY 2
        UNION ALL SELECT 'run_sum', '', sum(run) FROM attempt HAVING count(*) > 0
    ), kept AS (
        INSERT INTO metric_total AS m (town, name, label, value) SELECT p_town, name, label, value FROM fact
        ON CONFLICT (town, name, label) DO UPDATE SET value = m.value + excluded.value
    )
    SELECT count(*), max(seq) INTO folded, last FROM page;
    IF folded > 0 THEN
        UPDATE metric_cursor SET seq = last WHERE town = p_town;
    END IF;

    -- Attempts begun: those that ended and those that run. What runs may end before its end is folded, so the highest sum seen counts.
    INSERT INTO metric_total AS m (town, name, value)
    SELECT p_town, 'started', coalesce((SELECT sum(value) FROM metric_total WHERE town = p_town AND name = 'attempts'), 0) + greatest(c.running, 0)
    FROM task_count_now c WHERE c.town = p_town
    ON CONFLICT (town, name, label) DO UPDATE SET value = excluded.value WHERE m.value < excluded.value;
    RETURN folded;
END
$$;

REVOKE EXECUTE ON FUNCTION fold_metrics(text, int, double precision[], double precision[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fold_metrics(text, int, double precision[], double precision[]) TO town_app;
