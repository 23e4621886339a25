/* SPDX-License-Identifier: MIT */
/*
 * Calls other HTTP servers, on libcurl.
 *
 * A call takes a handle from a stack, and puts it back with its open
 * connections, so that the next call to the same server needs no handshake. As
 * many handles exist as calls have ever run at once.
 *
 *     bytes of a request sent     whole answer     result
 *     none                        -                TQ_E_UNAVAILABLE
 *     some                        yes              TQ_OK, whatever the status
 *     some                        no               TQ_E_UNKNOWN
 *
 * libcurl sends a request once more by itself when a kept connection turns out to
 * be closed before any byte of an answer came. That would hide "perhaps applied", so
 * whatever is not GET or HEAD goes over a connection of its own. Redirects, proxies
 * of the environment and other schemes than http and https are not used. Threads: [any]; the stack
 * has a mutex.
 */
#include "http/client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/env.h"
#include "core/error.h"

#define ANSWER_MAX 4194304
#define IDLE_MAX 64

struct http_client {
    struct tq_env env;
    pthread_mutex_t lock;
    CURL *idle[IDLE_MAX];
    size_t idle_count;
    _Atomic int is_aborted;
};

int http_client_new(const struct tq_env *env, http_client **out_client, struct tq_error *err)
{
    struct tq_env own;
    TQ_TRY(tq__env_read(&own, env, err));
    http_client *client = tq__alloc(&own, 1, sizeof *client);
    if (!client || curl_global_init(CURL_GLOBAL_DEFAULT)) {
        tq__release(&own, client);
        return tq__nomem("client", err);
    }
    client->env = own;
    pthread_mutex_init(&client->lock, NULL);
    *out_client = client;
    return TQ_OK;
}

void http_client_free(http_client *client)
{
    if (!client) {
        return;
    }
    struct tq_env env = client->env;
    for (size_t i = 0; i < client->idle_count; i++) {
        curl_easy_cleanup(client->idle[i]);
    }
    curl_global_cleanup();
    pthread_mutex_destroy(&client->lock);
    tq__release(&env, client);
}

static CURL *take_handle(http_client *client)
{
    pthread_mutex_lock(&client->lock);
    CURL *handle = client->idle_count ? client->idle[--client->idle_count] : NULL;
    pthread_mutex_unlock(&client->lock);
    return handle ? handle : curl_easy_init();
}

static void give_handle(http_client *client, CURL *handle)
{
    curl_easy_reset(handle);
    pthread_mutex_lock(&client->lock);
    if (client->idle_count < IDLE_MAX) {
        client->idle[client->idle_count++] = handle;
        handle = NULL;
    }
    pthread_mutex_unlock(&client->lock);
    if (handle) {
        curl_easy_cleanup(handle);
    }
}

/* ---- one call ---- */

struct intake {
    struct http_answer *answer;
    size_t body_max;
    int is_too_long;
};

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct intake *intake = arg;
    size_t bytes = size * count;
    intake->is_too_long |= intake->answer->body.bytes + bytes > intake->body_max;
    if (intake->is_too_long) {
        return 0;
    }
    tq__buf_add(&intake->answer->body, data, bytes);
    return intake->answer->body.is_failed ? 0 : bytes;
}

/* Non-zero ends the call. libcurl asks at least once a second. */
static int on_progress(void *arg, curl_off_t down_all, curl_off_t down, curl_off_t up_all,
                       curl_off_t up)
{
    http_client *client = arg;
    (void)down_all;
    (void)down;
    (void)up_all;
    (void)up;
    return atomic_load(&client->is_aborted);
}

/* 0, or there was no memory, as below: libcurl copies texts, and goes on without what it lacks. */
static int set_limits(http_client *client, CURL *handle, const struct http_call *call)
{
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(handle, CURLOPT_XFERINFODATA, client);
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(call->connect_timeout_ms ? call->connect_timeout_ms : 3000));
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS,
                     (long)(call->timeout_ms ? call->timeout_ms : 60000));
    return curl_easy_setopt(handle, CURLOPT_PROXY, "") ||
           curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
}

