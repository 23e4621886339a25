/* SPDX-License-Identifier: MIT */
/*
 * Writes the log: each line is put together in memory and handed to the
 * kernel by one write, so that lines of several threads do not mix.
 *
 * Values are escaped as JSON, so that nothing a client sends can begin a line
 * of its own. A line for which there is no memory is lost. Threads: [any]; the
 * level is the only state, set at start.
 */
#include "app/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include <ticketq/system.h>

#include "app/moment.h"
#include "core/json.h"

static _Atomic int level_min = TQ_LOG_INFO;

void app_log_level(int level)
{
    atomic_store(&level_min, level);
}

static void write_line(int level, const char *logger, const struct tq__buf *members,
                       const char *message)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    struct tq_env env = tq_system_env();
    struct tq__buf line = TQ__BUF(&env);
    char time[APP_TIME_SIZE];
    tq__put_object(&line, NULL);
    tq__put_string(&line, "ts", app_time_format(tq_system_now_ms(NULL), time));
    tq__put_string(&line, "level", names[level & 3]);
    tq__put_string(&line, "logger", logger);
    tq__put_string(&line, "msg", message);
    if (members && members->bytes > 1) {
        tq__buf_add(&line, ",", 1);
        tq__buf_add(&line, members->data + 1, members->bytes - 1);
    }
    tq__put_object_end(&line);
    tq__buf_add(&line, "\n", 1);
    if (!line.is_failed) {
        ssize_t written = write(STDERR_FILENO, line.data, line.bytes);
        (void)written; /* there is nowhere to tell of it */
    }
    tq__buf_done(&line);
}

static void format_line(int level, const char *logger, const struct tq__buf *members,
                        const char *format, va_list args)
{
    char message[512];
    if (level >= atomic_load_explicit(&level_min, memory_order_relaxed)) {
        vsnprintf(message, sizeof message, format, args);
        write_line(level, logger, members, message);
    }
}

void app_log(int level, const char *logger, const char *message, ...)
{
    va_list args;
    va_start(args, message);
    format_line(level, logger, NULL, message, args);
    va_end(args);
}

void app_log_with(int level, const char *logger, const struct tq__buf *members, const char *message,
                  ...)
{
    va_list args;
    va_start(args, message);
    format_line(level, logger, members, message, args);
    va_end(args);
}

static void from_library(void *ctx, int level, const char *origin, const char *message)
{
    (void)ctx;
    app_log(level, origin, "%s", message);
}

struct tq_env app_system_env(void)
{
    struct tq_env env = tq_system_env();
    env.log = from_library;
    return env;
}
