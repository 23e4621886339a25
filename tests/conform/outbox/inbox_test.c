/* SPDX-License-Identifier: MIT */
/*
 * What an inbox promises when deliveries repeat, handlers fail and messages are no
 * good: each event is applied once, or becomes a dead letter.
 */
#include <stdio.h>
#include <string.h>

#include "conform/fixtures.h"
#include "lib/outbox_world.h"
#include "transport/transport.h"

static struct tq_error err = TQ_ERROR_INIT;
static struct world world;
static tq_store *store;
static tq_transport *transport;
static tq_relay *relay;
static tq_inbox *inbox;
static struct handler_plan plan;
static const struct tq_transport_driver *driver;
static void *state, *producer; /* behind the relay's back */

#define ROUND_MS 20
#define ROUNDS 1500

static void setup(uint32_t attempts_max)
{
    world_open(&world);
    store = world_store(&world);
    transport = world_transport(&world);
    driver = tq__transport_driver(transport);
    state = tq__transport_state(transport);
    assert_status(driver->producer_open(state, &producer, &err), TQ_OK);
    outbox_prepare(store);
    plan = (struct handler_plan){.key = ""};
    inbox = outbox_inbox(store, transport, "payment", &plan, attempts_max);
    relay = outbox_relay(store, transport, "r1");
}

static void teardown(void)
{
    tq_relay_close(relay);
    tq_inbox_close(inbox);
    driver->producer_close(state, producer);
    tq_transport_close(transport);
    tq_store_close(store);
    world_close(&world);
}

/* A transport that keeps messages reports now; others when they have been applied. */
static size_t reports(uint32_t wait_ms)
{
    struct tq_report found[64];
    size_t count = 0;
    int status = driver->reports(state, producer, found, 64, wait_ms, &count, &err);
    ck_assert_int_ge(status, TQ_OK);
    for (size_t i = 0; status == TQ_OK && i < count; i++) {
        ck_assert_int_eq(found[i].status, TQ_OK);
    }
    return status == TQ_OK ? count : 0;
}

static void publish(const struct tq_message *message)
{
    size_t accepted = 0, reported = 0;
    int status = TQ_FULL;
    for (int i = 0; i < ROUNDS && status == TQ_FULL; i++) {
        status = driver->publish(state, producer, message, 1, &accepted, &err);
        reported = status == TQ_FULL ? reports(ROUND_MS) : 0;
    }
    assert_status(status, TQ_OK);
    for (int i = 0; i < ROUNDS && !reported && (driver->caps & TQ_TRANSPORT_DURABLE); i++) {
        reported = reports(ROUND_MS);
    }
}

static void publish_event(const char *id, const char *key, const char *payload)
{
    const struct tq_header headers[] = {
        {"ce_specversion", "1.0"},  {"ce_id", id},         {"ce_source", "/seat"},
        {"ce_type", "SeatCounted"}, {"ce_subject", "A-1"}, {"ce_time", "2026-11-22T10:00:00.000Z"},
        {"shop", "north"},
    };
    publish(&(struct tq_message){.topic = OUTBOX_TOPIC,
                                 .key = key,
                                 .headers = headers,
                                 .headers_count = sizeof headers / sizeof *headers,
                                 .payload = payload,
                                 .payload_bytes = strlen(payload)});
}

static size_t dealt_with(const struct tq_inbox_stats *stats)
{
    return stats->applied + stats->repeated + stats->failed + stats->dead;
}

/* Steps until that many events were dealt with: applied, repeated, failed or dead. */
static struct tq_inbox_stats steps_of(tq_inbox *of, size_t events, int rounds)
{
    struct tq_inbox_stats sum = TQ_INIT(tq_inbox_stats);
    for (int i = 0; i < rounds && dealt_with(&sum) < events; i++) {
        struct tq_inbox_stats stats = TQ_INIT(tq_inbox_stats);
        assert_step(tq_inbox_step(of, ROUND_MS, &stats, &err));
        sum.applied += stats.applied;
        sum.repeated += stats.repeated;
        sum.failed += stats.failed;
        sum.dead += stats.dead;
    }
    return sum;
}

