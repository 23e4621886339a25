/* SPDX-License-Identifier: MIT */
/*
 * Measures figures: five rounds, in each the value and its reference, so that what else the
 * machine does meets both alike; they take turns at being first. A round before them is not
 * counted: servers compile, fill caches and make files in it. Told are the medians of both and
 * the median of the five ratios.
 */
#include "bench/frame.h"

#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 5
#define THREADS_MAX 256

double bench_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void bench_check(int result, int expected, const char *what, const struct tq_error *err)
{
    if (result != expected) {
        fprintf(stderr, "%s: %s (%s)\n", what, tq_status_name(result), err->message);
        exit(EXIT_FAILURE);
    }
}

/* ---- threads that begin together ---- */

struct team {
    pthread_barrier_t start;
    void (*body)(void *arg, size_t number);
    void *arg;
};

struct member {
    struct team *team;
    size_t number;
};

static void *be_a_member(void *arg)
{
    struct member *member = arg;
    pthread_barrier_wait(&member->team->start);
    member->team->body(member->team->arg, member->number);
    return NULL;
}

double bench_threads(size_t count, void (*body)(void *arg, size_t number), void *arg)
{
    static pthread_t threads[THREADS_MAX];
    static struct member members[THREADS_MAX];
    struct team team = {.body = body, .arg = arg};
    pthread_barrier_init(&team.start, NULL, (unsigned)count + 1);
    for (size_t i = 0; i < count; i++) {
        members[i] = (struct member){&team, i};
        if (pthread_create(&threads[i], NULL, be_a_member, &members[i])) {
            perror("pthread_create");
            exit(EXIT_FAILURE);
        }
    }
    pthread_barrier_wait(&team.start);
    double begin = bench_clock();
    for (size_t i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
    double seconds = bench_clock() - begin;
    pthread_barrier_destroy(&team.start);
    return seconds;
}

/* ---- a folder ---- */

static char folder[256];

const char *bench_folder(void)
{
    const char *parent = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/ticketq-bench-XXXXXX", parent ? parent : "/tmp");
    if (!mkdtemp(folder)) {
        perror(folder);
        exit(EXIT_FAILURE);
    }
    return folder;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

void bench_folder_done(void)
{
    nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- figures ---- */

static int is_less(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static double median(double *numbers)
{
    qsort(numbers, ROUNDS, sizeof *numbers, is_less);
    return numbers[ROUNDS / 2];
}

static void run_round(const struct bench_figure *figure, int is_value_first, double *value,
                      double *reference)
{
    *value = is_value_first ? figure->value() : 0;
    *reference = figure->reference();
    *value = is_value_first ? *value : figure->value();
    if (!(*value > 0 && *reference > 0)) {
        fprintf(stderr, "%s: %g against %g is no figure\n", figure->name, *value, *reference);
        exit(EXIT_FAILURE);
    }
}

static void run_figure(const struct bench_figure *figure)
{
    double values[ROUNDS], references[ROUNDS], ratios[ROUNDS];
    run_round(figure, 1, &values[0], &references[0]);
    for (int i = 0; i < ROUNDS; i++) {
        run_round(figure, i % 2, &values[i], &references[i]);
        ratios[i] = values[i] / references[i];
    }
    double ratio = median(ratios);
    int is_met = figure->is_a_cost ? ratio <= figure->goal : ratio >= figure->goal;
    printf("{\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"reference\":%.6g,"
           "\"against\":\"%s\",\"ratio\":%.3g",
           figure->name, median(values), figure->unit, median(references), figure->against, ratio);
    if (figure->goal > 0) {
        printf(",\"goal\":\"%s %g\",\"met\":%s}\n", figure->is_a_cost ? "<=" : ">=", figure->goal,
               is_met ? "true" : "false");
    } else {
        printf(",\"goal\":null,\"met\":null}\n");
    }
    fflush(stdout);
}

static int is_wanted(const char *name, int names_count, char **names)
{
    int is_named = names_count < 2;
    for (int i = 1; i < names_count; i++) {
        is_named |= strcmp(names[i], name) == 0;
    }
    return is_named;
}

int bench_main(int names_count, char **names, const struct bench_figure *figures,
               size_t figures_count)
{
    for (size_t i = 0; i < figures_count; i++) {
        int is_there = !figures[i].needs || getenv(figures[i].needs);
        if (is_there && is_wanted(figures[i].name, names_count, names)) {
            run_figure(&figures[i]);
        }
    }
    return EXIT_SUCCESS;
}
