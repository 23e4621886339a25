/* SPDX-License-Identifier: MIT */
/*
 * Moves the visitors of a room: the table at the top of ticketq/driver/room.h.
 *
 * A visitor is one record, found by id in a map. Who waits is also in the line,
 * at the number; who is inside is not, and the number is spent. Leases of one
 * kind are equally long, so a ring in the order of the last word heard has those
 * whose time is over at its front: hearing somebody moves a link to the end, and a
 * sweep looks at nobody whose lease still runs. Time inside is bounded twice, by
 * silence and by age, hence a second ring.
 *
 * Cost: O(1) expected for each move and O(levels of the line) for a place; a
 * sweep is paid for by those it ends. Threads: the room's lock is held.
 */
#include "store/memory/room.h"

#include <string.h>

#include "core/env.h"
#include "core/error.h"

#define OWNER(link, member)                                                                        \
    ((struct tq__visitor *)(void *)((char *)(link)-offsetof(struct tq__visitor, member)))

static void append(struct tq__link *ring, struct tq__link *link)
{
    link->previous = ring->previous;
    link->next = ring;
    ring->previous->next = link;
    ring->previous = link;
}

static void detach(struct tq__link *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
}

static int64_t expiry(const struct tq__room *room, const struct tq__visitor *visitor)
{
    const struct tq_room_policy *policy = &room->policy;
    if (!visitor->is_inside) {
        return visitor->seen_ms + policy->waiting_ms;
    }
    int64_t silence = visitor->seen_ms + policy->active_ms;
    int64_t age = visitor->admitted_ms + policy->pass_ms;
    return silence < age ? silence : age;
}

/* Ends a visit; the number stays what the caller made it. */
static void forget(struct tq__room *room, struct tq__visitor *visitor)
{
    detach(&visitor->by_seen);
    if (visitor->is_inside) {
        detach(&visitor->by_age);
        room->active_count--;
    }
    tq__map_remove(&room->visitors, visitor->id);
    tq__release(room->env, visitor);
}

static uint32_t sweep_waiting(struct tq__room *room)
{
    uint32_t count = 0;
    while (room->waiting.next != &room->waiting) {
        struct tq__visitor *visitor = OWNER(room->waiting.next, by_seen);
        if (expiry(room, visitor) > room->now_ms) {
            break;
        }
        tq__line_free(&room->line, visitor->sequence);
        forget(room, visitor);
        count++;
    }
    room->skipped += count;
    return count;
}

static uint32_t sweep_inside(struct tq__room *room)
{
    uint32_t count = 0;
    for (int is_over = 1; is_over && room->active_count;) {
        struct tq__visitor *silent = OWNER(room->active.next, by_seen);
        struct tq__visitor *oldest = OWNER(room->inside.next, by_age);
        struct tq__visitor *first = expiry(room, silent) <= room->now_ms ? silent : oldest;
        is_over = expiry(room, first) <= room->now_ms;
        if (is_over) {
            forget(room, first);
            count++;
        }
    }
    return count;
}

struct tq__swept tq__room_sweep(struct tq__room *room, int64_t now_ms)
{
    room->now_ms = now_ms > room->now_ms ? now_ms : room->now_ms;
    struct tq__swept swept = {sweep_waiting(room), sweep_inside(room)};
    tq__flow_note(&room->flow, room->now_ms, 0, swept.skipped);
    return swept;
}

static void hear(struct tq__room *room, struct tq__visitor *visitor)
{
    visitor->seen_ms = room->now_ms;
    detach(&visitor->by_seen);
    append(visitor->is_inside ? &room->active : &room->waiting, &visitor->by_seen);
}

static void describe(const struct tq__room *room, const struct tq__visitor *visitor,
                     struct tq_room_spot *out_spot)
{
    *out_spot = (struct tq_room_spot){
        .status = TQ_OK,
        .visit = visitor->is_inside ? TQ_VISIT_ADMITTED : TQ_VISIT_WAITING,
        .sequence = visitor->sequence,
        .ahead = visitor->is_inside ? 0 : tq__line_ahead(&room->line, visitor->sequence),
        .expires_ms = expiry(room, visitor),
    };
}

