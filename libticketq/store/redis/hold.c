/* SPDX-License-Identifier: MIT */
/*
 * The hold table of the Redis driver: claims, changes and the seat map. What they do
 * is in hold.lua and hold_ask.lua; here arrays become calls and answers become structs.
 *
 * The elements of an array that are for one schedule are one execution of a script, and
 * those for all schedules one pipeline; a large array goes in rounds, in its order. Who
 * comes at the same time joins: one execution for all. When some of an array had their
 * effect and others failed, the result is TQ_E_UNKNOWN.
 *
 * Behind an execution comes what need not be atomic with it, and may get lost: the agenda is told
 * of a timer earlier than it knows (hardly ever: new holds run out last), keys of freed seats go.
 */
#include "store/redis/hold_parts.h"

#include <endian.h>
#include <stdio.h>

#include "core/env.h"
#include "core/error.h"
#include "store/redis/ears.h"
#include "store/redis/redis.h"

#define SMALL 4
#define WORDS_SMALL 1152
#define CLAIM_BYTES 10
#define CHANGE_BYTES 22
#define ROUND_ELEMENTS 256
#define NAMES_SIZE (TQ_HOLD_SEATS_MAX * TQ_ID_SIZE)

struct plan;
struct part;

/* What element `i` came to; `answer` NULL: its schedule is not here. */
typedef void read_one_fn(struct part *part, size_t i, struct redis_answer *answer, int *is_bad);

enum { CLAIM_TEXTS = 4, CHANGE_TEXTS = 3 };

/* What goes to one schedule. */
struct part {
    const struct plan *plan;
    const char *schedule;
    size_t first, count; /* in the plan's order */
    size_t done, running;
    int has_effect;
    int64_t wait_ms, as_of_ms; /* for the agenda; -1: nothing to tell */
    struct tq__buf untidy;     /* seats whose keys are to be removed */
};

/* An array on its way. */
struct plan {
    struct redis_client *client;
    const struct tq_env *env;
    const struct tq_front_claim *claims;   /* these and `holds`, */
    const struct tq_front_change *changes; /* or these and `results` */
    struct tq_hold *holds;
    struct tq_hold_result *results;
    read_one_fn *read;
    size_t count;
    size_t parts_count;
    size_t *order; /* the elements of each part behind one another */
    struct part *parts;
    struct redis_call *calls;
    struct redis_text *texts; /* `texts_each` for each element, in that order */
    size_t texts_each;
    char *words;        /* what of the texts is not the caller's, behind what was put there */
    const char **seats; /* endings of a round */
    size_t seats_count;
    char (*names)[NAMES_SIZE]; /* of retaken holds, in that order; NULL: none */
    void *heap;
    size_t small_order[SMALL];
    struct part small_parts[SMALL];
    struct redis_call small_calls[SMALL];
    struct redis_text small_texts[SMALL * CLAIM_TEXTS];
    char small_words[WORDS_SMALL];
    const char *small_seats[SMALL * TQ_HOLD_SEATS_MAX];
};

