/* SPDX-License-Identifier: MIT */
/*
 * How a schedule comes to Redis: seats in slices, holds of the ledger in slices, then
 * what the ledger does not have is looked for among all that are known, a page at a time,
 * and at last the schedule is known. No claim is granted before that, and each slice is
 * true by itself, so a load may stop anywhere and be repeated, also by two at once. A server
 * that forgets the schedule in the middle of it is noticed by each step, and told all again.
 * hold_load.lua says what is decided. Cost: O(seats + holds, here and there).
 */
#include <stdio.h>

#include "core/env.h"
#include "core/error.h"
#include "core/map.h"
#include "store/redis/hold_parts.h"
#include "store/redis/redis.h"

#define SEATS_SLICE 1000
#define ROWS_SLICE 64
#define LIVE_SLICE 512
#define TRIES 4
#define FENCE_MAX (1ull << 53) /* above all that a script counts to */

struct loading {
    struct redis_client *client;
    const struct tq_env *env;
    const struct tq_front_load *load;
    char fence[24];
    char freed_fence[24]; /* up to which what the ledger does not have is freed */
    char seats_count[24];
    const char *is_past; /* "1" or "0" */
};

/* A call that must not fail; what it did may be done again, so there is no "unknown". */
static int run(const struct loading *loading, struct redis_call *call, struct tq_error *err)
{
    call->tag = loading->load->schedule;
    return tq__redis_run(loading->client, call, 1, err);
}

struct counts {
    size_t more;
    size_t seats;
};

/* {new, seats of the schedule before}. TQ_GONE: it was forgotten. */
static int read_counts(struct redis_call *call, struct redis_answer *answer)
{
    struct counts *counts = call->out;
    int is_bad = answer->reply->type != REDIS_REPLY_ARRAY;
    int64_t more = is_bad ? 0 : tq__redis_number(answer->reply, 0, &is_bad);
    if (more < 0) {
        return TQ_GONE;
    }
    if (!is_bad) {
        counts->more += (size_t)more;
        counts->seats = (size_t)tq__redis_number(answer->reply, 1, &is_bad);
    }
    return is_bad ? tq__redis_nonsense(call) : TQ_OK;
}

/* Appends, or only counts, the seats that are new. Those of earlier slices are there by then. */
static int each_slice(const struct loading *loading, int is_appending, struct counts *counts,
                      struct tq_error *err)
{
    const struct tq_front_load *load = loading->load;
    struct redis_text args[1 + SEATS_SLICE];
    char least[REDIS_DIGITS_SIZE];
    *counts = (struct counts){0, 0};
    for (size_t first = 0; first < load->seats_count; first += SEATS_SLICE) {
        size_t count = load->seats_count - first;
        count = count < SEATS_SLICE ? count : SEATS_SLICE;
        args[0] = tq__redis_digits(least, is_appending ? (int64_t)first : -1);
        for (size_t i = 0; i < count; i++) {
            args[1 + i] = tq__redis_text(load->seats[first + i]);
        }
        struct redis_call call = {.script = REDIS_HOLD_DEFINE,
                                  .args = args,
                                  .args_count = 1 + count,
                                  .read = read_counts,
                                  .out = counts};
        int rc = run(loading, &call, err);
        if (rc != TQ_OK) {
            return rc;
        }
    }
    return TQ_OK;
}

/* TQ_OK when a seat was new, else TQ_REPEAT. TQ_GONE here and below: it was forgotten. */
static int load_seats(const struct loading *loading, struct tq_error *err)
{
    struct counts counts;
    TQ_TRY(each_slice(loading, 0, &counts, err));
    if (counts.seats + counts.more > TQ_SCHEDULE_SEATS_MAX) {
        return tq__fail(err, TQ_E_LIMIT, "store.redis", "a schedule has at most %d seats",
                        TQ_SCHEDULE_SEATS_MAX);
    }
    if (!counts.more) {
        return TQ_REPEAT;
    }
    return each_slice(loading, 1, &counts, err);
}

/* {status, or not; seats whose keys are to be removed...} */
static int read_untidy(struct redis_call *call, struct redis_answer *answer)
{
    const redisReply *reply = answer->reply;
    struct tq__buf *seats = call->out;
    int is_bad = reply->type != REDIS_REPLY_ARRAY;
    for (size_t i = 0; !is_bad && i < reply->elements; i++) {
        if (reply->element[i]->type == REDIS_REPLY_STRING) {
            tq__buf_format(seats, "%s ", reply->element[i]->str);
        } else if (reply->element[i]->integer == -1) {
            return TQ_GONE;
        } else if (reply->element[i]->integer < 0) {
            return tq__fail(&call->err, TQ_E_CORRUPT, "store.redis", "a hold has an unknown seat");
        }
    }
    return is_bad ? tq__redis_nonsense(call) : TQ_OK;
}

