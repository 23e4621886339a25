/* SPDX-License-Identifier: MIT */
/*
 * A room on Redis, or on a Cluster of three nodes of its own, behind the proxy: visitors line
 * up, are let in, ask and leave, an operator raises the cap, while each request in turn is
 * struck. Then everybody has one number, nobody was let in twice, the cap held all the time,
 * the order is carried out once, and what was told to be not applied was not.
 *
 * The same for the opening of the store, whose requests are those of a login.
 *
 * TICKETQ_TEST_REDIS names the server; skipped without.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ticketq/room.h>
#include <ticketq/system.h>

#include "fault/proxy/drill.h"
#include "fault/proxy/redis_place.h"

#define VISITORS 4
#define CAP 2
#define CROWD 16

static const struct tq_room_policy policy = {
    .size = sizeof policy, .rate = 1000, .max_active = CAP, .poll_min_ms = 1000};

static struct redis_place place;
static struct tq_error err = TQ_ERROR_INIT;
static tq_store *store, *onlooking_store;
static tq_room *room, *onlooker; /* nobody strikes the onlooker */

static tq_store *open_store(const char *url)
{
    struct tq_env env = tq_system_env();
    tq_store *opened = NULL;
    int status;
    env.log = NULL;
    do {
        status = tq_store_open(&env, TQ_ARGS(tq_store_options, .url = url), &opened, &err);
    } while (drill_again(status, &err));
    return opened;
}

static tq_room *open_room(tq_store *where)
{
    tq_room *opened = NULL;
    int status;
    do {
        status = tq_room_open(where, NULL, "concert-1", &policy, &opened, &err);
    } while (drill_again(status, &err));
    return opened;
}

static struct tq_room_state look(void)
{
    struct tq_room_state state = TQ_INIT(tq_room_state);
    drill_look();
    assert_status(tq_room_state(onlooker, &state, &err), TQ_OK);
    drill_go_on();
    return state;
}

/* What is certainly not applied, is not. */
static void check_unchanged(int status, const struct tq_room_state *before)
{
    if (status == TQ_E_UNAVAILABLE) {
        struct tq_room_state state = look();
        ck_assert_msg(state.tail == before->tail && state.active == before->active &&
                          state.waiting == before->waiting &&
                          state.max_active == before->max_active,
                      "%s: it was applied after all", drill_name());
    }
}

/* ---- steps ---- */

typedef int visitors_fn(tq_room *which, const struct tq_visitor *visitors, size_t count,
                        struct tq_place *places, struct tq_error *failure);

/* `names` has a letter for each; all of them are there afterwards. */
static void call(visitors_fn *verb, const char *names, struct tq_place *places)
{
    char ids[VISITORS][2];
    struct tq_visitor visitors[VISITORS];
    struct tq_room_state before = look();
    size_t count = strlen(names);
    int status;
    for (size_t i = 0; i < count; i++) {
        memcpy(ids[i], (const char[]){names[i], '\0'}, 2);
        visitors[i] = (struct tq_visitor){.size = sizeof *visitors, .id = ids[i]};
        places[i] = (struct tq_place)TQ_INIT(tq_place);
    }
    do {
        status = verb(room, visitors, count, places, &err);
        check_unchanged(status, &before);
    } while (drill_again(status, &err));
    for (size_t i = 0; i < count; i++) {
        ck_assert_msg(places[i].status == TQ_OK, "%s: %c is %s", drill_name(), names[i],
                      tq_status_name(places[i].status));
    }
}

/* Until nobody else may come in, which `active` are then. */
static void tick(uint64_t active)
{
    struct tq_room_tick tick = TQ_INIT(tq_room_tick);
    int status;
    do {
        struct tq_room_state before = look();
        status = tq_room_tick(room, &tick, &err);
        check_unchanged(status, &before);
    } while (drill_again(status, &err));
    ck_assert_msg(look().active == active, "%s: %d are inside", drill_name(), (int)look().active);
}

static void leave(const char *name)
{
    int32_t left = TQ_E_INTERNAL;
    int status;
    do {
        struct tq_room_state before = look();
        status = tq_room_leave(room, TQ_ARGS(tq_visitor, .id = name), 1, &left, &err);
        check_unchanged(status, &before);
    } while (drill_again(status, &err));
    ck_assert_msg(left == TQ_OK || (left == TQ_GONE && drill_unknowns() > 0), "%s: %s",
                  drill_name(), tq_status_name(left));
}

static void raise_cap(void)
{
    struct tq_room_action action = {.size = sizeof action,
                                    .order = TQ_ROOM_SET_CAP,
                                    .value = CAP + 1,
                                    .actor = "operator",
                                    .request_key = "once"};
    int status;
    do {
        struct tq_room_state before = look();
        status = tq_room_operate(room, &action, &err);
        check_unchanged(status, &before);
    } while (drill_again(status, &err));
    ck_assert_int_eq(status, status && drill_unknowns() ? TQ_REPEAT : TQ_OK);
}

