/* SPDX-License-Identifier: MIT */
/*
 * The reconciliation report: ticketqd audit [--json] --data DIR [--portone URL].
 */
#ifndef TQ_TICKETQD_AUDIT_H
#define TQ_TICKETQD_AUDIT_H

/* Returns the exit status: 0 clean, 1 something is off, 2 it could not be read. */
int audit_main(int argc, char **argv);

#endif
