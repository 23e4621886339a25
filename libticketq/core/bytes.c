/* SPDX-License-Identifier: MIT */
/*
 * Growable buffers, identifiers and the text forms of bytes.
 *
 * A buffer remembers a failed append, so that a writer can append a whole
 * document and check once. Decoding is strict: one text per value, or a signed
 * token could be changed without its signature noticing. Threads: [pure].
 */
#include "core/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/env.h"
#include "core/error.h"

void tq__buf_done(struct tq__buf *buf)
{
    tq__release(buf->env, buf->data);
    buf->data = NULL;
    buf->bytes = buf->room = 0;
}

void tq__buf_clear(struct tq__buf *buf)
{
    buf->bytes = 0;
    buf->is_failed = 0;
    if (buf->data) {
        buf->data[0] = '\0';
    }
}

static int grow(struct tq__buf *buf, size_t more)
{
    size_t room = buf->room ? buf->room : 64;
    while (room - buf->bytes <= more) {
        if (room > SIZE_MAX / 2) {
            return -1;
        }
        room *= 2;
    }
    if (room == buf->room) {
        return 0;
    }
    char *data = tq__resize(buf->env, buf->data, room, 1);
    if (!data) {
        return -1;
    }
    buf->data = data;
    buf->room = room;
    return 0;
}

void tq__buf_add(struct tq__buf *buf, const void *data, size_t bytes)
{
    if (buf->is_failed || grow(buf, bytes)) {
        buf->is_failed = 1;
        return;
    }
    if (bytes) {
        memcpy(buf->data + buf->bytes, data, bytes);
    }
    buf->bytes += bytes;
    buf->data[buf->bytes] = '\0';
}

void tq__buf_text(struct tq__buf *buf, const char *text)
{
    tq__buf_add(buf, text, strlen(text));
}

void tq__buf_format(struct tq__buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int bytes = vsnprintf(NULL, 0, format, args);
    if (bytes < 0 || buf->is_failed || grow(buf, (size_t)bytes)) {
        buf->is_failed = 1;
    } else {
        vsnprintf(buf->data + buf->bytes, (size_t)bytes + 1, format, again);
        buf->bytes += (size_t)bytes;
    }
    va_end(again);
    va_end(args);
}

int tq__buf_check(const struct tq__buf *buf, const char *origin, struct tq_error *err)
{
    return buf->is_failed ? tq__nomem(origin, err) : TQ_OK;
}

/* The length of the well-formed character at `at`, 0 if it is none; a NUL ends it everywhere. */
static size_t utf8_bytes(const unsigned char *at)
{
    size_t count = at[0] < 0x80 ? 1 : (at[0] & 0xe0) == 0xc0 ? 2 : (at[0] & 0xf0) == 0xe0 ? 3 : 4;
    uint32_t code = count == 1 ? at[0] : at[0] & (0x7fu >> count);
    for (size_t i = 1; i < count; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (at[i] & 0x3f);
    }
    static const uint32_t first[] = {0, 0, 0x80, 0x800, 0x10000};
    int is_surrogate = code >= 0xd800 && code <= 0xdfff;
    int is_lead = at[0] < 0x80 || (at[0] >= 0xc2 && at[0] <= 0xf4);
    return is_lead && code >= first[count] && code <= 0x10ffff && !is_surrogate ? count : 0;
}

int tq__text_is_valid(const char *text, size_t bytes_max)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t bytes = 0;
    while (text && at[bytes]) {
        size_t count = utf8_bytes(at + bytes);
        int is_control =
            at[bytes] < 0x20 || at[bytes] == 0x7f || (at[bytes] == 0xc2 && at[bytes + 1] < 0xa0);
        if (count == 0 || is_control || bytes + count > bytes_max) {
            return 0;
        }
        bytes += count;
    }
    return bytes > 0;
}

int tq__text_copy(char *target, size_t room, const char *text, size_t bytes)
{
    if (bytes >= room) {
        return -1;
    }
    memcpy(target, text, bytes);
    target[bytes] = '\0';
    return 0;
}

int64_t tq__text_number(const char *text, size_t bytes, int64_t max)
{
    int64_t number = 0;
    for (size_t i = 0; i < bytes; i++) {
        int digit = text[i] - '0';
        if (digit < 0 || digit > 9 || number > max / 10 || number * 10 > max - digit) {
            return -1;
        }
        number = number * 10 + digit;
    }
    return bytes ? number : -1;
}

