/* SPDX-License-Identifier: MIT */
/*
 * Hears of freed seats: one shard channel a schedule, one connection to each server
 * that has such a schedule, whatever the number of those who wait.
 *
 *   subscribe   SSUBSCRIBE, and back when the server has acknowledged it
 *   listen      wait for any of the connections, hand out what came
 *   a connection that broke, or a channel that the server gave up because its slot has
 *               moved: subscribed anew where the slot is now, and everybody who waits
 *               there is told that any seat may be free, since messages may be lost
 *
 * Threads: `lock` guards all and is held while `freed` runs; only the waiting itself is
 * done without it. Who is roused, or finds a connection changed meanwhile, just looks again.
 */
#include "store/redis/ears.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/env.h"
#include "core/error.h"
#include "store/redis/client.h"
#include "store/redis/redis.h"
#include "store/redis/slots.h"
#include "store/rouse.h"

#define TRIES 3
#define EARS_MAX REDIS_NODES_MAX

struct watcher {
    struct watcher *next;
    tq_front_freed_fn *freed;
    void *arg;
};

struct ear;

struct topic {
    struct topic *next;
    struct watcher *watchers;
    struct ear *ear; /* NULL: the channel was lost */
    char schedule[TQ_ID_SIZE];
};

/* A connection for subscriptions. */
struct ear {
    struct ear *next;
    struct redis_conn conn;
};

struct redis_ears {
    struct redis_client *client;
    const struct tq_env *env;
    pthread_mutex_t lock; /* guards what follows, but for the descriptor */
    struct topic *topics;
    struct ear *ears;
    int rouse_fd;
};

int tq__redis_ears_open(struct redis_client *client, struct redis_ears **out_ears,
                        struct tq_error *err)
{
    const struct tq_env *env = tq__redis_env(client);
    struct redis_ears *ears = tq__alloc(env, 1, sizeof *ears);
    if (!ears) {
        return tq__nomem("store.redis", err);
    }
    ears->client = client;
    ears->env = env;
    int rc = tq__rouse_open(&ears->rouse_fd, "store.redis", err);
    if (rc < 0) {
        tq__release(env, ears);
        return rc;
    }
    pthread_mutex_init(&ears->lock, NULL);
    *out_ears = ears;
    return TQ_OK;
}

/* Lets go of a connection; its channels are lost. */
static void drop_ear(struct redis_ears *ears, struct ear *ear)
{
    struct ear **at = &ears->ears;
    for (struct topic *topic = ears->topics; topic; topic = topic->next) {
        topic->ear = topic->ear == ear ? NULL : topic->ear;
    }
    while (*at != ear) {
        at = &(*at)->next;
    }
    *at = ear->next;
    tq__redis_conn_done(&ear->conn);
    tq__release(ears->env, ear);
}

/* Those who subscribed have unsubscribed before. */
void tq__redis_ears_close(struct redis_ears *ears)
{
    if (!ears) {
        return;
    }
    while (ears->ears) {
        drop_ear(ears, ears->ears);
    }
    close(ears->rouse_fd);
    pthread_mutex_destroy(&ears->lock);
    tq__release(ears->env, ears);
}

static struct topic *find_topic(struct redis_ears *ears, const char *schedule, size_t bytes)
{
    struct topic *topic = ears->topics;
    while (topic && (strncmp(topic->schedule, schedule, bytes) != 0 || topic->schedule[bytes])) {
        topic = topic->next;
    }
    return topic;
}

/* Tells those who wait; `seats` NULL: any seat. */
static void tell(const struct topic *topic, const char *const *seats, size_t count)
{
    for (struct watcher *at = topic->watchers; at; at = at->next) {
        at->freed(at->arg, topic->schedule, seats, count);
    }
}

/* A message: seats with a space between them. */
static void tell_seats(const struct topic *topic, char *text)
{
    char *rest = NULL, *seat = strtok_r(text, " ", &rest);
    while (seat) {
        const char *seats[TQ_HOLD_SEATS_MAX];
        size_t count = 0;
        for (; seat && count < TQ_HOLD_SEATS_MAX; seat = strtok_r(NULL, " ", &rest)) {
            seats[count++] = seat;
        }
        tell(topic, seats, count);
    }
}

/* The schedule in a channel's name: what stands between the braces. */
static struct topic *topic_of(struct redis_ears *ears, const char *channel)
{
    const char *from = strchr(channel, '{'), *to = from ? strchr(from, '}') : NULL;
    return to ? find_topic(ears, from + 1, (size_t)(to - from - 1)) : NULL;
}

/* What came by itself, or an answer. Returns the topic that was acknowledged, or NULL. */
static struct topic *take(struct redis_ears *ears, struct ear *ear, redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
        reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[1]->type != REDIS_REPLY_STRING) {
        return NULL;
    }
    const char *kind = reply->element[0]->str;
    struct topic *topic = topic_of(ears, reply->element[1]->str);
    if (topic && strcmp(kind, "smessage") == 0 && reply->element[2]->type == REDIS_REPLY_STRING) {
        tell_seats(topic, reply->element[2]->str);
    } else if (topic && strcmp(kind, "ssubscribe") == 0) {
        topic->ear = ear;
        return topic;
    } else if (topic && strcmp(kind, "sunsubscribe") == 0 && topic->ear == ear) {
        topic->ear = NULL;
    }
    return NULL;
}

