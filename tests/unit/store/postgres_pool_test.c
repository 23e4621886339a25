/* SPDX-License-Identifier: MIT */
/*
 * store/postgres/pool.c: connections are shared, and a server that is not there is given up.
 */
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <ticketq/system.h>

#include "lib/postgres_schema.h"

#define READERS 12

static struct tq_error err = TQ_ERROR_INIT;

/* A socket that takes connections and says nothing. */
static int make_hole(char *url, size_t room)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    int hole = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(hole, (struct sockaddr *)&address, bytes), 0);
    ck_assert_int_eq(listen(hole, 8), 0);
    ck_assert_int_eq(getsockname(hole, (struct sockaddr *)&address, &bytes), 0);
    snprintf(url, room, "postgres://u:p@127.0.0.1:%u/t?connect_ms=200&wait_ms=300",
             ntohs(address.sin_port));
    return hole;
}

START_TEST(a_server_that_does_not_answer__is_given_up)
{
    struct tq_env env = tq_system_env();
    tq_store *none = NULL;
    char url[128];
    int hole = make_hole(url, sizeof url);
    int64_t begun_ms = tq_system_now_ms(NULL);
    assert_status(tq_store_open(&env, TQ_ARGS(tq_store_options, .url = url), &none, &err),
                  TQ_E_UNAVAILABLE);
    close(hole); /* nobody there at all */
    assert_status(tq_store_open(&env, TQ_ARGS(tq_store_options, .url = url), &none, &err),
                  TQ_E_UNAVAILABLE);
    ck_assert_int_lt(tq_system_now_ms(NULL) - begun_ms, 60000);
    ck_assert_ptr_null(strstr(err.message, ":p@"));
}
END_TEST

/* ---- readers ---- */

static int read_slowly(tq_tx *tx, void *arg, struct tq_error *failure)
{
    (void)arg;
    return tq_tx_exec(tx, "SELECT pg_sleep(0.02)", NULL, 0, NULL, NULL, failure);
}

static void *be_a_reader(void *arg)
{
    struct tq_error own = TQ_ERROR_INIT;
    return (void *)(intptr_t)tq_ledger_read(arg, read_slowly, NULL, &own);
}

START_TEST(readers__wait_for_each_other)
{
    struct postgres_place place;
    pthread_t threads[READERS];
    postgres_place_open(&place, "");
    tq_store *store = postgres_place_store(&place, 0);
    for (int i = 0; i < READERS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, be_a_reader, store), 0);
    }
    for (int i = 0; i < READERS; i++) {
        void *status;
        pthread_join(threads[i], &status);
        ck_assert_int_eq((intptr_t)status, TQ_OK);
    }
    tq_store_close(store);
    postgres_place_close(&place);
}
END_TEST

POSTGRES_MAIN("store.postgres.pool", a_server_that_does_not_answer__is_given_up,
              readers__wait_for_each_other)
