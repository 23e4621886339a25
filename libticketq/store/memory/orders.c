/* SPDX-License-Identifier: MIT */
/*
 * Carries out the orders of an operator on a room, and keeps the audit trail.
 *
 * The trail is a ring that grows to TQ_ROOM_AUDIT_MAX and then forgets its oldest.
 * Room for the new line is made first, so that nothing is done that could not
 * be written down. Threads: the room's lock is held.
 */
#include "store/memory/room.h"

#include <string.h>

#include "core/env.h"
#include "core/error.h"

#define TRAIL_FIRST 16

void tq__room_set_policy(struct tq__room *room, const struct tq_room_policy *policy)
{
    tq__bucket_fill(&room->bucket, &room->policy, room->now_ms);
    tq__bucket_convert(&room->bucket, &room->policy, policy);
    room->policy = *policy;
    if (room->next_sequence < policy->first_sequence) {
        room->next_sequence = policy->first_sequence;
    }
    if (room->epoch < policy->first_epoch) {
        room->epoch = policy->first_epoch;
    }
}

/* The number of the oldest line that is kept. */
static uint64_t trail_first(const struct tq__room *room)
{
    return room->trail_last < room->trail_room ? 1 : room->trail_last - room->trail_room + 1;
}

static struct tq_room_action *trail_at(const struct tq__room *room, uint64_t number)
{
    return &room->trail[(number - 1) % room->trail_room];
}

/* Until it is full size the ring has never wrapped, so it can grow in place. */
static int make_line(struct tq__room *room, struct tq_error *err)
{
    if (room->trail_last < room->trail_room || room->trail_room == TQ_ROOM_AUDIT_MAX) {
        return TQ_OK;
    }
    size_t wanted = room->trail_room ? room->trail_room * 2 : TRAIL_FIRST;
    struct tq_room_action *trail = tq__resize(room->env, room->trail, wanted, sizeof *trail);
    if (!trail) {
        return tq__nomem("store.memory", err);
    }
    room->trail = trail;
    room->trail_room = wanted;
    return TQ_OK;
}

static int is_repeated(const struct tq__room *room, const char *key)
{
    for (uint64_t n = room->trail_last; key[0] && n && n >= trail_first(room); n--) {
        if (strcmp(trail_at(room, n)->request_key, key) == 0) {
            return 1;
        }
    }
    return 0;
}

static void carry_out(struct tq__room *room, const struct tq_room_action *action)
{
    struct tq_room_policy policy = room->policy;
    switch (action->order) {
    case TQ_ROOM_PAUSE:
        room->is_paused = 1;
        break;
    case TQ_ROOM_RESUME:
        room->is_paused = room->is_draining = 0;
        break;
    case TQ_ROOM_SET_RATE:
        policy.rate = (uint32_t)action->value;
        break;
    case TQ_ROOM_SET_CAP:
        policy.max_active = (uint32_t)action->value;
        break;
    case TQ_ROOM_ADVANCE:
        tq__room_let_in(room, (uint64_t)action->value);
        break;
    case TQ_ROOM_DRAIN:
        room->is_draining = 1;
        break;
    case TQ_ROOM_RESET:
        tq__room_empty(room);
        room->epoch++;
        break;
    case TQ_ROOM_SET_OPEN:
        policy.open_ms = action->value;
        room->recovered_ms = 0;
        break;
    case TQ_ROOM_SET_CLOSE:
        policy.close_ms = action->value;
        break;
    }
    tq__room_set_policy(room, &policy);
}

int tq__room_order(struct tq__room *room, const struct tq_room_action *action, struct tq_error *err)
{
    if (is_repeated(room, action->request_key)) {
        return TQ_REPEAT;
    }
    TQ_TRY(make_line(room, err));
    carry_out(room, action);
    struct tq_room_action *line = trail_at(room, ++room->trail_last);
    *line = *action;
    line->at_ms = room->now_ms;
    line->number = room->trail_last;
    return TQ_OK;
}

size_t tq__room_trail(const struct tq__room *room, uint64_t after,
                      struct tq_room_action *out_actions, size_t room_for)
{
    uint64_t first = trail_first(room);
    uint64_t number = after < first ? first : after + 1;
    size_t count = 0;
    while (count < room_for && number <= room->trail_last) {
        out_actions[count++] = *trail_at(room, number++);
    }
    return count;
}
