/* SPDX-License-Identifier: MIT */
/*
 * URLs of stores and transports: `scheme:path?query` (RFC 3986, opaque part).
 */
#ifndef TQ_CORE_URL_H
#define TQ_CORE_URL_H

#include <stddef.h>

#include <ticketq/base.h>
#include <ticketq/status.h>

struct tq__url {
    char scheme[32];
    char path[TQ_URL_MAX + 1];  /* percent-decoded */
    char query[TQ_URL_MAX + 1]; /* as it stands */
};

/*
 * A member of the query that a driver knows: a whole number in min..max, kept as uint32_t, or
 * a text. A table of them describes one struct and ends with an option without a name.
 */
struct tq__url_option {
    const char *name;
    size_t offset;
    size_t room;                 /* of a text; 0: a number */
    uint32_t min, max, fallback; /* of a number */
};

#define TQ__URL_NUMBER(name, type, member, min, max, fallback)                                     \
    {                                                                                              \
        (name), offsetof(type, member), 0, (min), (max), (fallback)                                \
    }
#define TQ__URL_TEXT(name, type, member)                                                           \
    {                                                                                              \
        (name), offsetof(type, member), sizeof(((type *)0)->member), 0, 0, 0                       \
    }

/* A scheme and its driver, or why this build has none: the first row of a name counts. */
struct tq__url_scheme {
    const char *name; /* NULL: the end */
    const void *driver;
    const char *why;
};
#define TQ__URL_ABSENT "this build has no driver for it"

/* TQ_OK, TQ_E_UNSUPPORTED with the reason, TQ_E_INVALID with the names that there are. */
int tq__url_driver(const struct tq__url_scheme *schemes, const char *name, const void **out_driver,
                   const char *origin, struct tq_error *err);

/* Is `name` what is written at `at`? */
int tq__url_is_called(const char *name, const char *at, size_t bytes);

/* Percent-decode: 0, or -1 when it is malformed, has a control character or does not fit. */
int tq__url_decode(char *target, size_t room, const char *text, size_t bytes);
int tq__url_parse(struct tq__url *out, const char *text, struct tq_error *err);
/* A member of the query, percent-decoded: TQ_OK, TQ_GONE, TQ_E_INVALID, TQ_E_LIMIT. */
int tq__url_query(const char *query, const char *name, char *target, size_t room,
                  struct tq_error *err);
/* A whole number of the query in min..max; TQ_GONE when it is not there. */
int tq__url_number(const char *query, const char *name, uint32_t min, uint32_t max,
                   uint32_t *out_number, struct tq_error *err);
/* Each member has one value, and a name of the table or one that `is_other` (or NULL) knows. */
int tq__url_names_check(const char *query, const struct tq__url_option *options,
                        int (*is_other)(const char *at, size_t bytes), const char *origin,
                        struct tq_error *err);
/* Fills `target`; a number that is not there falls back, a text keeps what `target` has. */
int tq__url_options_read(const char *query, const struct tq__url_option *options, void *target,
                         struct tq_error *err);

#endif
