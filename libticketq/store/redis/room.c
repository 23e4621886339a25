/* SPDX-License-Identifier: MIT */
/*
 * The room table of the Redis driver: arguments into words, answers into structs (room_words.c).
 * What a slot does is in room.lua. A room with shards goes its own way: room_shards.c, room_desk.c.
 *
 * Calls of enter, place and leave for one room that come at the same time are joined: one
 * execution, one view for all. Short batches need no memory but the stack's.
 */
#include "store/redis/redis.h"

#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/env.h"
#include "core/error.h"
#include "store/redis/client.h"
#include "store/redis/room_desk.h"
#include "store/redis/room_shards.h"
#include "store/redis/room_words.h"

#define BATCH_SMALL 16
#define ACTION_SIZE 64

enum { POLICY_FIELDS = 16 };

/* The words of a call. */
struct words {
    const struct tq_env *env;
    struct redis_text *texts;
    char (*tokens)[REDIS_ARRIVAL_SIZE]; /* of arrivals that have one */
    void *heap;
    struct redis_text small_texts[BATCH_SMALL];
    char small_tokens[BATCH_SMALL][REDIS_ARRIVAL_SIZE];
};

static int words_begin(struct words *words, const struct tq_env *env, size_t count, int has_tokens,
                       struct tq_error *err)
{
    words->env = env;
    words->texts = words->small_texts;
    words->tokens = words->small_tokens;
    words->heap = NULL;
    if (count <= BATCH_SMALL) {
        return TQ_OK;
    }
    words->heap =
        tq__alloc(env, count, sizeof *words->texts + (has_tokens ? REDIS_ARRIVAL_SIZE : 0));
    if (!words->heap) {
        return tq__nomem("store.redis", err);
    }
    words->texts = words->heap;
    words->tokens = (void *)(words->texts + count);
    return TQ_OK;
}

static void words_done(struct words *words)
{
    tq__release(words->env, words->heap);
}

struct opened {
    unsigned shards; /* there are */
    int is_new;
};

/* [shards, is_new] */
static int read_opened(struct redis_call *call, struct redis_answer *answer)
{
    struct redis_numbers numbers = {.array = answer->reply};
    struct opened *opened = call->out;
    if (answer->reply->type == REDIS_REPLY_INTEGER && answer->reply->integer == TQ_GONE) {
        return TQ_GONE;
    }
    opened->shards = (unsigned)tq__redis_next_number(&numbers);
    opened->is_new = (int)tq__redis_next_number(&numbers);
    int is_good = !numbers.is_bad && opened->shards >= 1 && opened->shards <= TQ_ROOM_SHARDS_MAX;
    return is_good ? TQ_OK : tq__redis_nonsense(call);
}

/* The room itself, or its desk. */
static int open_room(struct redis_state *state, const char *room, const struct redis_text *args,
                     size_t args_count, struct tq_error *err)
{
    struct opened opened = {1, 0};
    struct redis_sharded *sharded = NULL;
    struct redis_call call = {.script = REDIS_ROOM_OPEN,
                              .tag = room,
                              .args = args,
                              .args_count = args_count,
                              .read = read_opened,
                              .out = &opened};
    int rc = tq__redis_run(state->client, &call, 1, err);
    if (rc == TQ_OK) {
        rc = tq__redis_shards_note(state->shards, room, opened.shards, &sharded, err);
    }
    return rc == TQ_OK && sharded ? tq__redis_desk_open(state, sharded, opened.is_new, err) : rc;
}

static int room_open(void *opaque, const char *room, const struct tq_room_policy *policy,
                     struct tq_error *err)
{
    char numbers[POLICY_FIELDS][REDIS_DIGITS_SIZE];
    struct redis_text args[POLICY_FIELDS];
    if (policy) {
        const int64_t values[POLICY_FIELDS] = {
            policy->open_ms,        policy->close_ms,    policy->rate,        policy->rate_per_ms,
            policy->burst,          policy->max_active,  policy->capacity,    policy->waiting_ms,
            policy->active_ms,      policy->pass_ms,     policy->poll_min_ms, policy->poll_max_ms,
            policy->first_sequence, policy->first_epoch, policy->recovery_ms, policy->shards,
        };
        for (size_t i = 0; i < POLICY_FIELDS; i++) {
            args[i] = tq__redis_digits(numbers[i], values[i]);
        }
    }
    return open_room(opaque, room, args, policy ? POLICY_FIELDS : 0, err);
}

