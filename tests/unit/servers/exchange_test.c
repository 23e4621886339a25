/* SPDX-License-Identifier: MIT */
/*
 * http/exchange.c, request.c, field.c, reply.c and pool.c over a real connection: routing,
 * modes, limits to the byte, problems, reading that answers, memory that runs out.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/unit.h"
#include "rig.h"

static struct rig rig;
static atomic_int batches, handled, gate, observed;
static struct tq_error err = TQ_ERROR_INIT;

static void echo(struct http_request *request)
{
    struct tq__buf json = TQ__BUF(http_env(request));
    tq__put_object(&json, NULL);
    tq__put_string(&json, "method", request->method);
    tq__put_string(&json, "path", request->path);
    tq__put_string(&json, "thingId", http_param(request, "thingId"));
    tq__put_string(&json, "none", http_param(request, "none"));
    tq__put_string(&json, "q", http_query(request, "q"));
    tq__put_string(&json, "x", http_header(request, "X-One"));
    tq__put_int(&json, "bytes", (int64_t)request->body_bytes);
    tq__put_string(&json, "subject", request->identity.subject);
    tq__put_object_end(&json);
    http_reply_json(request, 200, &json);
}

static void batch(struct http_request *const *requests, size_t count)
{
    atomic_fetch_add(&batches, 1);
    for (size_t i = 0; i < count; i++) {
        echo(requests[i]);
    }
}

static void wait_for_gate(struct http_request *request)
{
    atomic_fetch_add(&handled, 1);
    while (!atomic_load(&gate)) {
        usleep(1000);
    }
    http_reply_empty(request, 204);
}

static int answer_quickly(struct http_request *request)
{
    int is_known = http_query(request, "known") != NULL;
    if (is_known) {
        http_reply(request, 200, "text/plain", "known", 5);
    }
    return is_known;
}

static void be_silent(struct http_request *request)
{
    (void)request;
}

static void answer_twice(struct http_request *request)
{
    http_reply_empty(request, 204);
    http_reply_empty(request, 500);
}

static void cut(struct http_request *request)
{
    http_cut(request);
}

static void tagged(struct http_request *request)
{
    http_set_header(request, "Cache-Control", "public, max-age=1");
    if (!http_not_modified(request, "v7")) {
        http_reply(request, 200, "text/plain", "seven", 5);
    }
}

static void read_fields(struct http_request *request)
{
    int64_t number, other, limit;
    const tq__json *body = http_json(request);
    const char *name = body ? http_field_string(request, body, "name", 5) : NULL;
    if (!name || !http_field_id(request, body, "id") ||
        !http_field_int(request, body, "number", 1, 9, &number) ||
        !http_field_int_or(request, body, "other", 0, 9, 4, &other) ||
        !http_query_int_or(request, "limit", 1, 100, 20, &limit)) {
        return;
    }
    http_problem(request, 503, "ALL_READ", "%lld %lld %lld", (long long)number, (long long)other,
                 (long long)limit);
}

static const struct http_route routes[] = {
    {.method = "GET", .pattern = "/echo/{thingId}", .handler = echo},
    {.method = "POST", .pattern = "/echo/{thingId}", .handler = echo},
    {.method = "POST", .pattern = "/short", .handler = echo, .body_max = 10},
    {.method = "POST", .pattern = "/batch/{thingId}", .batch = batch, .mode = HTTP_BATCH},
    {.method = "GET",
     .pattern = "/gate",
     .handler = wait_for_gate,
     .quick = answer_quickly,
     .mode = HTTP_POOL,
     .pool = "one"},
    {.method = "GET", .pattern = "/silent", .handler = be_silent},
    {.method = "GET", .pattern = "/twice", .handler = answer_twice},
    {.method = "GET", .pattern = "/cut", .handler = cut},
    {.method = "GET", .pattern = "/tagged", .handler = tagged},
    {.method = "POST", .pattern = "/fields", .handler = read_fields},
};
#define COUNT (sizeof routes / sizeof *routes)

static struct wire_answer answer;

static const char *ask(const char *format, const char *insert)
{
    char text[32768];
    snprintf(text, sizeof text, format, insert);
    answer = wire_ask(rig.port, text);
    return answer.body;
}

#define HOST "Host: a\r\n"
#define assert_in(text, part) ck_assert_msg(strstr(text, part), "%s is not in %s", part, text)

START_TEST(requests__are_routed_and_read)
{
    rig_open(&rig, routes, COUNT, NULL, NULL);
    const char *body =
        ask("GET /echo/a%%41b?p=1&q=x%%20y&r HTTP/1.1\r\n" HOST "x-one: %s\r\n\r\n", "1");
    ck_assert_uint_eq(answer.status, 200);
    assert_in(body, "\"thingId\":\"aAb\",\"none\":null,\"q\":\"x y\",\"x\":\"1\"");
    assert_in(body, "\"path\":\"/echo/a%41b\"");
    ck_assert(wire_has(&answer, "Cache-Control: no-store"));
    body = ask("GET /echo/1 HTTP/1.1\r\n" HOST "X-One: 1\r\nX-One: %s\r\n\r\n", "1");
    assert_in(body, "\"x\":null");
    body = ask("POST /batch/7 HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\n%s", "abc");
    assert_in(body, "\"thingId\":\"7\"");
    assert_in(body, "\"bytes\":3");
    ck_assert_int_eq(batches, 1);
    body = ask("POST /echo/7 HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n%s",
               "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    assert_in(body, "\"bytes\":5");
    rig_close(&rig);
}
END_TEST

START_TEST(connections__serve_many_requests)
{
    rig_open(&rig, routes, COUNT, NULL, NULL);
    int fd = wire_connect(rig.port);
    wire_send(fd, "GET /echo/1 HTTP/1.1\r\n" HOST "\r\nPOST /batch/2 HTTP/1.1\r\n" HOST
                  "Content-Length: 1\r\n\r\nxGET /echo/3 HTTP/1.1\r\n" HOST "\r\n");
    for (char digit = '1'; digit <= '3'; digit++) {
        char wanted[] = "\"thingId\":\"?\"";
        wanted[strlen(wanted) - 2] = digit;
        wire_read(fd, &answer);
        ck_assert_uint_eq(answer.status, 200);
        assert_in(answer.body, wanted);
    }
    close(fd);
    rig_close(&rig);
}
END_TEST

START_TEST(nothing_there__is_a_problem)
{
    rig_open(&rig, routes, COUNT, NULL, NULL);
    const char *body = ask("GET /nowhere HTTP/1.1\r\n" HOST "%s\r\n", "");
    ck_assert_uint_eq(answer.status, 404);
    ck_assert(wire_has(&answer, "Content-Type: application/problem+json"));
    assert_in(body, "\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,"
                    "\"code\":\"NOT_FOUND\"");
    assert_in(body, "\"instance\":\"/nowhere\"");
    ask("DELETE /echo/1 HTTP/1.1\r\n" HOST "%s\r\n", "");
    ck_assert_uint_eq(answer.status, 405);
    ck_assert(wire_has(&answer, "Allow: GET, POST"));
    rig_close(&rig);
}
END_TEST

START_TEST(bodies__are_limited_to_the_byte)
{
    static const struct {
        const char *request;
        unsigned status;
    } rows[] = {
        {"Content-Length: 9\r\n\r\n123456789", 200},
        {"Content-Length: 10\r\n\r\n1234567890", 200},
        {"Content-Length: 11\r\n\r\n12345678901", 413},
        {"Transfer-Encoding: chunked\r\n\r\na\r\n1234567890\r\n0\r\n\r\n", 200},
        {"Transfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n0\r\n\r\n", 413},
        {"Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n6\r\n123456\r\n0\r\n\r\n", 413},
        {"Transfer-Encoding: chunked\r\n\r\n18\r\n123456789012345678901234\r\n0\r\n\r\n", 0},
    };
    rig_open(&rig, routes, COUNT, NULL, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ask("POST /short HTTP/1.1\r\n" HOST "%s", rows[i].request);
        ck_assert_msg(answer.status == rows[i].status, "row %zu: %u", i, answer.status);
    }
    rig_close(&rig);
}
END_TEST

static unsigned status_of_target(size_t bytes)
{
    char padding[HTTP_LINE_MAX + 8];
    size_t fill = bytes - strlen("/echo/");
    memset(padding, 'a', fill);
    padding[fill] = '\0';
    ask("GET /echo/%s HTTP/1.1\r\n" HOST "\r\n", padding);
    return answer.status;
}

static unsigned status_of_head(size_t value_bytes)
{
    static char padding[HTTP_HEAD_MAX];
    memset(padding, 'a', value_bytes);
    padding[value_bytes] = '\0';
    ask("GET /echo/1 HTTP/1.1\r\n" HOST "X-Pad: %s\r\n\r\n", padding);
    return answer.status;
}

START_TEST(heads__are_limited)
{
    char fields[2048] = "";
    size_t fixed = strlen("Host: a\r\nX-Pad: \r\n");
    rig_open(&rig, routes, COUNT, NULL, NULL);
    ck_assert_uint_eq(status_of_target(HTTP_LINE_MAX - 1), 200);
    ck_assert_uint_eq(status_of_target(HTTP_LINE_MAX), 200);
    ck_assert_uint_eq(status_of_target(HTTP_LINE_MAX + 1), 414);
    ck_assert_uint_eq(status_of_head(HTTP_HEAD_MAX - fixed - 1), 200);
    ck_assert_uint_eq(status_of_head(HTTP_HEAD_MAX - fixed), 200);
    ck_assert_uint_eq(status_of_head(HTTP_HEAD_MAX - fixed + 1), 431);
    for (int i = 0; i < HTTP_FIELDS_MAX - 1; i++) {
        snprintf(fields + strlen(fields), sizeof fields - strlen(fields), "X-%d: a\r\n", i);
    }
    ask("GET /echo/1 HTTP/1.1\r\n" HOST "%s\r\n", fields);
    ck_assert_uint_eq(answer.status, 200);
    ask("GET /echo/1 HTTP/1.1\r\n" HOST "X: 1\r\n%s\r\n", fields);
    ck_assert_uint_eq(answer.status, 431);
    rig_close(&rig);
}
END_TEST

START_TEST(ambiguous_requests__are_refused_and_the_connection_ends)
{
    static const char *const bad[] = {
        "POST /echo/1 HTTP/1.1\r\n" HOST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
        "0\r\n\r\nGET /echo/2 HTTP/1.1\r\n" HOST "\r\n",
        "POST /echo/1 HTTP/1.1\r\n" HOST "Content-Length: 0\r\nContent-Length: 44\r\n\r\n"
        "GET /echo/2 HTTP/1.1\r\n" HOST "\r\n",
        "GET /echo/1 HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nGET /",
        "GET /echo/../echo/1 HTTP/1.1\r\n" HOST "\r\n",
        "GET http://a/echo/1 HTTP/1.1\r\n" HOST "\r\n",
        "GET /echo/1 HTTP/1.1\r\n" HOST HOST "\r\n",
        "GET /echo/1 HTTP/1.1\r\n\r\n",
        "GET /echo/1 HTTP/1.1\r\n" HOST "X : 1\r\n\r\n",
    };
    rig_open(&rig, routes, COUNT, NULL, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int fd = wire_connect(rig.port);
        wire_send(fd, bad[i]);
        wire_read(fd, &answer);
        ck_assert_msg(answer.status == 400, "row %zu: %u", i, answer.status);
        ck_assert_msg(wire_is_closed(fd), "row %zu stays open", i);
        close(fd);
    }
    ask("POST /echo/1 HTTP/1.1\r\n" HOST "Expect: magic\r\nContent-Length: 1\r\n\r\n%s", "");
    ck_assert_uint_eq(answer.status, 417);
    rig_close(&rig);
}
END_TEST

/* What the library below us passes over in a head. */
START_TEST(gaps_in_a_head__are_refused_and_the_connection_ends)
{
#define ROW(text)                                                                                  \
    {                                                                                              \
        text, sizeof text - 1                                                                      \
    }
    static const struct {
        const char *text;
        size_t bytes;
    } bad[] = {
        ROW("GET /echo/1\0/2 HTTP/1.1\r\n" HOST "\r\n"),
        ROW("GET /echo/1?a=1\0&b=2 HTTP/1.1\r\n" HOST "\r\n"),
        ROW("GET  /echo/1 HTTP/1.1\r\n" HOST "\r\n"),
        ROW("GET /echo/1  HTTP/1.1\r\n" HOST "\r\n"),
        ROW("GET /echo/1 HTTP/1.1 \r\n" HOST "\r\n"),
        ROW("GET /echo/1 HTTP/1.1\r\n" HOST "X: a\0b\r\n\r\n"),
        ROW("GET /echo/1 HTTP/1.1\r\n" HOST "X: \0\r\n\r\n"),
        ROW("GET /echo/1 HTTP/1.1\r\n" HOST "X:\0a\r\nY: 1\r\n\r\n"),
        ROW("GET /echo/1 HTTP/1.1\r\n" HOST "\0Content-Length: 5\r\n\r\n"),
        ROW("GET /echo/1 HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n"),
        ROW("GET /echo/1 HTTP/1.1\r\nHost: a\r\n\tb\r\nX: 1\r\n\r\n"),
        ROW("GET /echo/1 HTTP/1.1\n" HOST "\r\n"),
        ROW("GET /echo/1 HTTP/1.1\r\nHost: a\n\r\n"),
        ROW("GET /echo/1 HTTP/1.1\r\n" HOST "\n"),
    };
    static const char *const good[] = {"X:1\r\n", "X: \t 1 \r\n", "X:\r\n", "X: \r\nY: a:b\r\n"};
    rig_open(&rig, routes, COUNT, NULL, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int fd = wire_connect(rig.port);
        wire_send_bytes(fd, bad[i].text, bad[i].bytes);
        wire_read(fd, &answer);
        ck_assert_msg(answer.status == 400, "row %zu: %u", i, answer.status);
        ck_assert_msg(wire_is_closed(fd), "row %zu stays open", i);
        close(fd);
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ask("GET /echo/1?a=%%20b&c HTTP/1.1\r\n" HOST "Cookie: a=b; c=d\r\n%s\r\n", good[i]);
        ck_assert_msg(answer.status == 200, "row %zu: %u", i, answer.status);
    }
    rig_close(&rig);
}
END_TEST

