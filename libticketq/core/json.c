/* SPDX-License-Identifier: MIT */
/*
 * JSON in and out, on cJSON.
 *
 * cJSON keeps numbers as doubles, which loses integers beyond 2^53, and knows
 * no limits that we could set. So a document is scanned once before it is
 * parsed: the scan checks size and depth, and copies the text with each whole
 * number of more than 15 digits turned into a string that begins with the byte
 * 0x01, which JSON text cannot contain unescaped (RFC 8259 §7) and an escaped
 * one is refused as a first character. tq__json_int64() reads both forms.
 *
 * The writer appends text; where a comma is due follows from the last byte.
 * Cost: linear. Threads: [pure]; cJSON's allocator is the C library's, because
 * cJSON has one for the whole process and it is not ours to change.
 */
#include "core/json.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "core/error.h"

#define WIDE_MARK '\x01'
#define EXACT_DIGITS 15

struct scan {
    const char *at;
    const char *end;
    unsigned depth;
    unsigned depth_max;
    struct tq__buf *out;
    int is_after_wide; /* the last token became a string only on our side */
};

static int scan_string(struct scan *scan, struct tq_error *err)
{
    const char *start = scan->at++;
    while (scan->at < scan->end && *scan->at != '"') {
        if ((unsigned char)*scan->at < 0x20) {
            return tq__fail(err, TQ_E_INVALID, "json", "a control character stands in a string");
        }
        if (*scan->at == '\\') {
            int is_mark = scan->end - scan->at >= 6 && memcmp(scan->at, "\\u0001", 6) == 0;
            int is_nul = scan->end - scan->at >= 6 && memcmp(scan->at, "\\u0000", 6) == 0;
            if ((is_mark && scan->at == start + 1) || is_nul) {
                return tq__fail(err, TQ_E_INVALID, "json",
                                "a string has a character that is not allowed");
            }
            scan->at++;
        }
        scan->at++;
    }
    if (scan->at >= scan->end) {
        return tq__fail(err, TQ_E_INVALID, "json", "a string does not end");
    }
    scan->at++;
    scan->is_after_wide = 0;
    tq__buf_add(scan->out, start, (size_t)(scan->at - start));
    return TQ_OK;
}

static int is_digit(const struct scan *scan)
{
    return scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9';
}

static size_t skip_digits(struct scan *scan)
{
    const char *start = scan->at;
    while (is_digit(scan)) {
        scan->at++;
    }
    return (size_t)(scan->at - start);
}

static int skip_any(struct scan *scan, const char *bytes)
{
    if (scan->at < scan->end && *scan->at && strchr(bytes, *scan->at)) {
        scan->at++;
        return 1;
    }
    return 0;
}

/* The grammar of RFC 8259 §6; cJSON takes whatever strtod() takes. */
static int scan_number(struct scan *scan, struct tq_error *err)
{
    const char *start = scan->at;
    skip_any(scan, "-");
    int has_zero = scan->at < scan->end && *scan->at == '0';
    size_t digits = skip_digits(scan);
    int is_good = digits > 0 && (!has_zero || digits == 1);
    int is_whole = 1;
    if (skip_any(scan, ".")) {
        is_whole = 0;
        is_good = is_good && skip_digits(scan) > 0;
    }
    if (skip_any(scan, "eE")) {
        is_whole = 0;
        skip_any(scan, "+-");
        is_good = is_good && skip_digits(scan) > 0;
    }
    if (!is_good) {
        return tq__fail(err, TQ_E_INVALID, "json", "a number is malformed");
    }
    int is_wide = is_whole && digits > EXACT_DIGITS;
    if (is_wide) {
        char quote[2] = {'"', WIDE_MARK};
        tq__buf_add(scan->out, quote, 2);
    }
    tq__buf_add(scan->out, start, (size_t)(scan->at - start));
    if (is_wide) {
        tq__buf_text(scan->out, "\"");
    }
    scan->is_after_wide = is_wide;
    return TQ_OK;
}

