/* SPDX-License-Identifier: MIT */
/*
 * store/redis/reply.c: each error has its status and remedy, only by its whole first
 * word; addresses of redirections are read.
 */
#include "store/redis/reply.h"

#include <string.h>

#include "lib/unit.h"

static const struct redis_address here = {"10.0.0.9", 7000};

START_TEST(errors__have_a_meaning)
{
    static const struct {
        const char *error;
        int status;
        enum redis_remedy remedy;
    } rows[] = {
        {"NOSCRIPT No matching script. Please use EVAL.", TQ_E_UNAVAILABLE, REDIS_TEXT},
        {"MOVED 1 a:1", TQ_E_UNAVAILABLE, REDIS_MOVED},
        {"ASK 1 a:1", TQ_E_UNAVAILABLE, REDIS_ASK},
        {"TRYAGAIN Multiple keys request during rehashing of slot", TQ_E_UNAVAILABLE, REDIS_LATER},
        {"LOADING Redis is loading the dataset in memory", TQ_E_UNAVAILABLE, REDIS_LATER},
        {"BUSY Redis is busy running a script.", TQ_E_UNAVAILABLE, REDIS_LATER},
        {"CLUSTERDOWN The cluster is down", TQ_E_UNAVAILABLE, REDIS_MAP},
        {"READONLY You can't write against a read only replica.", TQ_E_UNAVAILABLE, REDIS_MAP},
        {"OOM command not allowed when used memory > 'maxmemory'.", TQ_E_UNAVAILABLE, REDIS_FAIL},
        {"MISCONF Redis is configured to save RDB snapshots", TQ_E_UNAVAILABLE, REDIS_FAIL},
        {"NOAUTH Authentication required.", TQ_E_UNAVAILABLE, REDIS_FAIL},
        {"NOPERM this user has no permissions", TQ_E_UNAVAILABLE, REDIS_FAIL},
        {"WRONGPASS invalid username-password pair", TQ_E_UNAVAILABLE, REDIS_FAIL},
        {"WRONGTYPE Operation against a key", TQ_E_CORRUPT, REDIS_FAIL},
        {"ERR anything", TQ_E_INTERNAL, REDIS_FAIL},
        {"OOMX", TQ_E_INTERNAL, REDIS_FAIL},
        {"OO", TQ_E_INTERNAL, REDIS_FAIL},
        {"", TQ_E_INTERNAL, REDIS_FAIL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct redis_meaning *meaning = tq__redis_meaning(rows[i].error);
        ck_assert_msg(meaning->status == rows[i].status && meaning->remedy == rows[i].remedy, "%s",
                      rows[i].error);
    }
}
END_TEST

START_TEST(redirections__name_an_address)
{
    struct redis_address address;
    ck_assert_int_eq(tq__redis_redirect("MOVED 3999 10.0.0.1:6381", &here, &address), 0);
    ck_assert_str_eq(address.host, "10.0.0.1");
    ck_assert_uint_eq(address.port, 6381);
    ck_assert_int_eq(tq__redis_redirect("ASK 3999 ::1:6381", &here, &address), 0);
    ck_assert_str_eq(address.host, "::1");
    ck_assert_int_eq(tq__redis_redirect("MOVED 3999 :6381", &here, &address), 0);
    ck_assert_str_eq(address.host, here.host);
    ck_assert_uint_eq(address.port, 6381);
    static const char *const bad[] = {"MOVED",
                                      "MOVED 3999",
                                      "MOVED 3999 a",
                                      "MOVED 1 a:x",
                                      "MOVED 1 :",
                                      "MOVED 1 a:0",
                                      "MOVED 1 a:123456789012345678"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(tq__redis_redirect(bad[i], &here, &address), -1);
    }
}
END_TEST

UNIT_MAIN("store.redis.reply", errors__have_a_meaning, redirections__name_an_address)
