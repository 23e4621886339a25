/* SPDX-License-Identifier: MIT */
/*
 * What is on: the event service.
 */
#ifndef EVENT_SERVICE_H
#define EVENT_SERVICE_H

#include "app/app.h"

extern const struct app_service event_service;

#endif
