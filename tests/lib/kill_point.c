/* SPDX-License-Identifier: MIT */
/*
 * Kills a process at the n-th of its calls that somebody else could notice.
 *
 * Preloaded into a server (LD_PRELOAD). What a dead process leaves behind is what it
 * wrote to files and sent to sockets, so between two such calls one moment is like
 * any other: to die before each of them, and in the middle of each write, is to die
 * at every moment. The file named by TICKETQ_KILL_POINT is shared with the test:
 *
 *     limit     the point to die at; 0: only count       (written by the test)
 *     is_power  the power fails: what was not synced when the process dies is lost
 *     count     points passed so far                     (written here)
 *
 * Reading is no point: the death that matters is before the write that follows it.
 * A power failure is played by putting back, newest first, what each write since the
 * last sync of its file had overwritten. Threads: [any]; one lock, because order is
 * what this is about.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct point {
    uint64_t limit;
    uint64_t is_power;
    uint64_t count;
};

/* What a write has overwritten. */
struct undo {
    struct undo *older;
    ino_t inode; /* a file may be open more than once, and a number be used again */
    int file;
    int64_t offset;
    int64_t size; /* of the file before */
    size_t bytes;
    unsigned char old[];
};

static void give_up(const char *why)
{
    fprintf(stderr, "kill_point: %s\n", why);
    abort();
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct point *shared;
static struct undo *newest;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("TICKETQ_KILL_POINT");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *memory = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (file < 0 || memory == MAP_FAILED) {
        give_up("there is no file TICKETQ_KILL_POINT");
    }
    close(file);
    shared = memory;
}

/* ---- a power failure ---- */

static struct stat status_of(int file)
{
    struct stat status;
    if (fstat(file, &status) != 0) {
        give_up("a file cannot be looked at");
    }
    return status;
}

/* An index in shared memory is made anew after a crash, and cut off under whoever reads it. */
static int is_shared_memory(int file)
{
    static const char suffix[] = "-shm";
    char link[64];
    char path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t bytes = readlink(link, path, sizeof path);
    ssize_t tail = (ssize_t)strlen(suffix);
    return bytes > tail && memcmp(path + bytes - tail, suffix, strlen(suffix)) == 0;
}

static void put_back(const struct undo *undo)
{
    if (status_of(undo->file).st_ino != undo->inode) {
        give_up("a file was closed before it was synced");
    }
    syscall(SYS_pwrite64, undo->file, undo->old, undo->bytes, undo->offset);
    syscall(SYS_ftruncate, undo->file, undo->size);
}

static void keep_old(int file, size_t bytes, int64_t offset)
{
    const struct stat status = status_of(file);
    struct undo *undo = calloc(1, sizeof *undo + bytes);
    if (!undo) {
        give_up("there is no memory");
    }
    int64_t got = syscall(SYS_pread64, file, undo->old, bytes, offset);
    undo->older = newest;
    undo->inode = status.st_ino;
    undo->file = file;
    undo->offset = offset;
    undo->size = status.st_size;
    undo->bytes = got > 0 ? (size_t)got : 0;
    newest = undo;
}

/* It is on disk now. */
static void forget(int file)
{
    const ino_t inode = status_of(file).st_ino;
    for (struct undo **at = &newest; *at;) {
        struct undo *undo = *at;
        if (undo->inode == inode) {
            *at = undo->older;
            free(undo);
        } else {
            at = &undo->older;
        }
    }
}

/* ---- points ---- */

/* With the lock, which is never given back. */
static void die(void)
{
    for (const struct undo *undo = newest; undo && shared->is_power; undo = undo->older) {
        put_back(undo);
    }
    kill(getpid(), SIGKILL);
    for (;;) {
        pause();
    }
}

/* With the lock. Whether this point is the one. */
static int is_due(void)
{
    return ++shared->count == shared->limit;
}

static void pass(void)
{
    pthread_mutex_lock(&lock);
    if (is_due()) {
        die();
    }
}

/* ---- calls ---- */

ssize_t pwrite64(int file, const void *data, size_t bytes, off64_t offset)
{
    pass();
    if (shared->is_power && !is_shared_memory(file)) {
        keep_old(file, bytes, offset);
    }
    if (is_due()) {
        syscall(SYS_pwrite64, file, data, bytes / 2, offset);
        die();
    }
    ssize_t done = syscall(SYS_pwrite64, file, data, bytes, offset);
    pthread_mutex_unlock(&lock);
    return done;
}

static int sync_by(long call, int file)
{
    pass();
    int rc = (int)syscall(call, file);
    if (rc == 0) {
        forget(file);
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

int fsync(int file)
{
    return sync_by(SYS_fsync, file);
}

int fdatasync(int file)
{
    return sync_by(SYS_fdatasync, file);
}

int ftruncate64(int file, off64_t bytes)
{
    pass();
    int rc = (int)syscall(SYS_ftruncate, file, bytes);
    pthread_mutex_unlock(&lock);
    return rc;
}

int unlink(const char *path)
{
    pass();
    int rc = (int)syscall(SYS_unlink, path);
    pthread_mutex_unlock(&lock);
    return rc;
}

ssize_t send(int socket, const void *data, size_t bytes, int flags)
{
    pass();
    if (is_due()) {
        syscall(SYS_sendto, socket, data, bytes / 2, flags, NULL, 0);
        die();
    }
    ssize_t done = syscall(SYS_sendto, socket, data, bytes, flags, NULL, 0);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t sendmsg(int socket, const struct msghdr *message, int flags)
{
    pass();
    ssize_t done = syscall(SYS_sendmsg, socket, message, flags);
    pthread_mutex_unlock(&lock);
    return done;
}
