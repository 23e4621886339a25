/* SPDX-License-Identifier: MIT */
/*
 * The drivers that a build may contain.
 */
#ifndef TQ_TRANSPORT_BUILTIN_H
#define TQ_TRANSPORT_BUILTIN_H

#include <ticketq/driver/transport.h>

extern const struct tq_transport_driver tq__inproc_driver;
extern const struct tq_transport_driver tq__kafka_driver;

#endif