START_TEST(a_full_pool__sheds)
{
    int fds[2];
    rig_open(&rig, routes, COUNT, NULL, NULL);
    gate = handled = 0;
    for (int i = 0; i < 2; i++) {
        fds[i] = wire_connect(rig.port);
        wire_send(fds[i], "GET /gate HTTP/1.1\r\n" HOST "\r\n");
        for (int k = 0; k < 60000 && (i ? http_pool_depth(rig.server, "one") < 1 : !handled); k++) {
            usleep(1000);
        }
    }
    const char *body = ask("GET /gate HTTP/1.1\r\n" HOST "%s\r\n", "");
    ck_assert_uint_eq(answer.status, 503);
    ck_assert(wire_has(&answer, "Retry-After: 1"));
    assert_in(body, "\"code\":\"POOL_FULL\"");
    gate = 1;
    for (int i = 0; i < 2; i++) {
        wire_read(fds[i], &answer);
        ck_assert_uint_eq(answer.status, 204);
        close(fds[i]);
    }
    rig_close(&rig);
}
END_TEST

START_TEST(what_is_known__is_answered_past_a_busy_pool)
{
    rig_open(&rig, routes, COUNT, NULL, NULL);
    gate = handled = 0;
    int busy = wire_connect(rig.port);
    wire_send(busy, "GET /gate HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < 60000 && !atomic_load(&handled); i++) {
        usleep(1000);
    }
    for (int i = 0; i < 3; i++) {
        ck_assert_str_eq(ask("GET /gate?known=1 HTTP/1.1\r\n" HOST "%s\r\n", ""), "known");
    }
    ck_assert_int_eq(handled, 1);
    gate = 1;
    wire_read(busy, &answer);
    ck_assert_uint_eq(answer.status, 204);
    close(busy);
    rig_close(&rig);
}
END_TEST

