/* SPDX-License-Identifier: MIT */
/*
 * core/args.c: structs of older and newer releases are understood as far as
 * they can be, in both directions, and never read or written past their size.
 */
#include "core/args.h"

#include <stdint.h>
#include <string.h>

#include "lib/unit.h"

/* One struct in three releases. */
struct older {
    size_t size;
    int64_t a;
};
struct current {
    size_t size;
    int64_t a, b;
};
struct newer {
    size_t size;
    int64_t a, b, c;
};

static struct tq_error err = TQ_ERROR_INIT;

static int read_args(struct current *target, const void *source)
{
    return tq__args_read(target, sizeof *target, sizeof(struct older), source, "it", "test", &err);
}

START_TEST(older_struct__gets_defaults)
{
    struct older source = {sizeof source, 7};
    struct current target = {0, 9, 9};
    assert_status(read_args(&target, &source), TQ_OK);
    ck_assert_int_eq(target.a, 7);
    ck_assert_int_eq(target.b, 0);
    ck_assert_uint_eq(target.size, sizeof target);
}
END_TEST

START_TEST(newer_struct__is_understood_while_its_tail_is_zero)
{
    struct newer source = {sizeof source, 7, 8, 0};
    struct current target = {0, 0, 0};
    assert_status(read_args(&target, &source), TQ_OK);
    ck_assert_int_eq(target.b, 8);
    ck_assert_uint_eq(target.size, sizeof target);
    source.c = 1;
    assert_status(read_args(&target, &source), TQ_E_ABI);
}
END_TEST

START_TEST(sizes__are_checked_at_the_edge)
{
    static char source[8193];
    struct current target;
    static const struct {
        size_t size;
        int status;
    } rows[] = {{0, TQ_E_ABI},
                {sizeof(struct older) - 1, TQ_E_ABI},
                {sizeof(struct older), TQ_OK},
                {8192, TQ_OK},
                {8193, TQ_E_ABI},
                {SIZE_MAX, TQ_E_ABI}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        memcpy(source, &rows[i].size, sizeof rows[i].size);
        assert_status(read_args(&target, source), rows[i].status);
    }
    assert_status(read_args(&target, NULL), TQ_E_INVALID);
}
END_TEST

START_TEST(result__fits_the_struct_of_the_caller)
{
    struct current source = {sizeof source, 7, 8};
    struct {
        struct older out;
        int64_t behind;
    } old = {{sizeof old.out, 0}, 99};
    struct newer new = {sizeof new, 1, 2, 3};
    tq__args_write(&old.out, &source, sizeof source);
    ck_assert(old.out.a == 7 && old.out.size == sizeof old.out && old.behind == 99);
    tq__args_write(&new, &source, sizeof source);
    ck_assert(new.a == 7 && new.b == 8 && new.c == 0 && new.size == sizeof new);
}
END_TEST

START_TEST(array__lies_as_its_first_element_says)
{
    struct newer array[2] = {{sizeof *array, 1, 2, 0}, {sizeof *array, 3, 4, 0}};
    struct current *none = NULL;
    ck_assert_int_eq(tq__args_check(array, 2, sizeof(struct current), "array", "test", &err),
                     TQ_OK);
    ck_assert_ptr_eq(tq__args_at(array, 1), &array[1]);
    array[1].size = sizeof(struct current);
    assert_status(TQ__CHECK(array, 2, "test", &err), TQ_E_ABI);
    ck_assert_str_eq(err.message, "array[1] has another size than the first");
    array[0].size = sizeof *array + 1; /* no element could lie there */
    assert_status(TQ__CHECK(array, 2, "test", &err), TQ_E_ABI);
    assert_status(TQ__CHECK(array, 1, "test", &err), TQ_OK);
    array[0].size = SIZE_MAX;
    assert_status(TQ__CHECK(array, 1, "test", &err), TQ_E_ABI);
    assert_status(TQ__CHECK(none, 1, "test", &err), TQ_E_INVALID);
    ck_assert_str_eq(err.message, "none is NULL");
}
END_TEST

START_TEST(what_is_missing__is_named)
{
    int here = 0, *const set = &here, *const gone = NULL;
    const struct {
        int *inside;
    } record = {NULL}, *const of = &record;
    assert_status(TQ__REQUIRE("test", &err, set, set), TQ_OK);
    assert_status(TQ__REQUIRE("test", &err, gone, set), TQ_E_INVALID);
    ck_assert_str_eq(err.message, "gone is NULL");
    assert_status(TQ__REQUIRE("test", &err, set, set, of->inside), TQ_E_INVALID);
    ck_assert_str_eq(err.message, "inside is NULL");
    ck_assert_int_eq(TQ__REQUIRE("test", NULL, gone), TQ_E_INVALID);
}
END_TEST

START_TEST(counts__are_checked_at_the_edge)
{
    assert_status(tq__args_count(0, 2, "count", "test", &err), TQ_E_LIMIT);
    ck_assert_str_eq(err.message, "count is 0, expected 1 to 2");
    assert_status(tq__args_count(1, 2, "count", "test", &err), TQ_OK);
    assert_status(tq__args_count(2, 2, "count", "test", &err), TQ_OK);
    assert_status(tq__args_count(3, 2, "count", "test", &err), TQ_E_LIMIT);
}
END_TEST

UNIT_MAIN("core.args", older_struct__gets_defaults,
          newer_struct__is_understood_while_its_tail_is_zero, sizes__are_checked_at_the_edge,
          result__fits_the_struct_of_the_caller, array__lies_as_its_first_element_says,
          what_is_missing__is_named, counts__are_checked_at_the_edge)
