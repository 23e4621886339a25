/* SPDX-License-Identifier: MIT */
/*
 * Who has which seat: the reservation service.
 */
#ifndef TQ_RESERVATION_SERVICE_H
#define TQ_RESERVATION_SERVICE_H

#include "app/app.h"

extern const struct app_service reservation_service;

#endif
