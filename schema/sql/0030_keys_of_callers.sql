-- Named keys of people and programs. Only hashes are kept: who reads this table cannot call anything.
CREATE TABLE api_key (
    town          text NOT NULL,
    id            text NOT NULL CHECK (id ~ '^[0-9a-f]{16}$'),
    name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    secret_sha256 bytea NOT NULL CHECK (octet_length(secret_sha256) = 32),
    scopes        text[] NOT NULL,
    agent_id      uuid,                 -- the one agent it may act as
    created_by    text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz,
    revoked_at    timestamptz,
    superseded_by text,                 -- the key that took its place; this one goes on until expires_at
    last_used_at  timestamptz,          -- to the minute
    PRIMARY KEY (town, id)
);

-- A name is one key at a time; the ones that it took the place of keep the name for the record.
CREATE UNIQUE INDEX api_key_name ON api_key (town, lower(name)) WHERE revoked_at IS NULL AND superseded_by IS NULL;

-- Counts changes, so that a service finds out with one row whether what it remembers still holds. Its lock also makes
-- changes of one town follow each other.
CREATE TABLE api_key_version (
    town    text PRIMARY KEY,
    version bigint NOT NULL
);

GRANT SELECT, INSERT, UPDATE ON api_key, api_key_version TO town_app;
