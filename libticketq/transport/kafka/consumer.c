/* SPDX-License-Identifier: MIT */
/*
 * Subscribing: a member of a group, whose partitions come and go.
 *
 *     unasked -> asked (topics are being made) -> subscribed -> placed (the group has told
 *             ->  (create=0)                   ->               its share, be it none)
 *
 * All of it happens inside `poll`, on one queue of events: messages, partitions that are
 * given or taken, answers to commits. A message is copied into one block and belongs to
 * the track of its partition (track.c) until it is acknowledged; holding librdkafka's own
 * would hold the whole answer that it came in.
 *
 * Acknowledging moves the track's position. Positions are committed by one request at a
 * time, which nobody waits for; what is done meanwhile goes with the next one. Nothing
 * is committed by time or by librdkafka.
 *
 * A partition that is taken away: what is done is committed on the way out, and what is
 * not becomes stray, without a word to the inbox, which may be in the middle of it. The
 * next owner gets those messages again and may apply them at the same time. That is
 * harmless, because each of the two goes through them in order and every step of both
 * claims its event in the same ledger: whoever is first applies it, the other one leaves
 * it out, and neither can come to an event whose forerunners nobody has applied. To wait
 * with the hand-over until the inbox is done would not even help: a member that is
 * stopped for long is put out of the group without being asked.
 *
 * A member that has not polled for poll_ms is put out, too, and comes back with its next
 * poll. After a fatal error a new client takes the old one's place.
 *
 * Threads: one call at a time, but for wake; `lock` guards the queue, which changes with
 * the client.
 */
#include <pthread.h>
#include <string.h>

#include "core/env.h"
#include "transport/kafka/kafka.h"
#include "transport/kafka/track.h"

#define CLOSE_LOOK_MS 50
#define CLOSE_LOOKS 100

enum stage { STAGE_UNASKED = 0, STAGE_ASKED, STAGE_SUBSCRIBED, STAGE_PLACED };

struct kafka_partition {
    struct kafka_partition *next;
    struct kafka_track track;
    int is_ours;
    int32_t number;
    char name[KAFKA_NAME_SIZE]; /* of the topic, at the broker */
};

struct kafka_consumer {
    const struct kafka_state *state;
    char group[KAFKA_NAME_SIZE];
    char **topics;
    size_t topics_count;
    rd_kafka_t *client; /* NULL: could not be begun */
    rd_kafka_queue_t *queue;
    pthread_mutex_t lock;
    enum stage stage;
    struct kafka_partition *partitions; /* the last one asked for is the first */
    rd_kafka_event_t *event;            /* of a message that found no memory: */
    const rd_kafka_message_t *message;  /* an event tells its message only once */
    int commits_count;                  /* under way */
    int is_broken;
};

/* ---- partitions ---- */

/* NULL: no memory. */
static struct kafka_partition *find_partition(struct kafka_consumer *consumer, const char *name,
                                              int32_t number)
{
    struct kafka_partition **at = &consumer->partitions, *found;
    while ((found = *at) && (found->number != number || strcmp(found->name, name) != 0)) {
        at = &found->next;
    }
    if (found) {
        *at = found->next;
    } else if (!(found = tq__alloc(consumer->state->env, 1, sizeof *found))) {
        return NULL;
    } else {
        strncpy(found->name, name, sizeof found->name - 1);
        found->number = number;
        found->is_ours = 1;
        tq__track_open(&found->track, consumer->state->env);
    }
    found->next = consumer->partitions;
    consumer->partitions = found;
    return found;
}

static void give_up_all(struct kafka_consumer *consumer)
{
    for (struct kafka_partition *at = consumer->partitions; at; at = at->next) {
        tq__track_give_up(&at->track);
        at->is_ours = 0;
    }
}

/* ---- committing ---- */

static rd_kafka_topic_partition_list_t *dirty_positions(const struct kafka_consumer *consumer)
{
    rd_kafka_topic_partition_list_t *list = NULL;
    for (struct kafka_partition *at = consumer->partitions; at; at = at->next) {
        if (at->is_ours && tq__track_is_dirty(&at->track)) {
            list = list ? list : rd_kafka_topic_partition_list_new(8);
            rd_kafka_topic_partition_list_add(list, at->name, at->number)->offset =
                at->track.position;
            at->track.committed = at->track.position;
        }
    }
    return list;
}

