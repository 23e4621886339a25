/* SPDX-License-Identifier: MIT */
/*
 * The routes of the reservation service, for its table in service.c.
 */
#ifndef TQ_RESERVATION_ROUTES_H
#define TQ_RESERVATION_ROUTES_H

#include "http/http.h"

#define RESERVATION_ROUTES 6
#define RESERVATION_INTERNAL_ROUTES 2

extern const struct http_route reservation_routes[RESERVATION_ROUTES];
extern const struct http_route reservation_internal_routes[RESERVATION_INTERNAL_ROUTES];

#endif