static void begin_inside(struct tq__room *room, struct tq__visitor *visitor)
{
    visitor->is_inside = 1;
    visitor->admitted_ms = visitor->seen_ms = room->now_ms;
    append(&room->active, &visitor->by_seen);
    append(&room->inside, &visitor->by_age);
    room->active_count++;
    if (visitor->sequence > room->serving) {
        room->serving = visitor->sequence;
    }
}

/* What an arrival comes to: steps 1 to 6 of the enter slot. */
struct entry {
    int status;
    int is_inside;
    int64_t sequence;
};

static struct entry decide(const struct tq__room *room, const struct tq_room_arrival *arrival)
{
    const struct tq_room_policy *policy = &room->policy;
    int is_back = arrival->visit != TQ_VISIT_NONE;
    if (is_back && arrival->epoch < room->epoch) {
        return (struct entry){TQ_REFUSED, 0, 0};
    }
    is_back = is_back && tq__line_look(&room->line, arrival->sequence) == TQ__LINE_FREE;
    if (is_back && arrival->visit == TQ_VISIT_ADMITTED) {
        return (struct entry){TQ_OK, 1, arrival->sequence};
    }
    if (policy->close_ms && room->now_ms >= policy->close_ms) {
        return (struct entry){TQ_CLOSED, 0, 0};
    }
    if (is_back) {
        return (struct entry){TQ_OK, 0, arrival->sequence};
    }
    if (room->is_draining) {
        return (struct entry){TQ_CLOSED, 0, 0};
    }
    int is_full = room->line.count >= policy->capacity;
    return (struct entry){is_full ? TQ_FULL : TQ_OK, 0, room->next_sequence};
}

static struct tq__visitor *new_visitor(struct tq__room *room, const char *id, int64_t sequence)
{
    size_t bytes = strlen(id) + 1;
    struct tq__visitor *visitor = tq__alloc(room->env, 1, sizeof *visitor + bytes);
    if (visitor) {
        memcpy(visitor->id, id, bytes);
        visitor->sequence = sequence;
        visitor->seen_ms = room->now_ms;
    }
    return visitor;
}

/* Puts a visitor where the entry says: all that can fail, then all that cannot. */
static int settle(struct tq__room *room, struct tq__visitor *visitor, const struct entry *entry,
                  struct tq_error *err)
{
    TQ_TRY(tq__map_reserve(&room->visitors, 1, err));
    if (entry->is_inside) {
        TQ_TRY(tq__line_mark(&room->line, entry->sequence, err));
        begin_inside(room, visitor);
    } else {
        TQ_TRY(tq__line_put(&room->line, entry->sequence, visitor, err));
        append(&room->waiting, &visitor->by_seen);
    }
    if (entry->sequence >= room->next_sequence) {
        room->next_sequence = entry->sequence + 1;
    }
    return tq__map_put(&room->visitors, visitor->id, visitor, err);
}

int tq__room_arrive(struct tq__room *room, const struct tq_room_arrival *arrival,
                    struct tq__visitor **newest, struct tq_room_spot *out_spot,
                    struct tq_error *err)
{
    struct tq__visitor *visitor = tq__map_get(&room->visitors, arrival->id);
    if (visitor) {
        hear(room, visitor);
        describe(room, visitor, out_spot);
        return TQ_OK;
    }
    struct entry entry = decide(room, arrival);
    *out_spot = (struct tq_room_spot){.status = entry.status};
    if (entry.status != TQ_OK) {
        return TQ_OK;
    }
    visitor = new_visitor(room, arrival->id, entry.sequence);
    int rc = visitor ? settle(room, visitor, &entry, err) : tq__nomem("store.memory", err);
    if (rc < 0) {
        tq__release(room->env, visitor);
        return rc;
    }
    visitor->newer = *newest;
    *newest = visitor;
    describe(room, visitor, out_spot);
    return TQ_OK;
}

void tq__room_take_back(struct tq__room *room, struct tq__visitor *newest)
{
    for (struct tq__visitor *next; newest; newest = next) {
        next = newest->newer;
        tq__line_free(&room->line, newest->sequence);
        forget(room, newest);
    }
}