static void commit(struct kafka_consumer *consumer)
{
    rd_kafka_topic_partition_list_t *list = dirty_positions(consumer);
    if (list) {
        rd_kafka_resp_err_t code =
            rd_kafka_commit_queue(consumer->client, list, consumer->queue, NULL, NULL);
        consumer->commits_count += code == RD_KAFKA_RESP_ERR_NO_ERROR;
        rd_kafka_topic_partition_list_destroy(list);
    }
}

/* What was not committed is told again with the next commit. */
static void take_commit(struct kafka_consumer *consumer, rd_kafka_event_t *event)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    consumer->commits_count -= consumer->commits_count > 0;
    for (int i = 0; list && i < list->cnt; i++) {
        if (code || list->elems[i].err) {
            struct kafka_partition *partition =
                find_partition(consumer, list->elems[i].topic, list->elems[i].partition);
            if (partition) {
                partition->track.committed = -1;
            }
        }
    }
    if (code) {
        tq__log(consumer->state->env, TQ_LOG_INFO, KAFKA_ORIGIN, "positions of %s: %s",
                consumer->group, rd_kafka_err2str(code));
    }
}

/* ---- the group ---- */

static void assign(struct kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list,
                   int is_cooperative)
{
    for (int i = 0; i < list->cnt; i++) {
        struct kafka_partition *partition =
            find_partition(consumer, list->elems[i].topic, list->elems[i].partition);
        if (partition) {
            partition->is_ours = 1;
        }
    }
    if (is_cooperative) {
        rd_kafka_error_destroy(rd_kafka_incremental_assign(consumer->client, list));
    } else {
        rd_kafka_assign(consumer->client, list);
    }
}

static void revoke(struct kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list,
                   int is_cooperative)
{
    if (!rd_kafka_assignment_lost(consumer->client)) {
        commit(consumer);
    }
    for (int i = 0; i < list->cnt; i++) {
        struct kafka_partition *partition =
            find_partition(consumer, list->elems[i].topic, list->elems[i].partition);
        if (partition) {
            partition->is_ours = 0;
            tq__track_give_up(&partition->track);
        }
    }
    if (is_cooperative) {
        rd_kafka_error_destroy(rd_kafka_incremental_unassign(consumer->client, list));
    } else {
        rd_kafka_assign(consumer->client, NULL);
    }
}

static void rebalance(struct kafka_consumer *consumer, rd_kafka_event_t *event)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    int is_cooperative = strcmp(rd_kafka_rebalance_protocol(consumer->client), "COOPERATIVE") == 0;
    int is_given = code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    tq__log(consumer->state->env, TQ_LOG_INFO, KAFKA_ORIGIN, "%s: %d partitions %s",
            consumer->group, list->cnt, is_given ? "more" : "less");
    consumer->stage = STAGE_PLACED;
    if (is_given) {
        assign(consumer, list, is_cooperative);
    } else {
        revoke(consumer, list, is_cooperative);
    }
}

/* ---- the client ---- */

static void set_queue(struct kafka_consumer *consumer, rd_kafka_queue_t *queue)
{
    pthread_mutex_lock(&consumer->lock);
    consumer->queue = queue;
    pthread_mutex_unlock(&consumer->lock);
}

static int begin_client(struct kafka_consumer *consumer, struct tq_error *err)
{
    TQ_TRY(tq__kafka_consumer_client(consumer->state, consumer->group, &consumer->client, err));
    set_queue(consumer, rd_kafka_queue_get_consumer(consumer->client));
    consumer->stage = STAGE_UNASKED;
    consumer->commits_count = 0;
    consumer->is_broken = 0;
    return TQ_OK;
}

static void end_client(struct kafka_consumer *consumer, int flags)
{
    rd_kafka_queue_t *queue = consumer->queue;
    if (consumer->client) {
        set_queue(consumer, NULL);
        rd_kafka_event_destroy(consumer->event);
        rd_kafka_queue_destroy(queue);
        rd_kafka_destroy_flags(consumer->client, flags);
        consumer->event = NULL;
        consumer->client = NULL;
    }
}

