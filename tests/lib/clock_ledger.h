/* SPDX-License-Identifier: MIT */
/*
 * A store driver around another one whose ledger tells the host's time instead of its
 * server's, so that tests of a server's ledger can move the clock.
 */
#ifndef TESTS_LIB_CLOCK_LEDGER_H
#define TESTS_LIB_CLOCK_LEDGER_H

#include <ticketq/driver/store.h>

/* One for the process: call it with the same driver each time. */
const struct tq_store_driver *clock_ledger_around(const struct tq_store_driver *inner);

#endif
