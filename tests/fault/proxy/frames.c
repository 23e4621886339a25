/* SPDX-License-Identifier: MIT */
/*
 * Only as much of three protocols as is needed to count.
 *
 *   Redis        a request is an array of strings; a reply is a value, whole with all that
 *                is in it
 *   PostgreSQL   a request goes up to the message that the server answers at once: Sync,
 *                Query, a password, the startup; a reply goes up to ReadyForQuery or to the
 *                question for a password. The question for TLS is answered by a letter
 *   Kafka        requests and replies have their length before them
 *
 * Whoever closes the connection with a message (Terminate) asks for nothing.
 */
#include "fault/proxy/frames.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TLS_QUESTION 80877103
#define AUTHENTICATION_DONE 0
#define AUTHENTICATION_LAST_WORD 12 /* after it comes DONE */

static int32_t number_at(const char *data)
{
    uint32_t number;
    memcpy(&number, data, sizeof number);
    return (int32_t)ntohl(number);
}

/* ---- Redis ---- */

/* One value without what is in it; 0: not here yet. `*out_inside`: values that follow in it. */
static size_t redis_value(const char *data, size_t bytes, long *out_inside)
{
    const char *line = bytes ? memchr(data, '\n', bytes) : NULL;
    *out_inside = 0;
    if (!line) {
        return 0;
    }
    size_t head = (size_t)(line - data) + 1;
    long count = strtol(data + 1, NULL, 10);
    if (data[0] == '$' && count >= 0) {
        size_t whole = head + (size_t)count + 2;
        return whole <= bytes ? whole : 0;
    }
    *out_inside = data[0] == '*' && count > 0 ? count : 0;
    return head;
}

static enum frame redis_frame(const char *data, size_t bytes, size_t *out_bytes)
{
    size_t at = 0;
    for (long wanted = 1, inside; wanted > 0; wanted += inside - 1) {
        size_t value = redis_value(data + at, bytes - at, &inside);
        if (value == 0) {
            return FRAME_NONE;
        }
        at += value;
    }
    *out_bytes = at;
    return FRAME_LAST;
}

/* ---- PostgreSQL ---- */

/* A length that counts itself, behind `before` bytes. */
static int is_whole(const char *data, size_t bytes, size_t before, size_t *out_bytes)
{
    *out_bytes = bytes >= before + 4 ? before + (size_t)number_at(data + before) : SIZE_MAX;
    return *out_bytes <= bytes;
}

static enum frame postgres_request(struct frames *frames, const char *data, size_t bytes,
                                   size_t *out_bytes)
{
    if (!is_whole(data, bytes, frames->is_started ? 1 : 0, out_bytes)) {
        return FRAME_NONE;
    }
    if (!frames->is_started) {
        frames->is_letter = number_at(data + 4) == TLS_QUESTION;
        frames->is_started = !frames->is_letter;
        return FRAME_LAST;
    }
    return data[0] == 'X' ? FRAME_ASIDE : strchr("SQp", data[0]) ? FRAME_LAST : FRAME_PART;
}

static enum frame postgres_reply(struct frames *frames, const char *data, size_t bytes,
                                 size_t *out_bytes)
{
    if (frames->is_letter && bytes > 0) {
        frames->is_letter = 0;
        *out_bytes = 1;
        return FRAME_LAST;
    }
    if (!is_whole(data, bytes, 1, out_bytes)) {
        return FRAME_NONE;
    }
    int32_t step = data[0] == 'R' ? number_at(data + 5) : AUTHENTICATION_DONE;
    int is_question = step != AUTHENTICATION_DONE && step != AUTHENTICATION_LAST_WORD;
    return data[0] == 'Z' || is_question ? FRAME_LAST : FRAME_PART;
}

/* ---- Kafka ---- */

static enum frame kafka_frame(const char *data, size_t bytes, size_t *out_bytes)
{
    *out_bytes = bytes >= 4 ? 4 + (size_t)number_at(data) : SIZE_MAX;
    return *out_bytes <= bytes ? FRAME_LAST : FRAME_NONE;
}

enum frame frames_request(struct frames *frames, const char *data, size_t bytes, size_t *out_bytes)
{
    return frames->protocol == PROXY_POSTGRES ? postgres_request(frames, data, bytes, out_bytes)
           : frames->protocol == PROXY_REDIS  ? redis_frame(data, bytes, out_bytes)
                                              : kafka_frame(data, bytes, out_bytes);
}

enum frame frames_reply(struct frames *frames, const char *data, size_t bytes, size_t *out_bytes)
{
    return frames->protocol == PROXY_POSTGRES ? postgres_reply(frames, data, bytes, out_bytes)
           : frames->protocol == PROXY_REDIS  ? redis_frame(data, bytes, out_bytes)
                                              : kafka_frame(data, bytes, out_bytes);
}