static const char *schedule_of(const struct plan *plan, size_t i)
{
    return plan->claims ? plan->claims[i].schedule : plan->changes[i].schedule;
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t count_bytes(const struct tq_front_claim *claim)
{
    size_t bytes = strlen(claim->holder) + strlen(claim->request_key) + 2 + CLAIM_BYTES;
    for (size_t i = 0; i < claim->seats_count; i++) {
        bytes += strlen(claim->seats[i]) + 1;
    }
    return bytes;
}

static size_t count_words(const struct plan *plan)
{
    size_t bytes = plan->claims ? 0 : plan->count * CHANGE_BYTES;
    for (size_t i = 0; plan->claims && i < plan->count; i++) {
        bytes += count_bytes(&plan->claims[i]);
    }
    return bytes;
}

static int allocate(struct plan *plan, struct tq_error *err)
{
    size_t count = plan->count, round = min_size(count, ROUND_ELEMENTS), words = count_words(plan);
    if (count <= SMALL && words <= WORDS_SMALL) {
        plan->order = plan->small_order;
        plan->parts = plan->small_parts;
        plan->calls = plan->small_calls;
        plan->texts = plan->small_texts;
        plan->words = plan->small_words;
        plan->seats = plan->small_seats;
        return TQ_OK;
    }
    size_t each = sizeof *plan->order + sizeof *plan->parts + sizeof *plan->calls +
                  plan->texts_each * sizeof *plan->texts;
    size_t seats = round * TQ_HOLD_SEATS_MAX * sizeof *plan->seats;
    plan->heap = tq__alloc(plan->env, 1, count * each + seats + words);
    if (!plan->heap) {
        return tq__nomem("store.redis", err);
    }
    plan->parts = plan->heap;
    plan->calls = (void *)(plan->parts + count);
    plan->texts = (void *)(plan->calls + count);
    plan->order = (void *)(plan->texts + count * plan->texts_each);
    plan->seats = (void *)(plan->order + count);
    plan->words = (void *)(plan->seats + round * TQ_HOLD_SEATS_MAX);
    return TQ_OK;
}

static struct part *find_part(struct plan *plan, const char *schedule)
{
    for (size_t i = plan->parts_count; i-- > 0;) {
        if (strcmp(plan->parts[i].schedule, schedule) == 0) {
            return &plan->parts[i];
        }
    }
    struct part *part = &plan->parts[plan->parts_count++];
    *part = (struct part){.plan = plan, .schedule = schedule, .untidy = TQ__BUF(plan->env)};
    return part;
}

/* Puts the elements of each schedule behind one another, in their order. */
static void sort_parts(struct plan *plan)
{
    size_t first = 0;
    for (size_t i = 0; i < plan->count; i++) {
        find_part(plan, schedule_of(plan, i))->count++;
    }
    for (size_t i = 0; i < plan->parts_count; i++) {
        plan->parts[i].first = first;
        first += plan->parts[i].count;
        plan->parts[i].count = 0;
    }
    for (size_t i = 0; i < plan->count; i++) {
        struct part *part = find_part(plan, schedule_of(plan, i));
        plan->order[part->first + part->count++] = i;
    }
}

static int plan_begin(struct plan *plan, void *opaque, size_t count, struct tq_error *err)
{
    struct redis_state *state = opaque;
    plan->client = state->client;
    plan->env = tq__redis_env(state->client);
    plan->count = count;
    plan->texts_each = plan->claims ? CLAIM_TEXTS : CHANGE_TEXTS;
    plan->parts_count = 0;
    plan->names = NULL;
    plan->heap = NULL;
    TQ_TRY(allocate(plan, err));
    sort_parts(plan);
    return TQ_OK;
}

static void plan_done(struct plan *plan)
{
    for (size_t i = 0; i < plan->parts_count; i++) {
        tq__buf_done(&plan->parts[i].untidy);
    }
    tq__release(plan->env, plan->names);
    tq__release(plan->env, plan->heap);
}

/* A text that ends where the words end from now on. */
static struct redis_text end_word(struct plan *plan, char *end)
{
    struct redis_text text = {plan->words, (size_t)(end - plan->words)};
    plan->words = end;
    return text;
}

/* Numbers as struct.unpack() of a script reads them. */
static char *put_u32(char *at, uint32_t number)
{
    const uint32_t turned = htole32(number);
    memcpy(at, &turned, sizeof turned);
    return at + sizeof turned;
}

static char *put_u64(char *at, uint64_t number)
{
    const uint64_t turned = htole64(number);
    memcpy(at, &turned, sizeof turned);
    return at + sizeof turned;
}

/* As hold_grant in hold_ask.lua says. */
static void put_claim(struct plan *plan, size_t at, size_t i)
{
    const struct tq_front_claim *claim = &plan->claims[i];
    struct redis_text *texts = plan->texts + at * CLAIM_TEXTS;
    char *end = stpcpy(plan->words, claim->holder);
    *end++ = ' ';
    texts[0] = tq__redis_text(claim->id);
    texts[1] = end_word(plan, stpcpy(end, claim->request_key));
    end = put_u32(plan->words, claim->ttl_ms);
    *end++ = (char)claim->seats_count;
    *end++ = (char)strlen(claim->holder);
    end = claim->seats_limit ? put_u32(end, claim->seats_limit) : end;
    texts[2] = end_word(plan, end);
    end = plan->words;
    for (size_t seat = 0; seat < claim->seats_count; seat++) {
        plan->seats[plan->seats_count++] = claim->seats[seat];
        end = stpcpy(end, claim->seats[seat]);
        *end++ = ' ';
    }
    texts[3] = end_word(plan, end);
    texts[3].bytes--;
}

/* The names of a retaken hold's seats, which were asked for, become keys. */
static void put_names(struct plan *plan, char *names)
{
    char *rest = NULL;
    for (char *name = strtok_r(names, " ", &rest); name; name = strtok_r(NULL, " ", &rest)) {
        plan->seats[plan->seats_count++] = name;
    }
}

/* As hold_change in hold_ask.lua says. */
static void put_change(struct plan *plan, size_t at, size_t i)
{
    const struct tq_front_change *change = &plan->changes[i];
    struct redis_text *texts = plan->texts + at * CHANGE_TEXTS;
    char *end = put_u64(plan->words, change->fence);
    *end++ = (char)change->verb;
    *end++ = change->is_told != 0;
    end = put_u32(put_u32(end, change->extend_ms), change->life_max_ms);
    texts[0] = tq__redis_text(change->id);
    texts[1] = tq__redis_text(change->holder);
    texts[2] = end_word(plan, put_u32(end, change->seats_limit));
    if (plan->names) {
        put_names(plan, plan->names[at]);
    }
}

/* Makes the part's next call of at most `most` elements. */
static void put_part(struct plan *plan, struct part *part, size_t most, struct redis_call *call)
{
    size_t first = part->first + part->done, seats = plan->seats_count;
    part->running = min_size(part->count - part->done, most);
    for (size_t at = first; at < first + part->running; at++) {
        if (plan->claims) {
            put_claim(plan, at, plan->order[at]);
        } else {
            put_change(plan, at, plan->order[at]);
        }
    }
    call->endings = plan->seats + seats;
    call->endings_count = plan->seats_count - seats;
    call->args = plan->texts + first * plan->texts_each;
    call->args_count = part->running * plan->texts_each;
    part->wait_ms = -1;
}

static int has_effects(const struct plan *plan)
{
    int has = 0;
    for (size_t i = 0; i < plan->parts_count; i++) {
        has |= plan->parts[i].has_effect;
    }
    return has;
}

/* What follows an execution. */
static void follow_up(struct plan *plan, struct part *part)
{
    if (part->wait_ms >= 0) {
        const struct redis_due due = {part->schedule, part->as_of_ms, part->wait_ms};
        struct redis_next next;
        int rc = tq__redis_agenda(plan->client, &due, &next, NULL);
        (void)rc;
    }
    if (part->untidy.bytes && !part->untidy.is_failed) {
        tq__redis_tidy(plan->client, part->schedule, part->untidy.data);
    }
    tq__buf_clear(&part->untidy);
}

/* {wait, now, ...}: the first of those who joined has it told. */
static int read_due(struct redis_call *call, struct redis_answer *answer, int *is_bad)
{
    struct part *part = call->out;
    if (answer->reply->type != REDIS_REPLY_ARRAY) {
        return tq__redis_nonsense(call);
    }
    if (answer->cursor == 0) {
        part->wait_ms = tq__redis_number(answer->reply, 0, is_bad);
        part->as_of_ms = tq__redis_number(answer->reply, 1, is_bad);
        answer->cursor = 2;
    }
    return TQ_OK;
}

static int is_gone(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_INTEGER && reply->integer == TQ_GONE;
}

/* The elements of a part that are running. */
static int read_part(struct redis_call *call, struct redis_answer *answer)
{
    struct part *part = call->out;
    const size_t *order = part->plan->order + part->first + part->done;
    int is_bad = 0, is_here = !is_gone(answer->reply);
    if (is_here) {
        TQ_TRY(read_due(call, answer, &is_bad));
    }
    for (size_t i = 0; i < part->running; i++) {
        part->plan->read(part, order[i], is_here ? answer : NULL, &is_bad);
    }
    return is_bad ? tq__redis_nonsense(call) : TQ_OK;
}

/* Runs the next elements of every part. TQ_EMPTY when there is nothing left. */
static int run_round(struct plan *plan, enum redis_script_id script, struct tq_error *err)
{
    size_t left = ROUND_ELEMENTS, calls = 0;
    struct part *running[ROUND_ELEMENTS];
    plan->seats_count = 0;
    for (size_t i = 0; i < plan->parts_count && left; i++) {
        struct part *part = &plan->parts[i];
        if (part->done < part->count) {
            struct redis_call *call = &plan->calls[calls];
            *call = (struct redis_call){.script = script,
                                        .tag = part->schedule,
                                        .is_joinable = 1,
                                        .read = read_part,
                                        .out = part};
            put_part(plan, part, left, call);
            left -= part->running;
            running[calls++] = part;
        }
    }
    if (!calls) {
        return TQ_EMPTY;
    }
    int rc = tq__redis_run(plan->client, plan->calls, calls, err);
    for (size_t i = 0; i < calls; i++) {
        running[i]->done += running[i]->running;
        if (plan->calls[i].status >= 0) {
            running[i]->has_effect = 1;
            follow_up(plan, running[i]);
        }
    }
    return rc < 0 ? rc : TQ_OK;
}

static int run_plan(struct plan *plan, enum redis_script_id script, struct tq_error *err)
{
    int rc = TQ_OK;
    while (rc == TQ_OK) {
        rc = run_round(plan, script, err);
    }
    if (rc < 0 && rc != TQ_E_UNKNOWN && has_effects(plan)) {
        return tq__fail(err, TQ_E_UNKNOWN, "store.redis", "a part was done, another was not");
    }
    return rc == TQ_EMPTY ? TQ_OK : rc;
}

/* The first's fence; or OK, fence, or status, seats in the way, fence, granted, expires, hold. */
static void read_claim(struct part *part, size_t i, struct redis_answer *answer, int *is_bad)
{
    const struct tq_front_claim *claim = &part->plan->claims[i];
    struct tq_hold *out = &part->plan->holds[i];
    if (!answer) {
        out->status = TQ_GONE;
        out->taken = out->fence = 0;
        out->granted_ms = out->expires_ms = 0;
        out->id[0] = '\0';
        return;
    }
    const redisReply *reply = answer->reply;
    size_t at = answer->cursor;
    int is_plain = reply->elements == 3;
    out->status = is_plain ? TQ_OK : (int32_t)tq__redis_number(reply, at, is_bad);
    if (out->status == TQ_OK) {
        int64_t fence = tq__redis_number(reply, is_plain ? 2 : at + 1, is_bad);
        out->fence = (uint64_t)fence + (is_plain ? at - 2 : 0);
        out->taken = 0;
        out->granted_ms = tq__redis_number(reply, 1, is_bad);
        out->expires_ms = out->granted_ms + claim->ttl_ms;
        tq__id_copy(out->id, claim->id);
        answer->cursor += is_plain ? 1 : 2;
        return;
    }
    out->taken = (uint64_t)tq__redis_number(reply, at + 1, is_bad);
    out->fence = (uint64_t)tq__redis_number(reply, at + 2, is_bad);
    out->granted_ms = tq__redis_number(reply, at + 3, is_bad);
    out->expires_ms = tq__redis_number(reply, at + 4, is_bad);
    tq__id_copy(out->id, tq__redis_string(reply, at + 5, is_bad));
    answer->cursor += 6;
}

static int hold_claim(void *opaque, const struct tq_front_claim *claims, size_t count,
                      struct tq_hold *out_holds, struct tq_error *err)
{
    struct plan plan;
    plan.claims = claims;
    plan.holds = out_holds;
    plan.read = read_claim;
    TQ_TRY(plan_begin(&plan, opaque, count, err));
    int rc = run_plan(&plan, REDIS_HOLD_CLAIM, err);
    plan_done(&plan);
    return rc;
}

/* Status, fence, expires, seats whose keys are to be removed. */
static void read_change(struct part *part, size_t i, struct redis_answer *answer, int *is_bad)
{
    struct tq_hold_result *out = &part->plan->results[i];
    out->status = TQ_GONE;
    out->fence = 0;
    out->expires_ms = 0;
    if (answer) {
        size_t at = answer->cursor;
        out->status = (int32_t)tq__redis_number(answer->reply, at, is_bad);
        out->fence = (uint64_t)tq__redis_number(answer->reply, at + 1, is_bad);
        out->expires_ms = tq__redis_number(answer->reply, at + 2, is_bad);
        tq__buf_text(&part->untidy, tq__redis_string(answer->reply, at + 3, is_bad));
        tq__buf_text(&part->untidy, " ");
        answer->cursor += 4;
    }
}

static size_t count_spaces(const char *text)
{
    size_t count = 0;
    while ((text = strchr(text, ' '))) {
        text++;
        count++;
    }
    return count;
}

/* The names of a hold's seats; "" when there is no such hold. */
static int read_names(struct redis_call *call, struct redis_answer *answer)
{
    int is_bad = answer->reply->type != REDIS_REPLY_ARRAY;
    const char *names = is_bad ? "" : tq__redis_string(answer->reply, 0, &is_bad);
    if (is_bad || strlen(names) >= NAMES_SIZE || count_spaces(names) >= TQ_HOLD_SEATS_MAX) {
        return tq__redis_nonsense(call);
    }
    memcpy(call->out, names, strlen(names) + 1);
    return TQ_OK;
}

/* A retake writes the keys of its seats, so these have to be known before. They never change. */
static int find_names(struct plan *plan, struct tq_error *err)
{
    int has_retake = 0;
    for (size_t i = 0; i < plan->count; i++) {
        has_retake |= plan->changes[i].verb == TQ_HOLD_RETAKE;
    }
    if (!has_retake) {
        return TQ_OK;
    }
    plan->names = tq__alloc(plan->env, plan->count, NAMES_SIZE);
    if (!plan->names) {
        return tq__nomem("store.redis", err);
    }
    for (size_t at = 0; at < plan->count; at++) {
        const struct tq_front_change *change = &plan->changes[plan->order[at]];
        if (change->verb == TQ_HOLD_RETAKE) {
            const struct redis_text id = tq__redis_text(change->id);
            struct redis_call call = {.script = REDIS_HOLD_SEATS,
                                      .tag = change->schedule,
                                      .args = &id,
                                      .args_count = 1,
                                      .read = read_names,
                                      .out = plan->names[at]};
            TQ_TRY(tq__redis_run(plan->client, &call, 1, err));
        }
    }
    return TQ_OK;
}

static int hold_change(void *opaque, const struct tq_front_change *changes, size_t count,
                       struct tq_hold_result *out_results, struct tq_error *err)
{
    struct plan plan;
    plan.claims = NULL;
    plan.changes = changes;
    plan.results = out_results;
    plan.read = read_change;
    TQ_TRY(plan_begin(&plan, opaque, count, err));
    int rc = find_names(&plan, err);
    if (rc == TQ_E_UNKNOWN) { /* only read */
        rc = tq__fail(err, TQ_E_UNAVAILABLE, "store.redis", "the seats of a hold were not told");
    }
    enum redis_script_id script = plan.names ? REDIS_HOLD_RETAKE : REDIS_HOLD_CHANGE;
    rc = rc < 0 ? rc : run_plan(&plan, script, err);
    plan_done(&plan);
    return rc;
}

/* From Redis' order, in which the first seat of a byte has its highest bits. */
static void turn_bits(uint8_t *bits, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        unsigned byte = bits[i];
        bits[i] = (uint8_t)(byte >> 6 | (byte >> 2 & 0x0c) | (byte << 2 & 0x30) | byte << 6);
    }
}

