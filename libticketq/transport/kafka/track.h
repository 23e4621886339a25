/* SPDX-License-Identifier: MIT */
/*
 * Which messages of a partition a member holds, and up to where it is done.
 */
#ifndef TQ_TRANSPORT_KAFKA_TRACK_H
#define TQ_TRANSPORT_KAFKA_TRACK_H

#include <ticketq/driver/transport.h>

struct kafka_track;

/* A message that was handed out: one block of memory with all its text. */
struct kafka_held {
    struct kafka_held *next, *previous;
    struct kafka_track *track;
    int64_t offset;
    int is_done;  /* acknowledged, and one before it is not */
    int is_stray; /* the partition went to another member meanwhile */
    struct tq_message message;
    struct tq_header headers[];
};

struct kafka_held_list {
    struct kafka_held *first, *last;
};

struct kafka_track {
    const struct tq_env *env;
    struct kafka_held_list live, strays; /* live by offset */
    int64_t position;                    /* everything below is done; -1: not known */
    int64_t committed;                   /* the last position that was told; -1: none */
};

void tq__track_open(struct kafka_track *track, const struct tq_env *env);
/* Frees what is held. */
void tq__track_done(struct kafka_track *track);

/* True when a message that has come again is held already; it counts as live again. */
int tq__track_adopts(struct kafka_track *track, int64_t offset);
/* Takes over a message that is handed out; of a track in ascending order. */
void tq__track_add(struct kafka_track *track, struct kafka_held *held);
/* Frees the message, now or when those before it are done. */
void tq__track_ack(struct kafka_held *held);
/* True when there is something to commit: the position. */
int tq__track_is_dirty(const struct kafka_track *track);
/* The partition is another member's: what is held is stray. */
void tq__track_give_up(struct kafka_track *track);

#endif
