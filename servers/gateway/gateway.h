/* SPDX-License-Identifier: MIT */
/*
 * What the files of the gateway share.
 *
 *     gateway.c  what a token is worth
 *     epochs.c   which passes were revoked
 *     routes.c   the filter of the public listener, and /v1/authz
 *     service.c  opening and closing
 */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include <pthread.h>

#include "app/app.h"
#include "core/map.h"

/* What a check of tokens came to. */
enum gateway_verdict {
    GATEWAY_OK = 0,
    GATEWAY_NO_ACCESS, /* there is no access token, or it is not genuine */
    GATEWAY_ACCESS_EXPIRED,
    GATEWAY_NOT_ADMIN,
    GATEWAY_NO_PASS,         /* there is no pass, or it is not genuine */
    GATEWAY_PASS_EXPIRED,    /* its time is over, or it was revoked */
    GATEWAY_PASS_OF_ANOTHER, /* genuine, but another visitor's, or for another schedule */
    GATEWAY_VERDICTS
};

/* Epochs of rooms that were reset. */
struct gateway_epochs {
    struct tq_env env;
    pthread_rwlock_t lock;
    struct tq__map rooms;
};

struct gateway {
    struct app *app;
    struct tq_env env;
    struct gateway_epochs epochs;
    char location[512]; /* where a visitor without a pass is sent */
    struct app_series *verdicts[GATEWAY_VERDICTS];
};

/* ---- epochs.c ---- */

int gateway_epochs_init(struct gateway_epochs *epochs, const struct tq_env *env,
                        struct tq_error *err);
void gateway_epochs_done(struct gateway_epochs *epochs);
/* The first epoch of a room whose passes are good; 0: any. */
int64_t gateway_epoch_of(struct gateway_epochs *epochs, const char *room);
/* Take over what the queue service says: {"rooms":[{"scheduleId":..,"epoch":..}]}. */
int gateway_epochs_read(struct gateway_epochs *epochs, const tq__json *document,
                        struct tq_error *err);
/* Worker: ask the queue service. */
int gateway_epochs_step(void *gateway, struct tq_error *err);

/* ---- gateway.c ---- */

/* The access token of an Authorization header; fills subject and role. */
enum gateway_verdict gateway_check_access(struct gateway *gateway, const char *authorization,
                                          struct http_identity *identity);
/* A pass; fills scope. With a subject already there, the pass must be that visitor's. */
enum gateway_verdict gateway_check_pass(struct gateway *gateway, const char *pass,
                                        struct http_identity *identity);

/* ---- routes.c ---- */

#define GATEWAY_ROUTES_COUNT 1
extern const struct http_route gateway_routes[GATEWAY_ROUTES_COUNT];
http_filter_fn gateway_filter;

#endif
