/* SPDX-License-Identifier: MIT */
/*
 * Converts between epoch milliseconds and RFC 3339, by the arithmetic of the
 * Gregorian calendar (days since 1970 of a year that begins in March), without
 * the C library's time zones. Threads: [pure].
 */
#include "app/moment.h"

#include <stdio.h>
#include <string.h>

#include "core/env.h"
#include "core/error.h"

#define DAY_MS 86400000
#define MIN_MS (-62167219200000) /* 0000-01-01 */
#define MAX_MS 253402300799999   /* the end of 9999 */

static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static void date_of(int64_t days, int *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153;
    *day = (int)(day_of_year - (153 * march_month + 2) / 5 + 1);
    *month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
    *year = (int)(year_of_era + era * 400 + (*month <= 2));
}

const char *app_time_format(int64_t time_ms, char target[APP_TIME_SIZE])
{
    int year, month, day;
    time_ms = time_ms < MIN_MS ? MIN_MS : time_ms > MAX_MS ? MAX_MS : time_ms;
    int64_t days = time_ms >= 0 ? time_ms / DAY_MS : -((DAY_MS - 1 - time_ms) / DAY_MS);
    unsigned rest = (unsigned)(time_ms - days * DAY_MS);
    date_of(days, &year, &month, &day);
    char text[64];
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02u:%02u:%02u.%03uZ", year, month, day,
             rest / 3600000, rest / 60000 % 60, rest / 1000 % 60, rest % 1000);
    memcpy(target, text, APP_TIME_SIZE - 1);
    target[APP_TIME_SIZE - 1] = '\0';
    return target;
}

/* Exactly `count` digits at `*at`, within min..max; -1 otherwise. */
static int digits(const char **at, int count, int min, int max)
{
    int value = 0;
    for (int i = 0; i < count; i++, (*at)++) {
        if (**at < '0' || **at > '9') {
            return -1;
        }
        value = value * 10 + (**at - '0');
    }
    return value < min || value > max ? -1 : value;
}

static int is_there(const char **at, char wanted)
{
    return **at == wanted ? ((*at)++, 1) : 0;
}

static int month_days(int year, int month)
{
    int is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 ? 28 + is_leap : 30 + ((month + (month > 7)) & 1);
}

static int parse_date(const char **at, int64_t *out_days)
{
    int year = digits(at, 4, 0, 9999);
    int month = year >= 0 && is_there(at, '-') ? digits(at, 2, 1, 12) : -1;
    int day = month > 0 && is_there(at, '-') ? digits(at, 2, 1, month_days(year, month)) : -1;
    *out_days = day > 0 ? days_of(year, month, day) : 0;
    return day > 0;
}

static int parse_clock(const char **at, int64_t *out_ms)
{
    int hour = digits(at, 2, 0, 23);
    int minute = hour >= 0 && is_there(at, ':') ? digits(at, 2, 0, 59) : -1;
    int second = minute >= 0 && is_there(at, ':') ? digits(at, 2, 0, 59) : -1;
    int fraction = 0;
    if (second >= 0 && is_there(at, '.')) {
        int unit = 100;
        if (**at < '0' || **at > '9') {
            return 0;
        }
        for (; **at >= '0' && **at <= '9'; (*at)++, unit /= 10) {
            fraction += (**at - '0') * unit;
        }
    }
    *out_ms = ((int64_t)hour * 3600 + minute * 60 + second) * 1000 + fraction;
    return second >= 0;
}

static int parse_offset(const char **at, int64_t *out_ms)
{
    int sign = is_there(at, '-') ? -1 : 1;
    *out_ms = 0;
    if (sign > 0 && (is_there(at, 'Z') || is_there(at, 'z'))) {
        return 1;
    }
    if (sign > 0 && !is_there(at, '+')) {
        return 0;
    }
    int hour = digits(at, 2, 0, 23);
    int minute = hour >= 0 && is_there(at, ':') ? digits(at, 2, 0, 59) : -1;
    *out_ms = sign * ((int64_t)hour * 60 + minute) * 60000;
    return minute >= 0;
}

int app_time_parse(const char *text, int64_t *out_time_ms)
{
    int64_t days, clock_ms, offset_ms;
    if (!text || !parse_date(&text, &days) || !(is_there(&text, 'T') || is_there(&text, 't')) ||
        !parse_clock(&text, &clock_ms) || !parse_offset(&text, &offset_ms) || *text) {
        return 0;
    }
    *out_time_ms = days * DAY_MS + clock_ms - offset_ms;
    return 1;
}

void app_put_time(struct tq__buf *json, const char *name, int64_t time_ms)
{
    char text[APP_TIME_SIZE];
    tq__put_string(json, name, app_time_format(time_ms, text));
}

int app_field_time(struct http_request *request, const tq__json *object, const char *name,
                   int64_t *out_time_ms)
{
    const char *text = http_field_string(request, object, name, 64);
    if (text && !app_time_parse(text, out_time_ms)) {
        struct tq__buf members = TQ__BUF(http_env(request));
        tq__put_object(&members, NULL);
        tq__put_string(&members, "field", name);
        http_problem_with(request, 400, "FIELD_INVALID", &members,
                          "%s must be a time in the form of RFC 3339.", name);
        return 0;
    }
    return text != NULL;
}

int app_code(const struct tq_env *env, char *target, size_t count, struct tq_error *err)
{
    static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    TQ_TRY(tq__random(env, target, count, err));
    for (size_t i = 0; i < count; i++) {
        target[i] = alphabet[(unsigned char)target[i] & 31];
    }
    target[count] = '\0';
    return TQ_OK;
}
