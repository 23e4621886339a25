/* SPDX-License-Identifier: MIT */
/*
 * Takes a request from its first line to its handler, and its answer back.
 *
 * libmicrohttpd calls http__on_target() with the raw target, http__on_request()
 * once for the head, for each piece of the body, once at the end of the body, and
 * once more after a resume, and http__on_completed() when all is sent or lost.
 * What that means follows from the phase of the exchange (internal.h).
 *
 * An answer to the head of a request that has a body, or that is suspicious, is
 * queued at once: libmicrohttpd then reads nothing more from the connection and
 * closes it. Any other answer waits for the end of the request, and the
 * connection stays.
 *
 * A connection that waits for a pool is suspended, which takes it out of the
 * daemon's epoll set and costs three system calls. One that waits for a batch is
 * not: nothing can happen on it before the batch has run, and the daemon asks again
 * by itself. Only if the batch handler keeps a request is it suspended after all.
 *
 * Threads: all of it on the loop's thread; a deferred exchange is the handler's
 * until http__answer() gives it back.
 */
#include "http/internal.h"

#include <string.h>
#include <sys/socket.h>

#include "core/url.h"

#define BATCH_MAX 1024

/* ---- life ---- */

void *http__on_target(void *cls, const char *target, struct MHD_Connection *connection)
{
    struct http_loop *loop = cls;
    const struct tq_env *env = &loop->listener->server->env;
    struct http_exchange *exchange = tq__alloc(env, 1, sizeof *exchange);
    if (!exchange) {
        return NULL;
    }
    exchange->loop = loop;
    exchange->connection = connection;
    exchange->started_us = http__now_us();
    exchange->request.arrived_ms = tq__now_ms(env);
    exchange->body.env = exchange->fields.env = exchange->answer.env = env;
    exchange->older = loop->exchanges;
    if (loop->exchanges) {
        loop->exchanges->newer = exchange;
    }
    loop->exchanges = exchange;
    loop->exchanges_count++;
    exchange->read_target = target ? target : "";
    exchange->read_target_bytes = strlen(exchange->read_target);
    exchange->target =
        http_keep(&exchange->request, exchange->read_target,
                  exchange->read_target_bytes > HTTP_LINE_MAX ? HTTP_LINE_MAX + 1
                                                              : exchange->read_target_bytes);
    return exchange;
}

static struct http_peer *peer_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

/* 0: it is our turn. */
static void set_deadline(struct http_exchange *exchange, uint64_t deadline_ms)
{
    struct http_peer *peer = peer_of(exchange->connection);
    if (peer) {
        peer->deadline_ms = deadline_ms;
    }
}

static void unlink_exchange(struct http_exchange *exchange)
{
    struct http_loop *loop = exchange->loop;
    if (exchange->older) {
        exchange->older->newer = exchange->newer;
    }
    if (exchange->newer) {
        exchange->newer->older = exchange->older;
    } else {
        loop->exchanges = exchange->older;
    }
    loop->exchanges_count--;
}

static void free_exchange(struct http_exchange *exchange)
{
    const struct tq_env *env = &exchange->loop->listener->server->env;
    unlink_exchange(exchange);
    if (exchange->stream) {
        http__stream_cut(exchange->loop, exchange->stream);
    }
    if (exchange->response) {
        MHD_destroy_response(exchange->response);
    }
    tq__json_free(exchange->json);
    tq__buf_done(&exchange->body);
    tq__buf_done(&exchange->fields);
    tq__buf_done(&exchange->answer);
    while (exchange->scraps) {
        struct http_scrap *next = exchange->scraps->next;
        tq__release(env, exchange->scraps);
        exchange->scraps = next;
    }
    tq__release(env, exchange);
}

void http__on_completed(void *cls, struct MHD_Connection *connection, void **context,
                        enum MHD_RequestTerminationCode code)
{
    struct http_exchange *exchange = *context;
    (void)cls;
    (void)connection;
    (void)code;
    if (!exchange) {
        return;
    }
    const struct http_listener_options *options = &exchange->loop->listener->options;
    uint64_t now_us = http__now_us();
    if (options->observe && exchange->phase == HTTP__ANSWERED) {
        options->observe(options->observe_arg, &exchange->request, exchange->status,
                         now_us - exchange->started_us);
    }
    set_deadline(exchange, now_us / 1000 + options->idle_timeout_ms);
    free_exchange(exchange);
    *context = NULL;
}

