/* SPDX-License-Identifier: MIT */
/*
 * The room table of the Redis driver: arguments into words, answers into structs.
 * What a slot does is in room.lua. A room with shards goes its own way: room_shards.c, room_desk.c.
 *
 * Calls of enter, place and leave for one room that come at the same time are joined: one
 * execution, one view for all. Ids go as they are; an arrival with a token goes as
 * `+visit number epoch id`. Short batches need no memory but the stack's.
 */
#include "store/redis/room.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/env.h"
#include "core/error.h"

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

struct redis_text tq__redis_text(const char *text)
{
    return (struct redis_text){text, strlen(text)};
}

/* Reading numbers one after the other, from arrays of integers only. */

struct numbers {
    const redisReply *array;
    size_t next;
    int is_bad;
};

static int64_t next_number(struct numbers *numbers)
{
    const redisReply *array = numbers->array;
    if (array->type != REDIS_REPLY_ARRAY || numbers->next >= array->elements ||
        array->element[numbers->next]->type != REDIS_REPLY_INTEGER) {
        numbers->is_bad = 1;
        return 0;
    }
    return array->element[numbers->next++]->integer;
}

/* The numbers of a view, 64 bits each, least byte first: FIELDS in room.lua, then two more. */
enum {
    OPEN_MS,
    CLOSE_MS,
    RATE, /* from here on as in struct tq_room_policy */
    FIRST_SEQUENCE = 12,
    FIRST_EPOCH,
    RECOVERY_MS,
    SHARDS,
    NOW_MS,
    NEXT,
    SERVING,
    EPOCH,
    ADMITTED,
    SKIPPED,
    IS_PAUSED,
    IS_DRAINING,
    FLOW_MS = 26,
    ADMITTED_NOW,
    ADMITTED_BEFORE,
    GONE_NOW,
    GONE_BEFORE,
    HAS_BEFORE,
    RECOVERED_MS = 34,
    WAITING = 40,
    ACTIVE,
    VIEW_FIELDS
};

#define WINDOW_MS 10000

static void read_policy(const int64_t fields[VIEW_FIELDS], struct tq_room_policy *policy)
{
    uint32_t *const members[] = {
        &policy->rate,        &policy->rate_per_ms, &policy->burst,     &policy->max_active,
        &policy->capacity,    &policy->waiting_ms,  &policy->active_ms, &policy->pass_ms,
        &policy->poll_min_ms, &policy->poll_max_ms,
    };
    policy->size = sizeof *policy;
    policy->open_ms = fields[OPEN_MS];
    policy->close_ms = fields[CLOSE_MS];
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        *members[i] = (uint32_t)fields[RATE + i];
    }
    policy->first_sequence = fields[FIRST_SEQUENCE];
    policy->first_epoch = fields[FIRST_EPOCH];
    policy->recovery_ms = (uint32_t)fields[RECOVERY_MS];
    policy->shards = (uint32_t)fields[SHARDS];
}

static int read_fields(const redisReply *reply, int64_t fields[VIEW_FIELDS])
{
    if (reply->type != REDIS_REPLY_STRING || reply->len != VIEW_FIELDS * sizeof *fields) {
        return -1;
    }
    for (size_t i = 0; i < VIEW_FIELDS; i++) {
        uint64_t field;
        memcpy(&field, reply->str + i * sizeof field, sizeof field);
        fields[i] = (int64_t)le64toh(field);
    }
    return 0;
}

/* Of the policy, or the end of a recovery that is later. */
static int64_t opens_ms(const int64_t fields[VIEW_FIELDS])
{
    int64_t open_ms = fields[OPEN_MS], recovered_ms = fields[RECOVERED_MS];
    return recovered_ms > fields[NOW_MS] && recovered_ms > open_ms ? recovered_ms : open_ms;
}

