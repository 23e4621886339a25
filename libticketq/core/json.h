/* SPDX-License-Identifier: MIT */
/*
 * JSON in and out. The only file that knows the parser is json.c.
 *
 * Reading: a document is checked against limits before it is parsed, integers
 * keep all 64 bits, duplicate member names are refused where asked. Writing:
 * straight into a buffer, commas and escapes are taken care of.
 */
#ifndef TQ_CORE_JSON_H
#define TQ_CORE_JSON_H

#include "core/bytes.h"

#define TQ__JSON_BYTES_MAX 4194304
#define TQ__JSON_DEPTH_MAX 32

/* Refuse objects in which a name stands twice. */
#define TQ__JSON_UNIQUE 1u

/* A node of a parsed document; opaque. */
typedef struct cJSON tq__json;

struct tq__json_limits {
    size_t bytes_max; /* 0: TQ__JSON_BYTES_MAX */
    unsigned depth_max; /* 0: TQ__JSON_DEPTH_MAX */
    unsigned flags;
};

/*
 * Parse one document. TQ_E_INVALID: not JSON, or a name stands twice;
 * TQ_E_LIMIT: too large or too deep. Free the root with tq__json_free().
 */
int tq__json_parse(const struct tq_env *env, const char *text, size_t bytes,
                   const struct tq__json_limits *limits, tq__json **out_root,
                   struct tq_error *err);
void tq__json_free(tq__json *root);

/* All of these take NULL for "not there" and answer accordingly. */
int tq__json_is_object(const tq__json *node);
int tq__json_is_array(const tq__json *node);
size_t tq__json_count(const tq__json *node);
const tq__json *tq__json_first(const tq__json *node); /* first element or member */
const tq__json *tq__json_next(const tq__json *node);
const char *tq__json_name(const tq__json *node);      /* of a member */
const tq__json *tq__json_member(const tq__json *object, const char *name);
/* NULL when it is not a string. */
const char *tq__json_string(const tq__json *node);
/* Non-zero on success. Whole numbers only, all 64 bits. */
int tq__json_int64(const tq__json *node, int64_t *out_integer);
int tq__json_double(const tq__json *node, double *out_number);
int tq__json_bool(const tq__json *node, int *out_bool);
int tq__json_is_null(const tq__json *node);

/* Writer: tq__put_* append to the buffer; `name` is NULL inside arrays. */
void tq__put_object(struct tq__buf *buf, const char *name);
void tq__put_object_end(struct tq__buf *buf);
void tq__put_array(struct tq__buf *buf, const char *name);
void tq__put_array_end(struct tq__buf *buf);
void tq__put_string(struct tq__buf *buf, const char *name, const char *value); /* NULL: null */
void tq__put_string_of(struct tq__buf *buf, const char *name, const char *value, size_t bytes);
void tq__put_int(struct tq__buf *buf, const char *name, int64_t value);
void tq__put_double(struct tq__buf *buf, const char *name, double value);
void tq__put_bool(struct tq__buf *buf, const char *name, int value);
void tq__put_null(struct tq__buf *buf, const char *name);
/* JSON text that is known to be valid. */
void tq__put_raw(struct tq__buf *buf, const char *name, const char *json, size_t bytes);

#endif
