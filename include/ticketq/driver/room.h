/* SPDX-License-Identifier: MIT */
/**
 * @file ticketq/driver/room.h
 * @brief The room table of a store driver: line, place, tick, leave, state.
 */
#ifndef TICKETQ_DRIVER_ROOM_H
#define TICKETQ_DRIVER_ROOM_H

#include <ticketq/room.h>

struct tq_room_driver {
    size_t size;
};

#endif /* TICKETQ_DRIVER_ROOM_H */