/* The connection to the server that has the schedule, made if it is not there. */
static int find_ear(struct redis_ears *ears, const char *schedule, struct ear **out_ear,
                    struct tq_error *err)
{
    struct redis_address address;
    tq__redis_find(ears->client, schedule, &address);
    for (struct ear *at = ears->ears; at; at = at->next) {
        if (tq__redis_address_is(&at->conn.address, &address)) {
            *out_ear = at;
            return TQ_OK;
        }
    }
    struct ear *ear = tq__alloc(ears->env, 1, sizeof *ear);
    if (!ear) {
        return tq__nomem("store.redis", err);
    }
    int rc = tq__redis_subscriber(ears->client, schedule, &ear->conn, err);
    if (rc < 0) {
        tq__release(ears->env, ear);
        return rc;
    }
    ear->next = ears->ears;
    ears->ears = ear;
    *out_ear = ear;
    return TQ_OK;
}

static void send_word(struct redis_ears *ears, struct ear *ear, const char *word,
                      const char *schedule)
{
    char channel[REDIS_PREFIX_MAX + TQ_ID_SIZE + 16];
    snprintf(channel, sizeof channel, "%sseat:hold:{%s}", tq__redis_target(ears->client)->prefix,
             schedule);
    tq__redis_put_array(&ear->conn.out, 2);
    tq__redis_put_text(&ear->conn.out, word);
    tq__redis_put_text(&ear->conn.out, channel);
    ear->conn.is_broken |= ear->conn.out.is_failed;
    tq__redis_conn_send(&ear->conn);
    tq__buf_clear(&ear->conn.out);
    ear->conn.sent = 0;
}

/* Subscribes and waits for the acknowledgement. TQ_OK; TQ_STALE: at another server. */
static int call_in(struct redis_ears *ears, struct topic *topic, struct tq_error *err)
{
    struct ear *ear = NULL;
    TQ_TRY(find_ear(ears, topic->schedule, &ear, err));
    send_word(ears, ear, "SSUBSCRIBE", topic->schedule);
    for (;;) {
        redisReply *reply = tq__redis_conn_receive(&ear->conn);
        if (!reply) {
            drop_ear(ears, ear);
            return tq__fail(err, TQ_E_UNAVAILABLE, "store.redis", "a subscription is lost");
        }
        int is_refused = reply->type == REDIS_REPLY_ERROR;
        struct topic *done = is_refused ? NULL : take(ears, ear, reply);
        if (is_refused) {
            tq__fail(err, TQ_E_UNAVAILABLE, "store.redis", "no subscription: %.120s", reply->str);
        }
        freeReplyObject(reply);
        if (is_refused || done == topic) {
            return is_refused ? TQ_STALE : TQ_OK;
        }
    }
}

/* The same where the slot is by now. */
static int connect_topic(struct redis_ears *ears, struct topic *topic, struct tq_error *err)
{
    struct tq_error own = TQ_ERROR_INIT;
    int rc = TQ_STALE;
    for (int i = 0; i < TRIES && rc != TQ_OK && rc != TQ_E_NOMEM; i++) {
        rc = call_in(ears, topic, &own);
        if (rc != TQ_OK) { /* any call reads the map anew when it is in doubt */
            int64_t now_ms;
            tq__redis_doubt(ears->client);
            if (tq__redis_now(ears->client, &now_ms, NULL) < 0) {
                break;
            }
        }
    }
    return rc == TQ_OK ? rc
                       : tq__fail(err, rc == TQ_E_NOMEM ? rc : TQ_E_UNAVAILABLE, own.origin, "%s",
                                  own.message);
}

static int add_topic(struct redis_ears *ears, const char *schedule, struct topic **out_topic,
                     struct tq_error *err)
{
    struct topic *topic = find_topic(ears, schedule, strlen(schedule));
    if (!topic) {
        topic = tq__alloc(ears->env, 1, sizeof *topic);
        if (!topic) {
            return tq__nomem("store.redis", err);
        }
        tq__id_copy(topic->schedule, schedule);
        topic->next = ears->topics;
        ears->topics = topic;
    }
    *out_topic = topic;
    return TQ_OK;
}

static void remove_topic(struct redis_ears *ears, struct topic *topic)
{
    struct topic **at = &ears->topics;
    while (*at != topic) {
        at = &(*at)->next;
    }
    *at = topic->next;
    if (topic->ear) {
        send_word(ears, topic->ear, "SUNSUBSCRIBE", topic->schedule);
    }
    tq__release(ears->env, topic);
}