static struct tq_inbox_stats steps(size_t events)
{
    return steps_of(inbox, events, ROUNDS);
}

static struct tq_inbox_stats step(void)
{
    return steps(1);
}

/* Until both members have applied something, and nothing is left, the group may be moving. */
static void balance(tq_inbox *one, tq_inbox *two)
{
    uint32_t had[2] = {0};
    char id[16], key[16];
    if (!outbox_takes_a_moment(transport)) {
        return;
    }
    for (int n = 1, quiet = 0; quiet < 10; n++) {
        ck_assert_int_lt(n, ROUNDS);
        if (!had[0] || !had[1]) {
            snprintf(id, sizeof id, "w%d", n);
            snprintf(key, sizeof key, "warm%d", n % 16);
            publish_event(id, key, "{\"n\":1}");
        }
        struct tq_inbox_stats of_one = steps_of(one, 1, 1), of_two = steps_of(two, 1, 1);
        had[0] += of_one.applied;
        had[1] += of_two.applied;
        quiet = had[0] && had[1] && !dealt_with(&of_one) && !dealt_with(&of_two) ? quiet + 1 : 0;
    }
}

START_TEST(in_01_repeated_later__has_one_effect)
{
    setup(0);
    publish_event("e1", "k1", "{\"n\":1}");
    ck_assert_uint_eq(step().applied, 1);
    publish_event("e1", "k1", "{\"n\":1}");
    ck_assert_uint_eq(step().repeated, 1);
    outbox_check_key(store, "payment", "k1", 1);
    ck_assert_int_eq(plan.told, 1);
    teardown();
}
END_TEST

START_TEST(in_02_repeated_at_once__has_one_effect)
{
    setup(0);
    publish_event("e1", "k1", "{\"n\":1}");
    publish_event("e1", "k1", "{\"n\":1}");
    publish_event("e2", "k1", "{\"n\":2}");
    struct tq_inbox_stats stats = steps(3);
    ck_assert_uint_eq(stats.applied, 2);
    ck_assert_uint_eq(stats.repeated, 1);
    outbox_check_key(store, "payment", "k1", 2);
    teardown();
}
END_TEST

START_TEST(in_04_a_failing_handler__is_undone_and_holds_back_its_key_only)
{
    setup(0);
    plan = (struct handler_plan){.key = "k1", .status = TQ_E_UNAVAILABLE, .times = 2};
    publish_event("e1", "k1", "{\"n\":1}");
    publish_event("e2", "k1", "{\"n\":2}");
    publish_event("e3", "k2", "{\"n\":1}");
    struct tq_inbox_stats stats = steps(2);
    ck_assert_uint_eq(stats.applied, 1);
    ck_assert_uint_eq(stats.failed, 1);
    outbox_check_key(store, "payment", "k1", 0);
    outbox_check_key(store, "payment", "k2", 1);
    publish_event("e4", "k2", "{\"n\":2}");
    publish_event("e5", "k1", "{\"n\":3}");
    ck_assert_uint_eq(step().applied, 1);
    ck_assert_int_eq(plan.times, 1);
    world_advance(&world, 60000);
    ck_assert_uint_eq(step().failed, 1);
    world_advance(&world, 60000);
    ck_assert_uint_eq(steps(3).applied, 3);
    outbox_check_key(store, "payment", "k1", 3);
    outbox_check_key(store, "payment", "k2", 2);
    teardown();
}
END_TEST

/* What a letter in the dead-letter topic says. */
struct letter {
    int count;
    int is_to_be_replayed;
    char id[TQ_ID_SIZE], key[TQ_ID_SIZE], type[TQ_ID_SIZE], payload[128], headers[512];
};

