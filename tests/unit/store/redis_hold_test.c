/* SPDX-License-Identifier: MIT */
/*
 * store/redis/hold*.c on a server of the test's own: arrays over many schedules and
 * many rounds, keys as they are named, what a load does in slices, a sweep in pieces; and
 * on a server that lies.
 */
#include "store/redis/hold_parts.h"

#include <hiredis/hiredis.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include <ticketq/system.h>

#include "lib/fake_redis.h"
#include "lib/redis_server.h"
#include "lib/unit.h"
#include "store/store.h"

#define MANY 1500
#define EACH 3

static unsigned port;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;
static tq_store *store;
static void *state;
static const struct tq_hold_driver *driver;
static redisContext *other;
static char names[TQ_SCHEDULE_SEATS_MAX + 1][8];
static const char *seats[TQ_SCHEDULE_SEATS_MAX + 1];

static void begin(void)
{
    char url[64];
    env = tq_system_env();
    env.log = NULL;
    snprintf(url, sizeof url, "redis://127.0.0.1:%u", port);
    assert_status(tq_store_open(&env, TQ_ARGS(tq_store_options, .url = url), &store, &err), TQ_OK);
    state = tq__store_state(store);
    driver = tq__store_hold(store);
    other = redisConnect("127.0.0.1", (int)port);
    freeReplyObject(redisCommand(other, "FLUSHALL"));
    for (int i = 0; i <= TQ_SCHEDULE_SEATS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "s%d", i);
        seats[i] = names[i];
    }
}

static void end(void)
{
    redisFree(other);
    tq_store_close(store);
}

static int define(const char *schedule, size_t count)
{
    const struct tq_front_load load = {
        .size = sizeof load, .schedule = schedule, .seats = seats, .seats_count = count};
    return driver->load(state, &load, &err);
}

static long long number_of(const char *command)
{
    redisReply *reply = redisCommand(other, command);
    ck_assert(reply && reply->type == REDIS_REPLY_INTEGER);
    long long number = reply->integer;
    freeReplyObject(reply);
    return number;
}

static struct tq_front_claim claims[MANY];
static struct tq_hold holds[MANY];
static char ids[MANY][16];

/* Claims of EACH seats, over so many schedules in turn. */
static void claim_many(size_t count, const char *const *schedules, size_t schedules_count,
                       uint32_t ttl_ms)
{
    for (size_t i = 0; i < count; i++) {
        snprintf(ids[i], sizeof ids[i], "h%zu", i);
        claims[i] = (struct tq_front_claim){.size = sizeof claims[i],
                                            .schedule = schedules[i % schedules_count],
                                            .holder = "ann",
                                            .request_key = ids[i],
                                            .id = ids[i],
                                            .seats = seats + i * EACH,
                                            .seats_count = EACH,
                                            .ttl_ms = ttl_ms};
        holds[i].size = sizeof holds[i];
    }
    assert_status(driver->claim(state, claims, count, holds, &err), TQ_OK);
}

/* Of one of "ann". */
static int change(const struct tq_hold *hold, enum tq_hold_verb verb)
{
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    const struct tq_front_change wanted = {.size = sizeof wanted,
                                           .schedule = "one",
                                           .id = hold->id,
                                           .holder = "ann",
                                           .fence = hold->fence,
                                           .verb = verb};
    assert_status(driver->change(state, &wanted, 1, &result, &err), TQ_OK);
    return result.status;
}

START_TEST(an_array__may_be_long_and_of_many_schedules)
{
    static const char *const schedules[] = {"one", "two", "three", "nobody-knows"};
    begin();
    for (int i = 0; i < 3; i++) {
        assert_status(define(schedules[i], (size_t)MANY * EACH), TQ_OK);
    }
    claim_many(MANY, schedules, 4, 60000);
    for (size_t i = 0; i < MANY; i++) {
        ck_assert_int_eq(holds[i].status, i % 4 < 3 ? TQ_OK : TQ_GONE);
        ck_assert(i < 4 || i % 4 == 3 || holds[i].fence > holds[i - 4].fence);
    }
    assert_status(driver->claim(state, claims, MANY, holds, &err), TQ_OK);
    for (size_t i = 0; i < MANY; i++) {
        ck_assert_int_eq(holds[i].status, i % 4 < 3 ? TQ_REPEAT : TQ_GONE);
        ck_assert_str_eq(holds[i].id, i % 4 < 3 ? ids[i] : "");
    }
    end();
}
END_TEST

