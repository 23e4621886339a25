/* SPDX-License-Identifier: MIT */
/*
 * Reads the configuration.
 *
 * Sources are applied from the weakest to the strongest, so the last one that
 * speaks wins: defaults, the file of --config (or TICKETQ_CONFIG), TICKETQ_
 * variables, flags. Each value is checked when it is set, so that a message can
 * say where it came from. A flag is `--name value` or `--name=value`; one of kind
 * APP_FLAG may stand alone.
 *
 * Invariants: every declared option has a text, and one of kind APP_NUMBER a
 * number within its limits. Threads: read-only once read.
 */
#include "app/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/env.h"
#include "core/error.h"
#include "core/json.h"

#define FILE_BYTES_MAX 1048576
#define ENV_PREFIX "TICKETQ_"

struct setting {
    const struct app_option *option;
    char *text;
    int64_t number;
    int is_set;
};

struct app_config {
    struct tq_env env;
    struct setting *settings;
    size_t count;
};

static struct setting *setting_of(const struct app_config *config, const char *name, size_t bytes)
{
    for (size_t i = 0; i < config->count; i++) {
        const char *own = config->settings[i].option->name;
        if (strncmp(own, name, bytes) == 0 && own[bytes] == '\0') {
            return &config->settings[i];
        }
    }
    return NULL;
}

static int read_number(const struct app_option *option, const char *text, int64_t *out_number)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno || end == text || *end || number < option->min || number > option->max) {
        return -1;
    }
    *out_number = number;
    return 0;
}

static int read_flag(const char *text, int64_t *out_number)
{
    *out_number = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    return *out_number || !*text || strcmp(text, "false") == 0 || strcmp(text, "0") == 0 ? 0 : -1;
}

static int set(struct app_config *config, struct setting *setting, const char *text,
               const char *source, struct tq_error *err)
{
    const struct app_option *option = setting->option;
    int64_t number = 0;
    if (option->kind == APP_NUMBER && read_number(option, text, &number)) {
        return tq__fail(err, TQ_E_INVALID, "config", "%s (%s) must be a number from %lld to %lld",
                        option->name, source, (long long)option->min, (long long)option->max);
    }
    if (option->kind == APP_FLAG && read_flag(text, &number)) {
        return tq__fail(err, TQ_E_INVALID, "config", "%s (%s) must be true or false", option->name,
                        source);
    }
    char *copy = tq__strdup(&config->env, text);
    if (!copy) {
        return tq__nomem("config", err);
    }
    tq__release(&config->env, setting->text);
    setting->text = copy;
    setting->number = number;
    setting->is_set = 1;
    return TQ_OK;
}

/* ---- the sources ---- */

static int set_defaults(struct app_config *config, const struct app_option *options, size_t count,
                        struct tq_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct app_option *option = &options[i];
        if (setting_of(config, option->name, strlen(option->name))) {
            continue; /* services may share an option */
        }
        struct setting *setting = &config->settings[config->count++];
        setting->option = option;
        const char *fallback = option->fallback ? option->fallback : "";
        if (option->kind == APP_NUMBER && !*fallback) {
            fallback = "0";
        }
        TQ_TRY(set(config, setting, fallback, "default", err));
        setting->is_set = 0;
    }
    return TQ_OK;
}

static int set_member(struct app_config *config, const tq__json *member, struct tq_error *err)
{
    const char *name = tq__json_name(member);
    struct setting *setting = setting_of(config, name, strlen(name));
    const char *text = tq__json_string(member);
    char digits[24];
    int64_t number;
    int flag;
    if (!setting) {
        return tq__fail(err, TQ_E_INVALID, "config", "the file has an unknown option %s", name);
    }
    if (tq__json_int64(member, &number)) {
        snprintf(digits, sizeof digits, "%lld", (long long)number);
        text = digits;
    } else if (tq__json_bool(member, &flag)) {
        text = flag ? "true" : "false";
    }
    if (!text) {
        return tq__fail(err, TQ_E_INVALID, "config", "%s in the file is no text, number or bool",
                        name);
    }
    return set(config, setting, text, "file", err);
}

static int read_all(int fd, struct tq__buf *text)
{
    char chunk[4096];
    ssize_t got;
    while ((got = read(fd, chunk, sizeof chunk)) > 0 && text->bytes < FILE_BYTES_MAX) {
        tq__buf_add(text, chunk, (size_t)got);
    }
    return got == 0 && !text->is_failed ? 0 : -1;
}

