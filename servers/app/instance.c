/* SPDX-License-Identifier: MIT */
/*
 * A name for this process, different from those of all others that share its ledgers, and the
 * same after a restart, so that its relays take their leases back at once.
 *
 * In --data there is a file for each process that ever ran side by side with others on that
 * folder: `instance-1`, `instance-2`, ... with a name drawn by chance. A process locks the first
 * that is free and bears its name; the lock ends with the process, however that ends. Where no
 * file can be, the name is drawn anew, and leases of a predecessor run out first. Should two bear
 * one name, as on a copied folder, the epochs of leases keep them apart. Threads: the first.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/internal.h"

#define INSTANCES_MAX 1000
#define NAME_BYTES 8 /* of chance */
#define NAME_DIGITS (2 * NAME_BYTES)

static int draw(struct app *app, struct tq_error *err)
{
    unsigned char chance[NAME_BYTES];
    TQ_TRY(tq__random(&app->env, chance, sizeof chance, err));
    for (size_t i = 0; i < sizeof chance; i++) {
        snprintf(app->instance + 2 * i, 3, "%02x", chance[i]);
    }
    return TQ_OK;
}

static int is_name(const char *text, ssize_t bytes)
{
    return bytes == NAME_DIGITS && strspn(text, "0123456789abcdef") == NAME_DIGITS;
}

/* The descriptor with the lock, or -1. */
static int lock(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The name in the file, or a new one that is written there. */
static int bear(struct app *app, int fd, struct tq_error *err)
{
    char name[NAME_DIGITS + 2] = "";
    if (is_name(name, pread(fd, name, NAME_DIGITS + 1, 0))) {
        memcpy(app->instance, name, NAME_DIGITS + 1);
        return TQ_OK;
    }
    TQ_TRY(draw(app, err));
    if (ftruncate(fd, 0) || pwrite(fd, app->instance, NAME_DIGITS, 0) != NAME_DIGITS || fsync(fd)) {
        app_log(TQ_LOG_WARN, "app", "the name of this process cannot be written down");
    }
    return TQ_OK;
}

int app__instance_open(struct app *app, const char *folder, struct tq_error *err)
{
    char path[TQ_URL_MAX];
    app->instance_fd = -1;
    mkdir(folder, 0700); /* it is there, or no file can be */
    for (int i = 1; i <= INSTANCES_MAX && app->instance_fd < 0; i++) {
        snprintf(path, sizeof path, "%s/instance-%d", folder, i);
        app->instance_fd = lock(path);
        if (app->instance_fd < 0 && access(path, F_OK)) {
            break; /* no file can be made */
        }
    }
    return app->instance_fd >= 0 ? bear(app, app->instance_fd, err) : draw(app, err);
}

void app__instance_close(struct app *app)
{
    if (app->instance[0] && app->instance_fd >= 0) {
        close(app->instance_fd);
    }
}
