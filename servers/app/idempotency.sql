-- SPDX-License-Identifier: MIT
-- Answers to requests with an Idempotency-Key, in the ledger of the service that gave them.

-- name: schema_1
CREATE TABLE idempotency (
    scope       TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    fingerprint TEXT    NOT NULL,
    status      INTEGER NOT NULL,
    body        TEXT    NOT NULL,
    created_ms  BIGINT  NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_age ON idempotency (created_ms);

-- name: claim
INSERT INTO idempotency (scope, key, fingerprint, status, body, created_ms)
VALUES ($1, $2, $3, 0, '', $4)
ON CONFLICT (scope, key) DO NOTHING;

-- name: find
SELECT fingerprint, status, body FROM idempotency WHERE scope = $1 AND key = $2;

-- name: answer
UPDATE idempotency SET status = $3, body = $4 WHERE scope = $1 AND key = $2;

-- name: clean
DELETE FROM idempotency WHERE (scope, key) IN
    (SELECT scope, key FROM idempotency WHERE created_ms < $1 ORDER BY created_ms LIMIT $2);
