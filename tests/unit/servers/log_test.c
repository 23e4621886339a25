/* SPDX-License-Identifier: MIT */
/*
 * app/log.c: one JSON object a line, whatever is in the message; levels.
 */
#include "app/log.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <ticketq/system.h>

#include "core/json.h"
#include "lib/unit.h"

static int ends[2], own_stderr;
static char line[4096];

static void begin(void)
{
    ck_assert_int_eq(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    own_stderr = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
}

static void end(void)
{
    dup2(own_stderr, STDERR_FILENO);
    close(own_stderr);
    close(ends[0]);
    close(ends[1]);
}

/* What was written since, as one document; NULL: nothing. */
static tq__json *take_line(void)
{
    struct tq_env env = tq_system_env();
    struct tq_error err = TQ_ERROR_INIT;
    const struct tq__json_limits limits = {0, 0, TQ__JSON_UNIQUE};
    tq__json *root = NULL;
    ssize_t bytes = read(ends[0], line, sizeof line - 1);
    if (bytes <= 0) {
        return NULL;
    }
    line[bytes] = '\0';
    ck_assert_ptr_eq(strchr(line, '\n'), line + bytes - 1);
    assert_status(tq__json_parse(&env, line, (size_t)bytes, &limits, &root, &err), TQ_OK);
    return root;
}

static const char *member(const tq__json *root, const char *name)
{
    return tq__json_string(tq__json_member(root, name));
}

START_TEST(a_line__is_an_object)
{
    begin();
    app_log(TQ_LOG_WARN, "queue", "room %s", "opened");
    tq__json *root = take_line();
    end();
    ck_assert_str_eq(member(root, "level"), "warn");
    ck_assert_str_eq(member(root, "logger"), "queue");
    ck_assert_str_eq(member(root, "msg"), "room opened");
    ck_assert_uint_eq(strlen(member(root, "ts")), strlen("2026-11-22T15:04:05.678Z"));
    tq__json_free(root);
}
END_TEST

START_TEST(a_message__cannot_forge_a_line)
{
    begin();
    app_log(TQ_LOG_INFO, "app", "%s", "a\"}\n{\"level\":\"error\x1b[31m");
    tq__json *root = take_line();
    end();
    ck_assert_str_eq(member(root, "msg"), "a\"}\n{\"level\":\"error\x1b[31m");
    ck_assert_str_eq(member(root, "level"), "info");
    tq__json_free(root);
}
END_TEST

START_TEST(members__are_added)
{
    struct tq_env env = tq_system_env();
    struct tq__buf members = TQ__BUF(&env);
    begin();
    tq__put_object(&members, NULL);
    app_log_with(TQ_LOG_INFO, "app", &members, "none");
    tq__json *none = take_line();
    tq__put_int(&members, "seats", 3);
    tq__put_string(&members, "schedule", "s1");
    app_log_with(TQ_LOG_INFO, "app", &members, "some");
    tq__json *some = take_line();
    end();
    int64_t seats = 0;
    ck_assert_str_eq(member(none, "msg"), "none");
    ck_assert(tq__json_int64(tq__json_member(some, "seats"), &seats));
    ck_assert_int_eq(seats, 3);
    ck_assert_str_eq(member(some, "schedule"), "s1");
    tq__json_free(none);
    tq__json_free(some);
    tq__buf_done(&members);
}
END_TEST

START_TEST(levels__are_left_out)
{
    struct tq_env env = app_system_env();
    begin();
    app_log_level(TQ_LOG_WARN);
    app_log(TQ_LOG_INFO, "app", "quiet");
    ck_assert_ptr_null(take_line());
    env.log(env.ctx, TQ_LOG_ERROR, "store", "from the library");
    tq__json *root = take_line();
    app_log_level(TQ_LOG_INFO);
    end();
    ck_assert_str_eq(member(root, "logger"), "store");
    ck_assert_str_eq(member(root, "msg"), "from the library");
    tq__json_free(root);
}
END_TEST

START_TEST(long_messages__are_cut)
{
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    begin();
    app_log(TQ_LOG_INFO, "app", "%s", text);
    tq__json *root = take_line();
    end();
    ck_assert_uint_eq(strlen(member(root, "msg")), 511);
    tq__json_free(root);
}
END_TEST

UNIT_MAIN("app.log", a_line__is_an_object, a_message__cannot_forge_a_line, members__are_added,
          levels__are_left_out, long_messages__are_cut)
