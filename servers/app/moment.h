/* SPDX-License-Identifier: MIT */
/*
 * Times and codes as the outside sees them: RFC 3339 in UTC with milliseconds,
 * and short codes that people can read to each other. Threads: [pure].
 */
#ifndef TICKETQ_APP_MOMENT_H
#define TICKETQ_APP_MOMENT_H

#include "http/http.h"

#define APP_TIME_SIZE 25

/* "2026-11-22T15:04:05.678Z"; returns `target`. Years 0 to 9999. */
const char *app_time_format(int64_t time_ms, char target[APP_TIME_SIZE]);
/* RFC 3339 with any offset; non-zero on success. */
int app_time_parse(const char *text, int64_t *out_time_ms);
void app_put_time(struct tq__buf *json, const char *name, int64_t time_ms);
/* A required time of a body; answers with a problem when it is not one (http.h). */
int app_field_time(struct http_request *request, const tq__json *object, const char *name,
                   int64_t *out_time_ms);
/* `count` characters of [0-9A-Z] but I, L, O and U, 5 bits each; `target` has one byte more. */
int app_code(const struct tq_env *env, char *target, size_t count, struct tq_error *err);

#endif
