/* SPDX-License-Identifier: MIT */
/*
 * Which rooms there are, and the numbers that they may issue.
 *
 * A room is a row in the ledger and a line in a store of lines. The row is written first;
 * the line is opened from it, now and again after every restart, as the operator
 * has left it: rate, cap, times, pause, drain and epoch. When the store was away just then,
 * or the row is another process's, a worker that looks through the rows finds it.
 *
 * The line may forget with the process, but a number that was issued must never be
 * issued again: people hold places signed with it. So numbers are reserved in
 * blocks before they are issued, and a room that opens again begins behind the
 * last block. With `highest` the highest number seen and `entering` the visitors
 * who are on their way in:
 *
 *     highest + entering <= reserved        at every moment, by queue_numbers_begin()
 *
 * Blocks are reserved ahead by the tick worker, without the lock, so that entering almost
 * never writes or waits for who writes; a gap of at most two blocks after a crash is the price.
 *
 * Threads: [any]. Locks, in this order: order_lock, queue->lock, room->lock.
 */
#include "queue/queue.h"

#include "core/env.h"
#include "core/error.h"
#include "queue_sql.h"

#define ORIGIN "queue.rooms"
#define POLICY_COLUMNS 13
#define ROW_COLUMNS 17
#define ROWS_AT_ONCE 64 /* as in the statement */

/* ---- rows ---- */

static void read_row(struct queue_row *row, const struct tq_value *columns)
{
    struct tq_room_policy *policy = &row->policy;
    tq__id_copy(row->id, columns[0].data);
    *policy = (struct tq_room_policy)TQ_INIT(tq_room_policy);
    policy->open_ms = columns[1].integer;
    policy->close_ms = columns[2].integer;
    uint32_t *const numbers[] = {&policy->rate,     &policy->burst,       &policy->max_active,
                                 &policy->capacity, &policy->waiting_ms,  &policy->active_ms,
                                 &policy->pass_ms,  &policy->poll_min_ms, &policy->poll_max_ms};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        *numbers[i] = (uint32_t)columns[3 + i].integer;
    }
    row->is_paused = columns[12].integer != 0;
    row->is_draining = columns[13].integer != 0;
    policy->first_sequence = columns[14].integer + 1;
    policy->first_epoch = columns[15].integer;
    policy->shards = (uint32_t)columns[16].integer;
}

int queue_room_add(tq_tx *tx, const struct queue_row *row, struct tq_error *err)
{
    const struct tq_room_policy *policy = &row->policy;
    int64_t shards = policy->shards ? policy->shards : 1;
    const struct tq_value columns[POLICY_COLUMNS] = {tq_text(row->id),
                                                     tq_int(policy->open_ms),
                                                     tq_int(policy->close_ms),
                                                     tq_int(policy->rate),
                                                     tq_int(policy->burst),
                                                     tq_int(policy->max_active),
                                                     tq_int(policy->capacity),
                                                     tq_int(policy->waiting_ms),
                                                     tq_int(policy->active_ms),
                                                     tq_int(policy->pass_ms),
                                                     tq_int(policy->poll_min_ms),
                                                     tq_int(policy->poll_max_ms),
                                                     tq_int(shards)};
    return tq_tx_exec(tx, QUEUE_add, columns, POLICY_COLUMNS, NULL, NULL, err);
}

struct rows {
    const char *sql;
    const char *key;
    size_t count;
    struct queue_row *rows;
};

static int keep_row(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct rows *rows = arg;
    if (columns_count != ROW_COLUMNS || rows->count == ROWS_AT_ONCE) {
        return TQ_E_INTERNAL;
    }
    read_row(&rows->rows[rows->count++], columns);
    return TQ_OK;
}

static int read_rows(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct rows *rows = arg;
    const struct tq_value key = tq_text(rows->key);
    rows->count = 0;
    return tq_tx_exec(tx, rows->sql, &key, 1, keep_row, rows, err);
}