START_TEST(a_held_seat__has_its_key_as_long_as_it_is_held)
{
    static const char *const schedules[] = {"one"};
    begin();
    assert_status(define("one", 10), TQ_OK);
    claim_many(1, schedules, 1, 60000);
    claim_many(2, schedules, 1, 100); /* the first is there and stays as it is */
    ck_assert_int_eq(number_of("EXISTS seat:hold:{one}:s0 seat:hold:{one}:s5"), 2);
    ck_assert_int_eq(number_of("EXISTS seat:hold:{one}:s6"), 0);
    ck_assert_int_eq(change(&holds[0], TQ_HOLD_RELEASE), TQ_OK);
    ck_assert_int_eq(number_of("EXISTS seat:hold:{one}:s0 seat:hold:{one}:s2"), 0);
    ck_assert_int_eq(number_of("EXISTS seat:hold:{one}:s3"), 1);
    usleep(110000);
    uint32_t next_ms;
    assert_status(driver->sweep(state, 10, NULL, NULL, &next_ms, &err), TQ_OK);
    ck_assert_int_eq(number_of("EXISTS seat:hold:{one}:s3 seat:hold:{one}:s5"), 0);
    ck_assert_uint_eq(next_ms, UINT32_MAX);
    end();
}
END_TEST

static struct tq_hold claim(const char *key, const char *const *which, size_t count, uint32_t limit)
{
    const struct tq_front_claim claim = {.size = sizeof claim,
                                         .schedule = "one",
                                         .holder = "ann",
                                         .request_key = key,
                                         .id = key,
                                         .seats = which,
                                         .seats_count = (uint32_t)count,
                                         .ttl_ms = 60000,
                                         .seats_limit = limit};
    struct tq_hold hold = {.size = sizeof hold};
    assert_status(driver->claim(state, &claim, 1, &hold, &err), TQ_OK);
    return hold;
}

/* The states of the seats, a digit each. */
static void assert_map(const char *expected)
{
    uint8_t bits[4];
    struct tq_seat_map map = {.size = sizeof map, .bits = bits, .bits_bytes = sizeof bits};
    char shown[sizeof bits * 4 + 1] = "";
    assert_status(driver->map(state, "one", &map, &err), TQ_OK);
    for (size_t i = 0; i < map.seats_count; i++) {
        shown[i] = (char)('0' + (bits[i / 4] >> i % 4 * 2 & 3));
    }
    ck_assert_str_eq(shown, expected);
}

START_TEST(the_map__follows_holds_of_neighbours_and_of_others)
{
    static const char *const apart[] = {"s9", "s11", "s12", "s14"};
    begin();
    assert_status(define("one", 16), TQ_OK);
    const struct tq_hold a = claim("a", seats + 1, 7, 0), b = claim("b", apart, 4, 0);
    assert_map("0111111101011010");
    ck_assert_int_eq(change(&a, TQ_HOLD_PIN), TQ_OK);
    ck_assert_int_eq(change(&b, TQ_HOLD_PIN), TQ_OK);
    assert_map("0222222202022020");
    ck_assert_int_eq(change(&a, TQ_HOLD_RELEASE), TQ_OK);
    assert_map("0000000002022020");
    ck_assert_int_eq(change(&b, TQ_HOLD_SETTLE), TQ_OK);
    ck_assert_int_eq(change(&a, TQ_HOLD_RETAKE), TQ_OK);
    assert_map("0222222203033030");
    end();
}
END_TEST

/* As an older process leaves it, which knows no number behind the eighth. */
static void write_as_before(void)
{
    redisReply *numbers = redisCommand(other, "GETRANGE seat:hold:{one} 0 63");
    ck_assert(numbers && numbers->len == 64);
    freeReplyObject(redisCommand(other, "SET seat:hold:{one} %b", numbers->str, numbers->len));
    freeReplyObject(numbers);
}

