/* SPDX-License-Identifier: MIT */
/*
 * What Kafka's codes mean to a relay.
 */
#ifndef TQ_TRANSPORT_KAFKA_CODE_H
#define TQ_TRANSPORT_KAFKA_CODE_H

#include <librdkafka/rdkafka.h>

#include <ticketq/status.h>

/* The status of a report: TQ_OK; a refusal of this message; TQ_E_UNAVAILABLE, TQ_E_UNKNOWN. */
int tq__kafka_report_status(rd_kafka_resp_err_t code, rd_kafka_msg_status_t kept);
/* True when a topic that was to be made is there, or is not ours to make. */
int tq__kafka_topic_is_there(rd_kafka_resp_err_t code);

#endif