START_TEST(handlers_at_fault__do_not_hang_anybody)
{
    rig_open(&rig, routes, COUNT, NULL, NULL);
    ask("GET /silent HTTP/1.1\r\n" HOST "%s\r\n", "");
    ck_assert_uint_eq(answer.status, 500);
    ask("GET /twice HTTP/1.1\r\n" HOST "%s\r\n", "");
    ck_assert_uint_eq(answer.status, 204);
    ask("GET /cut HTTP/1.1\r\n" HOST "%s\r\n", "");
    ck_assert_uint_eq(answer.status, 0);
    rig_close(&rig);
}
END_TEST

START_TEST(tags__answer_304)
{
    static const struct {
        const char *known;
        unsigned status;
    } rows[] = {{"\"v7\"", 304}, {"W/\"v7\"", 304}, {"\"v6\", \"v7\"", 304},   {"*", 304},
                {"\"v6\"", 200}, {"v7", 200},       {"\"v6\", W/\"v7\"", 304}, {"\"v77\"", 200},
                {"\"v", 200}};
    rig_open(&rig, routes, COUNT, NULL, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ask("GET /tagged HTTP/1.1\r\n" HOST "If-None-Match: %s\r\n\r\n", rows[i].known);
        ck_assert_msg(answer.status == rows[i].status, "%s: %u", rows[i].known, answer.status);
        ck_assert(wire_has(&answer, "ETag: \"v7\""));
        ck_assert(wire_has(&answer, "Cache-Control: public, max-age=1"));
    }
    rig_close(&rig);
}
END_TEST