static int subscribe(struct redis_ears *ears, const char *schedule, struct watcher *watcher,
                     struct tq_error *err)
{
    struct topic *topic = NULL;
    TQ_TRY(add_topic(ears, schedule, &topic, err));
    int rc = topic->ear ? TQ_OK : connect_topic(ears, topic, err);
    if (rc == TQ_OK) {
        watcher->next = topic->watchers;
        topic->watchers = watcher;
    } else if (!topic->watchers) {
        remove_topic(ears, topic);
    }
    return rc;
}

int tq__redis_ears_subscribe(void *opaque, const char *schedule, tq_front_freed_fn *freed,
                             void *arg, struct tq_error *err)
{
    struct redis_ears *ears = ((struct redis_state *)opaque)->ears;
    struct watcher *watcher = tq__alloc(ears->env, 1, sizeof *watcher);
    if (!watcher) {
        return tq__nomem("store.redis", err);
    }
    *watcher = (struct watcher){NULL, freed, arg};
    pthread_mutex_lock(&ears->lock);
    int rc = subscribe(ears, schedule, watcher, err);
    pthread_mutex_unlock(&ears->lock);
    if (rc < 0) {
        tq__release(ears->env, watcher);
    } else {
        tq__redis_ears_rouse(opaque); /* there may be a new connection to wait for */
    }
    return rc;
}

void tq__redis_ears_unsubscribe(void *opaque, const char *schedule, tq_front_freed_fn *freed,
                                void *arg)
{
    struct redis_ears *ears = ((struct redis_state *)opaque)->ears;
    pthread_mutex_lock(&ears->lock);
    struct topic *topic = find_topic(ears, schedule, strlen(schedule));
    for (struct watcher **at = topic ? &topic->watchers : NULL; at && *at; at = &(*at)->next) {
        struct watcher *watcher = *at;
        if (watcher->freed == freed && watcher->arg == arg) {
            *at = watcher->next;
            tq__release(ears->env, watcher);
            break;
        }
    }
    if (topic && !topic->watchers) {
        remove_topic(ears, topic);
    }
    pthread_mutex_unlock(&ears->lock);
}

static int is_readable(int fd)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    return poll(&poller, 1, 0) != 0;
}

/* Hands out what has come. Returns how much, or -1: the connection is broken. */
static int hear(struct redis_ears *ears, struct ear *ear)
{
    redisContext *context = ear->conn.context;
    int count = 0;
    void *reply = NULL;
    if (ear->conn.is_broken) {
        return -1;
    }
    if (is_readable(context->fd) && redisBufferRead(context) != REDIS_OK) {
        return -1;
    }
    while (redisGetReplyFromReader(context, &reply) == REDIS_OK && reply) {
        take(ears, ear, reply);
        freeReplyObject(reply);
        reply = NULL;
        count++;
    }
    return context->err ? -1 : count;
}

static int hear_all(struct redis_ears *ears)
{
    int count = 0;
    for (struct ear *ear = ears->ears, *next; ear; ear = next) {
        next = ear->next;
        int heard = hear(ears, ear);
        if (heard < 0) {
            drop_ear(ears, ear);
        }
        count += heard < 0 ? 1 : heard;
    }
    return count;
}

/* Subscribes to lost channels anew. */
static int mend(struct redis_ears *ears, struct tq_error *err)
{
    for (struct topic *topic = ears->topics; topic; topic = topic->next) {
        if (!topic->ear) {
            TQ_TRY(connect_topic(ears, topic, err));
            tell(topic, NULL, 0);
        }
    }
    return TQ_OK;
}

/* What there is to wait for; the first is to be roused by. */
static nfds_t collect(struct redis_ears *ears, struct pollfd *pollers)
{
    nfds_t count = 0;
    pollers[count++] = (struct pollfd){.fd = ears->rouse_fd, .events = POLLIN};
    pthread_mutex_lock(&ears->lock);
    for (struct ear *ear = ears->ears; ear && count <= EARS_MAX; ear = ear->next) {
        pollers[count++] = (struct pollfd){.fd = ear->conn.context->fd, .events = POLLIN};
    }
    pthread_mutex_unlock(&ears->lock);
    return count;
}

int tq__redis_ears_listen(void *opaque, uint32_t timeout_ms, struct tq_error *err)
{
    struct redis_ears *ears = ((struct redis_state *)opaque)->ears;
    struct pollfd pollers[1 + EARS_MAX];
    nfds_t count = collect(ears, pollers);
    int found = poll(pollers, count, timeout_ms < INT32_MAX ? (int)timeout_ms : INT32_MAX);
    if (found > 0 && pollers[0].revents) {
        tq__rouse_done(ears->rouse_fd);
    }
    pthread_mutex_lock(&ears->lock);
    hear_all(ears);
    int rc = mend(ears, err);
    pthread_mutex_unlock(&ears->lock);
    return rc < 0 ? rc : found > 0 ? TQ_OK : TQ_EMPTY;
}

void tq__redis_ears_rouse(void *opaque)
{
    tq__rouse(((struct redis_state *)opaque)->ears->rouse_fd);
}
