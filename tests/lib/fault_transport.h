/* SPDX-License-Identifier: MIT */
/*
 * A transport driver around inproc that fails on purpose, and remembers what was
 * handed over.
 *
 *     tq_transport_open(&env, TQ_ARGS(tq_transport_options, .url = "inproc:",
 *                       .driver = &fault_transport_driver), &transport, &err);
 */
#ifndef TESTS_LIB_FAULT_TRANSPORT_H
#define TESTS_LIB_FAULT_TRANSPORT_H

#include <ticketq/driver/transport.h>

#define FAULT_TAPE_MAX 8192

/* A message that reached the transport behind. */
struct fault_message {
    char key[TQ_ID_SIZE];
    char id[TQ_ID_SIZE]; /* ce_id */
    int n;               /* of {"n":N} */
};

/* One plan for the process. */
struct fault_transport {
    int publish_status;   /* publish is this failure; 0: works */
    int report_status;    /* messages are not delivered, and reported with this; 0: works */
    char key[TQ_ID_SIZE]; /* ... only those of this key; "": all */
    int every;            /* ... only each so-manieth; 0: all */
    int is_delivered;     /* ... and delivered all the same: the good report is lost */
    size_t accept_max;    /* publish accepts so many at once; 0: all */
    int is_silent;        /* reports are kept back */
    long calls;           /* of publish, reports and poll */
    long fail_at;         /* that call fails with TQ_E_UNAVAILABLE; 0: none */
    struct fault_message tape[FAULT_TAPE_MAX];
    size_t tape_count;
};

extern struct fault_transport fault_transport;
extern const struct tq_transport_driver fault_transport_driver;

/* Everything works again, and the tape is empty. */
void fault_transport_reset(void);
tq_transport *fault_transport_open(const struct tq_env *env);
/* Of the events of a key on the tape, each follows the one before it or repeats what was there. */
int fault_tape_is_in_order(const char *key);
size_t fault_tape_count(const char *key);

#endif
