/* SPDX-License-Identifier: MIT */
/*
 * The log: one JSON object a line on standard error.
 *
 *     {"ts":"2026-11-22T15:04:05.678Z","level":"info","logger":"queue","msg":"room opened"}
 *
 * Nothing secret belongs in it: no tokens, no e-mail addresses. Threads: [any].
 */
#ifndef TICKETQ_APP_LOG_H
#define TICKETQ_APP_LOG_H

#include <ticketq/env.h>

#include "core/bytes.h"

/* Lines below this level are left out. */
void app_log_level(int level);
void app_log(int level, const char *logger, const char *message, ...)
    __attribute__((format(printf, 3, 4)));
/* With further members, as in http_problem_with(); `members` is left as it is. */
void app_log_with(int level, const char *logger, const struct tq__buf *members, const char *message,
                  ...) __attribute__((format(printf, 4, 5)));
/* The operating system's environment with this log under it. */
struct tq_env app_system_env(void);

#endif
