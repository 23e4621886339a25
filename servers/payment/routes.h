/* SPDX-License-Identifier: MIT */
/*
 * The routes of the payment service, for its table in service.c.
 */
#ifndef TQ_PAYMENT_ROUTES_H
#define TQ_PAYMENT_ROUTES_H

#include "http/http.h"

#define PAYMENT_ROUTES 5
#define PAYMENT_INTERNAL_ROUTES 1

extern const struct http_route payment_routes[PAYMENT_ROUTES];
extern const struct http_route payment_internal_routes[PAYMENT_INTERNAL_ROUTES];

#endif
