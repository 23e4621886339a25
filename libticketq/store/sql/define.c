/* SPDX-License-Identifier: MIT */
/*
 * The schema, the seats of a schedule, the seat map, and the snapshot from which
 * a front is rebuilt.
 *
 * Seats are inserted with the places that they have if all of them are new, which
 * is the rule; where some were known, the new ones are moved up. So defining what
 * is known costs one look per seat and no write. The map counts what is held and
 * takes the rest as free. Threads: [own].
 */
#include "store/sql/hold.h"

#include <string.h>

#include "core/env.h"
#include "core/error.h"
#include "store/sql/hold_sql.h"

#define CHUNK 512

static const struct tq_migration migrations[] = {
    {.size = sizeof(struct tq_migration), .scope = "tq_hold", .version = 1, .sql = HOLD_schema},
};

int tq__sql_hold_migrate(tq_store *ledger, struct tq_error *err)
{
    return tq_ledger_migrate(ledger, migrations, sizeof migrations / sizeof *migrations, err);
}

struct chunk {
    struct tq_value params[CHUNK * 3];
    uint32_t changed[CHUNK];
};

static void fill(struct chunk *chunk, size_t row, const char *schedule, const char *seat,
                 int64_t place)
{
    chunk->params[3 * row] = tq_text(schedule);
    chunk->params[3 * row + 1] = tq_text(seat);
    chunk->params[3 * row + 2] = tq_int(place);
}

/* Adds what is new of a chunk from `*place` on, and moves `*place` behind it. */
static int add_chunk(tq_tx *tx, const char *schedule, const char *const *seats, size_t count,
                     struct chunk *chunk, int64_t *place, struct tq_error *err)
{
    int64_t first = *place;
    size_t moved = 0;
    for (size_t i = 0; i < count; i++) {
        fill(chunk, i, schedule, seats[i], first + (int64_t)i);
    }
    TQ_TRY(tq_tx_exec_many(tx, HOLD_define_seat, chunk->params, 3, count, chunk->changed, err));
    for (size_t i = 0; i < count; i++) {
        if (chunk->changed[i]) {
            if (*place != first + (int64_t)i) {
                fill(chunk, moved++, schedule, seats[i], *place);
            }
            (*place)++;
        }
    }
    return moved ? tq_tx_exec_many(tx, HOLD_place_seat, chunk->params, 3, moved, NULL, err) : TQ_OK;
}

static int read_seats(void *arg, const struct tq_value *columns, size_t columns_count)
{
    (void)columns_count;
    *(int64_t *)arg = columns[1].integer;
    return 0;
}

int tq__sql_hold_define(tq_tx *tx, const char *schedule, const char *const *seats,
                        size_t seats_count, struct tq_error *err)
{
    const struct tq_env *env = tq_tx_env(tx);
    const struct tq_value touch[] = {tq_text(schedule), tq_int(0), tq_int(0)};
    int64_t before = 0, after;
    TQ_TRY(tq_tx_exec(tx, HOLD_define, touch, 1, NULL, NULL, err));
    TQ_TRY(tq_tx_exec(tx, HOLD_touch, touch, 3, read_seats, &before, err));
    struct chunk *chunk = tq__alloc(env, 1, sizeof *chunk);
    if (!chunk) {
        return tq__nomem("store.sql", err);
    }
    int rc = TQ_OK;
    after = before;
    for (size_t i = 0; rc == TQ_OK && i < seats_count; i += CHUNK) {
        size_t count = seats_count - i < CHUNK ? seats_count - i : CHUNK;
        rc = add_chunk(tx, schedule, seats + i, count, chunk, &after, err);
    }
    tq__release(env, chunk);
    TQ_TRY(rc);
    if (after > TQ_SCHEDULE_SEATS_MAX) {
        return tq__fail(err, TQ_E_LIMIT, "store.sql", "a schedule has at most %d seats",
                        TQ_SCHEDULE_SEATS_MAX);
    }
    const struct tq_value count[] = {tq_text(schedule), tq_int(after)};
    TQ_TRY(tq_tx_exec(tx, HOLD_set_seats, count, 2, NULL, NULL, err));
    return after > before ? TQ_OK : TQ_REPEAT;
}

struct schedule {
    int is_known;
    uint64_t version;
    uint64_t fence;
    uint32_t seats;
};

static int read_schedule(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct schedule *schedule = arg;
    (void)columns_count;
    *schedule = (struct schedule){1, (uint64_t)columns[0].integer, (uint64_t)columns[2].integer,
                                  (uint32_t)columns[1].integer};
    return 0;
}

