/* SPDX-License-Identifier: MIT */
/*
 * store/sqlite/conn.c: how connections are set up, adoption of a host's, locks of
 * other processes, and a commit whose outcome cannot be known.
 */
#include <ticketq/ledger.h>

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "lib/ask.h"
#include "lib/folder.h"
#include "lib/test_env.h"
#include "core/error.h"
#include "lib/unit.h"

static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;
static char folder[FOLDER_SIZE], path[FOLDER_SIZE + 8], url[FOLDER_SIZE + 16];
static tq_store *store;

static const struct tq_migration schema = {sizeof schema, "t", 1, 0,
                                           "CREATE TABLE t (id BIGINT PRIMARY KEY)"};

static void setup_with(uint32_t readers, uint32_t busy_timeout_ms)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    folder_make(folder);
    snprintf(path, sizeof path, "%s/t.db", folder);
    snprintf(url, sizeof url, "sqlite:%s", path);
    assert_status(tq_store_open(&env,
                                TQ_ARGS(tq_store_options, .url = url, .readers = readers,
                                        .busy_timeout_ms = busy_timeout_ms),
                                &store, &err),
                  TQ_OK);
    assert_status(tq_ledger_migrate(store, &schema, 1, &err), TQ_OK);
}

static void setup(void)
{
    setup_with(0, 0);
}

static void teardown(void)
{
    tq_store_close(store);
    ck_assert_int_eq(test.live, 0);
    folder_remove(folder);
}

static sqlite3 *open_host(const char *file)
{
    sqlite3 *host = NULL;
    ck_assert_int_eq(sqlite3_open(file, &host), SQLITE_OK);
    return host;
}

static void host_exec(sqlite3 *host, const char *sql, int expected)
{
    ck_assert_int_eq(sqlite3_exec(host, sql, NULL, NULL, NULL), expected);
}

static int insert(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const struct tq_value id = tq_int((intptr_t)arg);
    return tq_tx_exec(tx, "INSERT INTO t (id) VALUES ($1)", &id, 1, NULL, NULL, failure);
}

static int64_t rows(void)
{
    return ask_number(store, "SELECT count(*) FROM t", NULL);
}

/* ---- settings ---- */

static int take_text(void *arg, const struct tq_value *columns, size_t columns_count)
{
    (void)columns_count;
    if (columns[0].type == TQ_INT) {
        snprintf(arg, 16, "%lld", (long long)columns[0].integer);
    } else {
        snprintf(arg, 16, "%s", (const char *)columns[0].data);
    }
    return 0;
}

static int settings(tq_tx *tx, void *arg, struct tq_error *failure)
{
    static const char *const expected[][2] = {{"SELECT * FROM pragma_journal_mode", "wal"},
                                              {"SELECT * FROM pragma_foreign_keys", "1"},
                                              {"SELECT * FROM pragma_trusted_schema", "0"}};
    char value[16];
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        TQ_TRY(tq_tx_exec(tx, expected[i][0], NULL, 0, take_text, value, failure));
        ck_assert_str_eq(value, expected[i][1]);
    }
    TQ_TRY(tq_tx_exec(tx, "SELECT * FROM pragma_synchronous", NULL, 0, take_text, value, failure));
    ck_assert_str_eq(value, arg);
    TQ_TRY(tq_tx_exec(tx, "SELECT * FROM pragma_query_only", NULL, 0, take_text, value, failure));
    return value[0] == '1';
}

START_TEST(connections__are_set_up_alike)
{
    setup();
    assert_status(tq_ledger_run(store, settings, (void *)"2", &err), 0);
    assert_status(tq_ledger_read(store, settings, (void *)"2", &err), 1);
    teardown();
    setup();
    tq_store_close(store);
    strcat(url, "?synchronous=normal");
    assert_status(tq_store_open(&env, TQ_ARGS(tq_store_options, .url = url), &store, &err), TQ_OK);
    assert_status(tq_ledger_run(store, settings, (void *)"1", &err), 0);
    teardown();
}
END_TEST

static int quote(tq_tx *tx, void *arg, struct tq_error *failure)
{
    (void)arg;
    return tq_tx_exec(tx, "SELECT \"no such name\" FROM t", NULL, 0, NULL, NULL, failure);
}

