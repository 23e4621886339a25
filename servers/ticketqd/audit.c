/* SPDX-License-Identifier: MIT */
/*
 * Reads the ledgers of all services and the provider's book, and says whether
 * they agree.
 *
 * Each promise is one statement of audit.sql over the services' databases side
 * by side; the rows it gives are the rows that are off:
 *
 *     payments end      each in one ticket or with all of its money back
 *     seats have one    owner, known to the book, the reservation and the person
 *     seats add up      available + hold + paying + sold = total
 *     nothing overdue   no hold and no saga is past its time
 *     events applied    each event once by each consumer, none out of nothing
 *     steps told        each step of a saga and the events around it tell the same
 *     money             in = tickets + refunds, payment by payment
 *
 * What is on its way and younger than a minute is counted as such and is not
 * off, so that a sale that goes on can be audited. Files are opened for reading
 * only, in one transaction; ledgers elsewhere are copied first (copy.c). Exit status: 0 clean, 1
 * off, 2 unreadable.
 */
#include "ticketqd/audit.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "app/app.h"
#include "audit_sql.h"
#include "core/env.h"
#include "ticketqd/copy.h"

#define GRACE_MS 60000
#define NAMED_MAX 20 /* rows that the report for people names per check */
#define UNREADABLE 2

struct check {
    const char *name;
    const char *title;
    const char *sql;
};

static const struct check checks[] = {
    {"paymentEnds", "each payment ends in one ticket or with all of its money back",
     AUDIT_payment_ends},
    {"seatOwners", "each seat has one owner", AUDIT_seat_owners},
    {"seatsAddUp", "available + hold + paying + sold = total", AUDIT_seats_add_up},
    {"nothingOverdue", "nothing stays held past its time", AUDIT_nothing_overdue},
    {"eventsApplied", "every event was applied once", AUDIT_events_applied},
    {"stepsTold", "steps and events tell the same story", AUDIT_steps_told},
    {"money", "money in = tickets + refunds", AUDIT_money},
};

struct audit {
    struct tq_env env;
    sqlite3 *db;
    const char *data;    /* NULL: `ledger` says where */
    const char *ledger;  /* NULL: files in `data` */
    const char *portone; /* NULL: there is no book to compare with */
    int is_json;
    int64_t now_ms;
    struct tq__buf json;
    size_t off_count;
};

static int unreadable(const struct audit *audit, const char *what)
{
    fprintf(stderr, "ticketqd audit: %s: %s\n", what, sqlite3_errmsg(audit->db));
    return UNREADABLE;
}

/* ---- the ledgers ---- */

static const char *const names[] = {"event", "queue", "reservation", "payment"};

#define NAMES (sizeof names / sizeof *names)

/* A file that is only read; without files, a new database that is nobody else's. */
static int attach(struct audit *audit, const char *name)
{
    sqlite3_stmt *statement = NULL;
    char *uri = audit->ledger ? sqlite3_mprintf("")
                              : sqlite3_mprintf("file:%s/%s.db?mode=ro", audit->data, name);
    char *sql = sqlite3_mprintf("ATTACH ?1 AS %s", name);
    int rc = uri && sql ? sqlite3_prepare_v2(audit->db, sql, -1, &statement, NULL) : SQLITE_NOMEM;
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(statement, 1, uri, -1, SQLITE_STATIC);
        rc = sqlite3_step(statement);
    }
    sqlite3_finalize(statement);
    sqlite3_free(sql);
    int status = rc == SQLITE_DONE ? 0 : unreadable(audit, uri ? uri : name);
    sqlite3_free(uri);
    return status;
}

static int copy_ledgers(struct audit *audit)
{
    struct tq_error err = TQ_ERROR_INIT;
    const struct audit_copy copy = {&audit->env, audit->ledger, names, NAMES, audit->db};
    sqlite3_exec(audit->db, "BEGIN", NULL, NULL, NULL);
    int rc = audit_copy(&copy, &err);
    if (rc < 0) {
        fprintf(stderr, "ticketqd audit: %s: %s\n", tq_status_name(rc), err.message);
        return UNREADABLE;
    }
    return sqlite3_exec(audit->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK
               ? 0
               : unreadable(audit, "the copy");
}

static int open_ledgers(struct audit *audit)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_URI;
    int status = 0;
    if (sqlite3_open_v2("audit", &audit->db, flags, NULL) != SQLITE_OK) {
        return unreadable(audit, "cannot begin");
    }
    sqlite3_busy_timeout(audit->db, 5000);
    for (size_t i = 0; i < NAMES && status == 0; i++) {
        status = attach(audit, names[i]);
    }
    return status || !audit->ledger ? status : copy_ledgers(audit);
}

