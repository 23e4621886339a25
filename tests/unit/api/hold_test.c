/* SPDX-License-Identifier: MIT */
/*
 * hold.h, on a book with a front and a ledger.
 */
#include <ticketq/hold.h>

#include "api/api.h"

static struct test_env test;
static struct tq_env env;
static tq_store *front, *ledger;
static tq_book *book;

static const char *const seats[] = {"A1", "A2"};
static const struct tq_hold_request request = {.size = sizeof request,
                                               .schedule = "s",
                                               .holder = "me",
                                               .request_key = "k",
                                               .seats = seats,
                                               .seats_count = 1};
static const struct tq_hold_ref ref = {
    .size = sizeof ref, .schedule = "s", .id = "h", .holder = "me", .fence = 1};

static tq_store *open_store(const char *url)
{
    tq_store *store = NULL;
    assert_status(tq_store_open(&env, TQ_ARGS(tq_store_options, .url = url), &store, &err), TQ_OK);
    return store;
}

static void setup(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    front = open_store("memory:");
    ledger = open_store("sqlite::memory:");
    assert_status(
        tq_book_open(&env, TQ_ARGS(tq_book_options, .front = front, .ledger = ledger), &book, &err),
        TQ_OK);
    assert_status(tq_book_define(book, "s", seats, 2, &err), TQ_OK);
}

/* Every seat is free. */
static void teardown(void)
{
    struct tq_seat_map map = TQ_INIT(tq_seat_map);
    assert_status(tq_book_map(book, "s", &map, &err), TQ_OK);
    ck_assert(map.counts[TQ_SEAT_AVAILABLE] == 2 && map.seats_count == 2);
    tq_book_close(book);
    tq_store_close(front);
    tq_store_close(ledger);
    ck_assert_int_eq(test.live, 0);
}

static int visit_none(void *arg, const struct tq_hold_row *row)
{
    (void)row;
    ++*(int *)arg;
    return 0;
}

START_TEST(a_book__is_no_argument_when_it_is_none)
{
    struct tq_book_options options = {.size = sizeof options};
    struct tq_seat_map map = {.size = sizeof map, .version = 77};
    tq_book *other = NULL;
    setup();
    options.front = front;
    REFUSED(tq_book_open(NULL, &options, &other, &err), TQ_E_INVALID, "env");
    REFUSED(tq_book_open(&env, NULL, &other, &err), TQ_E_INVALID, "options");
    REFUSED(tq_book_open(&env, &options, NULL, &err), TQ_E_INVALID, "out_book");
    options.front = NULL;
    REFUSED(tq_book_open(&env, &options, &other, &err), TQ_E_INVALID, "front");
    ck_assert(!other);
    REFUSED(tq_book_define(NULL, "s", seats, 2, &err), TQ_E_INVALID, "book");
    REFUSED(tq_book_define(book, NULL, seats, 2, &err), TQ_E_INVALID, "schedule");
    REFUSED(tq_book_define(book, "s", NULL, 2, &err), TQ_E_INVALID, "seats");
    REFUSED(tq_book_map(NULL, "s", &map, &err), TQ_E_INVALID, "book");
    REFUSED(tq_book_map(book, NULL, &map, &err), TQ_E_INVALID, "schedule");
    REFUSED(tq_book_map(book, "s", NULL, &err), TQ_E_INVALID, "map");
    ck_assert_uint_eq(map.version, 77);
    IGNORED(tq_book_close(NULL));
    teardown();
}
END_TEST

START_TEST(requests__are_there)
{
    struct tq_hold hold = {.size = sizeof hold, .fence = 77};
    setup();
    REFUSED(tq_hold_acquire(NULL, &request, 1, &hold, &err), TQ_E_INVALID, "book");
    REFUSED(tq_hold_acquire(book, NULL, 1, &hold, &err), TQ_E_INVALID, "requests");
    REFUSED(tq_hold_acquire(book, &request, 1, NULL, &err), TQ_E_INVALID, "out_holds");
    REFUSED(tq_hold_claim(NULL, &request, 1, &hold, &err), TQ_E_INVALID, "book");
    REFUSED(tq_hold_claim(book, NULL, 1, &hold, &err), TQ_E_INVALID, "requests");
    REFUSED(tq_hold_claim(book, &request, 1, NULL, &err), TQ_E_INVALID, "out_holds");
    ck_assert_uint_eq(hold.fence, 77);
    teardown();
}
END_TEST

