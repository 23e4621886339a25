/* SPDX-License-Identifier: MIT */
/**
 * @file ticketq/driver/hold.h
 * @brief The hold table of a store driver: a front for seat holds.
 */
#ifndef TICKETQ_DRIVER_HOLD_H
#define TICKETQ_DRIVER_HOLD_H

#include <ticketq/hold.h>

struct tq_hold_driver {
    size_t size;
};

#endif /* TICKETQ_DRIVER_HOLD_H */
