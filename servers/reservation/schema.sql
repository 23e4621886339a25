-- Tables of the reservation service. Seats in HOLD, PAYING and SOLD are kept by the
-- library's book, purchases by its sagas, events by its outbox; these rows say whose
-- reservation a hold is, at which price, and what was told to others.

-- name: v1
CREATE TABLE schedules (
    schedule_id TEXT NOT NULL PRIMARY KEY,
    event_id TEXT NOT NULL,
    currency TEXT NOT NULL,
    sales_open_ms BIGINT NOT NULL,
    sales_close_ms BIGINT NOT NULL,
    person_limit BIGINT NOT NULL,
    is_loaded BIGINT NOT NULL
);
CREATE TABLE seat_prices (
    schedule_id TEXT NOT NULL,
    seat_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    grade TEXT NOT NULL,
    price BIGINT NOT NULL,
    PRIMARY KEY (schedule_id, seat_id)
);
CREATE TABLE person_seats (
    schedule_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    seats BIGINT NOT NULL CHECK (seats >= 0),
    PRIMARY KEY (schedule_id, user_id)
);
CREATE TABLE reservations (
    reservation_id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    schedule_id TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('PENDING', 'CONFIRMED', 'CANCELLED')),
    phase TEXT NOT NULL,
    came_from TEXT NOT NULL,
    hold_id TEXT NOT NULL UNIQUE,
    fence BIGINT NOT NULL,
    hold_expires_ms BIGINT NOT NULL,
    seats_count BIGINT NOT NULL,
    total_amount BIGINT NOT NULL,
    currency TEXT NOT NULL,
    payment_id TEXT,
    ticket_number TEXT UNIQUE,
    cancel_reason TEXT,
    refunded_amount BIGINT NOT NULL DEFAULT 0,
    traceparent TEXT,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL
);
CREATE INDEX reservations_user ON reservations (user_id, reservation_id);
CREATE TABLE reservation_seats (
    reservation_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    seat_id TEXT NOT NULL,
    grade TEXT NOT NULL,
    price BIGINT NOT NULL,
    PRIMARY KEY (reservation_id, position)
);