/* After a fatal error. */
static int begin_anew(struct kafka_consumer *consumer, struct tq_error *err)
{
    give_up_all(consumer);
    end_client(consumer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    tq__log(consumer->state->env, TQ_LOG_INFO, KAFKA_ORIGIN, "a consumer is begun anew");
    return begin_client(consumer, err);
}

static void on_topic(void *arg, const char *name, int is_there)
{
    (void)arg;
    (void)name;
    (void)is_there;
}

static int subscribe(struct kafka_consumer *consumer, struct tq_error *err)
{
    char name[KAFKA_NAME_SIZE];
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)consumer->topics_count);
    for (size_t i = 0; i < consumer->topics_count; i++) {
        tq__kafka_name(consumer->state, consumer->topics[i], name);
        rd_kafka_topic_partition_list_add(list, name, RD_KAFKA_PARTITION_UA);
    }
    rd_kafka_resp_err_t code = rd_kafka_subscribe(consumer->client, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (code) {
        return tq__fail_native(err, TQ_E_UNAVAILABLE, code, KAFKA_ORIGIN, "%s",
                               rd_kafka_err2str(code));
    }
    consumer->stage = STAGE_SUBSCRIBED;
    return TQ_OK;
}

static int take_answer(struct kafka_consumer *consumer, rd_kafka_event_t *event,
                       struct tq_error *err)
{
    consumer->stage = STAGE_UNASKED;
    TQ_TRY(tq__kafka_topics_answer(consumer->state, event, on_topic, NULL, err));
    return subscribe(consumer, err);
}

/* Everything but messages. Takes the event over. */
static int serve(struct kafka_consumer *consumer, rd_kafka_event_t *event, struct tq_error *err)
{
    int status = TQ_OK;
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_REBALANCE:
        rebalance(consumer, event);
        break;
    case RD_KAFKA_EVENT_OFFSET_COMMIT:
        take_commit(consumer, event);
        break;
    case RD_KAFKA_EVENT_CREATETOPICS_RESULT:
        status = take_answer(consumer, event, err);
        break;
    default:
        status = tq__kafka_notice(consumer->state, event, &consumer->is_broken, err);
        break;
    }
    rd_kafka_event_destroy(event);
    return status;
}

/* ---- open, close ---- */

