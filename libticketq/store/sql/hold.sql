-- Seat holds on a ledger.
--
-- tq_hold_seats is the authority on who has a seat: one row per seat, and a hold
-- has it exactly when its id stands in that row. tq_holds has the life of each
-- hold; its state is 1 HOLD, 2 PAYING, 3 SOLD, 4 RELEASED, 5 EXPIRED, and only
-- the first three have seats. Every write begins with the row of the schedule,
-- so two transactions on one schedule go one after the other.

-- name: schema
CREATE TABLE tq_hold_schedules (
    schedule TEXT NOT NULL PRIMARY KEY,
    fence BIGINT NOT NULL,
    version BIGINT NOT NULL,
    seats INTEGER NOT NULL
);
CREATE TABLE tq_hold_seats (
    schedule TEXT NOT NULL,
    seat TEXT NOT NULL,
    place INTEGER NOT NULL,
    hold TEXT,
    PRIMARY KEY (schedule, seat)
);
CREATE INDEX tq_hold_seats_hold ON tq_hold_seats (hold) WHERE hold IS NOT NULL;
CREATE TABLE tq_holds (
    schedule TEXT NOT NULL,
    id TEXT NOT NULL,
    holder TEXT NOT NULL,
    request_key TEXT NOT NULL,
    state INTEGER NOT NULL,
    fence BIGINT NOT NULL,
    granted_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    ended_ms BIGINT,
    sweep_ms BIGINT,
    seats_count INTEGER NOT NULL,
    seats TEXT NOT NULL,
    PRIMARY KEY (schedule, id),
    UNIQUE (schedule, holder, request_key)
);
CREATE INDEX tq_holds_sweep ON tq_holds (sweep_ms) WHERE sweep_ms IS NOT NULL;
CREATE INDEX tq_holds_ended ON tq_holds (ended_ms) WHERE ended_ms IS NOT NULL;

-- name: define
INSERT INTO tq_hold_schedules (schedule, fence, version, seats)
VALUES ($1, 0, 0, 0)
ON CONFLICT DO NOTHING

-- name: define_seat
INSERT INTO tq_hold_seats (schedule, seat, place)
VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING

-- name: place_seat
UPDATE tq_hold_seats SET place = $3 WHERE schedule = $1 AND seat = $2

-- name: set_seats
UPDATE tq_hold_schedules SET seats = $2 WHERE schedule = $1

-- Locks the schedule, and issues $3 fences, the last of which is not below $2.
-- name: touch
UPDATE tq_hold_schedules
SET version = version + 1,
    fence = CAST($3 AS BIGINT) + CASE WHEN fence < CAST($2 AS BIGINT) - CAST($3 AS BIGINT)
                                      THEN CAST($2 AS BIGINT) - CAST($3 AS BIGINT)
                                      ELSE fence END
WHERE schedule = $1
RETURNING fence, seats

-- A hold is written before its seats. Without a look at what is there, all or none:
-- name: insert_new
INSERT INTO tq_holds (schedule, id, holder, request_key, state, fence, granted_ms, expires_ms,
                      sweep_ms, seats_count, seats)
VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $7, $8, $9)

-- The same, and a request key that is known stops it.
-- name: insert
INSERT INTO tq_holds (schedule, id, holder, request_key, state, fence, granted_ms, expires_ms,
                      sweep_ms, seats_count, seats)
VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $7, $8, $9)
ON CONFLICT DO NOTHING

-- The same for a holder who may have $10 seats.
-- name: insert_limited
INSERT INTO tq_holds (schedule, id, holder, request_key, state, fence, granted_ms, expires_ms,
                      sweep_ms, seats_count, seats)
SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT), 1,
       CAST($5 AS BIGINT), CAST($6 AS BIGINT), CAST($7 AS BIGINT), CAST($7 AS BIGINT),
       CAST($8 AS INTEGER), CAST($9 AS TEXT)
WHERE CAST($8 AS BIGINT) + (SELECT COALESCE(SUM(seats_count), 0) FROM tq_holds
                            WHERE schedule = $1 AND holder = $3
                              AND (state IN (2, 3) OR (state = 1 AND expires_ms > $6)))
      <= CAST($10 AS BIGINT)
ON CONFLICT DO NOTHING

-- name: take_seat
UPDATE tq_hold_seats SET hold = $3 WHERE schedule = $1 AND seat = $2 AND hold IS NULL

