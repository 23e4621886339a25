/* SPDX-License-Identifier: MIT */
/*
 * Accounts: who may sign in, and the access token that says so.
 *
 * An e-mail address is kept in one form: printable ASCII (which is its own NFC;
 * an internationalised domain comes in its xn-- form), in lower case as a whole.
 * That makes two addresses that differ only in case one account, on purpose.
 *
 * A login for an address that nobody has does the same work as one with a wrong
 * password, against a record that no password matches, and gets the same answer.
 * A record of another cost than today's is renewed after a login that succeeded.
 *
 * Both take a third of a second of a processor and tens of megabytes: callers run
 * in the hashing pool (routes.c), whose size bounds both. Threads: [any].
 */
#include "user/user.h"

#include <ctype.h>
#include <string.h>

#include <ticketq/ledger.h>

#include "app/access.h"
#include "core/bytes.h"
#include "core/env.h"
#include "core/error.h"
#include "user_sql.h"

#define LOCAL_MAX 64 /* before the @; RFC 5321 */

static int is_domain(const char *domain)
{
    size_t bytes = strlen(domain);
    return bytes > 0 && isalnum((unsigned char)domain[0]) && strchr(domain, '.') &&
           isalnum((unsigned char)domain[bytes - 1]) && !strstr(domain, "..") &&
           strspn(domain, "abcdefghijklmnopqrstuvwxyz0123456789.-") == bytes;
}

int user_email_canonical(const char *text, char target[USER_EMAIL_MAX + 1])
{
    const char *at = strchr(text, '@');
    size_t bytes = strlen(text);
    if (!at || at == text || at - text > LOCAL_MAX || bytes > USER_EMAIL_MAX) {
        return 0;
    }
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= 0x20 || c >= 0x7f || strchr("\"(),:;<>[\\]", c)) {
            return 0;
        }
        target[i] = (char)tolower(c);
    }
    target[bytes] = '\0';
    return is_domain(target + (at - text) + 1);
}

static int keep_user(void *arg, const struct tq_value *columns, size_t columns_count)
{
    struct user *user = arg;
    char *const fields[] = {user->id, user->email, user->name, user->password, user->role};
    const size_t rooms[] = {sizeof user->id, sizeof user->email, sizeof user->name,
                            sizeof user->password, sizeof user->role};
    (void)columns_count;
    for (size_t i = 0; i < 5; i++) {
        if (columns[i].bytes >= rooms[i]) {
            return TQ_E_CORRUPT;
        }
        memcpy(fields[i], columns[i].data, columns[i].bytes);
        fields[i][columns[i].bytes] = '\0';
    }
    user->created_ms = columns[5].integer;
    return TQ_OK;
}

struct search {
    const char *sql;
    const char *key;
    struct user *user;
};

static int search(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct search *what = arg;
    const struct tq_value key = tq_text(what->key);
    what->user->id[0] = '\0';
    TQ_TRY(tq_tx_exec(tx, what->sql, &key, 1, keep_user, what->user, err));
    return what->user->id[0] ? TQ_OK : TQ_GONE;
}

int user_find(struct users *users, const char *id, struct user *out_user, struct tq_error *err)
{
    struct search what = {USER_by_id, id, out_user};
    return tq_ledger_read(users->store, search, &what, err);
}

static int find_by_email(struct users *users, const char *email, struct user *out_user,
                         struct tq_error *err)
{
    struct search what = {USER_by_email, email, out_user};
    return tq_ledger_read(users->store, search, &what, err);
}

static int add(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct user *user = arg;
    user->created_ms = tq_tx_now_ms(tx);
    const struct tq_value row[] = {tq_text(user->id), tq_text(user->email), tq_text(user->name),
                                   tq_text(user->password), tq_int(user->created_ms)};
    return tq_tx_exec(tx, USER_add, row, 5, NULL, NULL, err);
}

int user_signup(struct users *users, struct user *user, const char *password, struct tq_error *err)
{
    struct user other;
    int rc = find_by_email(users, user->email, &other, err);
    if (rc != TQ_GONE) {
        return rc < 0 ? rc : TQ_TAKEN;
    }
    TQ_TRY(tq__uuid7(&users->env, tq__now_ms(&users->env), user->id, err));
    TQ_TRY(user_password_hash(&users->env, &users->cost, password, user->password, err));
    rc = tq_ledger_run(users->store, add, user, err);
    return rc == TQ_REPEAT ? TQ_TAKEN : rc;
}

struct renewal {
    const struct user *user;
    const char *record;
};

static int renew(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct renewal *what = arg;
    const struct tq_value params[] = {tq_text(what->record), tq_text(what->user->id),
                                      tq_text(what->user->password)};
    return tq_tx_exec(tx, USER_raise_cost, params, 3, NULL, NULL, err);
}

static int renew_record(struct users *users, const struct user *user, const char *password,
                        struct tq_error *err)
{
    char record[USER_RECORD_SIZE];
    struct renewal what = {user, record};
    TQ_TRY(user_password_hash(&users->env, &users->cost, password, record, err));
    return tq_ledger_run(users->store, renew, &what, err);
}

static int sign_access(struct users *users, const struct user *user, char out_token[TQ_TOKEN_SIZE],
                       struct tq_error *err)
{
    struct tq_claims claims = {.size = sizeof claims,
                               .audience = APP_AUDIENCE,
                               .expires_ms = tq__now_ms(&users->env) + users->access_ms};
    tq__id_copy(claims.subject, user->id);
    tq__id_copy(claims.role, user->role);
    return tq_token_sign(app_keys(users->app), TQ_PURPOSE_ACCESS, &claims, out_token, err);
}

int user_login(struct users *users, const char *email, const char *password,
               char out_token[TQ_TOKEN_SIZE], struct tq_error *err)
{
    struct user user;
    struct user_record record = users->nobody;
    int found = find_by_email(users, email, &user, err);
    TQ_TRY(found);
    if (found == TQ_OK) {
        TQ_TRY(user_record_parse(user.password, &record, err));
    }
    int verified = user_password_verify(&record, password, err);
    TQ_TRY(verified);
    if (found != TQ_OK || verified != TQ_OK) {
        return TQ_REFUSED;
    }
    if (memcmp(&record.cost, &users->cost, sizeof record.cost) != 0) {
        TQ_TRY(renew_record(users, &user, password, err));
    }
    return sign_access(users, &user, out_token, err);
}
