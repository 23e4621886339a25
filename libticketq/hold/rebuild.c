/* SPDX-License-Identifier: MIT */
/*
 * Brings a front into line with the ledger.
 *
 * Needed when the front does not know a schedule (it was restarted), when the
 * ledger refuses what the front granted, when the front could not be told of
 * something or its answer to it makes no sense, and when its driver or that of the
 * ledger says that it may have gone back to an earlier state. The first happens at
 * once, for whoever asks; the others put the schedule in doubt, and the next who is
 * about to ask the front settles it, at most every DOUBT_PAUSE_MS per schedule,
 * because a rebuild reads the whole schedule. A front that does not answer is not
 * worth that.
 *
 * A ledger that went back has forgotten holds which the front has under fences above
 * the ledger's highest. They are freed all the same: a forgotten sale would keep its
 * seats for ever. Of a hold that it still has its row counts, however that went on here.
 * With them goes what was done behind the snapshot, so a second one is taken, which has that.
 *
 * A doubt that is lost for want of memory is raised again by the next
 * contradiction. Never safety, only sharpness is at stake: the ledger decides.
 * Threads: [any]; no lock is held while a caller of `doubt` waits for I/O.
 */
#include "hold/book.h"

#include <string.h>

#include "core/bytes.h"
#include "core/env.h"
#include "core/error.h"
#include "store/ledger.h"

#define DOUBT_PAUSE_MS 100

struct doubt {
    int is_raised;
    int is_past;                /* the ledger may have gone back */
    uint64_t life, ledger_life; /* as last noticed */
    int64_t settled_ms;
    char schedule[TQ_ID_SIZE];
};

struct read_snapshot {
    const char *schedule;
    struct tq__hold_snapshot snapshot;
};

static int snapshot_body(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct read_snapshot *read = arg;
    tq__hold_snapshot_done(&read->snapshot);
    return tq__sql_hold_snapshot(tx, read->schedule, &read->snapshot, err);
}

static int load_front(tq_book *book, const char *schedule, const struct tq__hold_snapshot *snapshot,
                      int is_past, struct tq_error *err)
{
    size_t count = snapshot->rows.count;
    struct tq_front_lease *leases = tq__alloc(&book->env, count, sizeof *leases);
    if (!leases) {
        return tq__nomem("hold", err);
    }
    for (size_t i = 0; i < count; i++) {
        const struct tq_hold_row *row = &snapshot->rows.rows[i];
        leases[i] = (struct tq_front_lease){
            .size = sizeof leases[i],
            .id = row->id,
            .holder = row->holder,
            .request_key = snapshot->rows.keys[i],
            .seats = row->seats,
            .seats_count = (uint32_t)row->seats_count,
            .state = row->state,
            .fence = row->fence,
            .granted_ms = row->granted_ms,
            .expires_ms = row->expires_ms,
            .ended = row->ended,
        };
    }
    const struct tq_front_load load = {
        .size = sizeof load,
        .schedule = schedule,
        .seats = snapshot->seats,
        .seats_count = snapshot->seats_count,
        .leases = leases,
        .leases_count = count,
        .fence = snapshot->fence,
        .is_truth = 1,
        .is_past = (uint32_t)is_past,
    };
    int rc = book->driver->load(book->state, &load, err);
    tq__release(&book->env, leases);
    return rc < 0 ? rc : TQ_OK;
}

static int load_snapshot(tq_book *book, const char *schedule, int is_past, struct tq_error *err)
{
    struct read_snapshot read = {.schedule = schedule};
    int rc = tq_ledger_read(book->ledger, snapshot_body, &read, err);
    rc = rc == TQ_OK ? load_front(book, schedule, &read.snapshot, is_past, err) : rc;
    tq__hold_snapshot_done(&read.snapshot);
    return rc;
}

static int rebuild(tq_book *book, const char *schedule, int is_past, struct tq_error *err)
{
    int rc = is_past ? load_snapshot(book, schedule, 1, err) : TQ_OK;
    return rc == TQ_OK ? load_snapshot(book, schedule, 0, err) : rc;
}

static struct doubt *find_doubt(tq_book *book, const char *schedule)
{
    struct doubt *doubt = tq__map_get(&book->doubts, schedule);
    if (doubt) {
        return doubt;
    }
    doubt = tq__alloc(&book->env, 1, sizeof *doubt);
    if (!doubt) {
        return NULL;
    }
    tq__id_copy(doubt->schedule, schedule);
    if (tq__map_put(&book->doubts, doubt->schedule, doubt, NULL) < 0) {
        tq__release(&book->env, doubt);
        return NULL;
    }
    return doubt;
}