-- name: free_seats
UPDATE tq_hold_seats SET hold = NULL WHERE hold = $1

-- name: forget
DELETE FROM tq_holds WHERE schedule = $1 AND id = $2

-- name: owner
SELECT h.id, h.state, h.expires_ms
FROM tq_hold_seats s LEFT JOIN tq_holds h ON h.schedule = s.schedule AND h.id = s.hold
WHERE s.schedule = $1 AND s.seat = $2

-- name: holder_seats
SELECT COALESCE(SUM(seats_count), 0) FROM tq_holds
WHERE schedule = $1 AND holder = $2
  AND (state IN (2, 3) OR (state = 1 AND expires_ms > $3))

-- name: by_id
SELECT schedule, id, holder, request_key, state, fence, granted_ms, expires_ms, seats
FROM tq_holds WHERE schedule = $1 AND id = $2

-- name: by_key
SELECT schedule, id, holder, request_key, state, fence, granted_ms, expires_ms, seats
FROM tq_holds WHERE schedule = $1 AND holder = $2 AND request_key = $3

-- The common cases of the state table, for many holds at once.
-- name: pin
UPDATE tq_holds SET state = 2, expires_ms = 0, sweep_ms = NULL
WHERE schedule = $1 AND id = $2 AND holder = $3 AND fence = $4
  AND state = 1 AND expires_ms > $5

-- name: settle
UPDATE tq_holds SET state = 3, expires_ms = 0, sweep_ms = NULL
WHERE schedule = $1 AND id = $2 AND holder = $3 AND fence = $4
  AND (state = 2 OR (state = 1 AND expires_ms > $5))

-- name: release
UPDATE tq_holds SET state = 4, expires_ms = 0, sweep_ms = NULL, ended_ms = $5
WHERE schedule = $1 AND id = $2 AND holder = $3 AND fence = $4
  AND (state = 2 OR (state = 1 AND expires_ms > $5))

-- Any other change, after the state table was asked.
-- name: change
UPDATE tq_holds SET state = $3, fence = $4, granted_ms = $5, expires_ms = $6, sweep_ms = $7,
                    ended_ms = $8
WHERE schedule = $1 AND id = $2

-- Ends a hold that somebody else stands in front of; the sweep will still visit it.
-- name: lapse
UPDATE tq_holds SET state = 5, ended_ms = $3 WHERE schedule = $1 AND id = $2 AND state = 1

-- name: due
SELECT schedule, id, holder, request_key, state, fence, granted_ms, expires_ms, seats
FROM tq_holds WHERE sweep_ms <= $1 ORDER BY sweep_ms LIMIT $2

-- name: swept
UPDATE tq_holds SET sweep_ms = NULL, state = 5,
                    ended_ms = CASE WHEN state = 1 THEN $3 ELSE ended_ms END
WHERE schedule = $1 AND id = $2 AND sweep_ms <= $3 AND state IN (1, 5)

-- name: next_due
SELECT sweep_ms FROM tq_holds WHERE sweep_ms IS NOT NULL ORDER BY sweep_ms LIMIT 1

-- name: purge
DELETE FROM tq_holds WHERE (schedule, id) IN
    (SELECT schedule, id FROM tq_holds WHERE ended_ms <= $1 AND sweep_ms IS NULL LIMIT $2)

-- name: schedule
SELECT version, seats, fence FROM tq_hold_schedules WHERE schedule = $1

-- name: seats
SELECT seat FROM tq_hold_seats WHERE schedule = $1 ORDER BY place

-- name: held_seats
SELECT s.place, h.state
FROM tq_hold_seats s JOIN tq_holds h ON h.schedule = s.schedule AND h.id = s.hold
WHERE s.schedule = $1 AND s.hold IS NOT NULL

-- What a front needs to answer known keys: the latest that ended, oldest first.
-- name: ended
SELECT schedule, id, holder, request_key, state, fence, granted_ms, expires_ms, seats
FROM (SELECT * FROM tq_holds WHERE schedule = $1 AND ended_ms IS NOT NULL
      ORDER BY ended_ms DESC LIMIT $2) AS latest
ORDER BY ended_ms

-- name: live
SELECT schedule, id, holder, request_key, state, fence, granted_ms, expires_ms, seats
FROM tq_holds WHERE schedule = $1 AND state IN (1, 2, 3)
