/* SPDX-License-Identifier: MIT */
/*
 * Small flat JSON objects, read in place: headers and claims of tokens, keys.
 */
#ifndef TQ_TOKEN_FLAT_H
#define TQ_TOKEN_FLAT_H

#include <stddef.h>
#include <stdint.h>

/* Most members of one object. */
#define TQ__FLAT_MEMBERS_MAX 16
/* Largest number: what every JSON reader keeps exactly (2^53 - 1). */
#define TQ__FLAT_NUMBER_MAX 9007199254740991
/* Largest date in seconds: the end of the year 9999. */
#define TQ__FLAT_DATE_MAX 253402300799

/* A piece of the text that is read; does not end in NUL. */
struct tq__flat_text {
    const char *at;
    size_t bytes;
};

enum tq__flat_kind { TQ__FLAT_STRING, TQ__FLAT_NUMBER, TQ__FLAT_WORD };

struct tq__flat_member {
    struct tq__flat_text name;
    enum tq__flat_kind kind;
    struct tq__flat_text text; /* of a string: between the quotes */
    int64_t number;
};

struct tq__flat {
    const char *at;
    const char *end;
    size_t count;
    uint64_t seen; /* a bit for each name that is noted; several names may share one */
    struct tq__flat_text names[TQ__FLAT_MEMBERS_MAX];
};

void tq__flat_init(struct tq__flat *flat, const char *text, size_t bytes);
/* Passes over white space and then exactly this byte: 1, or 0 and does not move. */
int tq__flat_skip(struct tq__flat *flat, char byte);
/* Passes over white space and then exactly this string with its quotes. */
int tq__flat_skip_name(struct tq__flat *flat, const char *name);
/* 1 when nothing but white space is left. */
int tq__flat_is_done(struct tq__flat *flat);
/* After the opening brace: 1 and a member, 0 behind the closing brace, -1 malformed. */
int tq__flat_next(struct tq__flat *flat, struct tq__flat_member *out_member);

/* In place, because most words differ in their first byte; a NUL is in no text. */
static inline int tq__flat_equal(struct tq__flat_text text, const char *word)
{
    size_t i = 0;
    while (i < text.bytes && text.at[i] == word[i]) {
        i++;
    }
    return i == text.bytes && word[i] == '\0';
}

/* Copies into `target` of `room` bytes with a NUL; 0 when it is too long. */
int tq__flat_copy(char *target, size_t room, struct tq__flat_text text);

#endif
