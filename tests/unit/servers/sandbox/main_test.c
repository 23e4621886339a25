/* SPDX-License-Identifier: MIT */
/*
 * sandbox/main.c: the program starts again after a kill, with its book.
 */
#include "../provider.h"

#include <signal.h>
#include <string.h>

START_TEST(the_book__survives_a_kill)
{
    provider_open();
    provider_pay("P1");
    provider_wait_for_hooks(1);
    provider_stop(SIGKILL, -SIGKILL);
    provider_start();
    assert_call(200, "GET", "/payments/P1", NULL, NULL);
    assert_body("\"status\":\"PAID\"");
    assert_call(409, "POST", "/payments/P1/pre-register", NULL, PROVIDER_REGISTER);
    provider_close();
}
END_TEST

UNIT_MAIN("servers.sandbox.main", the_book__survives_a_kill)
