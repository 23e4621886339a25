-- SPDX-License-Identifier: MIT
-- The provider's own book of money: what was paid, what was given back, what was told.

-- name: schema_1
CREATE TABLE payments (
    payment_id     TEXT   NOT NULL PRIMARY KEY,
    transaction_id TEXT   NOT NULL,
    status         TEXT   NOT NULL,
    total          BIGINT NOT NULL,
    currency       TEXT   NOT NULL,
    is_registered  INTEGER NOT NULL,
    paid           BIGINT NOT NULL,
    cancelled      BIGINT NOT NULL,
    pg_tx_id       TEXT   NOT NULL,
    failure        TEXT   NOT NULL,
    requested_ms   BIGINT NOT NULL,
    paid_ms        BIGINT NOT NULL,
    changed_ms     BIGINT NOT NULL,
    due_ms         BIGINT NOT NULL
);
CREATE INDEX payments_due ON payments (due_ms) WHERE due_ms > 0;
CREATE TABLE tokens (
    token      TEXT   NOT NULL PRIMARY KEY,
    payment_id TEXT   NOT NULL,
    total      BIGINT NOT NULL,
    currency   TEXT   NOT NULL,
    card       TEXT   NOT NULL
);
CREATE TABLE cancellations (
    cancellation_id TEXT   NOT NULL PRIMARY KEY,
    payment_id      TEXT   NOT NULL,
    amount          BIGINT NOT NULL,
    reason          TEXT   NOT NULL,
    created_ms      BIGINT NOT NULL
);
CREATE INDEX cancellations_payment ON cancellations (payment_id);
CREATE TABLE webhooks (
    webhook_id TEXT    NOT NULL PRIMARY KEY,
    body       TEXT    NOT NULL,
    copies     INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    state      TEXT    NOT NULL,
    due_ms     BIGINT  NOT NULL
);
CREATE INDEX webhooks_due ON webhooks (due_ms) WHERE state = 'PENDING';
CREATE TABLE answers (
    key         TEXT    NOT NULL PRIMARY KEY,
    fingerprint TEXT    NOT NULL,
    status      INTEGER NOT NULL,
    body        TEXT    NOT NULL,
    created_ms  BIGINT  NOT NULL
);

-- name: payment_find
SELECT payment_id, transaction_id, status, total, currency, is_registered, paid, cancelled,
       pg_tx_id, failure, requested_ms, paid_ms, changed_ms, due_ms
FROM payments WHERE payment_id = $1;

-- name: payment_all
SELECT payment_id, transaction_id, status, total, currency, is_registered, paid, cancelled,
       pg_tx_id, failure, requested_ms, paid_ms, changed_ms, due_ms
FROM payments ORDER BY payment_id;

-- name: payment_due
SELECT payment_id, transaction_id, status, total, currency, is_registered, paid, cancelled,
       pg_tx_id, failure, requested_ms, paid_ms, changed_ms, due_ms
FROM payments WHERE due_ms > 0 AND due_ms <= $1 ORDER BY due_ms LIMIT 1;

-- name: payment_put
INSERT INTO payments (payment_id, transaction_id, status, total, currency, is_registered, paid,
                      cancelled, pg_tx_id, failure, requested_ms, paid_ms, changed_ms, due_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT (payment_id) DO UPDATE SET
    status = excluded.status, total = excluded.total, currency = excluded.currency,
    is_registered = excluded.is_registered, paid = excluded.paid, cancelled = excluded.cancelled,
    pg_tx_id = excluded.pg_tx_id, failure = excluded.failure, paid_ms = excluded.paid_ms,
    changed_ms = excluded.changed_ms, due_ms = excluded.due_ms;

-- name: token_put
INSERT INTO tokens (token, payment_id, total, currency, card) VALUES ($1, $2, $3, $4, $5);

-- name: token_find
SELECT payment_id, total, currency, card FROM tokens WHERE token = $1;

-- name: cancellation_put
INSERT INTO cancellations (cancellation_id, payment_id, amount, reason, created_ms)
VALUES ($1, $2, $3, $4, $5);

-- name: cancellation_all
SELECT cancellation_id, amount, reason, created_ms FROM cancellations
WHERE payment_id = $1 ORDER BY created_ms, cancellation_id;

-- name: webhook_put
INSERT INTO webhooks (webhook_id, body, copies, attempts, state, due_ms)
VALUES ($1, $2, $3, 0, $4, $5);

-- name: webhook_due
SELECT webhook_id, body, copies, attempts FROM webhooks
WHERE state = 'PENDING' AND due_ms <= $1 ORDER BY due_ms LIMIT 1;

-- name: webhook_done
UPDATE webhooks SET state = $2, attempts = $3, due_ms = $4 WHERE webhook_id = $1;

-- name: answer_find
SELECT fingerprint, status, body FROM answers WHERE key = $1 AND created_ms > $2;

-- name: answer_put
INSERT INTO answers (key, fingerprint, status, body, created_ms) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint, status = excluded.status,
    body = excluded.body, created_ms = excluded.created_ms;
