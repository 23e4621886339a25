/* SPDX-License-Identifier: MIT */
/*
 * How long a visitor will wait, and when to ask again: arithmetic only.
 */
#ifndef TQ_ROOM_WAIT_H
#define TQ_ROOM_WAIT_H

#include <ticketq/driver/room.h>

struct tq__wait {
    int64_t low_ms;  /* -1: not known */
    int64_t high_ms; /* -1: not known */
};

/* The wait of somebody in line with `ahead` before. */
struct tq__wait tq__wait_of(const struct tq_room_view *view, uint64_t ahead);
/* When this one should ask again; `chance` is any 32 random bits. */
uint32_t tq__poll_after_ms(const struct tq_room_view *view, const struct tq_room_spot *spot,
                           const struct tq__wait *wait, uint32_t chance);

#endif
