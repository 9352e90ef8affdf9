-- Partitions ahead of need, at any instant, also after a town slept for longer than they reached: what landed in a catch-all
-- meanwhile is moved to where it belongs, or the next partition could never be made.

CREATE FUNCTION make_partition(p_parent text, p_part text, p_key text, p_from text, p_to text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass(p_part) IS NOT NULL THEN
        RETURN 0;
    END IF;
    BEGIN
        EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', p_part, p_parent, p_from, p_to);
    EXCEPTION WHEN check_violation THEN
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', p_part, p_parent);
        EXECUTE format(
            'WITH gone AS (DELETE FROM %I WHERE %I >= %L AND %I < %L RETURNING *) INSERT INTO %I SELECT * FROM gone',
            p_parent || '_rest', p_key, p_from, p_key, p_to, p_part);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', p_parent, p_part, p_from, p_to);
    END;
    RETURN 1;
END
$$;
REVOKE EXECUTE ON FUNCTION make_partition(text, text, text, text, text) FROM PUBLIC;

-- History and output by month (ids are by time), this one and the next two; the ledger by 16 million entries, likewise.
CREATE FUNCTION ensure_partitions(p_now timestamptz) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    made int := 0;
    span bigint := 16777216;
    month timestamptz;
    edge bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('townhall.ensure_partitions', 0));
    FOR i IN 0..2 LOOP
        month := (date_trunc('month', p_now AT TIME ZONE 'UTC') + make_interval(months => i)) AT TIME ZONE 'UTC';
        made := made
            + make_partition('task_history', 'task_history_' || to_char(month AT TIME ZONE 'UTC', 'YYYYMM'), 'id',
                uuid7_floor(month)::text, uuid7_floor((month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC')::text)
            + make_partition('task_output', 'task_output_' || to_char(month AT TIME ZONE 'UTC', 'YYYYMM'), 'task_id',
                uuid7_floor(month)::text, uuid7_floor((month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC')::text);
    END LOOP;
    SELECT coalesce(max(seq), 0) / span INTO edge FROM ledger_head;
    FOR i IN edge..edge + 2 LOOP
        made := made + make_partition('ledger', 'ledger_' || i, 'seq', (i * span)::text, ((i + 1) * span)::text);
    END LOOP;
    RETURN made;
END
$$;
REVOKE EXECUTE ON FUNCTION ensure_partitions(timestamptz) FROM PUBLIC;

CREATE OR REPLACE FUNCTION ensure_partitions() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT ensure_partitions(now())
$$;
