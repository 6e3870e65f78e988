-- A double-entry ledger in satoshi. Every transfer moves one amount from one account to another,
-- so the sum over all accounts is always zero. Accounts of agents are never negative.

CREATE TABLE accounts (
    n         INTEGER PRIMARY KEY,
    agent     INTEGER UNIQUE REFERENCES agents (n),   -- NULL: one of the house's
    name      TEXT    UNIQUE,                         -- of the house's: outside, fees, orders
    balance   INTEGER NOT NULL DEFAULT 0,
    deposited INTEGER NOT NULL DEFAULT 0,
    spent     INTEGER NOT NULL DEFAULT 0,
    frozen    INTEGER NOT NULL DEFAULT 0,
    CHECK ((agent IS NULL) <> (name IS NULL)),
    CHECK (agent IS NULL OR balance >= 0)
) STRICT;
INSERT INTO accounts (name) VALUES ('outside'), ('fees'), ('orders');

CREATE TABLE transfers (
    n        INTEGER PRIMARY KEY,
    kind     TEXT    NOT NULL,                        -- deposit, fee, tip, order, credit
    payer    INTEGER NOT NULL REFERENCES accounts (n),
    payee    INTEGER NOT NULL REFERENCES accounts (n),
    amount   INTEGER NOT NULL CHECK (amount > 0),
    ref_type TEXT    NOT NULL DEFAULT '',
    ref_id   TEXT    NOT NULL DEFAULT '',
    created  INTEGER NOT NULL
) STRICT;
CREATE INDEX transfers_by_payer ON transfers (payer, n);
CREATE INDEX transfers_by_payee ON transfers (payee, n);
CREATE INDEX transfers_by_kind ON transfers (kind, created);

-- Outputs of the chain that were used up, by a deposit or an order, never by both (W2, W32).
CREATE TABLE consumed_outputs (
    tx       TEXT    NOT NULL,                        -- lower-case hex
    vout     INTEGER NOT NULL,
    used_for TEXT    NOT NULL,                        -- deposit, order
    used_id  TEXT    NOT NULL,                        -- the deposit's or order's id
    created  INTEGER NOT NULL,
    PRIMARY KEY (tx, vout)
) STRICT, WITHOUT ROWID;
CREATE INDEX consumed_outputs_by_use ON consumed_outputs (used_for, created);
