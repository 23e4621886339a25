/* SPDX-License-Identifier: MIT */
/*
 * app/config.c: flags over environment over file over defaults; what is not
 * declared, malformed or out of its limits is refused by name.
 */
#include "app/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "lib/test_env.h"
#include "lib/unit.h"

static const struct app_option options[] = {
    {"config", "FILE", "a file", NULL, APP_TEXT, 0, 0, 0},
    {"name", "TEXT", "a name", "nobody", APP_TEXT, 0, 0, 0},
    {"hold-ttl-ms", "MS", "a number", "300", APP_NUMBER, 0, 10, 1000},
    {"quiet", NULL, "a flag", NULL, APP_FLAG, 0, 0, 0},
    {"name", "TEXT", "declared by a second service", "somebody", APP_TEXT, 0, 0, 0},
};

static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;
static struct app_config *config;

/* Words end with NULL. */
static int read_config(char *const *words, char *const *environment)
{
    int count = 0;
    while (words[count]) {
        count++;
    }
    test_env_init(&test, 1);
    env = test_env_of(&test);
    config = NULL;
    return app_config_read(&env, options, sizeof options / sizeof *options, count, words,
                           environment, &config, &err);
}

#define WORDS(...) ((char *[]){__VA_ARGS__, NULL})
#define NONE ((char *[]){NULL})

static char *file_with(const char *text)
{
    static char path[] = "/tmp/ticketq-config-XXXXXX";
    memcpy(path + strlen(path) - 6, "XXXXXX", 6);
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return path;
}

static void done(void)
{
    app_config_free(config);
    ck_assert_int_eq(test.live, 0);
}

START_TEST(defaults__hold_without_anything)
{
    assert_status(read_config(NONE, NONE), TQ_OK);
    ck_assert_str_eq(app_config_text(config, "name"), "nobody");
    ck_assert_int_eq(app_config_number(config, "hold-ttl-ms"), 300);
    ck_assert_int_eq(app_config_number(config, "quiet"), 0);
    ck_assert_ptr_null(app_config_find(config, "config"));
    ck_assert_ptr_null(app_config_find(config, "unheard-of"));
    done();
}
END_TEST

START_TEST(the_strongest_source__wins)
{
    char *path = file_with("{\"name\":\"file\",\"hold-ttl-ms\":20,\"quiet\":true}");
    char *environment[] = {"PATH=/bin", "TICKETQ_NAME=env", "TICKETQ_HOLD_TTL_MS=30",
                           "TICKETQ_OTHER=1", NULL};
    assert_status(read_config(WORDS("--config", path), NONE), TQ_OK);
    ck_assert_str_eq(app_config_text(config, "name"), "file");
    ck_assert_int_eq(app_config_number(config, "hold-ttl-ms"), 20);
    ck_assert_int_eq(app_config_number(config, "quiet"), 1);
    done();
    assert_status(read_config(WORDS("--config", path, "--quiet=false"), environment), TQ_OK);
    ck_assert_str_eq(app_config_text(config, "name"), "env");
    ck_assert_int_eq(app_config_number(config, "hold-ttl-ms"), 30);
    ck_assert_int_eq(app_config_number(config, "quiet"), 0);
    done();
    assert_status(
        read_config(WORDS("--name=flag", "--config", path, "--hold-ttl-ms", "40", "--quiet"),
                    environment),
        TQ_OK);
    ck_assert_str_eq(app_config_text(config, "name"), "flag");
    ck_assert_int_eq(app_config_number(config, "hold-ttl-ms"), 40);
    ck_assert_int_eq(app_config_number(config, "quiet"), 1);
    done();
    unlink(path);
}
END_TEST

START_TEST(the_file__may_be_named_by_the_environment)
{
    char variable[64];
    char *path = file_with("{\"name\":\"file\"}");
    snprintf(variable, sizeof variable, "TICKETQ_CONFIG=%s", path);
    assert_status(read_config(NONE, WORDS(variable)), TQ_OK);
    ck_assert_str_eq(app_config_text(config, "name"), "file");
    done();
    unlink(path);
}
END_TEST

static void refused(char *const *words, char *const *environment, const char *named)
{
    assert_status(read_config(words, environment), TQ_E_INVALID);
    ck_assert_msg(strstr(err.message, named), "%s does not name %s", err.message, named);
    done();
}

