/* SPDX-License-Identifier: MIT */
/*
 * app/idempotency.c: over HTTP and a real ledger, a request with a key is carried
 * out once, whatever is repeated, changed, failed or sent at the same time.
 */
#include "app/idempotency.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/unit.h"
#include "rig.h"

static struct rig rig;
static tq_store *store;
static struct tq_error err = TQ_ERROR_INIT;
static struct wire_answer answer;
static atomic_int works, fail_next, refuse_next;

static int work(tq_tx *tx, void *arg, struct tq_error *own_err)
{
    struct app_once *once = arg;
    int rc = app_once_begin(tx, once, own_err);
    if (rc != TQ_OK) {
        return rc;
    }
    if (atomic_exchange(&refuse_next, 0)) {
        return app_once_undo(once, TQ_GONE);
    }
    int number = atomic_fetch_add(&works, 1) + 1;
    struct tq__buf json = TQ__BUF(tq_tx_env(tx));
    tq__put_object(&json, NULL);
    tq__put_int(&json, "number", number);
    tq__put_object_end(&json);
    rc = app_once_end(tx, once, 201, &json, own_err);
    tq__buf_done(&json);
    return atomic_exchange(&fail_next, 0) ? TQ_E_UNAVAILABLE : rc;
}

static void create(struct http_request *request)
{
    struct app_once once;
    struct tq_error own_err = TQ_ERROR_INIT;
    if (!app_once_read(&once, request, "create", "ann")) {
        return;
    }
    int rc = app_once_outcome(&once, tq_ledger_run(store, work, &once, &own_err));
    if (!app_once_reply(&once, request, rc)) {
        http_reply_empty(request, rc == TQ_OK ? 201 : rc == TQ_GONE ? 404 : 503);
    }
    app_once_done(&once);
}

static const struct http_route routes[] = {
    {.method = "POST", .pattern = "/things", .handler = create, .mode = HTTP_POOL, .pool = "one"},
};

static void begin(void)
{
    rig_open(&rig, routes, 1, NULL, NULL);
    assert_status(
        tq_store_open(&rig.env, TQ_ARGS(tq_store_options, .url = "sqlite::memory:"), &store, &err),
        TQ_OK);
    assert_status(app_once_prepare(store, &err), TQ_OK);
    assert_status(app_once_prepare(store, &err), TQ_REPEAT);
    works = fail_next = refuse_next = 0;
}

static void end(void)
{
    http_server_drain(rig.server, NULL, 2000);
    tq_store_close(store);
    rig_close(&rig);
}

static unsigned post(const char *key_line, const char *body)
{
    char text[1024];
    snprintf(text, sizeof text,
             "POST /things HTTP/1.1\r\nHost: a\r\n%sContent-Length: %zu\r\n\r\n%s", key_line,
             strlen(body), body);
    answer = wire_ask(rig.port, text);
    return answer.status;
}

#define KEY "Idempotency-Key: 0123456789abcdef\r\n"
#define KEY_QUOTED "Idempotency-Key: \"0123456789abcdef\"\r\n"
#define KEY_OTHER "Idempotency-Key: 0123456789abcdeg\r\n"

START_TEST(a_repetition__gets_the_same_answer)
{
    begin();
    ck_assert_uint_eq(post(KEY, "{}"), 201);
    ck_assert_int_eq(works, 1);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(post(i % 2 ? KEY : KEY_QUOTED, "{}"), 201);
        ck_assert_str_eq(answer.body, "{\"number\":1}");
        ck_assert(wire_has(&answer, "Idempotency-Replayed: true"));
    }
    ck_assert_int_eq(works, 1);
    ck_assert_uint_eq(post(KEY_OTHER, "{}"), 201);
    ck_assert_int_eq(works, 2);
    end();
}
END_TEST

START_TEST(another_body__is_refused)
{
    begin();
    ck_assert_uint_eq(post(KEY, "{}"), 201);
    ck_assert_uint_eq(post(KEY, "{ }"), 422);
    ck_assert_ptr_nonnull(strstr(answer.body, "IDEMPOTENCY_KEY_REUSED"));
    ck_assert_int_eq(works, 1);
    end();
}
END_TEST

START_TEST(a_failure__can_be_tried_again)
{
    begin();
    fail_next = 1;
    ck_assert_uint_eq(post(KEY, "{}"), 503);
    ck_assert_uint_eq(post(KEY, "{}"), 201);
    ck_assert_uint_eq(post(KEY, "{}"), 201);
    ck_assert_str_eq(answer.body, "{\"number\":2}");
    end();
}
END_TEST

START_TEST(a_refusal__leaves_the_key_as_it_was)
{
    begin();
    refuse_next = 1;
    ck_assert_uint_eq(post(KEY, "{}"), 404);
    ck_assert_uint_eq(post(KEY, "{ }"), 201); /* not even the body counts */
    ck_assert_uint_eq(post(KEY, "{ }"), 201);
    ck_assert_str_eq(answer.body, "{\"number\":1}");
    end();
}
END_TEST

static unsigned post_key_of(size_t bytes)
{
    char line[256] = "Idempotency-Key: ";
    size_t at = strlen(line);
    memset(line + at, 'k', bytes);
    snprintf(line + at + bytes, sizeof line - at - bytes, "\r\n");
    return post(line, "{}");
}

START_TEST(keys__have_16_to_128_characters)
{
    begin();
    ck_assert_uint_eq(post("", "{}"), 400);
    ck_assert_ptr_nonnull(strstr(answer.body, "IDEMPOTENCY_KEY_MISSING"));
    ck_assert_uint_eq(post(KEY KEY, "{}"), 400);
    ck_assert_uint_eq(post_key_of(15), 400);
    ck_assert_ptr_nonnull(strstr(answer.body, "IDEMPOTENCY_KEY_INVALID"));
    ck_assert_uint_eq(post_key_of(16), 201);
    ck_assert_uint_eq(post_key_of(17), 201);
    ck_assert_uint_eq(post_key_of(127), 201);
    ck_assert_uint_eq(post_key_of(128), 201);
    ck_assert_uint_eq(post_key_of(129), 400);
    ck_assert_uint_eq(post("Idempotency-Key: 0123456789 abcdef\r\n", "{}"), 400);
    ck_assert_int_eq(works, 4);
    end();
}
END_TEST

START_TEST(old_answers__are_removed)
{
    begin();
    ck_assert_uint_eq(post(KEY, "{}"), 201);
    assert_status(app_once_clean(store, 1000, 10, &err), TQ_EMPTY);
    rig.test.now_ms += 1001;
    assert_status(app_once_clean(store, 1000, 10, &err), TQ_OK);
    assert_status(app_once_clean(store, 1000, 10, &err), TQ_EMPTY);
    ck_assert_uint_eq(post(KEY, "{}"), 201);
    ck_assert_int_eq(works, 2);
    end();
}
END_TEST

UNIT_MAIN("app.idempotency", a_repetition__gets_the_same_answer, another_body__is_refused,
          a_failure__can_be_tried_again, a_refusal__leaves_the_key_as_it_was,
          keys__have_16_to_128_characters, old_answers__are_removed)
