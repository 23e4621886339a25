/* SPDX-License-Identifier: MIT */
/*
 * The reference of the model suite: no index, no ring, no cleverness.
 */
#include "model/room/reference.h"

#include <string.h>

static uint64_t brim(const struct ref_room *room)
{
    uint64_t burst = room->policy.burst ? room->policy.burst : room->policy.rate;
    return burst * room->policy.rate_per_ms;
}

void ref_begin(struct ref_room *room, const struct tq_room_policy *policy, int64_t now_ms)
{
    int has_bug = room->has_bug;
    memset(room, 0, sizeof *room);
    room->has_bug = has_bug;
    room->policy = *policy;
    room->now_ms = now_ms;
    room->next = policy->first_sequence ? policy->first_sequence : 1;
    room->epoch = policy->first_epoch ? policy->first_epoch : 1;
    room->level = brim(room);
    room->shards = policy->shards ? policy->shards : 1;
}

unsigned ref_count(const struct ref_room *room, enum tq_visit visit)
{
    unsigned count = 0;
    for (unsigned i = 0; i < REF_VISITORS; i++) {
        count += room->visitors[i].visit == visit;
    }
    return count;
}

static int64_t expiry(const struct ref_room *room, const struct ref_visitor *visitor)
{
    if (visitor->visit == TQ_VISIT_WAITING) {
        return visitor->seen_ms + room->policy.waiting_ms;
    }
    int64_t silence = visitor->seen_ms + room->policy.active_ms;
    int64_t age = visitor->since_ms + room->policy.pass_ms;
    return silence < age ? silence : age;
}

unsigned ref_clock(struct ref_room *room, int64_t now_ms)
{
    unsigned freed = 0;
    while (room->now_ms < now_ms && room->level < brim(room)) {
        room->now_ms++;
        room->level += room->policy.rate;
    }
    room->now_ms = now_ms;
    room->level = room->level < brim(room) ? room->level : brim(room);
    for (unsigned i = 0; i < REF_VISITORS; i++) {
        struct ref_visitor *visitor = &room->visitors[i];
        if (visitor->visit != TQ_VISIT_NONE && expiry(room, visitor) <= now_ms) {
            freed += visitor->visit == TQ_VISIT_ADMITTED;
            room->skipped += visitor->visit == TQ_VISIT_WAITING;
            visitor->visit = TQ_VISIT_NONE;
        }
    }
    return freed;
}

static int is_before(const struct ref_room *room, const struct ref_visitor *other,
                     const struct ref_visitor *visitor)
{
    return other->visit == TQ_VISIT_WAITING && other->sequence < visitor->sequence &&
           (visitor->sequence - other->sequence) % room->shards == 0;
}

static struct ref_spot spot_of(const struct ref_room *room, const struct ref_visitor *visitor)
{
    struct ref_spot spot = {TQ_OK, visitor->visit, visitor->sequence, 0, expiry(room, visitor)};
    for (unsigned i = 0; visitor->visit == TQ_VISIT_WAITING && i < REF_VISITORS; i++) {
        spot.ahead += is_before(room, &room->visitors[i], visitor) ? (uint64_t)room->shards : 0;
    }
    return spot;
}

static int is_free(const struct ref_room *room, int64_t sequence)
{
    for (unsigned i = 0; i < REF_VISITORS; i++) {
        const struct ref_visitor *other = &room->visitors[i];
        if (other->visit == TQ_VISIT_WAITING && other->sequence == sequence) {
            return 0;
        }
    }
    return !room->spent[sequence];
}

static struct ref_spot come(struct ref_room *room, unsigned at, enum tq_visit visit,
                            int64_t sequence)
{
    struct ref_visitor *visitor = &room->visitors[at];
    *visitor = (struct ref_visitor){visit, sequence, room->now_ms, room->now_ms};
    room->spent[sequence] = visit == TQ_VISIT_ADMITTED;
    if (visit == TQ_VISIT_ADMITTED && sequence > room->serving) {
        room->serving = sequence;
    }
    room->next = sequence >= room->next ? sequence + 1 : room->next;
    return spot_of(room, visitor);
}

/* The next number is one of the visitor's shard: of the next few, the one that was told. */
static int64_t next_number(const struct ref_room *room, int64_t told)
{
    int is_next = told >= room->next && told < room->next + room->shards;
    return is_next ? told : room->next;
}

