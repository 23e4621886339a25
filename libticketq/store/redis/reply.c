/* SPDX-License-Identifier: MIT */
/*
 * Error replies of Redis: one table from the first word to a status and a remedy.
 *
 * Our scripts begin with `#!lua`, so Redis refuses one as a whole, before its
 * first command, where memory, replicas, persistence or the slot stand against
 * it: after these errors nothing was done. An error out of the middle of a script
 * is a fault of ours, and what was done before it stays. Threads: [pure].
 */
#include "store/redis/reply.h"

#include <string.h>

static const struct redis_meaning meanings[] = {
    {"NOSCRIPT", TQ_E_UNAVAILABLE, REDIS_TEXT},
    {"MOVED", TQ_E_UNAVAILABLE, REDIS_MOVED},
    {"ASK", TQ_E_UNAVAILABLE, REDIS_ASK},
    {"TRYAGAIN", TQ_E_UNAVAILABLE, REDIS_LATER}, /* half of the keys have moved */
    {"LOADING", TQ_E_UNAVAILABLE, REDIS_LATER},  /* reads its file after a start */
    {"BUSY", TQ_E_UNAVAILABLE, REDIS_LATER},     /* somebody's script takes too long */
    {"NOREPLICAS", TQ_E_UNAVAILABLE, REDIS_LATER},
    {"CLUSTERDOWN", TQ_E_UNAVAILABLE, REDIS_MAP},
    {"MASTERDOWN", TQ_E_UNAVAILABLE, REDIS_MAP},
    {"READONLY", TQ_E_UNAVAILABLE, REDIS_MAP}, /* became a replica */
    {"OOM", TQ_E_UNAVAILABLE, REDIS_FAIL},
    {"MISCONF", TQ_E_UNAVAILABLE, REDIS_FAIL}, /* cannot write its file */
    {"NOAUTH", TQ_E_UNAVAILABLE, REDIS_FAIL},
    {"NOPERM", TQ_E_UNAVAILABLE, REDIS_FAIL},
    {"WRONGPASS", TQ_E_UNAVAILABLE, REDIS_FAIL},
    {"WRONGTYPE", TQ_E_CORRUPT, REDIS_FAIL}, /* the key is somebody else's */
    {"", TQ_E_INTERNAL, REDIS_FAIL},
};

const struct redis_meaning *tq__redis_meaning(const char *error)
{
    const struct redis_meaning *meaning = meanings;
    size_t bytes = strcspn(error, " ");
    while (meaning->code[0] &&
           (strlen(meaning->code) != bytes || memcmp(meaning->code, error, bytes) != 0)) {
        meaning++;
    }
    return meaning;
}

int tq__redis_redirect(const char *error, const struct redis_address *from,
                       struct redis_address *out_address)
{
    const char *slot = strchr(error, ' ');
    const char *text = slot ? strchr(slot + 1, ' ') : NULL;
    const char *colon = text ? strrchr(text, ':') : NULL;
    if (!colon) {
        return -1;
    }
    text++;
    if (colon == text) {
        char port[16] = "x";
        strncat(port, colon, sizeof port - 2);
        int rc = tq__redis_address_read(out_address, port, strlen(port));
        memcpy(out_address->host, from->host, sizeof out_address->host);
        return rc;
    }
    return tq__redis_address_read(out_address, text, strlen(text));
}
