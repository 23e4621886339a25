-- The journal of what a service told: one row for each event that it handed to its outbox.

-- name: v1
CREATE TABLE told_events (
    event_id TEXT NOT NULL PRIMARY KEY,
    type TEXT NOT NULL,
    topic TEXT NOT NULL,
    event_key TEXT NOT NULL,
    told_ms BIGINT NOT NULL
);
CREATE INDEX told_events_age ON told_events (told_ms);

-- name: add
INSERT INTO told_events (event_id, type, topic, event_key, told_ms) VALUES ($1, $2, $3, $4, $5)

-- name: clean
DELETE FROM told_events WHERE event_id IN
    (SELECT event_id FROM told_events WHERE told_ms < $1 ORDER BY told_ms LIMIT $2)
