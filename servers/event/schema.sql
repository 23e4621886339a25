-- Tables of the event service: halls and their seats, events and their prices,
-- schedules. Who has a seat is the reservation service's; a seat is named by its id.
-- A hall never changes once it is there: events refer to the first `seats` of it.
-- schedules.status is what was announced last; what holds now follows from the times.

-- name: v1
CREATE TABLE venues (
    venue_id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    seats BIGINT NOT NULL CHECK (seats > 0),
    created_ms BIGINT NOT NULL
);
CREATE TABLE venue_seats (
    venue_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    seat_id TEXT NOT NULL,
    section TEXT NOT NULL,
    row_label TEXT NOT NULL,
    number TEXT NOT NULL,
    grade TEXT NOT NULL,
    x_milli BIGINT NOT NULL,
    y_milli BIGINT NOT NULL,
    PRIMARY KEY (venue_id, position),
    UNIQUE (venue_id, seat_id)
);
CREATE TABLE events (
    event_id TEXT NOT NULL PRIMARY KEY,
    venue_id TEXT NOT NULL,
    title TEXT NOT NULL,
    currency TEXT NOT NULL,
    seats BIGINT NOT NULL CHECK (seats > 0),
    created_ms BIGINT NOT NULL
);
CREATE TABLE event_prices (
    event_id TEXT NOT NULL,
    grade TEXT NOT NULL,
    price BIGINT NOT NULL CHECK (price >= 0),
    PRIMARY KEY (event_id, grade)
);
CREATE TABLE schedules (
    schedule_id TEXT NOT NULL PRIMARY KEY,
    event_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    starts_ms BIGINT NOT NULL,
    sales_open_ms BIGINT NOT NULL,
    sales_close_ms BIGINT NOT NULL,
    person_limit BIGINT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('UPCOMING', 'ONGOING', 'ENDED')),
    UNIQUE (event_id, position)
);
CREATE INDEX schedules_status ON schedules (status, sales_close_ms);
