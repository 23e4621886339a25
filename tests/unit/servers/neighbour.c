/* SPDX-License-Identifier: MIT */
/*
 * Another service. See the header.
 */
#include "neighbour.h"

#include <string.h>

#include "lib/unit.h"

#define ROUNDS 1000

void neighbour_open(struct neighbour *neighbour, struct desk *receiver,
                    const struct tq_inbox_options *options)
{
    struct tq_error err = TQ_ERROR_INIT;
    desk_open(&neighbour->desk, "neighbour", "", NULL);
    const struct tq_env *env = &neighbour->desk.env;
    assert_status(tq_transport_open(env, TQ_ARGS(tq_transport_options, .url = "inproc:"),
                                    &neighbour->transport, &err),
                  TQ_OK);
    assert_status(
        tq_inbox_open(receiver->ledger, neighbour->transport, options, &neighbour->inbox, &err),
        TQ_OK);
    assert_status(tq_relay_open(neighbour->desk.ledger, neighbour->transport,
                                TQ_ARGS(tq_relay_options, .owner = "neighbour-1"),
                                &neighbour->relay, &err),
                  TQ_OK);
}

void neighbour_close(struct neighbour *neighbour)
{
    tq_relay_close(neighbour->relay);
    tq_inbox_close(neighbour->inbox);
    tq_transport_close(neighbour->transport);
    desk_close(&neighbour->desk);
}

static int append(tq_tx *tx, void *arg, struct tq_error *err)
{
    return tq_outbox_append(tx, arg, 1, err);
}

void neighbour_tell(struct neighbour *neighbour, const char *topic, const char *type,
                    const char *key, const char *payload)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_event event = {.size = sizeof event,
                             .topic = topic,
                             .type = type,
                             .aggregate_type = "thing",
                             .aggregate_id = key,
                             .payload = payload,
                             .payload_bytes = strlen(payload)};
    assert_status(tq_ledger_run(neighbour->desk.ledger, append, &event, &err), TQ_OK);
    for (int i = 0; i < ROUNDS; i++) {
        struct tq_outbox_stats stats = TQ_INIT(tq_outbox_stats);
        ck_assert_int_ge(tq_relay_step(neighbour->relay, 0, NULL, &err), 0);
        ck_assert_int_ge(tq_inbox_step(neighbour->inbox, 0, NULL, &err), 0);
        assert_status(tq_outbox_stats(neighbour->desk.ledger, &stats, &err), TQ_OK);
        if (stats.pending == 0) {
            return;
        }
    }
    ck_abort_msg("%s was never applied", type);
}
