/* SPDX-License-Identifier: MIT */
/*
 * The routes of the payment service, for its table in service.c.
 */
#ifndef TQ_PAYMENT_ROUTES_H
#define TQ_PAYMENT_ROUTES_H

#include "http/http.h"

#define PAYMENT_ROUTES 5

extern const struct http_route payment_routes[PAYMENT_ROUTES];

#endif
