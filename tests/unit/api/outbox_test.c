/* SPDX-License-Identifier: MIT */
/*
 * outbox.h.
 */
#include <ticketq/outbox.h>

#include "api/api.h"
#include "lib/outbox_world.h"

static struct test_env test;
static struct tq_env env;
static tq_store *store, *memory;
static tq_transport *transport;

static const struct tq_event event = {.size = sizeof event,
                                      .topic = "a.b",
                                      .type = "Happened",
                                      .aggregate_type = "thing",
                                      .aggregate_id = "t-1",
                                      .payload = "{}",
                                      .payload_bytes = 2};
static const struct tq_header letter_headers[] = {
    {TQ_DEAD_ID, "e-1"}, {TQ_DEAD_TOPIC, "a.b"}, {TQ_DEAD_CONSUMER, "c"}};
static const struct tq_event letter = {.size = sizeof letter,
                                       .topic = "dead",
                                       .type = "Happened",
                                       .aggregate_type = "thing",
                                       .aggregate_id = "t-1",
                                       .payload = "{}",
                                       .payload_bytes = 2,
                                       .headers = letter_headers,
                                       .headers_count = 3};
static const char *const topics[] = {"a.b"};
static const struct tq_relay_options relaying = {.size = sizeof relaying, .owner = "r"};
static const struct tq_inbox_options receiving = {.size = sizeof receiving,
                                                  .consumer = "c",
                                                  .topics = topics,
                                                  .topics_count = 1,
                                                  .dead_letter_topic = "dead",
                                                  .handler = outbox_apply};

static void setup(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    store = outbox_store(&env, "sqlite::memory:");
    memory = outbox_store(&env, "memory:");
    transport = outbox_transport(&env, "inproc:");
    outbox_prepare(store);
}

/* Nothing was saved and nothing claimed. */
static void teardown(void)
{
    ck_assert_int_eq(outbox_pending(store), 0);
    ck_assert_int_eq(ask_number(store, "SELECT count(*) FROM processed_events", NULL), 0);
    tq_transport_close(transport);
    tq_store_close(memory);
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
}

static int visit_none(void *arg, const struct tq_parked *parked)
{
    (void)parked;
    ++*(int *)arg;
    return 0;
}

START_TEST(nothing__is_no_store)
{
    struct tq_outbox_stats stats = {.size = sizeof stats, .pending = 77};
    int visits = 0;
    setup();
    REFUSED(tq_outbox_prepare(NULL, &err), TQ_E_INVALID, "store");
    REFUSED(tq_outbox_prepare(memory, &err), TQ_E_UNSUPPORTED, "ledger");
    REFUSED(tq_outbox_stats(NULL, &stats, &err), TQ_E_INVALID, "store");
    REFUSED(tq_outbox_stats(store, NULL, &err), TQ_E_INVALID, "out_stats");
    REFUSED(tq_outbox_stats(memory, &stats, &err), TQ_E_UNSUPPORTED, "ledger");
    REFUSED(tq_outbox_parked(NULL, 1, visit_none, &visits, &err), TQ_E_INVALID, "store");
    REFUSED(tq_outbox_parked(store, 1, NULL, &visits, &err), TQ_E_INVALID, "visit");
    REFUSED(tq_outbox_parked(store, 0, visit_none, &visits, &err), TQ_E_LIMIT, "limit");
    REFUSED(tq_outbox_parked(store, SIZE_MAX, visit_none, &visits, &err), TQ_E_LIMIT, "limit");
    REFUSED(tq_outbox_retry(NULL, "e", &err), TQ_E_INVALID, "store");
    REFUSED(tq_outbox_retry(store, NULL, &err), TQ_E_INVALID, "event_id");
    REFUSED(tq_inbox_clean(NULL, 1, 1, &err), TQ_E_INVALID, "store");
    REFUSED(tq_inbox_clean(store, -1, 1, &err), TQ_E_LIMIT, "age_ms");
    REFUSED(tq_inbox_clean(store, INT64_MIN, 1, &err), TQ_E_LIMIT, "age_ms");
    REFUSED(tq_inbox_clean(store, 1, 0, &err), TQ_E_LIMIT, "limit");
    REFUSED(tq_inbox_clean(store, 1, SIZE_MAX, &err), TQ_E_LIMIT, "limit");
    ACCEPTED(tq_inbox_clean(store, INT64_MAX, 1, &err), TQ_EMPTY);
    ck_assert(stats.pending == 77 && visits == 0);
    teardown();
}
END_TEST