START_TEST(a_limit_that_comes_late__counts_what_the_holder_had_before)
{
    static const char *const schedules[] = {"one"};
    const size_t had = (size_t)MANY * EACH;
    begin();
    assert_status(define("one", had + 10), TQ_OK);
    claim_many(MANY, schedules, 1, 60000);
    ck_assert_int_eq(number_of("EXISTS seat:hold:{one}/holders"), 0);
    ck_assert_int_eq(change(&holds[0], TQ_HOLD_RELEASE), TQ_OK);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(claim("a", seats + had, 2, had - EACH + 1).status, TQ_FULL);
        ck_assert_int_eq(number_of("ZCARD seat:hold:{one}/holders"), MANY - 1);
        write_as_before();
    }
    ck_assert_int_eq(claim("a", seats + had, 2, had - EACH + 2).status, TQ_OK);
    ck_assert_int_eq(claim("b", seats + had + 2, 1, 0).status, TQ_OK);
    ck_assert_int_eq(claim("c", seats + had + 3, 1, had - EACH + 3).status, TQ_FULL);
    ck_assert_int_eq(number_of("ZCARD seat:hold:{one}/holders"), MANY + 1);
    end();
}
END_TEST

START_TEST(claims_of_one_array__see_each_other)
{
    static const char *const pairs[][2] = {{"s1", "s2"}, {"s3", "s4"}, {"s2", "s5"}, {"s5", "s6"}};
    static const char *const keys[] = {"a", "b", "c", "a"};
    static const int expected[] = {TQ_OK, TQ_OK, TQ_TAKEN, TQ_REFUSED};
    begin();
    assert_status(define("one", 10), TQ_OK);
    for (size_t i = 0; i < 4; i++) {
        snprintf(ids[i], sizeof ids[i], "h%zu", i);
        claims[i] = (struct tq_front_claim){.size = sizeof claims[i],
                                            .schedule = "one",
                                            .holder = "ann",
                                            .request_key = keys[i],
                                            .id = ids[i],
                                            .seats = pairs[i],
                                            .seats_count = 2,
                                            .ttl_ms = 60000};
        holds[i].size = sizeof holds[i];
    }
    assert_status(driver->claim(state, claims, 4, holds, &err), TQ_OK);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(holds[i].status, expected[i]);
    }
    ck_assert_uint_eq(holds[2].taken, 1);
    ck_assert_int_eq(number_of("EXISTS seat:hold:{one}:s5 seat:hold:{one}:s6"), 0);
    end();
}
END_TEST

START_TEST(seats__at_the_limit_and_over_it)
{
    begin();
    struct tq_seat_map map = TQ_INIT(tq_seat_map);
    assert_status(define("full", TQ_SCHEDULE_SEATS_MAX), TQ_OK);
    assert_status(define("full", TQ_SCHEDULE_SEATS_MAX), TQ_REPEAT);
    assert_status(define("full", TQ_SCHEDULE_SEATS_MAX + 1), TQ_E_LIMIT);
    assert_status(driver->map(state, "full", &map, &err), TQ_OK);
    ck_assert_uint_eq(map.seats_count, TQ_SCHEDULE_SEATS_MAX);
    assert_status(define("over", TQ_SCHEDULE_SEATS_MAX + 1), TQ_E_LIMIT);
    assert_status(driver->map(state, "over", &map, &err), TQ_GONE);
    end();
}
END_TEST

/* What a ledger has: one seat each, sold. */
static void load_sold(size_t from, size_t count, uint32_t is_past)
{
    static struct tq_front_lease leases[MANY];
    for (size_t i = 0; i < count; i++) {
        snprintf(ids[i], sizeof ids[i], "h%zu", from + i);
        leases[i] = (struct tq_front_lease){.size = sizeof leases[i],
                                            .id = ids[i],
                                            .holder = "ann",
                                            .request_key = ids[i],
                                            .seats = seats + from + i,
                                            .seats_count = 1,
                                            .state = TQ_SEAT_SOLD,
                                            .fence = from + i + 1};
    }
    const struct tq_front_load load = {.size = sizeof load,
                                       .schedule = "one",
                                       .seats = seats,
                                       .seats_count = 2 * MANY,
                                       .leases = leases,
                                       .leases_count = count,
                                       .fence = is_past ? 0 : 2 * MANY,
                                       .is_truth = 1,
                                       .is_past = is_past};
    int rc = driver->load(state, &load, &err);
    ck_assert(rc == TQ_OK || rc == TQ_REPEAT);
}

