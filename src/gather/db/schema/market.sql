-- Skills, reviews, proofs.

CREATE TABLE skills (
    n                INTEGER PRIMARY KEY,
    id               TEXT    NOT NULL UNIQUE,
    name             TEXT    NOT NULL UNIQUE,         -- W37
    description      TEXT    NOT NULL DEFAULT '',
    source           TEXT    NOT NULL DEFAULT '',
    category         TEXT    NOT NULL DEFAULT '',
    url              TEXT    NOT NULL DEFAULT '',
    install_required INTEGER NOT NULL DEFAULT 0,
    installs         INTEGER NOT NULL DEFAULT 0,
    author           INTEGER REFERENCES agents (n),
    reviews          INTEGER NOT NULL DEFAULT 0,      -- kept; those that count
    score_sum        REAL    NOT NULL DEFAULT 0,
    security_reviews INTEGER NOT NULL DEFAULT 0,
    security_sum     REAL    NOT NULL DEFAULT 0,
    proved           INTEGER NOT NULL DEFAULT 0,
    security         REAL    NOT NULL DEFAULT 0,      -- its average; 0: never scored
    rank             REAL    NOT NULL DEFAULT 0,      -- above 0 just if there are reviews
    created          INTEGER NOT NULL,
    event_id         BLOB                             -- signed by the author on the relay
) STRICT;
-- Each order of the list is one run of an index, of all skills and of a category's.
CREATE INDEX skills_by_rank ON skills (rank, reviews, n);
CREATE INDEX skills_by_author ON skills (author, n) WHERE author IS NOT NULL;
CREATE INDEX skills_by_installs ON skills (installs, n);
CREATE INDEX skills_by_reviews ON skills (reviews, n);
CREATE INDEX skills_by_security ON skills (security, n);
CREATE INDEX skills_by_category_rank ON skills (category, rank, reviews, n);
CREATE INDEX skills_by_category_installs ON skills (category, installs, n);
CREATE INDEX skills_by_category_reviews ON skills (category, reviews, n);
CREATE INDEX skills_by_category_security ON skills (category, security, n);

-- Skills by category and tenths of their average security score, kept: what is counted is the sum
-- of a few rows (W38).
CREATE TABLE skill_counts (
    category TEXT    NOT NULL,
    tenths   INTEGER NOT NULL,
    skills   INTEGER NOT NULL,
    PRIMARY KEY (category, tenths)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER skill_counted AFTER INSERT ON skills BEGIN
    INSERT INTO skill_counts (category, tenths, skills)
    VALUES (new.category, CAST(new.security * 10 AS INTEGER), 1)
    ON CONFLICT (category, tenths) DO UPDATE SET skills = skills + 1;
END;
CREATE TRIGGER skill_moved AFTER UPDATE OF security ON skills WHEN new.security <> old.security BEGIN
    UPDATE skill_counts SET skills = skills - 1
    WHERE category = old.category AND tenths = CAST(old.security * 10 AS INTEGER);
    INSERT INTO skill_counts (category, tenths, skills)
    VALUES (new.category, CAST(new.security * 10 AS INTEGER), 1)
    ON CONFLICT (category, tenths) DO UPDATE SET skills = skills + 1;
END;

-- Runs of three letters of names and descriptions: which skills may contain a text.
CREATE VIRTUAL TABLE skills_text USING fts5 (
    name, description, content = 'skills', content_rowid = 'n', tokenize = 'trigram', detail = 'none'
);
CREATE TRIGGER skill_text_added AFTER INSERT ON skills BEGIN
    INSERT INTO skills_text (rowid, name, description) VALUES (new.n, new.name, new.description);
END;

-- One row, kept: how many reviews count, the number of reviews that all stored ranks were computed
-- with, and when (W20).
CREATE TABLE market (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    reviews  INTEGER NOT NULL DEFAULT 0,
    basis    INTEGER NOT NULL DEFAULT 0,
    computed INTEGER NOT NULL DEFAULT 0,
    ranked   INTEGER                                  -- while they are computed: up to which skill
) STRICT;
INSERT INTO market (one) VALUES (1);

CREATE TABLE review_challenges (
    n       INTEGER PRIMARY KEY,
    id      TEXT    NOT NULL UNIQUE,
    totem   TEXT    NOT NULL UNIQUE,
    agent   INTEGER NOT NULL REFERENCES agents (n),
    skill   INTEGER NOT NULL REFERENCES skills (n),
    task    TEXT    NOT NULL,
    aspects TEXT    NOT NULL,                         -- JSON list
    expires INTEGER NOT NULL,
    used    INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX review_challenges_by_expiry ON review_challenges (expires) WHERE used = 0;
CREATE INDEX review_challenges_by_agent ON review_challenges (agent, expires) WHERE used = 0;

CREATE TABLE reviews (
    n                 INTEGER PRIMARY KEY,
    id                TEXT    NOT NULL UNIQUE,
    skill             INTEGER NOT NULL REFERENCES skills (n),
    agent             INTEGER NOT NULL REFERENCES agents (n),
    task              TEXT    NOT NULL,
    status            TEXT    NOT NULL,
    score             REAL,
    what_worked       TEXT    NOT NULL DEFAULT '',
    what_failed       TEXT    NOT NULL DEFAULT '',
    skill_feedback    TEXT    NOT NULL DEFAULT '',
    security_score    REAL,
    security_notes    TEXT    NOT NULL DEFAULT '',
    runner_type       TEXT    NOT NULL DEFAULT '',
    permission_mode   TEXT    NOT NULL DEFAULT '',
    agent_model       TEXT    NOT NULL DEFAULT '',
    execution_time_ms REAL,
    cli_output        TEXT    NOT NULL DEFAULT '',
    verified_reviewer INTEGER NOT NULL DEFAULT 0,
    challenge         INTEGER REFERENCES review_challenges (n),
    counts            INTEGER NOT NULL DEFAULT 1,     -- the agent's latest of this skill (W8)
    created           INTEGER NOT NULL,
    event_id          BLOB
) STRICT;
CREATE INDEX reviews_by_skill ON reviews (skill, n);
CREATE INDEX reviews_by_agent ON reviews (agent, n);
CREATE INDEX reviews_by_status ON reviews (status, n);
CREATE UNIQUE INDEX reviews_counted ON reviews (agent, skill) WHERE counts = 1;

CREATE TABLE proofs (
    n          INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    review     INTEGER NOT NULL UNIQUE REFERENCES reviews (n),
    kind       TEXT    NOT NULL,                      -- client, server (W7)
    claim_data TEXT    NOT NULL,                      -- JSON, or null
    identifier TEXT    NOT NULL,
    signatures TEXT    NOT NULL,                      -- JSON list
    witnesses  TEXT    NOT NULL,                      -- JSON list
    verified   INTEGER NOT NULL,
    created    INTEGER NOT NULL
) STRICT;
CREATE INDEX proofs_by_verified ON proofs (verified, n);
