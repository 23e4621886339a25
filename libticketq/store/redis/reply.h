/* SPDX-License-Identifier: MIT */
/*
 * What an error reply means.
 */
#ifndef TQ_STORE_REDIS_REPLY_H
#define TQ_STORE_REDIS_REPLY_H

#include "store/redis/address.h"

/* What to do about a command that was answered with an error; it has had no effect. */
enum redis_remedy {
    REDIS_FAIL,  /* tell the caller */
    REDIS_LATER, /* once more after a pause */
    REDIS_MAP,   /* once more after a pause, with a new map of the slots */
    REDIS_TEXT,  /* once more with the script's text */
    REDIS_MOVED, /* at the address that is told, from now on */
    REDIS_ASK    /* at the address that is told, this once */
};

struct redis_meaning {
    const char *code; /* the first word of the error */
    int status;
    enum redis_remedy remedy;
};

const struct redis_meaning *tq__redis_meaning(const char *error);
/* The address in `MOVED <slot> <host>:<port>`; an empty host is that of `from`. 0 or -1. */
int tq__redis_redirect(const char *error, const struct redis_address *from,
                       struct redis_address *out_address);

#endif