struct ref_spot ref_enter(struct ref_room *room, unsigned at, const struct ref_token *token,
                          int is_genuine, int64_t told)
{
    struct ref_visitor *visitor = &room->visitors[at];
    int is_closed = room->policy.close_ms && room->now_ms >= room->policy.close_ms;
    int is_good = token->sequence && is_genuine && room->now_ms < token->good_until_ms;
    if (visitor->visit != TQ_VISIT_NONE) {
        return ref_place(room, at);
    }
    if (token->sequence && (!is_genuine || (is_good && token->epoch < room->epoch))) {
        return (struct ref_spot){.status = TQ_REFUSED};
    }
    int is_back = is_good && is_free(room, token->sequence);
    if (is_back && token->is_pass) {
        return come(room, at, TQ_VISIT_ADMITTED, token->sequence);
    }
    if (is_closed || (room->is_draining && !is_back)) {
        return (struct ref_spot){.status = TQ_CLOSED};
    }
    if (is_back) {
        return come(room, at, TQ_VISIT_WAITING, token->sequence);
    }
    unsigned full = room->policy.capacity + (unsigned)room->has_bug;
    if (ref_count(room, TQ_VISIT_WAITING) >= full) {
        return (struct ref_spot){.status = TQ_FULL};
    }
    return come(room, at, TQ_VISIT_WAITING, next_number(room, told));
}

struct ref_spot ref_place(struct ref_room *room, unsigned at)
{
    struct ref_visitor *visitor = &room->visitors[at];
    if (visitor->visit == TQ_VISIT_NONE) {
        return (struct ref_spot){.status = TQ_GONE};
    }
    visitor->seen_ms = room->now_ms;
    return spot_of(room, visitor);
}

int ref_leave(struct ref_room *room, unsigned at)
{
    struct ref_visitor *visitor = &room->visitors[at];
    if (visitor->visit == TQ_VISIT_NONE) {
        return TQ_GONE;
    }
    room->spent[visitor->sequence] = 1;
    visitor->visit = TQ_VISIT_NONE;
    return TQ_OK;
}

/* Lets in who has the smallest number; 0 when nobody waits. */
static int let_one_in(struct ref_room *room)
{
    struct ref_visitor *first = NULL;
    for (unsigned i = 0; i < REF_VISITORS; i++) {
        struct ref_visitor *visitor = &room->visitors[i];
        if (visitor->visit == TQ_VISIT_WAITING && (!first || visitor->sequence < first->sequence)) {
            first = visitor;
        }
    }
    if (!first) {
        return 0;
    }
    *first = (struct ref_visitor){TQ_VISIT_ADMITTED, first->sequence, room->now_ms, room->now_ms};
    room->spent[first->sequence] = 1;
    room->serving = first->sequence > room->serving ? first->sequence : room->serving;
    room->admitted++;
    return 1;
}

unsigned ref_tick(struct ref_room *room)
{
    const struct tq_room_policy *policy = &room->policy;
    int is_closed = policy->close_ms && room->now_ms >= policy->close_ms;
    unsigned admitted = 0;
    if (room->is_paused || room->now_ms < policy->open_ms || is_closed) {
        return 0;
    }
    while (room->level >= policy->rate_per_ms &&
           ref_count(room, TQ_VISIT_ADMITTED) < policy->max_active && let_one_in(room)) {
        room->level -= policy->rate_per_ms;
        admitted++;
    }
    return admitted;
}

void ref_order(struct ref_room *room, uint32_t order, int64_t value)
{
    room->is_paused = order == TQ_ROOM_PAUSE || (order != TQ_ROOM_RESUME && room->is_paused);
    room->is_draining = order == TQ_ROOM_DRAIN || (order != TQ_ROOM_RESUME && room->is_draining);
    room->policy.rate = order == TQ_ROOM_SET_RATE ? (uint32_t)value : room->policy.rate;
    room->policy.max_active = order == TQ_ROOM_SET_CAP ? (uint32_t)value : room->policy.max_active;
    room->policy.open_ms = order == TQ_ROOM_SET_OPEN ? value : room->policy.open_ms;
    room->policy.close_ms = order == TQ_ROOM_SET_CLOSE ? value : room->policy.close_ms;
    for (int64_t i = 0; order == TQ_ROOM_ADVANCE && i < value; i++) {
        let_one_in(room);
    }
    if (order == TQ_ROOM_RESET) {
        memset(room->visitors, 0, sizeof room->visitors);
        memset(room->spent, 0, sizeof room->spent);
        room->epoch++;
    }
    room->level = room->level < brim(room) ? room->level : brim(room);
}
