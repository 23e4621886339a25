/* SPDX-License-Identifier: MIT */
/*
 * A service's ledger for tests. See the header.
 */
#include "desk.h"

#include <stdio.h>
#include <string.h>

#include "app/flow.h"
#include "app/rows.h"
#include "lib/unit.h"

#define WORD_SIZE 256

void desk_open_ledger(struct desk *desk)
{
    struct tq_error err = TQ_ERROR_INIT;
    assert_status(
        tq_store_open(&desk->env, TQ_ARGS(tq_store_options, .url = desk->url), &desk->ledger, &err),
        TQ_OK);
}

void desk_open(struct desk *desk, const char *service, const char *sql, const char *url)
{
    const struct tq_migration migration = {
        .size = sizeof migration, .scope = service, .version = 1, .sql = sql};
    struct tq_error err = TQ_ERROR_INIT;
    memset(desk, 0, sizeof *desk);
    desk->err = err;
    test_env_init(&desk->test, 1);
    desk->env = test_env_of(&desk->test);
    folder_make(desk->folder);
    if (url) {
        snprintf(desk->url, sizeof desk->url, "%s", url);
    } else {
        snprintf(desk->url, sizeof desk->url, "sqlite:%s/%s.db", desk->folder, service);
    }
    desk_open_ledger(desk);
    assert_status(app_flow_prepare(desk->ledger, &err), TQ_OK);
    assert_status(tq_ledger_migrate(desk->ledger, &migration, 1, &err), TQ_OK);
}

void desk_close(struct desk *desk)
{
    tq_store_close(desk->ledger);
    ck_assert_int_eq(atomic_load(&desk->test.live), 0);
    folder_remove(desk->folder);
}

static int take_word(void *arg, const struct tq_value *columns, size_t count)
{
    (void)count;
    app_text(arg, WORD_SIZE, &columns[0]);
    return 0;
}

struct asking {
    const char *sql;
    char word[WORD_SIZE];
};

static int ask(tq_tx *tx, void *arg, struct tq_error *err)
{
    struct asking *asking = arg;
    return tq_tx_exec(tx, asking->sql, NULL, 0, take_word, asking->word, err);
}

const char *desk_ask(struct desk *desk, const char *sql)
{
    static struct asking asking;
    struct tq_error err = TQ_ERROR_INIT;
    asking.sql = sql;
    asking.word[0] = '\0';
    assert_status(tq_ledger_read(desk->ledger, ask, &asking, &err), TQ_OK);
    return asking.word;
}

void desk_do(struct desk *desk, const char *sql)
{
    struct asking asking = {.sql = sql};
    struct tq_error err = TQ_ERROR_INIT;
    assert_status(tq_ledger_run(desk->ledger, ask, &asking, &err), TQ_OK);
}

const char *desk_last_told(struct desk *desk)
{
    return desk_ask(desk, "SELECT type FROM outbox_events ORDER BY id");
}