static int read_view(const redisReply *reply, struct tq_room_view *view)
{
    int64_t fields[VIEW_FIELDS];
    struct tq_room_state *state = &view->state;
    if (read_fields(reply, fields)) {
        return -1;
    }
    memset(view, 0, sizeof *view);
    view->size = sizeof *view;
    read_policy(fields, &view->policy);
    *state = (struct tq_room_state){
        .size = sizeof *state,
        .now_ms = fields[NOW_MS],
        .open_ms = opens_ms(fields),
        .close_ms = view->policy.close_ms,
        .serving = fields[SERVING],
        .tail = fields[NEXT] - 1,
        .waiting = (uint64_t)fields[WAITING],
        .active = (uint64_t)fields[ACTIVE],
        .admitted = (uint64_t)fields[ADMITTED],
        .skipped = (uint64_t)fields[SKIPPED],
        .rate = view->policy.rate,
        .rate_per_ms = view->policy.rate_per_ms,
        .max_active = view->policy.max_active,
        .is_paused = (uint32_t)fields[IS_PAUSED],
        .is_draining = (uint32_t)fields[IS_DRAINING],
        .epoch = fields[EPOCH],
    };
    view->recent_admitted = (uint64_t)(fields[ADMITTED_NOW] + fields[ADMITTED_BEFORE]);
    view->recent_gone = (uint64_t)(fields[GONE_NOW] + fields[GONE_BEFORE]);
    if (fields[HAS_BEFORE]) {
        view->recent_ms = (uint32_t)(WINDOW_MS + fields[NOW_MS] - fields[FLOW_MS]);
    }
    return 0;
}

enum memo { LEFT, KIND, SEQUENCE, AHEAD }; /* the run that is being read */

static int next_run(const redisReply *runs, struct redis_answer *answer)
{
    struct numbers numbers = {.array = runs, .next = answer->cursor};
    answer->memo[KIND] = next_number(&numbers);
    answer->memo[LEFT] = next_number(&numbers);
    answer->memo[SEQUENCE] = next_number(&numbers);
    answer->memo[AHEAD] = next_number(&numbers);
    answer->cursor = numbers.next;
    return numbers.is_bad || answer->memo[LEFT] < 1 ? -1 : 0;
}

static struct tq_room_spot spot_of(const int64_t memo[4], const struct tq_room_view *view)
{
    const struct tq_room_policy *policy = &view->policy;
    int64_t now_ms = view->state.now_ms;
    if (memo[KIND] < 0) {
        return (struct tq_room_spot){.status = (int32_t)(-1 - memo[KIND])};
    }
    struct tq_room_spot spot = {.visit = (uint32_t)memo[KIND], .sequence = memo[SEQUENCE]};
    if (spot.visit == TQ_VISIT_WAITING) {
        spot.ahead = (uint64_t)memo[AHEAD];
        spot.expires_ms = now_ms + policy->waiting_ms;
    } else {
        int64_t silence = now_ms + policy->active_ms, age = memo[AHEAD] + policy->pass_ms;
        spot.expires_ms = silence < age ? silence : age;
    }
    return spot;
}

/* [view, runs] */
int tq__redis_read_places(struct redis_call *call, struct redis_answer *answer)
{
    const redisReply *reply = answer->reply;
    struct redis_places *places = call->out;
    if (reply->type == REDIS_REPLY_INTEGER && reply->integer == TQ_GONE) {
        return TQ_GONE;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        read_view(reply->element[0], places->view)) {
        return tq__redis_nonsense(call);
    }
    for (size_t i = 0; i < places->count; i++) {
        if (answer->memo[LEFT] == 0 && next_run(reply->element[1], answer)) {
            return tq__redis_nonsense(call);
        }
        places->spots[i] = spot_of(answer->memo, places->view);
        answer->memo[LEFT]--;
        answer->memo[SEQUENCE]++;
        answer->memo[AHEAD]++;
    }
    return TQ_OK;
}

