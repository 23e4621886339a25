/* SPDX-License-Identifier: MIT */
/*
 * Reads a scenario file. A table names each member with its place and its
 * bounds; a member that is not there is zero, one that is not in the table is
 * refused, so that a slip of the pen is not a silent default.
 */
#include "scenario.h"

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "files.h"

enum kind { SHARE, COUNT, MS, RANGE, REAL, WEIGHTS };

static const struct member {
    const char *name;
    enum kind kind;
    size_t offset;
    double max;
} members[] = {
#define MEMBER(name, kind, field, max)                                                             \
    {                                                                                              \
        name, kind, offsetof(struct scenario, field), max                                          \
    }
    MEMBER("visitors", COUNT, visitors, 1e6),
    MEMBER("earlyShare", SHARE, early_share, 1),
    MEMBER("earlyMs", MS, early_ms, 36e5),
    MEMBER("herdShare", SHARE, herd_share, 1),
    MEMBER("herdMs", MS, herd_ms, 36e5),
    MEMBER("tailMs", MS, tail_ms, 36e5),
    MEMBER("signUpShare", SHARE, sign_up_share, 1),
    MEMBER("noShowShare", SHARE, no_show_share, 1),
    MEMBER("leaverShare", SHARE, leaver_share, 1),
    MEMBER("leaveAfterMs", RANGE, leave_after_ms, 36e5),
    MEMBER("refresherShare", SHARE, refresher_share, 1),
    MEMBER("botShare", SHARE, bot_share, 1),
    MEMBER("botPollMs", MS, bot_poll_ms, 36e5),
    MEMBER("party", WEIGHTS, party, 1e6),
    MEMBER("zipf", REAL, zipf, 4),
    MEMBER("thinkSeatsMs", RANGE, think_seats_ms, 36e5),
    MEMBER("thinkPaymentMs", RANGE, think_payment_ms, 36e5),
    MEMBER("declineShare", SHARE, decline_share, 1),
    MEMBER("againShare", SHARE, again_share, 1),
    MEMBER("abandonShare", SHARE, abandon_share, 1),
    MEMBER("releaseShare", SHARE, release_share, 1),
    MEMBER("lookAgainMs", RANGE, look_again_ms, 36e5),
    MEMBER("lingerMs", MS, linger_ms, 36e5),
    MEMBER("patienceMs", MS, patience_ms, 36e5),
#undef MEMBER
};

static const struct member *find(const char *name)
{
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (strcmp(members[i].name, name) == 0) {
            return &members[i];
        }
    }
    return NULL;
}

static int is_number(const cJSON *node, double max)
{
    return cJSON_IsNumber(node) && node->valuedouble >= 0 && node->valuedouble <= max;
}

static int read_range(struct range *range, const cJSON *node, double max)
{
    const cJSON *low = cJSON_GetArrayItem(node, 0), *high = cJSON_GetArrayItem(node, 1);
    if (cJSON_GetArraySize(node) != 2 || !is_number(low, max) || !is_number(high, max) ||
        low->valuedouble > high->valuedouble) {
        return -1;
    }
    *range = (struct range){(int64_t)low->valuedouble, (int64_t)high->valuedouble};
    return 0;
}

static int read_weights(double weights[SCENARIO_PARTY_MAX], const cJSON *node, double max)
{
    int count = cJSON_GetArraySize(node);
    double sum = 0;
    for (int i = 0; i < count && i < SCENARIO_PARTY_MAX; i++) {
        const cJSON *weight = cJSON_GetArrayItem(node, i);
        if (!is_number(weight, max)) {
            return -1;
        }
        sum += weights[i] = weight->valuedouble;
    }
    return count <= SCENARIO_PARTY_MAX && sum > 0 ? 0 : -1;
}

static int read_member(struct scenario *scenario, const struct member *member, const cJSON *node)
{
    void *target = (char *)scenario + member->offset;
    switch (member->kind) {
    case RANGE:
        return read_range(target, node, member->max);
    case WEIGHTS:
        return read_weights(target, node, member->max);
    default:
        if (!is_number(node, member->max)) {
            return -1;
        }
    }
    if (member->kind == SHARE || member->kind == REAL) {
        *(double *)target = node->valuedouble;
    } else {
        *(int64_t *)target = (int64_t)node->valuedouble;
    }
    return 0;
}

static int read_all(struct scenario *scenario, const cJSON *root, const char *path)
{
    for (const cJSON *node = root ? root->child : NULL; node; node = node->next) {
        const struct member *member = find(node->string);
        if (!member || read_member(scenario, member, node)) {
            fprintf(stderr, "herd: %s: %s is %s\n", path, node->string,
                    member ? "out of range" : "not a member of a scenario");
            return -1;
        }
    }
    if (!cJSON_IsObject(root) || scenario->visitors < 1 ||
        scenario->early_share + scenario->herd_share > 1 ||
        (scenario->bot_share > 0 && scenario->bot_poll_ms < 1)) {
        fprintf(stderr, "herd: %s is not a scenario\n", path);
        return -1;
    }
    return 0;
}

int scenario_load(struct scenario *scenario, const char *path)
{
    char *text = file_read(path);
    if (!text) {
        return -1;
    }
    *scenario = (struct scenario){.visitors = 0};
    scenario->party[0] = 0;
    cJSON *root = cJSON_Parse(text);
    int rc = read_all(scenario, root, path);
    double sum = 0;
    for (int i = 0; i < SCENARIO_PARTY_MAX; i++) {
        sum += scenario->party[i];
    }
    if (sum <= 0) {
        scenario->party[0] = 1; /* nothing said: one seat each */
    }
    cJSON_Delete(root);
    free(text);
    return rc;
}
