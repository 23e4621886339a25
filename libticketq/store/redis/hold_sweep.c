/* SPDX-License-Identifier: MIT */
/*
 * What runs out on Redis: the agenda says which schedule has something due first, its
 * script ends what is due there and hands it out, the agenda hears when it is due
 * again; until the limit is reached or nothing is due. Whatever of a schedule's
 * holds was not visited, because a visitor stopped, is given back to its timers.
 *
 * A schedule that cannot be reached is put off for a second, so that it stands in no
 * other's way. Cost: two round trips for PIECE holds, none that grows with what is not due.
 */
#include "core/env.h"
#include "core/error.h"
#include "store/redis/hold_parts.h"
#include "store/redis/redis.h"

#define PIECE 32
#define PUT_OFF_MS 1000
#define TIDY_SLICE 256

const char tq__redis_agenda_tag[] = "agenda";

/* {now} or {now, when, schedule} */
static int read_next(struct redis_call *call, struct redis_answer *answer)
{
    struct redis_next *next = call->out;
    const redisReply *reply = answer->reply;
    int is_bad = reply->type != REDIS_REPLY_ARRAY;
    if (is_bad) {
        return tq__redis_nonsense(call);
    }
    next->now_ms = tq__redis_number(reply, 0, &is_bad);
    next->due_ms = -1;
    next->schedule[0] = '\0';
    if (reply->elements > 1) {
        next->due_ms = tq__redis_number(reply, 1, &is_bad);
        tq__id_copy(next->schedule, tq__redis_string(reply, 2, &is_bad));
    }
    return is_bad ? tq__redis_nonsense(call) : TQ_OK;
}

int tq__redis_agenda(struct redis_client *client, const struct redis_due *due,
                     struct redis_next *out_next, struct tq_error *err)
{
    char as_of[REDIS_DIGITS_SIZE], wait[REDIS_DIGITS_SIZE];
    const struct redis_text args[] = {tq__redis_text(due ? due->schedule : ""),
                                      tq__redis_digits(as_of, due ? due->as_of_ms : 0),
                                      tq__redis_digits(wait, due ? due->wait_ms : 0)};
    struct redis_call call = {.script = REDIS_AGENDA,
                              .tag = tq__redis_agenda_tag,
                              .args = args,
                              .args_count = due ? 3 : 0,
                              .read = read_next,
                              .out = out_next};
    return tq__redis_run(client, &call, 1, err);
}

static int read_nothing(struct redis_call *call, struct redis_answer *answer)
{
    (void)call;
    (void)answer;
    return TQ_OK;
}

void tq__redis_tidy(struct redis_client *client, const char *schedule, char *seats)
{
    char *rest = NULL, *seat = strtok_r(seats, " ", &rest);
    while (seat) {
        const char *endings[TIDY_SLICE];
        size_t count = 0;
        for (; seat && count < TIDY_SLICE; seat = strtok_r(NULL, " ", &rest)) {
            endings[count++] = seat;
        }
        struct redis_call call = {.script = REDIS_HOLD_TIDY,
                                  .tag = schedule,
                                  .endings = endings,
                                  .endings_count = count,
                                  .is_joinable = 1,
                                  .read = read_nothing};
        if (tq__redis_run(client, &call, 1, NULL) < 0) {
            return;
        }
    }
}

/* A hold that ran out. */
struct swept {
    uint64_t fence;
    int64_t granted_ms;
    int64_t expires_ms;
    char id[TQ_ID_SIZE];
    char holder[TQ_ID_SIZE];
    char seats[TQ_HOLD_SEATS_MAX * TQ_ID_SIZE];
};

/* What one execution has swept. */
struct piece {
    struct redis_due due; /* of the schedule, afterwards */
    size_t count;
    struct swept rows[PIECE];
};

enum { ROW_FIELDS = 6 };

static void read_row(const redisReply *reply, size_t at, struct swept *row, int *is_bad)
{
    const char *seats = tq__redis_string(reply, at + 5, is_bad);
    size_t bytes = strlen(seats);
    tq__id_copy(row->id, tq__redis_string(reply, at, is_bad));
    tq__id_copy(row->holder, tq__redis_string(reply, at + 1, is_bad));
    row->fence = (uint64_t)tq__redis_number(reply, at + 2, is_bad);
    row->granted_ms = tq__redis_number(reply, at + 3, is_bad);
    row->expires_ms = tq__redis_number(reply, at + 4, is_bad);
    if (bytes >= sizeof row->seats) {
        *is_bad = 1;
        return;
    }
    memcpy(row->seats, seats, bytes + 1);
}

/* {wait, now, (id, holder, fence, granted, expires, seats)...} */
static int read_piece(struct redis_call *call, struct redis_answer *answer)
{
    struct piece *piece = call->out;
    const redisReply *reply = answer->reply;
    int is_bad = 0;
    piece->count = 0;
    if (reply->type == REDIS_REPLY_INTEGER && reply->integer == TQ_GONE) {
        piece->due.as_of_ms = -1;
        piece->due.wait_ms = -1;
        return TQ_OK;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements > 2 + PIECE * ROW_FIELDS) {
        return tq__redis_nonsense(call);
    }
    piece->due.wait_ms = tq__redis_number(reply, 0, &is_bad);
    piece->due.as_of_ms = tq__redis_number(reply, 1, &is_bad);
    for (size_t at = 2; at < reply->elements && !is_bad; at += ROW_FIELDS) {
        read_row(reply, at, &piece->rows[piece->count++], &is_bad);
    }
    return is_bad ? tq__redis_nonsense(call) : TQ_OK;
}