static void raise_doubt(tq_book *book, struct doubt *doubt, int is_past)
{
    doubt->is_past |= is_past;
    if (!doubt->is_raised) {
        doubt->is_raised = 1;
        atomic_fetch_add(&book->doubts_raised, 1);
    }
}

static void doubt_schedule(tq_book *book, const char *schedule, int is_past)
{
    pthread_mutex_lock(&book->doubts_lock);
    struct doubt *doubt = find_doubt(book, schedule);
    if (doubt) {
        raise_doubt(book, doubt, is_past);
    }
    pthread_mutex_unlock(&book->doubts_lock);
}

int tq__book_rebuild(tq_book *book, const char *schedule, enum tq__rebuild how,
                     struct tq_error *err)
{
    struct tq_seat_map map = TQ_INIT(tq_seat_map);
    pthread_mutex_lock(&book->rebuild_lock);
    int rc = book->driver->map(book->state, schedule, &map, err);
    if (rc == TQ_GONE || (rc == TQ_OK && how != TQ__REBUILD_GONE)) {
        rc = rebuild(book, schedule, how == TQ__REBUILD_PAST, err);
    }
    pthread_mutex_unlock(&book->rebuild_lock);
    if (rc < 0) { /* it may have stopped half way */
        doubt_schedule(book, schedule, how == TQ__REBUILD_PAST);
    }
    return rc;
}

void tq__book_doubt(tq_book *book, const char *schedule)
{
    if (book->front && book->ledger) {
        doubt_schedule(book, schedule, 0);
    }
}

void tq__book_notice(tq_book *book, const char *schedule)
{
    if (!book->front || !book->ledger) {
        return;
    }
    uint64_t life = book->driver->life ? book->driver->life(book->state, schedule) : 0;
    uint64_t ledger_life = tq__ledger_life(book->ledger);
    if (!life && !ledger_life) {
        return;
    }
    pthread_mutex_lock(&book->doubts_lock);
    struct doubt *doubt = find_doubt(book, schedule);
    if (doubt && (doubt->life != life || doubt->ledger_life != ledger_life)) {
        raise_doubt(book, doubt, doubt->ledger_life != ledger_life);
        doubt->life = life;
        doubt->ledger_life = ledger_life;
    }
    pthread_mutex_unlock(&book->doubts_lock);
}

/* Takes a doubt that may be settled now; its schedule is written to `target`. A clock that was set
   back makes nobody wait. */
static int take_doubt(tq_book *book, char target[TQ_ID_SIZE], int *out_is_past)
{
    struct doubt *doubt;
    size_t cursor = 0;
    int64_t now_ms = tq__now_ms(&book->env);
    pthread_mutex_lock(&book->doubts_lock);
    while ((doubt = tq__map_next(&book->doubts, &cursor))) {
        int64_t age_ms = now_ms - doubt->settled_ms;
        if (doubt->is_raised && (age_ms < 0 || age_ms >= DOUBT_PAUSE_MS)) {
            *out_is_past = doubt->is_past;
            doubt->is_raised = doubt->is_past = 0;
            doubt->settled_ms = now_ms;
            atomic_fetch_sub(&book->doubts_raised, 1);
            memcpy(target, doubt->schedule, TQ_ID_SIZE);
            break;
        }
    }
    pthread_mutex_unlock(&book->doubts_lock);
    return doubt != NULL;
}

void tq__book_settle_doubts(tq_book *book)
{
    char schedule[TQ_ID_SIZE];
    int is_past;
    while (atomic_load(&book->doubts_raised) > 0 && take_doubt(book, schedule, &is_past)) {
        struct tq_error err = TQ_ERROR_INIT;
        enum tq__rebuild how = is_past ? TQ__REBUILD_PAST : TQ__REBUILD_ANEW;
        if (tq__book_rebuild(book, schedule, how, &err) < 0) {
            tq__log(&book->env, TQ_LOG_WARN, "hold", "the front of %s was not rebuilt: %s",
                    schedule, err.message);
            return;
        }
    }
}

void tq__book_doubts_done(tq_book *book)
{
    struct doubt *doubt;
    size_t cursor = 0;
    while ((doubt = tq__map_next(&book->doubts, &cursor))) {
        tq__release(&book->env, doubt);
    }
    tq__map_done(&book->doubts);
}
