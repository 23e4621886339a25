/* SPDX-License-Identifier: MIT */
/*
 * The transport inside one process: the embedded default, and a broker's
 * promises in small.
 *
 * A message is one block of memory: its text, and a delivery for each group
 * that is subscribed to its topic. group.c decides which member gets which. When
 * the last group has acknowledged it, the message itself becomes the report that
 * waits at its producer, so that reporting needs no memory and cannot fail; the
 * block goes when the report is collected:
 *
 *     publish -> left = groups -> ack, left - 1 -> left = 0: report -> reports: freed
 *
 * Nothing is kept beyond the process: an outbox row stays until this report, so
 * whatever was under way at a crash is published again.
 *
 * Invariants: `count` and `bytes` are those of all blocks and never over their
 * limits; a message is either waiting for acknowledgements or a report, once.
 * Statuses: only memory can run out; a full queue is TQ_FULL. What was published
 * by a producer that is closed is still delivered, and reported to nobody.
 * Threads: `lock` guards everything; parking is done without it, on counters that
 * are raised under it.
 */
#include "transport/inproc/group.h"

#include <pthread.h>
#include <string.h>

#include "core/bytes.h"
#include "core/env.h"
#include "core/url.h"
#include "transport/builtin.h"

#define ORIGIN "transport.inproc"
#define CAPACITY_DEFAULT 65536
#define CAPACITY_MAX 1048576
#define BYTES_MAX 67108864

struct inproc_producer {
    struct inproc_producer *next;
    struct inproc_message *first, **last; /* reports to collect */
    uint32_t events;                      /* parked on: reports, wakes, room after a refusal */
    uint32_t seen;                        /* of `events`, at the end of the last collection */
    int is_refused;                       /* a queue was full for it */
};

struct inproc_message {
    struct inproc_message *next;      /* among the reports */
    struct inproc_producer *producer; /* NULL: closed */
    uint64_t cookie;
    size_t bytes; /* of the block */
    size_t left;  /* groups that have not acknowledged */
    struct tq_message text;
    struct inproc_delivery deliveries[];
};

struct inproc_consumer {
    struct inproc_group *group;
    int is_woken; /* the next poll does not wait */
};

struct inproc_state {
    const struct tq_env *env;
    pthread_mutex_t lock;
    int is_open;
    uint32_t capacity;
    size_t count;
    size_t bytes;
    struct inproc_group *groups;
    struct inproc_producer *producers;
};

static void raise_counter(const struct tq_env *env, uint32_t *counter)
{
    __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
    if (tq__can_park(env)) {
        env->unpark(env->ctx, counter);
    }
}

static void park(const struct tq_env *env, const uint32_t *counter, uint32_t seen,
                 uint32_t timeout_ms)
{
    if (timeout_ms && tq__can_park(env)) {
        env->park(env->ctx, counter, seen, timeout_ms);
    }
}

