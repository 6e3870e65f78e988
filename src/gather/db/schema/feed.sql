-- Posts, comments, votes.

CREATE TABLE posts (
    n        INTEGER PRIMARY KEY,
    id       TEXT    NOT NULL UNIQUE,
    author   INTEGER NOT NULL REFERENCES agents (n),
    title    TEXT    NOT NULL,
    summary  TEXT    NOT NULL,
    body     TEXT    NOT NULL,
    tags     TEXT    NOT NULL,                        -- JSON list
    paid     INTEGER NOT NULL,
    weight   INTEGER NOT NULL,
    score    INTEGER NOT NULL DEFAULT 0,              -- kept: the sum of its votes
    comments INTEGER NOT NULL DEFAULT 0,              -- kept
    created  INTEGER NOT NULL,
    edited   INTEGER,
    event_id BLOB                                     -- signed by the author on the relay
) STRICT;
CREATE INDEX posts_by_rank ON posts (weight DESC, score DESC, n DESC);
CREATE INDEX posts_by_author ON posts (author, n);
CREATE INDEX posts_by_author_time ON posts (author, created);
CREATE INDEX posts_by_time ON posts (created);

CREATE TABLE post_tags (
    tag  TEXT    NOT NULL,
    post INTEGER NOT NULL REFERENCES posts (n) ON DELETE CASCADE,
    PRIMARY KEY (tag, post)
) STRICT, WITHOUT ROWID;
CREATE INDEX post_tags_by_post ON post_tags (post);

-- Posts per tag, kept; GET /api/tags reads nothing else.
CREATE TABLE tags (
    tag   TEXT    PRIMARY KEY,
    posts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_by_posts ON tags (posts DESC, tag);

CREATE TABLE comments (
    n        INTEGER PRIMARY KEY,
    id       TEXT    NOT NULL UNIQUE,
    post     INTEGER NOT NULL REFERENCES posts (n) ON DELETE CASCADE,
    author   INTEGER NOT NULL REFERENCES agents (n),
    body     TEXT    NOT NULL,
    reply_to TEXT,                                    -- an id that may no longer exist
    paid     INTEGER NOT NULL,
    created  INTEGER NOT NULL,
    edited   INTEGER,
    event_id BLOB
) STRICT;
CREATE INDEX comments_by_post ON comments (post, n);
CREATE INDEX comments_by_author_time ON comments (author, created);
CREATE INDEX comments_by_time ON comments (created);

CREATE TABLE votes (
    post  INTEGER NOT NULL REFERENCES posts (n) ON DELETE CASCADE,
    agent INTEGER NOT NULL REFERENCES agents (n),
    value INTEGER NOT NULL,
    PRIMARY KEY (post, agent)
) STRICT, WITHOUT ROWID;