START_TEST(nothing__is_no_relay_and_no_inbox)
{
    struct tq_relay_stats sent = {.size = sizeof sent, .published = 77};
    struct tq_inbox_stats got = {.size = sizeof got, .applied = 77};
    tq_relay *relay = NULL;
    tq_inbox *inbox = NULL;
    setup();
    REFUSED(tq_relay_open(NULL, transport, &relaying, &relay, &err), TQ_E_INVALID, "store");
    REFUSED(tq_relay_open(store, NULL, &relaying, &relay, &err), TQ_E_INVALID, "transport");
    REFUSED(tq_relay_open(store, transport, NULL, &relay, &err), TQ_E_INVALID, "options");
    REFUSED(tq_relay_open(store, transport, &relaying, NULL, &err), TQ_E_INVALID, "out_relay");
    REFUSED(tq_relay_open(memory, transport, &relaying, &relay, &err), TQ_E_UNSUPPORTED, "ledger");
    REFUSED(tq_relay_step(NULL, 0, &sent, &err), TQ_E_INVALID, "relay");
    REFUSED(tq_inbox_open(NULL, transport, &receiving, &inbox, &err), TQ_E_INVALID, "store");
    REFUSED(tq_inbox_open(store, NULL, &receiving, &inbox, &err), TQ_E_INVALID, "transport");
    REFUSED(tq_inbox_open(store, transport, NULL, &inbox, &err), TQ_E_INVALID, "options");
    REFUSED(tq_inbox_open(store, transport, &receiving, NULL, &err), TQ_E_INVALID, "out_inbox");
    REFUSED(tq_inbox_open(memory, transport, &receiving, &inbox, &err), TQ_E_UNSUPPORTED, "ledger");
    REFUSED(tq_inbox_step(NULL, 0, &got, &err), TQ_E_INVALID, "inbox");
    ck_assert(!relay && !inbox && sent.published == 77 && got.applied == 77);
    ACCEPTED(tq_relay_open(store, transport, &relaying, &relay, &err), TQ_OK);
    ACCEPTED(tq_relay_step(relay, 0, NULL, &err), TQ_EMPTY);
    tq_relay_close(relay);
    ACCEPTED(tq_inbox_open(store, transport, &receiving, &inbox, &err), TQ_OK);
    ACCEPTED(tq_inbox_step(inbox, 0, NULL, &err), TQ_EMPTY);
    tq_inbox_close(inbox);
    IGNORED(tq_relay_wake(NULL));
    IGNORED(tq_inbox_wake(NULL));
    IGNORED(tq_relay_close(NULL));
    IGNORED(tq_inbox_close(NULL));
    teardown();
}
END_TEST

static int append_body(tq_tx *tx, void *arg, struct tq_error *failure)
{
    int rc = tq_outbox_append(tx, arg, 1, failure);
    return rc < 0 ? rc : TQ_E_BUSY; /* and undo it */
}

static int with_event(const void *argument)
{
    int rc = tq_ledger_run(store, append_body, (void *)(uintptr_t)argument, &err);
    return rc == TQ_E_BUSY ? TQ_OK : rc;
}

static int replay_body(tq_tx *tx, void *arg, struct tq_error *failure)
{
    return tq_inbox_replay(tx, arg, failure);
}

/* Of an event that nobody holds dead. */
static int with_letter(const void *argument)
{
    int rc = tq_ledger_run(store, replay_body, (void *)(uintptr_t)argument, &err);
    return rc == TQ_GONE ? TQ_OK : rc;
}

static int refuse_in_tx(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const char *const ids[] = {"e-1"}, *const bad_ids[] = {"e-1", NULL};
    uint8_t fresh[2] = {77, 77};
    struct tq_event events[2] = {event, event};
    (void)arg;
    (void)failure;
    REFUSED(tq_outbox_append(NULL, &event, 1, &err), TQ_E_INVALID, "tx");
    REFUSED(tq_outbox_append(tx, NULL, 1, &err), TQ_E_INVALID, "events");
    REFUSED(tq_outbox_append(tx, &event, 0, &err), TQ_E_LIMIT, "count");
    REFUSED(tq_outbox_append(tx, &event, TQ_BATCH_MAX + 1, &err), TQ_E_LIMIT, "count");
    REFUSED(tq_outbox_append(tx, &event, SIZE_MAX, &err), TQ_E_LIMIT, "count");
    events[1].size = 8192;
    REFUSED(tq_outbox_append(tx, events, 2, &err), TQ_E_ABI, "events[1]");
    REFUSED(tq_inbox_claim(NULL, "c", ids, 1, fresh, &err), TQ_E_INVALID, "tx");
    REFUSED(tq_inbox_claim(tx, NULL, ids, 1, fresh, &err), TQ_E_INVALID, "consumer");
    REFUSED(tq_inbox_claim(tx, "c", NULL, 1, fresh, &err), TQ_E_INVALID, "event_ids");
    REFUSED(tq_inbox_claim(tx, "c", ids, 1, NULL, &err), TQ_E_INVALID, "out_fresh");
    REFUSED(tq_inbox_claim(tx, "c", ids, 0, fresh, &err), TQ_E_LIMIT, "count");
    REFUSED(tq_inbox_claim(tx, "c", ids, TQ_BATCH_MAX + 1, fresh, &err), TQ_E_LIMIT, "count");
    REFUSED(tq_inbox_claim(tx, "c", bad_ids, 2, fresh, &err), TQ_E_INVALID, "event id");
    ck_assert(fresh[0] == 77 && fresh[1] == 77);
    REFUSED(tq_inbox_replay(NULL, &event, &err), TQ_E_INVALID, "tx");
    REFUSED(tq_inbox_replay(tx, NULL, &err), TQ_E_INVALID, "event");
    REFUSED(tq_inbox_replay(tx, &event, &err), TQ_E_INVALID, TQ_DEAD_ID);
    return TQ_OK;
}

