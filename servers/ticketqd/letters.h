/* SPDX-License-Identifier: MIT */
/*
 * Dead letters: ticketqd letters --transport URL --topic TOPIC [--replay URL].
 */
#ifndef TQ_TICKETQD_LETTERS_H
#define TQ_TICKETQD_LETTERS_H

/* Returns the exit status: 0 read, 1 an event could not be replayed, 2 it could not be read. */
int letters_main(int argc, char **argv);

#endif
