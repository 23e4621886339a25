/* SPDX-License-Identifier: MIT */
/*
 * What the files of the user service share.
 *
 *     routes.c    HTTP in and out
 *     user.c      accounts: sign-up, login, reading
 *     password.c  scrypt records
 *     service.c   opening and closing
 *
 * Left for issues of their own: refresh tokens with rotation, and one account per
 * person by CI/DI.
 */
#ifndef USER_USER_H
#define USER_USER_H

#include "app/app.h"
#include "user/password.h"

#define USER_EMAIL_MAX 254 /* bytes; RFC 5321 */
#define USER_NAME_MAX 120  /* bytes */
#define USER_HASHING_POOL "hashing"
#define USER_READING_POOL "user"

struct users {
    struct app *app;
    struct tq_env env;
    tq_store *store;
    struct user_cost cost;     /* of new records */
    struct user_record nobody; /* what an unknown user's password is compared with */
    int64_t access_ms;         /* life of an access token */
    struct app_series *signups;
    struct app_series *logins;
    struct app_series *refusals;
};

/* An account as it is stored. */
struct user {
    char id[TQ_ID_SIZE];
    char email[USER_EMAIL_MAX + 1];
    char name[USER_NAME_MAX + 1];
    char password[USER_RECORD_SIZE];
    char role[TQ_ID_SIZE];
    int64_t created_ms;
};

/* ---- user.c ---- */

/* The one form in which an address is kept and compared; non-zero on success. */
int user_email_canonical(const char *text, char target[USER_EMAIL_MAX + 1]);
/*
 * Create the account of `email` and `name`, and fill in the rest. TQ_OK; TQ_TAKEN: the address
 * has one already.
 */
int user_signup(struct users *users, struct user *user, const char *password, struct tq_error *err);
/*
 * Check a password and sign an access token. TQ_OK; TQ_REFUSED: one answer, after the same work,
 * for an unknown address and a wrong password.
 */
int user_login(struct users *users, const char *email, const char *password,
               char out_token[TQ_TOKEN_SIZE], struct tq_error *err);
/* TQ_OK or TQ_GONE. */
int user_find(struct users *users, const char *id, struct user *out_user, struct tq_error *err);

/* ---- routes.c ---- */

#define USER_ROUTES_COUNT 3
extern const struct http_route user_routes[USER_ROUTES_COUNT];

#endif
