-- Tables of the payment service: whose money, where it is, what is to be asked of the
-- payment provider, and what it told us.

-- name: v1
CREATE TABLE payments (
    payment_id TEXT NOT NULL PRIMARY KEY,
    reservation_id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    phase TEXT NOT NULL,
    amount BIGINT NOT NULL,
    currency TEXT NOT NULL,
    payment_token TEXT,
    failure TEXT,
    paid_amount BIGINT NOT NULL DEFAULT 0,
    cancelled_amount BIGINT NOT NULL DEFAULT 0,
    traceparent TEXT,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL
);
CREATE INDEX payments_user ON payments (user_id, created_ms);
CREATE TABLE calls (
    payment_id TEXT NOT NULL PRIMARY KEY,
    operation TEXT NOT NULL CHECK (operation IN ('PRE_REGISTER', 'CONFIRM', 'ASK', 'CANCEL')),
    due_ms BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    since_ms BIGINT NOT NULL,
    version BIGINT NOT NULL
);
CREATE INDEX calls_due ON calls (due_ms);
CREATE TABLE webhooks (
    webhook_id TEXT NOT NULL PRIMARY KEY,
    type TEXT NOT NULL,
    payment_id TEXT,
    received_ms BIGINT NOT NULL
);
CREATE INDEX webhooks_age ON webhooks (received_ms);

-- When an ended payment is asked for again; NULL: not any more. What had ended before this was
-- noted is asked for once.

-- name: v2
ALTER TABLE payments ADD COLUMN recheck_ms BIGINT;
UPDATE payments SET recheck_ms = updated_ms WHERE phase IN ('FAILED', 'PAID');
CREATE INDEX payments_recheck ON payments (recheck_ms) WHERE recheck_ms IS NOT NULL;

-- Whose outcome of a call counts, NULL: nobody is at work; and until when the book is expected
-- to show money that we were told of, 0: it is not.

-- name: v3
ALTER TABLE calls ADD COLUMN lease TEXT;
ALTER TABLE calls ADD COLUMN await_ms BIGINT NOT NULL DEFAULT 0;
