-- The append-only log. A fact and its entry commit together; the entry lands in `ledger_pending`, and one sequencer
-- per town moves it into `ledger` with a gap-free number and a hash over itself and its predecessor.

CREATE TABLE ledger_pending (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    town       text NOT NULL,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor      text NOT NULL,
    action     text NOT NULL,
    agent_id   uuid,
    agent_name text,
    task_id    uuid,
    outcome    text NOT NULL DEFAULT 'success',
    detail     text NOT NULL DEFAULT '{}'       -- JSON, kept as written: the hash is over these bytes
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE ledger (
    town       text NOT NULL,
    seq        bigint NOT NULL CHECK (seq > 0),
    id         bigint NOT NULL,
    at         timestamptz NOT NULL,
    actor      text NOT NULL,
    action     text NOT NULL,
    agent_id   uuid,
    agent_name text,
    task_id    uuid,
    outcome    text NOT NULL,
    detail     text NOT NULL,
    prev_hash  bytea NOT NULL CHECK (length(prev_hash) = 32),
    hash       bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (town, seq)
) PARTITION BY RANGE (seq);
CREATE TABLE ledger_rest PARTITION OF ledger DEFAULT;
CREATE INDEX ledger_task ON ledger (task_id, seq) WHERE task_id IS NOT NULL;

CREATE TABLE ledger_head (
    town  text PRIMARY KEY,
    seq   bigint NOT NULL DEFAULT 0,
    hash  bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex') CHECK (length(hash) = 32),
    -- Of the sequencer that wrote last: one with a smaller epoch has lost its leadership and writes nothing.
    epoch bigint NOT NULL DEFAULT 0
);