/* {version, seats, held, paying, sold, bits} */
static int read_map(struct redis_call *call, struct redis_answer *answer)
{
    struct tq_seat_map *map = call->out;
    const redisReply *reply = answer->reply;
    int is_bad = reply->type != REDIS_REPLY_ARRAY || reply->elements != 6;
    if (is_gone(reply)) {
        return TQ_GONE;
    }
    if (is_bad) {
        return tq__redis_nonsense(call);
    }
    const redisReply *bits = reply->element[5];
    size_t room = map->bits ? map->bits_bytes : 0;
    size_t stored = bits->type == REDIS_REPLY_STRING ? (size_t)bits->len : 0;
    map->version = (uint64_t)tq__redis_number(reply, 0, &is_bad);
    map->seats_count = (uint32_t)tq__redis_number(reply, 1, &is_bad);
    map->counts[TQ_SEAT_AVAILABLE] = map->seats_count;
    for (size_t state = TQ_SEAT_HOLD; state <= TQ_SEAT_SOLD; state++) {
        map->counts[state] = (uint32_t)tq__redis_number(reply, 1 + state, &is_bad);
        map->counts[TQ_SEAT_AVAILABLE] -= map->counts[state];
    }
    map->bits_bytes = (map->seats_count + 3u) / 4;
    room = min_size(room, map->bits_bytes);
    if (room) { /* seats behind the last that was ever held are not stored */
        memset(map->bits, 0, room);
        memcpy(map->bits, bits->str ? bits->str : "", min_size(stored, room));
        turn_bits(map->bits, room);
    }
    return is_bad ? tq__redis_nonsense(call) : TQ_OK;
}