static int is_subscribed(const struct kafka_consumer *consumer, const char *topic)
{
    for (size_t i = 0; i < consumer->topics_count; i++) {
        if (strcmp(consumer->topics[i], topic) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Each once; librdkafka takes no topic twice. */
static int copy_topics(struct kafka_consumer *consumer, const char *const *topics, size_t count,
                       struct tq_error *err)
{
    const struct tq_env *env = consumer->state->env;
    consumer->topics = tq__alloc(env, count, sizeof *consumer->topics);
    for (size_t i = 0; consumer->topics && i < count; i++) {
        if (is_subscribed(consumer, topics[i])) {
            continue;
        }
        char *copy = tq__strdup(env, topics[i]);
        if (!copy) {
            return tq__nomem(KAFKA_ORIGIN, err);
        }
        consumer->topics[consumer->topics_count++] = copy;
    }
    return consumer->topics ? TQ_OK : tq__nomem(KAFKA_ORIGIN, err);
}

/* Everything that is held goes with it. */
static void release(struct kafka_consumer *consumer)
{
    const struct tq_env *env = consumer->state->env;
    for (struct kafka_partition *at = consumer->partitions, *next; at; at = next) {
        next = at->next;
        tq__track_done(&at->track);
        tq__release(env, at);
    }
    for (size_t i = 0; i < consumer->topics_count; i++) {
        tq__release(env, consumer->topics[i]);
    }
    tq__release(env, consumer->topics);
    pthread_mutex_destroy(&consumer->lock);
    tq__release(env, consumer);
}

int tq__kafka_consumer_open(void *opaque, const char *group, const char *const *topics,
                            size_t topics_count, void **out_consumer, struct tq_error *err)
{
    const struct kafka_state *state = opaque;
    struct kafka_consumer *consumer = tq__alloc(state->env, 1, sizeof *consumer);
    if (!consumer) {
        return tq__nomem(KAFKA_ORIGIN, err);
    }
    consumer->state = state;
    pthread_mutex_init(&consumer->lock, NULL);
    tq__kafka_name(state, group, consumer->group);
    int rc = copy_topics(consumer, topics, topics_count, err);
    if (rc == TQ_OK) {
        rc = begin_client(consumer, err);
    }
    if (rc < 0) {
        release(consumer);
        return rc;
    }
    *out_consumer = consumer;
    return TQ_OK;
}

/* Below 2.3, librdkafka aborts when it is closed between joining and its first share (4312). */
static void await_place(struct kafka_consumer *consumer)
{
    struct tq_error err = TQ_ERROR_INIT;
    int left = rd_kafka_version() < 0x02030000 ? CLOSE_LOOKS : 0;
    for (; left > 0 && consumer->stage == STAGE_SUBSCRIBED; left--) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(consumer->queue, CLOSE_LOOK_MS);
        if (event) {
            serve(consumer, event, &err);
        }
    }
}

/* Commits and leaves the group; true when the broker was there to hear of both. */
static int leave(struct kafka_consumer *consumer)
{
    struct tq_error err = TQ_ERROR_INIT;
    await_place(consumer);
    commit(consumer);
    rd_kafka_error_t *failure = rd_kafka_consumer_close_queue(consumer->client, consumer->queue);
    if (failure) {
        rd_kafka_error_destroy(failure);
        return 0;
    }
    for (int left = CLOSE_LOOKS; left > 0;) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(consumer->queue, CLOSE_LOOK_MS);
        if (event) {
            serve(consumer, event, &err);
        } else if (rd_kafka_consumer_closed(consumer->client)) {
            return 1;
        } else {
            left--;
        }
    }
    return 0;
}

void tq__kafka_consumer_close(void *opaque, void *handle)
{
    struct kafka_consumer *consumer = handle;
    (void)opaque;
    if (consumer->client) {
        end_client(consumer, leave(consumer) ? 0 : RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    }
    release(consumer);
}

rd_kafka_t *tq__kafka_consumer_beneath(void *handle)
{
    return ((struct kafka_consumer *)handle)->client;
}

/* ---- poll, ack ---- */

/* Copies to `*at`, with a NUL, and moves it on. */
static const char *place(char **at, const void *text, size_t bytes)
{
    char *copy = *at;
    if (bytes) {
        memcpy(copy, text, bytes);
    }
    copy[bytes] = '\0';
    *at += bytes + 1;
    return copy;
}

static size_t headers_of(const rd_kafka_message_t *message, rd_kafka_headers_t **out_headers)
{
    *out_headers = NULL;
    return rd_kafka_message_headers(message, out_headers) ? 0 : rd_kafka_header_cnt(*out_headers);
}

static size_t text_bytes(const rd_kafka_message_t *message, const char *topic)
{
    rd_kafka_headers_t *headers;
    size_t bytes = strlen(topic) + 1 + message->key_len + 1 + message->len + 1;
    size_t count = headers_of(message, &headers);
    for (size_t i = 0; i < count; i++) {
        const char *name;
        const void *value;
        size_t value_bytes;
        rd_kafka_header_get_all(headers, i, &name, &value, &value_bytes);
        bytes += strlen(name) + 1 + value_bytes + 1;
    }
    return bytes;
}

static void copy_text(struct kafka_held *held, const rd_kafka_message_t *source, const char *topic)
{
    rd_kafka_headers_t *headers;
    size_t count = headers_of(source, &headers);
    char *at = (char *)&held->headers[count];
    held->message.headers = held->headers;
    held->message.headers_count = count;
    held->message.topic = place(&at, topic, strlen(topic));
    held->message.key = place(&at, source->key, source->key_len);
    for (size_t i = 0; i < count; i++) {
        const char *name;
        const void *value;
        size_t bytes;
        rd_kafka_header_get_all(headers, i, &name, &value, &bytes);
        held->headers[i].name = place(&at, name, strlen(name));
        held->headers[i].value = place(&at, value, value ? bytes : 0);
    }
    held->message.payload = place(&at, source->payload, source->len);
    held->message.payload_bytes = source->len;
    held->message.cookie = (uint64_t)(uintptr_t)held;
}

/* TQ_OK: handed out; TQ_EMPTY: held already, or of a partition that is gone; TQ_E_NOMEM. */
static int take(struct kafka_consumer *consumer, const rd_kafka_message_t *source,
                struct tq_message *out)
{
    const struct kafka_state *state = consumer->state;
    const char *name = rd_kafka_topic_name(source->rkt);
    const char *topic = name + strlen(state->options.prefix);
    struct kafka_partition *partition = find_partition(consumer, name, source->partition);
    if (!partition) {
        return TQ_E_NOMEM;
    }
    if (!partition->is_ours || tq__track_adopts(&partition->track, source->offset)) {
        return TQ_EMPTY;
    }
    rd_kafka_headers_t *headers;
    size_t bytes = sizeof(struct kafka_held) +
                   headers_of(source, &headers) * sizeof(struct tq_header) +
                   text_bytes(source, topic);
    struct kafka_held *held = tq__alloc(state->env, 1, bytes);
    if (!held) {
        return TQ_E_NOMEM;
    }
    copy_text(held, source, topic);
    held->offset = source->offset;
    tq__track_add(&partition->track, held);
    *out = held->message;
    return TQ_OK;
}

/* Takes the event of a message over. `*out_count` grows when it is handed out. */
static int take_event(struct kafka_consumer *consumer, rd_kafka_event_t *event,
                      const rd_kafka_message_t *message, struct tq_message *out_messages,
                      size_t *out_count, struct tq_error *err)
{
    int status =
        message && !message->err ? take(consumer, message, &out_messages[*out_count]) : TQ_EMPTY;
    if (status == TQ_E_NOMEM) {
        consumer->event = event;
        consumer->message = message;
        return tq__nomem(KAFKA_ORIGIN, err);
    }
    *out_count += status == TQ_OK;
    rd_kafka_event_destroy(event);
    return TQ_OK;
}

/* What has to be done before there are messages. */
static int prepare(struct kafka_consumer *consumer, struct tq_error *err)
{
    if (consumer->is_broken || !consumer->client) {
        TQ_TRY(begin_anew(consumer, err));
    }
    if (consumer->stage == STAGE_UNASKED && !consumer->state->options.is_creating) {
        TQ_TRY(subscribe(consumer, err));
    }
    if (consumer->stage == STAGE_UNASKED) {
        TQ_TRY(tq__kafka_topics_ask(consumer->state, consumer->client, consumer->queue,
                                    (const char *const *)consumer->topics, consumer->topics_count,
                                    err));
        consumer->stage = STAGE_ASKED;
    }
    if (consumer->commits_count == 0) {
        commit(consumer);
    }
    return TQ_OK;
}

int tq__kafka_poll(void *opaque, void *handle, struct tq_message *out_messages, size_t max,
                   uint32_t timeout_ms, size_t *out_count, struct tq_error *err)
{
    struct kafka_consumer *consumer = handle;
    size_t count = 0;
    (void)opaque;
    int status = prepare(consumer, err);
    if (status == TQ_OK && max && consumer->event) {
        status = take_event(consumer, tq__take(&consumer->event), consumer->message, out_messages,
                            &count, err);
    }
    while (count < max && status == TQ_OK) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(consumer->queue, count ? 0 : (int)timeout_ms);
        if (!event) {
            break;
        }
        status = rd_kafka_event_type(event) == RD_KAFKA_EVENT_FETCH
                     ? take_event(consumer, event, rd_kafka_event_message_next(event), out_messages,
                                  &count, err)
                     : serve(consumer, event, err);
        timeout_ms = 0;
    }
    if (count == 0) {
        return status == TQ_OK ? TQ_EMPTY : status;
    }
    *out_count = count;
    return TQ_OK;
}

void tq__kafka_ack(void *opaque, void *handle, const uint64_t *cookies, size_t count)
{
    struct kafka_consumer *consumer = handle;
    (void)opaque;
    for (size_t i = 0; i < count; i++) {
        tq__track_ack((struct kafka_held *)(uintptr_t)cookies[i]);
    }
    if (consumer->client && consumer->commits_count == 0) {
        commit(consumer);
    }
}

void tq__kafka_consumer_wake(void *opaque, void *handle)
{
    struct kafka_consumer *consumer = handle;
    (void)opaque;
    pthread_mutex_lock(&consumer->lock);
    if (consumer->queue) {
        rd_kafka_queue_yield(consumer->queue);
    }
    pthread_mutex_unlock(&consumer->lock);
}
