/* SPDX-License-Identifier: MIT */
/*
 * What a host may ask of a room.
 */
#ifndef TQ_ROOM_POLICY_H
#define TQ_ROOM_POLICY_H

#include <ticketq/room.h>

/* Read a host's policy (NULL: all defaults) and fill in the defaults. */
int tq__policy_read(struct tq_room_policy *target, const struct tq_room_policy *policy,
                    struct tq_error *err);
/* Read and check an order. */
int tq__order_read(struct tq_room_action *target, const struct tq_room_action *action,
                   struct tq_error *err);

#endif