/* The same for every verb: what a hold is named by, and where the result goes. */
#define REFUSED_VERB(verb)                                                                         \
    do {                                                                                           \
        REFUSED(verb(NULL, &ref, 1, &result, &err), TQ_E_INVALID, "book");                         \
        REFUSED(verb(book, NULL, 1, &result, &err), TQ_E_INVALID, "refs");                         \
        REFUSED(verb(book, &ref, 1, NULL, &err), TQ_E_INVALID, "out_results");                     \
        REFUSED(verb(book, &ref, 0, &result, &err), TQ_E_LIMIT, "count");                          \
        REFUSED(verb(book, &ref, TQ_BATCH_MAX + 1, &result, &err), TQ_E_LIMIT, "count");           \
        REFUSED(verb(book, &ref, SIZE_MAX, &result, &err), TQ_E_LIMIT, "count");                   \
    } while (0)

START_TEST(verbs__have_holds_and_room_for_results)
{
    struct tq_hold_result result = {.size = sizeof result, .fence = 77};
    setup();
    REFUSED_VERB(tq_hold_extend);
    REFUSED_VERB(tq_hold_pin);
    REFUSED_VERB(tq_hold_settle);
    REFUSED_VERB(tq_hold_release);
    REFUSED_VERB(tq_hold_give_back);
    REFUSED_VERB(tq_hold_retake);
    REFUSED(tq_hold_reflect(NULL, TQ_HOLD_PIN, &ref, 1, &err), TQ_E_INVALID, "book");
    REFUSED(tq_hold_reflect(book, TQ_HOLD_PIN, NULL, 1, &err), TQ_E_INVALID, "refs");
    REFUSED(tq_hold_reflect(book, TQ_HOLD_PIN, &ref, 0, &err), TQ_E_LIMIT, "count");
    REFUSED(tq_hold_reflect(book, 0, &ref, 1, &err), TQ_E_INVALID, "verb");
    REFUSED(tq_hold_reflect(book, TQ_HOLD_WITHDRAW + 1, &ref, 1, &err), TQ_E_INVALID, "verb");
    ck_assert_uint_eq(result.fence, 77);
    teardown();
}
END_TEST

#define REFUSED_RECORD(verb)                                                                       \
    do {                                                                                           \
        REFUSED(verb(NULL, book, &ref, 1, &result, &err), TQ_E_INVALID, "tx");                     \
        REFUSED(verb(tx, NULL, &ref, 1, &result, &err), TQ_E_INVALID, "book");                     \
        REFUSED(verb(tx, book, NULL, 1, &result, &err), TQ_E_INVALID, "refs");                     \
        REFUSED(verb(tx, book, &ref, 1, NULL, &err), TQ_E_INVALID, "out_results");                 \
        REFUSED(verb(tx, book, &ref, 0, &result, &err), TQ_E_LIMIT, "count");                      \
        REFUSED(verb(tx, book, &ref, TQ_BATCH_MAX + 1, &result, &err), TQ_E_LIMIT, "count");       \
    } while (0)

static int refuse_records(tq_tx *tx, void *arg, struct tq_error *failure)
{
    struct tq_hold_result result = {.size = sizeof result, .fence = 77};
    struct tq_hold hold = {.size = sizeof hold, .fence = 77};
    (void)failure;
    REFUSED_RECORD(tq_hold_record_extend);
    REFUSED_RECORD(tq_hold_record_pin);
    REFUSED_RECORD(tq_hold_record_settle);
    REFUSED_RECORD(tq_hold_record_free);
    REFUSED_RECORD(tq_hold_record_give_back);
    REFUSED_RECORD(tq_hold_record_retake);
    REFUSED(tq_hold_record(NULL, book, &request, 1, &hold, &err), TQ_E_INVALID, "tx");
    REFUSED(tq_hold_record(tx, NULL, &request, 1, &hold, &err), TQ_E_INVALID, "book");
    REFUSED(tq_hold_record(tx, book, NULL, 1, &hold, &err), TQ_E_INVALID, "requests");
    REFUSED(tq_hold_record(tx, book, &request, 1, NULL, &err), TQ_E_INVALID, "holds");
    REFUSED(tq_hold_record_sweep(NULL, book, 1, visit_none, arg, &err), TQ_E_INVALID, "tx");
    REFUSED(tq_hold_record_sweep(tx, NULL, 1, visit_none, arg, &err), TQ_E_INVALID, "book");
    REFUSED(tq_hold_record_sweep(tx, book, 0, visit_none, arg, &err), TQ_E_LIMIT, "limit");
    ACCEPTED(tq_hold_record_sweep(tx, book, 1, NULL, NULL, &err), TQ_EMPTY);
    REFUSED(tq_hold_read(NULL, book, &ref, visit_none, arg, &err), TQ_E_INVALID, "tx");
    REFUSED(tq_hold_read(tx, NULL, &ref, visit_none, arg, &err), TQ_E_INVALID, "book");
    REFUSED(tq_hold_read(tx, book, NULL, visit_none, arg, &err), TQ_E_INVALID, "ref");
    ACCEPTED(tq_hold_read(tx, book, &ref, NULL, NULL, &err), TQ_GONE);
    ck_assert(result.fence == 77 && hold.fence == 77);
    return TQ_REPEAT;
}