/* ---- the provider's book ---- */

static int add_to_book(struct audit *audit, sqlite3_stmt *statement, const tq__json *payment)
{
    const char *id = tq__json_string(tq__json_member(payment, "paymentId"));
    const char *status = tq__json_string(tq__json_member(payment, "status"));
    int64_t paid = 0;
    int64_t cancelled = 0;
    if (!id || !status || !tq__json_int64(tq__json_member(payment, "paid"), &paid) ||
        !tq__json_int64(tq__json_member(payment, "cancelled"), &cancelled)) {
        fprintf(stderr, "ticketqd audit: the provider's book is not readable\n");
        return UNREADABLE;
    }
    sqlite3_reset(statement);
    sqlite3_bind_text(statement, 1, id, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, status, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 3, paid);
    sqlite3_bind_int64(statement, 4, cancelled);
    return sqlite3_step(statement) == SQLITE_DONE ? 0 : unreadable(audit, "the provider's book");
}

static int copy_book(struct audit *audit, const tq__json *book)
{
    sqlite3_stmt *statement = NULL;
    const tq__json *payments = tq__json_member(book, "payments");
    int status = 0;
    if (!tq__json_is_array(payments)) {
        fprintf(stderr, "ticketqd audit: the provider's book is not readable\n");
        return UNREADABLE;
    }
    sqlite3_prepare_v2(audit->db, AUDIT_book_add, -1, &statement, NULL);
    for (const tq__json *at = tq__json_first(payments); at && status == 0; at = tq__json_next(at)) {
        status = add_to_book(audit, statement, at);
    }
    sqlite3_finalize(statement);
    return status;
}

static int fetch_book(struct audit *audit)
{
    http_client *client = NULL;
    struct http_answer answer = HTTP_ANSWER(&audit->env);
    struct tq_error err = TQ_ERROR_INIT;
    char url[TQ_URL_MAX];
    const struct http_call call = {.method = "GET", .url = url, .answer_max = (size_t)1 << 28};
    int status = UNREADABLE;
    snprintf(url, sizeof url, "%s/sandbox/book", audit->portone);
    int rc = http_client_new(&audit->env, &client, &err);
    rc = rc < 0 ? rc : http_client_call(client, &call, &answer, &err);
    if (rc == TQ_OK && answer.status == 200) {
        status = copy_book(audit, http_answer_json(&answer));
    } else {
        fprintf(stderr, "ticketqd audit: %s: %s\n", url, rc < 0 ? err.message : "no book there");
    }
    http_answer_done(&answer);
    http_client_free(client);
    return status;
}

static int open_book(struct audit *audit)
{
    if (sqlite3_exec(audit->db, AUDIT_own, NULL, NULL, NULL) != SQLITE_OK) {
        return unreadable(audit, "cannot begin");
    }
    return audit->portone ? fetch_book(audit) : 0;
}

/* ---- the report ---- */

static sqlite3_stmt *prepare(struct audit *audit, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(audit->db, sql, -1, &statement, NULL) == SQLITE_OK) {
        int now = sqlite3_bind_parameter_index(statement, "$1");
        int stale = sqlite3_bind_parameter_index(statement, "$2");
        sqlite3_bind_int64(statement, now ? now : 1, audit->now_ms);
        sqlite3_bind_int64(statement, stale ? stale : 2, audit->now_ms - GRACE_MS);
    }
    return statement;
}

static const char *column(sqlite3_stmt *statement, int place)
{
    const char *text = (const char *)sqlite3_column_text(statement, place);
    return text ? text : "?";
}

static void put_row(struct audit *audit, sqlite3_stmt *statement, size_t count)
{
    if (audit->is_json) {
        tq__put_object(&audit->json, NULL);
        tq__put_string(&audit->json, "row", column(statement, 0));
        tq__put_string(&audit->json, "why", column(statement, 1));
        tq__put_object_end(&audit->json);
    } else if (count < NAMED_MAX) {
        printf("      %s %s\n", column(statement, 0), column(statement, 1));
    }
}

static void put_head(struct audit *audit, const struct check *check)
{
    if (audit->is_json) {
        tq__put_object(&audit->json, NULL);
        tq__put_string(&audit->json, "name", check->name);
        tq__put_string(&audit->json, "promise", check->title);
        tq__put_array(&audit->json, "off");
    }
}

