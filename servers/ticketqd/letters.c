/* SPDX-License-Identifier: MIT */
/*
 * Shows the letters that lie in a dead-letter topic, and tells their events once more.
 *
 * A line of JSON for each, oldest first of its key: what was refused, by whom and why.
 * With --replay, each event goes back through the outbox of the ledger whose consumer
 * refused it (tq_inbox_replay); a relay of that service, which has to run, does the
 * rest. Letters stay in their topic: nothing is taken from anybody else who reads it,
 * and an event that was replayed is told so, not replayed again.
 *
 * It reads as a group of its own that nobody hears of again, with a ledger in memory, and
 * makes nothing: a topic, a schema or a file that is not there is told. A topic has no end
 * that it could see; it stops when none has come for --wait-ms. A broker that failed, and
 * after which no letter came, may have more of them. Exit status: 0 read, 1 an event could
 * not be replayed, 2 perhaps not everything was read.
 */
#include "ticketqd/letters.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <ticketq/outbox.h>
#include <ticketq/store.h>

#include "app/app.h"
#include "core/bytes.h"
#include "core/env.h"
#include "core/error.h"
#include "core/json.h"
#include "core/url.h"
#include "transport/transport.h"

#define REFUSED 1
#define UNREADABLE 2
#define STEP_MS 100
#define WAIT_MS 10000
#define WAIT_MAX_MS 3600000

struct letters {
    struct tq_env env;
    const char *transport_url, *topic, *ledger_url, *id; /* of options; the last two may be NULL */
    int64_t wait_ms;
    tq_transport *transport;
    tq_store *claims; /* what this run has seen */
    tq_store *ledger; /* NULL: they are only shown */
    tq_inbox *inbox;
    int status;
};

/* ---- a letter ---- */

static const char *header_of(const struct tq_event *letter, const char *name)
{
    return tq__header(letter->headers, letter->headers_count, name);
}

static int replay_in(tq_tx *tx, void *arg, struct tq_error *err)
{
    return tq_inbox_replay(tx, arg, err);
}

/* TQ_REPEAT: this run has replayed it. It was refused again, and would be for ever. */
static int note(tq_tx *tx, void *arg, struct tq_error *err)
{
    const char *const ids[] = {arg};
    uint8_t is_fresh = 0;
    TQ_TRY(tq_inbox_claim(tx, "replay", ids, 1, &is_fresh, err));
    return is_fresh ? TQ_OK : TQ_REPEAT;
}

static void put_replay(struct letters *letters, struct tq__buf *line, const struct tq_event *letter)
{
    struct tq_error err = TQ_ERROR_INIT;
    const char *id = header_of(letter, TQ_DEAD_ID);
    int rc = tq_ledger_run(letters->claims, note, (void *)(uintptr_t)id, &err);
    if (rc == TQ_OK) {
        rc = tq_ledger_run(letters->ledger, replay_in, (void *)(uintptr_t)letter, &err);
    }
    tq__put_bool(line, "isReplayed", rc == TQ_OK);
    if (rc < 0) {
        tq__put_string(line, "problem", err.message);
        letters->status = REFUSED;
    }
}

/* One line. */
static void show(struct letters *letters, const struct tq_event *letter)
{
    const char *id = header_of(letter, TQ_DEAD_ID);
    if (letters->id && strcmp(letters->id, id) != 0) {
        return;
    }
    struct tq__buf line = TQ__BUF(&letters->env);
    tq__put_object(&line, NULL);
    tq__put_string(&line, "id", id);
    tq__put_string(&line, "topic", header_of(letter, TQ_DEAD_TOPIC));
    tq__put_string(&line, "key", letter->key);
    tq__put_string(&line, "type", letter->type);
    tq__put_string(&line, "consumer", header_of(letter, TQ_DEAD_CONSUMER));
    tq__put_string(&line, "status", header_of(letter, TQ_DEAD_STATUS));
    tq__put_string(&line, "reason", header_of(letter, TQ_DEAD_REASON));
    tq__put_int(&line, "refusedMs", letter->created_ms);
    tq__put_string_of(&line, "payload", letter->payload, letter->payload_bytes);
    if (letters->ledger) {
        put_replay(letters, &line, letter);
    }
    tq__put_object_end(&line);
    printf("%s\n", line.is_failed ? "{}" : line.data);
    fflush(stdout);
    tq__buf_done(&line);
}

/* The ledger's transaction has ended, so this happens once. */
static void show_all(const struct tq_event *const events[], size_t count, void *arg)
{
    for (size_t i = 0; i < count; i++) {
        show(arg, events[i]);
    }
}

static int see(tq_tx *tx, const struct tq_event *letter, void *arg, struct tq_error *err)
{
    (void)tx;
    (void)letter;
    (void)arg;
    (void)err;
    return TQ_OK;
}

/* ---- reading ---- */

static int open_inbox(struct letters *letters, struct tq_error *err)
{
    char group[37];
    const char *const topics[] = {letters->topic};
    TQ_TRY(tq_store_open(&letters->env, TQ_ARGS(tq_store_options, .url = "sqlite::memory:"),
                         &letters->claims, err));
    TQ_TRY(tq_outbox_prepare(letters->claims, err));
    TQ_TRY(tq__uuid7(&letters->env, tq__now_ms(&letters->env), group, err));
    return tq_inbox_open(letters->claims, letters->transport,
                         TQ_ARGS(tq_inbox_options, .consumer = group, .topics = topics,
                                 .topics_count = 1, .dead_letter_topic = letters->topic,
                                 .handler = see, .applied = show_all, .arg = letters),
                         &letters->inbox, err);
}