static uint32_t read_counter(const uint32_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

/* ---- open, close ---- */

static const struct tq__url_option options[] = {
    TQ__URL_NUMBER("capacity", struct inproc_state, capacity, 1, CAPACITY_MAX, CAPACITY_DEFAULT),
    {.name = NULL},
};

static int inproc_open(void *opaque, const struct tq_transport_config *config, struct tq_error *err)
{
    struct inproc_state *state = opaque;
    state->env = config->env;
    if (config->path[0]) {
        return tq__fail(err, TQ_E_INVALID, ORIGIN, "the URL is inproc: or inproc:?capacity=N");
    }
    TQ_TRY(tq__url_names_check(config->query, options, NULL, ORIGIN, err));
    TQ_TRY(tq__url_options_read(config->query, options, state, err));
    pthread_mutex_init(&state->lock, NULL);
    state->is_open = 1;
    return TQ_OK;
}

static void free_message(struct inproc_state *state, struct inproc_message *message)
{
    state->count--;
    state->bytes -= message->bytes;
    tq__release(state->env, message);
    for (struct inproc_producer *at = state->producers; at; at = at->next) {
        if (at->is_refused) {
            at->is_refused = 0;
            raise_counter(state->env, &at->events);
        }
    }
}

/* The group is done with a delivery: the message is a report, or gone. */
static void settle(struct inproc_state *state, struct inproc_message *message)
{
    struct inproc_producer *producer = message->producer;
    if (--message->left > 0) {
        return;
    }
    if (!producer) {
        free_message(state, message);
        return;
    }
    message->next = NULL;
    *producer->last = message;
    producer->last = &message->next;
    raise_counter(state->env, &producer->events);
}

static void settle_all(struct inproc_state *state, struct inproc_delivery *first)
{
    for (struct inproc_delivery *at = first, *next; at; at = next) {
        next = at->next;
        settle(state, at->message);
    }
}

static void inproc_close(void *opaque)
{
    struct inproc_state *state = opaque;
    if (!state->is_open) {
        return;
    }
    for (struct inproc_group *group = state->groups, *next; group; group = next) {
        next = group->next;
        for (size_t i = 0; i < INPROC_PARTITIONS; i++) {
            settle_all(state, group->partitions[i].first);
        }
        tq__inproc_group_free(state->env, group);
    }
    pthread_mutex_destroy(&state->lock);
}

/* ---- publishing ---- */

static int inproc_producer_open(void *opaque, void **out_producer, struct tq_error *err)
{
    struct inproc_state *state = opaque;
    struct inproc_producer *producer = tq__alloc(state->env, 1, sizeof *producer);
    if (!producer) {
        return tq__nomem(ORIGIN, err);
    }
    producer->last = &producer->first;
    pthread_mutex_lock(&state->lock);
    producer->next = state->producers;
    state->producers = producer;
    pthread_mutex_unlock(&state->lock);
    *out_producer = producer;
    return TQ_OK;
}

/* Messages under way forget their producer. */
static void orphan(struct inproc_state *state, const struct inproc_producer *producer)
{
    for (struct inproc_group *group = state->groups; group; group = group->next) {
        for (size_t i = 0; i < INPROC_PARTITIONS; i++) {
            for (struct inproc_delivery *at = group->partitions[i].first; at; at = at->next) {
                if (at->message->producer == producer) {
                    at->message->producer = NULL;
                }
            }
        }
    }
}

static void inproc_producer_close(void *opaque, void *handle)
{
    struct inproc_state *state = opaque;
    struct inproc_producer *producer = handle;
    struct inproc_producer **at = &state->producers;
    pthread_mutex_lock(&state->lock);
    while (*at != producer) {
        at = &(*at)->next;
    }
    *at = producer->next;
    orphan(state, producer);
    for (struct inproc_message *message = producer->first, *next; message; message = next) {
        next = message->next;
        free_message(state, message);
    }
    pthread_mutex_unlock(&state->lock);
    tq__release(state->env, producer);
}

static size_t text_bytes(const struct tq_message *message)
{
    size_t bytes =
        strlen(message->topic) + 1 + strlen(message->key) + 1 + message->payload_bytes + 1;
    for (size_t i = 0; i < message->headers_count; i++) {
        bytes += strlen(message->headers[i].name) + 1 + strlen(message->headers[i].value) + 1;
    }
    return bytes;
}

/* Copies to `*at`, with a NUL, and moves it on. */
static const char *place(char **at, const char *text, size_t bytes)
{
    char *copy = *at;
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    *at += bytes + 1;
    return copy;
}

static void copy_text(struct inproc_message *message, size_t groups_count,
                      const struct tq_message *source)
{
    struct tq_header *headers = (struct tq_header *)&message->deliveries[groups_count];
    char *at = (char *)&headers[source->headers_count];
    message->text = *source;
    message->text.headers = headers;
    message->text.topic = place(&at, source->topic, strlen(source->topic));
    message->text.key = place(&at, source->key, strlen(source->key));
    for (size_t i = 0; i < source->headers_count; i++) {
        const struct tq_header *header = &source->headers[i];
        headers[i].name = place(&at, header->name, strlen(header->name));
        headers[i].value = place(&at, header->value, strlen(header->value));
    }
    message->text.payload = place(&at, source->payload, source->payload_bytes);
}

/* A block with room for everything; NULL without memory. */
static struct inproc_message *make_message(struct inproc_state *state, size_t groups_count,
                                           const struct tq_message *source, size_t bytes)
{
    struct inproc_message *message = tq__alloc(state->env, 1, bytes);
    if (message) {
        message->bytes = bytes;
        message->cookie = source->cookie;
        message->left = groups_count;
        copy_text(message, groups_count, source);
        state->count++;
        state->bytes += bytes;
    }
    return message;
}

static void deliver(struct inproc_state *state, struct inproc_message *message)
{
    struct inproc_delivery *delivery = message->deliveries;
    uint32_t partition = tq__hash(message->text.key) % INPROC_PARTITIONS;
    for (struct inproc_group *group = state->groups; group; group = group->next) {
        if (tq__inproc_group_wants(group, message->text.topic)) {
            delivery->message = message;
            delivery->partition = partition;
            tq__inproc_group_put(group, delivery++);
            raise_counter(state->env, &group->arrivals);
        }
    }
}

/* Takes over one message: TQ_OK, TQ_FULL, TQ_E_NOMEM. */
static int publish_one(struct inproc_state *state, struct inproc_producer *producer,
                       const struct tq_message *source, struct tq_error *err)
{
    size_t groups_count = 0;
    for (struct inproc_group *group = state->groups; group; group = group->next) {
        groups_count += (size_t)tq__inproc_group_wants(group, source->topic);
    }
    size_t bytes = sizeof(struct inproc_message) + groups_count * sizeof(struct inproc_delivery) +
                   source->headers_count * sizeof(struct tq_header) + text_bytes(source);
    if (state->count >= state->capacity || (state->count && bytes > BYTES_MAX - state->bytes)) {
        producer->is_refused = 1;
        return TQ_FULL;
    }
    struct inproc_message *message = make_message(state, groups_count, source, bytes);
    if (!message) {
        return tq__nomem(ORIGIN, err);
    }
    message->producer = producer;
    if (groups_count == 0) {
        message->left = 1;
        settle(state, message);
    } else {
        deliver(state, message);
    }
    return TQ_OK;
}

static int inproc_publish(void *opaque, void *handle, const struct tq_message *messages,
                          size_t count, size_t *out_accepted, struct tq_error *err)
{
    struct inproc_state *state = opaque;
    size_t accepted = 0;
    int status = TQ_OK;
    pthread_mutex_lock(&state->lock);
    while (accepted < count && status == TQ_OK) {
        status = publish_one(state, handle, &messages[accepted], err);
        accepted += status == TQ_OK;
    }
    pthread_mutex_unlock(&state->lock);
    if (accepted == 0 && status != TQ_OK) {
        return status;
    }
    *out_accepted = accepted;
    return TQ_OK;
}

static size_t collect(struct inproc_state *state, struct inproc_producer *producer,
                      struct tq_report *out_reports, size_t max)
{
    size_t count = 0;
    for (; count < max && producer->first; count++) {
        struct inproc_message *message = producer->first;
        out_reports[count] = (struct tq_report){message->cookie, TQ_OK, 0};
        producer->first = message->next;
        if (!producer->first) {
            producer->last = &producer->first;
        }
        free_message(state, message);
    }
    return count;
}

static int inproc_reports(void *opaque, void *handle, struct tq_report *out_reports, size_t max,
                          uint32_t timeout_ms, size_t *out_count, struct tq_error *err)
{
    struct inproc_state *state = opaque;
    struct inproc_producer *producer = handle;
    (void)err;
    pthread_mutex_lock(&state->lock);
    if (!producer->first) {
        pthread_mutex_unlock(&state->lock);
        park(state->env, &producer->events, producer->seen, timeout_ms);
        pthread_mutex_lock(&state->lock);
    }
    producer->seen = read_counter(&producer->events);
    size_t count = collect(state, producer, out_reports, max);
    pthread_mutex_unlock(&state->lock);
    if (count == 0) {
        return TQ_EMPTY;
    }
    *out_count = count;
    return TQ_OK;
}

static void inproc_wake(void *opaque, void *handle)
{
    struct inproc_state *state = opaque;
    struct inproc_producer *producer = handle;
    raise_counter(state->env, &producer->events);
}

/* ---- consuming ---- */

static struct inproc_group *find_group(struct inproc_state *state, const char *name,
                                       struct tq_error *err)
{
    for (struct inproc_group *group = state->groups; group; group = group->next) {
        if (strcmp(group->name, name) == 0) {
            return group;
        }
    }
    struct inproc_group *group = tq__inproc_group_make(state->env, name);
    if (!group) {
        tq__nomem(ORIGIN, err);
        return NULL;
    }
    group->next = state->groups;
    state->groups = group;
    return group;
}

static int join(struct inproc_state *state, struct inproc_consumer *consumer, const char *name,
                const char *const *topics, size_t topics_count, struct tq_error *err)
{
    consumer->group = find_group(state, name, err);
    if (!consumer->group) {
        return TQ_E_NOMEM;
    }
    for (size_t i = 0; i < topics_count; i++) {
        TQ_TRY(tq__inproc_group_subscribe(state->env, consumer->group, topics[i], err));
    }
    return TQ_OK;
}

static int inproc_consumer_open(void *opaque, const char *group, const char *const *topics,
                                size_t topics_count, void **out_consumer, struct tq_error *err)
{
    struct inproc_state *state = opaque;
    struct inproc_consumer *consumer = tq__alloc(state->env, 1, sizeof *consumer);
    if (!consumer) {
        return tq__nomem(ORIGIN, err);
    }
    pthread_mutex_lock(&state->lock);
    int status = join(state, consumer, group, topics, topics_count, err);
    pthread_mutex_unlock(&state->lock);
    if (status < 0) {
        tq__release(state->env, consumer);
        return status;
    }
    *out_consumer = consumer;
    return TQ_OK;
}

static void inproc_consumer_close(void *opaque, void *handle)
{
    struct inproc_state *state = opaque;
    struct inproc_consumer *consumer = handle;
    pthread_mutex_lock(&state->lock);
    tq__inproc_group_return(consumer->group, consumer);
    raise_counter(state->env, &consumer->group->arrivals);
    pthread_mutex_unlock(&state->lock);
    tq__release(state->env, consumer);
}

#define TAKE_MAX 64

/* `lock` is held. */
static size_t take(const struct inproc_consumer *consumer, struct tq_message *out_messages,
                   size_t max)
{
    struct inproc_delivery *taken[TAKE_MAX];
    size_t count = 0, got;
    do {
        size_t want = max - count < TAKE_MAX ? max - count : TAKE_MAX;
        got = tq__inproc_group_take(consumer->group, consumer, taken, want);
        for (size_t i = 0; i < got; i++) {
            out_messages[count] = taken[i]->message->text;
            out_messages[count++].cookie = (uint64_t)(uintptr_t)taken[i];
        }
    } while (got && count < max);
    return count;
}

static int inproc_poll(void *opaque, void *handle, struct tq_message *out_messages, size_t max,
                       uint32_t timeout_ms, size_t *out_count, struct tq_error *err)
{
    struct inproc_state *state = opaque;
    struct inproc_consumer *consumer = handle;
    const uint32_t *arrivals = &consumer->group->arrivals;
    (void)err;
    pthread_mutex_lock(&state->lock);
    size_t count = take(consumer, out_messages, max);
    if (count == 0 && timeout_ms && !consumer->is_woken) {
        uint32_t seen = read_counter(arrivals);
        pthread_mutex_unlock(&state->lock);
        park(state->env, arrivals, seen, timeout_ms);
        pthread_mutex_lock(&state->lock);
        count = take(consumer, out_messages, max);
    }
    consumer->is_woken = 0;
    pthread_mutex_unlock(&state->lock);
    if (count == 0) {
        return TQ_EMPTY;
    }
    *out_count = count;
    return TQ_OK;
}

static void inproc_consumer_wake(void *opaque, void *handle)
{
    struct inproc_state *state = opaque;
    struct inproc_consumer *consumer = handle;
    pthread_mutex_lock(&state->lock);
    consumer->is_woken = 1;
    raise_counter(state->env, &consumer->group->arrivals);
    pthread_mutex_unlock(&state->lock);
}

static void inproc_ack(void *opaque, void *handle, const uint64_t *cookies, size_t count)
{
    struct inproc_state *state = opaque;
    struct inproc_consumer *consumer = handle;
    pthread_mutex_lock(&state->lock);
    for (size_t i = 0; i < count; i++) {
        struct inproc_delivery *delivery = (struct inproc_delivery *)(uintptr_t)cookies[i];
        tq__inproc_group_remove(delivery);
        settle(state, delivery->message);
    }
    /* A partition may have become free for another member. */
    raise_counter(state->env, &consumer->group->arrivals);
    pthread_mutex_unlock(&state->lock);
}

const struct tq_transport_driver tq__inproc_driver = {
    .size = sizeof(struct tq_transport_driver),
    .abi = TQ_TRANSPORT_ABI,
    .name = "inproc",
    .state_size = sizeof(struct inproc_state),
    .open = inproc_open,
    .close = inproc_close,
    .producer_open = inproc_producer_open,
    .producer_close = inproc_producer_close,
    .publish = inproc_publish,
    .reports = inproc_reports,
    .wake = inproc_wake,
    .consumer_open = inproc_consumer_open,
    .consumer_close = inproc_consumer_close,
    .poll = inproc_poll,
    .ack = inproc_ack,
    .consumer_wake = inproc_consumer_wake,
};
