/* SPDX-License-Identifier: MIT */
/**
 * @file ticketq/driver/ledger.h
 * @brief The ledger table of a store driver: transactions and SQL.
 */
#ifndef TICKETQ_DRIVER_LEDGER_H
#define TICKETQ_DRIVER_LEDGER_H

#include <ticketq/ledger.h>

struct tq_ledger_driver {
    size_t size;
};

#endif /* TICKETQ_DRIVER_LEDGER_H */
