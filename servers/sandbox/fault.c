/* SPDX-License-Identifier: MIT */
/*
 * Keeps the list of faults and deals them out.
 *
 *     kind               on            what happens
 *     decline            confirm       the card company refuses; the payment is FAILED
 *     delay              any           the operation begins later
 *     error5xx           any but webhook  500, nothing was done
 *     timeoutAfterEffect any but webhook  it is done, and the connection is cut
 *     latePaid           confirm       the connection is cut; PAY_PENDING, then PAID by itself
 *     lost double late reorder  webhook   never, twice, after a while, after a later one
 *                                      (the webhook of a latePaid takes a fault of its own)
 *
 * The first fault that fits is used up by one; chance decides only when one fits.
 * Threads: [any]; one mutex.
 */
#include "sandbox/fault.h"

#include <string.h>

#include "core/env.h"

struct word {
    const char *text;
    int value;
    unsigned operations; /* on which it makes sense, as bits */
};

#define ON(operation) (1u << (operation))
#define CALLS (ON(ON_CONFIRM) | ON(ON_GET) | ON(ON_CANCEL) | ON(ON_PRE_REGISTER))

static const struct word operations[] = {
    {"confirm", ON_CONFIRM, 0},          {"get", ON_GET, 0},         {"cancel", ON_CANCEL, 0},
    {"preRegister", ON_PRE_REGISTER, 0}, {"webhook", ON_WEBHOOK, 0}, {NULL, 0, 0},
};

static const struct word kinds[] = {
    {"decline", FAULT_DECLINE, ON(ON_CONFIRM)},
    {"delay", FAULT_DELAY, CALLS | ON(ON_WEBHOOK)},
    {"timeoutAfterEffect", FAULT_TIMEOUT_AFTER_EFFECT, CALLS},
    {"error5xx", FAULT_ERROR_5XX, CALLS},
    {"lost", FAULT_LOST, ON(ON_WEBHOOK)},
    {"double", FAULT_DOUBLE, ON(ON_WEBHOOK)},
    {"reorder", FAULT_REORDER, ON(ON_WEBHOOK)},
    {"late", FAULT_LATE, ON(ON_WEBHOOK)},
    {"latePaid", FAULT_LATE_PAID, ON(ON_CONFIRM)},
    {NULL, 0, 0},
};

void faults_init(struct faults *faults)
{
    pthread_mutex_init(&faults->lock, NULL);
    faults->count = 0;
}

void faults_done(struct faults *faults)
{
    pthread_mutex_destroy(&faults->lock);
}

static int fits(const struct fault *fault, enum fault_operation operation, const char *payment_id)
{
    return fault->operation == operation &&
           (!fault->payment_id[0] || strcmp(fault->payment_id, payment_id) == 0);
}

/* A number in 0..1. */
static double chance(const struct tq_env *env)
{
    uint32_t random = 0;
    return tq__random(env, &random, sizeof random, NULL) < 0 ? 0 : (double)random / 4294967296.0;
}

static void use_up(struct faults *faults, size_t at)
{
    struct fault *fault = &faults->list[at];
    if (fault->count > 0 && --fault->count == 0) {
        faults->count--;
        memmove(fault, fault + 1, (faults->count - at) * sizeof *fault);
    }
}

struct fault faults_take(struct faults *faults, const struct tq_env *env,
                         enum fault_operation operation, const char *payment_id)
{
    struct fault taken = {.kind = FAULT_NONE};
    pthread_mutex_lock(&faults->lock);
    for (size_t i = 0; i < faults->count; i++) {
        if (!fits(&faults->list[i], operation, payment_id)) {
            continue;
        }
        if (chance(env) < faults->list[i].probability) {
            taken = faults->list[i];
            use_up(faults, i);
            break;
        }
    }
    pthread_mutex_unlock(&faults->lock);
    return taken;
}

int faults_add(struct faults *faults, const struct fault *fault)
{
    pthread_mutex_lock(&faults->lock);
    int is_room = faults->count < FAULTS_MAX;
    if (is_room) {
        faults->list[faults->count++] = *fault;
    }
    pthread_mutex_unlock(&faults->lock);
    return is_room;
}

void faults_clear(struct faults *faults)
{
    pthread_mutex_lock(&faults->lock);
    faults->count = 0;
    pthread_mutex_unlock(&faults->lock);
}

int64_t fault_delay_ms(const struct fault *fault, int64_t fallback_ms)
{
    return fault->delay_ms >= 0 ? fault->delay_ms : fallback_ms;
}

/* ---- reading ---- */

static const struct word *word_of(const struct word *words, const char *text)
{
    while (words->text && strcmp(words->text, text) != 0) {
        words++;
    }
    return words->text ? words : NULL;
}

static int read_optional(struct http_request *request, const tq__json *body, struct fault *fault)
{
    const tq__json *probability = tq__json_member(body, "probability");
    const tq__json *payment = tq__json_member(body, "paymentId");
    int64_t always = probability ? -1 : 1; /* a probability alone goes on without end */
    fault->probability = 1;
    if (probability && (!tq__json_double(probability, &fault->probability) ||
                        fault->probability < 0 || fault->probability > 1)) {
        http_problem(request, 400, "FIELD_INVALID", "probability must be a number from 0 to 1.");
        return 0;
    }
    if (payment) {
        const char *id = http_field_id(request, body, "paymentId");
        if (!id) {
            return 0;
        }
        tq__id_copy(fault->payment_id, id);
    }
    return http_field_int_or(request, body, "count", 1, 1000000, always, &fault->count) &&
           http_field_int_or(request, body, "delayMs", 0, 600000, -1, &fault->delay_ms);
}

int fault_read(struct http_request *request, struct fault *out_fault)
{
    struct fault fault = {.kind = FAULT_NONE};
    const tq__json *body = http_json(request);
    const char *operation = body ? http_field_id(request, body, "operation") : NULL;
    const char *kind = operation ? http_field_id(request, body, "fault") : NULL;
    if (!kind) {
        return 0;
    }
    const struct word *on = word_of(operations, operation);
    const struct word *what = word_of(kinds, kind);
    if (!on || !what || !(what->operations & ON((unsigned)on->value))) {
        http_problem(request, 400, "FIELD_INVALID", "There is no fault %s of %s.", kind, operation);
        return 0;
    }
    fault.operation = (enum fault_operation)on->value;
    fault.kind = (enum fault_kind)what->value;
    if (!read_optional(request, body, &fault)) {
        return 0;
    }
    *out_fault = fault;
    return 1;
}
