/* SPDX-License-Identifier: MIT */
/*
 * What the leader of a lane does with the calls that have come together.
 *
 * Joinable calls become one request; every request is written to the connection of
 * the server that has its slot, all connections are flushed, then all answers are
 * read: one round trip for everybody. What can be mended at once is open for
 * another round: a script that the server has forgotten goes with its text, a slot
 * that has moved or is moving goes where the answer says. What needs time is given
 * back to its caller as "again" (client.c), so that nobody waits here for others.
 *
 * What was not sent to its end certainly had no effect, and neither had what was
 * answered with an error of the table in reply.c; what was sent and not answered
 * is TQ_E_UNKNOWN. Cost: one pass over the calls, and a look at each
 * request of the batch to find one to join. Threads: one leader at a time.
 */
#include "store/redis/lane.h"

#include <string.h>

#include "core/env.h"
#include "core/error.h"
#include "store/redis/reply.h"

#define ROUNDS_MAX 6

static int may_join(const struct redis_request *request, const struct redis_call *call,
                    uint16_t slot)
{
    const struct redis_call *first = request->first;
    return request->slot == slot && first->script == call->script && first->is_joinable &&
           request->args_count + call->args_count + request->endings_count + call->endings_count <=
               REDIS_JOINED_MAX &&
           strcmp(first->tag, call->tag) == 0;
}

static struct redis_request *find_request(struct redis_lane *lane, const struct redis_call *call,
                                          uint16_t slot)
{
    for (size_t i = lane->requests_count; call->is_joinable && i-- > 0;) {
        if (may_join(&lane->requests[i], call, slot)) {
            return &lane->requests[i];
        }
    }
    struct redis_request *request = &lane->requests[lane->requests_count++];
    *request = (struct redis_request){.slot = slot, .is_open = 1};
    return request;
}

static void gather(struct redis_lane *lane, struct tq__combine_item *first)
{
    lane->requests_count = 0;
    for (struct tq__combine_item *item = first; item; item = item->next) {
        struct redis_call *call = (struct redis_call *)item;
        struct redis_request *request = find_request(lane, call, tq__redis_slot(call->tag));
        *(request->first ? &request->last->joined : &request->first) = call;
        request->last = call;
        call->joined = NULL;
        request->args_count += call->args_count;
        request->endings_count += call->endings_count;
    }
}

/* The same end for every call of a request. */
static void close_request(struct redis_request *request, int is_again, const struct tq_error *err)
{
    request->is_open = 0;
    for (struct redis_call *call = request->first; call; call = call->joined) {
        call->status = err->status;
        call->is_again = is_again;
        call->err = *err;
    }
}

static void close_lost(struct redis_request *request, const struct redis_conn *conn)
{
    struct tq_error err = TQ_ERROR_INIT;
    tq__fail(&err, TQ_E_UNKNOWN, "store.redis", "the answer of %.100s:%u is lost",
             conn->address.host, conn->address.port);
    close_request(request, 0, &err);
}

static void close_unsent(struct redis_request *request, const struct redis_conn *conn)
{
    struct tq_error err = TQ_ERROR_INIT;
    tq__fail(&err, TQ_E_UNAVAILABLE, "store.redis", "%.100s:%u hung up", conn->address.host,
             conn->address.port);
    close_request(request, 1, &err);
}

static size_t count_endings(const struct redis_script *script)
{
    size_t count = 0;
    while (script->endings[count]) {
        count++;
    }
    return count;
}

static void put_key(struct tq__buf *out, const struct redis_client *client,
                    const struct redis_script *script, const char *tag, const char *mark,
                    const char *ending)
{
    char key[REDIS_PREFIX_MAX + 2 * TQ_ID_SIZE + 64];
    size_t bytes = 0;
    const char *const pieces[] = {client->target.prefix, script->stem, "{", tag, "}",
                                  mark ? mark : "",      ending};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        size_t more = strlen(pieces[i]);
        more = more < sizeof key - bytes ? more : sizeof key - bytes;
        memcpy(key + bytes, pieces[i], more);
        bytes += more;
    }
    tq__redis_put(out, key, bytes);
}

/* EVALSHA sha number keys... args... */
static void put_request(struct redis_conn *conn, const struct redis_client *client,
                        const struct redis_request *request)
{
    struct tq__buf *out = &conn->out;
    const struct redis_call *first = request->first;
    const struct redis_script *script = &tq__redis_scripts[first->script];
    size_t fixed = count_endings(script), keys = fixed + request->endings_count;
    if (request->is_asking) {
        tq__redis_put_array(out, 1);
        tq__redis_put_text(out, "ASKING");
    }
    tq__redis_put_array(out, 3 + keys + request->args_count);
    if (request->is_spelled) {
        tq__redis_put_text(out, "EVAL");
        tq__redis_put_script(out, script);
    } else {
        tq__redis_put_text(out, "EVALSHA");
        tq__redis_put(out, conn->shas[first->script], REDIS_SHA_SIZE - 1);
    }
    tq__redis_put_number(out, keys);
    for (size_t i = 0; i < fixed; i++) {
        put_key(out, client, script, first->tag, NULL, script->endings[i]);
    }
    for (const struct redis_call *call = first; call; call = call->joined) {
        for (size_t i = 0; i < call->endings_count; i++) {
            put_key(out, client, script, first->tag, script->mark, call->endings[i]);
        }
    }
    for (const struct redis_call *call = first; call; call = call->joined) {
        for (size_t i = 0; i < call->args_count; i++) {
            tq__redis_put(out, call->args[i].data, call->args[i].bytes);
        }
    }
}