static int sweep_piece(struct redis_client *client, const char *schedule, size_t limit,
                       struct piece *piece, struct tq_error *err)
{
    char most[REDIS_DIGITS_SIZE];
    const struct redis_text arg = tq__redis_digits(most, limit < PIECE ? (int64_t)limit : PIECE);
    struct redis_call call = {.script = REDIS_HOLD_SWEEP,
                              .tag = schedule,
                              .args = &arg,
                              .args_count = 1,
                              .read = read_piece,
                              .out = piece};
    piece->due.schedule = schedule;
    return tq__redis_run(client, &call, 1, err);
}

/* Hands one out; its seats are left apart, a NUL behind each. */
static int visit_row(const char *schedule, struct swept *swept, tq_hold_row_fn *visit, void *arg)
{
    const char *seats[TQ_HOLD_SEATS_MAX];
    size_t count = 0;
    char *rest = NULL;
    for (char *seat = strtok_r(swept->seats, " ", &rest); seat && count < TQ_HOLD_SEATS_MAX;
         seat = strtok_r(NULL, " ", &rest)) {
        seats[count++] = seat;
    }
    const struct tq_hold_row row = {
        .size = sizeof row,
        .ended = TQ_EXPIRED,
        .state = TQ_SEAT_AVAILABLE,
        .fence = swept->fence,
        .granted_ms = swept->granted_ms,
        .expires_ms = swept->expires_ms,
        .schedule = schedule,
        .id = swept->id,
        .holder = swept->holder,
        .seats = seats,
        .seats_count = count,
    };
    return visit(arg, &row);
}

/* Puts those from `first` on back to the timers; then the schedule is due at once. */
static void put_back(struct redis_client *client, struct piece *piece, size_t first)
{
    char times[PIECE][REDIS_DIGITS_SIZE];
    struct redis_text args[2 * PIECE];
    size_t count = 0;
    for (size_t i = first; i < piece->count; i++) {
        args[count++] = tq__redis_digits(times[i], piece->rows[i].expires_ms);
        args[count++] = tq__redis_text(piece->rows[i].id);
    }
    struct redis_call call = {.script = REDIS_HOLD_RETURN,
                              .tag = piece->due.schedule,
                              .args = args,
                              .args_count = count,
                              .read = read_nothing};
    if (count && tq__redis_run(client, &call, 1, NULL) == TQ_OK) {
        piece->due.wait_ms = 0;
    }
}

/* The keys of the seats go before anybody is told, as in every front. */
static void tidy_piece(struct redis_client *client, const struct piece *piece)
{
    struct tq__buf seats = TQ__BUF(tq__redis_env(client));
    for (size_t i = 0; i < piece->count; i++) {
        tq__buf_text(&seats, piece->rows[i].seats);
        tq__buf_text(&seats, " ");
    }
    if (seats.bytes && !seats.is_failed) {
        tq__redis_tidy(client, piece->due.schedule, seats.data);
    }
    tq__buf_done(&seats);
}

/*
 * Sweeps a piece of the schedule that is first; `*next` is what is first afterwards, or
 * nothing when the agenda does not move on. `*out_stop` is what a visitor said.
 */
static int sweep_first(struct redis_client *client, size_t limit, struct piece *piece,
                       tq_hold_row_fn *visit, void *arg, struct redis_next *next, int *out_stop,
                       struct tq_error *err)
{
    char schedule[TQ_ID_SIZE];
    int stop = 0;
    memcpy(schedule, next->schedule, sizeof schedule);
    int rc = sweep_piece(client, schedule, limit, piece, err);
    if (rc < 0) {
        const struct redis_due later = {schedule, -1, PUT_OFF_MS};
        int ignored = tq__redis_agenda(client, &later, next, NULL);
        (void)ignored;
        return rc;
    }
    tidy_piece(client, piece);
    for (size_t i = 0; visit && !stop && i < piece->count; i++) {
        stop = visit_row(schedule, &piece->rows[i], visit, arg);
        if (stop) {
            put_back(client, piece, i + 1);
        }
    }
    rc = tq__redis_agenda(client, &piece->due, next, NULL);
    *out_stop = stop;
    return rc < 0 || (!piece->count && strcmp(next->schedule, schedule) == 0) ? TQ_EMPTY : TQ_OK;
}

static uint32_t until(const struct redis_next *next)
{
    if (next->due_ms < 0) {
        return UINT32_MAX;
    }
    int64_t wait_ms = next->due_ms - next->now_ms;
    return wait_ms < 0 ? 0 : wait_ms < UINT32_MAX ? (uint32_t)wait_ms : UINT32_MAX - 1;
}

static int is_due(const struct redis_next *next)
{
    return next->due_ms >= 0 && next->due_ms <= next->now_ms;
}

int tq__redis_hold_sweep(void *opaque, size_t limit, tq_hold_row_fn *visit, void *arg,
                         uint32_t *out_next_ms, struct tq_error *err)
{
    struct redis_client *client = ((struct redis_state *)opaque)->client;
    const struct tq_env *env = tq__redis_env(client);
    struct redis_next next;
    size_t count = 0;
    int stop = 0;
    TQ_TRY(tq__redis_agenda(client, NULL, &next, err));
    struct piece *piece = is_due(&next) ? tq__alloc(env, 1, sizeof *piece) : NULL;
    int rc = is_due(&next) && !piece ? tq__nomem("store.redis", err) : TQ_OK;
    while (rc == TQ_OK && !stop && count < limit && is_due(&next)) {
        rc = sweep_first(client, limit - count, piece, visit, arg, &next, &stop, err);
        count += rc >= 0 ? piece->count : 0;
    }
    tq__release(env, piece);
    *out_next_ms = until(&next);
    if (stop || rc < 0) {
        return stop ? stop : rc;
    }
    return count ? TQ_OK : TQ_EMPTY;
}
