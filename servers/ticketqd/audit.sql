-- The checks of the audit. Each gives the rows that are off: what it is, and why.
-- Schemas: event, reservation, payment, queue, and book_payments, the provider's book.
-- $1 is now, $2 the time before which nothing may still be under way.

-- One payment, one end: a ticket or the money back.

-- name: payment_ends
SELECT p.payment_id, 'PAID, but reservation ' || p.reservation_id || ' is '
    || COALESCE(r.status || ' in phase ' || r.phase, 'not there')
FROM payment.payments p LEFT JOIN reservation.reservations r
    ON r.reservation_id = p.reservation_id
WHERE p.phase = 'PAID' AND (r.phase IS NULL OR r.phase <> 'SOLD' OR r.payment_id <> p.payment_id)
    AND NOT (COALESCE(r.phase, '') = 'REFUNDING' AND r.updated_ms >= $2)
UNION ALL
SELECT r.reservation_id, 'has a ticket, but its payment is ' || COALESCE(p.phase, 'not there')
FROM reservation.reservations r LEFT JOIN payment.payments p
    ON p.payment_id = r.payment_id AND p.reservation_id = r.reservation_id
WHERE r.phase = 'SOLD' AND (p.phase IS NULL OR p.phase <> 'PAID')
    AND NOT (COALESCE(p.phase, '') IN ('CAPTURED', 'REFUNDING') AND p.updated_ms >= $2)
UNION ALL
SELECT p.payment_id, 'is still ' || p.phase
FROM payment.payments p
WHERE p.phase IN ('REQUESTED', 'CONFIRMING', 'UNKNOWN', 'CAPTURED', 'REFUNDING')
    AND p.updated_ms < $2
UNION ALL
SELECT p.payment_id, 'REFUNDED, but ' || p.cancelled_amount || ' of ' || p.paid_amount
    || ' went back'
FROM payment.payments p WHERE p.phase = 'REFUNDED' AND p.cancelled_amount <> p.paid_amount
UNION ALL
SELECT p.payment_id, 'PAID, but the book said ' || (p.paid_amount - p.cancelled_amount)
FROM payment.payments p
WHERE p.phase = 'PAID' AND p.amount > 0 AND p.paid_amount <= p.cancelled_amount
UNION ALL
SELECT r.reservation_id, 'got ' || r.refunded_amount || ' back, its payment gave '
    || CASE p.phase WHEN 'REFUNDED' THEN p.amount ELSE 0 END
FROM reservation.reservations r JOIN payment.payments p ON p.reservation_id = r.reservation_id
WHERE r.refunded_amount <> CASE p.phase WHEN 'REFUNDED' THEN p.amount ELSE 0 END
    AND p.updated_ms < $2
UNION ALL
SELECT p.payment_id, 'asks for ' || p.amount || ', the reservation costs ' || r.total_amount
FROM payment.payments p JOIN reservation.reservations r ON r.reservation_id = p.reservation_id
WHERE p.amount <> r.total_amount OR p.currency <> r.currency
UNION ALL
SELECT r.reservation_id, 'costs ' || r.total_amount || ', its seats cost ' || SUM(s.price)
FROM reservation.reservations r JOIN reservation.reservation_seats s
    ON s.reservation_id = r.reservation_id
GROUP BY r.reservation_id, r.total_amount HAVING SUM(s.price) <> r.total_amount

-- A seat has one owner, and both sides know it.

-- name: seat_owners
SELECT s.schedule || '/' || s.seat, 'belongs to hold ' || s.hold || ', which '
    || CASE WHEN h.id IS NULL THEN 'is not there' ELSE 'has ended' END
FROM reservation.tq_hold_seats s LEFT JOIN reservation.tq_holds h
    ON h.schedule = s.schedule AND h.id = s.hold
WHERE s.hold IS NOT NULL AND (h.id IS NULL OR h.state NOT IN (1, 2, 3))
UNION ALL
SELECT h.schedule || '/' || h.id, 'is a live hold in state ' || h.state || ', its reservation is '
    || COALESCE('in phase ' || r.phase, 'not there')
FROM reservation.tq_holds h LEFT JOIN reservation.reservations r ON r.hold_id = h.id
WHERE h.state IN (1, 2, 3) AND (r.phase IS NULL OR CASE h.state WHEN 1 THEN r.phase <> 'HOLD'
    WHEN 2 THEN r.phase NOT IN ('PAYING', 'CANCELLING')
    ELSE r.phase NOT IN ('SOLD', 'REFUNDING') END)
