/* SPDX-License-Identifier: MIT */
/*
 * ticketq-herd: a crowd that buys tickets, against any ticketq over HTTP.
 *
 * Exit status: 0 every visitor came to an end and nothing happened that must
 * not; 1 something did; 2 it could not run.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <ticketq/system.h>

#include "files.h"
#include "herd.h"

static const char usage[] =
    "usage: ticketq-herd --url URL --sandbox URL --schedule ID --keys FILE --scenario FILE\n"
    "                    [--visitors N] [--seed S] [--connections N] [--time-limit SECONDS]\n"
    "                    [--json FILE]\n"
    "       ticketq-herd sign --keys FILE --subject ID [--role ROLE] [--minutes N]\n"
    "\n"
    "  --url          where ticketq listens, http://host:port\n"
    "  --sandbox      where ticketq-sandbox listens\n"
    "  --schedule     what is sold\n"
    "  --keys         key ring of the test; the crowd is signed in with its access key\n"
    "  --scenario     what the crowd is like (examples/herd/README.md)\n"
    "  --visitors     overrides the scenario\n"
    "  --seed         what each visitor is like follows from it; default 1\n"
    "  --connections  most at once, 1 to 1000; default 1000\n"
    "  --time-limit   from the first arrival; default 180\n"
    "  --json         writes the report to a file as well\n"
    "\n"
    "  sign           prints an access token\n";

struct options {
    const char *url, *sandbox, *schedule, *keys, *scenario, *json, *subject, *role;
    int64_t visitors, seed, connections, time_limit, minutes;
};

static int64_t number(const char *text, const char *name, int64_t least, int64_t most)
{
    char *end;
    long long value = strtoll(text, &end, 10);
    if (!*text || *end || value < least || value > most) {
        fprintf(stderr, "herd: --%s must be %lld to %lld\n", name, (long long)least,
                (long long)most);
        exit(2);
    }
    return value;
}

static void read_option(struct options *options, const char *name, const char *value)
{
    const struct {
        const char *name;
        const char **target;
    } texts[] = {{"url", &options->url},           {"sandbox", &options->sandbox},
                 {"schedule", &options->schedule}, {"keys", &options->keys},
                 {"scenario", &options->scenario}, {"json", &options->json},
                 {"subject", &options->subject},   {"role", &options->role}};
    const struct {
        const char *name;
        int64_t *target, least, most;
    } numbers[] = {{"visitors", &options->visitors, 1, 1000000},
                   {"seed", &options->seed, 0, INT64_MAX},
                   {"connections", &options->connections, 1, HTTP_CONNECTIONS_MAX},
                   {"time-limit", &options->time_limit, 1, 86400},
                   {"minutes", &options->minutes, 1, 1440}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(texts[i].name, name) == 0) {
            *texts[i].target = value;
        }
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(numbers[i].name, name) == 0) {
            *numbers[i].target = number(value, name, numbers[i].least, numbers[i].most);
        }
    }
}

static struct options read_options(int argc, char **argv)
{
    static const struct option names[] = {
        {"url", 1, NULL, 0},     {"sandbox", 1, NULL, 0},     {"schedule", 1, NULL, 0},
        {"keys", 1, NULL, 0},    {"scenario", 1, NULL, 0},    {"json", 1, NULL, 0},
        {"subject", 1, NULL, 0}, {"role", 1, NULL, 0},        {"visitors", 1, NULL, 0},
        {"seed", 1, NULL, 0},    {"connections", 1, NULL, 0}, {"time-limit", 1, NULL, 0},
        {"minutes", 1, NULL, 0}, {"help", 0, NULL, 'h'},      {NULL, 0, NULL, 0}};
    struct options options = {.role = "",
                              .seed = 1,
                              .connections = HTTP_CONNECTIONS_MAX,
                              .time_limit = 180,
                              .minutes = 60};
    int at, index;
    while ((at = getopt_long(argc, argv, "h", names, &index)) != -1) {
        if (at != 0) {
            fputs(usage, at == 'h' ? stdout : stderr);
            exit(at == 'h' ? 0 : 2);
        }
        read_option(&options, names[index].name, optarg);
    }
    return options;
}

static void need(const char *value, const char *name)
{
    if (!value) {
        fprintf(stderr, "herd: --%s is missing\n%s", name, usage);
        exit(2);
    }
}

static tq_keys *load_keys(const char *path)
{
    struct tq_env env = tq_system_env();
    struct tq_error err = TQ_ERROR_INIT;
    tq_keys *keys = NULL;
    char *text = file_read(path);
    if (!text || tq_keys_new(&env, &keys, &err) < 0 ||
        tq_keys_load(keys, text, strlen(text), &err) < 0) {
        fprintf(stderr, "herd: %s: %s\n", path, err.message);
        exit(2);
    }
    explicit_bzero(text, strlen(text));
    free(text);
    return keys;
}

static int print_token(const struct options *options)
{
    struct tq_claims claims = TQ_INIT(tq_claims);
    struct tq_error err = TQ_ERROR_INIT;
    char token[TQ_TOKEN_SIZE];
    need(options->keys, "keys");
    need(options->subject, "subject");
    tq_keys *keys = load_keys(options->keys);
    snprintf(claims.subject, sizeof claims.subject, "%s", options->subject);
    snprintf(claims.audience, sizeof claims.audience, "ticketq");
    snprintf(claims.role, sizeof claims.role, "%s", options->role);
    claims.expires_ms = herd_now_ms() + options->minutes * 60000;
    int rc = tq_token_sign(keys, TQ_PURPOSE_ACCESS, &claims, token, &err);
    tq_keys_free(keys);
    if (rc != TQ_OK) {
        fprintf(stderr, "herd: %s\n", err.message);
        return 2;
    }
    puts(token);
    return 0;
}

static void name_run(struct herd *herd)
{
    uint64_t word = 0;
    if (getrandom(&word, sizeof word, 0) != sizeof word) {
        word = (uint64_t)herd_now_ms();
    }
    snprintf(herd->run, sizeof herd->run, "%016llx", (unsigned long long)word);
}

static int run(const struct options *options)
{
    static struct herd herd; /* large */
    need(options->url, "url");
    need(options->sandbox, "sandbox");
    need(options->schedule, "schedule");
    need(options->keys, "keys");
    need(options->scenario, "scenario");
    if (scenario_load(&herd.scenario, options->scenario)) {
        return 2;
    }
    herd.scenario.visitors = options->visitors ? options->visitors : herd.scenario.visitors;
    herd.seed = (uint64_t)options->seed;
    herd.schedule = options->schedule;
    herd.keys = load_keys(options->keys);
    name_run(&herd);
    if (herd_open(&herd, options->url, options->sandbox, (size_t)options->connections) ||
        herd_run(&herd, options->time_limit * 1000)) {
        return 2;
    }
    report_table(&herd);
    int status = report_is_clean(&herd) ? 0 : 1;
    if (options->json && report_json(&herd, options->json)) {
        status = 2;
    }
    herd_free(&herd);
    return status;
}

/* What comes next on the terminal begins below the progress line. */
static void on_interrupt(int number)
{
    ssize_t done = write(STDERR_FILENO, "\n", 1);
    (void)done;
    raise(number); /* as if nobody had caught it: SA_RESETHAND */
}

int main(int argc, char **argv)
{
    const struct sigaction interrupted = {.sa_handler = on_interrupt,
                                          .sa_flags = (int)SA_RESETHAND};
    int is_sign = argc > 1 && strcmp(argv[1], "sign") == 0;
    struct options options = read_options(argc - is_sign, argv + is_sign);
    if (report_has_terminal()) {
        sigaction(SIGINT, &interrupted, NULL);
    }
    return is_sign ? print_token(&options) : run(&options);
}
