-- Signed checkpoints of the ledger for readers. They prove something only to whoever kept one elsewhere: who can rewrite the
-- ledger can rewrite these tables, but cannot sign, because the private key is never in a database.

CREATE TABLE ledger_key (
    town       text NOT NULL,
    key_id     text NOT NULL CHECK (key_id ~ '^[0-9a-f]{64}$'),
    public_key text NOT NULL,
    since      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (town, key_id)
);

-- At most one a period while the ledger grows; the order of their making is `id`, not `seq`: a restore that was accepted goes back.
CREATE TABLE ledger_checkpoint (
    id        bigint GENERATED ALWAYS AS IDENTITY,
    town      text NOT NULL,
    seq       bigint NOT NULL CHECK (seq >= 0),
    hash      bytea NOT NULL CHECK (length(hash) = 32),
    at        timestamptz NOT NULL,
    key_id    text NOT NULL,
    signature bytea NOT NULL CHECK (length(signature) = 64),
    PRIMARY KEY (town, id)
);

-- There while somebody's kept checkpoint is not in the ledger: then nothing is sealed and nothing is given to workers.
CREATE TABLE ledger_alarm (
    town     text PRIMARY KEY,
    seq      bigint NOT NULL,
    hash     bytea NOT NULL CHECK (length(hash) = 32),
    reason   text NOT NULL,
    found_at timestamptz NOT NULL DEFAULT now()
);

GRANT SELECT ON ledger_key, ledger_checkpoint, ledger_alarm TO town_app, town_sequencer;
GRANT INSERT ON ledger_key, ledger_checkpoint TO town_sequencer;
GRANT INSERT, UPDATE, DELETE ON ledger_alarm TO town_sequencer;