UNION ALL
SELECT r.reservation_id, 'is in phase ' || r.phase || ', its hold is '
    || CASE WHEN h.id IS NULL THEN 'not there' WHEN h.holder <> r.user_id THEN 'of ' || h.holder
        WHEN h.fence <> r.fence THEN 'of fence ' || h.fence ELSE 'in state ' || h.state END
FROM reservation.reservations r LEFT JOIN reservation.tq_holds h
    ON h.schedule = r.schedule_id AND h.id = r.hold_id
WHERE r.phase IN ('HOLD', 'PAYING', 'CANCELLING', 'SOLD', 'REFUNDING')
    AND (h.id IS NULL OR h.holder <> r.user_id OR h.fence <> r.fence
        OR (h.state NOT IN (1, 2, 3) AND NOT (r.phase = 'HOLD' AND h.sweep_ms IS NOT NULL)))
UNION ALL
SELECT r.reservation_id, 'has ' || r.seats_count || ' seats and ' || COUNT(s.seat_id) || ' rows'
FROM reservation.reservations r LEFT JOIN reservation.reservation_seats s
    ON s.reservation_id = r.reservation_id
GROUP BY r.reservation_id, r.seats_count HAVING COUNT(s.seat_id) <> r.seats_count
UNION ALL
SELECT r.reservation_id, 'is in phase ' || r.phase || ', but seat ' || s.seat_id
    || ' belongs to ' || COALESCE('hold ' || t.hold, 'nobody')
FROM reservation.reservations r
JOIN reservation.reservation_seats s ON s.reservation_id = r.reservation_id
LEFT JOIN reservation.tq_hold_seats t ON t.schedule = r.schedule_id AND t.seat = s.seat_id
WHERE r.phase IN ('PAYING', 'CANCELLING', 'SOLD', 'REFUNDING')
    AND (t.hold IS NULL OR t.hold <> r.hold_id)
UNION ALL
SELECT r.schedule_id || '/' || s.seat_id, 'has ' || COUNT(*) || ' tickets'
FROM reservation.reservations r
JOIN reservation.reservation_seats s ON s.reservation_id = r.reservation_id
WHERE r.phase = 'SOLD'
GROUP BY r.schedule_id, s.seat_id HAVING COUNT(*) > 1
UNION ALL
SELECT t.schedule || '/' || t.seat, 'belongs to reservation ' || r.reservation_id
    || ', which never asked for it'
FROM reservation.tq_hold_seats t JOIN reservation.reservations r ON r.hold_id = t.hold
LEFT JOIN reservation.reservation_seats s
    ON s.reservation_id = r.reservation_id AND s.seat_id = t.seat
WHERE s.seat_id IS NULL
UNION ALL
SELECT r.reservation_id, 'has status ' || r.status || ' in phase ' || r.phase
FROM reservation.reservations r
WHERE r.status <> CASE WHEN r.phase IN ('HOLD', 'PAYING', 'CANCELLING') THEN 'PENDING'
    WHEN r.phase = 'SOLD' THEN 'CONFIRMED' ELSE 'CANCELLED' END
    OR (r.phase = 'SOLD' AND r.ticket_number IS NULL)
UNION ALL
SELECT c.schedule_id || '/' || c.user_id, 'is counted with ' || c.seats || ' seats and has '
    || COALESCE(o.seats, 0)
FROM reservation.person_seats c LEFT JOIN
    (SELECT schedule_id, user_id, SUM(seats_count) AS seats FROM reservation.reservations
     WHERE phase IN ('HOLD', 'PAYING', 'CANCELLING', 'SOLD', 'REFUNDING')
     GROUP BY schedule_id, user_id) o
    ON o.schedule_id = c.schedule_id AND o.user_id = c.user_id
WHERE c.seats <> COALESCE(o.seats, 0)
UNION ALL
SELECT DISTINCT r.schedule_id || '/' || r.user_id, 'has seats and is not counted'
FROM reservation.reservations r LEFT JOIN reservation.person_seats c
    ON c.schedule_id = r.schedule_id AND c.user_id = r.user_id
WHERE r.phase IN ('HOLD', 'PAYING', 'CANCELLING', 'SOLD', 'REFUNDING') AND c.user_id IS NULL
UNION ALL
SELECT c.schedule_id || '/' || c.user_id, 'has ' || c.seats || ' seats, a person may have '
    || s.person_limit
