/* SPDX-License-Identifier: MIT */
/*
 * servers/event/hall.c: plans and recipes become seats, everything else is refused
 * with the place where it is wrong.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "event/hall.h"
#include "lib/test_env.h"
#include "lib/unit.h"

#define CATEGORIES "\"categories\":[{\"name\":\"VIP\",\"color\":\"#f00\"},{\"name\":\"R\"}]"
#define PLAN(zones)                                                                                \
    "{\"name\":\"Hall\",\"size\":{\"width\":100,\"height\":50}," CATEGORIES ",\"zones\":[" zones   \
    "]}"
#define ZONE(rows) "{\"name\":\"Floor\",\"position\":{\"x\":10,\"y\":20},\"rows\":[" rows "]}"
#define ROW(seats) "{\"row_number\":\"A\",\"position\":{\"x\":1,\"y\":2},\"seats\":[" seats "]}"
#define SEAT(number) "{\"seat_number\":\"" number "\",\"category\":\"VIP\"}"
#define SEAT_WITH(members) "{\"seat_number\":\"1\",\"category\":\"R\"," members "}"

static int is_digest_broken;

/* Stands before that of the library, which has no reason to fail. */
int EVP_Digest(const void *data, size_t count, unsigned char *md, unsigned int *size,
               const EVP_MD *type, ENGINE *impl)
{
    EVP_MD_CTX *context = is_digest_broken ? NULL : EVP_MD_CTX_new();
    int is_done = context && EVP_DigestInit_ex(context, type, impl) &&
                  EVP_DigestUpdate(context, data, count) && EVP_DigestFinal_ex(context, md, size);
    EVP_MD_CTX_free(context);
    return is_done;
}

struct world {
    struct test_env test;
    struct tq_env env;
    struct tq_error err;
    struct event_hall hall;
};

typedef int reader(struct event_hall *hall, const struct tq_env *env, const tq__json *root,
                   struct tq_error *err);

static int read_text(struct world *world, reader *read, const char *text)
{
    tq__json *root = NULL;
    test_env_init(&world->test, 1);
    world->env = test_env_of(&world->test);
    world->err = (struct tq_error)TQ_ERROR_INIT;
    ck_assert_int_eq(tq__json_parse(&world->env, text, strlen(text), NULL, &root, &world->err),
                     TQ_OK);
    int rc = read(&world->hall, &world->env, root, &world->err);
    tq__json_free(root);
    return rc;
}

static void expect(reader *read, const char *text, int status, const char *message)
{
    struct world world;
    int rc = read_text(&world, read, text);
    event_hall_done(&world.hall);
    ck_assert_msg(rc == status, "%s: %s (%s)", text, tq_status_name(rc), world.err.message);
    ck_assert_msg(!message || strstr(world.err.message, message), "%s", world.err.message);
    ck_assert_int_eq(world.test.live, 0);
}

START_TEST(hall__plan_becomes_seats_in_order)
{
    struct world world;
    int rc = read_text(
        &world, event_hall_import,
        PLAN(ZONE(ROW(SEAT("1") "," SEAT_WITH("\"seat_guid\":\"left-7\",\"position\":{\"x\":0.5,"
                                              "\"y\":0.25}")))));
    ck_assert_int_eq(rc, TQ_OK);
    ck_assert_str_eq(world.hall.name, "Hall");
    ck_assert_uint_eq(world.hall.seats_count, 2);
    const struct event_seat *seats = world.hall.seats;
    ck_assert_str_eq(seats[0].id, "Floor-A-1");
    ck_assert_str_eq(seats[0].section, "Floor");
    ck_assert_str_eq(seats[0].row, "A");
    ck_assert_str_eq(seats[0].grade, "VIP");
    ck_assert_int_eq(seats[0].x_milli, 11000);
    ck_assert_int_eq(seats[0].y_milli, 22000);
    ck_assert_str_eq(seats[1].id, "left-7");
    ck_assert_str_eq(seats[1].grade, "R");
    ck_assert_int_eq(seats[1].x_milli, 11500);
    ck_assert_int_eq(seats[1].y_milli, 22250);
    event_hall_done(&world.hall);
}
END_TEST

START_TEST(hall__unknown_members_are_passed_over)
{
    expect(event_hall_import,
           PLAN("{\"name\":\"Floor\",\"uuid\":\"u\",\"areas\":[],\"rows\":[" ROW(
               SEAT_WITH("\"uuid\":\"x\",\"radius\":4")) "]}"),
           TQ_OK, NULL);
}
END_TEST

