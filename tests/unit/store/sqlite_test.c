/* SPDX-License-Identifier: MIT */
/*
 * store/sqlite/sqlite.c: URLs, the file and its mode, what is not a database;
 * several processes on one file; and a process that is killed.
 */
#include <ticketq/ledger.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/ask.h"
#include "lib/folder.h"
#include "lib/test_env.h"
#include "core/error.h"
#include "lib/unit.h"

static struct test_env test;
static struct tq_env env;
static struct tq_error err = TQ_ERROR_INIT;
static char folder[FOLDER_SIZE], path[FOLDER_SIZE + 8], url[FOLDER_SIZE + 48];

static const struct tq_migration schema = {sizeof schema, "t", 1, 0,
                                           "CREATE TABLE t (id BIGINT PRIMARY KEY)"};

static void setup(void)
{
    test_env_init(&test, 1);
    env = test_env_of(&test);
    folder_make(folder);
    snprintf(path, sizeof path, "%s/t.db", folder);
    snprintf(url, sizeof url, "sqlite:%s", path);
}

static void teardown(void)
{
    ck_assert_int_eq(test.live, 0);
    folder_remove(folder);
}

static int open_with(const char *text, uint32_t readers, tq_store **out)
{
    return tq_store_open(&env, TQ_ARGS(tq_store_options, .url = text, .readers = readers), out,
                         &err);
}

static tq_store *open_store(void)
{
    tq_store *store = NULL;
    assert_status(open_with(url, 0, &store), TQ_OK);
    return store;
}

static void refuse(const char *text, uint32_t readers, int expected)
{
    tq_store *store = NULL;
    int status = open_with(text, readers, &store);
    ck_assert_msg(status == expected, "%s: %s (%s)", text, tq_status_name(status), err.message);
    ck_assert_int_eq(err.status, expected);
    ck_assert_ptr_null(store);
}

START_TEST(urls_that_say_something_else__are_refused)
{
    char text[FOLDER_SIZE + 64];
    static const char *const queries[] = {"?synchronous=off",
                                          "?synchronous=",
                                          "?cache=1",
                                          "?synchronous=full&cache=1",
                                          "?synchronous=fullfullfull",
                                          "?Synchronous=full",
                                          "?create=2",
                                          "?create=no",
                                          "?create=0"};
    setup();
    refuse("sqlite:", 0, TQ_E_INVALID);
    refuse("sqlite::other:", 0, TQ_E_INVALID);
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        snprintf(text, sizeof text, "%s%s", url, queries[i]);
        refuse(text, 0, TQ_E_INVALID);
    }
    ck_assert_int_ne(access(path, F_OK), 0);
    refuse(url, 65, TQ_E_LIMIT);
    teardown();
}
END_TEST

START_TEST(a_file_that_is_there__is_opened_without_being_made)
{
    char text[2 * FOLDER_SIZE + 64];
    tq_store *store = NULL;
    setup();
    snprintf(text, sizeof text, "%s?create=1&synchronous=normal", url);
    assert_status(open_with(text, 0, &store), TQ_OK);
    tq_store_close(store);
    snprintf(text, sizeof text, "%s?create=0", url);
    assert_status(open_with(text, 0, &store), TQ_OK);
    tq_store_close(store);
    teardown();
}
END_TEST

START_TEST(a_name_that_looks_like_a_uri__is_a_name)
{
    tq_store *store = NULL;
    struct stat status;
    setup();
    ck_assert_int_eq(chdir(folder), 0);
    assert_status(open_with("sqlite:file:x%3fmode=memory", 0, &store), TQ_OK);
    tq_store_close(store);
    ck_assert_int_eq(stat("file:x?mode=memory", &status), 0);
    ck_assert_int_eq(chdir("/"), 0);
    teardown();
}
END_TEST