START_TEST(records__are_in_a_transaction_on_a_book)
{
    int visits = 0;
    setup();
    assert_status(tq_ledger_run(ledger, refuse_records, &visits, &err), TQ_REPEAT);
    ck_assert_int_eq(visits, 0);
    REFUSED(tq_hold_sweep(NULL, 1, visit_none, &visits, NULL, &err), TQ_E_INVALID, "book");
    REFUSED(tq_hold_sweep(book, 0, visit_none, &visits, NULL, &err), TQ_E_LIMIT, "limit");
    REFUSED(tq_hold_sweep(book, TQ_BATCH_MAX + 1, visit_none, &visits, NULL, &err), TQ_E_LIMIT,
            "limit");
    ACCEPTED(tq_hold_sweep(book, 1, NULL, NULL, NULL, &err), TQ_EMPTY);
    teardown();
}
END_TEST

static int with_options(const void *argument)
{
    struct tq_book_options options;
    unsigned char longer[256];
    tq_book *other = NULL;
    size_t bytes;
    if (!argument) {
        return tq_book_open(&env, NULL, &other, &err);
    }
    memcpy(&bytes, argument, sizeof bytes);
    if (bytes >= sizeof options && bytes <= sizeof longer) { /* a store of this test */
        memcpy(longer, argument, bytes);
        memcpy(longer + offsetof(struct tq_book_options, front), &front, sizeof front);
        argument = longer;
    }
    int rc = tq_book_open(&env, argument, &other, &err);
    tq_book_close(other);
    return rc;
}

static int with_request(const void *argument)
{
    struct tq_hold hold = TQ_INIT(tq_hold);
    struct tq_hold_ref made = TQ_INIT(tq_hold_ref);
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    int rc = tq_hold_acquire(book, argument, 1, &hold, &err);
    if (rc == TQ_OK && hold.status == TQ_OK) { /* and as it was */
        made.schedule = hold.schedule;
        made.id = hold.id;
        made.holder = hold.holder;
        made.fence = hold.fence;
        assert_status(tq_hold_release(book, &made, 1, &result, &err), TQ_OK);
    }
    return rc;
}

static int with_hold(const void *argument)
{
    static const char *const unknown[] = {"none"};
    struct tq_hold_request other = request;
    other.seats = unknown;
    return tq_hold_acquire(book, &other, 1, (struct tq_hold *)(uintptr_t)argument, &err);
}

static int with_ref(const void *argument)
{
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    return tq_hold_pin(book, argument, 1, &result, &err);
}

static int with_result(const void *argument)
{
    return tq_hold_pin(book, &ref, 1, (struct tq_hold_result *)(uintptr_t)argument, &err);
}

static int with_map(const void *argument)
{
    return tq_book_map(book, "s", (struct tq_seat_map *)(uintptr_t)argument, &err);
}

START_TEST(structs__are_as_long_as_they_say)
{
    static const struct sized table[] = {
        {"options", SIZED_IN, sizeof(struct tq_book_options), NULL, with_options},
        {"requests", SIZED_EXACT, sizeof request, &request, with_request},
        {"out_holds", SIZED_EXACT, sizeof(struct tq_hold), NULL, with_hold},
        {"refs", SIZED_EXACT, sizeof ref, &ref, with_ref},
        {"out_results", SIZED_EXACT, sizeof(struct tq_hold_result), NULL, with_result},
        {"map", SIZED_EXACT, sizeof(struct tq_seat_map), NULL, with_map},
    };
    setup();
    CHECK_SIZED(table);
    teardown();
}
END_TEST

/* The same check for each id that a request or a ref has. */
#define ID_OF(type, member, good, call)                                                            \
    static int with_##member##_of_##call(const void *argument)                                     \
    {                                                                                              \
        struct type changed = good;                                                                \
        changed.member = argument;                                                                 \
        return with_##call(&changed);                                                              \
    }