FROM reservation.person_seats c JOIN reservation.schedules s ON s.schedule_id = c.schedule_id
WHERE s.person_limit > 0 AND c.seats > s.person_limit

-- Available + hold + paying + sold = total.

-- name: seats_add_up
SELECT s.schedule, 'has ' || COUNT(*) || ' seats, not ' || d.seats || ' as defined'
FROM reservation.tq_hold_seats s JOIN reservation.tq_hold_schedules d ON d.schedule = s.schedule
GROUP BY s.schedule, d.seats HAVING COUNT(*) <> d.seats
UNION ALL
SELECT d.schedule, 'has ' || d.seats || ' seats and ' || COUNT(p.seat_id) || ' prices'
FROM reservation.tq_hold_schedules d LEFT JOIN reservation.seat_prices p
    ON p.schedule_id = d.schedule
WHERE d.schedule NOT IN (SELECT schedule_id FROM reservation.schedules WHERE is_loaded = 0)
GROUP BY d.schedule, d.seats HAVING COUNT(p.seat_id) <> d.seats
UNION ALL
SELECT d.schedule, 'sells ' || d.seats || ' seats, the event has ' || e.seats
FROM reservation.tq_hold_schedules d
JOIN event.schedules s ON s.schedule_id = d.schedule
JOIN event.events e ON e.event_id = s.event_id
WHERE e.seats <> d.seats
UNION ALL
SELECT h.schedule || '/' || h.id, 'holds ' || h.seats_count || ' seats and has ' || COUNT(s.seat)
FROM reservation.tq_holds h LEFT JOIN reservation.tq_hold_seats s
    ON s.schedule = h.schedule AND s.hold = h.id
WHERE h.state IN (2, 3) OR (h.state = 1 AND h.expires_ms >= $2)
GROUP BY h.schedule, h.id, h.seats_count HAVING COUNT(s.seat) <> h.seats_count

-- Nothing stays held past its time, and no saga past its deadline.

-- name: nothing_overdue
SELECT h.schedule || '/' || h.id, 'ran out ' || (($1 - h.expires_ms) / 1000) || ' s ago'
FROM reservation.tq_holds h WHERE h.state = 1 AND h.expires_ms < $2
UNION ALL
SELECT r.reservation_id, 'is in phase HOLD, its time ran out ' || (($1 - r.hold_expires_ms) / 1000)
    || ' s ago'
FROM reservation.reservations r WHERE r.phase = 'HOLD' AND r.hold_expires_ms < $2
UNION ALL
SELECT r.reservation_id, 'is in phase ' || r.phase || ', its payment is '
    || COALESCE(p.phase, 'not there: see "free" in the README')
FROM reservation.reservations r LEFT JOIN payment.payments p
    ON p.reservation_id = r.reservation_id
WHERE r.phase IN ('PAYING', 'CANCELLING', 'REFUNDING') AND r.updated_ms < $2
    AND COALESCE(p.phase, '') NOT IN ('REQUESTED', 'CONFIRMING', 'UNKNOWN', 'CAPTURED',
        'REFUNDING')
UNION ALL
SELECT 'purchase ' || g.saga_id, 'is in state ' || g.state || ', its deadline passed '
    || (($1 - g.deadline_ms) / 1000) || ' s ago'
FROM reservation.sagas g WHERE g.deadline_ms < $2
UNION ALL
SELECT 'charge ' || g.saga_id, 'is in state ' || g.state || ', its deadline passed '
    || (($1 - g.deadline_ms) / 1000) || ' s ago'
FROM payment.sagas g WHERE g.deadline_ms < $2
UNION ALL
SELECT r.reservation_id, 'is in phase ' || r.phase || ', its saga is '
    || COALESCE('in state ' || g.state, 'not there')
FROM reservation.reservations r LEFT JOIN reservation.sagas g
    ON g.type = 'purchase' AND g.saga_id = r.reservation_id
WHERE g.state IS NULL OR g.state <> r.phase
UNION ALL
SELECT p.payment_id, 'is in phase ' || p.phase || ', its saga is '
    || COALESCE('in state ' || g.state, 'not there')
FROM payment.payments p LEFT JOIN payment.sagas g
    ON g.type = 'charge' AND g.saga_id = p.payment_id
WHERE g.state IS NULL OR g.state <> p.phase

-- Every event that was told was applied once by each of its consumers, and no other was.

