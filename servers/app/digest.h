/* SPDX-License-Identifier: MIT */
/*
 * A digest as text, for what is to be the same for the same bytes: tags of pages, keys of
 * repeated requests.
 */
#ifndef TICKETQ_APP_DIGEST_H
#define TICKETQ_APP_DIGEST_H

#include <ticketq/status.h>

#define APP_DIGEST_MAX 32 /* all of it */
/* Of the text of so many bytes, with its NUL. */
#define APP_DIGEST_SIZE(bytes) (((bytes)*4 + 2) / 3 + 1)

/* base64url of the first `kept` bytes of the SHA-256. */
int app_digest(const void *data, size_t bytes, size_t kept, char *target, struct tq_error *err);

#endif