int queue_room_read(tq_tx *tx, const char *id, struct queue_row *out_row, struct tq_error *err)
{
    struct rows rows = {QUEUE_room, id, 0, out_row};
    TQ_TRY(read_rows(tx, &rows, err));
    return rows.count ? TQ_OK : TQ_GONE;
}

/* ---- rooms ---- */

struct queue_room *queue_room_find(struct queue *queue, const char *id)
{
    pthread_rwlock_rdlock(&queue->lock);
    struct queue_room *room = tq__map_get(&queue->rooms, id);
    pthread_rwlock_unlock(&queue->lock);
    return room;
}

static void free_room(struct queue *queue, struct queue_room *room)
{
    tq_room_close(room->room);
    queue_state_done(room);
    pthread_mutex_destroy(&room->lock);
    pthread_mutex_destroy(&room->order_lock);
    tq__release(&queue->env, room);
}

/* Pause and drain are not part of a policy. */
static int restore(struct queue_room *room, const struct queue_row *row, struct tq_error *err)
{
    struct tq_room_action action = {.size = sizeof action, .actor = "restart"};
    if (row->is_draining) {
        action.order = TQ_ROOM_DRAIN;
        TQ_TRY(tq_room_operate(room->room, &action, err));
    }
    if (row->is_paused) {
        action.order = TQ_ROOM_PAUSE;
        TQ_TRY(tq_room_operate(room->room, &action, err));
    }
    return TQ_OK;
}

static int add_room(struct queue *queue, struct queue_room *room, struct tq_error *err)
{
    pthread_rwlock_wrlock(&queue->lock);
    int is_known = tq__map_get(&queue->rooms, room->id) != NULL;
    int rc = is_known ? TQ_REPEAT : tq__map_put(&queue->rooms, room->id, room, err);
    if (rc == TQ_OK) {
        room->next = atomic_load(&queue->newest);
        atomic_store(&queue->newest, room);
    }
    pthread_rwlock_unlock(&queue->lock);
    return rc;
}

static int open_row(struct queue *queue, const struct queue_row *row, struct tq_error *err)
{
    struct queue_room *room = tq__alloc(&queue->env, 1, sizeof *room);
    if (!room) {
        return tq__nomem(ORIGIN, err);
    }
    tq__id_copy(room->id, row->id);
    pthread_mutex_init(&room->lock, NULL);
    pthread_mutex_init(&room->order_lock, NULL);
    queue_state_init(room);
    room->shards = row->policy.shards;
    room->reserved = room->highest = row->policy.first_sequence - 1;
    atomic_init(&room->epoch, row->policy.first_epoch);
    struct tq_room_policy policy = row->policy;
    policy.recovery_ms = queue->recovery_ms;
    int rc = tq_room_open(queue->lines, app_keys(queue->app), row->id, &policy, &room->room, err);
    if (rc == TQ_OK) {
        rc = restore(room, row, err);
    }
    if (rc == TQ_OK) {
        rc = add_room(queue, room, err);
    }
    if (rc != TQ_OK) {
        free_room(queue, room);
        return rc < 0 ? rc : TQ_OK;
    }
    app_log(TQ_LOG_INFO, "queue", "room %s is open", row->id);
    return TQ_OK;
}

int queue_room_open(struct queue *queue, const char *id, struct tq_error *err)
{
    struct queue_row row;
    struct rows rows = {QUEUE_room, id, 0, &row};
    if (queue_room_find(queue, id)) {
        return TQ_OK;
    }
    TQ_TRY(tq_ledger_read(queue->store, read_rows, &rows, err));
    return rows.count ? open_row(queue, &row, err) : TQ_OK;
}

