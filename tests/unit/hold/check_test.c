/* SPDX-License-Identifier: MIT */
/*
 * hold/check.c: every limit at one less, at it and at one more; nothing that is
 * malformed gets further.
 */
#include "hold/book.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test_env.h"
#include "lib/unit.h"

static struct tq_error err = TQ_ERROR_INIT;
static const char *seats[TQ_HOLD_SEATS_MAX + 1];
static char names[TQ_HOLD_SEATS_MAX + 1][8];
static char id64[TQ_ID_SIZE], id65[TQ_ID_SIZE + 1];

static struct tq_hold_request request_of(size_t seats_count)
{
    for (size_t i = 0; i <= TQ_HOLD_SEATS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "s%zu", i);
        seats[i] = names[i];
    }
    memset(id64, 'x', TQ_ID_MAX);
    memset(id65, 'x', TQ_ID_MAX + 1);
    return (struct tq_hold_request){.size = sizeof(struct tq_hold_request),
                                    .schedule = "s",
                                    .holder = "ann",
                                    .request_key = "k",
                                    .seats = seats,
                                    .seats_count = seats_count};
}

static int check(const struct tq_hold_request *request)
{
    const struct tq_hold hold = TQ_INIT(tq_hold);
    return tq__check_requests(request, 1, &hold, &err);
}

START_TEST(seats__are_one_to_the_most_and_all_different)
{
    struct tq_hold_request request = request_of(0);
    assert_status(check(&request), TQ_E_LIMIT);
    request.seats_count = 1;
    assert_status(check(&request), TQ_OK);
    request.seats_count = TQ_HOLD_SEATS_MAX - 1;
    assert_status(check(&request), TQ_OK);
    request.seats_count = TQ_HOLD_SEATS_MAX;
    assert_status(check(&request), TQ_OK);
    request.seats_count = TQ_HOLD_SEATS_MAX + 1;
    assert_status(check(&request), TQ_E_LIMIT);
    request.seats_count = 3;
    seats[2] = seats[0];
    assert_status(check(&request), TQ_E_INVALID);
    seats[2] = NULL;
    assert_status(check(&request), TQ_E_INVALID);
    request.seats = NULL;
    assert_status(check(&request), TQ_E_INVALID);
}
END_TEST

START_TEST(ids__have_their_length_and_their_alphabet)
{
    struct tq_hold_request request = request_of(1);
    request.schedule = id64;
    request.holder = id64;
    request.request_key = id64;
    assert_status(check(&request), TQ_OK);
    request.schedule = id65;
    assert_status(check(&request), TQ_E_INVALID);
    request = request_of(1);
    request.holder = id65;
    assert_status(check(&request), TQ_E_INVALID);
    request = request_of(1);
    request.request_key = NULL;
    assert_status(check(&request), TQ_E_INVALID);
}
END_TEST

START_TEST(times__are_within_their_limits)
{
    static const struct {
        uint32_t ttl_ms;
        int status;
    } rows[] = {{0, TQ_OK},
                {TQ_HOLD_TTL_MIN_MS - 1, TQ_E_LIMIT},
                {TQ_HOLD_TTL_MIN_MS, TQ_OK},
                {TQ_HOLD_TTL_MAX_MS, TQ_OK},
                {TQ_HOLD_TTL_MAX_MS + 1, TQ_E_LIMIT}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tq_hold_request request = request_of(1);
        struct tq_hold_ref ref = {.size = sizeof ref,
                                  .schedule = "s",
                                  .id = "i",
                                  .holder = "h",
                                  .fence = 1,
                                  .extend_ms = rows[i].ttl_ms};
        request.ttl_ms = rows[i].ttl_ms;
        assert_status(check(&request), rows[i].status);
        assert_status(tq__check_refs(&ref, 1, 1, &err), rows[i].status);
    }
}
END_TEST

