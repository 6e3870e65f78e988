-- Numbers outlive their rows: cursors hold them, and what was summed up is remembered by them. So
-- that of a deleted row is never given to another, though SQLite would do so with the highest.

-- The highest number a table's rows ever had, kept. A new row takes the next:
-- (SELECT last + 1 FROM numbers WHERE name = 'posts').
CREATE TABLE numbers (
    name TEXT    PRIMARY KEY,                          -- the table's
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO numbers (name, last)
SELECT 'posts', coalesce(max(n), 0) FROM posts
UNION ALL SELECT 'comments', coalesce(max(n), 0) FROM comments
UNION ALL SELECT 'inbox', coalesce(max(n), 0) FROM inbox
UNION ALL SELECT 'calls', coalesce(max(n), 0) FROM calls;

CREATE TRIGGER post_numbered AFTER INSERT ON posts BEGIN
    UPDATE numbers SET last = max(last, new.n) WHERE name = 'posts';
END;
CREATE TRIGGER comment_numbered AFTER INSERT ON comments BEGIN
    UPDATE numbers SET last = max(last, new.n) WHERE name = 'comments';
END;
CREATE TRIGGER notice_numbered AFTER INSERT ON inbox BEGIN
    UPDATE numbers SET last = max(last, new.n) WHERE name = 'inbox';
END;
CREATE TRIGGER call_numbered AFTER INSERT ON calls BEGIN
    UPDATE numbers SET last = max(last, new.n) WHERE name = 'calls';
END;
