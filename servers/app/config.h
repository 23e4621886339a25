/* SPDX-License-Identifier: MIT */
/*
 * Configuration: flags over environment over file over defaults.
 *
 *     --hold-ttl-ms 300000    TICKETQ_HOLD_TTL_MS=300000    {"hold-ttl-ms": 300000}
 *
 * Every option is declared once, with its help; what is not declared is refused,
 * whichever of the three it comes from (other TICKETQ_ variables are left alone:
 * they may belong to another program). Threads: read-only after app_config_read().
 */
#ifndef TICKETQ_APP_CONFIG_H
#define TICKETQ_APP_CONFIG_H

#include <ticketq/env.h>
#include <ticketq/status.h>

enum app_option_kind { APP_TEXT = 0, APP_NUMBER = 1, APP_FLAG = 2 };

struct app_option {
    const char *name;     /* "hold-ttl-ms" */
    const char *value;    /* shown in help: "MS" */
    const char *help;     /* one line */
    const char *fallback; /* default; NULL: "" */
    uint32_t kind;        /* enum app_option_kind */
    int is_required;
    int64_t min, max; /* APP_NUMBER */
};

struct app_config;

/*
 * Read it all. `argv` has no program name in it; `environ` as of the process. TQ_OK; TQ_REPEAT:
 * --help was asked for; TQ_E_INVALID names the option.
 */
int app_config_read(const struct tq_env *env, const struct app_option *options,
                    size_t options_count, int argc, char *const *argv, char *const *environment,
                    struct app_config **out_config, struct tq_error *err);
void app_config_free(struct app_config *config);

/* An option that is not declared is a fault of the program: it aborts. */
const char *app_config_text(const struct app_config *config, const char *name);
int64_t app_config_number(const struct app_config *config, const char *name);
/* Its text, or NULL when no such option is declared or it is empty. */
const char *app_config_find(const struct app_config *config, const char *name);
/* The content of the file that the option names, without trailing newlines. */
int app_config_secret(const struct app_config *config, const char *name, char **out_secret,
                      struct tq_error *err);
/* Wipes it, too. NULL is allowed. */
void app_secret_free(char *secret);
/* Hands `rc` on; the record of a failure says that it is one of option `name`. */
int app_config_blame(const char *name, int rc, struct tq_error *err);
/* Help on standard output. */
void app_config_help(const char *program, const char *summary, const struct app_option *options,
                     size_t options_count);

#endif