START_TEST(hall__what_is_wrong_is_named)
{
    expect(event_hall_import, "[]", TQ_E_INVALID, "an object");
    expect(event_hall_import, "{\"name\":\"\"}", TQ_E_INVALID, "name");
    expect(event_hall_import, "{\"name\":\"H\",\"size\":{\"width\":1,\"height\":0}}", TQ_E_INVALID,
           "size");
    expect(event_hall_import, "{\"name\":\"H\",\"size\":{\"width\":1,\"height\":1}}", TQ_E_INVALID,
           "categories");
    expect(event_hall_import,
           "{\"name\":\"H\",\"size\":{\"width\":1,\"height\":1},\"categories\":[{\"name\":7}]}",
           TQ_E_INVALID, "category");
    expect(event_hall_import,
           "{\"name\":\"H\",\"size\":{\"width\":1,\"height\":1}," CATEGORIES ",\"zones\":1}",
           TQ_E_INVALID, "zones");
    expect(event_hall_import, PLAN(""), TQ_E_INVALID, "at least one seat");
    expect(event_hall_import, PLAN("{\"rows\":[]}"), TQ_E_INVALID, "zones[0]");
    expect(event_hall_import, PLAN(ZONE("{\"seats\":[]}")), TQ_E_INVALID, "zones[0].rows[0]");
    expect(event_hall_import, PLAN(ZONE(ROW(SEAT("1") ",{}"))), TQ_E_INVALID,
           "zones[0].rows[0].seats[1].seat_number");
    expect(event_hall_import, PLAN(ZONE(ROW("{\"seat_number\":\"1\",\"category\":\"S\"}"))),
           TQ_E_INVALID, "seats[0].category");
    expect(event_hall_import, PLAN(ZONE(ROW(SEAT_WITH("\"seat_guid\":7")))), TQ_E_INVALID,
           "seat_guid");
    expect(event_hall_import, PLAN(ZONE(ROW(SEAT_WITH("\"position\":{\"x\":2000000,\"y\":0}")))),
           TQ_E_INVALID, "position");
    expect(event_hall_import, PLAN(ZONE(ROW(SEAT("1") "," SEAT("1")))), TQ_E_INVALID,
           "Floor-A-1 stands twice");
}
END_TEST

START_TEST(hall__texts_have_limits)
{
    expect(event_hall_import, PLAN(ZONE(ROW(SEAT("1234567890123456")))), TQ_OK, NULL);
    expect(event_hall_import, PLAN(ZONE(ROW(SEAT("12345678901234567")))), TQ_E_INVALID,
           "seat_number");
    expect(event_hall_import, PLAN(ZONE(ROW(SEAT("a\\u0007")))), TQ_E_INVALID, "seat_number");
}
END_TEST

START_TEST(hall__ids_are_deterministic_and_valid)
{
    struct tq_error err = TQ_ERROR_INIT;
    char one[TQ_ID_SIZE];
    char other[TQ_ID_SIZE];
    char text[80];
    assert_status(event_seat_id("A-12", one, &err), TQ_OK);
    ck_assert_str_eq(one, "A-12");
    assert_status(event_seat_id("Balcony West/A/12", one, &err), TQ_OK);
    assert_status(event_seat_id("Balcony West/A/12", other, &err), TQ_OK);
    ck_assert(tq__id_is_valid(one));
    ck_assert_str_eq(one, other);
    ck_assert_int_eq(strncmp(one, "BalconyWestA12-", 15), 0);
    assert_status(event_seat_id("Balcony West-A-12", other, &err), TQ_OK);
    ck_assert_str_ne(one, other);
    assert_status(event_seat_id("\xea\xb0\x80", one, &err), TQ_OK);
    assert_status(event_seat_id("\xeb\x82\x98", other, &err), TQ_OK);
    ck_assert(tq__id_is_valid(one) && tq__id_is_valid(other));
    ck_assert_str_ne(one, other);
    memset(text, 'x', sizeof text);
    text[64] = '\0';
    assert_status(event_seat_id(text, one, &err), TQ_OK);
    ck_assert_str_eq(one, text);
    text[64] = 'x';
    text[65] = '\0';
    assert_status(event_seat_id(text, one, &err), TQ_OK);
    ck_assert(tq__id_is_valid(one));
    ck_assert_str_ne(one, text);
}
END_TEST