START_TEST(double_quotes__never_mean_text)
{
    setup();
    assert_status(tq_ledger_read(store, quote, NULL, &err), TQ_E_INVALID);
    teardown();
}
END_TEST

/* ---- adoption ---- */

START_TEST(an_adopted_transaction__is_the_hosts_to_end)
{
    tq_tx *tx = NULL;
    setup();
    sqlite3 *host = open_host(path);
    assert_status(tq_tx_adopt(store, host, &tx, &err), TQ_E_INVALID);
    assert_status(tq_tx_adopt(store, NULL, &tx, &err), TQ_E_INVALID);
    host_exec(host, "BEGIN IMMEDIATE", SQLITE_OK);
    assert_status(tq_tx_adopt(store, host, &tx, &err), TQ_OK);
    ck_assert_int_eq(tq_tx_now_ms(tx), test.now_ms);
    assert_status(insert(tx, (void *)1, &err), TQ_OK);
    assert_status(insert(tx, (void *)1, &err), TQ_REPEAT);
    const struct tq_value many[] = {tq_int(2), tq_int(3)};
    assert_status(tq_tx_exec_many(tx, "INSERT INTO t (id) VALUES ($1)", many, 1, 2, NULL, &err),
                  TQ_OK);
    tq_tx_disown(tx);
    ck_assert_int_eq(sqlite3_get_autocommit(host), 0);
    ck_assert_int_eq(rows(), 0);
    host_exec(host, "COMMIT", SQLITE_OK);
    ck_assert_int_eq(rows(), 3);
    host_exec(host, "BEGIN", SQLITE_OK);
    assert_status(tq_tx_adopt(store, host, &tx, &err), TQ_OK);
    assert_status(insert(tx, (void *)4, &err), TQ_OK);
    assert_status(tq_tx_exec(tx, "COMMIT", NULL, 0, NULL, NULL, &err), TQ_E_INVALID);
    tq_tx_disown(tx);
    host_exec(host, "ROLLBACK", SQLITE_OK);
    ck_assert_int_eq(rows(), 3);
    ck_assert_int_eq(sqlite3_close(host), SQLITE_OK);
    tq_tx_disown(NULL);
    teardown();
}
END_TEST

START_TEST(adoption__survives_a_lack_of_memory)
{
    tq_tx *tx = NULL;
    int status = TQ_E_NOMEM;
    long at = 0;
    setup();
    sqlite3 *host = open_host(path);
    host_exec(host, "BEGIN", SQLITE_OK);
    while (status == TQ_E_NOMEM) {
        test.allocations = 0;
        test.fail_at = ++at;
        status = tq_tx_adopt(store, host, &tx, &err);
    }
    ck_assert_int_eq(status, TQ_OK);
    ck_assert_int_ge(at, 3);
    tq_tx_disown(tx);
    ck_assert_int_eq(sqlite3_close(host), SQLITE_OK);
    teardown();
}
END_TEST

/* ---- locks ---- */

START_TEST(a_lock_of_another__is_waited_for_so_long)
{
    setup_with(2, 20);
    sqlite3 *host = open_host(path);
    host_exec(host, "BEGIN IMMEDIATE", SQLITE_OK);
    assert_status(tq_ledger_run(store, insert, (void *)1, &err), TQ_E_BUSY);
    ck_assert_int_eq(err.native & 0xff, SQLITE_BUSY);
    ck_assert_int_eq(rows(), 0);
    host_exec(host, "COMMIT", SQLITE_OK);
    assert_status(tq_ledger_run(store, insert, (void *)1, &err), TQ_OK);
    sqlite3_close(host);
    teardown();
}
END_TEST

static void *commit_soon(void *arg)
{
    uint32_t word = 0;
    env.park(env.ctx, &word, 0, 30);
    host_exec(arg, "COMMIT", SQLITE_OK);
    return NULL;
}

START_TEST(a_lock_that_is_let_go__is_had)
{
    pthread_t thread;
    setup();
    sqlite3 *host = open_host(path);
    host_exec(host, "BEGIN IMMEDIATE", SQLITE_OK);
    ck_assert_int_eq(pthread_create(&thread, NULL, commit_soon, host), 0);
    assert_status(tq_ledger_run(store, insert, (void *)1, &err), TQ_OK);
    pthread_join(thread, NULL);
    sqlite3_close(host);
    teardown();
}
END_TEST