/* What is written already goes where it was meant to go, though the node is another by now. */
struct redis_conn *tq__redis_lane_conn(struct redis_lane *lane, uint16_t node, struct tq_error *err)
{
    struct redis_client *client = lane->client;
    if (node >= REDIS_NODES_MAX) {
        atomic_store(&client->is_doubtful, 1);
        tq__fail(err, TQ_E_UNAVAILABLE, "store.redis", "no server has the slot");
        return NULL;
    }
    pthread_mutex_lock(&client->lock);
    struct redis_address address = client->slots.nodes[node];
    pthread_mutex_unlock(&client->lock);
    struct redis_conn *conn = lane->conns[node];
    if (!conn) {
        lane->conns[node] = conn = tq__alloc(client->env, 1, sizeof *conn);
        if (!conn) {
            tq__nomem("store.redis", err);
            return NULL;
        }
        tq__redis_conn_init(conn, client->env, &client->target, &address);
    } else if (!conn->out.bytes && !tq__redis_address_is(&conn->address, &address)) {
        tq__redis_conn_done(conn);
        tq__redis_conn_init(conn, client->env, &client->target, &address);
    }
    return conn;
}

/* Who connects notices whether the server is the one that it was. */
static void note_life(struct redis_client *client, uint16_t node, struct redis_conn *conn)
{
    if (!conn->is_new) {
        return;
    }
    conn->is_new = 0;
    pthread_mutex_lock(&client->lock);
    if (client->lives[node] && client->lives[node] != conn->life) {
        atomic_store(&client->has_changed, 1);
    }
    client->lives[node] = conn->life;
    pthread_mutex_unlock(&client->lock);
}

/* Where the request goes: connected, or closed with the reason. */
static struct redis_conn *find_server(struct redis_lane *lane, struct redis_request *request)
{
    struct redis_client *client = lane->client;
    struct tq_error err = TQ_ERROR_INIT;
    if (!request->is_asking) {
        pthread_mutex_lock(&client->lock);
        request->node = client->slots.node_of[request->slot];
        pthread_mutex_unlock(&client->lock);
    }
    struct redis_conn *conn = tq__redis_lane_conn(lane, request->node, &err);
    if (conn && (conn->out.bytes || tq__redis_conn_ready(conn, &err) == TQ_OK)) {
        note_life(client, request->node, conn);
        return conn;
    }
    atomic_store(&client->is_doubtful, 1);
    close_request(request, err.status == TQ_E_UNAVAILABLE, &err);
    return NULL;
}

static void write_request(struct redis_lane *lane, struct redis_request *request)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct redis_conn *conn = find_server(lane, request);
    if (!conn) {
        return;
    }
    size_t before = conn->out.bytes;
    put_request(conn, lane->client, request);
    request->end = conn->out.bytes;
    if (tq__buf_check(&conn->out, "store.redis", &err) < 0) {
        conn->out.bytes = before;
        conn->out.is_failed = 0;
        close_request(request, 0, &err);
    }
}

static void deliver(struct redis_request *request, const redisReply *reply)
{
    struct redis_answer answer = {.reply = reply};
    request->is_open = 0;
    for (struct redis_call *call = request->first; call; call = call->joined) {
        call->status = call->read(call, &answer);
        call->is_again = 0;
    }
}

/* Sends the request elsewhere in the next round. Returns 0, or -1 when nobody knows where. */
static int redirect(struct redis_lane *lane, struct redis_request *request,
                    const struct redis_conn *conn, const char *error, int is_asking)
{
    struct redis_client *client = lane->client;
    struct redis_address address;
    if (tq__redis_redirect(error, &conn->address, &address)) {
        return -1;
    }
    pthread_mutex_lock(&client->lock);
    request->node = tq__redis_slots_node(&client->slots, &address);
    if (!is_asking) {
        client->slots.node_of[request->slot] = request->node;
        atomic_store(&client->has_changed, 1);
    }
    pthread_mutex_unlock(&client->lock);
    request->is_asking = is_asking;
    return request->node < REDIS_NODES_MAX ? 0 : -1;
}