-- name: events_applied
SELECT u.event_id, u.type || ' was never applied by ' || u.consumer
FROM unapplied u WHERE u.told_ms < $2
UNION ALL
SELECT a.event_id, 'is a dead letter of ' || a.consumer || ': ' || a.dead_reason
FROM applied a WHERE a.dead_reason IS NOT NULL
UNION ALL
SELECT a.event_id, 'was applied by ' || a.consumer || ', but nobody told it'
FROM applied a LEFT JOIN told t ON t.event_id = a.event_id
WHERE t.event_id IS NULL AND a.dead_reason IS NULL AND a.at_ms > $1 - 432000000
    AND a.at_ms < $1 -- what came later may have been told after its journal was read
UNION ALL
SELECT p.event_id, p.type || ' waits in the outbox for ' || (($1 - p.created_ms) / 1000) || ' s'
FROM pending p WHERE p.created_ms < $2
UNION ALL
SELECT p.event_id, p.type || ' stands in an outbox, but not in its journal'
FROM pending p LEFT JOIN told t ON t.event_id = p.event_id
WHERE t.event_id IS NULL AND p.topic NOT LIKE 'dlq.%'

-- Steps and events tell the same story: a step that was made by an event finds it in the journal
-- of the other side, a step that tells finds what it told in its own. So an event that was taken
-- out of journal, outbox and inbox alike is missed by the step before it and the one behind it.
-- Only what is younger than the journals' memory is looked at.

-- name: steps_told
WITH told AS (
    SELECT event_key, type, COUNT(*) AS times FROM
        (SELECT event_key, type FROM reservation.told_events
         UNION ALL SELECT event_key, type FROM payment.told_events) GROUP BY event_key, type),
sagas AS (
    SELECT 'purchase' AS saga, g.saga_id, g.saga_id AS event_key, g.state, g.version
    FROM reservation.sagas g WHERE g.type = 'purchase' AND g.started_ms > $1 - 432000000
    UNION ALL SELECT 'charge', g.saga_id, p.reservation_id, g.state, g.version
    FROM payment.sagas g JOIN payment.payments p ON p.payment_id = g.saga_id
    WHERE g.type = 'charge' AND g.started_ms > $1 - 432000000),
steps AS (
    SELECT type, saga_id, version, from_state, event, to_state FROM reservation.saga_history
    UNION ALL SELECT type, saga_id, version, from_state, event, to_state
    FROM payment.saga_history),
-- Of a step: saga, state before, event, state after (NULL: any); and what was told for it.
due (saga, from_state, event, to_state, side, type) AS (VALUES
    ('purchase', NULL, 'PaymentRequested', NULL, 'heard', 'PaymentRequested'),
    ('purchase', NULL, 'PaymentPaid', NULL, 'heard', 'PaymentPaid'),
    ('purchase', NULL, 'PaymentFailed', NULL, 'heard', 'PaymentFailed'),
    ('purchase', NULL, 'PaymentRefunded', NULL, 'heard', 'PaymentRefunded'),
    ('charge', NULL, 'Pinned', NULL, 'heard', 'ReservationPinned'),
    ('charge', NULL, 'PinRefused', NULL, 'heard', 'ReservationPinRefused'),
    ('charge', NULL, 'ReservationConfirmed', NULL, 'heard', 'ReservationConfirmed'),
    ('charge', NULL, 'ReservationCancelled', NULL, 'heard', 'ReservationCancelled'),
    ('charge', NULL, 'RefundAsked', NULL, 'heard', 'ReservationRefundAsked'),
    ('purchase', '', '', 'HOLD', 'told', 'ReservationHeld'),
    ('purchase', NULL, NULL, 'PAYING', 'told', 'ReservationPinned'),
    ('purchase', NULL, NULL, 'SOLD', 'told', 'ReservationConfirmed'),
    ('purchase', 'HOLD', NULL, 'EXPIRED', 'told', 'ReservationCancelled'),
    ('purchase', 'PAYING', NULL, 'EXPIRED', 'told', 'ReservationCancelled'),
    ('purchase', 'HOLD', NULL, 'CANCELLED', 'told', 'ReservationCancelled'),
    ('purchase', 'CANCELLING', NULL, 'CANCELLED', 'told', 'ReservationCancelled'),
    ('purchase', 'SOLD', NULL, 'CANCELLED', 'told', 'ReservationCancelled'),
    ('purchase', 'SOLD', NULL, 'REFUNDING', 'told', 'ReservationCancelled'),
    ('purchase', 'SOLD', NULL, 'REFUNDING', 'told', 'ReservationRefundAsked'),
    ('charge', NULL, NULL, 'REQUESTED', 'told', 'PaymentRequested'),
    ('charge', NULL, NULL, 'CAPTURED', 'told', 'PaymentPaid'),
    ('charge', NULL, NULL, 'FAILED', 'told', 'PaymentFailed'),
    ('charge', NULL, NULL, 'REFUNDED', 'told', 'PaymentRefunded'))
