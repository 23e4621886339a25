/* SPDX-License-Identifier: MIT */
/*
 * HTTP servers: routes, limits, problems, event streams. Knows nothing of tickets.
 *
 * A server has listeners (public, internal, ops); a listener has loops, threads
 * that share its port. A service mounts a constant table of routes on a listener.
 * How a route is carried out is its mode:
 *
 *     HTTP_DIRECT  in the turn of the loop that read the request; must not block
 *     HTTP_BATCH   once per turn for all requests that arrived together
 *     HTTP_POOL    on a bounded pool of threads; may block; a full pool answers 503. A route
 *                  that often knows the answer already has a `quick` function, which is
 *                  tried in the turn first
 *
 * Every request is answered exactly once, by one of the http_reply... or
 * http_problem... functions. A DIRECT handler answers before it returns. BATCH and
 * POOL handlers may also keep the request and answer later, from any thread. After
 * the answer the request is gone: do not touch it again.
 *
 * Limits: request line 4 KiB, head 16 KiB and 64 fields, body 64 KiB unless the
 * route says otherwise. Ambiguous requests are refused and the connection closed
 * (check.c). Threads: a request belongs to whoever is to answer it; streams are [any].
 */
#ifndef TICKETQ_HTTP_H
#define TICKETQ_HTTP_H

#include <ticketq/env.h>
#include <ticketq/status.h>

#include "core/bytes.h"
#include "core/json.h"

#define HTTP_PARAMS_MAX 4
#define HTTP_LINE_MAX 4096
#define HTTP_HEAD_MAX 16384
#define HTTP_FIELDS_MAX 64
#define HTTP_BODY_MAX 65536 /* unless the route says otherwise */
#define HTTP_ROUTES_MAX 128 /* on one listener */

typedef struct http_server http_server;
typedef struct http_stream http_stream;
struct http_request;

enum http_mode { HTTP_DIRECT = 0, HTTP_BATCH = 1, HTTP_POOL = 2 };

/* Flags of a route: the low half is ours, the high half belongs to the filter. */
#define HTTP_PUBLIC_CACHE 1u /* do not add `Cache-Control: no-store` */
#define HTTP_APP_FLAG(n) (1u << (16 + (n)))

typedef void http_handler_fn(struct http_request *request);
/* All of one route and one turn. Each must be answered. */
typedef void http_batch_fn(struct http_request *const *requests, size_t count);
/* Non-zero: it has answered. Must not block. */
typedef int http_quick_fn(struct http_request *request);

/* One row of a table; tables are constant and outlive the server. */
struct http_route {
    const char *method;       /* "GET" */
    const char *pattern;      /* "/v1/things/{thingId}": a parameter is a whole segment */
    http_handler_fn *handler; /* DIRECT and POOL */
    http_batch_fn *batch;     /* BATCH */
    uint32_t mode;            /* enum http_mode */
    uint32_t flags;
    const char *pool;     /* POOL: its name (http_pool_add) */
    http_quick_fn *quick; /* POOL, optional */
    size_t body_max;      /* 0: HTTP_BODY_MAX */
};

/* Who asks; set by a filter, read by handlers. Empty strings: not known. */
struct http_identity {
    char subject[TQ_ID_SIZE];
    char role[TQ_ID_SIZE];
    char scope[TQ_ID_SIZE];   /* what a second token is good for */
    int64_t scope_expires_ms; /* until when; 0: there is none */
};

/* What a handler may look at directly. Everything is borrowed and lives as long as the request. */
struct http_request {
    const char *method;
    const char *path;               /* percent-encoded, without the query */
    const struct http_route *route; /* NULL in a filter: nothing is mounted there */
    void *arg;                      /* of the mount: the service */
    const char *body;               /* ends in NUL; never NULL in a handler */
    size_t body_bytes;
    struct http_identity identity;
    int64_t arrived_ms;
};

/*
 * Runs when the head was read, before the body and before the handler. 0: go on.
 * Otherwise it has answered. Must not block.
 */
typedef int http_filter_fn(struct http_request *request, void *arg);

/* Called once per answered request, from the loop. `route` is NULL where nothing is mounted. */
typedef void http_observe_fn(void *arg, const struct http_request *request, unsigned status,
                             uint64_t duration_us);

struct http_listener_options {
    const char *name;                 /* "public" */
    const char *address;              /* "127.0.0.1:8080", "[::1]:0"; port 0: any that is free */
    unsigned threads;                 /* loops; 0: 1 */
    unsigned connections_max;         /* per listener; 0: 16384 */
    unsigned connections_per_address; /* open at once; more are closed unanswered. 0: no limit */
    unsigned head_timeout_ms;         /* from accept to a whole head; 0: 10000 */
    unsigned idle_timeout_ms;         /* from an answer to the next whole head; 0: 75000 */
    unsigned body_timeout_ms;         /* from the head to the whole body; 0: 20000 */
    unsigned keepalive_ms;            /* comment on a silent event stream; 0: 15000 */
    size_t stream_bytes_max;          /* unsent bytes of one event stream; 0: 65536 */
    http_filter_fn *filter;           /* optional */
    void *filter_arg;
    http_observe_fn *observe; /* optional */
    void *observe_arg;
};

/* ---- server.c ---- */

int http_server_new(const struct tq_env *env, http_server **out_server, struct tq_error *err);
/* Binds at once, so that the port is known; accepts after http_server_start(). */
int http_listener_add(http_server *server, const struct http_listener_options *options,
                      struct tq_error *err);
