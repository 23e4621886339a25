/* SPDX-License-Identifier: MIT */
/*
 * As much of an app as reads from another service by HTTP, and that service, whose
 * next answer the test decides.
 */
#ifndef TESTS_UNIT_SERVERS_READER_H
#define TESTS_UNIT_SERVERS_READER_H

#include "app/internal.h"
#include "rig.h"

struct reader {
    struct app app;
    struct rig rig;
    struct app_option option; /* the base URL, and its name and words */
    char name[TQ_ID_SIZE], word[2 * TQ_ID_SIZE], url[TQ_ID_SIZE];
    unsigned status;  /* of the next answers */
    const char *body; /* a JSON document */
    char path[256];   /* of the last request */
    int was_signed;   /* it had a token for services */
};

/* `service`: who is read from. */
void reader_open(struct reader *reader, const char *service);
void reader_close(struct reader *reader);

#endif
