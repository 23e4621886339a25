/* SPDX-License-Identifier: MIT */
/*
 * servers/user/user.c: an address has one form, and what is none is refused.
 */
#include <stdio.h>
#include <string.h>

#include "lib/unit.h"
#include "user/user.h"

START_TEST(email__has_one_form)
{
    char form[USER_EMAIL_MAX + 1];
    ck_assert(user_email_canonical("Kim.Lee+tickets@Example.COM", form));
    ck_assert_str_eq(form, "kim.lee+tickets@example.com");
    ck_assert(user_email_canonical("a@b.c", form));
    ck_assert_str_eq(form, "a@b.c");
    ck_assert(user_email_canonical("kim@xn--bcher-kva.example", form));
}
END_TEST

START_TEST(email__refuses_what_is_none)
{
    static const char *const bad[] = {
        "",        "kim",       "@b.c",           "a@",
        "a@b",     "a@b.",      "a@.c",           "a@b..c",
        "a@@b.c",  "a@b@c.d",   "a b@c.d",        "a@b c.d",
        "a\n@b.c", "\"a\"@b.c", "a@[1.2.3.4]",    "a@b_c.d",
        "a,b@c.d", "a@b.c\x7f", "k\xc3\xafm@b.c", "a@b\xc3\xbc.c",
        "a@-b.c",  "a@b.c-",
    };
    char form[USER_EMAIL_MAX + 1];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(!user_email_canonical(bad[i], form), "%s", bad[i]);
    }
}
END_TEST

static int is_accepted(int local_bytes, int domain_bytes)
{
    char text[512];
    char form[USER_EMAIL_MAX + 1];
    memset(text, 'a', sizeof text);
    text[local_bytes] = '@';
    text[local_bytes + 3] = '.';
    text[local_bytes + 1 + domain_bytes] = '\0';
    return user_email_canonical(text, form);
}

START_TEST(email__has_limits)
{
    ck_assert(is_accepted(63, 20));
    ck_assert(is_accepted(64, 20));
    ck_assert(!is_accepted(65, 20));
    ck_assert(is_accepted(10, USER_EMAIL_MAX - 12));
    ck_assert(is_accepted(10, USER_EMAIL_MAX - 11));
    ck_assert(!is_accepted(10, USER_EMAIL_MAX - 10));
}
END_TEST

UNIT_MAIN("servers.user.user", email__has_one_form, email__refuses_what_is_none, email__has_limits)
