/* SPDX-License-Identifier: MIT */
/*
 * A call names a script, a tag (the id of a room or a schedule: what stands between
 * the braces of its keys, so what decides its slot), arguments, and a function
 * that reads the answer:
 *
 *     struct redis_call call = {.script = REDIS_ROOM_LEAVE, .tag = room, .args = args,
 *                               .args_count = count, .is_joinable = 1, .read = read_leave,
 *                               .out = &mine};
 *     return tq__redis_run(client, &call, 1, err);
 *
 * Keys of a script are the prefix of the URL, `stem`, `{tag}`, and each ending of
 * its row in scripts.c, then the call's own endings (`A-11`, behind the row's mark): all are
 * declared.
 *
 * Joinable calls of the same script and tag that come at the same time become one
 * execution: their own keys and arguments one after the other, in order of arrival.
 * Such a script answers for each argument separately, and `read` takes what is its
 * caller's from the common answer, whose `cursor` and `memo` go on from call to call.
 * `read` runs in the thread of whoever leads, so it writes to its call's `out` only.
 */
#ifndef TQ_STORE_REDIS_CALL_H
#define TQ_STORE_REDIS_CALL_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include <ticketq/status.h>

#include "core/combine.h"
#include "store/redis/scripts.h"

#define REDIS_JOINED_MAX 512 /* arguments and keys of joined calls; one call may have more */
#define REDIS_BATCH_MAX 256  /* calls in one pipeline */

struct redis_text {
    const char *data;
    size_t bytes;
};

static inline struct redis_text tq__redis_text(const char *text)
{
    return (struct redis_text){text, strlen(text)};
}

#define REDIS_DIGITS_SIZE 24

/* A number as a script reads it, written to `digits`. */
static inline struct redis_text tq__redis_digits(char digits[REDIS_DIGITS_SIZE], int64_t number)
{
    int bytes = snprintf(digits, REDIS_DIGITS_SIZE, "%lld", (long long)number);
    return (struct redis_text){digits, (size_t)bytes};
}

struct redis_answer {
    const redisReply *reply; /* not an error */
    size_t cursor;           /* 0 for the first call */
    int64_t memo[4];         /* zeros for the first call */
};

struct redis_call;
/* What the call comes to: TQ_OK, an outcome, or tq__redis_nonsense(). Runs in any thread. */
typedef int redis_read_fn(struct redis_call *call, struct redis_answer *answer);

struct redis_call {
    struct tq__combine_item item;
    enum redis_script_id script;
    const char *tag;            /* an id */
    const char *const *endings; /* of the call's own keys */
    size_t endings_count;
    const struct redis_text *args;
    size_t args_count;
    int is_joinable;
    redis_read_fn *read;
    void *out;

    /* Written by tq__redis_run(). */
    int status;
    int is_again; /* had no effect: worth another try after a pause */
    struct tq_error err;
    struct redis_call *joined; /* next in the same execution */
};

#endif
