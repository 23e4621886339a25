/* SPDX-License-Identifier: MIT */
/*
 * Acknowledgements come in any order; Kafka keeps one number a partition, below which
 * everything is done. So a message that is done waits behind those that are not:
 *
 *     live      4 done  5  6 done  7      position 5: 4 is forgotten, 6 waits for 5
 *
 * Offsets may have gaps (transactions, compaction), which are of nobody's concern:
 * the position moves to the one behind the last that is done.
 *
 * When the partition goes to another member, what is held becomes stray: the inbox
 * still has it in hand, and may finish it, but that moves no position; the other
 * member gets it too, and claims tell who was first. When the partition comes back and
 * with it a message that is a stray here, that one is adopted, not handed out twice.
 *
 * Cost: constant, but for a walk over the strays, of which there are few. Invariants: live
 * is ascending; its first one is not done. Threads: its consumer's.
 */
#include "transport/kafka/track.h"

#include "core/env.h"

static void push(struct kafka_held_list *list, struct kafka_held *held)
{
    held->next = NULL;
    held->previous = list->last;
    *(list->last ? &list->last->next : &list->first) = held;
    list->last = held;
}

static void pull(struct kafka_held_list *list, struct kafka_held *held)
{
    *(held->previous ? &held->previous->next : &list->first) = held->next;
    *(held->next ? &held->next->previous : &list->last) = held->previous;
}

static void forget(struct kafka_held_list *list, struct kafka_held *held)
{
    const struct tq_env *env = held->track->env;
    pull(list, held);
    tq__release(env, held);
}

void tq__track_open(struct kafka_track *track, const struct tq_env *env)
{
    *track = (struct kafka_track){.env = env, .position = -1, .committed = -1};
}

void tq__track_done(struct kafka_track *track)
{
    while (track->live.first) {
        forget(&track->live, track->live.first);
    }
    while (track->strays.first) {
        forget(&track->strays, track->strays.first);
    }
}

void tq__track_add(struct kafka_track *track, struct kafka_held *held)
{
    held->track = track;
    held->is_done = held->is_stray = 0;
    push(&track->live, held);
}

int tq__track_adopts(struct kafka_track *track, int64_t offset)
{
    for (struct kafka_held *at = track->strays.first; at; at = at->next) {
        if (at->offset == offset) {
            pull(&track->strays, at);
            tq__track_add(track, at);
            return 1;
        }
    }
    return 0;
}

void tq__track_ack(struct kafka_held *held)
{
    struct kafka_track *track = held->track;
    if (held->is_stray) {
        forget(&track->strays, held);
        return;
    }
    held->is_done = 1;
    while (track->live.first && track->live.first->is_done) {
        track->position = track->live.first->offset + 1;
        forget(&track->live, track->live.first);
    }
}

int tq__track_is_dirty(const struct kafka_track *track)
{
    return track->position >= 0 && track->position != track->committed;
}

void tq__track_give_up(struct kafka_track *track)
{
    while (track->live.first) {
        struct kafka_held *held = track->live.first;
        if (held->is_done) {
            forget(&track->live, held);
            continue;
        }
        pull(&track->live, held);
        held->is_stray = 1;
        push(&track->strays, held);
    }
    track->position = track->committed = -1;
}