SELECT g.saga_id, d.side || ' ' || d.type || ' in ' || COUNT(*) || ' steps, the journal has '
    || COALESCE(t.times, 0)
FROM sagas g JOIN steps s ON s.type = g.saga AND s.saga_id = g.saga_id
JOIN due d ON d.saga = g.saga AND COALESCE(d.from_state, s.from_state) = s.from_state
    AND COALESCE(d.event, s.event) = s.event AND COALESCE(d.to_state, s.to_state) = s.to_state
LEFT JOIN told t ON t.event_key = g.event_key AND t.type = d.type
GROUP BY g.saga, g.saga_id, d.side, d.type, t.times HAVING COUNT(*) > COALESCE(t.times, 0)
UNION ALL
SELECT g.saga_id, 'is at version ' || g.version || ', its history has ' || COUNT(s.version)
    || ' steps up to ' || COALESCE(MAX(s.version), 0)
FROM sagas g LEFT JOIN steps s ON s.type = g.saga AND s.saga_id = g.saga_id
GROUP BY g.saga, g.saga_id, g.version
HAVING COUNT(s.version) <> g.version OR MAX(s.version) <> g.version
UNION ALL
SELECT g.saga_id, 'left state ' || COALESCE(n.from_state, g.state) || ' after it had come to '
    || s.to_state
FROM sagas g JOIN steps s ON s.type = g.saga AND s.saga_id = g.saga_id
LEFT JOIN steps n ON n.type = s.type AND n.saga_id = s.saga_id AND n.version = s.version + 1
WHERE s.to_state <> COALESCE(n.from_state, g.state)
UNION ALL
SELECT s.schedule_id, 'is ' || s.status || ', the journal has no ' || d.type
FROM (SELECT '' AS past, 'SchedulePublished' AS type
      UNION ALL SELECT 'UPCOMING', 'ScheduleStatusChanged') d
JOIN event.schedules s ON s.status <> d.past
JOIN event.events e ON e.event_id = s.event_id
LEFT JOIN event.told_events t ON t.event_key = s.schedule_id AND t.type = d.type
WHERE t.event_id IS NULL AND e.created_ms > $1 - 432000000

-- Money in = tickets + refunds, payment by payment, by the provider's own book. The book is read
-- first, so what has moved since the audit began is left to the next one.

-- name: money
SELECT b.payment_id, 'the provider took ' || b.paid || ' for a payment that is not ours'
FROM book_payments b LEFT JOIN payment.payments p ON p.payment_id = b.payment_id
WHERE b.paid > 0 AND p.payment_id IS NULL
UNION ALL
SELECT p.payment_id, 'is ' || p.phase || ' with ' || (b.paid - b.cancelled)
    || ' at the provider, not ' || CASE p.phase WHEN 'PAID' THEN p.amount ELSE 0 END
FROM payment.payments p JOIN book_payments b ON b.payment_id = p.payment_id
WHERE p.phase IN ('PAID', 'FAILED', 'REFUNDED', 'READY')
    AND b.paid - b.cancelled <> CASE p.phase WHEN 'PAID' THEN p.amount ELSE 0 END
    AND p.updated_ms < CASE WHEN p.phase IN ('FAILED', 'READY') THEN $2 ELSE $1 END
UNION ALL
SELECT p.payment_id, 'is ' || p.phase || ', the provider does not know it'
FROM payment.payments p LEFT JOIN book_payments b ON b.payment_id = p.payment_id
WHERE p.phase IN ('PAID', 'CAPTURED', 'REFUNDING', 'REFUNDED') AND b.payment_id IS NULL
    AND p.updated_ms < $1

-- What the report counts.

-- name: totals
SELECT 'seats', COALESCE(SUM(seats), 0) FROM reservation.tq_hold_schedules
UNION ALL SELECT 'available', COUNT(*) FROM reservation.tq_hold_seats s
    LEFT JOIN reservation.tq_holds h ON h.schedule = s.schedule AND h.id = s.hold
    WHERE s.hold IS NULL OR COALESCE(h.state, 0) NOT IN (1, 2, 3)
