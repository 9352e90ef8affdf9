-- The death of a worker that its parent saw: nobody has to wait for leases that nobody will renew.
-- Separate statements, not one: a lease given while the worker's row was waited for must be seen, too.
-- Answers false when the worker was gone already or never registered; then nothing is changed.
CREATE FUNCTION worker_ended(p_worker uuid) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    gone worker;
    held int;
BEGIN
    UPDATE worker SET state = 'lost', ended_at = now()
    WHERE id = p_worker AND state IN ('active', 'draining')
    RETURNING * INTO gone;
    IF NOT FOUND THEN
        RETURN false;
    END IF;

    -- Its commands died with it, so the tasks may start elsewhere as soon as the reaper looks.
    UPDATE task SET lease_until = least(lease_until, now()) WHERE lease_worker = p_worker AND state = 'running';
    GET DIAGNOSTICS held = ROW_COUNT;

    INSERT INTO ledger_pending (town, actor, action, outcome, detail)
    VALUES (gone.town, 'scaler', 'WorkerLost', 'failure', json_build_object(
        'worker_id', gone.id, 'name', gone.name, 'host', gone.host, 'pid', gone.pid, 'leases', held)::text);
    RETURN true;
END
$$;

REVOKE EXECUTE ON FUNCTION worker_ended(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION worker_ended(uuid) TO town_app;
