/* SPDX-License-Identifier: MIT */
/*
 * Claims as JSON text, in both directions.
 */
#ifndef TQ_TOKEN_CLAIMS_H
#define TQ_TOKEN_CLAIMS_H

#include <ticketq/token.h>

/* Longest text of claims that is written: five ids, four numbers, their names. */
#define TQ__CLAIMS_MAX 512

/* TQ_OK or TQ_E_INVALID naming the claim that is missing or malformed. */
int tq__claims_check(const struct tq_claims *claims, struct tq_error *err);
/* Writes checked claims and returns the length; no NUL. */
size_t tq__claims_write(char target[TQ__CLAIMS_MAX], const struct tq_claims *claims);
/*
 * Reads claims that may come from anywhere: 1, or 0 when they are malformed or
 * one is missing. `nbf` goes to `out_not_before_ms`, 0 when it is not there.
 */
int tq__claims_read(struct tq_claims *out_claims, int64_t *out_not_before_ms, const char *text,
                    size_t bytes);

#endif
