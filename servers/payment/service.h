/* SPDX-License-Identifier: MIT */
/*
 * Whose money is where: the payment service.
 */
#ifndef TQ_PAYMENT_SERVICE_H
#define TQ_PAYMENT_SERVICE_H

#include "app/app.h"

extern const struct app_service payment_service;

#endif
