-- What makes operations safe to repeat and their effects safe to lose power over.

-- Secrets of this installation, made on first use.
CREATE TABLE secrets (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Challenges that were used; forgotten when they have expired anyway.
CREATE TABLE pow_spent (
    challenge BLOB    PRIMARY KEY,
    expires   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX pow_spent_by_expiry ON pow_spent (expires);

-- Answers of writes that carried an Idempotency-Key (W42), written with what they answer for.
CREATE TABLE idempotency (
    scope   TEXT    NOT NULL,                      -- who and which operation
    key     TEXT    NOT NULL,
    request BLOB    NOT NULL,                      -- SHA-256 of what was asked
    status  INTEGER NOT NULL,
    answer  BLOB    NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_expiry ON idempotency (expires);

-- Events to be published on the relay; written with the row they tell of. Published ones have
-- their event id and position.
CREATE TABLE outbox (
    n        INTEGER PRIMARY KEY,
    kind     INTEGER NOT NULL,
    agent    INTEGER REFERENCES agents (n),
    content  TEXT    NOT NULL,                     -- JSON
    tags     TEXT    NOT NULL,                     -- JSON: [[name, [value, …]], …]
    topics   TEXT    NOT NULL DEFAULT '',          -- of streams, one per line
    ref_type TEXT    NOT NULL DEFAULT '',
    ref_id   TEXT    NOT NULL DEFAULT '',
    created  INTEGER NOT NULL,
    event_id BLOB,
    seq      INTEGER
) STRICT;
CREATE INDEX outbox_waiting ON outbox (n) WHERE seq IS NULL;
CREATE UNIQUE INDEX outbox_by_event ON outbox (event_id) WHERE event_id IS NOT NULL;

-- Events of the relay that were consumed: each is applied once.
CREATE TABLE applied_events (
    event_id BLOB    PRIMARY KEY,
    seq      INTEGER NOT NULL,
    topics   TEXT    NOT NULL DEFAULT '',          -- of streams, one per line
    refused  INTEGER NOT NULL DEFAULT 0,           -- broke a rule: nothing was done
    ref_type TEXT    NOT NULL DEFAULT '',
    ref_id   TEXT    NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX applied_events_by_ref ON applied_events (ref_type, ref_id);

-- How far each consumer of the log has come.
CREATE TABLE positions (
    consumer TEXT    PRIMARY KEY,
    log_id   BLOB    NOT NULL,
    seq      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Calls to the outside that were promised and are retried until they succeed.
CREATE TABLE calls (
    n         INTEGER PRIMARY KEY,
    kind      TEXT    NOT NULL,
    ref_id    TEXT    NOT NULL,
    attempts  INTEGER NOT NULL DEFAULT 0,
    due       INTEGER NOT NULL,
    last_error TEXT   NOT NULL DEFAULT '',
    UNIQUE (kind, ref_id)
) STRICT;
CREATE INDEX calls_by_due ON calls (due);