static void read_state(void)
{
    struct tq_room_state state = TQ_INIT(tq_room_state);
    int status;
    do {
        status = tq_room_state(room, &state, &err);
    } while (drill_again(status, &err));
    ck_assert_int_eq(state.tail, VISITORS);
}

static int count_action(void *arg, const struct tq_room_action *action)
{
    (void)action;
    ++*(int *)arg;
    return 0;
}

static void check_end(void)
{
    struct tq_place places[VISITORS];
    struct tq_room_state state = look();
    int actions = 0;
    ck_assert_msg(state.tail == VISITORS && state.admitted == VISITORS && state.waiting == 0 &&
                      state.active == CAP + 1,
                  "%s: %d numbers, %d let in, %d in line, %d inside", drill_name(), (int)state.tail,
                  (int)state.admitted, (int)state.waiting, (int)state.active);
    call(tq_room_place, "bcd", places);
    for (int i = 0; i < VISITORS - 1; i++) {
        ck_assert_int_eq(places[i].sequence, i + 2);
        ck_assert_uint_eq(places[i].visit, TQ_VISIT_ADMITTED);
    }
    assert_status(tq_room_audit(onlooker, 0, count_action, &actions, &err), TQ_OK);
    ck_assert_int_eq(actions, 1);
}

/* ---- scenarios ---- */

static void begin(void)
{
    redis_place_new(&place);
    onlooking_store = open_store(place.onlooker);
    onlooker = open_room(onlooking_store);
}

static void end(void)
{
    tq_room_close(room);
    tq_room_close(onlooker);
    tq_store_close(store);
    tq_store_close(onlooking_store);
}

static void visit(void)
{
    struct tq_place places[VISITORS];
    begin();
    store = open_store(place.url);
    room = open_room(store);
    drill_begin();
    call(tq_room_enter, "a", places);
    call(tq_room_enter, "bcd", places);
    tick(CAP);
    call(tq_room_place, "abcd", places);
    raise_cap();
    tick(CAP + 1);
    proxy_settle(place.proxy); /* whose entering comes after his leaving is in line again */
    leave("a");
    tick(CAP + 1);
    read_state();
    drill_end();
    check_end();
    end();
}

START_TEST(visitors__have_one_place_whatever_is_lost)
{
    drill(place.proxy, visit, 9);
}
END_TEST

/* Those who come together are one pipeline, or one execution; each is told the truth. */
struct newcomer {
    char name[16];
    int status, is_wrong;
};

static void *come(void *arg)
{
    struct newcomer *newcomer = arg;
    struct tq_place got = TQ_INIT(tq_place);
    struct tq_error own = TQ_ERROR_INIT;
    for (int tries = 0; tries < 20; tries++) {
        newcomer->status =
            tq_room_enter(room, TQ_ARGS(tq_visitor, .id = newcomer->name), 1, &got, &own);
        if (newcomer->status >= 0) {
            break;
        }
        newcomer->is_wrong |=
            newcomer->status != TQ_E_UNKNOWN && newcomer->status != TQ_E_UNAVAILABLE;
        usleep(10000);
    }
    return NULL;
}

static void come_together(void)
{
    struct newcomer crowd[CROWD];
    pthread_t threads[CROWD];
    begin();
    store = open_store(place.url);
    room = open_room(store);
    drill_begin();
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = (struct newcomer){.status = TQ_OK};
        snprintf(crowd[i].name, sizeof crowd[i].name, "v%d", i);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, come, &crowd[i]), 0);
    }
    for (int i = 0; i < CROWD; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_msg(crowd[i].status == TQ_OK && !crowd[i].is_wrong, "%s: %s", drill_name(),
                      tq_status_name(crowd[i].status));
    }
    drill_end();
    ck_assert_int_eq(look().tail, CROWD);
    ck_assert_uint_eq(look().waiting, CROWD);
    end();
}

START_TEST(a_crowd__has_a_place_each)
{
    drill(place.proxy, come_together, 1);
}
END_TEST

static void open_and_enter(void)
{
    struct tq_place places[1];
    begin();
    drill_begin();
    store = open_store(place.url);
    room = open_room(store);
    call(tq_room_enter, "a", places);
    drill_end();
    ck_assert_int_eq(look().tail, 1);
    end();
}

START_TEST(a_store__opens_whatever_is_lost)
{
    drill(place.proxy, open_and_enter, 20);
}
END_TEST

static void open_place(void)
{
    redis_place_open(&place);
}

static void close_place(void)
{
    redis_place_close(&place);
}

int main(int count, char **arguments)
{
    redis_place_choose(count > 1 ? arguments[1] : "redis");
    TCase *tcase = tcase_create("fault.proxy.room");
    tcase_set_timeout(tcase, 300);
    tcase_add_checked_fixture(tcase, open_place, close_place);
    tcase_add_test(tcase, visitors__have_one_place_whatever_is_lost);
    tcase_add_test(tcase, a_crowd__has_a_place_each);
    tcase_add_test(tcase, a_store__opens_whatever_is_lost);
    return unit_run("fault.proxy.room", tcase);
}
