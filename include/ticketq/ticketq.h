/* SPDX-License-Identifier: MIT */
/**
 * @file ticketq/ticketq.h
 * @brief Everything a user of libticketq includes.
 *
 * Four concepts, each with a header of its own: room (who may come in), hold
 * (who has which seat), outbox (telling others of a change, exactly as often as
 * it happened) and saga (a purchase that ends paid or undone). They work on a
 * store (store.h, ledger.h) and a transport (transport.h) that the host opens
 * by URL, and take clock, randomness and memory from an environment (env.h).
 */
#ifndef TICKETQ_TICKETQ_H
#define TICKETQ_TICKETQ_H

#include <ticketq/base.h>
#include <ticketq/status.h>
#include <ticketq/env.h>
#include <ticketq/store.h>
#include <ticketq/ledger.h>
#include <ticketq/transport.h>
#include <ticketq/token.h>
#include <ticketq/room.h>
#include <ticketq/hold.h>
#include <ticketq/outbox.h>
#include <ticketq/saga.h>

#endif /* TICKETQ_TICKETQ_H */