static void post_fields(const char *target, const char *body)
{
    char text[1024];
    snprintf(text, sizeof text, "POST %s HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n%s", target,
             strlen(body), body);
    answer = wire_ask(rig.port, text);
}

START_TEST(fields__answer_for_themselves)
{
    static const struct {
        const char *body;
        const char *wanted;
    } rows[] = {
        {"", "JSON_INVALID"},
        {"[]", "JSON_INVALID"},
        {"{\"name\":\"a\",\"name\":\"b\"}", "JSON_INVALID"},
        {"{}", "\"field\":\"name\""},
        {"{\"name\":\"\"}", "\"field\":\"name\""},
        {"{\"name\":\"abcdef\"}", "\"field\":\"name\""},
        {"{\"name\":\"abcde\"}", "\"field\":\"id\""},
        {"{\"name\":\"a\",\"id\":\"a b\"}", "\"field\":\"id\""},
        {"{\"name\":\"a\",\"id\":\"a\",\"number\":0}", "\"field\":\"number\""},
        {"{\"name\":\"a\",\"id\":\"a\",\"number\":\"1\"}", "\"field\":\"number\""},
        {"{\"name\":\"a\",\"id\":\"a\",\"number\":10}", "\"field\":\"number\""},
        {"{\"name\":\"a\",\"id\":\"a\",\"number\":1,\"other\":10}", "\"field\":\"other\""},
        {"{\"name\":\"a\",\"id\":\"a\",\"number\":1}", "\"detail\":\"1 4 20\""},
        {"{\"name\":\"a\",\"id\":\"a\",\"number\":9,\"other\":0}", "\"detail\":\"9 0 20\""},
    };
    rig_open(&rig, routes, COUNT, NULL, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        post_fields("/fields", rows[i].body);
        assert_in(answer.body, rows[i].wanted);
    }
    ck_assert(wire_has(&answer, "Retry-After: 1"));
    post_fields("/fields?limit=101", rows[12].body);
    assert_in(answer.body, "\"parameter\":\"limit\"");
    post_fields("/fields?limit=1x", rows[12].body);
    assert_in(answer.body, "QUERY_INVALID");
    post_fields("/fields?limit=100", rows[12].body);
    assert_in(answer.body, "\"detail\":\"1 4 100\"");
    rig_close(&rig);
}
END_TEST

