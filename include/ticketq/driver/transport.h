/* SPDX-License-Identifier: MIT */
/**
 * @file ticketq/driver/transport.h
 * @brief What somebody who writes a transport driver reads.
 */
#ifndef TICKETQ_DRIVER_TRANSPORT_H
#define TICKETQ_DRIVER_TRANSPORT_H

#include <ticketq/outbox.h>
#include <ticketq/transport.h>

/** Raised when a slot changes its meaning; slots are only ever appended otherwise. */
#define TQ_TRANSPORT_ABI 1u

struct tq_transport_driver {
    size_t size;
};

#endif /* TICKETQ_DRIVER_TRANSPORT_H */
