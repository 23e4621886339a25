-- Statements of the payment service, by the file that runs them.

-- rows.c

-- name: payment_add
INSERT INTO payments (payment_id, reservation_id, user_id, phase, amount, currency, traceparent,
    created_ms, updated_ms)
VALUES ($1, $2, $3, 'READY', $4, $5, $6, $7, $7)
ON CONFLICT (reservation_id) DO NOTHING

-- name: payment_get
SELECT payment_id, reservation_id, user_id, phase, amount, currency, payment_token, failure,
    paid_amount, cancelled_amount, traceparent, created_ms
FROM payments WHERE payment_id = $1

-- name: payment_of_reservation
SELECT payment_id, reservation_id, user_id, phase, amount, currency, payment_token, failure,
    paid_amount, cancelled_amount, traceparent, created_ms
FROM payments WHERE reservation_id = $1

-- name: payments_of_user
SELECT payment_id FROM payments
WHERE user_id = $1 AND ($2 = '' OR (created_ms, payment_id) <
    (SELECT created_ms, payment_id FROM payments WHERE payment_id = $2 AND user_id = $1))
ORDER BY created_ms DESC, payment_id DESC LIMIT $3

-- name: payment_move
UPDATE payments
SET phase = $3, payment_token = $4, failure = $5, paid_amount = $6, cancelled_amount = $7,
    updated_ms = $8, recheck_ms = $9
WHERE payment_id = $1 AND phase = $2

-- calls.c

-- name: call_put
INSERT INTO calls (payment_id, operation, due_ms, attempts, since_ms, version)
VALUES ($1, $2, $3, 0, $3, 1)
ON CONFLICT (payment_id) DO UPDATE
SET operation = excluded.operation, due_ms = excluded.due_ms, attempts = 0,
    since_ms = excluded.since_ms, version = calls.version + 1, lease = NULL, await_ms = 0
WHERE calls.operation <> excluded.operation

-- name: call_nudge
INSERT INTO calls (payment_id, operation, due_ms, attempts, since_ms, version, await_ms)
VALUES ($1, $2, $3, 0, $3, 1, $4)
ON CONFLICT (payment_id) DO UPDATE
SET version = calls.version + 1,
    operation = CASE calls.operation
        WHEN 'PRE_REGISTER' THEN excluded.operation ELSE calls.operation END,
    due_ms = CASE calls.operation
        WHEN 'PRE_REGISTER' THEN excluded.due_ms ELSE calls.due_ms END,
    attempts = CASE calls.operation WHEN 'PRE_REGISTER' THEN 0 ELSE calls.attempts END,
    since_ms = CASE calls.operation
        WHEN 'PRE_REGISTER' THEN excluded.since_ms ELSE calls.since_ms END,
    lease = CASE calls.operation WHEN 'PRE_REGISTER' THEN NULL ELSE calls.lease END,
    await_ms = CASE WHEN calls.await_ms < excluded.await_ms
        THEN excluded.await_ms ELSE calls.await_ms END

-- $4: later than anything can be put off to, so the clock went back; due now.
-- The outer due_ms is for an engine that waits for another taker of the same row here.
-- name: call_take
UPDATE calls SET due_ms = $2, attempts = attempts + 1, lease = $3
WHERE (due_ms <= $1 OR due_ms > $4)
    AND payment_id = COALESCE(
        (SELECT payment_id FROM calls WHERE due_ms <= $1 ORDER BY due_ms LIMIT 1),
        (SELECT payment_id FROM calls WHERE due_ms > $4 ORDER BY due_ms DESC LIMIT 1))
RETURNING payment_id, operation, attempts, since_ms, version, await_ms

-- The row stays locked: until the transaction ends only its own steps change the version.
-- name: call_release
UPDATE calls SET due_ms = $3, lease = NULL WHERE payment_id = $1 AND lease = $2

-- name: call_done
DELETE FROM calls WHERE payment_id = $1 AND version = $2

-- name: call_again
UPDATE calls SET due_ms = $3, await_ms = $4 WHERE payment_id = $1 AND version = $2

-- name: call_heard
UPDATE calls SET await_ms = 0 WHERE payment_id = $1

-- name: calls_all_due
UPDATE calls SET due_ms = 0, lease = NULL

-- recheck.c

-- name: asks_fresh
SELECT COUNT(*) FROM calls WHERE operation = 'ASK' AND attempts < $1

-- name: rechecks_due
SELECT payment_id, phase, updated_ms, recheck_ms FROM payments
WHERE recheck_ms <= $1 ORDER BY recheck_ms LIMIT $2

-- The old time again, for an engine where somebody else may have been quicker.
-- name: recheck_move
UPDATE payments SET recheck_ms = $3 WHERE payment_id = $1 AND recheck_ms = $2

-- webhook.c

-- name: webhook_add
INSERT INTO webhooks (webhook_id, type, payment_id, received_ms) VALUES ($1, $2, $3, $4)
ON CONFLICT (webhook_id) DO NOTHING

-- name: webhooks_clean
DELETE FROM webhooks WHERE webhook_id IN
    (SELECT webhook_id FROM webhooks WHERE received_ms < $1 ORDER BY received_ms LIMIT $2)
