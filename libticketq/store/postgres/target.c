/* SPDX-License-Identifier: MIT */
/*
 * The URL of a PostgreSQL store.
 *
 *     postgres://[user[:password]@][host][:port]/database[?option=value&...]
 *
 * What each option means stands in ticketq/store.h.
 *
 * The store has decoded the part before the `?` as a whole; so a password may contain
 * anything (the last `@` ends it), a user everything but a colon. An IPv6 address stands in
 * brackets. Several hosts are refused: libpq would give readers the first that answers, which may
 * be a standby that lacks what was just written, and would go no further at one that says nothing.
 * Without a password libpq looks where it always does (a password file). Threads: [pure].
 */
#include "store/postgres/postgres.h"

#include <string.h>

#include "core/url.h"

#define PORT_DEFAULT "5432"
#define WAIT_MAX_MS 600000

static const struct tq__url_option options[] = {
    TQ__URL_NUMBER("prepared", struct postgres_target, is_prepared, 0, 1, 1),
    TQ__URL_NUMBER("listen", struct postgres_target, is_listening, 0, 1, 1),
    TQ__URL_NUMBER("create", struct postgres_target, is_creating, 0, 1, 1),
    TQ__URL_NUMBER("connect_ms", struct postgres_target, connect_ms, 1, WAIT_MAX_MS, 3000),
    TQ__URL_NUMBER("timeout_ms", struct postgres_target, timeout_ms, 1, WAIT_MAX_MS, 30000),
    TQ__URL_NUMBER("idle_ms", struct postgres_target, idle_ms, 1, WAIT_MAX_MS, 30000),
    TQ__URL_NUMBER("wait_ms", struct postgres_target, wait_ms, 0, WAIT_MAX_MS, 1000),
    TQ__URL_TEXT("schema", struct postgres_target, schema),
    TQ__URL_TEXT("host", struct postgres_target, host),
    TQ__URL_TEXT("sslmode", struct postgres_target, sslmode),
    TQ__URL_TEXT("sslrootcert", struct postgres_target, sslrootcert),
    {.name = NULL},
};

static int malformed(struct tq_error *err)
{
    return tq__fail(err, TQ_E_INVALID, "store.postgres",
                    "the URL is postgres://[user[:password]@][host][:port]/database");
}

static int read_port(char target[8], const char *text, size_t bytes)
{
    return bytes > 5 || tq__text_number(text, bytes, 65535) < 1
               ? -1
               : tq__text_copy(target, 8, text, bytes);
}

static int read_login(struct postgres_target *target, const char *text, size_t bytes)
{
    const char *colon = memchr(text, ':', bytes);
    size_t user_bytes = colon ? (size_t)(colon - text) : bytes;
    if (tq__text_copy(target->user, sizeof target->user, text, user_bytes)) {
        return -1;
    }
    return colon ? tq__text_copy(target->password, sizeof target->password, colon + 1,
                                 bytes - user_bytes - 1)
                 : 0;
}

static int read_address(struct postgres_target *target, const char *text, size_t bytes)
{
    const char *end = text + bytes, *host_end = end, *colon;
    if (bytes && text[0] == '[') {
        host_end = memchr(text, ']', bytes);
        if (!host_end || tq__text_copy(target->host, sizeof target->host, text + 1,
                                       (size_t)(host_end - text - 1))) {
            return -1;
        }
        colon = host_end + 1 < end ? host_end + 1 : NULL;
        if (colon && *colon != ':') {
            return -1;
        }
    } else {
        colon = memchr(text, ':', bytes);
        host_end = colon ? colon : end;
        if (tq__text_copy(target->host, sizeof target->host, text, (size_t)(host_end - text))) {
            return -1;
        }
    }
    return colon ? read_port(target->port, colon + 1, (size_t)(end - colon - 1)) : 0;
}

static int read_path(struct postgres_target *target, const char *path)
{
    if (strncmp(path, "//", 2) != 0) {
        return -1;
    }
    const char *at = strrchr(path, '@');
    const char *address = at ? at + 1 : path + 2;
    const char *slash = strchr(address, '/');
    if (!slash || !slash[1] || strchr(slash + 1, '/') ||
        tq__text_copy(target->database, sizeof target->database, slash + 1, strlen(slash + 1))) {
        return -1;
    }
    if (at && read_login(target, path + 2, (size_t)(at - path - 2))) {
        return -1;
    }
    return read_address(target, address, (size_t)(slash - address));
}

/* What libpq would only say when it is to connect, as if the server were away, or would take. */
static int check(const struct postgres_target *target, struct tq_error *err)
{
    static const char *const modes[] = {"disable", "allow",     "prefer",
                                        "require", "verify-ca", "verify-full"};
    size_t i = 0;
    while (i < sizeof modes / sizeof *modes && strcmp(target->sslmode, modes[i]) != 0) {
        i++;
    }
    if (i == sizeof modes / sizeof *modes) {
        return tq__fail(err, TQ_E_INVALID, "store.postgres", "there is no sslmode \"%s\"",
                        target->sslmode);
    }
    if (strchr(target->host, ',')) {
        return tq__fail(err, TQ_E_INVALID, "store.postgres",
                        "one host: an address or a proxy that follows who takes writes");
    }
    return tq__id_check(target->schema, "schema", "store.postgres", err);
}

int tq__postgres_target_read(struct postgres_target *out_target, const char *path,
                             const char *query, struct tq_error *err)
{
    *out_target =
        (struct postgres_target){.port = PORT_DEFAULT, .schema = "public", .sslmode = "prefer"};
    if (read_path(out_target, path)) {
        return malformed(err);
    }
    TQ_TRY(tq__url_names_check(query, options, NULL, "store.postgres", err));
    TQ_TRY(tq__url_options_read(query, options, out_target, err));
    return check(out_target, err);
}