static int filter(struct http_request *request, void *arg)
{
    ck_assert_str_eq(arg, "arg");
    if (!http_header(request, "Authorization")) {
        http_problem(request, 401, "WHO", "Who are you?");
        return 1;
    }
    snprintf(request->identity.subject, sizeof request->identity.subject, "ann");
    return 0;
}

static void observe(void *arg, const struct http_request *request, unsigned status,
                    uint64_t duration_us)
{
    (void)arg;
    (void)duration_us;
    atomic_fetch_add(&observed, status == (request->route ? 200u : 404u));
}

START_TEST(filters__see_requests_first_and_observers_last)
{
    static char arg[] = "arg";
    const struct http_listener_options options = {
        .filter = filter, .filter_arg = arg, .observe = observe};
    rig_open(&rig, routes, COUNT, NULL, &options);
    observed = 0;
    ask("POST /echo/1 HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx%s", "");
    ck_assert_uint_eq(answer.status, 401);
    ck_assert(wire_has(&answer, "WWW-Authenticate: Bearer"));
    const char *body = ask("GET /echo/1 HTTP/1.1\r\n" HOST "Authorization: %s\r\n\r\n", "a");
    assert_in(body, "\"subject\":\"ann\"");
    ask("GET /nowhere HTTP/1.1\r\n" HOST "Authorization: %s\r\n\r\n", "a");
    ck_assert_uint_eq(answer.status, 404);
    rig_close(&rig);
    ck_assert_int_eq(observed, 2);
}
END_TEST

