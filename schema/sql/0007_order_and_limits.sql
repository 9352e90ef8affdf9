-- Order, limits and intent: what decides which task starts next, and what may hold it back.

-- Within an agent the task with the smallest rank starts first: the millisecond of its acceptance, less a minute for each
-- step of priority. Both age alike, so the order of two tasks never changes and one index holds it; a task is overtaken only
-- by tasks accepted less than (their priority - its own) minutes after it.
ALTER TABLE task
    ADD COLUMN rank bigint NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
    ADD COLUMN rate_key text,
    -- Out of the claims' way while a key has no permit left; the sweep and every end of a holder look again.
    ADD COLUMN parked text CHECK (parked IN ('concurrency', 'rate')),
    ADD COLUMN parked_at timestamptz,
    ADD COLUMN cancel_reason text CHECK (cancel_reason IN ('withdrawn', 'deadline')),
    ADD CONSTRAINT parked_waits CHECK (parked IS NULL OR (state = 'assigned' AND NOT due)),
    ADD CONSTRAINT parked_has_key CHECK (
        parked IS NULL OR CASE parked WHEN 'concurrency' THEN concurrency_key IS NOT NULL ELSE rate_key IS NOT NULL END);
UPDATE task SET rank = (extract(epoch FROM created_at) * 1000)::bigint - priority * 60000;
ALTER TABLE task_history ADD COLUMN rate_key text;

DROP INDEX task_due;
CREATE INDEX task_due ON task (agent_id, rank, id) WHERE state = 'assigned' AND due;
DROP INDEX task_delayed;
CREATE INDEX task_delayed ON task (available_at) WHERE state = 'assigned' AND NOT due AND parked IS NULL;
CREATE INDEX task_parked_concurrency ON task (town, concurrency_key, rank, id) WHERE parked = 'concurrency';
CREATE INDEX task_parked_rate ON task (town, rate_key, rank, id) WHERE parked = 'rate';
CREATE INDEX task_key_holders ON task (town, concurrency_key) WHERE state = 'running' AND concurrency_key IS NOT NULL;
CREATE INDEX task_deadline ON task (deadline) WHERE deadline IS NOT NULL;

-- Turns are fair between tenants first and between the agents of a tenant second, each by its weight.
CREATE TABLE tenant (
    town   text NOT NULL,
    name   text NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
    weight int NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 100),
    PRIMARY KEY (town, name)
);
ALTER TABLE agent
    ADD COLUMN tenant text NOT NULL DEFAULT 'default' CHECK (length(tenant) BETWEEN 1 AND 128),
    ADD COLUMN weight int NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 100),
    -- A paused agent whose running attempts are frozen, too.
    ADD COLUMN frozen boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT frozen_is_paused CHECK (NOT frozen OR control = 'paused');

-- What a key allows. A task that names a concurrency key nobody configured has the key to itself; a rate key nobody
-- configured holds nothing back. `town` is the key of all tasks together.
CREATE TABLE limit_key (
    town            text NOT NULL,
    key             text NOT NULL CHECK (length(key) BETWEEN 1 AND 128),
    max_concurrency int CHECK (max_concurrency >= 0),           -- null: as many as want
    rate_per_minute double precision CHECK (rate_per_minute > 0), -- null: as fast as they come
    burst           int NOT NULL DEFAULT 1 CHECK (burst BETWEEN 1 AND 100000),
    -- Permits in use: running tasks with this concurrency key. Changed only in the transaction that leases or ends, as
    -- agent.running is, so that whoever locks the row reads the truth.
    held            int NOT NULL DEFAULT 0 CHECK (held >= 0),
    tokens          double precision NOT NULL DEFAULT 1,
    refilled_at     timestamptz NOT NULL DEFAULT now(),
    configured      boolean NOT NULL DEFAULT false,
    PRIMARY KEY (town, key)
) WITH (fillfactor = 60);

-- Words for a running or coming attempt. Delivered when an attempt was given it; kept with the task until it ends.
CREATE TABLE steering (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    town          text NOT NULL,
    task_id       uuid NOT NULL,
    text          text NOT NULL,
    created_by    text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    delivered_at  timestamptz,
    delivered_epoch int
);
CREATE INDEX steering_task ON steering (task_id, id);

GRANT SELECT ON tenant, limit_key, steering TO town_app;
GRANT INSERT, UPDATE, DELETE ON tenant, limit_key TO town_app;
GRANT INSERT, UPDATE, DELETE ON steering TO town_app;
