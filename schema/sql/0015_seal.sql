-- Sealing in one round trip: entries that lie here already are moved by the server, and only their hashes travel.

-- Seals the pending entries p_ids, in this order, behind position p_seq with hash p_hash; p_prev and p_hashes belong to each.
-- Answers 'sealed'; 'outdated' when a newer epoch wrote the head, 'moved' when the head stands elsewhere: then nothing is changed.
CREATE FUNCTION seal_entries(
    p_town text, p_epoch bigint, p_seq bigint, p_hash bytea, p_ids bigint[], p_prev bytea[], p_hashes bytea[])
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    head ledger_head;
    moved int;
BEGIN
    SELECT * INTO head FROM ledger_head WHERE town = p_town FOR NO KEY UPDATE;
    IF head.epoch > p_epoch THEN
        RETURN 'outdated';
    END IF;
    IF head.seq IS DISTINCT FROM p_seq OR head.hash <> p_hash THEN
        RETURN 'moved';
    END IF;

    WITH gone AS (
        DELETE FROM ledger_pending p USING unnest(p_ids, p_prev, p_hashes) WITH ORDINALITY AS e (id, prev, hash, nth)
        WHERE p.id = e.id AND p.town = p_town
        RETURNING p.*, e.prev, e.hash, e.nth
    )
    INSERT INTO ledger (town, seq, id, at, actor, action, agent_id, agent_name, task_id, outcome, detail, prev_hash, hash)
    SELECT town, p_seq + nth, id, at, actor, action, agent_id, agent_name, task_id, outcome, detail, prev, hash FROM gone;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved <> cardinality(p_ids) THEN
        RAISE EXCEPTION 'only % of % entries were pending', moved, cardinality(p_ids) USING ERRCODE = 'serialization_failure';
    END IF;

    UPDATE ledger_head SET seq = p_seq + moved, hash = p_hashes[moved], epoch = p_epoch WHERE town = p_town;
    RETURN 'sealed';
END
$$;

REVOKE EXECUTE ON FUNCTION seal_entries(text, bigint, bigint, bytea, bigint[], bytea[], bytea[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION seal_entries(text, bigint, bigint, bytea, bigint[], bytea[], bytea[]) TO town_sequencer;
