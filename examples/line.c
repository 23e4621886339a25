/* SPDX-License-Identifier: MIT */
/*
 * Five visitors line up; two are let in at a time.
 *
 * Shows the room: enter, tick, place, and the pass that a gateway verifies
 * without asking anybody.
 */
#include <stdio.h>
#include <string.h>

#include <ticketq/system.h>
#include <ticketq/ticketq.h>

#define VISITORS 5

static int fail(const struct tq_error *err)
{
    fprintf(stderr, "%s: %s\n", err->origin, err->message);
    return 1;
}

/* A ring with one fresh key for places and one for passes. */
static int make_keys(const struct tq_env *env, tq_keys **out_keys, struct tq_error *err)
{
    unsigned char secrets[2][TQ_KEY_SECRET_MIN];
    if (env->random(env->ctx, secrets, sizeof secrets) || tq_keys_new(env, out_keys, err) ||
        tq_keys_add(*out_keys,
                    TQ_ARGS(tq_key, .id = "place-1", .purpose = TQ_PURPOSE_PLACE,
                            .secret = secrets[0], .secret_bytes = sizeof secrets[0]),
                    err) ||
        tq_keys_add(*out_keys,
                    TQ_ARGS(tq_key, .id = "pass-1", .purpose = TQ_PURPOSE_PASS,
                            .secret = secrets[1], .secret_bytes = sizeof secrets[1]),
                    err)) {
        return -1;
    }
    return 0;
}

static void show(const struct tq_visitor *visitors, const struct tq_place *places)
{
    for (size_t i = 0; i < VISITORS; i++) {
        printf("%s: number %lld, %s, %llu ahead\n", visitors[i].id, (long long)places[i].sequence,
               places[i].visit == TQ_VISIT_ADMITTED ? "inside" : "waiting",
               (unsigned long long)places[i].ahead);
    }
}

int main(void)
{
    static const char *const names[VISITORS] = {"ada", "ben", "cho", "dee", "eva"};
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_env env = tq_system_env();
    struct tq_room_tick tick = TQ_INIT(tq_room_tick);
    struct tq_claims claims = TQ_INIT(tq_claims);
    struct tq_visitor visitors[VISITORS];
    struct tq_place places[VISITORS];
    tq_store *store = NULL;
    tq_keys *keys = NULL;
    tq_room *room = NULL;
    for (size_t i = 0; i < VISITORS; i++) {
        visitors[i] = (struct tq_visitor){.size = sizeof *visitors, .id = names[i]};
        places[i].size = sizeof *places;
    }
    if (make_keys(&env, &keys, &err) ||
        tq_store_open(&env, TQ_ARGS(tq_store_options, .url = "memory:"), &store, &err) ||
        tq_room_open(store, keys, "opening-night",
                     TQ_ARGS(tq_room_policy, .rate = 2, .max_active = 2), &room, &err) ||
        tq_room_enter(room, visitors, VISITORS, places, &err) ||
        tq_room_tick(room, &tick, &err) ||
        tq_room_place(room, visitors, VISITORS, places, &err)) {
        return fail(&err);
    }
    show(visitors, places);
    int rc = tq_token_verify(keys, TQ_PURPOSE_PASS, "opening-night", places[0].pass,
                             strlen(places[0].pass), &claims, &err);
    printf("the pass of %s: %s\n", claims.subject, tq_status_name(rc));
    tq_room_close(room);
    tq_keys_free(keys);
    tq_store_close(store);
    return rc != TQ_OK || places[1].visit != TQ_VISIT_ADMITTED || tick.admitted != 2;
}
