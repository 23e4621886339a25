-- Statements of the event service.

-- name: add_venue
INSERT INTO venues (venue_id, name, seats, created_ms) VALUES ($1, $2, $3, $4);

-- name: add_seats
INSERT INTO venue_seats (venue_id, position, seat_id, section, row_label, number, grade,
                         x_milli, y_milli)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: venue_seats
SELECT seats FROM venues WHERE venue_id = $1;

-- name: venue_grades
SELECT DISTINCT grade FROM venue_seats WHERE venue_id = $1 AND position < $2 ORDER BY grade;

-- name: add_event
INSERT INTO events (event_id, venue_id, title, currency, seats, created_ms)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: add_price
INSERT INTO event_prices (event_id, grade, price) VALUES ($1, $2, $3);

-- name: add_schedule
INSERT INTO schedules (schedule_id, event_id, position, starts_ms, sales_open_ms,
                       sales_close_ms, person_limit, status)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'UPCOMING');

-- name: schedule
SELECT e.event_id, e.venue_id, e.title, e.currency, e.seats, e.created_ms,
       s.schedule_id, s.starts_ms, s.sales_open_ms, s.sales_close_ms, s.person_limit
FROM schedules s JOIN events e ON e.event_id = s.event_id
WHERE s.schedule_id = $1;

-- name: event
SELECT e.event_id, e.venue_id, e.title, e.currency, e.seats, e.created_ms,
       s.schedule_id, s.starts_ms, s.sales_open_ms, s.sales_close_ms, s.person_limit
FROM events e JOIN schedules s ON s.event_id = e.event_id
WHERE e.event_id = $1 ORDER BY s.position;

-- name: events
SELECT e.event_id, e.venue_id, e.title, e.currency, e.seats, e.created_ms,
       s.schedule_id, s.starts_ms, s.sales_open_ms, s.sales_close_ms, s.person_limit
FROM events e JOIN schedules s ON s.event_id = e.event_id
WHERE e.event_id IN (SELECT event_id FROM events WHERE event_id < $1
                     ORDER BY event_id DESC LIMIT $2)
ORDER BY e.event_id DESC, s.position;

-- name: seats
SELECT v.seat_id, v.section, v.row_label, v.number, v.grade, p.price, v.x_milli, v.y_milli
FROM schedules s
JOIN events e ON e.event_id = s.event_id
JOIN venue_seats v ON v.venue_id = e.venue_id AND v.position < e.seats
JOIN event_prices p ON p.event_id = e.event_id AND p.grade = v.grade
WHERE s.schedule_id = $1 ORDER BY v.position;

-- name: due
SELECT schedule_id, event_id, CASE WHEN sales_close_ms <= $1 THEN 'ENDED' ELSE 'ONGOING' END
FROM schedules
WHERE (status = 'UPCOMING' AND sales_open_ms <= $1)
   OR (status = 'ONGOING' AND sales_close_ms <= $1)
ORDER BY schedule_id LIMIT 32;

-- name: announce
UPDATE schedules SET status = $1 WHERE schedule_id = $2;
