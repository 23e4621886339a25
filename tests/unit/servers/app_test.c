/* SPDX-License-Identifier: MIT */
/*
 * servers/app as a whole: a tiny program in a process of its own is started, asked
 * and told to stop. Covers app.c, keys.c, worker.c, health.c, internal.c, problem.c, trace.c.
 */
#include "app/app.h"

#include <ftw.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/error.h"
#include "lib/unit.h"
#include "rig.h"

#define HOST "Host: a\r\n"
#define WAIT_STEPS 30000
#define BACKLOG 40 /* steps that the worker has left when it is told to stop */

static char folder[64];

static void path_of(const char *name, char path[128])
{
    snprintf(path, 128, "%s/%s", folder, name);
}

static void make_file(const char *name)
{
    char path[128];
    path_of(name, path);
    FILE *file = fopen(path, "w");
    if (file) {
        fclose(file);
    }
}

static int has_file(const char *name)
{
    char path[128];
    path_of(name, path);
    return access(path, F_OK) == 0;
}

/* ---- the program ---- */

static struct app *tiny_app;
static struct app_worker *tiny_worker;
static atomic_int steps, backlog, failures;

static int step(void *arg, struct tq_error *err)
{
    (void)arg;
    if (atomic_load(&failures) > 0) {
        atomic_fetch_sub(&failures, 1);
        return tq__fail(err, TQ_E_UNAVAILABLE, "tiny", "on purpose");
    }
    if (atomic_load(&backlog) == 0) {
        return TQ_EMPTY;
    }
    usleep(1000);
    atomic_fetch_sub(&backlog, 1);
    atomic_fetch_add(&steps, 1);
    return TQ_OK;
}

static int open_tiny(struct app *app, void **out_state, struct tq_error *err)
{
    const struct app_worker_options worker = {
        .name = "tiny.worker", .step = step, .idle_ms = 60000};
    tq_store *store = NULL;
    tiny_app = app;
    *out_state = app;
    TQ_TRY(app_store_open(app, "tiny", &store, err));
    tq_store_close(store);
    TQ_TRY(http_pool_add(app_server(app), "tiny", 2, 16, err));
    return app_worker_add(app, &worker, &tiny_worker, err);
}

/* The result of the run is a file, as a parent sees nothing else of a child. */
static void close_tiny(void *state)
{
    char path[256];
    snprintf(path, sizeof path, "%s/steps", app_config_text(app_config(state), "data"));
    FILE *file = fopen(path, "w");
    if (file) {
        fprintf(file, "%d", atomic_load(&steps));
        fclose(file);
    }
}

static void get_trace(struct http_request *request)
{
    const char *trace = app_traceparent(request);
    http_reply(request, 200, "text/plain", trace, strlen(trace));
}

/* Begins with a file that the test waits for, and ends when there is one of the test. */
static void get_slow(struct http_request *request)
{
    make_file("begun");
    while (!has_file("enough")) {
        usleep(1000);
    }
    http_reply(request, 200, "text/plain", "slow", 4);
}

static void get_work(struct http_request *request)
{
    int64_t failing = 0;
    if (http_query_int_or(request, "failing", 0, 10, 0, &failing)) {
        atomic_store(&failures, (int)failing);
        atomic_store(&backlog, BACKLOG);
        app_worker_wake(tiny_worker);
        http_reply_empty(request, 204);
    }
}

static void get_neighbour(struct http_request *request)
{
    struct http_answer answer = HTTP_ANSWER(http_env(request));
    struct tq_error err = TQ_ERROR_INIT;
    int rc = app_internal_get(tiny_app, "tiny", "/internal/thing", &answer, &err);
    if (rc == TQ_OK) {
        http_reply(request, answer.status, "text/plain", answer.body.data, answer.body.bytes);
    } else {
        app_fail(request, rc, &err);
    }
    http_answer_done(&answer);
}

static void get_thing(struct http_request *request)
{
    http_reply(request, 200, "text/plain", request->identity.subject,
               strlen(request->identity.subject));
}

static void get_failure(struct http_request *request)
{
    struct tq_error err = TQ_ERROR_INIT;
    int64_t status = 0;
    snprintf(err.message, sizeof err.message, "the field is wrong");
    if (http_query_int_or(request, "status", -20, 20, 0, &status)) {
        app_fail(request, (int)status, &err);
    }
}

