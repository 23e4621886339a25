/* SPDX-License-Identifier: MIT */
/*
 * URLs of stores and transports: `scheme:path?query` (RFC 3986, opaque part).
 */
#ifndef TQ_CORE_URL_H
#define TQ_CORE_URL_H

#include <ticketq/base.h>
#include <ticketq/status.h>

struct tq__url {
    char scheme[32];
    char path[TQ_URL_MAX + 1];  /* percent-decoded */
    char query[TQ_URL_MAX + 1]; /* as it stands */
};

/* Percent-decode: 0, or -1 when it is malformed, has a control character or does not fit. */
int tq__url_decode(char *target, size_t room, const char *text, size_t bytes);
int tq__url_parse(struct tq__url *out, const char *text, struct tq_error *err);
/* A member of the query, percent-decoded: TQ_OK, TQ_GONE, TQ_E_INVALID, TQ_E_LIMIT. */
int tq__url_query(const char *query, const char *name, char *target, size_t room,
                  struct tq_error *err);
/* A whole number of the query in min..max; TQ_GONE when it is not there. */
int tq__url_number(const char *query, const char *name, uint32_t min, uint32_t max,
                   uint32_t *out_number, struct tq_error *err);

#endif
