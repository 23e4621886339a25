/* SPDX-License-Identifier: MIT */
/*
 * One statement by SQL. See the header.
 */
#include "lib/ask.h"

#include "lib/unit.h"

struct question {
    const char *sql;
    const char *text;
    int64_t answer;
};

int ask_take(void *arg, const struct tq_value *columns, size_t columns_count)
{
    ck_assert_uint_eq(columns_count, 1);
    ck_assert_uint_eq(columns[0].type, TQ_INT);
    *(int64_t *)arg = columns[0].integer;
    return TQ_OK;
}

static int put(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct question *question = arg;
    const struct tq_value text = tq_text(question->text);
    return tq_tx_exec(tx, question->sql, &text, question->text ? 1 : 0, ask_take, &question->answer,
                      err);
}

int64_t ask_within(tq_tx *tx, const char *sql)
{
    struct question question = {sql, NULL, -1};
    struct tq_error err = TQ_ERROR_INIT;
    assert_status(put(tx, &question, &err), TQ_OK);
    return question.answer;
}

int64_t ask_number(tq_store *store, const char *sql, const char *text)
{
    struct question question = {sql, text, -1};
    struct tq_error err = TQ_ERROR_INIT;
    assert_status(tq_ledger_read(store, put, &question, &err), TQ_OK);
    return question.answer;
}

static int run_one(tq_tx *tx, void *arg, struct tq_error *err)
{
    return tq_tx_exec(tx, arg, NULL, 0, NULL, NULL, err);
}

int exec_on(tq_store *store, const char *sql, struct tq_error *err)
{
    return tq_ledger_run(store, run_one, (void *)(uintptr_t)sql, err);
}
