/* SPDX-License-Identifier: MIT */
/*
 * Growable buffers, identifiers and the text forms of bytes.
 */
#ifndef TQ_CORE_BYTES_H
#define TQ_CORE_BYTES_H

#include <ticketq/env.h>
#include <ticketq/status.h>

/* A growable buffer that always ends in NUL. After a failed append it stays failed. */
struct tq__buf {
    const struct tq_env *env;
    char *data;
    size_t bytes;
    size_t room;
    int is_failed;
};

#define TQ__BUF(environment)                                                                       \
    {                                                                                              \
        (environment), NULL, 0, 0, 0                                                               \
    }

void tq__buf_done(struct tq__buf *buf);
void tq__buf_clear(struct tq__buf *buf);
void tq__buf_add(struct tq__buf *buf, const void *data, size_t bytes);
void tq__buf_text(struct tq__buf *buf, const char *text);
void tq__buf_format(struct tq__buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* TQ_OK, or TQ_E_NOMEM when an append failed. */
int tq__buf_check(const struct tq__buf *buf, const char *origin, struct tq_error *err);

/* The value of each letter of base64url; -1 for what is not in the alphabet. */
extern const signed char tq__base64url_values[256];

/* `[A-Za-z0-9_-]`, which is also the alphabet of base64url */
static inline int tq__is_id_byte(char c)
{
    return tq__base64url_values[(unsigned char)c] >= 0;
}
/* `[A-Za-z0-9_-]{1,64}` */
int tq__id_is_valid(const char *id);
/* TQ_OK; TQ_E_INVALID naming `field`. */
int tq__id_check(const char *id, const char *field, const char *origin, struct tq_error *err);
/* Copy a valid id. */
void tq__id_copy(char target[TQ_ID_SIZE], const char *id);

/* UTF-8 (RFC 3629) of 1..bytes_max bytes without control characters. */
int tq__text_is_valid(const char *text, size_t bytes_max);

/* Copy with a NUL behind: 0, or -1 when it does not fit. */
int tq__text_copy(char *target, size_t room, const char *text, size_t bytes);
/* The number that consists of these decimal digits, or -1: none, other bytes, above `max`. */
int64_t tq__text_number(const char *text, size_t bytes, int64_t max);

/* FNV-1a, for spreading keys over partitions: the same in every process and release. */
uint32_t tq__hash(const char *text);

/* base64url without padding (RFC 4648 §5). Needs 4/3 of the bytes and a NUL; returns the length. */
size_t tq__base64url_encode(char *target, const void *bytes, size_t count);
/* Strict: no padding, no stray bits. Returns the length, or -1. `target` has room for 3/4. */
long tq__base64url_decode(unsigned char *target, size_t room, const char *text, size_t count);

/* A UUIDv7 (RFC 9562) of this millisecond, 36 characters. */
int tq__uuid7(const struct tq_env *env, int64_t now_ms, char target[37], struct tq_error *err);
/* Its millisecond, or -1: it is none. */
int64_t tq__uuid7_ms(const char *id);
/* A UUIDv7 out of chance that was drawn before, for many at once. */
#define TQ__UUID7_CHANCE 10
void tq__uuid7_of(int64_t now_ms, const unsigned char chance[TQ__UUID7_CHANCE], char target[37]);

#endif
