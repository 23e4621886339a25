/* SPDX-License-Identifier: MIT */
/*
 * http/client.c: answers, the difference between "not sent" and "perhaps applied", and that
 * a request is sent as it is meant or not at all.
 */
#include "http/client.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/unit.h"
#include "rig.h"

static struct rig rig;
static struct tq_error err = TQ_ERROR_INIT;
static http_client *client;
static atomic_uint cuts;
static unsigned timeout_ms; /* of a call */

static void echo(struct http_request *request)
{
    struct tq__buf json = TQ__BUF(http_env(request));
    tq__put_object(&json, NULL);
    tq__put_string(&json, "method", request->method);
    tq__put_string(&json, "x", http_header(request, "X-One"));
    tq__put_string(&json, "type", http_header(request, "Content-Type"));
    tq__put_string_of(&json, "body", request->body, request->body_bytes);
    tq__put_object_end(&json);
    http_reply_json(request, 201, &json);
}

static void cut(struct http_request *request)
{
    atomic_fetch_add(&cuts, 1);
    http_cut(request);
}

static atomic_int slow_calls, is_released;

static void hang(struct http_request *request)
{
    atomic_fetch_add(&slow_calls, 1);
    while (!atomic_load(&is_released)) {
        usleep(1000);
    }
    http_reply_empty(request, 204);
}

static void reply_much(struct http_request *request)
{
    static char much[2000];
    http_reply(request, 200, "text/plain", much, sizeof much);
}

static const struct http_route routes[] = {
    {.method = "POST", .pattern = "/echo", .handler = echo},
    {.method = "GET", .pattern = "/echo", .handler = echo},
    {.method = "POST", .pattern = "/cut", .handler = cut},
    {.method = "POST", .pattern = "/hang", .handler = hang, .mode = HTTP_POOL, .pool = "one"},
    {.method = "GET", .pattern = "/much", .handler = reply_much},
};

static void begin(void)
{
    timeout_ms = 60000;
    atomic_store(&slow_calls, 0);
    rig_open(&rig, routes, sizeof routes / sizeof *routes, NULL, NULL);
    assert_status(http_client_new(&rig.env, &client, &err), TQ_OK);
}

static void end(void)
{
    http_client_free(client);
    rig_close(&rig);
}

static int call(const char *method, const char *path, const char *body, unsigned port,
                struct http_answer *answer)
{
    static const char *const headers[] = {"X-One: 1", NULL};
    char url[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", port, path);
    *answer = (struct http_answer)HTTP_ANSWER(&rig.env);
    const struct http_call own = {.method = method,
                                  .url = url,
                                  .headers = headers,
                                  .body = body,
                                  .body_bytes = body ? strlen(body) : 0,
                                  .timeout_ms = timeout_ms,
                                  .answer_max = 1000};
    return http_client_call(client, &own, answer, &err);
}

START_TEST(answers__come_whole)
{
    struct http_answer answer;
    begin();
    for (int i = 0; i < 3; i++) {
        assert_status(call("POST", "/echo", "{\"a\":1}", rig.port, &answer), TQ_OK);
        ck_assert_uint_eq(answer.status, 201);
        const tq__json *json = http_answer_json(&answer);
        ck_assert_str_eq(tq__json_string(tq__json_member(json, "body")), "{\"a\":1}");
        ck_assert_str_eq(tq__json_string(tq__json_member(json, "x")), "1");
        ck_assert_str_eq(tq__json_string(tq__json_member(json, "type")), "application/json");
        http_answer_done(&answer);
    }
    assert_status(call("GET", "/nowhere", NULL, rig.port, &answer), TQ_OK);
    ck_assert_uint_eq(answer.status, 404);
    http_answer_done(&answer);
    end();
}
END_TEST

START_TEST(no_server__is_not_sent)
{
    struct http_answer answer;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    begin();
    int fd = socket(AF_INET, SOCK_STREAM, 0); /* bound, so that nobody else has the port */
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, bytes), 0);
    getsockname(fd, (struct sockaddr *)&address, &bytes);
    assert_status(call("POST", "/echo", "{}", ntohs(address.sin_port), &answer), TQ_E_UNAVAILABLE);
    ck_assert(err.flags & TQ_ERROR_RETRY);
    http_answer_done(&answer);
    close(fd);
    end();
}
END_TEST

START_TEST(a_lost_answer__is_unknown_and_not_sent_again)
{
    struct http_answer answer;
    begin();
    assert_status(call("POST", "/echo", "{}", rig.port, &answer), TQ_OK);
    http_answer_done(&answer);
    cuts = 0;
    assert_status(call("POST", "/cut", "{}", rig.port, &answer), TQ_E_UNKNOWN);
    ck_assert(err.flags & TQ_ERROR_MAYBE_APPLIED);
    ck_assert_uint_eq(cuts, 1);
    http_answer_done(&answer);
    timeout_ms = 300;
    atomic_store(&is_released, 0);
    assert_status(call("POST", "/hang", "{}", rig.port, &answer), TQ_E_UNKNOWN);
    atomic_store(&is_released, 1);
    http_answer_done(&answer);
    end();
}
END_TEST

