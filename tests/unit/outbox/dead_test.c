/* SPDX-License-Identifier: MIT */
/*
 * outbox/dead.c: one letter per refused event, a letter of a letter, headers up to
 * their limit, and bytes that are too many to keep.
 */
#include "outbox/inbox.h"

#include <stdio.h>
#include <string.h>

#include "lib/outbox_world.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct test_env test;
static tq_store *store;
static struct tq_inbox inbox;
static struct tq__slot slot;
static struct tq_message message;
static struct tq__inbox_entry entry;
static struct tq_header headers[TQ_EVENT_HEADERS_MAX];

/* An entry as inbox.c leaves it for burial. */
static void setup(void)
{
    test_env_init(&test, 1);
    struct tq_env env = test_env_of(&test);
    store = outbox_store(&env, "sqlite::memory:");
    outbox_prepare(store);
    inbox = (struct tq_inbox){
        .env = env, .consumer = "payment", .dead_letter_topic = "dlq.a", .held = &message};
    inbox.window.slots = &slot;
    message = (struct tq_message){.topic = "a.b", .key = "k1", .payload = "{}", .payload_bytes = 2};
    entry = (struct tq__inbox_entry){
        .inbox = &inbox,
        .slot = &slot,
        .is_readable = 1,
        .refusal = TQ_E_CORRUPT,
        .reason = "it cannot be",
        .event = {.size = sizeof entry.event,
                  .id = "e1",
                  .topic = "a.b",
                  .type = "T",
                  .aggregate_type = "x",
                  .aggregate_id = "x1",
                  .key = "k1",
                  .payload = "{}",
                  .payload_bytes = 2,
                  .headers = headers},
    };
}

static void teardown(void)
{
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}

static int bury(void)
{
    return tq_ledger_run(store, tq__inbox_bury, &entry, &err);
}

static int64_t letters_like(const char *headers_like)
{
    return ask_number(
        store, "SELECT count(*) FROM outbox_events WHERE topic = 'dlq.a' AND headers LIKE $1",
        headers_like);
}

START_TEST(a_refused_event__is_one_letter)
{
    setup();
    assert_status(bury(), TQ_OK);
    ck_assert_uint_eq(entry.verdict, TQ__INBOX_DEAD);
    assert_status(bury(), TQ_REPEAT);
    ck_assert_uint_eq(entry.verdict, TQ__INBOX_REPEATED);
    ck_assert_int_eq(letters_like("dead-id: e1\ndead-topic: a.b\ndead-consumer: payment\n"
                                  "dead-status: TQ_E_CORRUPT\ndead-reason: it cannot be\n"),
                     1);
    ck_assert_int_eq(ask_number(store,
                                   "SELECT count(*) FROM processed_events WHERE event_id = 'e1'"
                                   " AND dead_reason = $1",
                                   "it cannot be"),
                     1);
    teardown();
}
END_TEST

START_TEST(headers__keep_the_first_that_fit_and_the_newest_reasons)
{
    char names[TQ_EVENT_HEADERS_MAX][TQ_ID_SIZE];
    setup();
    for (int i = 0; i < TQ_EVENT_HEADERS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "h%d", i);
        headers[i] = (struct tq_header){names[i], "old"};
    }
    headers[0].name = TQ_DEAD_REASON;
    entry.event.headers_count = TQ_EVENT_HEADERS_MAX;
    assert_status(bury(), TQ_OK);
    ck_assert_int_eq(letters_like("%dead-reason: it cannot be\nh1: old\n%h11: old\n"), 1);
    ck_assert_int_eq(letters_like("%h12%"), 0);
    ck_assert_int_eq(letters_like("%dead-reason: old%"), 0);
    teardown();
}
END_TEST

START_TEST(bytes_of_others__are_kept_up_to_their_limit)
{
    static char raw[40000];
    setup();
    entry.is_readable = 0;
    message.payload = raw;
    message.payload_bytes = sizeof raw;
    message.key = "no id!";
    assert_status(bury(), TQ_OK);
    ck_assert_int_eq(ask_number(store,
                                   "SELECT length(payload) FROM outbox_events WHERE event_key = $1",
                                   "unreadable"),
                     (int64_t)strlen("{\"base64url\":\"\"}") + 43691);
    teardown();
}
END_TEST

/* The letter of the entry, as its reader gets it. */
static struct tq_event letter_of(struct tq_header *target, const char *id)
{
    struct tq_event letter = entry.event;
    letter.id = "l1";
    letter.topic = "dlq.a";
    target[0] = (struct tq_header){TQ_DEAD_ID, id};
    target[1] = (struct tq_header){TQ_DEAD_TOPIC, "a.b"};
    target[2] = (struct tq_header){TQ_DEAD_CONSUMER, "payment"};
    target[3] = (struct tq_header){TQ_DEAD_REASON, "it cannot be"};
    target[4] = (struct tq_header){"shop", "north"};
    letter.headers = target;
    letter.headers_count = 5;
    return letter;
}

static int replay_body(tq_tx *tx, void *arg, struct tq_error *failure)
{
    return tq_inbox_replay(tx, arg, failure);
}

static int replay(struct tq_event *letter)
{
    return tq_ledger_run(store, replay_body, letter, &err);
}

START_TEST(a_letter__is_replayed_once_under_its_own_id)
{
    struct tq_header own[TQ_EVENT_HEADERS_MAX];
    setup();
    assert_status(bury(), TQ_OK);
    struct tq_event letter = letter_of(own, "e1");
    assert_status(replay(&letter), TQ_OK);
    ck_assert_int_eq(ask_number(store,
                                   "SELECT count(*) FROM outbox_events WHERE event_id = 'e1'"
                                   " AND topic = 'a.b' AND headers = $1",
                                   "shop: north\n"),
                     1);
    ck_assert_int_eq(ask_number(store, "SELECT count(*) FROM processed_events", NULL), 0);
    assert_status(replay(&letter), TQ_GONE);
    assert_status(bury(), TQ_OK); /* refused again, while it still waits here */
    assert_status(replay(&letter), TQ_REPEAT);
    ck_assert_int_eq(
        ask_number(store, "SELECT count(*) FROM processed_events WHERE event_id = 'e1'", NULL),
        1);
    ck_assert_int_eq(
        ask_number(store, "SELECT count(*) FROM outbox_events WHERE event_id = 'e1'", NULL), 1);
    teardown();
}
END_TEST

START_TEST(what_is_no_letter_of_a_dead_event__is_not_replayed)
{
    struct tq_header own[TQ_EVENT_HEADERS_MAX];
    setup();
    struct tq_event letter = letter_of(own, "e1");
    assert_status(replay(&letter), TQ_GONE);
    letter = letter_of(own, "");
    assert_status(replay(&letter), TQ_E_INVALID);
    letter = letter_of(own, "e1");
    own[1].value = "no topic!";
    assert_status(replay(&letter), TQ_E_INVALID);
    letter = letter_of(own, "e1");
    own[2].value = "";
    assert_status(replay(&letter), TQ_E_INVALID);
    ck_assert_int_eq(outbox_pending(store), 0);
    teardown();
}
END_TEST

UNIT_MAIN("outbox.dead", a_refused_event__is_one_letter,
          headers__keep_the_first_that_fit_and_the_newest_reasons,
          bytes_of_others__are_kept_up_to_their_limit, a_letter__is_replayed_once_under_its_own_id,
          what_is_no_letter_of_a_dead_event__is_not_replayed)
