/* SPDX-License-Identifier: MIT */
/*
 * Names and sentences of statuses, and the version. Threads: [pure].
 */
#include <ticketq/status.h>

struct entry {
    int status;
    const char *name;
    const char *text;
};

static const struct entry entries[] = {
    {TQ_OK, "TQ_OK", "done"},
    {TQ_TAKEN, "TQ_TAKEN", "somebody else has it"},
    {TQ_WAIT, "TQ_WAIT", "not yet"},
    {TQ_GONE, "TQ_GONE", "it does not exist, or no longer"},
    {TQ_STALE, "TQ_STALE", "the fence, version or epoch is out of date"},
    {TQ_REPEAT, "TQ_REPEAT", "it was done before"},
    {TQ_EMPTY, "TQ_EMPTY", "there was nothing to do"},
    {TQ_CLOSED, "TQ_CLOSED", "it is not open"},
    {TQ_FULL, "TQ_FULL", "a capacity or limit is reached"},
    {TQ_REFUSED, "TQ_REFUSED", "it was refused"},
    {TQ_EXPIRED, "TQ_EXPIRED", "its time ran out"},
    {TQ_SETTLED, "TQ_SETTLED", "it was settled before"},
    {TQ_RELEASED, "TQ_RELEASED", "it was released before"},
    {TQ_E_INVALID, "TQ_E_INVALID", "an argument is missing or malformed"},
    {TQ_E_ABI, "TQ_E_ABI", "a struct is of another release"},
    {TQ_E_UNSUPPORTED, "TQ_E_UNSUPPORTED", "this driver or build cannot do that"},
    {TQ_E_LIMIT, "TQ_E_LIMIT", "an argument is over its limit"},
    {TQ_E_NOMEM, "TQ_E_NOMEM", "out of memory"},
    {TQ_E_BUSY, "TQ_E_BUSY", "not applied because of contention"},
    {TQ_E_UNAVAILABLE, "TQ_E_UNAVAILABLE", "not applied: it could not be reached"},
    {TQ_E_UNKNOWN, "TQ_E_UNKNOWN", "perhaps applied: ask again with the same key"},
    {TQ_E_CORRUPT, "TQ_E_CORRUPT", "stored data cannot be right"},
    {TQ_E_INTERNAL, "TQ_E_INTERNAL", "a fault of the library or a driver"},
};

static const struct entry *find(int status)
{
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        if (entries[i].status == status) {
            return &entries[i];
        }
    }
    return NULL;
}

const char *tq_status_name(int status)
{
    const struct entry *entry = find(status);
    return entry ? entry->name : "TQ_?";
}

const char *tq_status_text(int status)
{
    const struct entry *entry = find(status);
    return entry ? entry->text : "unknown status";
}

const char *tq_version(void)
{
    return TQ_VERSION_STRING;
}
