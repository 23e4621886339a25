/* SPDX-License-Identifier: MIT */
/*
 * Server-sent events: many silent connections that any thread can speak to.
 *
 * A stream whose buffer is empty is parked: its connection is suspended and
 * costs no turn of the loop. Sending appends to the buffer and, if the stream is
 * parked, puts it on the loop's stack of stirred streams; the loop resumes the
 * connection, and libmicrohttpd asks read_events() for what there is to send.
 *
 *              send, close              loop              buffer is empty
 *     parked ---------------> stirred ---------> reading -----------------> parked
 *
 * A client that has gone shows when something is sent, at the latest with the
 * comment that goes out after a silence of keepalive_ms. The buffer is bounded: a
 * client that does not read gets TQ_FULL, not our memory.
 *
 * References: one of whoever opened the stream, one of the connection, one while
 * stirred. Threads: the stream's mutex guards all but the loop's list of streams,
 * which only the loop touches.
 */
#include "http/internal.h"

#include <string.h>

#define COMMENT ":\n\n"
#define FAREWELL "retry: 2000\n\n"

struct http_stream {
    struct tq_env env;
    pthread_mutex_t lock;
    unsigned refs;
    struct http_loop *loop; /* while not gone */
    struct MHD_Connection *connection;
    struct tq__buf pending;
    size_t sent; /* of pending */
    size_t bytes_max;
    uint64_t quiet_since_ms;
    int is_parked;
    int is_stirred;
    int is_closing; /* end when all is sent */
    int is_gone;
    struct http_stream *stirred_next;
    struct http_stream *newer, *older; /* of the loop */
};

static void unref(struct http_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    unsigned refs = --stream->refs;
    pthread_mutex_unlock(&stream->lock);
    if (refs == 0) {
        struct tq_env env = stream->env;
        tq__buf_done(&stream->pending);
        pthread_mutex_destroy(&stream->lock);
        tq__release(&env, stream);
    }
}

/* With the lock held. */
static void stir(struct http_stream *stream)
{
    struct http_loop *loop = stream->loop;
    if (!stream->is_parked || stream->is_stirred || stream->is_gone) {
        return;
    }
    stream->is_stirred = 1;
    stream->refs++;
    struct http_stream *top = atomic_load_explicit(&loop->stirred, memory_order_relaxed);
    do {
        stream->stirred_next = top;
    } while (!atomic_compare_exchange_weak_explicit(&loop->stirred, &top, stream,
                                                    memory_order_release, memory_order_relaxed));
    if (!top) {
        http__loop_wake(loop);
    }
}

/* libmicrohttpd asks for bytes, on the loop's thread. */
static ssize_t read_events(void *arg, uint64_t position, char *target, size_t room)
{
    struct http_stream *stream = arg;
    ssize_t result;
    (void)position;
    pthread_mutex_lock(&stream->lock);
    size_t left = stream->pending.bytes - stream->sent;
    size_t bytes = left < room ? left : room;
    if (bytes > 0) {
        memcpy(target, stream->pending.data + stream->sent, bytes);
        stream->sent += bytes;
        result = (ssize_t)bytes;
        if (bytes == left) {
            tq__buf_clear(&stream->pending);
            stream->sent = 0;
            stream->quiet_since_ms = http__now_ms();
        }
    } else if (stream->is_closing) {
        result = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        stream->is_parked = 1;
        MHD_suspend_connection(stream->connection);
        result = 0;
    }
    pthread_mutex_unlock(&stream->lock);
    return result;
}

static struct http_stream *make(struct http_exchange *exchange)
{
    const struct tq_env *env = http_env(&exchange->request);
    struct http_stream *stream = tq__alloc(env, 1, sizeof *stream);
    if (stream) {
        stream->env = *env;
        stream->pending = (struct tq__buf)TQ__BUF(&stream->env);
        pthread_mutex_init(&stream->lock, NULL);
        stream->refs = 1;
        stream->loop = exchange->loop;
        stream->connection = exchange->connection;
        stream->bytes_max = exchange->loop->listener->options.stream_bytes_max;
        tq__buf_text(&stream->pending, ": connected\n\n");
    }
    return stream;
}

http_stream *http_stream_open(struct http_request *request)
{
    struct http_exchange *exchange = http__exchange(request);
    struct http_stream *stream = make(exchange);
    struct MHD_Response *response =
        stream ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 512, read_events, stream, NULL)
               : NULL;
    if (!response) {
        if (stream) {
            unref(stream);
        }
        http_problem(request, 503, "OUT_OF_MEMORY", "Try again later.");
        return NULL;
    }
    MHD_add_response_header(response, "Content-Type", "text/event-stream");
    MHD_add_response_header(response, "Cache-Control", "no-cache, no-transform");
    MHD_add_response_header(response, "X-Accel-Buffering", "no");
    http__add_fields(exchange, response);
    stream->refs++;
    exchange->stream = stream;
    http__answer(exchange, 200, response);
    return stream;
}

