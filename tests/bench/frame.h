/* SPDX-License-Identifier: MIT */
/*
 * The frame of every bench program: figures beside their references.
 *
 *     static const struct bench_figure figures[] = {{.name = "room.enter", ...}};
 *     int main(int count, char **names) { return BENCH_MAIN(count, names, figures); }
 */
#ifndef TESTS_BENCH_FRAME_H
#define TESTS_BENCH_FRAME_H

#include <stddef.h>

#include <ticketq/status.h>
#include <ticketq/system.h>

/* What is measured, and against what. */
struct bench_figure {
    const char *name;
    const char *unit;      /* of both */
    const char *against;   /* the reference in words */
    double (*value)(void); /* one round; set up and taken down outside its own clock */
    double (*reference)(void);
    double goal;   /* of value / reference; 0: only reported */
    int is_a_cost; /* the goal is the most that the ratio may be, not the least */
    const char *needs; /* a variable with the URL of a server; unset: passed over */
};

/* Run those whose names are given, or all; one line of JSON each. */
int bench_main(int names_count, char **names, const struct bench_figure *figures,
               size_t figures_count);
#define BENCH_MAIN(count, names, figures)                                                          \
    bench_main((count), (names), (figures), sizeof(figures) / sizeof *(figures))

/* Seconds that only grow. */
double bench_clock(void);
/* Ends the program when a call did not come to what it must. */
void bench_check(int result, int expected, const char *what, const struct tq_error *err);
/* Run `body(arg, n)` for n = 0 to count-1 on threads of their own; gives the seconds it took. */
double bench_threads(size_t count, void (*body)(void *arg, size_t number), void *arg);
/* A folder on disk for a round; removed with its files by bench_folder_done(). */
const char *bench_folder(void);
void bench_folder_done(void);

#endif
