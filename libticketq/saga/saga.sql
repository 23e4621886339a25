-- Tables and statements of sagas, for every ledger. A saga that has ended has no deadline.

-- name: schema_1
CREATE TABLE sagas (
    type TEXT NOT NULL,
    saga_id TEXT NOT NULL,
    definition INTEGER NOT NULL,
    state TEXT NOT NULL,
    version BIGINT NOT NULL,
    deadline_ms BIGINT,
    attempts INTEGER NOT NULL,
    started_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (type, saga_id)
);
CREATE INDEX sagas_deadline ON sagas (type, deadline_ms);
CREATE TABLE saga_history (
    type TEXT NOT NULL,
    saga_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    from_state TEXT NOT NULL,
    event TEXT NOT NULL,
    to_state TEXT NOT NULL,
    PRIMARY KEY (type, saga_id, version)
);

-- name: start
INSERT INTO sagas (type, saga_id, definition, state, version, deadline_ms, attempts, started_ms,
    updated_ms, data)
VALUES ($1, $2, $3, $4, 1, $5, 0, $6, $6, $7)

-- name: read
SELECT saga_id, definition, state, version, deadline_ms, attempts, updated_ms, data
FROM sagas WHERE type = $1 AND saga_id = $2

-- name: move
UPDATE sagas SET state = $5, version = version + 1, deadline_ms = $6, attempts = $7,
    updated_ms = $8
WHERE type = $1 AND saga_id = $2 AND state = $3 AND version = $4

-- name: move_back
UPDATE sagas SET state = $5, version = $6, deadline_ms = $7, attempts = $8, updated_ms = $9
WHERE type = $1 AND saga_id = $2 AND state = $3 AND version = $4

-- name: note
INSERT INTO saga_history (type, saga_id, version, at_ms, from_state, event, to_state)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: history
SELECT version, at_ms, from_state, event, to_state FROM saga_history
WHERE type = $1 AND saga_id = $2 ORDER BY version

-- name: history_back
SELECT from_state, event, to_state FROM saga_history
WHERE type = $1 AND saga_id = $2 AND version <= $3 ORDER BY version DESC

-- name: due
SELECT saga_id, version FROM sagas
WHERE type = $1 AND deadline_ms <= $2 ORDER BY deadline_ms LIMIT $3

-- name: next_due
SELECT MIN(deadline_ms) FROM sagas WHERE type = $1

-- name: postpone
UPDATE sagas SET attempts = attempts + 1, deadline_ms = $4
WHERE type = $1 AND saga_id = $2 AND version = $3

-- name: resume
UPDATE sagas SET attempts = 0, deadline_ms = $3
WHERE type = $1 AND saga_id = $2 AND deadline_ms IS NOT NULL

-- name: stuck
SELECT saga_id, definition, state, version, deadline_ms, attempts, updated_ms, data FROM sagas
WHERE type = $1 AND deadline_ms IS NOT NULL AND updated_ms <= $2 ORDER BY updated_ms LIMIT $3
