-- Statements of the reservation service, by the file that runs them.

-- schedules.c

-- name: schedule_add
INSERT INTO schedules (schedule_id, event_id, currency, sales_open_ms, sales_close_ms,
    person_limit, is_loaded)
VALUES ($1, $2, '', $3, $4, $5, 0)
ON CONFLICT (schedule_id) DO NOTHING

-- name: schedule_loaded
UPDATE schedules SET currency = $2, is_loaded = 1 WHERE schedule_id = $1

-- name: schedule_next
SELECT schedule_id, currency, sales_open_ms, sales_close_ms, person_limit
FROM schedules WHERE is_loaded = $1 AND schedule_id > $2 ORDER BY schedule_id LIMIT 1

-- name: seat_price_add
INSERT INTO seat_prices (schedule_id, seat_id, position, grade, price)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (schedule_id, seat_id) DO NOTHING

-- name: seat_prices_count
SELECT COUNT(*) FROM seat_prices WHERE schedule_id = $1

-- name: seat_prices_list
SELECT seat_id, grade, price FROM seat_prices WHERE schedule_id = $1 ORDER BY position

-- rows.c

-- name: person_take
INSERT INTO person_seats (schedule_id, user_id, seats) VALUES ($1, $2, $3)
ON CONFLICT (schedule_id, user_id) DO UPDATE SET seats = person_seats.seats + excluded.seats
WHERE person_seats.seats + excluded.seats <= $4

-- name: person_give
UPDATE person_seats SET seats = seats - $3 WHERE schedule_id = $1 AND user_id = $2

-- name: reservation_add
INSERT INTO reservations (reservation_id, user_id, schedule_id, status, phase, came_from, hold_id,
    fence, hold_expires_ms, seats_count, total_amount, currency, traceparent, created_ms, updated_ms)
VALUES ($1, $2, $3, 'PENDING', 'HOLD', '', $4, $5, $6, $7, $8, $9, $10, $11, $11)

-- name: reservation_seat_add
INSERT INTO reservation_seats (reservation_id, position, seat_id, grade, price)
VALUES ($1, $2, $3, $4, $5)

-- A row for each seat.
-- name: reservation_get
SELECT r.reservation_id, r.user_id, r.schedule_id, r.status, r.phase, r.hold_id, r.fence,
    r.hold_expires_ms, r.total_amount, r.currency, r.payment_id, r.ticket_number, r.cancel_reason,
    r.refunded_amount, r.traceparent, r.created_ms, r.came_from, s.seat_id, s.grade, s.price
FROM reservations r JOIN reservation_seats s ON s.reservation_id = r.reservation_id
WHERE r.reservation_id = $1 ORDER BY s.position

-- name: reservation_by_hold
SELECT reservation_id FROM reservations WHERE hold_id = $1

-- name: reservations_of_user
SELECT reservation_id FROM reservations
WHERE user_id = $1 AND ($2 = '' OR reservation_id < $2)
ORDER BY reservation_id DESC LIMIT $3

-- name: reservation_extended
UPDATE reservations SET hold_expires_ms = $2, updated_ms = $3
WHERE reservation_id = $1 AND phase = 'HOLD' AND fence = $4

-- name: reservation_move
UPDATE reservations
SET status = $4, came_from = CASE WHEN phase = $5 THEN came_from ELSE phase END, phase = $5,
    payment_id = $6, ticket_number = $7,
    cancel_reason = $8, refunded_amount = $9, hold_id = $10, fence = $11, updated_ms = $12
WHERE reservation_id = $1 AND phase = $2 AND fence = $3

-- reflect.c

-- name: reservations_now
SELECT user_id, schedule_id, phase, came_from, cancel_reason, hold_id, fence FROM reservations
WHERE reservation_id IN
    ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
