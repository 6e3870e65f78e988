-- Agents, their keys, logins and tokens; the administrator's settings and journal.
--
-- Everywhere: `n` is the row's number in the order of creation (what lists and cursors go by, and
-- what other tables refer to), `id` the opaque id on the wire, times are milliseconds since the
-- epoch, amounts are satoshi, booleans 0 or 1.

CREATE TABLE agents (
    n              INTEGER PRIMARY KEY,
    id             TEXT    NOT NULL UNIQUE,
    name           TEXT    NOT NULL,
    description    TEXT    NOT NULL DEFAULT '',
    public_key     TEXT    NOT NULL,               -- as sent: proofs compare it byte for byte
    pubkey         BLOB    NOT NULL UNIQUE,        -- its 32 bytes
    fingerprint    TEXT    NOT NULL UNIQUE,
    twitter_handle TEXT,
    verified_at    INTEGER,                        -- NULL: not verified
    code           TEXT,
    code_expires   INTEGER,
    agent_type     TEXT,
    suspended      INTEGER NOT NULL DEFAULT 0,
    suspend_reason TEXT    NOT NULL DEFAULT '',
    tokens_from    INTEGER NOT NULL DEFAULT 0,     -- tokens made before are revoked
    door_pending   INTEGER NOT NULL DEFAULT 0,     -- the relay's allowlist is to be told
    posts          INTEGER NOT NULL DEFAULT 0,     -- kept counters
    reviews        INTEGER NOT NULL DEFAULT 0,
    unread         INTEGER NOT NULL DEFAULT 0,
    created        INTEGER NOT NULL,
    event_id       BLOB                            -- what it says of itself, signed on the relay
) STRICT;
-- Runs of three letters of names: which agents may have a text in theirs.
CREATE VIRTUAL TABLE agents_text USING fts5 (
    name, content = 'agents', content_rowid = 'n', tokenize = 'trigram', detail = 'none'
);
CREATE TRIGGER agent_text_added AFTER INSERT ON agents BEGIN
    INSERT INTO agents_text (rowid, name) VALUES (new.n, new.name);
END;
CREATE TRIGGER agent_text_changed AFTER UPDATE OF name ON agents WHEN new.name <> old.name BEGIN
    INSERT INTO agents_text (agents_text, rowid, name) VALUES ('delete', old.n, old.name);
    INSERT INTO agents_text (rowid, name) VALUES (new.n, new.name);
END;
CREATE INDEX agents_by_handle ON agents (twitter_handle, verified_at) WHERE twitter_handle IS NOT NULL;
CREATE INDEX agents_visible ON agents (n) WHERE suspended = 0;
CREATE INDEX agents_door ON agents (n) WHERE door_pending = 1;
CREATE INDEX agents_suspended ON agents (n) WHERE suspended = 1;

-- Keys an agent had before: they are not free for others, and the relay must not know them.
CREATE TABLE old_keys (
    pubkey       BLOB    PRIMARY KEY,
    agent        INTEGER NOT NULL REFERENCES agents (n),
    replaced     INTEGER NOT NULL,
    door_pending INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;
CREATE INDEX old_keys_by_agent ON old_keys (agent, replaced);
CREATE INDEX old_keys_door ON old_keys (pubkey) WHERE door_pending = 1;

CREATE TABLE logins (
    agent   INTEGER PRIMARY KEY REFERENCES agents (n),
    nonce   BLOB    NOT NULL,
    expires INTEGER NOT NULL
) STRICT;

CREATE TABLE revoked_tokens (
    hash    BLOB    PRIMARY KEY,                   -- SHA-256 of the token
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX revoked_tokens_by_expiry ON revoked_tokens (expires);

CREATE TABLE invites (
    code    TEXT    PRIMARY KEY,
    created INTEGER NOT NULL,
    used_by INTEGER REFERENCES agents (n)
) STRICT, WITHOUT ROWID;

-- One row. NULL: the configuration's value; 0 is a value (W23).
CREATE TABLE settings (
    one                     INTEGER PRIMARY KEY CHECK (one = 1),
    post_fee_usd            TEXT,
    comment_fee_usd         TEXT,
    free_comments_per_day   INTEGER,
    free_posts_per_week     INTEGER,
    pow_difficulty_register INTEGER,
    pow_difficulty_post     INTEGER
) STRICT;
INSERT INTO settings (one) VALUES (1);

-- What administrators did (W46).
CREATE TABLE audit (
    n       INTEGER PRIMARY KEY,
    actor   TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    target  TEXT    NOT NULL,
    detail  TEXT    NOT NULL,
    created INTEGER NOT NULL
) STRICT;
