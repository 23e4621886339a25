/* SPDX-License-Identifier: MIT */
/*
 * Faults on demand: what is to go wrong, how often, for whom.
 */
#ifndef TICKETQ_SANDBOX_FAULT_H
#define TICKETQ_SANDBOX_FAULT_H

#include <pthread.h>

#include "http/http.h"

#define FAULTS_MAX 256

enum fault_kind {
    FAULT_NONE,
    FAULT_DECLINE,
    FAULT_DELAY,
    FAULT_TIMEOUT_AFTER_EFFECT,
    FAULT_ERROR_5XX,
    FAULT_LOST,
    FAULT_DOUBLE,
    FAULT_REORDER,
    FAULT_LATE,
    FAULT_LATE_PAID,
};

enum fault_operation { ON_CONFIRM, ON_GET, ON_CANCEL, ON_PRE_REGISTER, ON_WEBHOOK };

struct fault {
    enum fault_operation operation;
    enum fault_kind kind;
    int64_t count; /* how often still; -1: without end */
    double probability;
    int64_t delay_ms;            /* -1: the kind's own */
    char payment_id[TQ_ID_SIZE]; /* "": anybody's */
};

struct faults {
    pthread_mutex_t lock; /* all below */
    struct fault list[FAULTS_MAX];
    size_t count;
};

void faults_init(struct faults *faults);
void faults_done(struct faults *faults);
/* Uses up one fault that fits; FAULT_NONE when nothing is to go wrong. */
struct fault faults_take(struct faults *faults, const struct tq_env *env,
                         enum fault_operation operation, const char *payment_id);
/* Reads a fault; 0: it has answered with a problem. */
int fault_read(struct http_request *request, struct fault *out_fault);
/* Non-zero when there is room. */
int faults_add(struct faults *faults, const struct fault *fault);
void faults_clear(struct faults *faults);
/* The delay of a fault, or what its kind has by default. */
int64_t fault_delay_ms(const struct fault *fault, int64_t fallback_ms);

#endif
