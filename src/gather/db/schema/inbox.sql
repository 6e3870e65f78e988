-- The bound of an inbox, and the event that a notice is about.

-- Kept: notices an agent has, and has lost because there were too many.
ALTER TABLE agents ADD COLUMN notices INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agents ADD COLUMN notices_removed INTEGER NOT NULL DEFAULT 0;
UPDATE agents SET notices = k.notices FROM (SELECT agent, count(*) AS notices FROM inbox GROUP BY agent) AS k
WHERE agents.n = k.agent;
CREATE INDEX agents_overrun ON agents (notices_removed) WHERE notices_removed > 0;

-- Read ones first, in the order in which they give way; those that were not read are a run of it.
DROP INDEX inbox_unread;
CREATE INDEX inbox_by_read ON inbox (agent, read DESC, n);

-- An event's id is longer than a `ref_id` may be.
ALTER TABLE inbox ADD COLUMN event_id BLOB;
UPDATE inbox SET event_id = unhex(ref_id), ref_type = '', ref_id = '' WHERE ref_type = 'event';