static int take_letter(tq_tx *tx, const struct tq_event *event, void *arg, struct tq_error *failure)
{
    struct letter *letter = arg;
    letter->count++;
    letter->headers[0] = '\0';
    snprintf(letter->id, sizeof letter->id, "%s", event->id);
    snprintf(letter->key, sizeof letter->key, "%s", event->key);
    snprintf(letter->type, sizeof letter->type, "%s", event->type);
    snprintf(letter->payload, sizeof letter->payload, "%.*s", (int)event->payload_bytes,
             event->payload);
    for (size_t i = 0; i < event->headers_count; i++) {
        size_t bytes = strlen(letter->headers);
        snprintf(letter->headers + bytes, sizeof letter->headers - bytes, "%s=%s;",
                 event->headers[i].name, event->headers[i].value);
    }
    return letter->is_to_be_replayed ? tq_inbox_replay(tx, event, failure) : TQ_OK;
}

static tq_inbox *open_operator(struct letter *letter)
{
    static const char *const topics[] = {OUTBOX_DEAD};
    tq_inbox *reader = NULL;
    assert_status(tq_inbox_open(store, transport,
                                TQ_ARGS(tq_inbox_options, .consumer = "operator", .topics = topics,
                                        .topics_count = 1, .dead_letter_topic = "dlq.operator",
                                        .handler = take_letter, .arg = letter),
                                &reader, &err),
                  TQ_OK);
    return reader;
}

static struct letter visit_letter(int is_to_be_replayed)
{
    struct letter letter = {.is_to_be_replayed = is_to_be_replayed};
    tq_inbox *reader = open_operator(&letter);
    for (int i = 0, quiet = 0; i < ROUNDS && quiet < 10; i++) {
        assert_step(tq_relay_step(relay, 0, NULL, &err));
        assert_step(tq_inbox_step(reader, ROUND_MS, NULL, &err));
        quiet += letter.count > 0 && (is_to_be_replayed || outbox_pending(store) == 0);
    }
    tq_inbox_close(reader);
    return letter;
}

static struct letter read_letter(void)
{
    return visit_letter(0);
}

START_TEST(never_applicable__is_a_dead_letter_with_its_reason)
{
    setup(0);
    plan = (struct handler_plan){.key = "k1", .status = TQ_E_INVALID, .times = 1};
    publish_event("e1", "k1", "{\"n\":1}");
    publish_event("e2", "k1", "{\"n\":2}");
    struct tq_inbox_stats stats = step();
    ck_assert_uint_eq(stats.dead, 1);
    ck_assert_uint_eq(stats.applied, 0);
    ck_assert_uint_eq(step().applied, 1);
    publish_event("e1", "k1", "{\"n\":1}");
    ck_assert_uint_eq(step().repeated, 1);
    struct letter letter = read_letter();
    ck_assert_int_eq(letter.count, 1);
    ck_assert_str_ne(letter.id, "e1");
    ck_assert_str_eq(letter.key, "k1");
    ck_assert_str_eq(letter.type, "SeatCounted");
    ck_assert_str_eq(letter.payload, "{\"n\":1}");
    ck_assert_ptr_nonnull(strstr(letter.headers, "dead-id=e1;"));
    ck_assert_ptr_nonnull(strstr(letter.headers, "dead-topic=" OUTBOX_TOPIC ";"));
    ck_assert_ptr_nonnull(strstr(letter.headers, "dead-consumer=payment;"));
    ck_assert_ptr_nonnull(strstr(letter.headers, "dead-status=TQ_E_INVALID;"));
    ck_assert_ptr_nonnull(strstr(letter.headers, "shop=north;"));
    ck_assert_int_eq(ask_number(store,
                                "SELECT count(*) FROM processed_events WHERE event_id = $1 AND"
                                " dead_reason IS NOT NULL",
                                "e1"),
                     1);
    teardown();
}
END_TEST

