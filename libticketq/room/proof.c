/* SPDX-License-Identifier: MIT */
/*
 * The tokens of a room. Both are bound to visitor (`sub`) and room (`aud`) and
 * say number (`seq`) and epoch (`epo`).
 *
 *     place  good for a day from each answer; brings back a number in line
 *     pass   ends with the lease of the slot; a gateway checks it alone
 *
 * Whether an epoch is over and a number spent is the driver's to say, in the step
 * that lets somebody in. Threads: [any].
 */
#include "room/proof.h"

#include <string.h>

#include "core/args.h"
#include "core/bytes.h"
#include "core/error.h"

#define PLACE_LIFE_MS 86400000

static const struct {
    uint32_t purpose;
    uint32_t visit;
} kinds[] = {
    {TQ_PURPOSE_PLACE, TQ_VISIT_WAITING},
    {TQ_PURPOSE_PASS, TQ_VISIT_ADMITTED},
};

static int verify(tq_keys *keys, const char *room, const struct tq_visitor *visitor,
                  struct tq_claims *claims, uint32_t *out_visit, struct tq_error *err)
{
    size_t bytes = strnlen(visitor->token, TQ_TOKEN_SIZE);
    int rc = TQ_REFUSED;
    for (size_t i = 0; keys && rc == TQ_REFUSED && i < sizeof kinds / sizeof *kinds; i++) {
        rc = tq_token_verify(keys, kinds[i].purpose, room, visitor->token, bytes, claims, err);
        *out_visit = kinds[i].visit;
    }
    int is_theirs = rc >= 0 && rc != TQ_REFUSED && strcmp(claims->subject, visitor->id) == 0 &&
                    claims->sequence >= 1 && claims->sequence <= TQ_ROOM_SEQUENCE_MAX;
    return rc < 0 || is_theirs ? rc : TQ_REFUSED;
}

int tq__proof_read(tq_keys *keys, const char *room, const struct tq_visitor *visitor,
                   struct tq_room_arrival *out_arrival, struct tq_error *err)
{
    struct tq_claims claims = TQ_INIT(tq_claims);
    uint32_t visit = TQ_VISIT_WAITING;
    *out_arrival = (struct tq_room_arrival){.id = visitor->id};
    if (!visitor->token || !visitor->token[0]) {
        return TQ_OK;
    }
    int rc = verify(keys, room, visitor, &claims, &visit, err);
    if (rc == TQ_OK || rc == TQ_REFUSED) {
        out_arrival->visit = visit;
    }
    if (rc == TQ_OK) {
        out_arrival->sequence = claims.sequence;
        out_arrival->epoch = claims.epoch;
    }
    return rc < 0 ? rc : TQ_OK;
}

int tq__proof_sign(tq_keys *keys, const char *room, const char *visitor,
                   const struct tq_room_view *view, const struct tq_room_spot *spot,
                   struct tq_place *out_place, struct tq_error *err)
{
    struct tq_claims claims = {
        .size = sizeof claims,
        .issued_ms = view->state.now_ms,
        .expires_ms = view->state.now_ms + PLACE_LIFE_MS,
        .sequence = spot->sequence,
        .epoch = view->state.epoch,
    };
    tq__id_copy(claims.subject, visitor);
    tq__id_copy(claims.audience, room);
    TQ_TRY(tq_token_sign(keys, TQ_PURPOSE_PLACE, &claims, out_place->token, err));
    if (spot->visit != TQ_VISIT_ADMITTED) {
        return TQ_OK;
    }
    claims.expires_ms = spot->expires_ms;
    return tq_token_sign(keys, TQ_PURPOSE_PASS, &claims, out_place->pass, err);
}

int tq_pass_check(tq_keys *keys, const char *room, int64_t min_epoch, const char *token,
                  size_t bytes, struct tq_claims *out_claims, struct tq_error *err)
{
    TQ_TRY(TQ__REQUIRE("room", err, room));
    int rc = tq_token_verify(keys, TQ_PURPOSE_PASS, room, token, bytes, out_claims, err);
    return rc == TQ_OK && out_claims->epoch < min_epoch ? TQ_STALE : rc;
}
