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

static int is_id_byte(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '-';
}

int tq__id_is_valid(const char *id)
{
    size_t bytes = 0;
    if (!id) {
        return 0;
    }
    for (; id[bytes]; bytes++) {
        if (bytes == TQ_ID_MAX || !is_id_byte(id[bytes])) {
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
        int is_control = at[bytes] < 0x20 || at[bytes] == 0x7f ||
                         (at[bytes] == 0xc2 && at[bytes + 1] < 0xa0);
        if (count == 0 || is_control || bytes + count > bytes_max) {
            return 0;
        }
        bytes += count;
    }
    return bytes > 0;
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

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

long tq__base64url_decode(unsigned char *target, size_t room, const char *text, size_t count)
{
    uint32_t word = 0;
    unsigned bits = 0;
    size_t bytes = 0;
    if (count % 4 == 1) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        int value = sextet(text[i]);
        if (value < 0) {
            return -1;
        }
        word = word << 6 | (uint32_t)value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            if (bytes == room) {
                return -1;
            }
            target[bytes++] = (unsigned char)(word >> bits);
            word &= (1u << bits) - 1;
        }
    }
    return word ? -1 : (long)bytes;
}

int tq__uuid7(const struct tq_env *env, int64_t now_ms, char target[37], struct tq_error *err)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char bytes[16];
    TQ_TRY(tq__random(env, bytes + 6, sizeof bytes - 6, err));
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
    return TQ_OK;
}