static int find_schedule(tq_tx *tx, const char *id, struct schedule *out, struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(id)};
    *out = (struct schedule){0};
    TQ_TRY(tq_tx_exec(tx, HOLD_schedule, params, 1, read_schedule, out, err));
    return out->is_known ? TQ_OK : TQ_GONE;
}

struct painting {
    struct tq_seat_map *map;
    size_t room;
};

static int paint_seat(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct painting *painting = arg;
    struct tq_seat_map *map = painting->map;
    int64_t place = columns[0].integer, state = columns[1].integer;
    (void)columns_count;
    if (place < 0 || place >= map->seats_count || state < TQ_SEAT_HOLD || state > TQ_SEAT_SOLD) {
        return TQ_E_CORRUPT;
    }
    map->counts[TQ_SEAT_AVAILABLE]--;
    map->counts[state]++;
    if ((size_t)place / 4 < painting->room) {
        map->bits[place / 4] |= (uint8_t)(state << place % 4 * 2);
    }
    return 0;
}

int tq__sql_hold_map(tq_tx *tx, const char *schedule_id, struct tq_seat_map *map,
                     struct tq_error *err)
{
    const struct tq_value params[] = {tq_text(schedule_id)};
    struct schedule schedule;
    int rc = find_schedule(tx, schedule_id, &schedule, err);
    if (rc != TQ_OK) {
        return rc;
    }
    size_t bytes = (schedule.seats + 3u) / 4, room = map->bits ? map->bits_bytes : 0;
    room = room < bytes ? room : bytes;
    map->version = schedule.version;
    map->seats_count = schedule.seats;
    memset(map->counts, 0, sizeof map->counts);
    map->counts[TQ_SEAT_AVAILABLE] = schedule.seats;
    if (room) {
        memset(map->bits, 0, room);
    }
    struct painting painting = {map, room};
    rc = tq_tx_exec(tx, HOLD_held_seats, params, 1, paint_seat, &painting, err);
    map->bits_bytes = bytes;
    return rc == TQ_E_CORRUPT
               ? tq__fail(err, rc, "store.sql", "a held seat has no place or no state")
               : rc;
}

static int add_seat(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct tq__hold_snapshot *snapshot = arg;
    (void)columns_count;
    tq__buf_add(&snapshot->seats_text, columns[0].data, columns[0].bytes + 1u);
    snapshot->seats_count++;
    return snapshot->seats_text.is_failed ? TQ_E_NOMEM : 0;
}

static int point_to_seats(struct tq__hold_snapshot *snapshot, const struct tq_env *env,
                          struct tq_error *err)
{
    snapshot->seats = tq__alloc(env, snapshot->seats_count, sizeof *snapshot->seats);
    if (!snapshot->seats) {
        return tq__nomem("store.sql", err);
    }
    const char *at = snapshot->seats_text.data;
    for (size_t i = 0; i < snapshot->seats_count; i++) {
        snapshot->seats[i] = at;
        at += strlen(at) + 1;
    }
    return TQ_OK;
}

int tq__sql_hold_snapshot(tq_tx *tx, const char *schedule_id, struct tq__hold_snapshot *out,
                          struct tq_error *err)
{
    const struct tq_env *env = tq_tx_env(tx);
    const struct tq_value params[] = {tq_text(schedule_id), tq_int(TQ_HOLD_KEEP_MAX)};
    struct schedule schedule;
    *out = (struct tq__hold_snapshot){.rows = {.env = env}, .seats_text = TQ__BUF(env)};
    int rc = find_schedule(tx, schedule_id, &schedule, err);
    if (rc != TQ_OK) {
        return rc;
    }
    out->fence = schedule.fence;
    rc = tq_tx_exec(tx, HOLD_seats, params, 1, add_seat, out, err);
    if (rc == TQ_OK) {
        rc = tq_tx_exec(tx, HOLD_ended, params, 2, tq__hold_rows_add, &out->rows, err);
    }
    if (rc == TQ_OK) {
        rc = tq_tx_exec(tx, HOLD_live, params, 1, tq__hold_rows_add, &out->rows, err);
    }
    if (rc == TQ_E_NOMEM) {
        return tq__nomem("store.sql", err);
    }
    TQ_TRY(rc);
    return point_to_seats(out, env, err);
}

void tq__hold_snapshot_done(struct tq__hold_snapshot *snapshot)
{
    if (snapshot->rows.env) {
        tq__release(snapshot->rows.env, snapshot->seats);
        tq__hold_rows_done(&snapshot->rows);
        tq__buf_done(&snapshot->seats_text);
    }
    snapshot->seats = NULL;
}