void tq__room_hear(struct tq__room *room, const char *id, struct tq_room_spot *out_spot)
{
    struct tq__visitor *visitor = tq__map_get(&room->visitors, id);
    if (!visitor) {
        *out_spot = (struct tq_room_spot){.status = TQ_GONE};
        return;
    }
    hear(room, visitor);
    describe(room, visitor, out_spot);
}

int tq__room_depart(struct tq__room *room, const char *id)
{
    struct tq__visitor *visitor = tq__map_get(&room->visitors, id);
    if (!visitor) {
        return TQ_GONE;
    }
    if (!visitor->is_inside) {
        tq__line_spend(&room->line, visitor->sequence);
        tq__flow_note(&room->flow, room->now_ms, 0, 1);
    }
    forget(room, visitor);
    return TQ_OK;
}

uint64_t tq__room_let_in(struct tq__room *room, uint64_t count)
{
    uint64_t done = 0;
    for (; done < count && room->line.count; done++) {
        struct tq__visitor *visitor = tq__line_first(&room->line);
        tq__line_spend(&room->line, visitor->sequence);
        detach(&visitor->by_seen);
        begin_inside(room, visitor);
    }
    room->admitted += done;
    tq__flow_note(&room->flow, room->now_ms, done, 0);
    if (room->line.count == 0) {
        tq__flow_init(&room->flow, room->now_ms);
    }
    return done;
}

/* When the next slot inside runs out; 0 when nobody is inside. */
static int64_t next_freed_ms(const struct tq__room *room)
{
    if (!room->active_count) {
        return 0;
    }
    int64_t silent = expiry(room, OWNER(room->active.next, by_seen));
    int64_t oldest = expiry(room, OWNER(room->inside.next, by_age));
    return silent < oldest ? silent : oldest;
}

static int64_t opens_ms(const struct tq__room *room)
{
    int64_t open_ms = room->policy.open_ms;
    int is_later = room->recovered_ms > room->now_ms && room->recovered_ms > open_ms;
    return is_later ? room->recovered_ms : open_ms;
}

void tq__room_tick(struct tq__room *room, struct tq_room_tick *out_tick)
{
    struct tq__admit admit = {.policy = &room->policy,
                              .now_ms = room->now_ms,
                              .active = room->active_count,
                              .waiting = room->line.count,
                              .opens_ms = opens_ms(room),
                              .is_paused = room->is_paused};
    uint64_t admitted = tq__room_let_in(room, tq__admit_count(&admit, &room->bucket));
    tq__bucket_take(&room->bucket, &room->policy, admitted);
    admit.active += admitted;
    admit.waiting -= admitted;
    out_tick->admitted = (uint32_t)admitted;
    out_tick->next_ms = tq__admit_next_ms(&admit, &room->bucket, next_freed_ms(room));
}

void tq__room_empty(struct tq__room *room)
{
    tq__line_clear(&room->line);
    while (room->waiting.next != &room->waiting) {
        forget(room, OWNER(room->waiting.next, by_seen));
    }
    while (room->active.next != &room->active) {
        forget(room, OWNER(room->active.next, by_seen));
    }
}

void tq__room_show(struct tq__room *room, struct tq_room_view *out_view)
{
    *out_view = (struct tq_room_view){
        .size = sizeof *out_view,
        .policy = room->policy,
        .state = {.size = sizeof out_view->state,
                  .now_ms = room->now_ms,
                  .open_ms = opens_ms(room),
                  .close_ms = room->policy.close_ms,
                  .serving = room->serving,
                  .tail = room->next_sequence - 1,
                  .waiting = room->line.count,
                  .active = room->active_count,
                  .admitted = room->admitted,
                  .skipped = room->skipped,
                  .rate = room->policy.rate,
                  .rate_per_ms = room->policy.rate_per_ms,
                  .max_active = room->policy.max_active,
                  .is_paused = (uint32_t)room->is_paused,
                  .is_draining = (uint32_t)room->is_draining,
                  .epoch = room->epoch},
        .recent_admitted = room->flow.admitted[0] + room->flow.admitted[1],
        .recent_gone = room->flow.gone[0] + room->flow.gone[1],
        .recent_ms = tq__flow_ms(&room->flow, room->now_ms),
    };
}
