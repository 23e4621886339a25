-- Statements of the queue service.

-- name: add
INSERT INTO rooms (schedule_id, open_ms, close_ms, rate, burst, max_active, capacity, waiting_ms,
                   active_ms, pass_ms, poll_min_ms, poll_max_ms, shards)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (schedule_id) DO NOTHING;

-- name: rooms
SELECT schedule_id, open_ms, close_ms, rate, burst, max_active, capacity, waiting_ms, active_ms,
       pass_ms, poll_min_ms, poll_max_ms, is_paused, is_draining, numbers_reserved, epoch,
       shards
FROM rooms WHERE schedule_id > $1 ORDER BY schedule_id LIMIT 64;

-- name: room
SELECT schedule_id, open_ms, close_ms, rate, burst, max_active, capacity, waiting_ms, active_ms,
       pass_ms, poll_min_ms, poll_max_ms, is_paused, is_draining, numbers_reserved, epoch,
       shards
FROM rooms WHERE schedule_id = $1;

-- name: reserve
UPDATE rooms SET numbers_reserved = $1 WHERE schedule_id = $2 AND numbers_reserved < $1;

-- name: set
UPDATE rooms SET open_ms = $1, close_ms = $2, rate = $3, max_active = $4, is_paused = $5,
       is_draining = $6, epoch = $7, orders_count = orders_count + 1
WHERE schedule_id = $8;

-- name: add_order
INSERT INTO room_orders (schedule_id, number, at_ms, verb, value, actor, reason)
SELECT schedule_id, orders_count, $2, $3, $4, $5, $6 FROM rooms WHERE schedule_id = $1;

-- name: orders
SELECT number, at_ms, verb, value, actor, reason FROM room_orders
WHERE schedule_id = $1 AND number > $2 ORDER BY number LIMIT $3;
