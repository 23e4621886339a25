/* SPDX-License-Identifier: MIT */
/*
 * The tokens of a room: what they prove at the door, and what is signed.
 */
#ifndef TQ_ROOM_PROOF_H
#define TQ_ROOM_PROOF_H

#include <ticketq/driver/room.h>

/* Fill an arrival from what a visitor shows. TQ_OK, or a failure of the environment. */
int tq__proof_read(tq_keys *keys, const char *room, const struct tq_visitor *visitor,
                   struct tq_room_arrival *out_arrival, struct tq_error *err);

/* Sign what a spot stands for into the tokens of a place. */
int tq__proof_sign(tq_keys *keys, const char *room, const char *visitor,
                   const struct tq_room_view *view, const struct tq_room_spot *spot,
                   struct tq_place *out_place, struct tq_error *err);

#endif
