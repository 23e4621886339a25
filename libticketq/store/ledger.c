/* SPDX-License-Identifier: MIT */
/* Transactions on a store. */
#include "store/store.h"

int tq__ledger_attach(tq_store *store, void **out_attachment, struct tq_error *err)
{
    (void)store;
    *out_attachment = NULL;
    (void)err;
    return TQ_OK;
}

void tq__ledger_detach(void *attachment)
{
    (void)attachment;
}
