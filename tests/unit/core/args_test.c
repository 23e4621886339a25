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
    return tq__args_read(target, sizeof *target, sizeof(struct older), source, "test", &err);
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
    assert_status(
        tq__args_write(&old.out, sizeof(struct older), &source, sizeof source, "test", &err),
        TQ_OK);
    ck_assert(old.out.a == 7 && old.out.size == sizeof old.out && old.behind == 99);
    assert_status(tq__args_write(&new, sizeof(struct older), &source, sizeof source, "test", &err),
                  TQ_OK);
    ck_assert(new.a == 7 && new.b == 8 && new.c == 0 && new.size == sizeof new);
}
END_TEST

START_TEST(result__is_not_written_where_it_cannot_be_understood)
{
    struct current source = {sizeof source, 7, 8}, out = {sizeof(struct older) - 1, 1, 2};
    assert_status(tq__args_write(&out, sizeof(struct older), &source, sizeof source, "test", &err),
                  TQ_E_ABI);
    ck_assert(out.a == 1 && out.b == 2);
    out.size = SIZE_MAX;
    assert_status(TQ__WRITE(&out, &source, "test", &err), TQ_E_ABI);
    assert_status(tq__args_write(NULL, 8, &source, sizeof source, "test", &err), TQ_E_INVALID);
}
END_TEST

UNIT_MAIN("core.args", older_struct__gets_defaults,
          newer_struct__is_understood_while_its_tail_is_zero, sizes__are_checked_at_the_edge,
          result__fits_the_struct_of_the_caller,
          result__is_not_written_where_it_cannot_be_understood)