START_TEST(readers__are_limited)
{
    tq_store *store = NULL;
    setup();
    assert_status(open_with(url, 63, &store), TQ_OK);
    tq_store_close(store);
    assert_status(open_with(url, 64, &store), TQ_OK);
    tq_store_close(store);
    teardown();
}
END_TEST

static unsigned mode_of(const char *suffix)
{
    char name[FOLDER_SIZE + 16];
    struct stat status;
    snprintf(name, sizeof name, "%s%s", path, suffix);
    ck_assert_int_eq(stat(name, &status), 0);
    return status.st_mode & 0777;
}

START_TEST(files__are_the_owners_alone)
{
    setup();
    umask(0);
    tq_store *store = open_store();
    assert_status(tq_ledger_migrate(store, &schema, 1, &err), TQ_OK);
    ck_assert_uint_eq(mode_of(""), 0600);
    ck_assert_uint_eq(mode_of("-wal"), 0600);
    ck_assert_uint_eq(mode_of("-shm"), 0600);
    ck_assert_uint_eq(tq_store_caps(store),
                      TQ_STORE_LEDGER | TQ_STORE_DURABLE | TQ_STORE_SHARED | TQ_STORE_SERIAL);
    int64_t now = 0;
    assert_status(tq_store_now(store, &now, &err), TQ_OK);
    ck_assert_int_eq(now, test.now_ms);
    tq_store_close(store);
    ck_assert_int_eq(chmod(path, 0640), 0);
    tq_store_close(open_store());
    ck_assert_uint_eq(mode_of(""), 0640);
    teardown();
}
END_TEST

START_TEST(what_is_not_there__is_unavailable)
{
    setup();
    snprintf(url, sizeof url, "sqlite:%s/none/t.db", folder);
    refuse(url, 0, TQ_E_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.message, "none/t.db cannot be created: No such file"));
    snprintf(url, sizeof url, "sqlite:%s", folder);
    refuse(url, 0, TQ_E_UNAVAILABLE);
    teardown();
}
END_TEST

static void write_file(long at, const char *text)
{
    int file = open(path, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(pwrite(file, text, strlen(text), at), (ssize_t)strlen(text));
    close(file);
}

START_TEST(what_is_no_database__is_corrupt)
{
    setup();
    write_file(0, "This is the story of a file that never was a database, told at some length, so "
                  "that there is more than a header's worth of it in the file.");
    refuse(url, 0, TQ_E_CORRUPT);
    ck_assert_int_eq(unlink(path), 0);
    tq_store *store = open_store();
    assert_status(tq_ledger_migrate(store, &schema, 1, &err), TQ_OK);
    tq_store_close(store);
    write_file(100, "garbage instead of the first page's header");
    refuse(url, 0, TQ_E_CORRUPT);
    teardown();
}
END_TEST

START_TEST(opening__survives_a_lack_of_memory)
{
    tq_store *store = NULL;
    int status = TQ_E_NOMEM;
    long at = 0;
    setup();
    while (status == TQ_E_NOMEM) {
        test.allocations = 0;
        test.fail_at = ++at;
        status = open_with(url, 2, &store);
        test.fail_at = 0;
        ck_assert(store || test.live == 0);
    }
    ck_assert_int_eq(status, TQ_OK);
    ck_assert_int_ge(at, 4);
    tq_store_close(store);
    teardown();
}
END_TEST

/* ---- several processes ---- */

static int insert(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const struct tq_value id = tq_int(*(int64_t *)arg);
    return tq_tx_exec(tx, "INSERT INTO t (id) VALUES ($1)", &id, 1, NULL, NULL, failure);
}

static int64_t rows_of(tq_store *store)
{
    return ask_number(store, "SELECT count(*) FROM t", NULL);
}

#define PROCESSES 4
#define EACH 50

static int say(int status, const char *what)
{
    fprintf(stderr, "process %d: %s: %s (%s: %s)\n", (int)getpid(), what, tq_status_name(status),
            err.origin, err.message);
    return 1;
}

/* It waits for a lock as long as a slow disk may need for all that the others write. */
static int open_patiently(tq_store **out)
{
    return tq_store_open(
        &env, TQ_ARGS(tq_store_options, .url = url, .readers = 1, .busy_timeout_ms = 120000), out,
        &err);
}

static int insert_each(tq_store *store, int64_t number)
{
    int status = TQ_OK;
    for (int64_t i = 0; i < EACH && status == TQ_OK; i++) {
        int64_t id = number * EACH + i;
        status = tq_ledger_run(store, insert, &id, &err);
    }
    return status;
}

/* A process of its own: opens, migrates, inserts EACH rows. Its exit status tells. */
static int be_a_writer(int64_t number)
{
    tq_store *store = NULL;
    test.seed = (uint64_t)number; /* two processes never draw the same name for a draft */
    int status = open_patiently(&store);
    if (status < 0) {
        return say(status, "open");
    }
    status = tq_ledger_migrate(store, &schema, 1, &err);
    if (status < 0) {
        return say(status, "migrate");
    }
    status = insert_each(store, number);
    if (status) {
        return say(status, "insert");
    }
    tq_store_close(store);
    return test.live ? 2 : 0;
}

START_TEST(several_processes__share_a_file)
{
    pid_t children[PROCESSES];
    setup();
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            _exit(be_a_writer(i));
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = 0;
        ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
        ck_assert_int_eq(status, 0);
    }
    tq_store *store = open_store();
    ck_assert_int_eq(rows_of(store), PROCESSES * EACH);
    tq_store_close(store);
    teardown();
}
END_TEST