START_TEST(what_is_wrong__is_named)
{
    refused(WORDS("--unheard-of", "1"), NONE, "--unheard-of");
    refused(WORDS("name"), NONE, "name");
    refused(WORDS("--name"), NONE, "--name");
    refused(WORDS("--quiet=perhaps"), NONE, "quiet");
    refused(NONE, WORDS("TICKETQ_HOLD_TTL_MS=x"), "hold-ttl-ms (environment)");
    refused(WORDS("--config", "/nowhere/at/all"), NONE, "/nowhere/at/all");
    static const char *const files[] = {"",
                                        "[]",
                                        "{\"unheard-of\":1}",
                                        "{\"name\":[]}",
                                        "{\"name\":\"a\",\"name\":\"b\"}",
                                        "{\"hold-ttl-ms\":1.5}"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *path = file_with(files[i]);
        refused(WORDS("--config", path), NONE, "");
        unlink(path);
    }
}
END_TEST

START_TEST(numbers__keep_their_limits)
{
    static const struct {
        char *text;
        int status;
    } rows[] = {
        {"9", TQ_E_INVALID},    {"10", TQ_OK},         {"11", TQ_OK},
        {"999", TQ_OK},         {"1000", TQ_OK},       {"1001", TQ_E_INVALID},
        {"", TQ_E_INVALID},     {"10x", TQ_E_INVALID}, {"99999999999999999999", TQ_E_INVALID},
        {"0x10", TQ_E_INVALID}, {"1e2", TQ_E_INVALID}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_status(read_config(WORDS("--hold-ttl-ms", rows[i].text), NONE), rows[i].status);
        done();
    }
}
END_TEST

START_TEST(a_failure__is_told_as_one_of_its_option)
{
    assert_status(app_config_blame("room", TQ_REPEAT, NULL), TQ_REPEAT);
    assert_status(app_config_blame("room", TQ_E_BUSY, NULL), TQ_E_BUSY);
    err = (struct tq_error)TQ_ERROR_INIT;
    int rc = tq__fail_native(&err, TQ_E_UNAVAILABLE, 111, "store.redis", "refused");
    assert_status(app_config_blame("room", rc, &err), TQ_E_UNAVAILABLE);
    ck_assert_str_eq(err.message, "--room: refused");
    ck_assert_str_eq(err.origin, "store.redis");
    ck_assert_int_eq(err.native, 111);
}
END_TEST

START_TEST(help__and_required_options)
{
    static const struct app_option strict[] = {{"must", "X", "needed", NULL, APP_TEXT, 1, 0, 0}};
    test_env_init(&test, 1);
    env = test_env_of(&test);
    config = NULL;
    assert_status(app_config_read(&env, strict, 1, 0, NONE, NONE, &config, &err), TQ_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "--must"));
    assert_status(app_config_read(&env, strict, 1, 1, WORDS("--help"), NONE, &config, &err),
                  TQ_REPEAT);
    ck_assert_ptr_null(config);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

START_TEST(secrets__come_from_files)
{
    char *secret = NULL;
    char *path = file_with("top secret\r\n\n");
    assert_status(read_config(WORDS("--name", path), NONE), TQ_OK);
    assert_status(app_config_secret(config, "name", &secret, &err), TQ_OK);
    ck_assert_str_eq(secret, "top secret");
    app_secret_free(secret);
    unlink(path);
    assert_status(app_config_secret(config, "name", &secret, &err), TQ_E_INVALID);
    done();
}
END_TEST

START_TEST(memory__may_run_out_at_any_point)
{
    char *path = file_with("{\"name\":\"file\",\"hold-ttl-ms\":20}");
    char *words[] = {"--config", path, "--quiet", NULL};
    int rc = TQ_E_NOMEM;
    for (long n = 1; rc != TQ_OK; n++) {
        test_env_init(&test, 1);
        env = test_env_of(&test);
        test.fail_at = n;
        config = NULL;
        rc = app_config_read(&env, options, 5, 3, words, NONE, &config, &err);
        ck_assert_msg(rc == TQ_OK || rc == TQ_E_NOMEM || rc == TQ_E_INVALID, "n = %ld: %d", n, rc);
        done();
        ck_assert_int_lt(n, 1000);
    }
    unlink(path);
}
END_TEST

UNIT_MAIN("app.config", defaults__hold_without_anything, the_strongest_source__wins,
          the_file__may_be_named_by_the_environment, what_is_wrong__is_named,
          a_failure__is_told_as_one_of_its_option, numbers__keep_their_limits,
          help__and_required_options, secrets__come_from_files, memory__may_run_out_at_any_point)
