/* SPDX-License-Identifier: MIT */
/*
 * app/backlog.c: the share at each level, on the way up and on the way down.
 */
#include "app/internal.h"
#include "lib/unit.h"

START_TEST(below_the_limit__all_are_let_in)
{
    ck_assert_uint_eq(app__backlog_share(0, APP_SHARE_ALL), APP_SHARE_ALL);
    ck_assert_uint_eq(app__backlog_share(999, APP_SHARE_ALL), APP_SHARE_ALL);
    ck_assert_uint_eq(app__backlog_share(1000, APP_SHARE_ALL), 500);
    ck_assert_uint_eq(app__backlog_share(1001, APP_SHARE_ALL), 499);
}
END_TEST

START_TEST(above_it__fewer_the_more_there_are_and_never_none)
{
    ck_assert_uint_eq(app__backlog_share(2000, 500), 250);
    ck_assert_uint_eq(app__backlog_share(9999, 500), 50);
    ck_assert_uint_eq(app__backlog_share(10000, 500), 50);
    ck_assert_uint_eq(app__backlog_share(10100, 500), 50);
    ck_assert_uint_eq(app__backlog_share(UINT64_MAX, 50), 50);
}
END_TEST

START_TEST(on_the_way_down__it_comes_back_by_degrees_and_not_at_the_limit)
{
    ck_assert_uint_eq(app__backlog_share(999, 500), 500);
    ck_assert_uint_eq(app__backlog_share(800, 500), 625);
    ck_assert_uint_eq(app__backlog_share(501, 625), 998);
    ck_assert_uint_eq(app__backlog_share(499, 998), APP_SHARE_ALL);
    ck_assert_uint_eq(app__backlog_share(999, APP_SHARE_ALL), APP_SHARE_ALL);
}
END_TEST

UNIT_MAIN("app.backlog", below_the_limit__all_are_let_in,
          above_it__fewer_the_more_there_are_and_never_none,
          on_the_way_down__it_comes_back_by_degrees_and_not_at_the_limit)
