-- A snapshot that is held keeps every dead row of the hot tables, and claims grow slower with each of them. Services may not see
-- what other roles run, so the owner looks for them, and shows no more than who holds it and since when.

-- Whoever owns this database should see all sessions; where it may not grant that to itself, it sees its own roles'.
DO $$ BEGIN
    EXECUTE format('GRANT pg_read_all_stats TO %I', current_user);
EXCEPTION WHEN insufficient_privilege OR invalid_grant_operation THEN
    RAISE NOTICE 'sessions of other roles stay hidden: grant pg_read_all_stats to %', current_user;
END $$;

CREATE FUNCTION oldest_snapshot()
RETURNS TABLE (age_secs float8, since timestamptz, pid int, role text, application text, state text)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT extract(epoch FROM clock_timestamp() - held.since)::float8, held.*
    FROM (SELECT xact_start, pid, usename::text, application_name, state
          FROM pg_stat_activity
          WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
            AND backend_type <> 'autovacuum worker' AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
          UNION ALL
          SELECT prepared, 0, owner::text, gid, 'prepared'
          FROM pg_prepared_xacts WHERE database = current_database()) AS held (since, pid, role, application, state)
    ORDER BY held.since LIMIT 1
$$;
REVOKE EXECUTE ON FUNCTION oldest_snapshot() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION oldest_snapshot() TO town_app;