static int hold_map(void *opaque, const char *schedule, struct tq_seat_map *map,
                    struct tq_error *err)
{
    struct redis_state *state = opaque;
    const struct redis_text wants = tq__redis_text(map->bits && map->bits_bytes ? "1" : "0");
    struct redis_call call = {.script = REDIS_HOLD_MAP,
                              .tag = schedule,
                              .args = &wants,
                              .args_count = 1,
                              .read = read_map,
                              .out = map};
    int rc = tq__redis_run(state->client, &call, 1, err);
    return rc == TQ_E_UNKNOWN
               ? tq__fail(err, TQ_E_UNAVAILABLE, "store.redis", "the seat map was not told")
               : rc;
}

/* The agenda is told anew by who loads a schedule, so its server counts, too. */
static uint64_t hold_life(void *opaque, const char *schedule)
{
    struct redis_state *state = opaque;
    uint64_t life = tq__redis_life(state->client, schedule);
    return life ? life ^ tq__redis_life(state->client, tq__redis_agenda_tag) << 1 : 0;
}

const struct tq_hold_driver tq__redis_hold = {
    .size = sizeof(struct tq_hold_driver),
    .load = tq__redis_hold_load,
    .claim = hold_claim,
    .change = hold_change,
    .sweep = tq__redis_hold_sweep,
    .map = hold_map,
    .subscribe = tq__redis_ears_subscribe,
    .unsubscribe = tq__redis_ears_unsubscribe,
    .listen = tq__redis_ears_listen,
    .rouse = tq__redis_ears_rouse,
    .life = hold_life,
};