/* An error: mends the request for another round, or closes it. */
static void treat(struct redis_lane *lane, struct redis_request *request, struct redis_conn *conn,
                  const char *error)
{
    const struct redis_meaning *meaning = tq__redis_meaning(error);
    struct tq_error err = TQ_ERROR_INIT;
    enum redis_remedy remedy = meaning->remedy;
    if (remedy == REDIS_MOVED || remedy == REDIS_MAP) {
        atomic_store(&lane->client->is_doubtful, 1);
    }
    conn->is_misled |= remedy == REDIS_MAP && !lane->client->target.is_cluster;
    if ((remedy == REDIS_MOVED || remedy == REDIS_ASK) &&
        redirect(lane, request, conn, error, remedy == REDIS_ASK) == 0) {
        return;
    }
    if (remedy == REDIS_TEXT && !request->is_spelled) {
        request->is_spelled = 1;
        return;
    }
    tq__fail(&err, meaning->status, "store.redis", "%.60s:%u: %.120s", conn->address.host,
             conn->address.port, error);
    close_request(request, remedy != REDIS_FAIL, &err);
}

/* The answer to a request; NULL: the connection is broken. */
static redisReply *receive(struct redis_conn *conn, int is_asking)
{
    redisReply *reply = tq__redis_conn_receive(conn);
    if (is_asking && reply) {
        freeReplyObject(reply);
        reply = tq__redis_conn_receive(conn);
    }
    return reply;
}

static void read_request(struct redis_lane *lane, struct redis_request *request)
{
    struct redis_conn *conn = lane->conns[request->node];
    if (request->end > conn->sent) {
        close_unsent(request, conn);
        return;
    }
    redisReply *reply = receive(conn, request->is_asking);
    if (!reply) {
        close_lost(request, conn);
    } else if (reply->type == REDIS_REPLY_ERROR) {
        request->is_asking = 0;
        treat(lane, request, conn, reply->str);
    } else {
        deliver(request, reply);
    }
    if (reply) {
        freeReplyObject(reply);
    }
}

/* Writes every open request, flushes, reads every answer. Returns how many stay open. */
static size_t go_round(struct redis_lane *lane)
{
    struct redis_request *written[REDIS_BATCH_MAX];
    uint16_t nodes[REDIS_BATCH_MAX];
    size_t count = 0, open = 0;
    for (size_t i = 0; i < lane->requests_count; i++) {
        struct redis_request *request = &lane->requests[i];
        if (request->is_open) {
            write_request(lane, request);
        }
        if (request->is_open) {
            nodes[count] = request->node;
            written[count++] = request;
        }
    }
    for (size_t i = 0; i < count; i++) {
        tq__redis_conn_send(lane->conns[nodes[i]]);
    }
    for (size_t i = 0; i < count; i++) {
        read_request(lane, written[i]);
        open += written[i]->is_open != 0;
    }
    for (size_t i = 0; i < count; i++) {
        tq__redis_conn_rest(lane->conns[nodes[i]]);
    }
    return open;
}

static void run_batch(void *owner, struct tq__combine_item *first, size_t count)
{
    struct redis_lane *lane = owner;
    struct tq_error err = TQ_ERROR_INIT;
    (void)count;
    if (atomic_exchange(&lane->client->is_doubtful, 0)) {
        tq__redis_lane_survey(lane);
    }
    gather(lane, first);
    for (int rounds = 0; rounds < ROUNDS_MAX && go_round(lane); rounds++) {
    }
    tq__fail(&err, TQ_E_UNAVAILABLE, "store.redis", "sent from server to server");
    for (size_t i = 0; i < lane->requests_count; i++) {
        if (lane->requests[i].is_open) {
            close_request(&lane->requests[i], 1, &err);
        }
    }
}

static int survey_at(struct redis_lane *lane, uint16_t node)
{
    static const char *const words[] = {"CLUSTER", "SLOTS"};
    struct redis_client *client = lane->client;
    struct redis_conn *conn = tq__redis_lane_conn(lane, node, NULL);
    redisReply *reply = conn ? tq__redis_conn_ask(conn, words, 2, NULL) : NULL;
    int rc = -1;
    if (reply) {
        pthread_mutex_lock(&client->lock);
        rc = tq__redis_slots_take(&client->slots, reply, &conn->address);
        atomic_store(&client->has_changed, 1);
        pthread_mutex_unlock(&client->lock);
        freeReplyObject(reply);
    }
    return rc;
}

int tq__redis_lane_survey(struct redis_lane *lane)
{
    struct redis_client *client = lane->client;
    if (!client->target.is_cluster) {
        return 0;
    }
    pthread_mutex_lock(&client->lock);
    size_t count = client->slots.nodes_count;
    pthread_mutex_unlock(&client->lock);
    for (size_t node = 0; node < count; node++) {
        if (survey_at(lane, (uint16_t)node) == 0) {
            return 0;
        }
    }
    return -1;
}

void tq__redis_lane_init(struct redis_lane *lane, struct redis_client *client)
{
    lane->client = client;
    tq__combine_init(&lane->combine, REDIS_BATCH_MAX, run_batch, lane);
}

void tq__redis_lane_done(struct redis_lane *lane)
{
    for (size_t i = 0; i < REDIS_NODES_MAX; i++) {
        if (lane->conns[i]) {
            tq__redis_conn_done(lane->conns[i]);
            tq__release(lane->client->env, lane->conns[i]);
        }
    }
    tq__combine_done(&lane->combine);
}