static void put_line(struct tq__buf *buf, const char *field, const char *text, size_t bytes)
{
    tq__buf_text(buf, field);
    tq__buf_text(buf, ": ");
    tq__buf_add(buf, text, bytes);
    tq__buf_add(buf, "\n", 1);
}

static void put_event(struct tq__buf *buf, const char *event, const char *id, const char *data,
                      size_t bytes)
{
    if (event) {
        put_line(buf, "event", event, strcspn(event, "\r\n"));
    }
    if (id) {
        put_line(buf, "id", id, strcspn(id, "\r\n"));
    }
    for (const char *at = data, *end = data + bytes; at <= end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        put_line(buf, "data", at, (size_t)(stop - at));
        at = stop + 1;
    }
    tq__buf_add(buf, "\n", 1);
}

/* Gives back the room of what was sent. With the lock held. */
static void compact(struct http_stream *stream)
{
    struct tq__buf *pending = &stream->pending;
    if (stream->sent > stream->bytes_max) {
        pending->bytes -= stream->sent;
        memmove(pending->data, pending->data + stream->sent, pending->bytes + 1);
        stream->sent = 0;
    }
}

int http_stream_send(http_stream *stream, const char *event, const char *id, const char *data,
                     size_t bytes)
{
    struct tq__buf text = TQ__BUF(&stream->env);
    int rc = TQ_OK;
    put_event(&text, event, id, data, bytes);
    pthread_mutex_lock(&stream->lock);
    size_t unsent = stream->pending.bytes - stream->sent;
    if (stream->is_gone || stream->is_closing) {
        rc = TQ_GONE;
    } else if (text.is_failed) {
        rc = TQ_E_NOMEM;
    } else if (unsent + text.bytes > stream->bytes_max) {
        rc = TQ_FULL;
    } else {
        compact(stream);
        tq__buf_add(&stream->pending, text.data, text.bytes);
        rc = stream->pending.is_failed ? TQ_E_NOMEM : TQ_OK;
        stream->pending.is_failed = 0;
        stir(stream);
    }
    pthread_mutex_unlock(&stream->lock);
    tq__buf_done(&text);
    return rc;
}

int http_stream_is_gone(http_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    int is_gone = stream->is_gone || stream->is_closing;
    pthread_mutex_unlock(&stream->lock);
    return is_gone;
}

void http_stream_close(http_stream *stream)
{
    if (!stream) {
        return;
    }
    pthread_mutex_lock(&stream->lock);
    stream->is_closing = 1;
    stir(stream);
    pthread_mutex_unlock(&stream->lock);
    unref(stream);
}

/* ---- the loop's side ---- */

/* Send what is buffered, ask to come back elsewhere, and end. */
static void bid_farewell(struct http_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    if (!stream->is_closing) {
        tq__buf_text(&stream->pending, FAREWELL);
        stream->is_closing = 1;
        stir(stream);
    }
    pthread_mutex_unlock(&stream->lock);
}

void http__stream_link(struct http_loop *loop, struct http_stream *stream)
{
    if (atomic_load(&loop->wants)) {
        bid_farewell(stream); /* none may be parked when the loop ends */
    }
    stream->quiet_since_ms = http__now_ms();
    stream->older = loop->streams;
    if (loop->streams) {
        loop->streams->newer = stream;
    }
    loop->streams = stream;
}

void http__stream_cut(struct http_loop *loop, struct http_stream *stream)
{
    if (stream->older) {
        stream->older->newer = stream->newer;
    }
    if (stream->newer) {
        stream->newer->older = stream->older;
    } else if (loop->streams == stream) {
        loop->streams = stream->older;
    }
    pthread_mutex_lock(&stream->lock);
    stream->is_gone = 1;
    stream->is_parked = 0;
    pthread_mutex_unlock(&stream->lock);
    unref(stream);
}

void http__streams_turn(struct http_loop *loop)
{
    struct http_stream *stream =
        atomic_exchange_explicit(&loop->stirred, NULL, memory_order_acquire);
    while (stream) {
        struct http_stream *next = stream->stirred_next;
        pthread_mutex_lock(&stream->lock);
        stream->is_stirred = 0;
        if (stream->is_parked) {
            stream->is_parked = 0;
            MHD_resume_connection(stream->connection);
        }
        pthread_mutex_unlock(&stream->lock);
        unref(stream);
        stream = next;
    }
}

void http__streams_sweep(struct http_loop *loop, uint64_t now_ms)
{
    uint64_t keepalive_ms = loop->listener->options.keepalive_ms;
    for (struct http_stream *at = loop->streams; at; at = at->older) {
        pthread_mutex_lock(&at->lock);
        if (at->is_parked && !at->is_stirred && now_ms - at->quiet_since_ms >= keepalive_ms) {
            tq__buf_text(&at->pending, COMMENT);
            stir(at);
        }
        pthread_mutex_unlock(&at->lock);
    }
}

void http__streams_end(struct http_loop *loop)
{
    for (struct http_stream *at = loop->streams; at; at = at->older) {
        bid_farewell(at);
    }
}
