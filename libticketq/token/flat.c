/* SPDX-License-Identifier: MIT */
/*
 * Reads flat JSON objects where they lie, without memory of its own: a token is
 * checked for every request, and its secret or its claims shall leave no copies.
 *
 * It takes a part of JSON in which one meaning has one spelling. Names and
 * strings are printable ASCII without escapes, numbers are whole, not negative
 * and at most 2^53 - 1, values are never arrays or objects, a name stands once.
 * What else is JSON is malformed here; nothing that is not JSON is accepted.
 * Cost: linear, and quadratic in the number of members, of which there are at
 * most TQ__FLAT_MEMBERS_MAX. Documents of any other shape: core/json.h.
 * Threads: [pure].
 */
#include "token/flat.h"

#include <string.h>

#include "core/bytes.h"

void tq__flat_init(struct tq__flat *flat, const char *text, size_t bytes)
{
    flat->at = text;
    flat->end = text + bytes;
    flat->count = 0;
    flat->seen = 0;
}

static void skip_space(struct tq__flat *flat)
{
    while (flat->at < flat->end &&
           (*flat->at == ' ' || *flat->at == '\t' || *flat->at == '\n' || *flat->at == '\r')) {
        flat->at++;
    }
}

int tq__flat_skip(struct tq__flat *flat, char byte)
{
    skip_space(flat);
    if (flat->at == flat->end || *flat->at != byte) {
        return 0;
    }
    flat->at++;
    return 1;
}

int tq__flat_is_done(struct tq__flat *flat)
{
    skip_space(flat);
    return flat->at == flat->end;
}

static int read_string(struct tq__flat *flat, struct tq__flat_text *out_text)
{
    if (!tq__flat_skip(flat, '"')) {
        return -1;
    }
    const char *start = flat->at, *end = flat->end, *at = start;
    while (at < end && tq__is_id_byte(*at)) { /* all of it, mostly */
        at++;
    }
    while (at < end && *at >= 0x20 && *at <= 0x7e && *at != '"' && *at != '\\') {
        at++;
    }
    flat->at = at;
    *out_text = (struct tq__flat_text){start, (size_t)(at - start)};
    return at < end && *at == '"' ? (flat->at++, 0) : -1;
}

int tq__flat_skip_name(struct tq__flat *flat, const char *name)
{
    struct tq__flat_text text;
    return read_string(flat, &text) == 0 && tq__flat_equal(text, name);
}

static int is_digit(const struct tq__flat *flat)
{
    return flat->at < flat->end && *flat->at >= '0' && *flat->at <= '9';
}

static int read_number(struct tq__flat *flat, int64_t *out_number)
{
    int64_t number = *flat->at++ - '0';
    if (number == 0 && is_digit(flat)) {
        return -1;
    }
    for (; is_digit(flat); flat->at++) {
        number = number * 10 + (*flat->at - '0');
        if (number > TQ__FLAT_NUMBER_MAX) {
            return -1;
        }
    }
    *out_number = number;
    return 0;
}

static int read_word(struct tq__flat *flat, struct tq__flat_text *out_text)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t bytes = strlen(words[i]);
        if ((size_t)(flat->end - flat->at) >= bytes && memcmp(flat->at, words[i], bytes) == 0) {
            *out_text = (struct tq__flat_text){flat->at, bytes};
            flat->at += bytes;
            return 0;
        }
    }
    return -1;
}

static int read_value(struct tq__flat *flat, struct tq__flat_member *out)
{
    skip_space(flat);
    if (is_digit(flat)) {
        out->kind = TQ__FLAT_NUMBER;
        return read_number(flat, &out->number);
    }
    if (flat->at < flat->end && *flat->at == '"') {
        out->kind = TQ__FLAT_STRING;
        return read_string(flat, &out->text);
    }
    out->kind = TQ__FLAT_WORD;
    return read_word(flat, &out->text);
}

static uint64_t bit_of(struct tq__flat_text name)
{
    return name.bytes ? 1ull << ((name.at[0] + 3 * name.at[name.bytes - 1]) & 63) : 1;
}

/* Notes a name; -1 when it stood before or there are too many. */
static int note_name(struct tq__flat *flat, struct tq__flat_text name)
{
    if (flat->count == TQ__FLAT_MEMBERS_MAX) {
        return -1;
    }
    const uint64_t bit = bit_of(name);
    for (size_t i = 0; (flat->seen & bit) && i < flat->count; i++) {
        if (flat->names[i].bytes == name.bytes &&
            memcmp(flat->names[i].at, name.at, name.bytes) == 0) {
            return -1;
        }
    }
    flat->seen |= bit;
    flat->names[flat->count++] = name;
    return 0;
}

int tq__flat_next(struct tq__flat *flat, struct tq__flat_member *out_member)
{
    if (tq__flat_skip(flat, '}')) {
        return 0;
    }
    if (flat->count > 0 && !tq__flat_skip(flat, ',')) {
        return -1;
    }
    if (read_string(flat, &out_member->name) || note_name(flat, out_member->name) ||
        !tq__flat_skip(flat, ':') || read_value(flat, out_member)) {
        return -1;
    }
    return 1;
}

int tq__flat_copy(char *target, size_t room, struct tq__flat_text text)
{
    return tq__text_copy(target, room, text.at, text.bytes) == 0;
}