/* The URL, but nothing is made, whatever it says of that. */
static int put_url(struct tq__buf *target, const char *url, struct tq_error *err)
{
    const char *at = strchrnul(url, '?');
    tq__buf_add(target, url, (size_t)(at - url));
    tq__buf_text(target, "?create=0");
    while (*at) {
        const char *option = at + 1;
        at = strchrnul(option, '&');
        if (!tq__url_is_called("create", option, strcspn(option, "=&"))) {
            tq__buf_format(target, "&%.*s", (int)(at - option), option);
        }
    }
    return tq__buf_check(target, "letters", err);
}

static int open_transport(struct letters *letters, struct tq_error *err)
{
    if (strncmp(letters->transport_url, "inproc:", 7) == 0) {
        return tq__fail(err, TQ_E_UNSUPPORTED, "letters",
                        "--transport: what one process keeps to itself has no letters for others");
    }
    struct tq__buf url = TQ__BUF(&letters->env);
    int rc = put_url(&url, letters->transport_url, err);
    if (rc == TQ_OK) {
        rc = tq_transport_open(&letters->env, TQ_ARGS(tq_transport_options, .url = url.data),
                               &letters->transport, err);
    }
    tq__buf_done(&url);
    return rc;
}

static int open_ledger(struct letters *letters, struct tq_error *err)
{
    struct tq__buf url = TQ__BUF(&letters->env);
    int rc = put_url(&url, letters->ledger_url, err);
    if (rc == TQ_OK) {
        rc = tq_store_open(&letters->env, TQ_ARGS(tq_store_options, .url = url.data),
                           &letters->ledger, err);
    }
    tq__buf_done(&url);
    return rc;
}

static int open_all(struct letters *letters, struct tq_error *err)
{
    TQ_TRY(open_transport(letters, err));
    if (letters->ledger_url) {
        TQ_TRY(open_ledger(letters, err));
    }
    return open_inbox(letters, err);
}

/* Until none has come for so long. A broker that is away for a moment is waited for. */
static int read_all(struct letters *letters, struct tq_error *err)
{
    int status = TQ_OK;
    int64_t last_ms = tq__now_ms(&letters->env);
    while (tq__now_ms(&letters->env) - last_ms < letters->wait_ms) {
        struct tq_inbox_stats stats = TQ_INIT(tq_inbox_stats);
        int rc = tq_inbox_step(letters->inbox, STEP_MS, &stats, err);
        status = rc == TQ_EMPTY ? status : rc;
        if (rc >= 0 && stats.applied + stats.dead > 0) {
            last_ms = tq__now_ms(&letters->env);
        }
    }
    return status;
}

static int run(struct letters *letters)
{
    struct tq_error err = TQ_ERROR_INIT;
    int rc = open_all(letters, &err);
    rc = rc < 0 ? rc : read_all(letters, &err);
    if (rc < 0) {
        fprintf(stderr, "ticketqd letters: %s\n", err.message);
        letters->status = UNREADABLE;
    }
    tq_inbox_close(letters->inbox);
    tq_store_close(letters->claims);
    tq_store_close(letters->ledger);
    tq_transport_close(letters->transport);
    return letters->status;
}

/* ---- the command line ---- */

static int usage(FILE *to, int status)
{
    fputs("usage: ticketqd letters --transport URL --topic TOPIC [--id ID] [--wait-ms N]\n"
          "                         [--replay URL]\n"
          "  --transport  as the servers have it\n"
          "  --topic      dlq.payment, dlq.reservation or dlq.queue\n"
          "  --id         only the letters of this event\n"
          "  --wait-ms    ends when none has come for so long (10000)\n"
          "  --replay     tells their events once more, through this ledger of the service that\n"
          "               refused them: sqlite:DIR/payment.db, postgres://...?schema=payment\n"
          "Nothing is made: what is not there is told.\n"
          "Exit status: 0 read, 1 an event could not be replayed, 2 perhaps not all was read.\n",
          to);
    return status;
}

static int read_wait(const char *text, int64_t *out_ms)
{
    *out_ms = tq__text_number(text, strlen(text), WAIT_MAX_MS);
    return *out_ms >= 1;
}

int letters_main(int argc, char **argv)
{
    static const struct option options[] = {{"transport", required_argument, NULL, 't'},
                                            {"topic", required_argument, NULL, 'o'},
                                            {"id", required_argument, NULL, 'i'},
                                            {"wait-ms", required_argument, NULL, 'w'},
                                            {"replay", required_argument, NULL, 'r'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct letters letters = {.env = app_system_env(), .wait_ms = WAIT_MS};
    int is_good = 1;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 't':
            letters.transport_url = optarg;
            break;
        case 'o':
            letters.topic = optarg;
            break;
        case 'i':
            letters.id = optarg;
            break;
        case 'r':
            letters.ledger_url = optarg;
            break;
        case 'w':
            is_good &= read_wait(optarg, &letters.wait_ms);
            break;
        case 'h':
            return usage(stdout, 0);
        default:
            is_good = 0;
        }
    }
    if (!is_good || !letters.transport_url || !letters.topic || optind != argc) {
        return usage(stderr, UNREADABLE);
    }
    return run(&letters);
}
