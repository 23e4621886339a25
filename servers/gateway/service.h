/* SPDX-License-Identifier: MIT */
/*
 * Whose tokens are good: the gateway in front of the public routes.
 */
#ifndef GATEWAY_SERVICE_H
#define GATEWAY_SERVICE_H

#include "app/app.h"

extern const struct app_service gateway_service;

#endif