START_TEST(a_load_of_many_slices__brings_all_and_frees_what_is_not_there)
{
    struct tq_seat_map map = TQ_INIT(tq_seat_map);
    begin();
    load_sold(0, MANY, 0);
    assert_status(driver->map(state, "one", &map, &err), TQ_OK);
    ck_assert_uint_eq(map.counts[TQ_SEAT_SOLD], MANY);
    load_sold(MANY - 10, MANY, 0);
    assert_status(driver->map(state, "one", &map, &err), TQ_OK);
    ck_assert_uint_eq(map.counts[TQ_SEAT_SOLD], MANY);
    ck_assert_int_eq(number_of("EXISTS seat:hold:{one}:s0"), 0);
    ck_assert_int_eq(number_of("EXISTS seat:hold:{one}:s1490"), 1);
    load_sold(MANY, 10, 1); /* it went back behind the fences of the rest */
    assert_status(driver->map(state, "one", &map, &err), TQ_OK);
    ck_assert_uint_eq(map.counts[TQ_SEAT_SOLD], 10);
    load_sold(MANY - 10, MANY, 0); /* no: a later look shows them */
    assert_status(driver->map(state, "one", &map, &err), TQ_OK);
    ck_assert_uint_eq(map.counts[TQ_SEAT_SOLD], MANY);
    end();
}
END_TEST

/* What was pinned by the same call, too, is remembered, as the ledger remembers it. */
START_TEST(a_ticket_that_yields_to_a_retake__is_known_as_released)
{
    static const char *const schedules[] = {"one"};
    struct tq_hold_result results[2] = {TQ_INIT(tq_hold_result), TQ_INIT(tq_hold_result)};
    begin();
    assert_status(define("one", EACH), TQ_OK);
    claim_many(1, schedules, 1, 60000);
    struct tq_hold first = holds[0];
    ck_assert_int_eq(change(&first, TQ_HOLD_RELEASE), TQ_OK);
    snprintf(ids[0], sizeof ids[0], "other"); /* the id, and by it the key */
    assert_status(driver->claim(state, claims, 1, holds, &err), TQ_OK);
    ck_assert_int_eq(holds[0].status, TQ_OK);
    const struct tq_front_change told[] = {{.size = sizeof told[0],
                                            .schedule = "one",
                                            .id = holds[0].id,
                                            .holder = "ann",
                                            .fence = holds[0].fence,
                                            .verb = TQ_HOLD_PIN,
                                            .is_told = 1},
                                           {.size = sizeof told[0],
                                            .schedule = "one",
                                            .id = first.id,
                                            .holder = "ann",
                                            .fence = holds[0].fence + 1,
                                            .verb = TQ_HOLD_RETAKE,
                                            .is_told = 1}};
    assert_status(driver->change(state, told, 2, results, &err), TQ_OK);
    ck_assert(results[0].status == TQ_OK && results[1].status == TQ_OK);
    ck_assert_int_eq(change(&holds[0], TQ_HOLD_RELEASE), TQ_REPEAT);
    end();
}
END_TEST

static int count_until(void *arg, const struct tq_hold_row *row)
{
    int *left = arg;
    ck_assert_uint_eq(row->seats_count, EACH);
    ck_assert_int_eq(row->ended, TQ_EXPIRED);
    return --*left == 0 ? 77 : 0;
}

START_TEST(a_sweep__goes_in_pieces_over_schedules_and_may_be_stopped)
{
    static const char *const schedules[] = {"one", "two"};
    int left = 45;
    uint32_t next_ms = 1;
    begin();
    assert_status(define("one", 600), TQ_OK);
    assert_status(define("two", 600), TQ_OK);
    claim_many(200, schedules, 2, 100);
    usleep(120000);
    ck_assert_int_eq(driver->sweep(state, 200, count_until, &left, &next_ms, &err), 77);
    ck_assert_uint_eq(next_ms, 0);
    left = 1000;
    assert_status(driver->sweep(state, 100, count_until, &left, &next_ms, &err), TQ_OK);
    ck_assert_int_eq(left, 900);
    assert_status(driver->sweep(state, 100, count_until, &left, &next_ms, &err), TQ_OK);
    ck_assert_int_eq(left, 845); /* 45, 100, and the 55 that are left */
    ck_assert_uint_eq(next_ms, UINT32_MAX);
    assert_status(driver->sweep(state, 100, count_until, &left, &next_ms, &err), TQ_EMPTY);
    end();
}
END_TEST

