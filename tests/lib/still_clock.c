/* SPDX-License-Identifier: MIT */
/*
 * A clock for a server under test: preloaded into it, gettimeofday() tells the
 * milliseconds that stand in the file STILL_CLOCK_FILE, which the test maps and moves.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

static const volatile int64_t *clock_ms;

__attribute__((constructor)) static void map_clock(void)
{
    const char *path = getenv("STILL_CLOCK_FILE");
    int fd = path ? open(path, O_RDONLY) : -1;
    void *page = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *clock_ms, PROT_READ, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) {
        abort();
    }
    close(fd);
    clock_ms = page;
}

__attribute__((visibility("default"))) int gettimeofday(struct timeval *restrict now,
                                                        void *restrict zone)
{
    int64_t ms = clock_ms ? *clock_ms : 0;
    (void)zone;
    *now = (struct timeval){ms / 1000, (suseconds_t)(ms % 1000) * 1000};
    return 0;
}
