/* Records for tests: honest ones, and any JSON signed as if it were one. */
#pragma once

#include "graph/record.h"

#include "base/clock.h"
#include "crypto/primitives.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define T0 UINT64_C(1795428732000000) /* 2026-11-23T10:12:12.000Z */

static inline w4_identity *identity_of(uint8_t number) {
    uint8_t seed[W4_SEED_LEN] = {number, 1};
    w4_identity *identity = NULL;
    ck_assert_int_eq(w4_crypto_init(), 0);
    ck_assert_int_eq(w4_identity_from_seed(seed, &identity), 0);
    return identity;
}

static inline w4_record_agent agent_of(const w4_identity *identity, const char *agent_id) {
    w4_record_agent agent = {.fingerprint = *w4_identity_fingerprint(identity),
                             .pubkey = *w4_identity_pubkey(identity)};
    (void)snprintf(agent.agent_id, sizeof agent.agent_id, "%s", agent_id);
    return agent;
}

static inline w4_record plain_record(uint64_t seq, uint64_t issued_wall_us) {
    w4_record record = {.seq = seq, .issued_wall_us = issued_wall_us, .ttl_s = W4_RECORD_TTL_S};
    memcpy(record.name, "ada", 4);
    memcpy(record.version, "0.1.0", 6);
    return record;
}

static inline w4_buffer written(const w4_record *record, const w4_identity *identity) {
    w4_buffer out = W4_BUFFER_INIT(W4_RECORD_BYTES_MAX);
    ck_assert_int_eq(w4_record_write(record, identity, &out), 0);
    return out;
}

/* The canonical form of an object without sign, with a good signature of it. Members whose names
 * come after "sign" are put in their place by the second pass. */
static inline w4_buffer signed_json(const w4_identity *identity, const char *json) {
    w4_buffer bare = W4_BUFFER_INIT(1u << 20);
    w4_buffer whole = W4_BUFFER_INIT(1u << 20);
    w4_buffer out = W4_BUFFER_INIT(1u << 20);
    w4_json_error error = {.text = ""};
    int r = w4_json_canonical(&bare, w4_bytes_from_text(json), &W4_JSON_LIMITS_FILE, &error);
    ck_assert_msg(r == 0, "%s: %s", error.text, json);
    uint8_t signature[W4_SIGNATURE_LEN];
    w4_identity_sign(identity, w4_buffer_bytes(&bare), signature);
    ck_assert_int_eq(w4_buffer_append(&whole, w4_bytes_of(bare.data, bare.len - 1)), 0);
    ck_assert_int_eq(
        w4_buffer_append_text(&whole, ",\"sign\":{\"algo\":\"ed25519\",\"signature\":\""), 0);
    ck_assert_int_eq(w4_base64_append(&whole, w4_bytes_of(signature, sizeof signature)), 0);
    ck_assert_int_eq(w4_buffer_append_text(&whole, "\"}}"), 0);
    ck_assert_int_eq(w4_json_canonical(&out, w4_buffer_bytes(&whole), &W4_JSON_LIMITS_FILE, NULL),
                     0);
    w4_buffer_deinit(&bare);
    w4_buffer_deinit(&whole);
    return out;
}

/* text with the first `from` in it replaced by `to`; there must be one. */
static inline char *replaced(const char *text, const char *from, const char *to) {
    const char *at = strstr(text, from);
    ck_assert_msg(at != NULL, "no %s in %s", from, text);
    size_t size = strlen(text) - strlen(from) + strlen(to) + 1;
    char *out = (char *)malloc(size);
    ck_assert_ptr_nonnull(out);
    (void)snprintf(out, size, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return out;
}

static inline char *text_of(const w4_identity *identity, bool pubkey) {
    char *out = (char *)calloc(1, 80);
    if (pubkey) {
        w4_buffer b = W4_BUFFER_INIT(80);
        ck_assert_int_eq(
            w4_base64_append(&b, w4_bytes_of(w4_identity_pubkey(identity)->bytes, W4_PUBKEY_LEN)),
            0);
        memcpy(out, b.data, b.len);
        w4_buffer_deinit(&b);
    } else {
        w4_fingerprint_format(w4_identity_fingerprint(identity), out);
    }
    return out;
}
