-- The first schema: towns, agents, tasks, workers, leadership, the ledger.
-- A live task is one row of `task`; when it ends the row moves to `task_history`, which no service may change.
-- So the hot table is as small as the load, and an ended task stays as it ended by privilege, not by care.

CREATE TABLE town (
    name       text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE agent (
    id              uuid PRIMARY KEY,
    town            text NOT NULL REFERENCES town,
    name            text NOT NULL,
    nickname        text,
    role_id         text,
    parent_agent_id uuid,
    spawn_mode      text NOT NULL DEFAULT 'fresh' CHECK (spawn_mode IN ('fresh', 'forkedcontext', 'resumed')),
    cli             text NOT NULL,
    runtime         text NOT NULL,
    trust_level     text NOT NULL DEFAULT 'trusted'
                    CHECK (trust_level IN ('untrusted', 'sandboxed', 'trusted', 'privileged')),
    grants          jsonb NOT NULL,
    -- What somebody decided; what people see as state follows from it and from the work (function agent_state).
    control         text NOT NULL DEFAULT 'active' CHECK (control IN ('active', 'paused', 'draining', 'stopped', 'error')),
    max_concurrency int NOT NULL DEFAULT 1 CHECK (max_concurrency BETWEEN 1 AND 1024),
    max_attempts    int NOT NULL DEFAULT 1 CHECK (max_attempts BETWEEN 1 AND 100),
    timeout_secs    double precision CHECK (timeout_secs > 0),
    -- The permit counter behind max_concurrency: leased tasks of this agent. Changed only in the transaction that leases or ends.
    running         int NOT NULL DEFAULT 0 CHECK (running >= 0),
    tasks_completed bigint NOT NULL DEFAULT 0,
    rounds_completed bigint NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL DEFAULT now(),
    last_active_at  timestamptz
) WITH (fillfactor = 60);       -- room on the page: each lease and each end updates `running` in place
CREATE UNIQUE INDEX agent_name ON agent (town, lower(name));

-- The legal moves of a task, the same rows as Contracts' TaskLifecycle; a test compares them.
CREATE TABLE task_move (
    from_state text NOT NULL,
    event      text NOT NULL,
    to_state   text NOT NULL,
    PRIMARY KEY (from_state, event)
);
INSERT INTO task_move (from_state, event, to_state) VALUES
    ('pending',  'assign',   'assigned'),
    ('pending',  'cancel',   'cancelled'),
    ('assigned', 'lease',    'running'),
    ('assigned', 'unassign', 'pending'),
    ('assigned', 'cancel',   'cancelled'),
    ('assigned', 'complete', 'completed'),
    ('assigned', 'retry',    'assigned'),
    ('assigned', 'fail',     'failed'),
    ('running',  'complete', 'completed'),
    ('running',  'retry',    'assigned'),
    ('running',  'fail',     'failed'),
    ('running',  'release',  'assigned'),
    ('running',  'lose',     'assigned'),
    ('running',  'bury',     'dead'),
    ('running',  'suspend',  'waiting'),
    ('running',  'cancel',   'cancelled'),
    ('waiting',  'resume',   'assigned'),
    ('waiting',  'cancel',   'cancelled');

-- Live tasks only.
CREATE TABLE task (
    id              uuid PRIMARY KEY,
    town            text NOT NULL,
    agent_id        uuid,
    state           text NOT NULL CHECK (state IN ('pending', 'assigned', 'running', 'waiting')),
    -- False while a delay or a back-off lasts: claims look at due rows only, so a thousand delayed tasks cost them nothing.
    due             boolean NOT NULL DEFAULT true,
    available_at    timestamptz NOT NULL DEFAULT now(),
    priority        smallint NOT NULL DEFAULT 0,
    description     text NOT NULL,
    tags            text[] NOT NULL DEFAULT '{}',
    max_attempts    int NOT NULL,
    timeout_secs    double precision,
    deadline        timestamptz,
    concurrency_key text,
    attempt         int NOT NULL DEFAULT 0,     -- the epoch: rises by one with each lease, never falls
    failures        int NOT NULL DEFAULT 0,     -- attempts that said no
    crashes         int NOT NULL DEFAULT 0,     -- attempts that said nothing
    lease_token     uuid,                       -- stays after the lease ran out: a late result is still the attempt's own
    lease_until     timestamptz,
    lease_worker    uuid,
    lease_request   uuid,                       -- which call leased it: a repeat of that call gets it again
    leased_at       timestamptz,
    settled_token   uuid,                       -- of the last attempt that was retried or released: a repeat of that call is known
    cancel_requested_at timestamptz,
    created_by      text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    started_at      timestamptz,
    last_error      text,
    retry_of        uuid,
    parent_id       uuid,
    CONSTRAINT pending_has_no_agent CHECK ((state = 'pending') = (agent_id IS NULL)),
    CONSTRAINT leased_iff_lease CHECK ((state = 'running') = (lease_until IS NOT NULL)),
    CONSTRAINT lease_is_whole CHECK (state <> 'running' OR (lease_token IS NOT NULL AND lease_worker IS NOT NULL))
) WITH (
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_insert_scale_factor = 0.5, autovacuum_analyze_scale_factor = 0.1,
    autovacuum_vacuum_cost_delay = 0);
-- What an agent may start now, in its order. Claims, explanations and the scaling signal all read this one index.
CREATE INDEX task_due ON task (agent_id, priority DESC, id) WHERE state = 'assigned' AND due;
CREATE INDEX task_delayed ON task (available_at) WHERE state = 'assigned' AND NOT due;
-- What each worker holds. The reaper reads the whole of it: running tasks are at most as many as there are slots, and a second
-- index, ordered by the end of the lease, would cost every lease more than it saves the reaper.
CREATE INDEX task_held ON task (lease_worker) INCLUDE (lease_until) WHERE state = 'running';
CREATE INDEX task_backlog ON task (town, id) WHERE state = 'pending';

-- Ended tasks: written once, in the transaction that removes the live row. Range partitions by id, which is by time (UUIDv7).
CREATE TABLE task_history (
    id              uuid NOT NULL,
    town            text NOT NULL,
    agent_id        uuid,
    state           text NOT NULL CHECK (state IN ('completed', 'failed', 'cancelled', 'dead')),
    priority        smallint NOT NULL,
    description     text NOT NULL,
    tags            text[] NOT NULL,
    max_attempts    int NOT NULL,
    timeout_secs    double precision,
    deadline        timestamptz,
    concurrency_key text,
    attempt         int NOT NULL,
    failures        int NOT NULL,
    crashes         int NOT NULL,
    lease_token     uuid,
    lease_worker    uuid,
    created_by      text NOT NULL,
    created_at      timestamptz NOT NULL,
    started_at      timestamptz,
    completed_at    timestamptz NOT NULL DEFAULT now(),
    exit_code       int,
    result          text,
    result_blob     bytea,
    result_bytes    bigint NOT NULL DEFAULT 0,
    failure_code    text,
    failure_detail  text,
    sandbox         text,
    wall_ms         double precision,
    output_bytes    bigint NOT NULL DEFAULT 0,
    retry_of        uuid,
    parent_id       uuid,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE TABLE task_history_rest PARTITION OF task_history DEFAULT;

-- What attempts printed, in order and without gaps.
CREATE TABLE task_output (
    task_id      uuid NOT NULL,
    epoch        int NOT NULL,
    start_offset bigint NOT NULL CHECK (start_offset >= 0),
    bytes        bytea NOT NULL,
    at           timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (task_id, epoch, start_offset)
) PARTITION BY RANGE (task_id);
CREATE TABLE task_output_rest PARTITION OF task_output DEFAULT;

-- Content-addressed: the key is the SHA-256 of the bytes.
CREATE TABLE blob (
    town       text NOT NULL,
    hash       bytea NOT NULL CHECK (length(hash) = 32),
    bytes      bytea NOT NULL CHECK (length(bytes) <= 1048576),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (town, hash)
);

-- How many tasks are where. Writers append what they changed, one row a transaction; the sequencer folds the rows
-- into the town's one row. Nobody waits for a counter's lock, and base plus deltas is exact in any snapshot.
CREATE TABLE task_count (
    town      text PRIMARY KEY,
    pending   bigint NOT NULL DEFAULT 0,
    assigned  bigint NOT NULL DEFAULT 0,
    running   bigint NOT NULL DEFAULT 0,
    waiting   bigint NOT NULL DEFAULT 0,
    completed bigint NOT NULL DEFAULT 0,
    failed    bigint NOT NULL DEFAULT 0,
    cancelled bigint NOT NULL DEFAULT 0,
    dead      bigint NOT NULL DEFAULT 0
);
CREATE TABLE task_count_delta (
    town      text NOT NULL,
    pending   int NOT NULL DEFAULT 0,
    assigned  int NOT NULL DEFAULT 0,
    running   int NOT NULL DEFAULT 0,
    waiting   int NOT NULL DEFAULT 0,
    completed int NOT NULL DEFAULT 0,
    failed    int NOT NULL DEFAULT 0,
    cancelled int NOT NULL DEFAULT 0,
    dead      int NOT NULL DEFAULT 0
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
CREATE VIEW task_count_now AS
    SELECT c.town,
           c.pending + coalesce(d.pending, 0) AS pending, c.assigned + coalesce(d.assigned, 0) AS assigned,
           c.running + coalesce(d.running, 0) AS running, c.waiting + coalesce(d.waiting, 0) AS waiting,
           c.completed + coalesce(d.completed, 0) AS completed, c.failed + coalesce(d.failed, 0) AS failed,
           c.cancelled + coalesce(d.cancelled, 0) AS cancelled, c.dead + coalesce(d.dead, 0) AS dead
    FROM task_count c
    LEFT JOIN LATERAL (
        SELECT sum(pending) AS pending, sum(assigned) AS assigned, sum(running) AS running, sum(waiting) AS waiting,
               sum(completed) AS completed, sum(failed) AS failed, sum(cancelled) AS cancelled, sum(dead) AS dead
        FROM task_count_delta WHERE town = c.town) d ON true;

-- One row per start of a worker process. `active` may lease; `draining` may only finish; the others are gone.
CREATE TABLE worker (
    id            uuid PRIMARY KEY,
    town          text NOT NULL,
    name          text NOT NULL,
    host          text NOT NULL,
    pid           int NOT NULL,
    version       text NOT NULL,
    runtimes      text[] NOT NULL,
    slots         int NOT NULL CHECK (slots BETWEEN 1 AND 1024),
    sandbox       text NOT NULL,
    state         text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'draining', 'drained', 'lost')),
    token_hash    bytea NOT NULL CHECK (length(token_hash) = 32),
    registered_at timestamptz NOT NULL DEFAULT now(),
    seen_at       timestamptz NOT NULL DEFAULT now(),
    ended_at      timestamptz,
    CONSTRAINT ended_iff_gone CHECK ((state IN ('drained', 'lost')) = (ended_at IS NOT NULL))
) WITH (fillfactor = 60);
CREATE INDEX worker_live ON worker (town) WHERE state IN ('active', 'draining');

-- Who may do what only one process may do. `epoch` rises with each change of holder and fences what the holder writes.
CREATE TABLE leader (
    town       text NOT NULL,
    duty       text NOT NULL,
    holder     uuid NOT NULL,
    epoch      bigint NOT NULL,
    until      timestamptz NOT NULL,
    -- The duty's own last completed turn; after a gap the reaper waits one lease before it expires anything.
    turned_at  timestamptz,
    hold_until timestamptz,
    PRIMARY KEY (town, duty)
);