START_TEST(memory__may_run_out_at_any_point)
{
    rig_open(&rig, routes, COUNT, NULL, NULL);
    for (long n = 1; n <= 24; n++) {
        int fd = wire_connect(rig.port);
        usleep(1000);
        rig.test.fail_at = rig.test.allocations + n;
        wire_send(fd, "POST /fields?limit=3 HTTP/1.1\r\n" HOST "Content-Length: 34\r\n\r\n"
                      "{\"name\":\"a\",\"id\":\"a\",\"number\":1234}");
        wire_read(fd, &answer);
        ck_assert_msg(answer.status == 0 || answer.status == 400 || answer.status == 503,
                      "n = %ld: %u", n, answer.status);
        rig.test.fail_at = 0;
        close(fd);
    }
    ask("GET /echo/1 HTTP/1.1\r\n" HOST "%s\r\n", "");
    ck_assert_uint_eq(answer.status, 200);
    rig_close(&rig);
}
END_TEST

START_TEST(mounts__are_checked)
{
    static const struct http_route bad[] = {
        {.method = "GET", .pattern = "no-slash", .handler = echo},
        {.method = "GET", .pattern = "/a", .batch = batch},
        {.method = "GET", .pattern = "/a", .handler = echo, .mode = HTTP_BATCH},
        {.method = "GET", .pattern = "/a", .handler = echo, .mode = HTTP_POOL},
    };
    static const struct http_route twice[] = {
        {.method = "GET", .pattern = "/a", .handler = echo},
        {.method = "GET", .pattern = "/a", .handler = echo},
    };
    static const struct http_route lost[] = {
        {.method = "GET", .pattern = "/b", .handler = echo, .mode = HTTP_POOL, .pool = "none"}};
    const struct http_listener_options options = {.name = "public", .address = "127.0.0.1:0"};
    test_env_init(&rig.test, 1);
    rig.env = test_env_of(&rig.test);
    assert_status(http_server_new(&rig.env, &rig.server, &err), TQ_OK);
    assert_status(http_listener_add(rig.server, &options, &err), TQ_OK);
    assert_status(http_listener_add(rig.server, &options, &err), TQ_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "called public"));
    const struct http_listener_options named = {.name = "ops", .address = "localhost:80"};
    assert_status(http_listener_add(rig.server, &named, &err), TQ_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "'localhost:80'"));
    for (size_t i = 0; i < 4; i++) {
        assert_status(http_mount(rig.server, "public", &bad[i], 1, NULL, &err), TQ_E_INVALID);
    }
    assert_status(http_mount(rig.server, "private", twice, 1, NULL, &err), TQ_E_INVALID);
    assert_status(http_mount(rig.server, "public", twice, 2, NULL, &err), TQ_E_INVALID);
    assert_status(http_mount(rig.server, "public", lost, 1, NULL, &err), TQ_OK);
    assert_status(http_server_start(rig.server, &err), TQ_E_INVALID);
    http_server_free(rig.server);
    ck_assert_int_eq(rig.test.live, 0);
}
END_TEST

UNIT_MAIN("http.exchange", requests__are_routed_and_read, connections__serve_many_requests,
          nothing_there__is_a_problem, bodies__are_limited_to_the_byte, heads__are_limited,
          ambiguous_requests__are_refused_and_the_connection_ends,
          gaps_in_a_head__are_refused_and_the_connection_ends, a_full_pool__sheds,
          what_is_known__is_answered_past_a_busy_pool, handlers_at_fault__do_not_hang_anybody,
          tags__answer_304, fields__answer_for_themselves,
          filters__see_requests_first_and_observers_last, memory__may_run_out_at_any_point,
          mounts__are_checked)
