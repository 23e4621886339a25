/* SPDX-License-Identifier: MIT */
/*
 * The cache on Redis: one key a page, one script a call (cache.lua).
 *
 * A connection of its own, since a page of a megabyte would hold up the room's and the holds'
 * pipelines, and with little patience, unless the URL says how much: whoever reads can do without.
 * The server may evict what is here, so it need not be the one where lines stand; a cluster spreads
 * pages by id. Threads: [any], as client.c.
 */
#include "store/cache.h"

#include "core/env.h"
#include "core/error.h"
#include "store/builtin.h"
#include "store/redis/client.h"

#define CONNECT_MS 250
#define ANSWER_MS 500

static int is_said(const struct tq__url *url, const char *name)
{
    char said[16];
    return tq__url_query(url->query, name, said, sizeof said, NULL) == TQ_OK;
}

static int read_target(struct redis_target *target, const struct tq__url *url, struct tq_error *err)
{
    TQ_TRY(tq__redis_target_read(target, url->path, url->query, err));
    target->connect_ms = is_said(url, "connect_ms") ? target->connect_ms : CONNECT_MS;
    target->timeout_ms = is_said(url, "timeout_ms") ? target->timeout_ms : ANSWER_MS;
    target->wait_ms = 0;
    target->may_forget = 1;
    return TQ_OK;
}

static int cache_check(const struct tq__url *url, struct tq_error *err)
{
    struct redis_target target;
    return read_target(&target, url, err);
}

static int cache_open(const struct tq_env *env, const struct tq__url *url, void **out_state,
                      struct tq_error *err)
{
    struct redis_client *client = NULL;
    struct redis_target target;
    TQ_TRY(read_target(&target, url, err));
    TQ_TRY(tq__redis_client_open(env, &target, &client, err));
    *out_state = client;
    return TQ_OK;
}

static void cache_close(void *state)
{
    tq__redis_client_close(state);
}

static int run(struct redis_client *client, enum redis_script_id script,
               const struct tq__cache_name *name, const struct redis_text *args, size_t args_count,
               redis_read_fn *read, void *out, struct tq_error *err)
{
    struct redis_call call = {.script = script,
                              .tag = name->id,
                              .endings = &name->kind,
                              .endings_count = 1,
                              .args = args,
                              .args_count = args_count,
                              .read = read,
                              .out = out};
    return tq__redis_run(client, &call, 1, err);
}

static int is_page(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
           reply->element[0]->type == REDIS_REPLY_STRING &&
           reply->element[1]->type == REDIS_REPLY_INTEGER;
}

static int read_found(struct redis_call *call, struct redis_answer *answer)
{
    struct tq__cache_found *found = call->out;
    const redisReply *reply = answer->reply;
    if (reply->type == REDIS_REPLY_NIL) {
        return TQ_EMPTY;
    }
    if (reply->type == REDIS_REPLY_INTEGER) {
        return TQ_WAIT;
    }
    if (!is_page(reply)) {
        return tq__redis_nonsense(call);
    }
    tq__buf_add(&found->page, reply->element[0]->str, (size_t)reply->element[0]->len);
    found->left_ms = reply->element[1]->integer;
    return tq__buf_check(&found->page, "store.redis", &call->err);
}

static int cache_take(void *state, const struct tq__cache_name *name, uint32_t lease_ms,
                      struct tq__cache_found *found, struct tq_error *err)
{
    char span[REDIS_DIGITS_SIZE];
    const struct redis_text args[] = {tq__redis_text(found->lease),
                                      tq__redis_digits(span, lease_ms)};
    return run(state, REDIS_CACHE_TAKE, name, args, 2, read_found, found, err);
}

static int read_put(struct redis_call *call, struct redis_answer *answer)
{
    if (answer->reply->type != REDIS_REPLY_INTEGER) {
        return tq__redis_nonsense(call);
    }
    return answer->reply->integer ? TQ_OK : TQ_STALE;
}

static int cache_put(void *state, const struct tq__cache_name *name, const char *lease,
                     const struct tq__buf *page, uint32_t ttl_ms, struct tq_error *err)
{
    char span[REDIS_DIGITS_SIZE];
    const struct redis_text args[] = {tq__redis_text(lease),
                                      tq__redis_digits(span, ttl_ms),
                                      {page ? page->data : "", page ? page->bytes : 0}};
    return run(state, REDIS_CACHE_PUT, name, args, page ? 3 : 1, read_put, NULL, err);
}

static int read_drop(struct redis_call *call, struct redis_answer *answer)
{
    return answer->reply->type == REDIS_REPLY_INTEGER ? TQ_OK : tq__redis_nonsense(call);
}

static int cache_drop(void *state, const struct tq__cache_name *name, struct tq_error *err)
{
    return run(state, REDIS_CACHE_DROP, name, NULL, 0, read_drop, NULL, err);
}

const struct tq__cache_driver tq__redis_cache = {
    .scheme = "redis",
    .check = cache_check,
    .open = cache_open,
    .close = cache_close,
    .take = cache_take,
    .put = cache_put,
    .drop = cache_drop,
};