static const struct http_route routes[] = {
    {.method = "GET", .pattern = "/trace", .handler = get_trace},
    {.method = "GET", .pattern = "/slow", .handler = get_slow, .mode = HTTP_POOL, .pool = "tiny"},
    {.method = "GET", .pattern = "/work", .handler = get_work},
    {.method = "GET",
     .pattern = "/neighbour",
     .handler = get_neighbour,
     .mode = HTTP_POOL,
     .pool = "tiny"},
    {.method = "GET", .pattern = "/failure", .handler = get_failure},
};
static const struct http_route internal_routes[] = {
    {.method = "GET", .pattern = "/internal/thing", .handler = get_thing},
};
static const struct app_service tiny = {.name = "tiny",
                                        .purposes = APP_PURPOSE(TQ_PURPOSE_INTERNAL),
                                        .open = open_tiny,
                                        .routes = routes,
                                        .routes_count = sizeof routes / sizeof *routes,
                                        .internal_routes = internal_routes,
                                        .internal_routes_count = 1,
                                        .close = close_tiny};
static const struct app_service *const services[] = {&tiny};
static const struct app_program program = {
    .name = "tiny-program", .summary = "for a test", .services = services, .services_count = 1};

/* ---- its life ---- */

static unsigned port, internal_port, ops_port;
static pid_t process;
static struct wire_answer answer;

static unsigned port_in(const char *text, const char *name)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"%s\":\"127.0.0.1:", name);
    const char *at = strstr(text, wanted);
    return at ? (unsigned)strtoul(at + strlen(wanted), NULL, 10) : 0;
}

static int read_text(const char *name, char *text, size_t room)
{
    char path[128];
    path_of(name, path);
    FILE *file = fopen(path, "r");
    if (!file) {
        return 0;
    }
    text[fread(text, 1, room - 1, file)] = '\0';
    fclose(file);
    return 1;
}

#define SECRET "\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\""
#define RING "{\"kid\":\"i\",\"use\":\"internal\"," SECRET "}"

/* What it says on its standard error is the file "said". */
static void start_with(const char *address, const char *ring)
{
    char keys[128], ready[128];
    path_of("keys", keys);
    path_of("ready", ready);
    FILE *file = fopen(keys, "w");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "{\"keys\":[%s]}", ring);
    fclose(file);
    fflush(NULL);
    process = fork();
    ck_assert_int_ge(process, 0);
    if (process == 0) {
        char listen[64], said[128];
        path_of("said", said);
        snprintf(listen, sizeof listen, "%s", address);
        if (!freopen(said, "w", stderr)) {
            exit(EXIT_SUCCESS);
        }
        char *words[] = {"tiny",   "--listen",   listen,         "--data", folder,
                         "--keys", keys,         "--ready-file", ready,    "--log-level",
                         "3",      "--drain-ms", "60000",        NULL};
        exit(app_main(&program, 13, words));
    }
}

static void make_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/ticketq-app-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void begin_with(const char *ring)
{
    char text[512] = "";
    make_folder();
    start_with("127.0.0.1:0", ring);
    for (int i = 0; i < WAIT_STEPS && !read_text("ready", text, sizeof text); i++) {
        usleep(1000);
    }
    port = port_in(text, "listen");
    internal_port = port_in(text, "internal");
    ops_port = port_in(text, "ops");
    ck_assert_uint_gt(port, 0);
    ck_assert_uint_gt(internal_port, 0);
    ck_assert_uint_gt(ops_port, 0);
}

static void begin(void)
{
    begin_with(RING);
}

