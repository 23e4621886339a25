/* SPDX-License-Identifier: MIT */
/*
 * Lines up a crowd from many threads. Every visitor tries again after each failure
 * that leaves it open whether to try again: TQ_E_UNAVAILABLE and TQ_E_UNKNOWN.
 */
#include "lib/room_rush.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ticketq/system.h>

#include "lib/unit.h"

#define TRIES_MAX 5000

static struct tq_error err = TQ_ERROR_INIT;

static void name_of(const struct rush *rush, char name[TQ_ID_SIZE], size_t number)
{
    snprintf(name, TQ_ID_SIZE, "%s-%zu", rush->prefix, number);
}

static void add_key(struct rush *rush, uint32_t purpose, const char *id)
{
    char secret[32];
    memset(secret, (int)purpose, sizeof secret);
    assert_status(tq_keys_add(rush->keys,
                              TQ_ARGS(tq_key, .id = id, .purpose = purpose, .secret = secret,
                                      .secret_bytes = sizeof secret),
                              &err),
                  TQ_OK);
}

void rush_begin_shards(struct rush *rush, const char *url, unsigned shards)
{
    struct tq_env env = tq_system_env();
    env.log = NULL;
    memset(rush, 0, sizeof *rush);
    rush->prefix = "visitor";
    assert_status(tq_store_open(&env, TQ_ARGS(tq_store_options, .url = url), &rush->store, &err),
                  TQ_OK);
    assert_status(tq_keys_new(&env, &rush->keys, &err), TQ_OK);
    add_key(rush, TQ_PURPOSE_PLACE, "place");
    add_key(rush, TQ_PURPOSE_PASS, "pass");
    assert_status(tq_room_open(rush->store, rush->keys, "show",
                               TQ_ARGS(tq_room_policy, .waiting_ms = 600000, .recovery_ms = 60000,
                                       .shards = shards),
                               &rush->room, &err),
                  TQ_OK);
}

void rush_begin(struct rush *rush, const char *url)
{
    rush_begin_shards(rush, url, 1);
}

void rush_end(struct rush *rush)
{
    tq_room_close(rush->room);
    tq_keys_free(rush->keys);
    tq_store_close(rush->store);
}

static void line_up(struct rush *rush, size_t number)
{
    char name[TQ_ID_SIZE], token[TQ_TOKEN_SIZE];
    struct tq_place *place = &rush->places[number];
    struct tq_error mine = TQ_ERROR_INIT;
    int64_t before = place->sequence;
    int rc = TQ_E_UNKNOWN;
    name_of(rush, name, number);
    snprintf(token, sizeof token, "%s", place->pass[0] ? place->pass : place->token);
    place->size = sizeof *place;
    for (int i = 0; i < TRIES_MAX && (rc == TQ_E_UNKNOWN || rc == TQ_E_UNAVAILABLE); i++) {
        rc = tq_room_enter(rush->room, TQ_ARGS(tq_visitor, .id = name, .token = token), 1, place,
                           &mine);
        rush->unavailable += rc == TQ_E_UNAVAILABLE;
        rush->unknown += rc == TQ_E_UNKNOWN;
        usleep(rc < 0 ? 2000 : 0);
    }
    rush->other += rc != TQ_OK || place->status != TQ_OK;
    rush->moved += before && place->sequence != before;
    rush->done++;
}

struct walker {
    struct rush *rush;
    size_t first;
    pthread_t thread;
};

static void *walk(void *arg)
{
    struct walker *walker = arg;
    const size_t last = RUSH_EACH * 2 / 3;
    for (size_t i = 0; i < RUSH_EACH; i++) {
        while (i == last && !walker->rush->is_disturbed) {
            line_up(walker->rush, walker->first + last - 1);
        }
        line_up(walker->rush, walker->first + i);
    }
    return NULL;
}

void rush_run(struct rush *rush, void (*disturb)(void))
{
    struct walker walkers[RUSH_THREADS];
    rush->done = 0;
    rush->is_disturbed = 0;
    for (size_t i = 0; i < RUSH_THREADS; i++) {
        walkers[i] = (struct walker){.rush = rush, .first = i * RUSH_EACH};
        ck_assert_int_eq(pthread_create(&walkers[i].thread, NULL, walk, &walkers[i]), 0);
    }
    while (rush->done < RUSH_VISITORS / 3) {
        usleep(500);
    }
    if (disturb) {
        disturb();
    }
    rush->is_disturbed = 1;
    for (size_t i = 0; i < RUSH_THREADS; i++) {
        pthread_join(walkers[i].thread, NULL);
    }
    ck_assert_uint_eq(rush->other, 0);
}

void rush_again(struct rush *rush)
{
    for (size_t i = 0; i < RUSH_VISITORS; i++) {
        line_up(rush, i);
    }
    ck_assert_uint_eq(rush->other, 0);
}

static int is_less(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

void rush_check(struct rush *rush)
{
    static int64_t told[RUSH_VISITORS];
    for (size_t i = 0; i < RUSH_VISITORS; i++) {
        told[i] = rush->places[i].sequence;
    }
    rush_again(rush);
    qsort(told, RUSH_VISITORS, sizeof *told, is_less);
    for (size_t i = 1; i < RUSH_VISITORS; i++) {
        ck_assert_int_lt(told[i - 1], told[i]);
    }
    ck_assert_uint_eq(rush->moved, 0);
    ck_assert_uint_eq(rush_state(rush).waiting, RUSH_VISITORS);
}

void rush_order(struct rush *rush, uint32_t order, int64_t value)
{
    struct tq_room_action action = {
        .size = sizeof action, .order = order, .value = value, .actor = "operator"};
    assert_status(tq_room_operate(rush->room, &action, &err), TQ_OK);
}

struct tq_room_state rush_state(struct rush *rush)
{
    struct tq_room_state state = TQ_INIT(tq_room_state);
    assert_status(tq_room_state(rush->room, &state, &err), TQ_OK);
    return state;
}