UNION ALL SELECT 'hold', COUNT(*) FROM reservation.tq_hold_seats s
    JOIN reservation.tq_holds h ON h.schedule = s.schedule AND h.id = s.hold WHERE h.state = 1
UNION ALL SELECT 'paying', COUNT(*) FROM reservation.tq_hold_seats s
    JOIN reservation.tq_holds h ON h.schedule = s.schedule AND h.id = s.hold WHERE h.state = 2
UNION ALL SELECT 'sold', COUNT(*) FROM reservation.tq_hold_seats s
    JOIN reservation.tq_holds h ON h.schedule = s.schedule AND h.id = s.hold WHERE h.state = 3
UNION ALL SELECT 'reservations', COUNT(*) FROM reservation.reservations
UNION ALL SELECT 'tickets', COUNT(*) FROM reservation.reservations WHERE phase = 'SOLD'
UNION ALL SELECT 'payments', COUNT(*) FROM payment.payments
UNION ALL SELECT 'paid', COUNT(*) FROM payment.payments WHERE phase = 'PAID'
UNION ALL SELECT 'refunded', COUNT(*) FROM payment.payments WHERE phase = 'REFUNDED'
UNION ALL SELECT 'events', (SELECT COUNT(*) FROM event.told_events)
    + (SELECT COUNT(*) FROM reservation.told_events) + (SELECT COUNT(*) FROM payment.told_events)
UNION ALL SELECT 'moneyForTickets', COALESCE(SUM(total_amount), 0)
    FROM reservation.reservations WHERE phase = 'SOLD'
UNION ALL SELECT 'moneyIn', COALESCE(SUM(paid), 0) FROM book_payments
UNION ALL SELECT 'moneyBack', COALESCE(SUM(cancelled), 0) FROM book_payments

-- What is on its way and not late: a sale that is still going on, or has only just ended.

-- name: under_way
SELECT (SELECT COUNT(*) FROM payment.payments
        WHERE phase IN ('REQUESTED', 'CONFIRMING', 'UNKNOWN', 'CAPTURED', 'REFUNDING'))
    + (SELECT COUNT(*) FROM reservation.reservations
        WHERE phase IN ('HOLD', 'PAYING', 'CANCELLING', 'REFUNDING'))
    + (SELECT COUNT(*) FROM reservation.schedules WHERE is_loaded = 0)
    + (SELECT COUNT(*) FROM pending)
    + (SELECT COUNT(*) FROM unapplied WHERE told_ms >= $2)

-- What the audit has of its own: the provider's book, for a moment, and all services' events. An
-- event that left its outbox and has not come to a consumer may be with a broker.

-- name: own
CREATE TEMP TABLE book_payments (
    payment_id TEXT NOT NULL PRIMARY KEY,
    status TEXT NOT NULL,
    paid BIGINT NOT NULL,
    cancelled BIGINT NOT NULL
);
CREATE TEMP VIEW told AS
    SELECT event_id, type, topic, told_ms FROM event.told_events
    UNION ALL SELECT event_id, type, topic, told_ms FROM reservation.told_events
    UNION ALL SELECT event_id, type, topic, told_ms FROM payment.told_events;
CREATE TEMP VIEW pending AS
    SELECT event_id, type, topic, created_ms FROM event.outbox_events
    UNION ALL SELECT event_id, type, topic, created_ms FROM reservation.outbox_events
    UNION ALL SELECT event_id, type, topic, created_ms FROM payment.outbox_events;
CREATE TEMP VIEW applied AS
    SELECT consumer, event_id, dead_reason, at_ms FROM reservation.processed_events
    UNION ALL SELECT consumer, event_id, dead_reason, at_ms FROM payment.processed_events
    UNION ALL SELECT consumer, event_id, dead_reason, at_ms FROM queue.processed_events;
CREATE TEMP VIEW unapplied AS
    WITH wanted (topic, consumer) AS (VALUES ('event.events', 'reservation'),
        ('event.events', 'queue'), ('reservation.events', 'payment'),
        ('payment.events', 'reservation'))
    SELECT t.event_id, t.type, t.told_ms, w.consumer FROM told t JOIN wanted w ON w.topic = t.topic
    WHERE NOT EXISTS (SELECT 1 FROM applied a
            WHERE a.event_id = t.event_id AND a.consumer = w.consumer)
        AND NOT EXISTS (SELECT 1 FROM pending p WHERE p.event_id = t.event_id);

-- name: book_add
INSERT INTO book_payments (payment_id, status, paid, cancelled) VALUES ($1, $2, $3, $4)
