/* SPDX-License-Identifier: MIT */
/*
 * Who may come in, and when: the queue service.
 */
#ifndef QUEUE_SERVICE_H
#define QUEUE_SERVICE_H

#include "app/app.h"

extern const struct app_service queue_service;

#endif