START_TEST(hall__without_a_digest_there_is_none)
{
    is_digest_broken = 1;
    expect(event_hall_import, PLAN(ZONE(ROW(SEAT("1")))), TQ_OK, NULL);
    expect(event_hall_import, PLAN(ZONE(ROW(SEAT("1 b")))), TQ_E_INTERNAL, "SHA-256");
    expect(event_hall_import, PLAN(ZONE(ROW(SEAT_WITH("\"seat_guid\":\"a b\"")))), TQ_E_INTERNAL,
           "SHA-256");
    expect(event_hall_generate,
           "{\"name\":\"H\",\"sections\":[{\"name\":\"F 1\",\"grade\":\"VIP\",\"rows\":1,"
           "\"seatsPerRow\":1}]}",
           TQ_E_INTERNAL, "SHA-256");
    is_digest_broken = 0;
}
END_TEST

START_TEST(hall__recipe_becomes_a_grid)
{
    struct world world;
    int rc = read_text(&world, event_hall_generate,
                       "{\"name\":\"H\",\"sections\":[{\"name\":\"F\",\"grade\":\"VIP\","
                       "\"rows\":2,\"seatsPerRow\":3},{\"name\":\"B\",\"grade\":\"R\",\"rows\":1,"
                       "\"seatsPerRow\":1}]}");
    ck_assert_int_eq(rc, TQ_OK);
    ck_assert_uint_eq(world.hall.seats_count, 7);
    ck_assert_str_eq(world.hall.seats[4].id, "F-2-2");
    ck_assert_int_eq(world.hall.seats[4].x_milli, 1000);
    ck_assert_int_eq(world.hall.seats[4].y_milli, 1000);
    ck_assert_str_eq(world.hall.seats[6].id, "B-1-1");
    ck_assert_int_eq(world.hall.seats[6].y_milli, 4000);
    event_hall_done(&world.hall);
}
END_TEST

static void expect_seats(int rows, int seats_per_row, int status)
{
    char text[256];
    snprintf(text, sizeof text,
             "{\"name\":\"H\",\"sections\":[{\"name\":\"F\",\"grade\":\"R\",\"rows\":%d,"
             "\"seatsPerRow\":%d}]}",
             rows, seats_per_row);
    expect(event_hall_generate, text, status, NULL);
}

START_TEST(hall__seats_have_a_limit)
{
    expect_seats(1, TQ_SCHEDULE_SEATS_MAX - 1, TQ_OK);
    expect_seats(2, TQ_SCHEDULE_SEATS_MAX / 2, TQ_OK);
    expect_seats(3, TQ_SCHEDULE_SEATS_MAX / 3 + 1, TQ_E_LIMIT);
    expect_seats(1, TQ_SCHEDULE_SEATS_MAX + 1, TQ_E_INVALID);
    expect_seats(0, 5, TQ_E_INVALID);
    expect_seats(5, -1, TQ_E_INVALID);
}
END_TEST

START_TEST(hall__no_memory_is_no_hall)
{
    struct world world;
    test_env_init(&world.test, 1);
    world.env = test_env_of(&world.test);
    tq__json *root = NULL;
    const char *text = PLAN(ZONE(ROW(SEAT("1"))));
    world.err = (struct tq_error)TQ_ERROR_INIT;
    ck_assert_int_eq(tq__json_parse(&world.env, text, strlen(text), NULL, &root, &world.err),
                     TQ_OK);
    int rc = TQ_E_NOMEM;
    for (long n = 1; rc != TQ_OK; n++) {
        world.test.allocations = 0;
        world.test.fail_at = n;
        rc = event_hall_import(&world.hall, &world.env, root, &world.err);
        event_hall_done(&world.hall);
        ck_assert(rc == TQ_OK || rc == TQ_E_NOMEM);
        ck_assert_int_eq(world.test.live, 0);
    }
    tq__json_free(root);
}
END_TEST

UNIT_MAIN("servers.event.hall", hall__plan_becomes_seats_in_order,
          hall__unknown_members_are_passed_over, hall__what_is_wrong_is_named,
          hall__texts_have_limits, hall__ids_are_deterministic_and_valid,
          hall__without_a_digest_there_is_none, hall__recipe_becomes_a_grid,
          hall__seats_have_a_limit, hall__no_memory_is_no_hall)
