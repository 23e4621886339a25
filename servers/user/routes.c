/* SPDX-License-Identifier: MIT */
/*
 * HTTP of the user service: sign-up, login, who am I.
 *
 * Sign-up and login run in the hashing pool: as many threads as passwords are
 * hashed at once, and a short queue; when it is full, a request is shed with 503
 * and Retry-After before it costs anything. Reading has a thread of its own, so
 * that it never waits for a password. Threads: the pools.
 */
#include "user/user.h"

#include <string.h>

#include "app/access.h"
#include "core/bytes.h"

/* The members that sign-up and login share; 0: answered. */
static int read_credentials(struct http_request *request, const tq__json *body,
                            char email[USER_EMAIL_MAX + 1], const char **out_password)
{
    const char *address = http_field_string(request, body, "email", USER_EMAIL_MAX);
    if (!address) {
        return 0;
    }
    if (!user_email_canonical(address, email)) {
        http_problem(request, 400, "EMAIL_INVALID", "That is not an e-mail address.");
        return 0;
    }
    *out_password = http_field_string(request, body, "password", USER_PASSWORD_MAX);
    return *out_password != NULL;
}

static void signup(struct http_request *request)
{
    struct users *users = request->arg;
    struct tq_error err = TQ_ERROR_INIT;
    struct tq__buf json = TQ__BUF(http_env(request));
    struct user user = {.role = ""};
    const char *password = NULL;
    const tq__json *body = http_json(request);
    if (!body || !read_credentials(request, body, user.email, &password)) {
        return;
    }
    const char *name = http_field_string(request, body, "name", USER_NAME_MAX);
    if (!name) {
        return;
    }
    if (!tq__text_is_valid(name, USER_NAME_MAX)) {
        http_problem(request, 400, "NAME_INVALID", "A name has no control characters.");
        return;
    }
    if (strlen(password) < USER_PASSWORD_MIN) {
        http_problem(request, 400, "PASSWORD_TOO_SHORT", "A password has at least %d bytes.",
                     USER_PASSWORD_MIN);
        return;
    }
    memcpy(user.name, name, strlen(name) + 1);
    int rc = user_signup(users, &user, password, &err);
    if (rc == TQ_TAKEN) {
        http_problem(request, 409, "EMAIL_TAKEN", "There is an account with this address.");
        return;
    }
    if (rc < 0) {
        app_fail(request, rc, &err);
        return;
    }
    app_series_add(users->signups, 1);
    tq__put_object(&json, NULL);
    tq__put_string(&json, "userId", user.id);
    tq__put_object_end(&json);
    http_reply_json(request, 201, &json);
}

static void login(struct http_request *request)
{
    struct users *users = request->arg;
    struct tq_error err = TQ_ERROR_INIT;
    struct tq__buf json = TQ__BUF(http_env(request));
    char email[USER_EMAIL_MAX + 1];
    char token[TQ_TOKEN_SIZE];
    const char *password = NULL;
    const tq__json *body = http_json(request);
    if (!body || !read_credentials(request, body, email, &password)) {
        return;
    }
    int rc = user_login(users, email, password, token, &err);
    if (rc == TQ_REFUSED) {
        app_series_add(users->refusals, 1);
        http_problem(request, 401, "LOGIN_FAILED", "The address or the password is wrong.");
        return;
    }
    if (rc < 0) {
        app_fail(request, rc, &err);
        return;
    }
    app_series_add(users->logins, 1);
    tq__put_object(&json, NULL);
    tq__put_string(&json, "accessToken", token);
    tq__put_string(&json, "tokenType", "Bearer");
    tq__put_int(&json, "expiresIn", users->access_ms / 1000);
    tq__put_object_end(&json);
    http_reply_json(request, 200, &json);
}

static void me(struct http_request *request)
{
    struct users *users = request->arg;
    struct tq_error err = TQ_ERROR_INIT;
    struct tq__buf json = TQ__BUF(http_env(request));
    struct user user;
    int rc = user_find(users, request->identity.subject, &user, &err);
    if (rc == TQ_GONE) {
        http_problem(request, 404, "USER_NOT_FOUND", "There is no such account.");
        return;
    }
    if (rc < 0) {
        app_fail(request, rc, &err);
        return;
    }
    tq__put_object(&json, NULL);
    tq__put_string(&json, "userId", user.id);
    tq__put_string(&json, "email", user.email);
    tq__put_string(&json, "name", user.name);
    app_put_time(&json, "createdAt", user.created_ms);
    tq__put_object_end(&json);
    http_reply_json(request, 200, &json);
}

const struct http_route user_routes[USER_ROUTES_COUNT] = {
    {.method = "POST",
     .pattern = "/v1/auth/signup",
     .handler = signup,
     .mode = HTTP_POOL,
     .pool = USER_HASHING_POOL,
     .body_max = 4096},
    {.method = "POST",
     .pattern = "/v1/auth/login",
     .handler = login,
     .mode = HTTP_POOL,
     .pool = USER_HASHING_POOL,
     .body_max = 4096},
    {.method = "GET",
     .pattern = "/v1/users/me",
     .handler = me,
     .mode = HTTP_POOL,
     .pool = USER_READING_POOL,
     .flags = APP_NEEDS_USER},
};
