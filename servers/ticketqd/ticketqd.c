/* SPDX-License-Identifier: MIT */
/*
 * All services in one process, on the embedded default.
 *
 *     ticketqd [serve] ...   serves until SIGTERM, then drains
 *     ticketqd audit ...     reads the ledgers and the provider's book (audit.h)
 *
 * The services know each other only by events and internal reads; this file is
 * the only one that knows all of them, and it knows nothing but their names.
 */
#include <string.h>

#include "app/app.h"
#include "event/service.h"
#include "gateway/service.h"
#include "payment/service.h"
#include "queue/service.h"
#include "reservation/service.h"
#include "ticketqd/audit.h"
#include "user/service.h"

static const struct app_service *const services[] = {
    &gateway_service, &user_service,        &event_service,
    &queue_service,   &reservation_service, &payment_service,
};

static const struct app_program program = {
    .name = "ticketqd",
    .summary = "high-demand ticket sales: all services in one process",
    .services = services,
    .services_count = sizeof services / sizeof *services,
};

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "audit") == 0) {
        return audit_main(argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], "serve") == 0) {
        argv++;
        argc--;
    }
    return app_main(&program, argc, argv);
}