START_TEST(too_much__is_a_limit)
{
    struct http_answer answer;
    begin();
    assert_status(call("GET", "/much", NULL, rig.port, &answer), TQ_E_LIMIT);
    http_answer_done(&answer);
    end();
}
END_TEST

START_TEST(other_schemes__are_refused)
{
    struct http_answer answer;
    begin();
    answer = (struct http_answer)HTTP_ANSWER(&rig.env);
    const struct http_call own = {.method = "GET", .url = "file:///etc/passwd"};
    assert_status(http_client_call(client, &own, &answer, &err), TQ_E_UNAVAILABLE);
    ck_assert_uint_eq(answer.body.bytes, 0);
    http_answer_done(&answer);
    end();
}
END_TEST

static void *abort_later(void *arg)
{
    (void)arg;
    while (!atomic_load(&slow_calls)) {
        usleep(1000);
    }
    http_client_abort(client);
    return NULL;
}

/* The answer takes longer than the test may; the call's own time would be over later still. */
START_TEST(aborting__ends_calls_under_way_and_refuses_later_ones)
{
    struct http_answer answer;
    pthread_t thread;
    char url[128];
    begin();
    atomic_store(&is_released, 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/hang", rig.port);
    const struct http_call own = {.method = "POST", .url = url, .timeout_ms = 600000};
    answer = (struct http_answer)HTTP_ANSWER(&rig.env);
    pthread_create(&thread, NULL, abort_later, NULL);
    assert_status(http_client_call(client, &own, &answer, &err), TQ_E_UNKNOWN);
    ck_assert(err.flags & TQ_ERROR_MAYBE_APPLIED);
    pthread_join(thread, NULL);
    atomic_store(&slow_calls, 0);
    assert_status(http_client_call(client, &own, &answer, &err), TQ_E_UNAVAILABLE);
    ck_assert_int_eq(atomic_load(&slow_calls), 0);
    atomic_store(&is_released, 1);
    http_answer_done(&answer);
    end();
}
END_TEST

/* What libcurl takes from the heap, and which of it fails. */
static long taken, fails_at, live;

static int is_out(void)
{
    return ++taken == fails_at;
}

static void *short_malloc(size_t bytes)
{
    void *memory = is_out() ? NULL : malloc(bytes);
    live += memory != NULL;
    return memory;
}

static void short_free(void *memory)
{
    live -= memory != NULL;
    free(memory);
}

static void *short_realloc(void *memory, size_t bytes)
{
    void *moved = is_out() ? NULL : realloc(memory, bytes);
    live += moved && !memory;
    return moved;
}

static char *short_strdup(const char *text)
{
    char *copy = short_malloc(strlen(text) + 1);
    return copy ? strcpy(copy, text) : NULL;
}

static void *short_calloc(size_t count, size_t bytes)
{
    void *memory = short_malloc(count * bytes);
    return memory ? memset(memory, 0, count * bytes) : NULL;
}

START_TEST(without_memory__a_request_is_whole_or_not_sent)
{
    int is_over = 0;
    for (long n = 1; !is_over; n++) {
        struct http_answer answer;
        ck_assert_int_eq(curl_global_init_mem(CURL_GLOBAL_DEFAULT, short_malloc, short_free,
                                              short_realloc, short_strdup, short_calloc),
                         CURLE_OK);
        begin();
        taken = 0;
        fails_at = n;
        int rc = call("POST", "/echo", "{\"a\":1}", rig.port, &answer);
        is_over = taken < n;
        fails_at = 0;
        ck_assert(rc == TQ_OK || rc == TQ_E_NOMEM || rc == TQ_E_UNAVAILABLE || rc == TQ_E_UNKNOWN);
        if (rc == TQ_OK) {
            const tq__json *json = http_answer_json(&answer);
            ck_assert_str_eq(tq__json_string(tq__json_member(json, "method")), "POST");
            ck_assert_str_eq(tq__json_string(tq__json_member(json, "body")), "{\"a\":1}");
            ck_assert_str_eq(tq__json_string(tq__json_member(json, "x")), "1");
            ck_assert_str_eq(tq__json_string(tq__json_member(json, "type")), "application/json");
        }
        ck_assert(!is_over || rc == TQ_OK);
        http_answer_done(&answer);
        end();
        curl_global_cleanup();
        ck_assert_int_eq(live, 0);
    }
}
END_TEST

UNIT_MAIN("http.client", answers__come_whole, no_server__is_not_sent,
          a_lost_answer__is_unknown_and_not_sent_again, too_much__is_a_limit,
          other_schemes__are_refused, aborting__ends_calls_under_way_and_refuses_later_ones,
          without_memory__a_request_is_whole_or_not_sent)