/* `arg` becomes request->arg. TQ_E_INVALID: a route is malformed or stands twice. */
int http_mount(http_server *server, const char *listener, const struct http_route *routes,
               size_t routes_count, void *arg, struct tq_error *err);
/* A pool of threads for HTTP_POOL routes that name it; at most `queue_max` requests wait. */
int http_pool_add(http_server *server, const char *name, unsigned threads, unsigned queue_max,
                  struct tq_error *err);
int http_server_start(http_server *server, struct tq_error *err);
/* The port a listener is bound to; 0: there is no such listener. */
unsigned http_server_port(const http_server *server, const char *listener);
/*
 * Stop a listener: answer `Connection: close`, close event streams, stop accepting, finish what
 * is in flight. NULL: all of them. Returns TQ_OK, or TQ_EXPIRED when something was cut off after
 * `timeout_ms`.
 */
int http_server_drain(http_server *server, const char *listener, unsigned timeout_ms);
/* Takes the server; handlers must not hold on to requests any more. NULL is allowed. */
void http_server_free(http_server *server);
/* Requests that wait in a pool; 0 when there is no such pool. */
size_t http_pool_depth(const http_server *server, const char *name);

/* ---- request.c: reading ---- */

const struct tq_env *http_env(const struct http_request *request);
/* A parameter of the pattern, decoded; NULL: the pattern has none of that name. */
const char *http_param(const struct http_request *request, const char *name);
/* A member of the query, decoded; NULL: not there or malformed. */
const char *http_query(struct http_request *request, const char *name);
/* A header field; NULL: not there, or more than once. Names are compared without case. */
const char *http_header(const struct http_request *request, const char *name);
/* Copy text that is to live as long as the request; NULL: no memory. */
char *http_keep(struct http_request *request, const char *text, size_t bytes);

/* ---- field.c: reading that answers ---- */

/*
 * These functions answer with a problem themselves when what they read is not there or not
 * allowed, and then return NULL or 0: the handler just returns. The codes are JSON_INVALID,
 * FIELD_INVALID {field} and QUERY_INVALID {parameter}.
 */

/* The body as a JSON object, parsed once, each name at most once. */
const tq__json *http_json(struct http_request *request);
/* A required string of at most `bytes_max` bytes and at least one. */
const char *http_field_string(struct http_request *request, const tq__json *object,
                              const char *name, size_t bytes_max);
/* A required id: [A-Za-z0-9_-]{1,64}. */
const char *http_field_id(struct http_request *request, const tq__json *object, const char *name);
/* A required whole number in min..max. */
int http_field_int(struct http_request *request, const tq__json *object, const char *name,
                   int64_t min, int64_t max, int64_t *out_value);
/* The same, `fallback` when it is not there. */
int http_field_int_or(struct http_request *request, const tq__json *object, const char *name,
                      int64_t min, int64_t max, int64_t fallback, int64_t *out_value);
/* A parameter of the path that must be an id. */
const char *http_param_id(struct http_request *request, const char *name);
/* A required member of the query that must be an id. */
const char *http_query_id(struct http_request *request, const char *name);
/* A whole number of the query in min..max, `fallback` when it is not there. */
int http_query_int_or(struct http_request *request, const char *name, int64_t min, int64_t max,
                      int64_t fallback, int64_t *out_value);

/* ---- reply.c: answering ---- */

/* Add a header field to the answer; before the answer, both strings are copied. */
void http_set_header(struct http_request *request, const char *name, const char *value);
/* Retry-After: whole seconds, rounded up, at least 1. */
void http_set_retry_after(struct http_request *request, int64_t wait_ms);

/* `body` is copied. */
void http_reply(struct http_request *request, unsigned status, const char *content_type,
                const void *body, size_t bytes);
void http_reply_empty(struct http_request *request, unsigned status);
/* Takes the buffer's content and leaves it empty; a failed buffer becomes a 503. */
void http_reply_json(struct http_request *request, unsigned status, struct tq__buf *json);

/* Close the connection without an answer: the client cannot know what happened. */
void http_cut(struct http_request *request);

/* application/problem+json (RFC 9457). `code` is stable and in capitals; detail is for people. */
void http_problem(struct http_request *request, unsigned status, const char *code,
                  const char *detail, ...) __attribute__((format(printf, 4, 5)));
/*
 * With further members: `members` holds what tq__put_... wrote between tq__put_object() and
 * before tq__put_object_end(). It is taken and left empty.
 */
void http_problem_with(struct http_request *request, unsigned status, const char *code,
                       struct tq__buf *members, const char *detail, ...)
    __attribute__((format(printf, 5, 6)));
/*
 * Set `ETag: "<tag>"`. Non-zero: the caller has that version, 304 was answered.
 */
int http_not_modified(struct http_request *request, const char *tag);

/* ---- stream.c: server-sent events ---- */

/*
 * Turn the request into an event stream: the request is answered. NULL: it was answered with a
 * problem. Close it with http_stream_close(), also when the client has gone.
 */
http_stream *http_stream_open(struct http_request *request);
/*
 * Send an event. `event` and `id` may be NULL. TQ_OK: buffered; TQ_FULL: the client does not
 * read, nothing was buffered; TQ_GONE: the client has gone or the server drains; TQ_E_NOMEM.
 */
int http_stream_send(http_stream *stream, const char *event, const char *id, const char *data,
                     size_t bytes);
int http_stream_is_gone(http_stream *stream);
/* Send what is buffered and end. NULL is allowed. */
void http_stream_close(http_stream *stream);

#endif
