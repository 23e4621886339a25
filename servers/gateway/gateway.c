/* SPDX-License-Identifier: MIT */
/*
 * What a token is worth, decided from the token alone.
 *
 *     access token   Authorization: Bearer, for the audience "ticketq"
 *     pass           X-Queue-Token, for a room, of the same visitor, of its epoch
 *
 * A token that is not genuine is worth as much as none, and the caller cannot tell
 * the two apart. Nothing is asked for anywhere: no I/O. Threads: [any].
 */
#include "gateway/gateway.h"

#include <string.h>
#include <strings.h>

#include "app/access.h"
#include "core/bytes.h"

#define SCHEME "Bearer "

enum gateway_verdict gateway_check_access(struct gateway *gateway, const char *authorization,
                                          struct http_identity *identity)
{
    struct tq_claims claims = TQ_INIT(tq_claims);
    if (!authorization || strncasecmp(authorization, SCHEME, sizeof SCHEME - 1) != 0) {
        return GATEWAY_NO_ACCESS;
    }
    const char *token = authorization + sizeof SCHEME - 1;
    int rc = tq_token_verify(app_keys(gateway->app), TQ_PURPOSE_ACCESS, APP_AUDIENCE, token,
                             strlen(token), &claims, NULL);
    if (rc != TQ_OK) {
        return rc == TQ_EXPIRED ? GATEWAY_ACCESS_EXPIRED : GATEWAY_NO_ACCESS;
    }
    tq__id_copy(identity->subject, claims.subject);
    tq__id_copy(identity->role, claims.role);
    return GATEWAY_OK;
}

enum gateway_verdict gateway_check_pass(struct gateway *gateway, const char *pass,
                                        struct http_identity *identity)
{
    struct tq_claims claims = TQ_INIT(tq_claims);
    if (!pass) {
        return GATEWAY_NO_PASS;
    }
    int rc = tq_token_verify(app_keys(gateway->app), TQ_PURPOSE_PASS, NULL, pass, strlen(pass),
                             &claims, NULL);
    if (rc != TQ_OK) {
        return rc == TQ_EXPIRED ? GATEWAY_PASS_EXPIRED : GATEWAY_NO_PASS;
    }
    if (identity->subject[0] && strcmp(identity->subject, claims.subject) != 0) {
        return GATEWAY_PASS_OF_ANOTHER;
    }
    if (claims.epoch < gateway_epoch_of(&gateway->epochs, claims.audience)) {
        return GATEWAY_PASS_EXPIRED;
    }
    tq__id_copy(identity->subject, claims.subject);
    tq__id_copy(identity->scope, claims.audience);
    identity->scope_expires_ms = claims.expires_ms;
    return GATEWAY_OK;
}