static void put_foot(struct audit *audit, const struct check *check, size_t count)
{
    if (audit->is_json) {
        tq__put_array_end(&audit->json);
        tq__put_object_end(&audit->json);
    } else if (count > NAMED_MAX) {
        printf("      and %zu more\n", count - NAMED_MAX);
    }
    if (!audit->is_json) {
        printf("%s  %s (%zu off)\n", count ? "OFF" : "ok ", check->title, count);
    }
}

static int run_check(struct audit *audit, const struct check *check)
{
    sqlite3_stmt *statement = prepare(audit, check->sql);
    size_t count = 0;
    int rc = SQLITE_ERROR;
    put_head(audit, check);
    while (statement && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        put_row(audit, statement, count++);
    }
    sqlite3_finalize(statement);
    if (rc != SQLITE_DONE) {
        return unreadable(audit, check->name);
    }
    put_foot(audit, check, count);
    audit->off_count += count;
    return 0;
}

static int put_totals(struct audit *audit)
{
    sqlite3_stmt *totals = prepare(audit, AUDIT_totals);
    sqlite3_stmt *under_way = prepare(audit, AUDIT_under_way);
    int is_read = totals && under_way && sqlite3_step(under_way) == SQLITE_ROW;
    int64_t way_count = is_read ? sqlite3_column_int64(under_way, 0) : 0;
    tq__put_object(&audit->json, "totals");
    while (is_read && sqlite3_step(totals) == SQLITE_ROW) {
        tq__put_int(&audit->json, column(totals, 0), sqlite3_column_int64(totals, 1));
        if (!audit->is_json) {
            printf("      %-16s %lld\n", column(totals, 0), sqlite3_column_int64(totals, 1));
        }
    }
    tq__put_object_end(&audit->json);
    tq__put_int(&audit->json, "underWay", way_count);
    if (!audit->is_json) {
        printf("      %-16s %lld\n", "under way", (long long)way_count);
    }
    sqlite3_finalize(totals);
    sqlite3_finalize(under_way);
    return is_read ? 0 : unreadable(audit, "totals");
}

static int report(struct audit *audit)
{
    int status = 0;
    sqlite3_exec(audit->db, "BEGIN", NULL, NULL, NULL);
    tq__put_object(&audit->json, NULL);
    tq__put_array(&audit->json, "checks");
    for (size_t i = 0; i < sizeof checks / sizeof *checks && status == 0; i++) {
        if (checks[i].sql != AUDIT_money || audit->portone) {
            status = run_check(audit, &checks[i]);
        }
    }
    tq__put_array_end(&audit->json);
    status = status ? status : put_totals(audit);
    tq__put_bool(&audit->json, "isMoneyCompared", audit->portone != NULL);
    tq__put_int(&audit->json, "off", (int64_t)audit->off_count);
    tq__put_bool(&audit->json, "isClean", audit->off_count == 0);
    tq__put_object_end(&audit->json);
    if (status) {
        return status;
    }
    if (audit->is_json) {
        printf("%s\n", audit->json.data ? audit->json.data : "{}");
    } else {
        printf("%s%s\n", audit->off_count ? "The books do not agree." : "The books agree.",
               audit->portone ? "" : " (Money was not compared: no --portone.)");
    }
    return audit->off_count ? 1 : 0;
}

/* ---- the command line ---- */

static int usage(FILE *to, int status)
{
    fputs("usage: ticketqd audit [--json] --data DIR | --ledger URL [--portone URL]\n"
          "  --data     the SQLite databases of a ticketqd, also while it runs\n"
          "  --ledger   the PostgreSQL database of a ticketqd, also while it runs\n"
          "  --portone  the sandbox, whose book is compared too\n"
          "Exit status: 0 clean, 1 something is off, 2 it could not be read.\n",
          to);
    return status;
}

int audit_main(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},         {"data", required_argument, NULL, 'd'},
        {"ledger", required_argument, NULL, 'l'}, {"portone", required_argument, NULL, 'p'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    struct audit audit = {.env = app_system_env()};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'j':
            audit.is_json = 1;
            break;
        case 'h':
            return usage(stdout, 0);
        case 'd':
            audit.data = optarg;
            break;
        case 'l':
            audit.ledger = optarg;
            break;
        case 'p':
            audit.portone = optarg;
            break;
        default:
            return usage(stderr, UNREADABLE);
        }
    }
    if (!audit.data == !audit.ledger || optind != argc) {
        return usage(stderr, UNREADABLE);
    }
    audit.now_ms = tq__now_ms(&audit.env);
    audit.json = (struct tq__buf)TQ__BUF(&audit.env);
    int status = open_ledgers(&audit);
    status = status ? status : open_book(&audit);
    status = status ? status : report(&audit);
    tq__buf_done(&audit.json);
    sqlite3_close(audit.db);
    return status;
}