/* A call that frees seats, and the removal of their keys. */
static int run_untidy(const struct loading *loading, struct redis_call *call, struct tq_error *err)
{
    struct tq__buf seats = TQ__BUF(loading->env);
    call->read = read_untidy;
    call->out = &seats;
    int rc = run(loading, call, err);
    if (seats.bytes && !seats.is_failed) {
        tq__redis_tidy(loading->client, loading->load->schedule, seats.data);
    }
    tq__buf_done(&seats);
    return rc;
}

/* The rows of a slice: a line each, and the keys of the seats that they have. */
struct slice {
    struct tq__buf text;
    struct redis_text args[2 + ROWS_SLICE];
    const char *seats[ROWS_SLICE * TQ_HOLD_SEATS_MAX];
    size_t seats_count;
};

static void put_row(struct slice *slice, const struct tq_front_lease *row)
{
    tq__buf_format(&slice->text, "%s %s %s %u %llu %lld %lld %d", row->id, row->holder,
                   row->request_key, row->state, (unsigned long long)row->fence,
                   (long long)row->granted_ms, (long long)row->expires_ms, (int)row->ended);
    for (size_t i = 0; i < row->seats_count; i++) {
        tq__buf_format(&slice->text, " %s", row->seats[i]);
        if (!row->ended) {
            slice->seats[slice->seats_count++] = row->seats[i];
        }
    }
}

static int load_slice(const struct loading *loading, struct slice *slice,
                      const struct tq_front_lease *rows, size_t count, struct tq_error *err)
{
    size_t ends[ROWS_SLICE], at = 0;
    tq__buf_clear(&slice->text);
    slice->seats_count = 0;
    for (size_t i = 0; i < count; i++) {
        put_row(slice, &rows[i]);
        ends[i] = slice->text.bytes;
    }
    TQ_TRY(tq__buf_check(&slice->text, "store.redis", err));
    slice->args[0] = tq__redis_text(loading->seats_count);
    slice->args[1] = tq__redis_text(loading->is_past);
    for (size_t i = 0; i < count; i++) {
        slice->args[2 + i] = (struct redis_text){slice->text.data + at, ends[i] - at};
        at = ends[i];
    }
    struct redis_call call = {.script = REDIS_HOLD_LOAD,
                              .endings = slice->seats,
                              .endings_count = slice->seats_count,
                              .args = slice->args,
                              .args_count = 2 + count};
    return run_untidy(loading, &call, err);
}

static int load_rows(const struct loading *loading, struct tq_error *err)
{
    const struct tq_front_load *load = loading->load;
    int rc = TQ_OK;
    struct slice *slice = tq__alloc(loading->env, 1, sizeof *slice);
    if (!slice) {
        return tq__nomem("store.redis", err);
    }
    slice->text.env = loading->env;
    for (size_t first = 0; rc == TQ_OK && first < load->leases_count; first += ROWS_SLICE) {
        size_t count = load->leases_count - first;
        rc = load_slice(loading, slice, &load->leases[first],
                        count < ROWS_SLICE ? count : ROWS_SLICE, err);
    }
    tq__buf_done(&slice->text);
    tq__release(loading->env, slice);
    return rc;
}

/* Holds without a timer that the ledger may not have. */
struct live {
    char from[REDIS_DIGITS_SIZE];
    struct tq__buf ids;
};

/* {where to go on or 0, holds with a space between them} */
static int read_live(struct redis_call *call, struct redis_answer *answer)
{
    struct live *live = call->out;
    const redisReply *reply = answer->reply;
    int is_bad = reply->type != REDIS_REPLY_ARRAY;
    const char *from = is_bad ? "" : tq__redis_string(reply, 0, &is_bad);
    const char *ids = is_bad ? "" : tq__redis_string(reply, 1, &is_bad);
    if (is_bad || strlen(from) >= sizeof live->from) {
        return tq__redis_nonsense(call);
    }
    memcpy(live->from, from, strlen(from) + 1);
    tq__buf_text(&live->ids, ids);
    return tq__buf_check(&live->ids, "store.redis", &call->err);
}

static int next_live(const struct loading *loading, struct live *live, struct tq_error *err)
{
    char most[REDIS_DIGITS_SIZE];
    const struct redis_text args[] = {tq__redis_text(loading->freed_fence),
                                      tq__redis_text(live->from),
                                      tq__redis_digits(most, LIVE_SLICE)};
    struct redis_call call = {
        .script = REDIS_HOLD_UNTOLD, .args = args, .args_count = 3, .read = read_live, .out = live};
    tq__buf_clear(&live->ids);
    return run(loading, &call, err);
}