static int wait_for_exit(void)
{
    int status;
    ck_assert_int_eq(waitpid(process, &status, 0), process);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

static void clean_up(void)
{
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void end(void)
{
    kill(process, SIGTERM);
    ck_assert_int_eq(wait_for_exit(), 0);
    clean_up();
}

static const char *get(unsigned where, const char *path, const char *fields)
{
    char text[512];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\n" HOST "Connection: close\r\n%s\r\n", path,
             fields);
    answer = wire_ask(where, text);
    return answer.body;
}

static void wait_for_metric(const char *line)
{
    for (int i = 0; i < WAIT_STEPS && !strstr(get(ops_port, "/metrics", ""), line); i++) {
        usleep(1000);
    }
    ck_assert_msg(strstr(answer.body, line), "%s is not in\n%s", line, answer.body);
}

/* A request that does not end by itself, and a program that drains and waits for it. */
static int ask_slowly_and_stop(void)
{
    int slow = wire_connect(port);
    wire_send(slow, "GET /slow HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < WAIT_STEPS && !has_file("begun"); i++) {
        usleep(1000);
    }
    ck_assert(has_file("begun"));
    kill(process, SIGTERM);
    for (int i = 0; i < WAIT_STEPS && get(ops_port, "/readyz", "")[0] && answer.status != 503;
         i++) {
        usleep(1000);
    }
    ck_assert_uint_eq(answer.status, 503);
    return slow;
}

/* ---- tests ---- */

START_TEST(health__follows_the_life)
{
    begin();
    ck_assert_str_eq(get(ops_port, "/livez", ""), "{\"status\":\"alive\"}");
    ck_assert_str_eq(get(ops_port, "/readyz", ""), "{\"status\":\"ready\"}");
    ck_assert_uint_eq(answer.status, 200);
    get(port, "/trace", "");
    get(port, "/trace", "");
    get(port, "/nowhere", "");
    wait_for_metric("http_server_request_duration_seconds_count{http_request_method=\"GET\","
                    "http_route=\"/trace\",http_response_status_code=\"200\"} 2\n");
    wait_for_metric("http_route=\"\",http_response_status_code=\"404\"} 1\n");
    wait_for_metric("ticketq_build_info{version=\"" TQ_VERSION_STRING "\"} 1\n");
    int slow = ask_slowly_and_stop();
    ck_assert_str_eq(answer.body, "{\"status\":\"draining\"}");
    make_file("enough");
    wire_read(slow, &answer);
    ck_assert_uint_eq(answer.status, 200);
    ck_assert_str_eq(answer.body, "slow");
    ck_assert(wire_has(&answer, "Connection: close"));
    close(slow);
    ck_assert_int_eq(wait_for_exit(), 0);
    clean_up();
}
END_TEST

START_TEST(a_second_signal__ends_at_once)
{
    begin();
    int slow = ask_slowly_and_stop();
    kill(process, SIGTERM);
    ck_assert_int_eq(wait_for_exit(), 128 + SIGTERM);
    wire_read(slow, &answer);
    ck_assert_uint_eq(answer.status, 0);
    close(slow);
    clean_up();
}
END_TEST

START_TEST(workers__run_dry_before_the_end)
{
    char text[32];
    begin();
    get(port, "/work", "");
    ck_assert_uint_eq(answer.status, 204);
    kill(process, SIGTERM);
    ck_assert_int_eq(wait_for_exit(), 0);
    ck_assert(read_text("steps", text, sizeof text));
    ck_assert_int_eq(strtol(text, NULL, 10), BACKLOG);
    clean_up();
}
END_TEST

START_TEST(workers__that_fail_are_counted_and_go_on)
{
    begin();
    get(port, "/work?failing=3", "");
    wait_for_metric("ticketq_worker_failures_total{worker=\"tiny.worker\"} 3\n");
    end();
}
END_TEST

START_TEST(the_internal_listener__is_for_services)
{
    begin();
    ck_assert_str_eq(get(port, "/neighbour", ""), "tiny-program");
    ck_assert_uint_eq(answer.status, 200);
    get(internal_port, "/internal/thing", "");
    ck_assert_uint_eq(answer.status, 401);
    get(internal_port, "/internal/thing", "X-Ticketq-Internal: a.b.c\r\n");
    ck_assert_uint_eq(answer.status, 401);
    get(port, "/internal/thing", "");
    ck_assert_uint_eq(answer.status, 404);
    end();
}
END_TEST

START_TEST(failures__have_one_table)
{
    static const struct {
        int status;
        unsigned http;
        const char *code;
    } rows[] = {
        {TQ_TAKEN, 409, "TAKEN"},
        {TQ_GONE, 404, "NOT_FOUND"},
        {TQ_FULL, 503, "FULL"},
        {TQ_REFUSED, 403, "REFUSED"},
        {TQ_EXPIRED, 410, "EXPIRED"},
        {TQ_E_INVALID, 400, "the field is wrong"},
        {TQ_E_LIMIT, 400, "LIMIT_EXCEEDED"},
        {TQ_E_BUSY, 503, "BUSY"},
        {TQ_E_UNAVAILABLE, 503, "UNAVAILABLE"},
        {TQ_E_UNKNOWN, 503, "OUTCOME_UNKNOWN"},
        {TQ_E_CORRUPT, 500, "INTERNAL"},
        {TQ_E_INTERNAL, 500, "INTERNAL"},
    };
    char path[64];
    begin();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(path, sizeof path, "/failure?status=%d", rows[i].status);
        const char *body = get(port, path, "");
        ck_assert_msg(answer.status == rows[i].http, "%d: %u", rows[i].status, answer.status);
        ck_assert_msg(strstr(body, rows[i].code), "%d: %s", rows[i].status, body);
        ck_assert_int_eq(answer.status == 503, wire_has(&answer, "Retry-After: 1"));
        ck_assert(answer.status < 500 || !strstr(body, "field"));
    }
    end();
}
END_TEST