/* ---- the answer ---- */

static enum MHD_Result queue(struct http_exchange *exchange)
{
    if (!exchange->response) {
        return MHD_NO;
    }
    if (atomic_load_explicit(&exchange->loop->wants, memory_order_relaxed)) {
        MHD_add_response_header(exchange->response, "Connection", "close");
    }
    if (exchange->stream) {
        http__stream_link(exchange->loop, exchange->stream);
    }
    enum MHD_Result rc =
        MHD_queue_response(exchange->connection, exchange->status, exchange->response);
    MHD_destroy_response(exchange->response);
    exchange->response = NULL;
    return rc;
}

/* ---- the head ---- */

static enum MHD_Result read_field(void *arg, enum MHD_ValueKind kind, const char *name,
                                  size_t name_bytes, const char *value, size_t value_bytes)
{
    struct http_exchange *exchange = arg;
    (void)kind;
    value = value ? value : "";
    http__head_field(&exchange->head, name, name_bytes, value, value_bytes);
    http__track_field(&exchange->track, name, name_bytes, value, value_bytes);
    return MHD_YES;
}

/*
 * Reads the fields. Before 1.0 the library did not look for what http__track_end() finds, and
 * left a head where it was read; later releases do and do not.
 */
static void read_head(struct http_exchange *exchange, const char *method, const char *version)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    http__track_begin(&exchange->track, method, exchange->read_target, exchange->read_target_bytes,
                      version);
    MHD_get_connection_values_n(exchange->connection, MHD_HEADER_KIND, read_field, exchange);
    if (MHD_VERSION < 0x01000000 && info &&
        http__track_end(&exchange->track, method, info->header_size)) {
        exchange->head.refusal = "the head has a NUL, a folded line, or a bare line feed";
    }
}

static void refuse(struct http_exchange *exchange, unsigned status, const char *code,
                   const char *detail)
{
    exchange->must_close = 1;
    http_problem(&exchange->request, status, code, "%s", detail);
}

/* Limits and what check.c says. */
static void check_head(struct http_exchange *exchange, const char *version)
{
    struct http_head *head = &exchange->head;
    const char *refusal = http__check_target(exchange->target);
    read_head(exchange, exchange->request.method, version);
    if (strlen(exchange->target) > HTTP_LINE_MAX) {
        refuse(exchange, 414, "TARGET_TOO_LONG", "The request line is too long.");
    } else if (head->fields > HTTP_FIELDS_MAX || head->bytes > HTTP_HEAD_MAX) {
        refuse(exchange, 431, "HEAD_TOO_LARGE", "The head has too many or too long fields.");
    } else if (head->expects) {
        refuse(exchange, 417, "EXPECTATION_FAILED", "Only 100-continue can be expected.");
    } else if (refusal || (refusal = http__head_check(head, exchange->request.method, version))) {
        refuse(exchange, 400, "REQUEST_REFUSED", refusal);
    }
}

static void find_route(struct http_exchange *exchange, char allow[64])
{
    const struct http_listener *listener = exchange->loop->listener;
    exchange->entry =
        http__route_find(listener->entries, listener->entries_count, exchange->request.method,
                         exchange->request.path, strlen(exchange->request.path), exchange->captures,
                         &exchange->captures_count, allow);
    if (exchange->entry) {
        exchange->request.route = exchange->entry->route;
        exchange->request.arg = exchange->entry->arg;
    }
}

static size_t body_max(const struct http_exchange *exchange)
{
    size_t max = exchange->entry->route->body_max;
    return max ? max : HTTP_BODY_MAX;
}

