/* SPDX-License-Identifier: MIT */
/*
 * What the files of this folder share. Nobody else includes it.
 *
 * An exchange is a request and its answer. Its phase goes one way:
 *
 *     HEAD -> BODY -> HANDLED -> ANSWERED
 *
 * In HANDLED it belongs to the handler. When the handler is deferred, it may be on
 * any thread, and the answer comes back to the loop through `done`, a stack that
 * every thread pushes on and only the loop empties.
 */
#ifndef TICKETQ_HTTP_INTERNAL_H
#define TICKETQ_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "core/env.h"
#include "core/error.h"
#include "core/map.h"
#include "http/http.h"

#define HTTP__NAME_MAX 32
#define HTTP__LOOPS_MAX 64
#define HTTP__LISTENERS_MAX 8
#define HTTP__POOLS_MAX 16
#define HTTP__ROOM_BYTES 512
#define HTTP__POOL_BYTES 24576 /* memory of one connection: head and answer's head */

struct http_loop;
struct http_exchange;

/* ---- route.c: pure ---- */

struct http_capture {
    const char *name;
    size_t name_bytes;
    const char *value;
    size_t value_bytes;
};

/* A route that is mounted. */
struct http_entry {
    const struct http_route *route;
    void *arg;
    struct http_pool *pool;
    size_t literal_bytes; /* of the pattern, up to its first parameter */
};

/* 0, or -1: malformed. */
int http__pattern_check(const char *pattern);
size_t http__pattern_literal(const char *pattern);
/*
 * The first entry for a method and path; HEAD is served by GET. Otherwise NULL, and `allow` lists
 * the methods that the path has ("" when there are none).
 */
const struct http_entry *http__route_find(const struct http_entry *entries, size_t count,
                                          const char *method, const char *path, size_t path_bytes,
                                          struct http_capture captures[HTTP_PARAMS_MAX],
                                          int *out_captures, char allow[64]);

/* ---- check.c: pure ---- */

/* NULL, or why a request target is refused. */
const char *http__check_target(const char *target);

/* Collects what the fields of a head say about where the request ends. */
struct http_head {
    unsigned fields;
    size_t bytes;
    unsigned hosts, lengths, codings;
    uint64_t length;
    int is_chunked;
    int expects;         /* Expect: something else than 100-continue */
    const char *refusal; /* NULL: none so far */
};

void http__head_field(struct http_head *head, const char *name, size_t name_bytes,
                      const char *value, size_t value_bytes);
/* NULL, or why the head as a whole is refused. */
const char *http__head_check(const struct http_head *head, const char *method, const char *version);

/* A head in the memory it was read into; every end of a line is two bytes. */
struct http_track {
    const char *at; /* where the next part must begin */
    int has_gap;
};

/* `target_bytes`: as it was before the library cut and decoded it. */
void http__track_begin(struct http_track *track, const char *method, const char *target,
                       size_t target_bytes, const char *version);
void http__track_field(struct http_track *track, const char *name, size_t name_bytes,
                       const char *value, size_t value_bytes);
/* Non-zero: something was passed over. */
int http__track_end(const struct http_track *track, const char *method, size_t head_bytes);

/* ---- pool.c ---- */

struct http_pool {
    char name[HTTP__NAME_MAX + 1];
    pthread_mutex_t lock; /* all below */
    pthread_cond_t wake;
    struct http_exchange *first, **last;
    size_t count, queue_max;
    int is_stopping;
    unsigned threads_count;
    pthread_t *threads;
};

int http__pool_open(struct http_pool *pool, const struct tq_env *env, const char *name,
                    unsigned threads, unsigned queue_max, struct tq_error *err);
/* 0: taken. Otherwise it is full, or stops. */
int http__pool_submit(struct http_pool *pool, struct http_exchange *exchange);
/* Lets running handlers end and answers those that still wait. */
void http__pool_close(struct http_pool *pool, const struct tq_env *env);

/* ---- address.c ---- */

#define HTTP__ADDRESS_SIZE 17 /* of a key, with its NUL */

struct sockaddr;
struct http_address;

struct http_addresses {
    const struct tq_env *env;
    unsigned limit; /* 0: none */
    pthread_mutex_t lock;
    struct tq__map by_key;
};

int http__addresses_open(struct http_addresses *addresses, const struct tq_env *env, unsigned limit,
                         struct tq_error *err);
/* Nothing may be taken any more. */
void http__addresses_close(struct http_addresses *addresses);
/* What is counted as one client. [pure] */
void http__address_key(const struct sockaddr *address, char key[HTTP__ADDRESS_SIZE]);
/* Non-zero: the client has as many as it may. Give back what it wrote; NULL: not counted. */
int http__address_take(struct http_addresses *addresses, const struct sockaddr *address,
                       struct http_address **out_entry);
void http__address_give(struct http_addresses *addresses, struct http_address *entry);

/* ---- server.c ---- */

struct http_listener {
    http_server *server;
    struct http_listener_options options;
    char name[HTTP__NAME_MAX + 1];
    char host[64];
    unsigned port;
    struct http_entry entries[HTTP_ROUTES_MAX];
    size_t entries_count;
    struct http_addresses addresses;
    struct http_loop *loops;
    unsigned loops_count;
};

struct http_server {
    struct tq_env env;
    struct http_listener listeners[HTTP__LISTENERS_MAX];
    size_t listeners_count;
    struct http_pool pools[HTTP__POOLS_MAX];
    size_t pools_count;
    int is_started;
};

