/* SPDX-License-Identifier: MIT */
/*
 * What a server must be before a store is opened on it, read from INFO.
 *
 *     older than 7                     refused: scripts would stop half way without memory
 *     cluster=1 and no cluster, or     refused: keys would be looked for in the wrong place
 *     the reverse
 *     may evict keys: maxmemory is     refused: it would forget who waits
 *     set, and another policy than
 *     noeviction
 *     the same without maxmemory       a warning
 *     no append-only file              a warning: a crash forgets what came after the last
 *                                      snapshot; places come back by their tokens
 *
 * The last three only where what is there cannot be had elsewhere.
 *
 * Threads: [pure], but for the host's log.
 */
#include "store/redis/check.h"

#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "core/error.h"

#define VERSION_MIN 7

/* The value of `name` in lines of `name:value`; "" when there is none. */
static void find(const char *info, const char *name, char *value, size_t room)
{
    size_t bytes = strlen(name);
    value[0] = '\0';
    for (const char *line = info; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, bytes) == 0 && line[bytes] == ':') {
            size_t length = strcspn(line + bytes + 1, "\r\n");
            length = length < room - 1 ? length : room - 1;
            memcpy(value, line + bytes + 1, length);
            value[length] = '\0';
            return;
        }
    }
}

int tq__redis_check(const char *info, const struct redis_target *target, const struct tq_env *env,
                    struct tq_error *err)
{
    int is_cluster = (int)target->is_cluster;
    char version[32], cluster[8], limit[32], policy[32], log[8];
    find(info, "redis_version", version, sizeof version);
    find(info, "cluster_enabled", cluster, sizeof cluster);
    find(info, "maxmemory", limit, sizeof limit);
    find(info, "maxmemory_policy", policy, sizeof policy);
    find(info, "aof_enabled", log, sizeof log);
    if (strtoul(version, NULL, 10) < VERSION_MIN) {
        return tq__fail(err, TQ_E_UNSUPPORTED, "store.redis",
                        "the server says it is Redis '%s'; %d or newer is needed", version,
                        VERSION_MIN);
    }
    if ((cluster[0] == '1') != is_cluster) {
        return tq__fail(err, TQ_E_INVALID, "store.redis",
                        "the server is %s cluster; set cluster=%d", is_cluster ? "no" : "part of a",
                        !is_cluster);
    }
    if (target->may_forget) {
        return TQ_OK;
    }
    int is_safe = strcmp(policy, "noeviction") == 0;
    if (!is_safe && strcmp(limit, "0") != 0) {
        return tq__fail(err, TQ_E_UNSUPPORTED, "store.redis",
                        "maxmemory-policy is '%s', it must be noeviction", policy);
    }
    if (!is_safe) {
        tq__log(env, TQ_LOG_WARN, "store.redis",
                "maxmemory-policy is '%s'; set noeviction before maxmemory", policy);
    }
    if (log[0] != '1') {
        tq__log(env, TQ_LOG_WARN, "store.redis",
                "appendonly is off: a crash of the server forgets the latest changes");
    }
    return TQ_OK;
}