/* Frees those of the page that are not among the rows. */
static int free_page(const struct loading *loading, const struct tq__map *rows, struct live *live,
                     struct tq_error *err)
{
    struct redis_text args[2 + LIVE_SLICE] = {tq__redis_text(loading->freed_fence),
                                              tq__redis_text(loading->is_past)};
    char *rest = NULL, *id = live->ids.bytes ? strtok_r(live->ids.data, " ", &rest) : NULL;
    int rc = TQ_OK;
    while (rc == TQ_OK && id) {
        size_t count = 2;
        for (; id && count < 2 + LIVE_SLICE; id = strtok_r(NULL, " ", &rest)) {
            if (!tq__map_get(rows, id)) {
                args[count++] = tq__redis_text(id);
            }
        }
        struct redis_call call = {.script = REDIS_HOLD_FREE, .args = args, .args_count = count};
        rc = count > 2 ? run_untidy(loading, &call, err) : TQ_OK;
    }
    return rc;
}

/* Free what nothing else would: no timer, not in the ledger. */
static int free_untold(const struct loading *loading, struct tq_error *err)
{
    const struct tq_front_load *load = loading->load;
    struct live live = {.from = "0", .ids = TQ__BUF(loading->env)};
    struct tq__map rows;
    int rc = tq__map_init(&rows, loading->env, err);
    for (size_t i = 0; rc == TQ_OK && i < load->leases_count; i++) {
        rc = load->leases[i].ended ? TQ_OK : tq__map_put(&rows, load->leases[i].id, &live, err);
    }
    do {
        rc = rc == TQ_OK ? next_live(loading, &live, err) : rc;
        rc = rc == TQ_OK ? free_page(loading, &rows, &live, err) : rc;
    } while (rc == TQ_OK && strcmp(live.from, "0") != 0);
    tq__map_done(&rows);
    tq__buf_done(&live.ids);
    return rc;
}

/* {wait, now}, or TQ_GONE */
static int read_due(struct redis_call *call, struct redis_answer *answer)
{
    struct redis_due *due = call->out;
    if (answer->reply->type == REDIS_REPLY_INTEGER && answer->reply->integer == TQ_GONE) {
        return TQ_GONE;
    }
    int is_bad = answer->reply->type != REDIS_REPLY_ARRAY;
    if (!is_bad) {
        due->wait_ms = tq__redis_number(answer->reply, 0, &is_bad);
        due->as_of_ms = tq__redis_number(answer->reply, 1, &is_bad);
    }
    return is_bad ? tq__redis_nonsense(call) : TQ_OK;
}

/* From now on the schedule is known, and the agenda knows when something is due. */
static int make_known(const struct loading *loading, struct tq_error *err)
{
    struct redis_due due = {.schedule = loading->load->schedule};
    struct redis_next next;
    const struct redis_text args[] = {tq__redis_text(loading->fence),
                                      tq__redis_text(loading->seats_count)};
    struct redis_call call = {
        .script = REDIS_HOLD_KNOWN, .args = args, .args_count = 2, .read = read_due, .out = &due};
    int rc = run(loading, &call, err);
    if (rc != TQ_OK) {
        return rc;
    }
    return tq__redis_agenda(loading->client, &due, &next, err);
}

/* All of it, once. */
static int load_once(const struct loading *loading, struct tq_error *err)
{
    int seats = load_seats(loading, err);
    int rc = seats == TQ_REPEAT ? TQ_OK : seats;
    rc = rc == TQ_OK ? load_rows(loading, err) : rc;
    rc = rc == TQ_OK && loading->load->is_truth ? free_untold(loading, err) : rc;
    rc = rc == TQ_OK ? make_known(loading, err) : rc;
    return rc == TQ_OK ? seats : rc;
}

int tq__redis_hold_load(void *opaque, const struct tq_front_load *load, struct tq_error *err)
{
    struct redis_state *state = opaque;
    struct loading loading = {.client = state->client,
                              .env = tq__redis_env(state->client),
                              .load = load,
                              .is_past = load->is_past ? "1" : "0"};
    int rc = TQ_GONE;
    snprintf(loading.fence, sizeof loading.fence, "%llu", (unsigned long long)load->fence);
    snprintf(loading.freed_fence, sizeof loading.freed_fence, "%llu",
             load->is_past ? FENCE_MAX : (unsigned long long)load->fence);
    snprintf(loading.seats_count, sizeof loading.seats_count, "%zu", load->seats_count);
    for (int i = 0; i < TRIES && rc == TQ_GONE; i++) {
        rc = load_once(&loading, err);
    }
    return rc != TQ_GONE ? rc
                         : tq__fail(err, TQ_E_UNAVAILABLE, "store.redis",
                                    "the server forgets as fast as it is told");
}