START_TEST(a_schedule_that_was_lost__is_in_no_sweeps_way)
{
    static const char *const schedules[] = {"one", "two"};
    int left = 1000;
    uint32_t next_ms;
    begin();
    assert_status(define("one", 600), TQ_OK);
    assert_status(define("two", 600), TQ_OK);
    claim_many(2, schedules, 2, 100);
    ck_assert_int_eq(number_of("DEL seat:hold:{one}"), 1);
    usleep(120000);
    assert_status(driver->sweep(state, 100, count_until, &left, &next_ms, &err), TQ_OK);
    ck_assert_int_eq(left, 999);
    ck_assert_uint_eq(next_ms, UINT32_MAX);
    end();
}
END_TEST

/* A server that says of every hold that it has so many seats, and then nothing of sense. */
struct liar {
    char reply[8192];
    atomic_int asked;
};

static const char *lie(void *arg, size_t count, char *const *words)
{
    struct liar *liar = arg;
    (void)count;
    (void)words;
    return liar->asked++ ? ":1\r\n" : liar->reply;
}

START_TEST(a_hold_of_too_many_seats__is_not_believed)
{
    static const size_t counts[] = {TQ_HOLD_SEATS_MAX - 1, TQ_HOLD_SEATS_MAX, TQ_HOLD_SEATS_MAX + 1,
                                    1000};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct liar liar = {.asked = 0};
        struct tq_hold_result result = TQ_INIT(tq_hold_result);
        char url[64];
        char *at = liar.reply + sprintf(liar.reply, "*1\r\n$%zu\r\n", 2 * counts[i] - 1);
        for (size_t seat = 0; seat < counts[i]; seat++) {
            *at++ = 's';
            *at++ = ' ';
        }
        strcpy(at - 1, "\r\n");
        struct fake_redis *fake = fake_redis_start(lie, &liar, NULL);
        env = tq_system_env();
        snprintf(url, sizeof url, "redis://127.0.0.1:%u", fake_redis_port(fake));
        assert_status(tq_store_open(&env, TQ_ARGS(tq_store_options, .url = url), &store, &err),
                      TQ_OK);
        const struct tq_front_change change = {.size = sizeof change,
                                               .schedule = "one",
                                               .id = "h0",
                                               .holder = "ann",
                                               .fence = 1,
                                               .verb = TQ_HOLD_RETAKE};
        assert_status(
            tq__store_hold(store)->change(tq__store_state(store), &change, 1, &result, &err),
            TQ_E_INTERNAL);
        ck_assert_int_eq(liar.asked, counts[i] <= TQ_HOLD_SEATS_MAX ? 2 : 1);
        tq_store_close(store);
        fake_redis_stop(fake);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {an_array__may_be_long_and_of_many_schedules,
                                  a_held_seat__has_its_key_as_long_as_it_is_held,
                                  a_limit_that_comes_late__counts_what_the_holder_had_before,
                                  claims_of_one_array__see_each_other,
                                  the_map__follows_holds_of_neighbours_and_of_others,
                                  seats__at_the_limit_and_over_it,
                                  a_load_of_many_slices__brings_all_and_frees_what_is_not_there,
                                  a_ticket_that_yields_to_a_retake__is_known_as_released,
                                  a_sweep__goes_in_pieces_over_schedules_and_may_be_stopped,
                                  a_schedule_that_was_lost__is_in_no_sweeps_way,
                                  a_hold_of_too_many_seats__is_not_believed};
    port = redis_server_start(NULL);
    if (!port) {
        printf("1..0 # SKIP there is no redis-server\n");
        return EXIT_SUCCESS;
    }
    return unit_main("store.redis.hold", tests, sizeof tests / sizeof *tests);
}