static int room_enter(void *opaque, const char *room, const struct tq_room_arrival *arrivals,
                      size_t count, struct tq_room_spot *out_spots, struct tq_room_view *out_view,
                      struct tq_error *err)
{
    struct redis_state *state = opaque;
    struct redis_sharded *sharded = tq__redis_sharded(state->shards, room);
    struct words words;
    struct redis_places places = {count, out_spots, out_view};
    if (sharded) {
        return tq__redis_shards_enter(state, sharded, arrivals, count, out_spots, out_view, err);
    }
    TQ_TRY(words_begin(&words, tq__redis_env(state->client), count, 1, err));
    int is_return = 0;
    for (size_t i = 0; i < count; i++) {
        words.texts[i] = tq__redis_arrival(&arrivals[i], words.tokens[i]);
        is_return |= arrivals[i].visit != TQ_VISIT_NONE;
    }
    struct redis_call call = {.script = is_return ? REDIS_ROOM_RETURN : REDIS_ROOM_ENTER,
                              .tag = room,
                              .args = words.texts,
                              .args_count = count,
                              .is_joinable = 1,
                              .read = tq__redis_read_places,
                              .out = &places};
    int rc = tq__redis_run(state->client, &call, 1, err);
    words_done(&words);
    return rc;
}

/* A script over ids. */
static int run_ids(struct redis_state *state, enum redis_script_id script, const char *room,
                   const char *const *visitors, size_t count, redis_read_fn *read, void *out,
                   struct tq_error *err)
{
    struct words words;
    TQ_TRY(words_begin(&words, tq__redis_env(state->client), count, 0, err));
    for (size_t i = 0; i < count; i++) {
        words.texts[i] = tq__redis_text(visitors[i]);
    }
    struct redis_call call = {.script = script,
                              .tag = room,
                              .args = words.texts,
                              .args_count = count,
                              .is_joinable = 1,
                              .read = read,
                              .out = out};
    int rc = tq__redis_run(state->client, &call, 1, err);
    words_done(&words);
    return rc;
}

static int room_place(void *opaque, const char *room, const char *const *visitors, size_t count,
                      struct tq_room_spot *out_spots, struct tq_room_view *out_view,
                      struct tq_error *err)
{
    struct redis_state *state = opaque;
    struct redis_sharded *sharded = tq__redis_sharded(state->shards, room);
    struct redis_places places = {count, out_spots, out_view};
    if (sharded) {
        return tq__redis_shards_place(state, sharded, visitors, count, out_spots, out_view, err);
    }
    return run_ids(state, REDIS_ROOM_PLACE, room, visitors, count, tq__redis_read_places, &places,
                   err);
}

static int room_leave(void *opaque, const char *room, const char *const *visitors, size_t count,
                      int32_t *out_statuses, struct tq_error *err)
{
    struct redis_state *state = opaque;
    struct redis_sharded *sharded = tq__redis_sharded(state->shards, room);
    if (sharded) {
        return tq__redis_shards_leave(state, sharded, visitors, count, out_statuses, err);
    }
    return run_ids(state, REDIS_ROOM_LEAVE, room, visitors, count, tq__redis_read_statuses,
                   out_statuses, err);
}

/* [admitted, skipped, freed, next_ms] */
static int read_tick(struct redis_call *call, struct redis_answer *answer)
{
    struct redis_numbers numbers = {.array = answer->reply};
    struct tq_room_tick *tick = call->out;
    if (answer->reply->type == REDIS_REPLY_INTEGER) {
        return (int)answer->reply->integer;
    }
    uint32_t *const members[] = {&tick->admitted, &tick->skipped, &tick->freed, &tick->next_ms};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        *members[i] = (uint32_t)tq__redis_next_number(&numbers);
    }
    if (numbers.is_bad) {
        return tq__redis_nonsense(call);
    }
    return tick->admitted || tick->skipped || tick->freed ? TQ_OK : TQ_EMPTY;
}

static int room_tick(void *opaque, const char *room, struct tq_room_tick *out_tick,
                     struct tq_error *err)
{
    struct redis_state *state = opaque;
    struct redis_sharded *sharded = tq__redis_sharded(state->shards, room);
    if (sharded) {
        return tq__redis_desk_tick(state, sharded, out_tick, err);
    }
    struct redis_call call = {
        .script = REDIS_ROOM_TICK, .tag = room, .read = read_tick, .out = out_tick};
    return tq__redis_run(state->client, &call, 1, err);
}

