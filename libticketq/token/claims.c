/* SPDX-License-Identifier: MIT */
/*
 * Claims as JSON text: one table says for each name where it is kept, what kind
 * it is and whether it must be there; writing and reading both walk it.
 *
 * Names and strings of the table are ids, so nothing needs an escape. Readers
 * of JWTs ignore claims that they do not know, as long as they are flat
 * (token/flat.c). Members usually come in the order of the table, so the search
 * begins behind the last one that was found. Threads: [pure].
 */
#include "token/claims.h"

#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/error.h"
#include "token/flat.h"

enum kind { ID, SECONDS_DOWN, SECONDS_UP, NUMBER, NOT_BEFORE };

static const struct claim {
    const char *name;
    enum kind kind;
    int is_required;
    size_t offset;
} table[] = {
    {"sub", ID, 1, offsetof(struct tq_claims, subject)},
    {"aud", ID, 1, offsetof(struct tq_claims, audience)},
    {"jti", ID, 0, offsetof(struct tq_claims, id)},
    {"sid", ID, 0, offsetof(struct tq_claims, session)},
    {"role", ID, 0, offsetof(struct tq_claims, role)},
    {"iat", SECONDS_DOWN, 1, offsetof(struct tq_claims, issued_ms)},
    {"exp", SECONDS_UP, 1, offsetof(struct tq_claims, expires_ms)},
    {"seq", NUMBER, 0, offsetof(struct tq_claims, sequence)},
    {"epo", NUMBER, 0, offsetof(struct tq_claims, epoch)},
    {"nbf", NOT_BEFORE, 0, 0},
};

#define TABLE_COUNT (sizeof table / sizeof *table)

static const char *id_of(const struct tq_claims *claims, const struct claim *claim)
{
    return (const char *)claims + claim->offset;
}

static int64_t number_of(const struct tq_claims *claims, const struct claim *claim)
{
    int64_t number;
    memcpy(&number, (const char *)claims + claim->offset, sizeof number);
    return number;
}

static void set_number(struct tq_claims *claims, const struct claim *claim, int64_t number)
{
    memcpy((char *)claims + claim->offset, &number, sizeof number);
}

static int is_good(const struct tq_claims *claims, const struct claim *claim)
{
    if (claim->kind == ID) {
        const char *id = id_of(claims, claim);
        return (id[0] == '\0' && !claim->is_required) || tq__id_is_valid(id);
    }
    if (claim->kind == NUMBER) {
        int64_t number = number_of(claims, claim);
        return number >= 0 && number <= TQ__FLAT_NUMBER_MAX;
    }
    if (claim->kind == SECONDS_DOWN || claim->kind == SECONDS_UP) {
        int64_t ms = number_of(claims, claim);
        return ms >= 1000 && ms <= TQ__FLAT_DATE_MAX * 1000;
    }
    return 1;
}

int tq__claims_check(const struct tq_claims *claims, struct tq_error *err)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (!is_good(claims, &table[i])) {
            return tq__fail(err, TQ_E_INVALID, "token", "the claim %s is missing or malformed",
                            table[i].name);
        }
    }
    return TQ_OK;
}

static char *put(char *at, const char *text)
{
    size_t bytes = strlen(text);
    memcpy(at, text, bytes);
    return at + bytes;
}

static char *put_number(char *at, int64_t number)
{
    char digits[20];
    size_t first = sizeof digits;
    do {
        digits[--first] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    memcpy(at, digits + first, sizeof digits - first);
    return at + sizeof digits - first;
}

static char *put_name(char *at, char separator, const char *name)
{
    *at++ = separator;
    *at++ = '"';
    at = put(at, name);
    return put(at, "\":");
}

static int is_absent(const struct tq_claims *claims, const struct claim *claim)
{
    switch (claim->kind) {
    case ID:
        return id_of(claims, claim)[0] == '\0';
    case NOT_BEFORE:
        return 1;
    default:
        return number_of(claims, claim) == 0;
    }
}

static char *put_value(char *at, const struct tq_claims *claims, const struct claim *claim)
{
    switch (claim->kind) {
    case ID:
        *at++ = '"';
        at = put(at, id_of(claims, claim));
        *at++ = '"';
        return at;
    case SECONDS_DOWN:
        return put_number(at, number_of(claims, claim) / 1000);
    case SECONDS_UP:
        return put_number(at, (number_of(claims, claim) + 999) / 1000);
    default:
        return put_number(at, number_of(claims, claim));
    }
}

size_t tq__claims_write(char target[TQ__CLAIMS_MAX], const struct tq_claims *claims)
{
    char *at = target;
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (!is_absent(claims, &table[i])) {
            at = put_name(at, at == target ? '{' : ',', table[i].name);
            at = put_value(at, claims, &table[i]);
        }
    }
    *at++ = '}';
    return (size_t)(at - target);
}

/* The entry of a name, searched from `start` on and around; NULL when it is not known. */
static const struct claim *find(struct tq__flat_text name, size_t start)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        const struct claim *claim = &table[(start + i) % TABLE_COUNT];
        if (tq__flat_equal(name, claim->name)) {
            return claim;
        }
    }
    return NULL;
}

static int read_id(struct tq_claims *out, const struct claim *claim,
                   const struct tq__flat_member *member)
{
    char *target = (char *)out + claim->offset;
    return member->kind == TQ__FLAT_STRING && tq__flat_copy(target, TQ_ID_SIZE, member->text) &&
           tq__id_is_valid(target);
}

static int read_claim(struct tq_claims *out, int64_t *out_not_before_ms, const struct claim *claim,
                      const struct tq__flat_member *member)
{
    if (claim->kind == ID) {
        return read_id(out, claim, member);
    }
    if (member->kind != TQ__FLAT_NUMBER) {
        return 0;
    }
    if (claim->kind == NUMBER) {
        set_number(out, claim, member->number);
        return 1;
    }
    if (member->number > TQ__FLAT_DATE_MAX) {
        return 0;
    }
    if (claim->kind == NOT_BEFORE) {
        *out_not_before_ms = member->number * 1000;
    } else {
        set_number(out, claim, member->number * 1000);
    }
    return 1;
}

static int has_required(const struct tq_claims *claims)
{
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (table[i].is_required && is_absent(claims, &table[i])) {
            return 0;
        }
    }
    return 1;
}

int tq__claims_read(struct tq_claims *out_claims, int64_t *out_not_before_ms, const char *text,
                    size_t bytes)
{
    struct tq__flat flat;
    struct tq__flat_member member;
    size_t start = 0;
    int rc;
    *out_claims = (struct tq_claims)TQ_INIT(tq_claims);
    *out_not_before_ms = 0;
    tq__flat_init(&flat, text, bytes);
    if (!tq__flat_skip(&flat, '{')) {
        return 0;
    }
    while ((rc = tq__flat_next(&flat, &member)) > 0) {
        const struct claim *claim = find(member.name, start);
        if (claim && !read_claim(out_claims, out_not_before_ms, claim, &member)) {
            return 0;
        }
        start = claim ? (size_t)(claim - table) + 1 : start;
    }
    return rc == 0 && tq__flat_is_done(&flat) && has_required(out_claims);
}
