/* SPDX-License-Identifier: MIT */
/*
 * What it costs to check a pass at the gate, beside the least that it can cost: the
 * HMAC-SHA256 of the same bytes with a key that is ready (EVP_MAC).
 */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <string.h>

#include <ticketq/room.h>

#include "bench/frame.h"

#define CHECKS 300000

static const char secret[] = "0123456789abcdef0123456789abcdef";

struct gate {
    tq_keys *keys;
    char pass[TQ_TOKEN_SIZE];
    size_t bytes;
};

static struct gate open_gate(void)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_env env = tq_system_env();
    struct gate gate = {0};
    const struct tq_claims claims = {.size = sizeof claims,
                                     .subject = "visitor-1234567",
                                     .audience = "schedule-1",
                                     .expires_ms = env.now_ms(NULL) + 600000,
                                     .sequence = 123456,
                                     .epoch = 1};
    bench_check(tq_keys_new(&env, &gate.keys, &err), TQ_OK, "keys", &err);
    bench_check(tq_keys_add(gate.keys,
                            TQ_ARGS(tq_key, .id = "pass-1", .purpose = TQ_PURPOSE_PASS,
                                    .secret = secret, .secret_bytes = 32),
                            &err),
                TQ_OK, "key", &err);
    bench_check(tq_token_sign(gate.keys, TQ_PURPOSE_PASS, &claims, gate.pass, &err), TQ_OK, "sign",
                &err);
    gate.bytes = strlen(gate.pass);
    return gate;
}

static double verify(void)
{
    struct tq_error err = TQ_ERROR_INIT;
    struct tq_claims claims = TQ_INIT(tq_claims);
    struct gate gate = open_gate();
    double begin = bench_clock();
    for (int i = 0; i < CHECKS; i++) {
        bench_check(tq_pass_check(gate.keys, "schedule-1", 1, gate.pass, gate.bytes, &claims, &err),
                    TQ_OK, "check", &err);
    }
    double seconds = bench_clock() - begin;
    tq_keys_free(gate.keys);
    return seconds / CHECKS * 1e9;
}

static double hmac(void)
{
    unsigned char digest[32];
    size_t digest_bytes;
    struct gate gate = open_gate();
    size_t signed_bytes = (size_t)(strrchr(gate.pass, '.') - gate.pass);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end()};
    EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context = EVP_MAC_CTX_new(algorithm);
    EVP_MAC_init(context, (const unsigned char *)secret, 32, params);
    double begin = bench_clock();
    for (int i = 0; i < CHECKS; i++) {
        EVP_MAC_init(context, NULL, 0, NULL);
        EVP_MAC_update(context, (const unsigned char *)gate.pass, signed_bytes);
        EVP_MAC_final(context, digest, &digest_bytes, sizeof digest);
    }
    double seconds = bench_clock() - begin;
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(algorithm);
    tq_keys_free(gate.keys);
    return seconds / CHECKS * 1e9;
}

static const struct bench_figure figures[] = {{
    .name = "token.pass_check",
    .unit = "ns",
    .against = "the bare HMAC of the same bytes",
    .value = verify,
    .reference = hmac,
    .goal = 2.5,
    .is_a_cost = 1,
}};

int main(int count, char **names)
{
    return BENCH_MAIN(count, names, figures);
}
