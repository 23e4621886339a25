/* SPDX-License-Identifier: MIT */
/*
 * SHA-256 in base64url, shortened where a key or a tag has little room. It is no proof of who
 * wrote something: what it stands for is signed, or our own. Threads: [any].
 */
#include "app/digest.h"

#include <openssl/evp.h>

#include "core/bytes.h"
#include "core/error.h"

int app_digest(const void *data, size_t bytes, size_t kept, char *target, struct tq_error *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    if (!EVP_Digest(data, bytes, digest, NULL, EVP_sha256(), NULL)) {
        return tq__fail(err, TQ_E_INTERNAL, "app.digest", "there is no SHA-256");
    }
    tq__base64url_encode(target, digest, kept);
    return TQ_OK;
}