/* Filter, then what no handler needs to see. */
static void route_head(struct http_exchange *exchange)
{
    const struct http_listener_options *options = &exchange->loop->listener->options;
    char allow[64];
    find_route(exchange, allow);
    if (options->filter && options->filter(&exchange->request, options->filter_arg)) {
        return;
    }
    if (!exchange->entry && allow[0]) {
        http_set_header(&exchange->request, "Allow", allow);
        http_problem(&exchange->request, 405, "METHOD_NOT_ALLOWED", "Allowed: %s.", allow);
    } else if (!exchange->entry) {
        http_problem(&exchange->request, 404, "NOT_FOUND", "There is nothing at this path.");
    } else if (exchange->head.length > body_max(exchange)) {
        refuse(exchange, 413, "BODY_TOO_LARGE", "The body is too long.");
    }
}

static int has_body(const struct http_exchange *exchange)
{
    return exchange->head.is_chunked || exchange->head.length > 0;
}

static uint64_t body_deadline_ms(const struct http_exchange *exchange)
{
    return exchange->started_us / 1000 + exchange->loop->listener->options.body_timeout_ms;
}

static enum MHD_Result begin(struct http_exchange *exchange, const char *method,
                             const char *version)
{
    char *mark = exchange->target ? strchr(exchange->target, '?') : NULL;
    if (!exchange->target) {
        return MHD_NO;
    }
    exchange->request.method = method;
    exchange->request.path = exchange->target;
    check_head(exchange, version);
    if (mark) {
        *mark = '\0';
    }
    exchange->query = mark ? mark + 1 : "";
    exchange->request.body = "";
    if (exchange->phase == HTTP__HEAD) {
        route_head(exchange);
    }
    if (exchange->phase == HTTP__HEAD) {
        exchange->phase = HTTP__BODY;
        set_deadline(exchange, has_body(exchange) ? body_deadline_ms(exchange) : 0);
        return MHD_YES;
    }
    set_deadline(exchange, 0);
    return exchange->must_close || has_body(exchange) ? queue(exchange) : MHD_YES;
}

/* ---- the body ---- */

/* Beyond the limit the rest is thrown away; beyond twice the limit the connection is cut. */
static enum MHD_Result take_body(struct http_exchange *exchange, const char *data, size_t bytes)
{
    size_t max = body_max(exchange);
    if (exchange->swallowed || exchange->body.bytes + bytes > max) {
        exchange->swallowed += bytes;
        return exchange->body.bytes + exchange->swallowed > 2 * max ? MHD_NO : MHD_YES;
    }
    tq__buf_add(&exchange->body, data, bytes);
    return exchange->body.is_failed ? MHD_NO : MHD_YES;
}

/* ---- the handler ---- */

static void gather(struct http_exchange *exchange)
{
    struct http_loop *loop = exchange->loop;
    struct http_gathered *gathered =
        &loop->gathered[exchange->entry - exchange->loop->listener->entries];
    exchange->is_deferred = 1;
    exchange->next = NULL;
    if (!gathered->count++) {
        gathered->last = &gathered->first;
    }
    *gathered->last = exchange;
    gathered->last = &exchange->next;
    loop->gathered_count++;
}

static void run_direct(struct http_exchange *exchange)
{
    exchange->entry->route->handler(&exchange->request);
    if (exchange->phase != HTTP__ANSWERED) {
        http_problem(&exchange->request, 500, "INTERNAL", "The handler did not answer.");
    }
}

/* Takes the connection out of the daemon's hands until the answer comes. */
static void park(struct http_exchange *exchange)
{
    exchange->is_parked = 1;
    MHD_suspend_connection(exchange->connection);
}

static enum MHD_Result submit(struct http_exchange *exchange)
{
    exchange->is_deferred = 1;
    if (http__pool_submit(exchange->entry->pool, exchange)) {
        exchange->is_deferred = 0;
        http_set_retry_after(&exchange->request, 1000);
        http_problem(&exchange->request, 503, "POOL_FULL", "Too many requests are waiting.");
        return queue(exchange);
    }
    park(exchange);
    return MHD_YES;
}

