-- Tables of the queue service. Lines live in memory; what is kept here is what must
-- outlive them: which rooms there are, how an operator has set them, up to where
-- numbers may have been issued, which epoch is valid, and who ordered what and why.

-- name: v1
CREATE TABLE rooms (
    schedule_id TEXT NOT NULL PRIMARY KEY,
    open_ms BIGINT NOT NULL,
    close_ms BIGINT NOT NULL,
    rate BIGINT NOT NULL,
    burst BIGINT NOT NULL,
    max_active BIGINT NOT NULL,
    capacity BIGINT NOT NULL,
    waiting_ms BIGINT NOT NULL,
    active_ms BIGINT NOT NULL,
    pass_ms BIGINT NOT NULL,
    poll_min_ms BIGINT NOT NULL,
    poll_max_ms BIGINT NOT NULL,
    is_paused BIGINT NOT NULL DEFAULT 0,
    is_draining BIGINT NOT NULL DEFAULT 0,
    numbers_reserved BIGINT NOT NULL DEFAULT 0,
    epoch BIGINT NOT NULL DEFAULT 1,
    orders_count BIGINT NOT NULL DEFAULT 0
);
CREATE TABLE room_orders (
    schedule_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    verb TEXT NOT NULL,
    value BIGINT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (schedule_id, number)
);

-- name: v2
ALTER TABLE rooms ADD COLUMN shards BIGINT NOT NULL DEFAULT 1;