static int read_slowly(tq_tx *tx, void *arg, struct tq_error *failure)
{
    uint32_t word = 0;
    (void)failure;
    env.park(env.ctx, &word, 0, 2);
    *(int64_t *)arg = ask_within(tx, "SELECT count(*) FROM t");
    return TQ_OK;
}

static void *read_some(void *arg)
{
    struct tq_error own = TQ_ERROR_INIT;
    int64_t found;
    (void)arg;
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(tq_ledger_read(store, read_slowly, &found, &own), TQ_OK);
    }
    return NULL;
}

START_TEST(more_readers_than_connections__take_turns)
{
    pthread_t threads[6];
    setup_with(1, 0);
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, read_some, NULL), 0);
    }
    for (int i = 0; i < 6; i++) {
        pthread_join(threads[i], NULL);
    }
    teardown();
}
END_TEST

/* ---- a commit whose flush fails ---- */

static sqlite3_vfs shim;
static sqlite3_io_methods methods;
static int (*real_open)(sqlite3_vfs *, const char *, sqlite3_file *, int, int *);
static int (*real_sync)(sqlite3_file *, int);
static int flush_fails;

static int shim_sync(sqlite3_file *file, int flags)
{
    return flush_fails ? SQLITE_IOERR_FSYNC : real_sync(file, flags);
}

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    int code = real_open(vfs, name, file, flags, out);
    if (code == SQLITE_OK && (flags & SQLITE_OPEN_WAL)) {
        methods = *file->pMethods;
        real_sync = methods.xSync;
        methods.xSync = shim_sync;
        file->pMethods = &methods;
    }
    return code;
}

static void use_shim(void)
{
    shim = *sqlite3_vfs_find(NULL);
    shim.zName = "shim";
    real_open = shim.xOpen;
    shim.xOpen = shim_open;
    ck_assert_int_eq(sqlite3_vfs_register(&shim, 1), SQLITE_OK);
}

static void copy_file(const char *suffix)
{
    char command[4 * FOLDER_SIZE];
    snprintf(command, sizeof command, "cp %s%s %s/copy.db%s", path, suffix, folder, suffix);
    ck_assert_int_eq(system(command), 0);
}

/* What a machine that lost power after the failure would find. */
static int64_t rows_after_power_loss(void)
{
    char copy[FOLDER_SIZE + 16];
    sqlite3_stmt *stmt;
    copy_file("");
    copy_file("-wal");
    snprintf(copy, sizeof copy, "%s/copy.db", folder);
    sqlite3 *host = open_host(copy);
    ck_assert_int_eq(sqlite3_prepare_v2(host, "SELECT count(*) FROM t", -1, &stmt, NULL),
                     SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
    int64_t found = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(host);
    return found;
}

START_TEST(a_commit_that_is_not_flushed__is_unknown_because_it_may_come_back)
{
    use_shim();
    setup();
    assert_status(tq_ledger_run(store, insert, (void *)1, &err), TQ_OK);
    flush_fails = 1;
    assert_status(tq_ledger_run(store, insert, (void *)2, &err), TQ_E_UNKNOWN);
    ck_assert_int_eq(err.native, SQLITE_IOERR_FSYNC);
    ck_assert_int_eq(rows(), 1);
    ck_assert_int_eq(rows_after_power_loss(), 2);
    flush_fails = 0;
    assert_status(tq_ledger_run(store, insert, (void *)3, &err), TQ_OK);
    ck_assert_int_eq(rows(), 2);
    teardown();
}
END_TEST

UNIT_MAIN("store.sqlite.conn", connections__are_set_up_alike, double_quotes__never_mean_text,
          an_adopted_transaction__is_the_hosts_to_end, adoption__survives_a_lack_of_memory,
          a_lock_of_another__is_waited_for_so_long, a_lock_that_is_let_go__is_had,
          more_readers_than_connections__take_turns,
          a_commit_that_is_not_flushed__is_unknown_because_it_may_come_back)
