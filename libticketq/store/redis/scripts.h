/* SPDX-License-Identifier: MIT */
/*
 * The scripts of the driver.
 */
#ifndef TQ_STORE_REDIS_SCRIPTS_H
#define TQ_STORE_REDIS_SCRIPTS_H

enum redis_script_id {
    REDIS_CLOCK,
    REDIS_ROOM_OPEN,
    REDIS_ROOM_ENTER,  /* without a token */
    REDIS_ROOM_RETURN, /* some with a token */
    REDIS_ROOM_PLACE,
    REDIS_ROOM_LEAVE,
    REDIS_ROOM_TICK,
    REDIS_ROOM_VIEW,
    REDIS_ROOM_OPERATE,
    REDIS_ROOM_AUDIT,
    REDIS_SHARD_FRONT,
    REDIS_SHARD_SETTLE,
    REDIS_DESK_TICK,
    REDIS_DESK_OPERATE,
    REDIS_HOLD_CLAIM,
    REDIS_HOLD_CHANGE, /* without a retake */
    REDIS_HOLD_RETAKE, /* with some */
    REDIS_HOLD_DEFINE,
    REDIS_HOLD_LOAD,
    REDIS_HOLD_UNTOLD,
    REDIS_HOLD_FREE,
    REDIS_HOLD_KNOWN,
    REDIS_HOLD_SWEEP,
    REDIS_HOLD_RETURN,
    REDIS_HOLD_TIDY,
    REDIS_HOLD_SEATS,
    REDIS_HOLD_MAP,
    REDIS_AGENDA,
    REDIS_CACHE_TAKE,
    REDIS_CACHE_PUT,
    REDIS_CACHE_DROP,
    REDIS_SCRIPTS
};

#define REDIS_SCRIPT_PARTS 8

struct redis_script {
    const char *parts[REDIS_SCRIPT_PARTS]; /* the text is all, one after the other; NULL: no more */
    const char *stem;                      /* of its keys: "queue:" */
    const char *const *endings;            /* of the keys that every call has; ends with NULL */
    const char *mark;                      /* before the endings of a call's own keys; NULL: none */
};

/* By enum redis_script_id. */
extern const struct redis_script tq__redis_scripts[REDIS_SCRIPTS];

#endif
