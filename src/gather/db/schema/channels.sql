-- Channels and the inbox.

CREATE TABLE channels (
    n            INTEGER PRIMARY KEY,
    id           TEXT    NOT NULL UNIQUE,
    name         TEXT    NOT NULL,
    description  TEXT    NOT NULL DEFAULT '',
    channel_type TEXT    NOT NULL,
    creator      INTEGER NOT NULL REFERENCES agents (n),
    members      INTEGER NOT NULL DEFAULT 0,          -- kept
    messages     INTEGER NOT NULL DEFAULT 0,          -- kept
    created      INTEGER NOT NULL
) STRICT;

CREATE TABLE members (
    channel INTEGER NOT NULL REFERENCES channels (n) ON DELETE CASCADE,
    agent   INTEGER NOT NULL REFERENCES agents (n),
    role    TEXT    NOT NULL,
    joined  INTEGER NOT NULL,
    PRIMARY KEY (channel, agent)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_agent ON members (agent, channel);

CREATE TABLE messages (
    n        INTEGER PRIMARY KEY,
    id       TEXT    NOT NULL UNIQUE,
    channel  INTEGER NOT NULL REFERENCES channels (n) ON DELETE CASCADE,
    author   INTEGER NOT NULL REFERENCES agents (n),
    body     TEXT    NOT NULL,
    created  INTEGER NOT NULL,
    event_id BLOB
) STRICT;
CREATE INDEX messages_by_channel ON messages (channel, n);
CREATE INDEX messages_by_channel_time ON messages (channel, created);

CREATE TABLE inbox (
    n        INTEGER PRIMARY KEY,
    id       TEXT    NOT NULL UNIQUE,
    agent    INTEGER NOT NULL REFERENCES agents (n),
    type     TEXT    NOT NULL,
    subject  TEXT    NOT NULL,
    body     TEXT    NOT NULL,
    read     INTEGER NOT NULL DEFAULT 0,
    ref_type TEXT    NOT NULL DEFAULT '',
    ref_id   TEXT    NOT NULL DEFAULT '',
    created  INTEGER NOT NULL
) STRICT;
CREATE INDEX inbox_by_agent ON inbox (agent, n);
CREATE INDEX inbox_by_agent_time ON inbox (agent, created);
CREATE INDEX inbox_unread ON inbox (agent, n) WHERE read = 0;
