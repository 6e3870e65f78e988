-- Orders, designs, feedback.

CREATE TABLE designs (
    n         INTEGER PRIMARY KEY,
    id        TEXT    NOT NULL UNIQUE,
    agent     INTEGER NOT NULL REFERENCES agents (n),
    file      TEXT    NOT NULL,
    mime_type TEXT    NOT NULL,
    bytes     INTEGER NOT NULL,
    created   INTEGER NOT NULL
) STRICT;
CREATE INDEX designs_by_agent ON designs (agent, bytes);

CREATE TABLE orders (
    n               INTEGER PRIMARY KEY,
    id              TEXT    NOT NULL UNIQUE,
    agent           INTEGER NOT NULL REFERENCES agents (n),
    status          TEXT    NOT NULL,
    product_id      TEXT    NOT NULL,
    options         TEXT    NOT NULL,                 -- JSON
    address         TEXT    NOT NULL,                 -- JSON
    design_url      TEXT    NOT NULL,
    product_uid     TEXT    NOT NULL,
    total           INTEGER NOT NULL,
    payment_address TEXT    NOT NULL,
    expires         INTEGER NOT NULL,                 -- of the price (W21)
    paid_at         INTEGER,
    tx              TEXT,
    gelato_order_id TEXT    NOT NULL DEFAULT '',
    tracking_url    TEXT    NOT NULL DEFAULT '',
    created         INTEGER NOT NULL
) STRICT;
CREATE INDEX orders_by_agent ON orders (agent, n);
CREATE UNIQUE INDEX orders_by_tx ON orders (tx) WHERE tx IS NOT NULL;
CREATE INDEX orders_by_status ON orders (status, n);

CREATE TABLE feedback (
    n       INTEGER PRIMARY KEY,
    id      TEXT    NOT NULL UNIQUE,
    rating  INTEGER NOT NULL,
    message TEXT    NOT NULL DEFAULT '',
    agent   TEXT    NOT NULL DEFAULT '',
    created INTEGER NOT NULL
) STRICT;