ID_OF(tq_hold_request, schedule, request, request)
ID_OF(tq_hold_request, holder, request, request)
ID_OF(tq_hold_request, request_key, request, request)
ID_OF(tq_hold_ref, schedule, ref, ref)
ID_OF(tq_hold_ref, id, ref, ref)
ID_OF(tq_hold_ref, holder, ref, ref)

static int with_seat(const void *argument)
{
    const char *const wanted[] = {"A1", argument};
    struct tq_hold_request changed = request;
    changed.seats = wanted;
    changed.seats_count = 2;
    return with_request(&changed);
}

static int with_schedule(const void *argument)
{
    return tq_book_define(book, argument, seats, 2, &err);
}

START_TEST(ids__are_ids)
{
    setup();
    check_ids(with_schedule_of_request, "schedule");
    check_ids(with_holder_of_request, "holder");
    check_ids(with_request_key_of_request, "request_key");
    check_ids(with_seat, "seat");
    check_ids(with_schedule_of_ref, "schedule");
    check_ids(with_id_of_ref, "id");
    check_ids(with_holder_of_ref, "holder");
    check_ids(with_schedule, "schedule");
    teardown();
}
END_TEST

START_TEST(numbers__are_in_their_limits)
{
    static const size_t counts[] = {0, TQ_BATCH_MAX + 1, SIZE_MAX};
    struct tq_hold hold = TQ_INIT(tq_hold);
    struct tq_hold_request bad = request;
    struct tq_hold_ref stale = ref;
    setup();
    for (size_t i = 0; i < COUNT(counts); i++) {
        REFUSED(tq_hold_acquire(book, &request, counts[i], &hold, &err), TQ_E_LIMIT, "count");
        REFUSED(tq_hold_claim(book, &request, counts[i], &hold, &err), TQ_E_LIMIT, "count");
        bad.seats_count = counts[i];
        REFUSED(with_request(&bad), TQ_E_LIMIT, "seats_count");
    }
    REFUSED(tq_book_define(book, "s", seats, 0, &err), TQ_E_LIMIT, "seats_count");
    REFUSED(tq_book_define(book, "s", seats, SIZE_MAX, &err), TQ_E_LIMIT, "seats_count");
    bad = request;
    bad.seats = NULL;
    REFUSED(with_request(&bad), TQ_E_INVALID, "seats");
    bad = request;
    bad.ttl_ms = TQ_HOLD_TTL_MIN_MS - 1;
    REFUSED(with_request(&bad), TQ_E_LIMIT, "ttl_ms");
    bad.ttl_ms = UINT32_MAX;
    REFUSED(with_request(&bad), TQ_E_LIMIT, "ttl_ms");
    stale.extend_ms = TQ_HOLD_TTL_MAX_MS + 1;
    REFUSED(with_ref(&stale), TQ_E_LIMIT, "extend_ms");
    stale = ref;
    stale.fence = 0;
    REFUSED(with_ref(&stale), TQ_E_INVALID, "fence");
    stale.fence = UINT64_MAX;
    REFUSED(with_ref(&stale), TQ_E_INVALID, "fence");
    teardown();
}
END_TEST

/* The map is written as far as there is room, to the byte. */
START_TEST(a_map__is_written_into_its_room_only)
{
    uint8_t bits[2] = {0xee, 0xee};
    struct tq_seat_map map = {.size = sizeof map, .bits = bits};
    setup();
    assert_status(tq_book_map(book, "s", &map, &err), TQ_OK);
    ck_assert(map.bits_bytes == 1 && bits[0] == 0xee);
    map.bits_bytes = 1;
    assert_status(tq_book_map(book, "s", &map, &err), TQ_OK);
    ck_assert(map.bits_bytes == 1 && bits[0] == 0 && bits[1] == 0xee);
    map.bits = NULL;
    map.bits_bytes = SIZE_MAX;
    assert_status(tq_book_map(book, "s", &map, &err), TQ_OK);
    ck_assert_uint_eq(map.bits_bytes, 1);
    assert_status(tq_book_map(book, "other", &map, &err), TQ_GONE);
    teardown();
}
END_TEST

UNIT_MAIN("api.hold", a_book__is_no_argument_when_it_is_none, requests__are_there,
          verbs__have_holds_and_room_for_results, records__are_in_a_transaction_on_a_book,
          structs__are_as_long_as_they_say, ids__are_ids, numbers__are_in_their_limits,
          a_map__is_written_into_its_room_only)
