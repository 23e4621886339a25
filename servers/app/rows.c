/* SPDX-License-Identifier: MIT */
/*
 * Text columns in and out, and the removal of what is old, a few rows at a time,
 * so that nobody who writes waits long. Threads: the transaction's; app_clean(): [any].
 */
#include "app/rows.h"

#include <string.h>

#include "core/bytes.h"
#include "core/error.h"

void app_text(char *target, size_t room, const struct tq_value *column)
{
    size_t bytes = column->type == TQ_TEXT ? column->bytes : 0;
    bytes = bytes < room ? bytes : room - 1;
    if (bytes) {
        memcpy(target, column->data, bytes);
    }
    target[bytes] = '\0';
}

struct tq_value app_text_or_null(const char *value)
{
    return tq_text(value[0] ? value : NULL);
}

struct tq_value app_int_or_null(int64_t value)
{
    return value ? tq_int(value) : tq_text(NULL);
}

int app_id_row(void *arg, const struct tq_value *columns, size_t count)
{
    (void)count;
    app_text(arg, TQ_ID_SIZE, &columns[0]);
    return 0;
}

struct cleaning {
    const char *sql;
    int64_t age_ms;
    size_t limit;
};

static int clean(tq_tx *tx, void *arg, struct tq_error *err)
{
    const struct cleaning *cleaning = arg;
    const struct tq_value params[] = {tq_int(tq_tx_now_ms(tx) - cleaning->age_ms),
                                      tq_int((int64_t)cleaning->limit)};
    TQ_TRY(tq_tx_exec(tx, cleaning->sql, params, 2, NULL, NULL, err));
    return tq_tx_changed(tx) ? TQ_OK : TQ_EMPTY;
}

int app_clean(tq_store *store, const char *sql, int64_t age_ms, size_t limit, struct tq_error *err)
{
    struct cleaning cleaning = {sql, age_ms, limit};
    return tq_ledger_run(store, clean, &cleaning, err);
}
