/* SPDX-License-Identifier: MIT */
/*
 * Who somebody is: the user service.
 */
#ifndef USER_SERVICE_H
#define USER_SERVICE_H

#include "app/app.h"

extern const struct app_service user_service;

#endif
