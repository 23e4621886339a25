/* SPDX-License-Identifier: MIT */
/*
 * One table of what is a message's own fault. Everything else is the transport's:
 * TQ_E_UNAVAILABLE when the broker certainly has not got the message, TQ_E_UNKNOWN
 * when it may have. An error that nobody has heard of is the transport's, too: to try
 * again is right then, to park an event would not be.
 *
 * A topic that this principal may not create, or a broker without that request, is
 * somebody else's to make: messages are sent and the broker says what it thinks of
 * them. A timestamp that the broker refuses is the clock of this host, which made it as the
 * message was sent, and will make another one. Threads: [pure].
 */
#include "transport/kafka/code.h"

static const struct {
    rd_kafka_resp_err_t code;
    int status;
} refusals[] = {
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, TQ_E_LIMIT},
    {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, TQ_E_LIMIT},
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, TQ_E_INVALID},
    {RD_KAFKA_RESP_ERR__BAD_MSG, TQ_E_INVALID},
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, TQ_E_INVALID},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, TQ_E_UNSUPPORTED},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT, TQ_E_UNSUPPORTED},
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, TQ_E_UNSUPPORTED},
};

int tq__kafka_report_status(rd_kafka_resp_err_t code, rd_kafka_msg_status_t kept)
{
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        return TQ_OK;
    }
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        if (refusals[i].code == code) {
            return refusals[i].status;
        }
    }
    return kept == RD_KAFKA_MSG_STATUS_NOT_PERSISTED ? TQ_E_UNAVAILABLE : TQ_E_UNKNOWN;
}

int tq__kafka_topic_is_there(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS ||
           code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
           code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED ||
           code == RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION ||
           code == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE;
}