#define GIVEN "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

START_TEST(traces__are_taken_over_or_begun)
{
    static const char *const bad[] = {
        "",
        "traceparent: x\r\n",
        "traceparent: 00-00000000000000000000000000000000-b7ad6b7169203331-01\r\n",
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01\r\n",
        "traceparent: 00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n",
        "traceparent: 01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n",
        "traceparent: " GIVEN "0\r\n"};
    begin();
    ck_assert_str_eq(get(port, "/trace", "traceparent: " GIVEN "\r\n"), GIVEN);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *made = get(port, "/trace", bad[i]);
        ck_assert_uint_eq(strlen(made), strlen(GIVEN));
        ck_assert_uint_eq(strspn(made, "0123456789abcdef-"), strlen(GIVEN));
        ck_assert_int_eq(made[35], '-');
        ck_assert_int_eq(made[52], '-');
        ck_assert_str_ne(made, GIVEN);
    }
    end();
}
END_TEST

START_TEST(a_taken_port__ends_the_start)
{
    char address[32];
    begin();
    pid_t first = process;
    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    start_with(address, RING);
    ck_assert_int_eq(wait_for_exit(), EXIT_FAILURE);
    process = first;
    get(port, "/trace", "");
    ck_assert_uint_eq(answer.status, 200);
    end();
}
END_TEST

START_TEST(keys_that_a_service_needs__are_good_at_the_start)
{
    static const char *const rings[] = {
        "{\"kid\":\"p\",\"use\":\"pass\"," SECRET "}",
        "{\"kid\":\"i\",\"use\":\"internal\",\"exp\":1," SECRET "}",
        "{\"kid\":\"i\",\"use\":\"internal\",\"nbf\":9000000000," SECRET "}",
    };
    char text[512];
    for (size_t i = 0; i < sizeof rings / sizeof *rings; i++) {
        make_folder();
        start_with("127.0.0.1:0", rings[i]);
        ck_assert_int_eq(wait_for_exit(), EXIT_FAILURE);
        ck_assert(read_text("said", text, sizeof text));
        ck_assert_ptr_nonnull(strstr(text, "no key of \\\"use\\\":\\\"internal\\\""));
        ck_assert_ptr_nonnull(strstr(text, "needed by tiny"));
        clean_up();
    }
}
END_TEST

START_TEST(keys_that_take_over_later__are_in_the_ring_before)
{
    begin_with("{\"kid\":\"j\",\"use\":\"internal\",\"nbf\":9000000000," SECRET "}," RING);
    ck_assert_str_eq(get(port, "/neighbour", ""), "tiny-program");
    end();
}
END_TEST

UNIT_MAIN("app", health__follows_the_life, a_second_signal__ends_at_once,
          workers__run_dry_before_the_end, workers__that_fail_are_counted_and_go_on,
          the_internal_listener__is_for_services, failures__have_one_table,
          traces__are_taken_over_or_begun, a_taken_port__ends_the_start,
          keys_that_a_service_needs__are_good_at_the_start,
          keys_that_take_over_later__are_in_the_ring_before)
