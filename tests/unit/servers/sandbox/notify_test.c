/* SPDX-License-Identifier: MIT */
/*
 * sandbox/notify.c: webhooks are signed, lost, doubled, reordered and sent again; a
 * payment becomes PAID by itself, later.
 */
#include "../provider.h"

#include <stdio.h>
#include <string.h>

START_TEST(webhooks__are_lost_doubled_reordered_and_sent_again)
{
    provider_open();
    provider_fault("{\"operation\":\"webhook\",\"fault\":\"lost\"}");
    provider_pay("LOST");
    provider_fault("{\"operation\":\"webhook\",\"fault\":\"double\"}");
    provider_pay("TWICE");
    provider_wait_for_hooks(2);
    ck_assert_str_eq(provider.hooks[0].id, provider.hooks[1].id);
    ck_assert_ptr_nonnull(strstr(provider.hooks[0].body, "TWICE"));
    provider_fault("{\"operation\":\"webhook\",\"fault\":\"reorder\",\"delayMs\":600000}");
    provider_pay("FIRST");
    provider_fault("{\"operation\":\"webhook\",\"fault\":\"reorder\"}");
    provider_pay("SECOND");
    provider_wait_for_hooks(3);
    provider_pay("THIRD");
    provider_wait_for_hooks(4);
    ck_assert_ptr_nonnull(strstr(provider.hooks[2].body, "SECOND")); /* FIRST is behind it */
    ck_assert_ptr_nonnull(strstr(provider.hooks[3].body, "THIRD"));
    provider_refuse_hooks(2);
    provider_pay("AGAIN");
    provider_wait_for_hooks(7);
    ck_assert_str_eq(provider.hooks[4].id, provider.hooks[6].id);
    provider_close();
}
END_TEST

UNIT_MAIN("servers.sandbox.notify", webhooks__are_lost_doubled_reordered_and_sent_again)