static int scan_byte(struct scan *scan, struct tq_error *err)
{
    char c = *scan->at;
    if (c == '"') {
        return scan_string(scan, err);
    }
    if (c == '-' || (c >= '0' && c <= '9')) {
        return scan_number(scan, err);
    }
    if (c == '{' || c == '[') {
        if (++scan->depth > scan->depth_max) {
            return tq__fail(err, TQ_E_LIMIT, "json", "nested deeper than %u", scan->depth_max);
        }
    }
    if ((c == '}' || c == ']') && scan->depth-- == 0) {
        return tq__fail(err, TQ_E_INVALID, "json", "a bracket has no beginning");
    }
    /* cJSON takes every byte below 0x21 for white space, and passes over a byte order mark. */
    int is_outside = (unsigned char)c < 0x20 || (unsigned char)c > 0x7e;
    if (is_outside && c != '\t' && c != '\n' && c != '\r') {
        return tq__fail(err, TQ_E_INVALID, "json", "a byte that does not belong there");
    }
    if (c == ':' && scan->is_after_wide) {
        return tq__fail(err, TQ_E_INVALID, "json", "a name is a number");
    }
    scan->is_after_wide = scan->is_after_wide && c <= ' ';
    tq__buf_add(scan->out, &c, 1);
    scan->at++;
    return TQ_OK;
}

static int scan_all(struct scan *scan, struct tq_error *err)
{
    while (scan->at < scan->end) {
        TQ_TRY(scan_byte(scan, err));
    }
    return tq__buf_check(scan->out, "json", err);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorts the names of one object: n log n, so that many names are no attack. */
static int check_names(const struct tq_env *env, const tq__json *object, struct tq_error *err)
{
    size_t count = tq__json_count(object);
    int rc = TQ_OK;
    if (!tq__json_is_object(object) || count < 2) {
        return TQ_OK;
    }
    const char **names = tq__alloc(env, count, sizeof *names);
    if (!names) {
        return tq__nomem("json", err);
    }
    size_t i = 0;
    for (const tq__json *at = tq__json_first(object); at; at = tq__json_next(at)) {
        names[i++] = at->string;
    }
    qsort(names, count, sizeof *names, by_name);
    for (i = 1; i < count && rc == TQ_OK; i++) {
        if (strcmp(names[i - 1], names[i]) == 0) {
            rc = tq__fail(err, TQ_E_INVALID, "json", "a member name stands twice");
        }
    }
    tq__release(env, names);
    return rc;
}

/* Depth is bounded by the scan. */
static int check_unique(const struct tq_env *env, const tq__json *node, struct tq_error *err)
{
    TQ_TRY(check_names(env, node, err));
    for (const tq__json *at = tq__json_first(node); at; at = tq__json_next(at)) {
        if (at->child) {
            TQ_TRY(check_unique(env, at, err));
        }
    }
    return TQ_OK;
}

int tq__json_parse(const struct tq_env *env, const char *text, size_t bytes,
                   const struct tq__json_limits *limits, tq__json **out_root, struct tq_error *err)
{
    struct tq__json_limits use = limits ? *limits : (struct tq__json_limits){0, 0, 0};
    size_t bytes_max = use.bytes_max ? use.bytes_max : TQ__JSON_BYTES_MAX;
    if (bytes > bytes_max) {
        return tq__fail(err, TQ_E_LIMIT, "json", "longer than %zu bytes", bytes_max);
    }
    struct tq__buf copy = TQ__BUF(env);
    struct scan scan = {
        text, text + bytes, 0, use.depth_max ? use.depth_max : TQ__JSON_DEPTH_MAX, &copy, 0};
    int rc = scan_all(&scan, err);
    cJSON *root = NULL;
    if (rc == TQ_OK) {
        root = copy.bytes ? cJSON_ParseWithLengthOpts(copy.data, copy.bytes + 1, NULL, 1) : NULL;
        rc = root ? TQ_OK : tq__fail(err, TQ_E_INVALID, "json", "not a JSON document");
    }
    if (rc == TQ_OK && (use.flags & TQ__JSON_UNIQUE)) {
        rc = check_unique(env, root, err);
    }
    tq__buf_done(&copy);
    if (rc < 0) {
        cJSON_Delete(root);
        return rc;
    }
    *out_root = root;
    return TQ_OK;
}

void tq__json_free(tq__json *root)
{
    cJSON_Delete(root);
}

int tq__json_is_object(const tq__json *node)
{
    return cJSON_IsObject(node);
}

int tq__json_is_array(const tq__json *node)
{
    return cJSON_IsArray(node);
}

size_t tq__json_count(const tq__json *node)
{
    return node ? (size_t)cJSON_GetArraySize(node) : 0;
}

const tq__json *tq__json_first(const tq__json *node)
{
    return node ? node->child : NULL;
}

const tq__json *tq__json_next(const tq__json *node)
{
    return node ? node->next : NULL;
}

const char *tq__json_name(const tq__json *node)
{
    return node ? node->string : NULL;
}

const tq__json *tq__json_member(const tq__json *object, const char *name)
{
    return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;
}

static int is_wide(const tq__json *node)
{
    return cJSON_IsString(node) && node->valuestring[0] == WIDE_MARK;
}

const char *tq__json_string(const tq__json *node)
{
    return cJSON_IsString(node) && !is_wide(node) ? node->valuestring : NULL;
}

int tq__json_int64(const tq__json *node, int64_t *out_integer)
{
    if (is_wide(node)) {
        char *end;
        errno = 0;
        long long value = strtoll(node->valuestring + 1, &end, 10);
        if (errno || *end) {
            return 0;
        }
        *out_integer = value;
        return 1;
    }
    if (!cJSON_IsNumber(node) || floor(node->valuedouble) != node->valuedouble ||
        fabs(node->valuedouble) > 9007199254740992.0) {
        return 0;
    }
    *out_integer = (int64_t)node->valuedouble;
    return 1;
}

int tq__json_double(const tq__json *node, double *out_number)
{
    int64_t wide;
    if (is_wide(node) && tq__json_int64(node, &wide)) {
        *out_number = (double)wide;
        return 1;
    }
    if (!cJSON_IsNumber(node) || !isfinite(node->valuedouble)) {
        return 0;
    }
    *out_number = node->valuedouble;
    return 1;
}

int tq__json_bool(const tq__json *node, int *out_bool)
{
    if (!cJSON_IsBool(node)) {
        return 0;
    }
    *out_bool = cJSON_IsTrue(node);
    return 1;
}

int tq__json_is_null(const tq__json *node)
{
    return cJSON_IsNull(node);
}

static void put_escaped(struct tq__buf *buf, const char *value, size_t bytes)
{
    size_t done = 0;
    tq__buf_add(buf, "\"", 1);
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)value[i];
        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        tq__buf_add(buf, value + done, i - done);
        done = i + 1;
        if (c == '"' || c == '\\') {
            char pair[2] = {'\\', (char)c};
            tq__buf_add(buf, pair, 2);
        } else {
            tq__buf_format(buf, "\\u%04x", c);
        }
    }
    tq__buf_add(buf, value + done, bytes - done);
    tq__buf_add(buf, "\"", 1);
}