static int add_field(struct curl_slist **fields, const char *text)
{
    struct curl_slist *longer = curl_slist_append(*fields, text);
    *fields = longer ? longer : *fields;
    return longer != NULL;
}

/* All of them, or NULL. */
static struct curl_slist *fields_of(const struct http_call *call)
{
    char type[128];
    struct curl_slist *fields = NULL;
    int is_whole = add_field(&fields, "Expect:");
    for (size_t i = 0; is_whole && call->headers && call->headers[i]; i++) {
        is_whole = add_field(&fields, call->headers[i]);
    }
    if (is_whole && call->body) {
        snprintf(type, sizeof type, "Content-Type: %s",
                 call->content_type ? call->content_type : "application/json");
        is_whole = add_field(&fields, type);
    }
    if (!is_whole) {
        curl_slist_free_all(fields);
        return NULL;
    }
    return fields;
}

static int set_request(CURL *handle, const struct http_call *call, struct curl_slist *fields,
                       struct intake *intake)
{
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, fields);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, intake);
    if (call->body) {
        curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_bytes);
        curl_easy_setopt(handle, CURLOPT_POSTFIELDS, call->body);
    }
    curl_easy_setopt(handle, CURLOPT_NOBODY, strcmp(call->method, "HEAD") == 0 ? 1L : 0L);
    if (strcmp(call->method, "GET") != 0 && strcmp(call->method, "HEAD") != 0) {
        curl_easy_setopt(handle, CURLOPT_FRESH_CONNECT, 1L);
    }
    return curl_easy_setopt(handle, CURLOPT_URL, call->url) ||
           curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, call->method);
}

static int result_of(CURL *handle, CURLcode code, const struct intake *intake, struct tq_error *err)
{
    long sent = 0;
    curl_easy_getinfo(handle, CURLINFO_REQUEST_SIZE, &sent);
    if (code == CURLE_OK) {
        return TQ_OK;
    }
    if (intake->is_too_long) {
        return tq__fail(err, TQ_E_LIMIT, "client", "the answer is too long");
    }
    return tq__fail_native(err, sent > 0 ? TQ_E_UNKNOWN : TQ_E_UNAVAILABLE, code, "client", "%s",
                           curl_easy_strerror(code));
}

static int perform(CURL *handle, const struct intake *intake, struct tq_error *err)
{
    long status = 0;
    int rc = result_of(handle, curl_easy_perform(handle), intake, err);
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    intake->answer->status = (unsigned)status;
    return rc;
}

int http_client_call(http_client *client, const struct http_call *call, struct http_answer *answer,
                     struct tq_error *err)
{
    struct intake intake = {answer, call->answer_max ? call->answer_max : ANSWER_MAX, 0};
    if (atomic_load(&client->is_aborted)) {
        return tq__fail(err, TQ_E_UNAVAILABLE, "client", "the program stops");
    }
    CURL *handle = take_handle(client);
    struct curl_slist *fields = fields_of(call);
    int is_set = handle && fields && !set_limits(client, handle, call) &&
                 !set_request(handle, call, fields, &intake);
    int rc = is_set ? perform(handle, &intake, err) : tq__nomem("client", err);
    curl_slist_free_all(fields);
    if (handle) {
        give_handle(client, handle);
    }
    return rc;
}

void http_client_abort(http_client *client)
{
    atomic_store(&client->is_aborted, 1);
}

/* ---- reading the answer ---- */

const tq__json *http_answer_json(struct http_answer *answer)
{
    /* As long as the caller let it be. */
    const struct tq__json_limits limits = {.bytes_max = answer->body.bytes};
    if (!answer->json && answer->body.data &&
        tq__json_parse(answer->body.env, answer->body.data, answer->body.bytes, &limits,
                       &answer->json, NULL) < 0) {
        return NULL;
    }
    return answer->json;
}

void http_answer_done(struct http_answer *answer)
{
    tq__buf_done(&answer->body);
    tq__json_free(answer->json);
    answer->json = NULL;
}
