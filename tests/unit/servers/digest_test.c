/* SPDX-License-Identifier: MIT */
/*
 * app/digest.c: the standard's own examples, whole and shortened.
 */
#include "app/digest.h"

#include "lib/test_env.h"
#include "lib/unit.h"

static struct tq_error err = TQ_ERROR_INIT;

START_TEST(the_examples_of_the_standard__in_base64url)
{
    char text[APP_DIGEST_SIZE(APP_DIGEST_MAX)];
    assert_status(app_digest("abc", 3, APP_DIGEST_MAX, text, &err), TQ_OK);
    ck_assert_str_eq(text, "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
    assert_status(app_digest("", 0, APP_DIGEST_MAX, text, &err), TQ_OK);
    ck_assert_str_eq(text, "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
}
END_TEST

START_TEST(a_short_one__is_the_beginning_and_fits)
{
    static const char *const texts[] = {"", "ug", "ung", "ungW", "ungWvw"};
    for (size_t kept = 0; kept < sizeof texts / sizeof *texts; kept++) {
        char text[APP_DIGEST_SIZE(4)];
        assert_status(app_digest("abc", 3, kept, text, &err), TQ_OK);
        ck_assert_str_eq(text, texts[kept]);
        ck_assert_uint_eq(strlen(text) + 1, APP_DIGEST_SIZE(kept));
    }
}
END_TEST

UNIT_MAIN("app.digest", the_examples_of_the_standard__in_base64url,
          a_short_one__is_the_beginning_and_fits)
