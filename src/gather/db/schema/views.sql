-- Views over the log and the other tables; `axon gather rebuild` makes them anew.

-- What streams deliver: every event of ours that took effect, at its position in the log.
CREATE TABLE stream (
    seq    INTEGER PRIMARY KEY,
    kind   INTEGER NOT NULL,
    topics TEXT    NOT NULL,                       -- one per line
    data   TEXT    NOT NULL                        -- JSON
) STRICT;

CREATE TABLE stream_topics (
    topic TEXT    NOT NULL,
    seq   INTEGER NOT NULL,
    PRIMARY KEY (topic, seq)
) STRICT, WITHOUT ROWID;

-- Events of the whole log, counted.
CREATE TABLE event_hours (
    hour   INTEGER NOT NULL,                       -- of the author's clock, since the epoch
    kind   INTEGER NOT NULL,
    events INTEGER NOT NULL,
    PRIMARY KEY (hour, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE event_kinds (
    kind   INTEGER PRIMARY KEY,
    events INTEGER NOT NULL
) STRICT;

CREATE TABLE event_authors (
    pubkey BLOB    PRIMARY KEY,
    events INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX event_authors_by_events ON event_authors (events DESC);

-- Words of posts, comments, skills and agents; the texts themselves stay where they are. The
-- rowid is the record's `n`.
CREATE VIRTUAL TABLE search_posts USING fts5 (title, body, content='', contentless_delete=1);
CREATE VIRTUAL TABLE search_comments USING fts5 (body, content='', contentless_delete=1);
CREATE VIRTUAL TABLE search_skills USING fts5 (title, body, content='', contentless_delete=1);
CREATE VIRTUAL TABLE search_agents USING fts5 (title, body, content='', contentless_delete=1);

CREATE TRIGGER search_posts_new AFTER INSERT ON posts BEGIN
    INSERT INTO search_posts (rowid, title, body)
    VALUES (new.n, new.title, new.summary || char(10) || new.body || char(10) || new.tags);
END;
CREATE TRIGGER search_posts_changed AFTER UPDATE OF title, summary, body, tags ON posts BEGIN
    DELETE FROM search_posts WHERE rowid = old.n;
    INSERT INTO search_posts (rowid, title, body)
    VALUES (new.n, new.title, new.summary || char(10) || new.body || char(10) || new.tags);
END;
CREATE TRIGGER search_posts_gone AFTER DELETE ON posts BEGIN
    DELETE FROM search_posts WHERE rowid = old.n;
END;

CREATE TRIGGER search_comments_new AFTER INSERT ON comments BEGIN
    INSERT INTO search_comments (rowid, body) VALUES (new.n, new.body);
END;
CREATE TRIGGER search_comments_changed AFTER UPDATE OF body ON comments BEGIN
    DELETE FROM search_comments WHERE rowid = old.n;
    INSERT INTO search_comments (rowid, body) VALUES (new.n, new.body);
END;
CREATE TRIGGER search_comments_gone AFTER DELETE ON comments BEGIN
    DELETE FROM search_comments WHERE rowid = old.n;
END;

CREATE TRIGGER search_skills_new AFTER INSERT ON skills BEGIN
    INSERT INTO search_skills (rowid, title, body) VALUES (new.n, new.name, new.description);
END;
CREATE TRIGGER search_skills_changed AFTER UPDATE OF name, description ON skills BEGIN
    DELETE FROM search_skills WHERE rowid = old.n;
    INSERT INTO search_skills (rowid, title, body) VALUES (new.n, new.name, new.description);
END;
CREATE TRIGGER search_skills_gone AFTER DELETE ON skills BEGIN
    DELETE FROM search_skills WHERE rowid = old.n;
END;

CREATE TRIGGER search_agents_new AFTER INSERT ON agents BEGIN
    INSERT INTO search_agents (rowid, title, body) VALUES (new.n, new.name, new.description);
END;
CREATE TRIGGER search_agents_changed AFTER UPDATE OF name, description ON agents BEGIN
    DELETE FROM search_agents WHERE rowid = old.n;
    INSERT INTO search_agents (rowid, title, body) VALUES (new.n, new.name, new.description);
END;
CREATE TRIGGER search_agents_gone AFTER DELETE ON agents BEGIN
    DELETE FROM search_agents WHERE rowid = old.n;
END;

-- Replies of a comment, for threads.
CREATE INDEX comments_by_reply ON comments (reply_to, n) WHERE reply_to IS NOT NULL;
