/* SPDX-License-Identifier: MIT */
/*
 * What Kafka's codes mean: who is to blame, and what is known of the message.
 */
#include "transport/kafka/code.h"

#include "lib/unit.h"

#define NOT RD_KAFKA_MSG_STATUS_NOT_PERSISTED
#define PERHAPS RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED

START_TEST(refusals__are_the_messages_own)
{
    static const struct {
        rd_kafka_resp_err_t code;
        int status;
    } rows[] = {
        {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, TQ_E_LIMIT},
        {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, TQ_E_LIMIT},
        {RD_KAFKA_RESP_ERR_INVALID_RECORD, TQ_E_INVALID},
        {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, TQ_E_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_int_eq(tq__kafka_report_status(rows[i].code, NOT), rows[i].status);
        ck_assert_int_eq(tq__kafka_report_status(rows[i].code, PERHAPS), rows[i].status);
    }
}
END_TEST

START_TEST(everything_else__is_the_transports_and_tells_what_is_known)
{
    static const rd_kafka_resp_err_t codes[] = {
        RD_KAFKA_RESP_ERR__MSG_TIMED_OUT,
        RD_KAFKA_RESP_ERR__PURGE_QUEUE,
        RD_KAFKA_RESP_ERR__PURGE_INFLIGHT,
        RD_KAFKA_RESP_ERR__TRANSPORT,
        RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
        RD_KAFKA_RESP_ERR__FATAL,
        RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE,
        RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
        RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP,
        (rd_kafka_resp_err_t)9999,
    };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        ck_assert_int_eq(tq__kafka_report_status(codes[i], NOT), TQ_E_UNAVAILABLE);
        ck_assert_int_eq(tq__kafka_report_status(codes[i], PERHAPS), TQ_E_UNKNOWN);
    }
    ck_assert_int_eq(
        tq__kafka_report_status(RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_MSG_STATUS_PERSISTED), TQ_OK);
}
END_TEST

START_TEST(a_topic__is_there_or_not_ours_to_make_or_to_be_asked_for_again)
{
    ck_assert(tq__kafka_topic_is_there(RD_KAFKA_RESP_ERR_NO_ERROR));
    ck_assert(tq__kafka_topic_is_there(RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS));
    ck_assert(tq__kafka_topic_is_there(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED));
    ck_assert(tq__kafka_topic_is_there(RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE));
    ck_assert(!tq__kafka_topic_is_there(RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR));
    ck_assert(!tq__kafka_topic_is_there(RD_KAFKA_RESP_ERR__TIMED_OUT));
    ck_assert(!tq__kafka_topic_is_there(RD_KAFKA_RESP_ERR__TRANSPORT));
}
END_TEST

UNIT_MAIN("transport.kafka_code", refusals__are_the_messages_own,
          everything_else__is_the_transports_and_tells_what_is_known,
          a_topic__is_there_or_not_ours_to_make_or_to_be_asked_for_again)