START_TEST(batches__are_one_to_the_most_and_only_one_waits)
{
    struct tq_hold_request *requests = calloc(TQ_BATCH_MAX + 1, sizeof *requests);
    struct tq_hold *holds = calloc(TQ_BATCH_MAX + 1, sizeof *holds);
    for (int i = 0; i <= TQ_BATCH_MAX; i++) {
        requests[i] = request_of(1);
        holds[i].size = sizeof *holds;
    }
    assert_status(tq__check_requests(requests, 0, holds, &err), TQ_E_LIMIT);
    assert_status(tq__check_requests(requests, TQ_BATCH_MAX, holds, &err), TQ_OK);
    assert_status(tq__check_requests(requests, TQ_BATCH_MAX + 1, holds, &err), TQ_E_LIMIT);
    requests[1].wait_ms = 1;
    assert_status(tq__check_requests(requests, 2, holds, &err), TQ_E_INVALID);
    assert_status(tq__check_requests(requests + 1, 1, holds, &err), TQ_OK);
    holds[0].size--;
    assert_status(tq__check_requests(requests, 1, holds, &err), TQ_E_ABI);
    requests[0].size++;
    holds[0].size++;
    assert_status(tq__check_requests(requests, 1, holds, &err), TQ_E_ABI);
    assert_status(tq__check_requests(NULL, 1, holds, &err), TQ_E_INVALID);
    assert_status(tq__check_requests(requests, 1, NULL, &err), TQ_E_INVALID);
    free(requests);
    free(holds);
}
END_TEST

START_TEST(refs__name_a_hold_and_carry_a_fence)
{
    struct tq_hold_ref ref = {
        .size = sizeof ref, .schedule = "s", .id = "i", .holder = "h", .fence = 1};
    struct tq_hold_result result = TQ_INIT(tq_hold_result);
    assert_status(tq__check_refs(&ref, 1, 1, &err), TQ_OK);
    ref.fence = INT64_MAX;
    assert_status(tq__check_refs(&ref, 1, 1, &err), TQ_OK);
    ref.fence++;
    assert_status(tq__check_refs(&ref, 1, 1, &err), TQ_E_INVALID);
    ref.fence = 0;
    assert_status(tq__check_refs(&ref, 1, 1, &err), TQ_E_INVALID);
    ref.holder = NULL;
    assert_status(tq__check_refs(&ref, 1, 0, &err), TQ_OK);
    ref.id = "";
    assert_status(tq__check_refs(&ref, 1, 0, &err), TQ_E_INVALID);
    assert_status(tq__check_refs(NULL, 1, 0, &err), TQ_E_INVALID);
    assert_status(tq__check_results(&result, 1, &err), TQ_OK);
    result.size = 1;
    assert_status(tq__check_results(&result, 1, &err), TQ_E_ABI);
    assert_status(tq__check_results(NULL, 1, &err), TQ_E_INVALID);
}
END_TEST

START_TEST(the_seats_of_a_schedule__are_checked_as_a_whole)
{
    struct test_env test;
    test_env_init(&test, 1);
    struct tq_env env = test_env_of(&test);
    request_of(1);
    assert_status(tq__check_seats(&env, seats, TQ_HOLD_SEATS_MAX + 1, &err), TQ_OK);
    assert_status(tq__check_seats(&env, seats, 0, &err), TQ_E_LIMIT);
    assert_status(tq__check_seats(&env, seats, TQ_SCHEDULE_SEATS_MAX + 1, &err), TQ_E_LIMIT);
    seats[9] = "s3";
    assert_status(tq__check_seats(&env, seats, TQ_HOLD_SEATS_MAX + 1, &err), TQ_E_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "s3"));
    seats[9] = "s 3";
    assert_status(tq__check_seats(&env, seats, TQ_HOLD_SEATS_MAX + 1, &err), TQ_E_INVALID);
    ck_assert_int_eq(test.live, 0);
}
END_TEST

UNIT_MAIN("hold.check", seats__are_one_to_the_most_and_all_different,
          ids__have_their_length_and_their_alphabet, times__are_within_their_limits,
          batches__are_one_to_the_most_and_only_one_waits, refs__name_a_hold_and_carry_a_fence,
          the_seats_of_a_schedule__are_checked_as_a_whole)
