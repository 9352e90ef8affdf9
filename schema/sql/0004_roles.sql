-- What each service may do. The schema step owns everything; services connect as town_app, the sequencer as town_sequencer.
-- Nobody but the owner can change or remove a ledger entry or an ended task.

GRANT USAGE ON SCHEMA public TO town_app, town_sequencer;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

GRANT SELECT ON ALL TABLES IN SCHEMA public TO town_app;
GRANT INSERT, UPDATE ON agent, worker, leader TO town_app;
GRANT DELETE ON agent TO town_app;
GRANT INSERT, UPDATE, DELETE ON task TO town_app;
GRANT INSERT ON task_history, task_output, blob, task_count_delta, ledger_pending TO town_app;

GRANT SELECT ON town, leader, ledger, ledger_head, ledger_pending, task_count, task_count_delta TO town_sequencer;
GRANT INSERT ON ledger TO town_sequencer;
GRANT DELETE ON ledger_pending, task_count_delta TO town_sequencer;
GRANT UPDATE ON ledger_head, task_count, leader TO town_sequencer;
GRANT INSERT ON leader TO town_sequencer;

REVOKE EXECUTE ON FUNCTION ensure_partitions() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_partitions() TO town_app;

-- jit compiles for tens of milliseconds what runs in one; a forgotten transaction keeps every claim slow.
ALTER ROLE town_app SET jit = off;
ALTER ROLE town_app SET statement_timeout = '10s';
ALTER ROLE town_app SET lock_timeout = '2s';
ALTER ROLE town_app SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE town_sequencer SET jit = off;
ALTER ROLE town_sequencer SET statement_timeout = '10s';
ALTER ROLE town_sequencer SET lock_timeout = '2s';
ALTER ROLE town_sequencer SET idle_in_transaction_session_timeout = '10s';