uint32_t tq__hash(const char *text)
{
    uint32_t hash = 2166136261u;
    for (; *text; text++) {
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    }
    return hash;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t tq__base64url_encode(char *target, const void *bytes, size_t count)
{
    const unsigned char *in = bytes;
    char *out = target;
    for (size_t i = 0; i < count; i += 3) {
        uint32_t word = (uint32_t)in[i] << 16;
        word |= i + 1 < count ? (uint32_t)in[i + 1] << 8 : 0;
        word |= i + 2 < count ? (uint32_t)in[i + 2] : 0;
        *out++ = alphabet[word >> 18];
        *out++ = alphabet[word >> 12 & 63];
        if (i + 1 < count) {
            *out++ = alphabet[word >> 6 & 63];
        }
        if (i + 2 < count) {
            *out++ = alphabet[word & 63];
        }
    }
    *out = '\0';
    return (size_t)(out - target);
}

#define NONE_16 -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1

/* clang-format off */
const signed char tq__base64url_values[256] = {
    NONE_16, NONE_16,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 62, -1, -1,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, -1, -1, -1, -1, -1, -1,
    -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, -1, -1, -1, -1, 63,
    -1, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, -1, -1, -1, -1, -1,
    NONE_16, NONE_16, NONE_16, NONE_16, NONE_16, NONE_16, NONE_16, NONE_16,
};
/* clang-format on */

int tq__id_is_valid(const char *id)
{
    size_t bytes = 0;
    if (!id) {
        return 0;
    }
    for (; id[bytes]; bytes++) {
        if (bytes == TQ_ID_MAX || !tq__is_id_byte(id[bytes])) {
            return 0;
        }
    }
    return bytes > 0;
}

int tq__id_check(const char *id, const char *field, const char *origin, struct tq_error *err)
{
    if (!tq__id_is_valid(id)) {
        return tq__fail(err, TQ_E_INVALID, origin, "%s must match [A-Za-z0-9_-]{1,%d}", field,
                        TQ_ID_MAX);
    }
    return TQ_OK;
}

void tq__id_copy(char target[TQ_ID_SIZE], const char *id)
{
    size_t bytes = strnlen(id, TQ_ID_MAX);
    memcpy(target, id, bytes);
    target[bytes] = '\0';
}

/* The value of four letters, most significant first; -1 when one is not in the alphabet. */
static int32_t decode_four(const char *text)
{
    int32_t a = tq__base64url_values[(unsigned char)text[0]];
    int32_t b = tq__base64url_values[(unsigned char)text[1]];
    int32_t c = tq__base64url_values[(unsigned char)text[2]];
    int32_t d = tq__base64url_values[(unsigned char)text[3]];
    return (a | b | c | d) < 0 ? -1 : a << 18 | b << 12 | c << 6 | d;
}

/* The two or three letters behind the last four: filled up with A, which is zero. */
static int32_t decode_rest(const char *text, size_t count)
{
    char four[4] = {'A', 'A', 'A', 'A'};
    memcpy(four, text, count);
    int32_t word = decode_four(four);
    int32_t stray = count == 2 ? 0xffff : 0xff;
    return word >= 0 && !(word & stray) ? word : -1;
}

long tq__base64url_decode(unsigned char *target, size_t room, const char *text, size_t count)
{
    size_t rest = count % 4, whole = count - rest, bytes = count / 4 * 3 + rest - (rest > 0);
    unsigned char *out = target;
    if (rest == 1 || bytes > room) {
        return -1;
    }
    for (size_t i = 0; i < whole; i += 4) {
        int32_t word = decode_four(text + i);
        if (word < 0) {
            return -1;
        }
        *out++ = (unsigned char)(word >> 16);
        *out++ = (unsigned char)(word >> 8);
        *out++ = (unsigned char)word;
    }
    int32_t last = rest ? decode_rest(text + whole, rest) : 0;
    if (last < 0) {
        return -1;
    }
    for (size_t i = 1; i < rest; i++) {
        *out++ = (unsigned char)(last >> (24 - 8 * i));
    }
    return (long)bytes;
}

void tq__uuid7_of(int64_t now_ms, const unsigned char chance[TQ__UUID7_CHANCE], char target[37])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char bytes[16];
    memcpy(bytes + 6, chance, TQ__UUID7_CHANCE);
    for (int i = 0; i < 6; i++) {
        bytes[i] = (unsigned char)(now_ms >> (40 - 8 * i));
    }
    bytes[6] = (unsigned char)(0x70 | (bytes[6] & 0x0f));
    bytes[8] = (unsigned char)(0x80 | (bytes[8] & 0x3f));
    char *out = target;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *out++ = '-';
        }
        *out++ = hex[bytes[i] >> 4];
        *out++ = hex[bytes[i] & 15];
    }
    *out = '\0';
}

int tq__uuid7(const struct tq_env *env, int64_t now_ms, char target[37], struct tq_error *err)
{
    unsigned char chance[TQ__UUID7_CHANCE];
    TQ_TRY(tq__random(env, chance, sizeof chance, err));
    tq__uuid7_of(now_ms, chance, target);
    return TQ_OK;
}

int64_t tq__uuid7_ms(const char *id)
{
    int64_t ms = 0;
    if (strlen(id) != 36 || id[8] != '-' || id[14] != '7') {
        return -1;
    }
    for (size_t i = 0; i < 13; i++) {
        int digit = id[i] >= 'a' ? id[i] - 'a' + 10 : id[i] - '0';
        if (i != 8 && (digit < 0 || digit > 15)) {
            return -1;
        }
        ms = i == 8 ? ms : ms << 4 | digit;
    }
    return ms;
}