static void put_name(struct tq__buf *buf, const char *name)
{
    char last = buf->bytes ? buf->data[buf->bytes - 1] : '{';
    if (last != '{' && last != '[' && last != ':') {
        tq__buf_add(buf, ",", 1);
    }
    if (name) {
        put_escaped(buf, name, strlen(name));
        tq__buf_add(buf, ":", 1);
    }
}

void tq__put_object(struct tq__buf *buf, const char *name)
{
    put_name(buf, name);
    tq__buf_add(buf, "{", 1);
}

void tq__put_object_end(struct tq__buf *buf)
{
    tq__buf_add(buf, "}", 1);
}

void tq__put_array(struct tq__buf *buf, const char *name)
{
    put_name(buf, name);
    tq__buf_add(buf, "[", 1);
}

void tq__put_array_end(struct tq__buf *buf)
{
    tq__buf_add(buf, "]", 1);
}

void tq__put_string(struct tq__buf *buf, const char *name, const char *value)
{
    if (value) {
        tq__put_string_of(buf, name, value, strlen(value));
    } else {
        tq__put_null(buf, name);
    }
}

void tq__put_string_of(struct tq__buf *buf, const char *name, const char *value, size_t bytes)
{
    put_name(buf, name);
    put_escaped(buf, value, bytes);
}

void tq__put_int(struct tq__buf *buf, const char *name, int64_t value)
{
    put_name(buf, name);
    tq__buf_format(buf, "%lld", (long long)value);
}

void tq__put_double(struct tq__buf *buf, const char *name, double value)
{
    put_name(buf, name);
    tq__buf_format(buf, "%.9g", isfinite(value) ? value : 0.0);
}

void tq__put_bool(struct tq__buf *buf, const char *name, int value)
{
    put_name(buf, name);
    tq__buf_text(buf, value ? "true" : "false");
}

void tq__put_null(struct tq__buf *buf, const char *name)
{
    put_name(buf, name);
    tq__buf_text(buf, "null");
}

void tq__put_raw(struct tq__buf *buf, const char *name, const char *json, size_t bytes)
{
    put_name(buf, name);
    tq__buf_add(buf, json, bytes);
}