/* ---- loop.c ---- */

/* A connection and the time by which its peer must have sent something whole. */
struct http_peer {
    struct http_peer *next, *prev;
    int fd;
    uint64_t deadline_ms; /* 0: it is our turn */
    struct http_address *address;
};

/* Requests of one route that wait for the end of the turn. */
struct http_gathered {
    struct http_exchange *first, **last;
    size_t count;
};

struct http_loop {
    struct http_listener *listener;
    struct MHD_Daemon *daemon;
    pthread_t thread;
    int is_running;
    int listen_fd;
    int poll_fd;
    int wake_fd;
    struct http_peer peers;          /* ring */
    struct http_exchange *exchanges; /* all that live */
    size_t exchanges_count;
    struct http_gathered gathered[HTTP_ROUTES_MAX];
    size_t gathered_count; /* over all routes */
    struct http_stream *streams;
    uint64_t swept_ms;
    uint64_t receive_until_ms; /* while draining: no peer may take longer; otherwise 0 */
    uint64_t idle_since_ms;    /* while draining: nothing is in flight since */
    _Atomic(struct http_exchange *) done;
    _Atomic(struct http_stream *) stirred; /* streams with news */
    _Atomic unsigned wants;                /* HTTP__DRAIN, HTTP__STOP */
    _Atomic int is_drained;
};

#define HTTP__DRAIN 1u
#define HTTP__STOP 2u

int http__loop_open(struct http_loop *loop, struct http_listener *listener, struct tq_error *err);
int http__loop_start(struct http_loop *loop, struct tq_error *err);
/* After the pools are closed. */
void http__loop_close(struct http_loop *loop);
void http__loop_ask(struct http_loop *loop, unsigned wants);

/* ---- wake.c ---- */

/* From any thread; on the loop's own nothing happens. */
void http__loop_wake(struct http_loop *loop);

/* ---- the clock of deadlines and durations ---- */

static inline uint64_t http__now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static inline uint64_t http__now_ms(void)
{
    return http__now_us() / 1000;
}

/* ---- exchange.c ---- */

enum http_phase { HTTP__HEAD, HTTP__BODY, HTTP__HANDLED, HTTP__ANSWERED };

struct http_scrap {
    struct http_scrap *next;
    char text[];
};

struct http_exchange {
    struct http_request request; /* first: handlers see only this */
    struct http_loop *loop;
    struct MHD_Connection *connection;
    struct http_exchange *next;          /* in a turn, a pool or `done` */
    struct http_exchange *newer, *older; /* of the loop */
    const struct http_entry *entry;
    struct http_head head;
    struct http_track track;
    struct http_capture captures[HTTP_PARAMS_MAX];
    int captures_count;
    const char *read_target; /* where the library has it, and how long it was */
    size_t read_target_bytes;
    char *target;
    const char *query;
    uint64_t started_us;
    struct tq__buf body;
    struct tq__buf fields; /* of the answer: name NUL value NUL ... */
    struct tq__buf answer;
    tq__json *json;
    struct http_scrap *scraps; /* what http_keep() has no room for here */
    size_t room_used;
    char room[HTTP__ROOM_BYTES];
    struct http_stream *stream;
    struct MHD_Response *response;
    unsigned status;
    enum http_phase phase;
    size_t swallowed; /* bytes of a body that is too long */
    int is_deferred;  /* the answer comes through `done` */
    int is_parked;    /* the connection is suspended */
    int is_back;      /* the answer has come through `done` */
    int must_close;
    int has_cache_control;
    int has_retry_after;
};

static inline struct http_exchange *http__exchange(const struct http_request *request)
{
    return (struct http_exchange *)request;
}

/* libmicrohttpd's callbacks; `cls` is the loop. */
void *http__on_target(void *cls, const char *target, struct MHD_Connection *connection);
enum MHD_Result http__on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *upload,
                                 size_t *upload_bytes, void **context);
void http__on_completed(void *cls, struct MHD_Connection *connection, void **context,
                        enum MHD_RequestTerminationCode code);
void http__on_connection(void *cls, struct MHD_Connection *connection, void **context,
                         enum MHD_ConnectionNotificationCode code);
/* Runs the batch handlers of this turn. */
void http__run_gathered(struct http_loop *loop);
/* Takes answers from `done`, and resumes the connections that were suspended for them. */
void http__take_answers(struct http_loop *loop);

/* ---- reply.c ---- */

/* Hands the answer to the loop. The response is taken; NULL: the connection is cut. */
void http__answer(struct http_exchange *exchange, unsigned status, struct MHD_Response *response);
/* What http_set_header() was called with. */
void http__add_fields(const struct http_exchange *exchange, struct MHD_Response *response);

/* ---- stream.c ---- */

/* From the loop: the answer that opens the stream is on its way. */
void http__stream_link(struct http_loop *loop, struct http_stream *stream);
/* From the loop: resume those with news. */
void http__streams_turn(struct http_loop *loop);
/* From the loop, now and then: comments to the silent. */
void http__streams_sweep(struct http_loop *loop, uint64_t now_ms);
/* From the loop: send what is buffered, tell clients to come back, and end. */
void http__streams_end(struct http_loop *loop);
/* From the loop: the connection has ended. */
void http__stream_cut(struct http_loop *loop, struct http_stream *stream);

#endif
