/* SPDX-License-Identifier: MIT */
/*
 * tq_tx_write(): what was written is there for whatever comes next, and a failure of it, at
 * whatever moment it is found out, is that of its own request and of nobody beside it.
 */
#include <ticketq/ledger.h>

#include "lib/ask.h"
#include "conform/fixtures.h"
#include "store/ledger.h"

#define INSERT "INSERT INTO t (id, name) VALUES ($1, $2)"

static struct tq_error err = TQ_ERROR_INIT;
static struct world world;
static tq_store *store;

static int write_row(tq_tx *tx, int64_t id, const char *name, struct tq_error *failure)
{
    const struct tq_value row[] = {tq_int(id), tq_text(name)};
    return tq_tx_write(tx, INSERT, row, 2, 1, NULL, failure);
}

/* Of a driver that knows the statement. */
static int warm_up(tq_tx *tx, void *arg, struct tq_error *failure)
{
    int rc = write_row(tx, 1, "first", failure);
    (void)arg;
    return rc == TQ_OK ? write_row(tx, 2, NULL, failure) : rc;
}

static void setup(void)
{
    static const struct tq_migration step = {
        sizeof step, "t", 1, 0, "CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT UNIQUE);"};
    world_open(&world);
    store = world_store(&world);
    assert_status(tq_ledger_migrate(store, &step, 1, &err), TQ_OK);
    assert_status(tq_ledger_run(store, warm_up, NULL, &err), TQ_OK);
}

static void teardown(void)
{
    tq_store_close(store);
    world_close(&world);
}

static int64_t rows_count(void)
{
    return ask_number(store, "SELECT count(*) FROM t", NULL);
}

static int write_in_order(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const struct tq_value rows[] = {tq_int(3), tq_text("x"), tq_int(4), tq_text("y")};
    const struct tq_value ids[] = {tq_int(3), tq_int(5), tq_int(4)};
    uint32_t changed[3] = {9, 9, 9};
    (void)arg;
    (void)failure;
    assert_status(tq_tx_write(tx, INSERT, rows, 2, 2, NULL, &err), TQ_OK);
    ck_assert_int_eq(ask_within(tx, "SELECT count(*) FROM t"), 4);
    assert_status(tq_tx_write(tx, "UPDATE t SET name = 'z' WHERE id = 3", NULL, 0, 1, NULL, &err),
                  TQ_OK);
    assert_status(write_row(tx, 5, "x", &err), TQ_OK); /* free only behind the update */
    assert_status(
        tq_tx_write(tx, "UPDATE t SET name = name WHERE id >= $1", ids, 1, 3, changed, &err),
        TQ_OK);
    ck_assert(changed[0] == 3 && changed[1] == 1 && changed[2] == 2);
    return write_row(tx, 6, "last", &err);
}

START_TEST(what_is_written__is_there_for_the_next_statement)
{
    setup();
    assert_status(tq_ledger_run(store, write_in_order, NULL, &err), TQ_OK);
    ck_assert_int_eq(rows_count(), 6);
    teardown();
}
END_TEST

/* ---- failures ---- */

enum ending { WRITE_MORE, ASK_THEN, GO_ON, REFUSE, RETURN };

struct writing {
    int64_t id;
    const char *name;
    enum ending ending;
    int expected;
};

static int write_and_end(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const struct writing *writing = arg;
    int rc = write_row(tx, writing->id, writing->name, failure);
    switch (writing->ending) {
    case WRITE_MORE:
        return rc < 0 ? rc : write_row(tx, writing->id + 100, NULL, failure);
    case ASK_THEN:
        return rc < 0 ? rc : tq_tx_exec(tx, "SELECT 1", NULL, 0, NULL, NULL, failure);
    case GO_ON:
        rc = tq_tx_exec(tx, "SELECT 1", NULL, 0, NULL, NULL, failure);
        return TQ_OK;
    case REFUSE:
        return tq__fail(failure, TQ_E_LIMIT, "test", "refused by the body");
    default:
        return rc;
    }
}

static const struct writing writings[] = {
    {3, "a", RETURN, TQ_OK},      {1, "b", RETURN, TQ_E_INVALID},
    {4, "c", RETURN, TQ_OK},      {5, "first", WRITE_MORE, TQ_E_INVALID},
    {6, "d", WRITE_MORE, TQ_OK},  {2, "e", ASK_THEN, TQ_E_INVALID},
    {7, "f", ASK_THEN, TQ_OK},    {1, "g", REFUSE, TQ_E_LIMIT},
    {8, "h", REFUSE, TQ_E_LIMIT}, {9, "first", GO_ON, TQ_E_INVALID},
    {10, "i", RETURN, TQ_OK},     {11, "i", RETURN, TQ_E_INVALID},
};
#define WRITINGS (sizeof writings / sizeof *writings)
#define KEPT 6 /* rows of those that succeed */

START_TEST(a_failure__is_that_of_its_request)
{
    setup();
    for (size_t i = 0; i < WRITINGS; i++) {
        int rc = tq_ledger_run(store, write_and_end, (void *)&writings[i], &err);
        ck_assert_msg(rc == writings[i].expected, "%zu: %s", i, tq_status_name(rc));
        ck_assert(rc == TQ_OK || err.status == rc);
    }
    ck_assert_int_eq(rows_count(), 2 + KEPT);
    teardown();
}
END_TEST

/* Each between others that have nothing wrong, and of which the last looks at an answer. */
START_TEST(a_failure__does_not_reach_those_who_share_the_commit)
{
    setup();
    for (size_t i = 0; i < WRITINGS; i++) {
        int64_t id = 1000 + 10 * (int64_t)i;
        struct writing good[] = {{id, NULL, RETURN, TQ_OK}, {id + 1, NULL, ASK_THEN, TQ_OK}};
        struct tq__run runs[] = {TQ__RUN(write_and_end, &good[0]),
                                 TQ__RUN(write_and_end, (void *)&writings[i]),
                                 TQ__RUN(write_and_end, &good[1])};
        assert_status(tq__ledger_run_many(store, runs, 3, &err), TQ_OK);
        for (size_t j = 0; j < 3; j++) {
            const struct writing *writing = runs[j].arg;
            ck_assert_msg(runs[j].result == writing->expected, "%zu, %zu: %s", i, j,
                          tq_status_name(runs[j].result));
        }
    }
    ck_assert_int_eq(rows_count(), 2 + KEPT + 2 * (int64_t)WRITINGS);
    teardown();
}
END_TEST

CONFORM_MAIN("ledger.write", what_is_written__is_there_for_the_next_statement,
             a_failure__is_that_of_its_request,
             a_failure__does_not_reach_those_who_share_the_commit)