/* ---- a process that is killed ---- */

/* Commits row after row and tells each id once it is acknowledged. */
static void be_killed(int pipe_end)
{
    tq_store *store = NULL;
    if (open_with(url, 1, &store) || tq_ledger_migrate(store, &schema, 1, &err) < 0) {
        _exit(1);
    }
    for (int64_t id = rows_of(store);; id++) {
        if (tq_ledger_run(store, insert, &id, &err) ||
            write(pipe_end, &id, sizeof id) != sizeof id) {
            _exit(2);
        }
    }
}

static int has_row(tq_tx *tx, void *arg, struct tq_error *failure)
{
    const struct tq_value id = tq_int(*(int64_t *)arg);
    int64_t found = 0;
    TQ_TRY(
        tq_tx_exec(tx, "SELECT count(*) FROM t WHERE id = $1", &id, 1, ask_take, &found, failure));
    return found == 1 ? TQ_OK : TQ_GONE;
}

/* Kills a committing child after it has told `patience` ids; every id it told is there. */
static void kill_one(int patience)
{
    int ends[2], status;
    int64_t id = -1, told = 0, one;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        be_killed(ends[1]);
    }
    close(ends[1]);
    while (read(ends[0], &one, sizeof one) == sizeof one) {
        id = one;
        if (++told == patience) {
            kill(child, SIGKILL);
        }
    }
    close(ends[0]);
    waitpid(child, &status, 0);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    ck_assert_int_ge(told, patience);
    tq_store *store = open_store();
    for (; id >= 0; id--) {
        assert_status(tq_ledger_read(store, has_row, &id, &err), TQ_OK);
    }
    tq_store_close(store);
}

START_TEST(a_kill__loses_nothing_that_was_acknowledged)
{
    setup();
    for (int round = 0; round < 8; round++) {
        kill_one(1 + 13 * round);
    }
    teardown();
}
END_TEST

UNIT_MAIN("store.sqlite", urls_that_say_something_else__are_refused,
          a_file_that_is_there__is_opened_without_being_made,
          a_name_that_looks_like_a_uri__is_a_name, readers__are_limited,
          files__are_the_owners_alone, what_is_not_there__is_unavailable,
          what_is_no_database__is_corrupt, opening__survives_a_lack_of_memory,
          several_processes__share_a_file, a_kill__loses_nothing_that_was_acknowledged)