START_TEST(events__are_appended_in_a_transaction)
{
    setup();
    assert_status(tq_ledger_run(store, refuse_in_tx, NULL, &err), TQ_OK);
    teardown();
}
END_TEST

static int with_relay_options(const void *argument)
{
    tq_relay *relay = NULL;
    int rc = tq_relay_open(store, transport, argument, &relay, &err);
    tq_relay_close(relay);
    return rc;
}

static int with_inbox_options(const void *argument)
{
    tq_inbox *inbox = NULL;
    int rc = tq_inbox_open(store, transport, argument, &inbox, &err);
    tq_inbox_close(inbox);
    return rc;
}

static int with_stats(const void *argument)
{
    return tq_outbox_stats(store, (struct tq_outbox_stats *)(uintptr_t)argument, &err);
}

START_TEST(structs__are_as_long_as_they_say)
{
    static const struct sized table[] = {
        {"event", SIZED_IN, sizeof event, &event, with_event},
        {"event", SIZED_IN, sizeof letter, &letter, with_letter},
        {"options", SIZED_IN, sizeof relaying, &relaying, with_relay_options},
        {"options", SIZED_IN, sizeof receiving, &receiving, with_inbox_options},
        {"out_stats", SIZED_OUT, sizeof(struct tq_outbox_stats), NULL, with_stats},
    };
    setup();
    CHECK_SIZED(table);
    teardown();
}
END_TEST

/* A step that could not tell what it did does nothing. */
START_TEST(stats_of_another_size__are_refused_before_the_step)
{
    struct tq_relay_stats sent = {.size = 8};
    struct tq_inbox_stats got = {.size = SIZE_MAX};
    tq_relay *relay = NULL;
    tq_inbox *inbox = NULL;
    setup();
    assert_status(tq_relay_open(store, transport, &relaying, &relay, &err), TQ_OK);
    assert_status(tq_inbox_open(store, transport, &receiving, &inbox, &err), TQ_OK);
    assert_status(outbox_put(store, "k1", 1, 1), TQ_OK);
    REFUSED(tq_relay_step(relay, 0, &sent, &err), TQ_E_ABI, "out_stats");
    ck_assert_int_eq(outbox_pending(store), 1);
    REFUSED(tq_inbox_step(inbox, 0, &got, &err), TQ_E_ABI, "out_stats");
    while (outbox_pending(store)) { /* nobody reads the topic: it goes at once */
        ck_assert_int_ge(tq_relay_step(relay, 0, NULL, &err), TQ_OK);
    }
    tq_relay_close(relay);
    tq_inbox_close(inbox);
    teardown();
}
END_TEST

/* The same check for each id of an event. */
#define ID_OF(member)                                                                              \
    static int with_##member(const void *argument)                                                 \
    {                                                                                              \
        struct tq_event changed = event;                                                           \
        changed.member = argument;                                                                 \
        return with_event(&changed);                                                               \
    }
ID_OF(type)
ID_OF(aggregate_type)
ID_OF(aggregate_id)

static int with_owner(const void *argument)
{
    return with_relay_options(TQ_ARGS(tq_relay_options, .owner = argument));
}

static int with_consumer(const void *argument)
{
    struct tq_inbox_options changed = receiving;
    changed.consumer = argument;
    return with_inbox_options(&changed);
}

static int with_event_id(const void *argument)
{
    return tq_outbox_retry(store, argument, &err);
}