static int read_file(const char *path, struct tq__buf *text, struct tq_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int failed = fd < 0 || read_all(fd, text);
    int code = errno;
    if (fd >= 0) {
        close(fd);
    }
    if (failed) {
        return tq__fail_native(err, TQ_E_INVALID, code, "config", "cannot read the file %s", path);
    }
    tq__buf_add(text, "", 0); /* an empty file is an empty text */
    return tq__buf_check(text, "config", err);
}

static int set_file(struct app_config *config, const char *path, struct tq_error *err)
{
    struct tq__buf text = TQ__BUF(&config->env);
    const struct tq__json_limits limits = {FILE_BYTES_MAX, 4, TQ__JSON_UNIQUE};
    tq__json *root = NULL;
    int rc = read_file(path, &text, err);
    if (rc == TQ_OK) {
        rc = tq__json_parse(&config->env, text.data, text.bytes, &limits, &root, err);
    }
    if (rc == TQ_OK && !tq__json_is_object(root)) {
        rc = tq__fail(err, TQ_E_INVALID, "config", "the file is not a JSON object");
    }
    for (const tq__json *at = rc == TQ_OK ? tq__json_first(root) : NULL; at && rc == TQ_OK;
         at = tq__json_next(at)) {
        rc = set_member(config, at, err);
    }
    tq__json_free(root);
    tq__buf_done(&text);
    return rc;
}

/* "TICKETQ_HOLD_TTL_MS=1" speaks of hold-ttl-ms. Returns the value, or NULL. */
static const char *env_value(const char *entry, const char *name)
{
    size_t prefix = strlen(ENV_PREFIX);
    if (strncmp(entry, ENV_PREFIX, prefix) != 0) {
        return NULL;
    }
    entry += prefix;
    for (; *name; name++, entry++) {
        char upper = *name == '-'                   ? '_'
                     : *name >= 'a' && *name <= 'z' ? (char)(*name - 'a' + 'A')
                                                    : *name;
        if (*entry != upper) {
            return NULL;
        }
    }
    return *entry == '=' ? entry + 1 : NULL;
}

static const char *env_find(char *const *environment, const char *name)
{
    for (; environment && *environment; environment++) {
        const char *value = env_value(*environment, name);
        if (value) {
            return value;
        }
    }
    return NULL;
}

static int set_environment(struct app_config *config, char *const *environment,
                           struct tq_error *err)
{
    for (size_t i = 0; i < config->count; i++) {
        const char *value = env_find(environment, config->settings[i].option->name);
        if (value) {
            TQ_TRY(set(config, &config->settings[i], value, "environment", err));
        }
    }
    return TQ_OK;
}

/* One flag; `*at` is moved behind it. */
static int set_flag(struct app_config *config, int argc, char *const *argv, int *at,
                    struct tq_error *err)
{
    const char *word = argv[(*at)++];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        return TQ_REPEAT;
    }
    size_t bytes = strcspn(word, "=");
    struct setting *setting =
        strncmp(word, "--", 2) == 0 ? setting_of(config, word + 2, bytes - 2) : NULL;
    if (!setting) {
        return tq__fail(err, TQ_E_INVALID, "config", "unknown argument %s; try --help", word);
    }
    if (word[bytes]) {
        return set(config, setting, word + bytes + 1, "flag", err);
    }
    if (setting->option->kind == APP_FLAG) {
        return set(config, setting, "true", "flag", err);
    }
    if (*at >= argc) {
        return tq__fail(err, TQ_E_INVALID, "config", "%s needs a value", word);
    }
    return set(config, setting, argv[(*at)++], "flag", err);
}

static int set_flags(struct app_config *config, int argc, char *const *argv, struct tq_error *err)
{
    for (int at = 0; at < argc;) {
        int rc = set_flag(config, argc, argv, &at, err);
        if (rc != TQ_OK) {
            return rc;
        }
    }
    return TQ_OK;
}

static int check_required(const struct app_config *config, struct tq_error *err)
{
    for (size_t i = 0; i < config->count; i++) {
        const struct setting *setting = &config->settings[i];
        if (setting->option->is_required && !*setting->text) {
            return tq__fail(err, TQ_E_INVALID, "config", "--%s is required; try --help",
                            setting->option->name);
        }
    }
    return TQ_OK;
}

/*
 * Flags are read twice: once to learn where the file is and whether help is asked
 * for, and again after file and environment, which they outrank.
 */