START_TEST(a_letter_that_is_replayed__is_applied_by_the_one_who_refused_it)
{
    struct handler_plan other_plan = {.key = ""};
    setup(0);
    tq_inbox *other = outbox_inbox(store, transport, "other", &other_plan, 0);
    tq_inbox_close(open_operator(NULL)); /* subscribed before there is a letter */
    plan = (struct handler_plan){.key = "k1", .status = TQ_E_INVALID, .times = 1};
    assert_status(outbox_put(store, "k1", 1, 1), TQ_OK);
    for (int i = 0; i < ROUNDS && (plan.called < 1 || other_plan.told < 1); i++) {
        assert_step(tq_relay_step(relay, 0, NULL, &err));
        assert_step(tq_inbox_step(inbox, ROUND_MS, NULL, &err));
        assert_step(tq_inbox_step(other, ROUND_MS, NULL, &err));
    }
    for (int i = 0; i < ROUNDS && outbox_pending(store) > 1; i++) { /* the letter remains */
        assert_step(tq_relay_step(relay, ROUND_MS, NULL, &err));
    }
    ck_assert_int_eq(visit_letter(1).count, 1);
    struct tq_inbox_stats stats = {.size = sizeof stats};
    for (int i = 0; i < ROUNDS && (plan.told < 1 || stats.repeated < 1); i++) {
        assert_step(tq_relay_step(relay, 0, NULL, &err));
        assert_step(tq_inbox_step(inbox, ROUND_MS, NULL, &err));
        assert_step(tq_inbox_step(other, ROUND_MS, &stats, &err));
    }
    ck_assert_int_eq(plan.told, 1);
    ck_assert_uint_eq(stats.repeated, 1);
    outbox_check_key(store, "payment", "k1", 1);
    outbox_check_key(store, "other", "k1", 1);
    tq_inbox_close(other);
    teardown();
}
END_TEST

START_TEST(in_04_after_attempts_max__is_a_dead_letter)
{
    setup(3);
    plan = (struct handler_plan){.key = "k1", .status = TQ_E_UNAVAILABLE, .times = 3};
    publish_event("e1", "k1", "{\"n\":1}");
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(step().failed, 1);
        world_advance(&world, 60000);
    }
    ck_assert_uint_eq(step().dead, 1);
    ck_assert_int_eq(read_letter().count, 1);
    teardown();
}
END_TEST

START_TEST(contention__is_never_an_attempt)
{
    setup(2);
    plan = (struct handler_plan){.key = "k1", .status = TQ_E_NOMEM, .times = 20};
    publish_event("e1", "k1", "{\"n\":1}");
    for (int i = 0; i < 10; i++) {
        ck_assert_uint_eq(step().dead, 0);
        world_advance(&world, 60000);
    }
    plan.times = 0;
    ck_assert_uint_eq(step().applied, 1);
    teardown();
}
END_TEST

START_TEST(a_message_that_is_no_event__is_kept_as_a_dead_letter)
{
    setup(0);
    publish(&(struct tq_message){
        .topic = OUTBOX_TOPIC, .key = "no id!", .payload = "\xff\x00raw", .payload_bytes = 5});
    ck_assert_uint_eq(step().dead, 1);
    struct letter letter = read_letter();
    ck_assert_int_eq(letter.count, 1);
    ck_assert_str_eq(letter.type, "Unreadable");
    ck_assert_str_eq(letter.payload, "{\"base64url\":\"_wByYXc\"}");
    ck_assert_int_eq(plan.called, 0);
    teardown();
}
END_TEST

START_TEST(in_03_closed_before_its_acknowledgement__repeats_and_is_skipped)
{
    setup(0);
    publish_event("e1", "k1", "{\"n\":1}");
    publish_event("e2", "k1", "{\"n\":2}");
    plan = (struct handler_plan){.key = "k1", .status = TQ_E_UNAVAILABLE, .times = 1};
    ck_assert_uint_eq(step().failed, 1);
    tq_inbox_close(inbox);
    inbox = outbox_inbox(store, transport, "payment", &plan, 0);
    ck_assert_uint_eq(steps(2).applied, 2);
    outbox_check_key(store, "payment", "k1", 2);
    teardown();
}
END_TEST

START_TEST(another_member__takes_over_what_the_first_one_held)
{
    setup(0);
    tq_inbox *other = outbox_inbox(store, transport, "payment", &plan, 0);
    balance(inbox, other);
    publish_event("e1", "k1", "{\"n\":1}");
    plan = (struct handler_plan){.key = "k1", .status = TQ_E_UNAVAILABLE, .times = 1};
    for (int i = 0; i < ROUNDS && plan.times; i++) {
        if (steps_of(other, 1, 1).failed) {
            tq_inbox *holder = other;
            other = inbox;
            inbox = holder;
        } else {
            steps_of(inbox, 1, 1);
        }
    }
    publish_event("e2", "k1", "{\"n\":2}");
    struct tq_inbox_stats none = steps_of(other, 1, 10);
    ck_assert_uint_eq(dealt_with(&none), 0);
    tq_inbox_close(inbox);
    inbox = other;
    ck_assert_uint_eq(steps(2).applied, 2);
    outbox_check_key(store, "payment", "k1", 2);
    teardown();
}
END_TEST