int queue_rooms_look(struct queue *queue, char after[TQ_ID_SIZE], struct tq_error *err)
{
    struct queue_row *list = tq__alloc(&queue->env, ROWS_AT_ONCE, sizeof *list);
    struct rows rows = {QUEUE_rooms, after, 0, list};
    int rc = list ? tq_ledger_read(queue->store, read_rows, &rows, err) : tq__nomem(ORIGIN, err);
    int is_end = rows.count < ROWS_AT_ONCE;
    for (size_t i = 0; i < rows.count && rc == TQ_OK; i++) {
        tq__id_copy(after, list[i].id);
        rc = queue_room_find(queue, list[i].id) ? TQ_OK : open_row(queue, &list[i], err);
    }
    tq__release(&queue->env, list);
    if (rc == TQ_OK && is_end) {
        after[0] = '\0';
        return TQ_EMPTY;
    }
    return rc;
}

int queue_rooms_open(struct queue *queue, struct tq_error *err)
{
    char after[TQ_ID_SIZE] = "";
    int rc;
    do {
        rc = queue_rooms_look(queue, after, err);
    } while (rc == TQ_OK);
    return rc < 0 ? rc : TQ_OK;
}

void queue_rooms_close(struct queue *queue)
{
    size_t cursor = 0;
    struct queue_room *room;
    while ((room = tq__map_next(&queue->rooms, &cursor))) {
        tq__map_remove(&queue->rooms, room->id);
        free_room(queue, room);
    }
    tq__map_done(&queue->rooms);
}

int queue_rooms_each(struct queue *queue, int (*visit)(void *arg, struct queue_room *room),
                     void *arg)
{
    int rc = 0;
    for (struct queue_room *at = atomic_load(&queue->newest); at && rc == 0; at = at->next) {
        rc = visit(arg, at);
    }
    return rc;
}

/* ---- numbers ---- */

struct reserving {
    const char *id;
    int64_t upto;
};

static int reserve(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct reserving *what = arg;
    const struct tq_value params[] = {tq_int(what->upto), tq_text(what->id)};
    return tq_tx_exec(tx, QUEUE_reserve, params, 2, NULL, NULL, err);
}

/* With the room's lock. */
static int reserve_for(struct queue *queue, struct queue_room *room, int64_t count,
                       struct tq_error *err)
{
    struct reserving what = {room->id, room->highest + room->entering + count + QUEUE_NUMBERS};
    TQ_TRY(tq_ledger_run(queue->store, reserve, &what, err));
    room->reserved = what.upto;
    return TQ_OK;
}

int queue_numbers_begin(struct queue *queue, struct queue_room *room, int64_t count,
                        struct tq_error *err)
{
    int rc = TQ_OK;
    count *= room->shards;
    pthread_mutex_lock(&room->lock);
    if (room->highest + room->entering + count > room->reserved) {
        rc = reserve_for(queue, room, count, err);
    }
    room->entering += rc == TQ_OK ? count : 0;
    pthread_mutex_unlock(&room->lock);
    return rc;
}

void queue_numbers_end(struct queue_room *room, int64_t count, int64_t highest)
{
    pthread_mutex_lock(&room->lock);
    room->entering -= count * room->shards;
    room->highest = highest > room->highest ? highest : room->highest;
    pthread_mutex_unlock(&room->lock);
}

int queue_numbers_refill(struct queue *queue, struct queue_room *room, struct tq_error *err)
{
    pthread_mutex_lock(&room->lock);
    int64_t used = room->highest + room->entering;
    int is_wanted = room->reserved - used < QUEUE_NUMBERS / 2;
    pthread_mutex_unlock(&room->lock);
    if (!is_wanted) {
        return TQ_OK;
    }
    struct reserving what = {room->id, used + QUEUE_NUMBERS};
    TQ_TRY(tq_ledger_run(queue->store, reserve, &what, err));
    pthread_mutex_lock(&room->lock);
    room->reserved = what.upto > room->reserved ? what.upto : room->reserved;
    pthread_mutex_unlock(&room->lock);
    return TQ_OK;
}