static int room_view(void *opaque, const char *room, struct tq_room_view *out_view,
                     struct tq_error *err)
{
    struct redis_state *state = opaque;
    struct redis_sharded *sharded = tq__redis_sharded(state->shards, room);
    if (sharded) {
        return tq__redis_desk_view(state, sharded, out_view, err);
    }
    struct redis_call call = {.script = REDIS_ROOM_VIEW,
                              .tag = room,
                              .is_joinable = 1,
                              .read = tq__redis_read_view,
                              .out = out_view};
    int rc = tq__redis_run(state->client, &call, 1, err);
    return rc == TQ_OK && out_view->policy.shards > 1 ? TQ_GONE : rc;
}

static int room_operate(void *opaque, const char *room, const struct tq_room_action *action,
                        struct tq_error *err)
{
    struct redis_state *state = opaque;
    struct redis_sharded *sharded = tq__redis_sharded(state->shards, room);
    char order[REDIS_DIGITS_SIZE], value[REDIS_DIGITS_SIZE], rest[TQ_ID_SIZE + TQ_ROOM_REASON_SIZE];
    snprintf(rest, sizeof rest, "%s\n%s", action->actor, action->reason);
    const struct redis_text args[REDIS_ORDER_WORDS] = {
        tq__redis_digits(order, action->order), tq__redis_digits(value, action->value),
        tq__redis_text(action->request_key), tq__redis_text(rest)};
    if (sharded) {
        return tq__redis_desk_operate(state, sharded, action, args, err);
    }
    struct redis_call call = {.script = REDIS_ROOM_OPERATE,
                              .tag = room,
                              .args = args,
                              .args_count = sizeof args / sizeof *args,
                              .read = tq__redis_read_status};
    return tq__redis_run(state->client, &call, 1, err);
}

struct trail {
    struct tq_room_action *actions;
    size_t room_for;
    size_t *out_count;
};

/* Copies up to the end of the line; returns what is behind it, NULL when it does not fit. */
static const char *copy_line(char *target, size_t room, const char *text)
{
    size_t bytes = strcspn(text, "\n");
    return tq__text_copy(target, room, text, bytes) ? NULL : text + bytes + (text[bytes] == '\n');
}

/* `number at order value`, the request key, the actor, the reason: a line each. */
static int read_action(const redisReply *reply, struct tq_room_action *action)
{
    unsigned long long number;
    long long at_ms, value;
    char head[ACTION_SIZE * 2];
    memset(action, 0, sizeof *action);
    action->size = sizeof *action;
    if (reply->type != REDIS_REPLY_STRING) {
        return -1;
    }
    const char *at = copy_line(head, sizeof head, reply->str);
    if (!at || sscanf(head, "%llu %lld %u %lld", &number, &at_ms, &action->order, &value) != 4) {
        return -1;
    }
    action->number = number;
    action->at_ms = at_ms;
    action->value = value;
    at = copy_line(action->request_key, sizeof action->request_key, at);
    at = at ? copy_line(action->actor, sizeof action->actor, at) : NULL;
    at = at ? copy_line(action->reason, sizeof action->reason, at) : NULL;
    return at ? 0 : -1;
}

static int read_trail(struct redis_call *call, struct redis_answer *answer)
{
    const redisReply *reply = answer->reply;
    struct trail *trail = call->out;
    if (reply->type == REDIS_REPLY_INTEGER) {
        return (int)reply->integer;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements > trail->room_for) {
        return tq__redis_nonsense(call);
    }
    for (size_t i = 0; i < reply->elements; i++) {
        if (read_action(reply->element[i], &trail->actions[i])) {
            return tq__redis_nonsense(call);
        }
    }
    *trail->out_count = reply->elements;
    return TQ_OK;
}

static int room_audit(void *opaque, const char *room, uint64_t after,
                      struct tq_room_action *out_actions, size_t room_for, size_t *out_count,
                      struct tq_error *err)
{
    struct redis_state *state = opaque;
    struct trail trail = {out_actions, room_for, out_count};
    char from[REDIS_DIGITS_SIZE], count[REDIS_DIGITS_SIZE];
    snprintf(from, sizeof from, "%llu", (unsigned long long)after);
    const struct redis_text args[] = {tq__redis_text(from),
                                      tq__redis_digits(count, (int64_t)room_for)};
    struct redis_call call = {.script = REDIS_ROOM_AUDIT,
                              .tag = room,
                              .args = args,
                              .args_count = 2,
                              .read = read_trail,
                              .out = &trail};
    return tq__redis_run(state->client, &call, 1, err);
}

const struct tq_room_driver tq__redis_room = {
    .size = sizeof(struct tq_room_driver),
    .open = room_open,
    .enter = room_enter,
    .place = room_place,
    .leave = room_leave,
    .tick = room_tick,
    .view = room_view,
    .operate = room_operate,
    .audit = room_audit,
};
