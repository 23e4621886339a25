/* SPDX-License-Identifier: MIT */
/*
 * Calling other HTTP servers: blocking, with limits on time and size.
 *
 * What matters to callers that move money is whether a failed call may have
 * had an effect: TQ_E_UNAVAILABLE means that no request was sent, TQ_E_UNKNOWN
 * that one was and no whole answer came back. Threads: [any]; GET and HEAD use
 * connections again, see client.c.
 */
#ifndef TICKETQ_HTTP_CLIENT_H
#define TICKETQ_HTTP_CLIENT_H

#include "core/bytes.h"
#include "core/json.h"

typedef struct http_client http_client;

struct http_call {
    const char *method;         /* "GET" */
    const char *url;            /* http or https; redirects are not followed */
    const char *const *headers; /* "Name: value", ends in NULL; may be NULL */
    const char *body;           /* NULL: none */
    size_t body_bytes;
    const char *content_type;    /* NULL: application/json when there is a body */
    unsigned connect_timeout_ms; /* 0: 3000 */
    unsigned timeout_ms;         /* for all of it; 0: 60000 */
    size_t answer_max;           /* longest body; 0: 4 MiB */
};

/* Begin with HTTP_ANSWER(env), end with http_answer_done(). */
struct http_answer {
    unsigned status;
    struct tq__buf body; /* ends in NUL */
    tq__json *json;      /* of http_answer_json() */
};

#define HTTP_ANSWER(environment)                                                                   \
    {                                                                                              \
        .body = TQ__BUF(environment)                                                               \
    }

int http_client_new(const struct tq_env *env, http_client **out_client, struct tq_error *err);
/* NULL is allowed. */
void http_client_free(http_client *client);

/*
 * TQ_OK: answered, whatever the status. TQ_E_UNAVAILABLE: certainly not sent. TQ_E_UNKNOWN:
 * sent, and the answer is lost. TQ_E_LIMIT: answered with more than `answer_max`.
 */
int http_client_call(http_client *client, const struct http_call *call, struct http_answer *answer,
                     struct tq_error *err);
/*
 * For a program that stops: calls under way end within a second, as above by what was sent, and
 * later ones are TQ_E_UNAVAILABLE. [any]
 */
void http_client_abort(http_client *client);
/* The body as JSON, parsed once; NULL: it is not JSON. */
const tq__json *http_answer_json(struct http_answer *answer);
void http_answer_done(struct http_answer *answer);

#endif