START_TEST(ids__are_ids)
{
    setup();
    check_ids(with_type, "type");
    check_ids(with_aggregate_type, "aggregate_type");
    check_ids(with_aggregate_id, "aggregate_id");
    check_ids(with_owner, "owner");
    check_ids(with_consumer, "consumer");
    check_ids(with_event_id, "event_id");
    teardown();
}
END_TEST

START_TEST(events__are_in_their_limits)
{
    static char big[TQ_EVENT_PAYLOAD_MAX + 1], value[TQ_HEADER_VALUE_MAX + 2];
    static char topic[TQ_TOPIC_MAX + 2];
    struct tq_header headers[TQ_EVENT_HEADERS_MAX + 1];
    struct tq_event bad = event;
    setup();
    memset(big, ' ', sizeof big);
    big[0] = '{';
    big[TQ_EVENT_PAYLOAD_MAX - 1] = big[TQ_EVENT_PAYLOAD_MAX] = '}';
    bad.payload = big;
    bad.payload_bytes = TQ_EVENT_PAYLOAD_MAX;
    ACCEPTED(with_event(&bad), TQ_OK);
    bad.payload_bytes++;
    REFUSED(with_event(&bad), TQ_E_LIMIT, "payload");
    bad.payload_bytes = SIZE_MAX;
    REFUSED(with_event(&bad), TQ_E_LIMIT, "payload");
    bad.payload_bytes = 0;
    REFUSED(with_event(&bad), TQ_E_INVALID, "payload");
    bad.payload = NULL;
    bad.payload_bytes = 2;
    REFUSED(with_event(&bad), TQ_E_INVALID, "payload");
    bad = event;
    memset(topic, 'x', TQ_TOPIC_MAX + 1);
    topic[60] = '.';
    bad.topic = topic;
    REFUSED(with_event(&bad), TQ_E_LIMIT, "topic");
    topic[TQ_TOPIC_MAX] = '\0';
    ACCEPTED(with_event(&bad), TQ_OK);
    bad.topic = NULL;
    REFUSED(with_event(&bad), TQ_E_INVALID, "topic");
    bad = event;
    memset(value, 'v', TQ_HEADER_VALUE_MAX);
    for (size_t i = 0; i < COUNT(headers); i++) {
        headers[i] = (struct tq_header){"h", value};
    }
    bad.headers = headers;
    bad.headers_count = TQ_EVENT_HEADERS_MAX;
    ACCEPTED(with_event(&bad), TQ_OK);
    bad.headers_count++;
    REFUSED(with_event(&bad), TQ_E_LIMIT, "headers");
    bad.headers_count = 1;
    value[TQ_HEADER_VALUE_MAX] = 'v';
    REFUSED(with_event(&bad), TQ_E_INVALID, "header h");
    headers[0].value = NULL;
    REFUSED(with_event(&bad), TQ_E_INVALID, "header h");
    headers[0].name = "ce_id";
    REFUSED(with_event(&bad), TQ_E_INVALID, "ce_id");
    bad.headers = NULL;
    REFUSED(with_event(&bad), TQ_E_INVALID, "headers");
    teardown();
}
END_TEST

START_TEST(an_inbox__has_topics_and_a_handler)
{
    static const char *const bad_topics[] = {"a.b", NULL};
    struct tq_inbox_options bad = receiving;
    setup();
    bad.handler = NULL;
    REFUSED(with_inbox_options(&bad), TQ_E_INVALID, "handler");
    bad = receiving;
    bad.topics = NULL;
    REFUSED(with_inbox_options(&bad), TQ_E_INVALID, "topics");
    bad.topics = bad_topics;
    bad.topics_count = 2;
    REFUSED(with_inbox_options(&bad), TQ_E_INVALID, "topics");
    bad.topics_count = SIZE_MAX;
    REFUSED(with_inbox_options(&bad), TQ_E_LIMIT, "topics_count");
    bad = receiving;
    bad.dead_letter_topic = NULL;
    REFUSED(with_inbox_options(&bad), TQ_E_INVALID, "dead_letter_topic");
    bad = receiving;
    bad.batch = TQ_BATCH_MAX + 1;
    REFUSED(with_inbox_options(&bad), TQ_E_LIMIT, "batch");
    teardown();
}
END_TEST

UNIT_MAIN("api.outbox", nothing__is_no_store, nothing__is_no_relay_and_no_inbox,
          events__are_appended_in_a_transaction, structs__are_as_long_as_they_say,
          stats_of_another_size__are_refused_before_the_step, ids__are_ids,
          events__are_in_their_limits, an_inbox__has_topics_and_a_handler)