int tq__redis_read_statuses(struct redis_call *call, struct redis_answer *answer)
{
    struct numbers numbers = {.array = answer->reply, .next = answer->cursor};
    int32_t *out_statuses = call->out;
    if (answer->reply->type == REDIS_REPLY_INTEGER && answer->reply->integer == TQ_GONE) {
        return TQ_GONE;
    }
    for (size_t i = 0; i < call->args_count; i++) {
        out_statuses[i] = (int32_t)next_number(&numbers);
    }
    answer->cursor = numbers.next;
    return numbers.is_bad ? tq__redis_nonsense(call) : TQ_OK;
}

/* A status alone. */
int tq__redis_read_status(struct redis_call *call, struct redis_answer *answer)
{
    return answer->reply->type == REDIS_REPLY_INTEGER ? (int)answer->reply->integer
                                                      : tq__redis_nonsense(call);
}

struct opened {
    unsigned shards; /* there are */
    int is_new;
};

/* [shards, is_new] */
static int read_opened(struct redis_call *call, struct redis_answer *answer)
{
    struct numbers numbers = {.array = answer->reply};
    struct opened *opened = call->out;
    if (answer->reply->type == REDIS_REPLY_INTEGER && answer->reply->integer == TQ_GONE) {
        return TQ_GONE;
    }
    opened->shards = (unsigned)next_number(&numbers);
    opened->is_new = (int)next_number(&numbers);
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
    char numbers[POLICY_FIELDS][24];
    struct redis_text args[POLICY_FIELDS];
    if (policy) {
        const int64_t values[POLICY_FIELDS] = {
            policy->open_ms,        policy->close_ms,    policy->rate,        policy->rate_per_ms,
            policy->burst,          policy->max_active,  policy->capacity,    policy->waiting_ms,
            policy->active_ms,      policy->pass_ms,     policy->poll_min_ms, policy->poll_max_ms,
            policy->first_sequence, policy->first_epoch, policy->recovery_ms, policy->shards,
        };
        for (size_t i = 0; i < POLICY_FIELDS; i++) {
            snprintf(numbers[i], sizeof numbers[i], "%lld", (long long)values[i]);
            args[i] = tq__redis_text(numbers[i]);
        }
    }
    return open_room(opaque, room, args, policy ? POLICY_FIELDS : 0, err);
}

struct redis_text tq__redis_arrival(const struct tq_room_arrival *arrival, char *word)
{
    if (arrival->visit == TQ_VISIT_NONE) {
        return tq__redis_text(arrival->id);
    }
    int bytes = snprintf(word, REDIS_ARRIVAL_SIZE, "+%u %lld %lld %s", arrival->visit,
                         (long long)arrival->sequence, (long long)arrival->epoch, arrival->id);
    return (struct redis_text){word, (size_t)bytes};
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
    struct numbers numbers = {.array = answer->reply};
    struct tq_room_tick *tick = call->out;
    if (answer->reply->type == REDIS_REPLY_INTEGER) {
        return (int)answer->reply->integer;
    }
    uint32_t *const members[] = {&tick->admitted, &tick->skipped, &tick->freed, &tick->next_ms};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        *members[i] = (uint32_t)next_number(&numbers);
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

int tq__redis_read_view(struct redis_call *call, struct redis_answer *answer)
{
    if (answer->reply->type == REDIS_REPLY_INTEGER) {
        return (int)answer->reply->integer;
    }
    return read_view(answer->reply, call->out) ? tq__redis_nonsense(call) : TQ_OK;
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
    char order[24], value[24], rest[TQ_ID_SIZE + TQ_ROOM_REASON_SIZE];
    snprintf(order, sizeof order, "%u", action->order);
    snprintf(value, sizeof value, "%lld", (long long)action->value);
    snprintf(rest, sizeof rest, "%s\n%s", action->actor, action->reason);
    const struct redis_text args[REDIS_ORDER_WORDS] = {tq__redis_text(order), tq__redis_text(value),
                                                       tq__redis_text(action->request_key),
                                                       tq__redis_text(rest)};
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
    char from[24], count[24];
    snprintf(from, sizeof from, "%llu", (unsigned long long)after);
    snprintf(count, sizeof count, "%zu", room_for);
    const struct redis_text args[] = {tq__redis_text(from), tq__redis_text(count)};
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