static int fill(struct app_config *config, int argc, char *const *argv, char *const *environment,
                struct tq_error *err)
{
    struct setting *file = setting_of(config, "config", strlen("config"));
    int rc = set_flags(config, argc, argv, err);
    if (rc != TQ_OK) {
        return rc;
    }
    const char *from_env = file ? env_find(environment, "config") : NULL;
    if (file && !file->is_set && from_env) {
        TQ_TRY(set(config, file, from_env, "environment", err));
    }
    if (file && *file->text) {
        TQ_TRY(set_file(config, file->text, err));
    }
    TQ_TRY(set_environment(config, environment, err));
    TQ_TRY(set_flags(config, argc, argv, err));
    return check_required(config, err);
}

int app_config_read(const struct tq_env *env, const struct app_option *options,
                    size_t options_count, int argc, char *const *argv, char *const *environment,
                    struct app_config **out_config, struct tq_error *err)
{
    struct app_config *config = tq__alloc(env, 1, sizeof *config);
    if (!config) {
        return tq__nomem("config", err);
    }
    config->env = *env;
    config->settings = tq__alloc(env, options_count, sizeof *config->settings);
    int rc = config->settings ? set_defaults(config, options, options_count, err)
                              : tq__nomem("config", err);
    if (rc == TQ_OK) {
        rc = fill(config, argc, argv, environment, err);
    }
    if (rc != TQ_OK) {
        app_config_free(config);
        return rc;
    }
    *out_config = config;
    return TQ_OK;
}

void app_config_free(struct app_config *config)
{
    if (!config) {
        return;
    }
    struct tq_env env = config->env;
    for (size_t i = 0; i < config->count; i++) {
        tq__release(&env, config->settings[i].text);
    }
    tq__release(&env, config->settings);
    tq__release(&env, config);
}

/* ---- reading ---- */

static const struct setting *need(const struct app_config *config, const char *name)
{
    const struct setting *setting = setting_of(config, name, strlen(name));
    if (!setting) {
        fprintf(stderr, "option %s is not declared\n", name);
        abort();
    }
    return setting;
}

const char *app_config_text(const struct app_config *config, const char *name)
{
    return need(config, name)->text;
}

int64_t app_config_number(const struct app_config *config, const char *name)
{
    return need(config, name)->number;
}

const char *app_config_find(const struct app_config *config, const char *name)
{
    const struct setting *setting = setting_of(config, name, strlen(name));
    return setting && *setting->text ? setting->text : NULL;
}

int app_config_secret(const struct app_config *config, const char *name, char **out_secret,
                      struct tq_error *err)
{
    struct tq__buf text = TQ__BUF(&config->env);
    int rc = read_file(app_config_text(config, name), &text, err);
    while (rc == TQ_OK && text.bytes > 0 && strchr("\r\n", text.data[text.bytes - 1])) {
        text.data[--text.bytes] = '\0';
    }
    char *copy = rc == TQ_OK ? strdup(text.data) : NULL;
    if (text.data) {
        explicit_bzero(text.data, text.bytes);
    }
    tq__buf_done(&text);
    if (rc == TQ_OK && !copy) {
        rc = tq__nomem("config", err);
    }
    *out_secret = copy;
    return rc;
}

void app_secret_free(char *secret)
{
    if (secret) {
        explicit_bzero(secret, strlen(secret));
    }
    free(secret);
}

int app_config_blame(const char *name, int rc, struct tq_error *err)
{
    if (rc < 0 && err) {
        const struct tq_error below = *err;
        return tq__fail_native(err, rc, below.native, below.origin, "--%s: %s", name,
                               below.message);
    }
    return rc;
}

void app_config_help(const char *program, const char *summary, const struct app_option *options,
                     size_t options_count)
{
    printf("%s - %s\n\nusage: %s [options]\n\n", program, summary, program);
    for (size_t i = 0; i < options_count; i++) {
        const struct app_option *option = &options[i];
        char left[64];
        snprintf(left, sizeof left, "--%s %s", option->name, option->value ? option->value : "");
        printf("  %-30s %s%s%s%s\n", left, option->help, option->fallback ? " (default " : "",
               option->fallback ? option->fallback : "", option->fallback ? ")" : "");
    }
    printf("\nEach option may also be a variable (--some-name: TICKETQ_SOME_NAME) or a member\n"
           "\"some-name\" of the JSON file named by --config; flags win over variables, variables\n"
           "over the file.\n");
}
