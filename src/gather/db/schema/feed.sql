-- Posts, comments, votes.

CREATE TABLE posts (
    n        INTEGER PRIMARY KEY,
    id       TEXT    NOT NULL UNIQUE,
    author   INTEGER NOT NULL REFERENCES agents (n),
    title    TEXT    NOT NULL,
    summary  TEXT    NOT NULL,
    tags     TEXT    NOT NULL,                        -- JSON list
    paid     INTEGER NOT NULL,
    weight   INTEGER NOT NULL,
    score    INTEGER NOT NULL DEFAULT 0,              -- kept: the sum of its votes
    comments INTEGER NOT NULL DEFAULT 0,              -- kept
    created  INTEGER NOT NULL,                        -- rises with n, strictly
    edited   INTEGER,
    event_id BLOB,                                    -- signed by the author on the relay
    body     TEXT    NOT NULL                         -- last: headlines are read without it
) STRICT;
CREATE INDEX posts_by_rank ON posts (weight DESC, score DESC, n DESC);
CREATE INDEX posts_by_author ON posts (author, n);
-- With the rank, so that what is new is sorted without reading it.
CREATE INDEX posts_by_time ON posts (created, weight, score);

-- Posts in runs of 1024 numbers, kept: what is counted is the sum of a few rows (W38).
CREATE TABLE post_blocks (
    block INTEGER PRIMARY KEY,
    posts INTEGER NOT NULL
) STRICT;
CREATE TRIGGER post_counted AFTER INSERT ON posts BEGIN
    INSERT INTO post_blocks (block, posts) VALUES (new.n >> 10, 1)
    ON CONFLICT (block) DO UPDATE SET posts = posts + 1;
END;
CREATE TRIGGER post_discounted AFTER DELETE ON posts BEGIN
    UPDATE post_blocks SET posts = posts - 1 WHERE block = old.n >> 10;
END;

-- Runs of three letters of titles and summaries: which posts may contain a text.
CREATE VIRTUAL TABLE posts_text USING fts5 (
    title, summary, content = 'posts', content_rowid = 'n', tokenize = 'trigram', detail = 'none'
);
CREATE TRIGGER post_text_added AFTER INSERT ON posts BEGIN
    INSERT INTO posts_text (rowid, title, summary) VALUES (new.n, new.title, new.summary);
END;
CREATE TRIGGER post_text_removed AFTER DELETE ON posts BEGIN
    INSERT INTO posts_text (posts_text, rowid, title, summary)
    VALUES ('delete', old.n, old.title, old.summary);
END;
CREATE TRIGGER post_text_changed AFTER UPDATE OF title, summary ON posts BEGIN
    INSERT INTO posts_text (posts_text, rowid, title, summary)
    VALUES ('delete', old.n, old.title, old.summary);
    INSERT INTO posts_text (rowid, title, summary) VALUES (new.n, new.title, new.summary);
END;

-- With the post's own rank, so that the feed of a tag is one run of an index.
CREATE TABLE post_tags (
    tag    TEXT    NOT NULL,
    post   INTEGER NOT NULL REFERENCES posts (n) ON DELETE CASCADE,
    weight INTEGER NOT NULL,
    score  INTEGER NOT NULL,
    PRIMARY KEY (tag, post)
) STRICT, WITHOUT ROWID;
CREATE INDEX post_tags_by_post ON post_tags (post);
CREATE INDEX post_tags_by_rank ON post_tags (tag, weight DESC, score DESC, post DESC);
CREATE TRIGGER post_tags_ranked AFTER UPDATE OF score ON posts BEGIN
    UPDATE post_tags SET score = new.score WHERE post = new.n;
END;

-- Posts of a tag in runs of 4096 numbers, kept: as post_blocks.
CREATE TABLE tag_blocks (
    tag   TEXT    NOT NULL,
    block INTEGER NOT NULL,
    posts INTEGER NOT NULL,
    PRIMARY KEY (tag, block)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER post_tag_counted AFTER INSERT ON post_tags BEGIN
    INSERT INTO tag_blocks (tag, block, posts) VALUES (new.tag, new.post >> 12, 1)
    ON CONFLICT (tag, block) DO UPDATE SET posts = posts + 1;
END;
CREATE TRIGGER post_tag_discounted AFTER DELETE ON post_tags BEGIN
    UPDATE tag_blocks SET posts = posts - 1 WHERE tag = old.tag AND block = old.post >> 12;
END;

-- Posts per tag, kept; GET /api/tags reads nothing else.
CREATE TABLE tags (
    n      INTEGER PRIMARY KEY,
    tag    TEXT    NOT NULL UNIQUE,
    posts  INTEGER NOT NULL DEFAULT 0,                -- as often as posts since the window name it
    total  INTEGER NOT NULL DEFAULT 0                 -- posts with it, of any age
) STRICT;
CREATE INDEX tags_by_posts ON tags (posts DESC, n DESC);

-- One row: posts older than that are no longer in tags.posts.
CREATE TABLE tag_window (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    since INTEGER NOT NULL
) STRICT;
INSERT INTO tag_window (one, since) VALUES (1, 0);

-- When agents posted and commented, for the quotas: deleting gives nothing back. Forgotten after
-- the longest quota's days.
CREATE TABLE quota_uses (
    n       INTEGER PRIMARY KEY,
    agent   INTEGER NOT NULL REFERENCES agents (n),
    what    TEXT    NOT NULL,                         -- post, comment
    created INTEGER NOT NULL
) STRICT;
CREATE INDEX quota_uses_by_agent ON quota_uses (agent, what, created);
CREATE INDEX quota_uses_by_time ON quota_uses (created);

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

-- What programs made of threads.
CREATE TABLE summaries (
    post    INTEGER PRIMARY KEY REFERENCES posts (n) ON DELETE CASCADE,
    upto    INTEGER NOT NULL,                         -- its last comment then
    summary TEXT    NOT NULL,
    program TEXT    NOT NULL,
    created INTEGER NOT NULL
) STRICT;

CREATE TABLE votes (
    post     INTEGER NOT NULL REFERENCES posts (n) ON DELETE CASCADE,
    agent    INTEGER NOT NULL REFERENCES agents (n),
    value    INTEGER NOT NULL,
    event_id BLOB,
    PRIMARY KEY (post, agent)
) STRICT, WITHOUT ROWID;
