/* SPDX-License-Identifier: MIT */
/*
 * What a route asks of its caller. Services put these into the flags of their
 * routes; the filter of the public listener (gateway/) enforces them before the
 * handler runs and fills request->identity:
 *
 *     flag             needs                          identity       else
 *     none             nothing                        empty          -
 *     APP_NEEDS_USER   an access token                subject, role  401 ACCESS_TOKEN_...
 *     APP_NEEDS_ADMIN  an access token, role admin    subject, role  403 ADMIN_ONLY
 *     APP_NEEDS_PASS   the token and the visitor's    + scope, the   401 QUEUE_TOKEN_...,
 *                      own pass in X-Queue-Token      pass's room    403 QUEUE_TOKEN_MISMATCH
 *
 * That the pass is for the schedule at hand is the handler's to check: only it
 * knows the schedule.
 */
#ifndef TICKETQ_APP_ACCESS_H
#define TICKETQ_APP_ACCESS_H

#include "http/http.h"

#define APP_NEEDS_USER HTTP_APP_FLAG(0)
#define APP_NEEDS_ADMIN (APP_NEEDS_USER | HTTP_APP_FLAG(1))
#define APP_NEEDS_PASS (APP_NEEDS_USER | HTTP_APP_FLAG(2))

#define APP_AUDIENCE "ticketq" /* `aud` of access tokens */
#define APP_ROLE_ADMIN "admin"

#endif
