/* SPDX-License-Identifier: MIT */
/*
 * Passwords: scrypt records.
 */
#ifndef USER_PASSWORD_H
#define USER_PASSWORD_H

#include <ticketq/env.h>
#include <ticketq/status.h>

#define USER_PASSWORD_MIN 8   /* bytes */
#define USER_PASSWORD_MAX 512 /* bytes */
#define USER_SALT_BYTES 16
#define USER_HASH_BYTES 32
#define USER_RECORD_SIZE 128 /* room for a record and its NUL */

/* Cost: 128 · 2^log_n · r bytes of memory, times p in time. */
struct user_cost {
    uint32_t log_n; /* 1 to 20 */
    uint32_t r;     /* 1 to 32 */
    uint32_t p;     /* 1 to 16 */
};

struct user_record {
    struct user_cost cost;
    unsigned char salt[USER_SALT_BYTES];
    unsigned char hash[USER_HASH_BYTES];
};

int user_cost_is_valid(const struct user_cost *cost);
/* TQ_OK or TQ_E_CORRUPT. */
int user_record_parse(const char *text, struct user_record *out_record, struct tq_error *err);
void user_record_print(const struct user_record *record, char target[USER_RECORD_SIZE]);

/* A new record with a salt of its own. Takes as long as the cost says. */
int user_password_hash(const struct tq_env *env, const struct user_cost *cost, const char *password,
                       char target[USER_RECORD_SIZE], struct tq_error *err);
/* TQ_OK: it is the password; TQ_REFUSED: it is not. Takes as long as the record's cost says. */
int user_password_verify(const struct user_record *record, const char *password,
                         struct tq_error *err);

#endif