static enum MHD_Result dispatch(struct http_exchange *exchange)
{
    const struct http_route *route = exchange->entry->route;
    uint32_t mode = route->mode;
    exchange->phase = HTTP__HANDLED;
    exchange->request.body = exchange->body.data ? exchange->body.data : "";
    exchange->request.body_bytes = exchange->body.bytes;
    set_deadline(exchange, 0);
    if (exchange->swallowed) {
        refuse(exchange, 413, "BODY_TOO_LARGE", "The body is too long.");
    } else if (mode == HTTP_DIRECT) {
        run_direct(exchange);
    } else if (mode == HTTP_BATCH) {
        gather(exchange);
        return MHD_YES;
    } else if (!route->quick || !route->quick(&exchange->request)) {
        return submit(exchange);
    }
    return queue(exchange);
}

enum MHD_Result http__on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *upload,
                                 size_t *upload_bytes, void **context)
{
    struct http_exchange *exchange = *context;
    (void)cls;
    (void)connection;
    (void)url;
    if (!exchange) {
        return MHD_NO;
    }
    if (exchange->is_deferred && !exchange->is_back) {
        return MHD_YES;
    }
    if (exchange->phase == HTTP__HEAD) {
        return begin(exchange, method, version);
    }
    if (*upload_bytes) {
        size_t bytes = *upload_bytes;
        *upload_bytes = 0;
        return exchange->phase == HTTP__BODY ? take_body(exchange, upload, bytes) : MHD_YES;
    }
    return exchange->phase == HTTP__BODY ? dispatch(exchange) : queue(exchange);
}

/* ---- the end of a turn ---- */

void http__take_answers(struct http_loop *loop)
{
    struct http_exchange *exchange =
        atomic_exchange_explicit(&loop->done, NULL, memory_order_acquire);
    while (exchange) {
        struct http_exchange *next = exchange->next;
        exchange->is_back = 1;
        if (exchange->is_parked) {
            exchange->is_parked = 0;
            MHD_resume_connection(exchange->connection);
        }
        exchange = next;
    }
}

/* Nothing is freed before the next MHD_run, so all of them can still be looked at. */
static void park_kept(struct http_request *const *requests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct http_exchange *exchange = http__exchange(requests[i]);
        if (!exchange->is_back) {
            park(exchange);
        }
    }
}

static void run_one(struct http_loop *loop, const struct http_route *route,
                    struct http_gathered *gathered)
{
    struct http_request *requests[BATCH_MAX];
    while (gathered->first) {
        size_t count = 0;
        while (gathered->first && count < BATCH_MAX) {
            requests[count++] = &gathered->first->request;
            gathered->first = gathered->first->next;
        }
        route->batch(requests, count);
        http__take_answers(loop);
        park_kept(requests, count);
    }
    gathered->count = 0;
}

void http__run_gathered(struct http_loop *loop)
{
    for (size_t i = 0; loop->gathered_count > 0; i++) {
        struct http_gathered *gathered = &loop->gathered[i];
        loop->gathered_count -= gathered->count;
        run_one(loop, loop->listener->entries[i].route, gathered);
    }
}

/* ---- connections ---- */

static void begin_peer(struct http_loop *loop, struct MHD_Connection *connection,
                       struct http_peer *peer)
{
    struct http_listener *listener = loop->listener;
    const union MHD_ConnectionInfo *client =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    peer->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    peer->deadline_ms = http__now_ms() + listener->options.head_timeout_ms;
    peer->next = loop->peers.next;
    peer->prev = &loop->peers;
    loop->peers.next->prev = peer;
    loop->peers.next = peer;
    if (http__address_take(&listener->addresses, client ? client->client_addr : NULL,
                           &peer->address)) {
        shutdown(peer->fd, SHUT_RDWR);
    }
}

static void end_peer(struct http_loop *loop, struct http_peer *peer)
{
    peer->next->prev = peer->prev;
    peer->prev->next = peer->next;
    http__address_give(&loop->listener->addresses, peer->address);
    tq__release(&loop->listener->server->env, peer);
}

void http__on_connection(void *cls, struct MHD_Connection *connection, void **context,
                         enum MHD_ConnectionNotificationCode code)
{
    struct http_loop *loop = cls;
    struct http_peer *peer = *context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = peer = tq__alloc(&loop->listener->server->env, 1, sizeof *peer);
        if (peer) {
            begin_peer(loop, connection, peer);
        }
    } else if (peer) {
        end_peer(loop, peer);
    }
}