START_TEST(in_06_two_consumers__both_apply)
{
    struct handler_plan other_plan = {.key = ""};
    setup(0);
    tq_inbox *other = outbox_inbox(store, transport, "queue", &other_plan, 0);
    assert_status(outbox_put(store, "k1", 1, 3), TQ_OK);
    for (int i = 0; i < ROUNDS && plan.told < 3; i++) {
        assert_step(tq_relay_step(relay, 0, NULL, &err));
        steps_of(inbox, 1, 1);
    }
    ck_assert(driver->caps & TQ_TRANSPORT_DURABLE || outbox_pending(store) == 3);
    outbox_finish(store, relay, other, &other_plan, 3);
    outbox_check_key(store, "payment", "k1", 3);
    outbox_check_key(store, "queue", "k1", 3);
    tq_inbox_close(other);
    teardown();
}
END_TEST

START_TEST(a_window_full_of_waiting_keys__rests_and_does_not_spin)
{
    char id[16];
    setup(0);
    plan = (struct handler_plan){.key = "k1", .status = TQ_E_UNAVAILABLE, .times = 1};
    for (int i = 1; i <= 1500; i++) {
        char payload[32];
        snprintf(id, sizeof id, "e%d", i);
        snprintf(payload, sizeof payload, "{\"n\":%d}", i);
        publish_event(id, "k1", payload);
    }
    ck_assert_uint_eq(step().failed, 1);
    steps_of(inbox, 1, 10);
    ck_assert_int_eq(plan.called, 1);
    assert_status(tq_inbox_step(inbox, 1, NULL, &err), TQ_EMPTY);
    world_advance(&world, 60000);
    ck_assert_uint_eq(steps(1500).applied, 1500);
    outbox_check_key(store, "payment", "k1", 1500);
    teardown();
}
END_TEST

START_TEST(ob_18_cleaning__is_bounded_and_by_age)
{
    setup(0);
    publish_event("e1", "k1", "{\"n\":1}");
    publish_event("e2", "k1", "{\"n\":2}");
    publish_event("e3", "k1", "{\"n\":3}");
    steps(3);
    world_advance(&world, 1000);
    publish_event("e4", "k1", "{\"n\":4}");
    step();
    assert_status(tq_inbox_clean(store, 500, 2, &err), TQ_OK);
    ck_assert_int_eq(ask_number(store, "SELECT count(*) FROM processed_events", NULL), 2);
    assert_status(tq_inbox_clean(store, 500, 2, &err), TQ_OK);
    assert_status(tq_inbox_clean(store, 500, 2, &err), TQ_EMPTY);
    ck_assert_int_eq(
        ask_number(store, "SELECT count(*) FROM processed_events WHERE event_id = $1", "e4"), 1);
    teardown();
}
END_TEST

CONFORM_MAIN("outbox.inbox", in_01_repeated_later__has_one_effect,
             in_02_repeated_at_once__has_one_effect,
             in_04_a_failing_handler__is_undone_and_holds_back_its_key_only,
             never_applicable__is_a_dead_letter_with_its_reason,
             a_letter_that_is_replayed__is_applied_by_the_one_who_refused_it,
             in_04_after_attempts_max__is_a_dead_letter, contention__is_never_an_attempt,
             a_message_that_is_no_event__is_kept_as_a_dead_letter,
             in_03_closed_before_its_acknowledgement__repeats_and_is_skipped,
             another_member__takes_over_what_the_first_one_held, in_06_two_consumers__both_apply,
             a_window_full_of_waiting_keys__rests_and_does_not_spin,
             ob_18_cleaning__is_bounded_and_by_age)
