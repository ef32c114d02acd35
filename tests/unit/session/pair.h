/* Two ends of a session in one process: identities, a handshake, and a pipe between them that a
 * seed may make lossy. Time is a number the test moves. */
#pragma once

#include "runner.h"

#include "session/session.h"

#include <stdio.h>
#include <string.h>

#define PAIR_FRAMES_MAX 4096
#define PAIR_START_US (UINT64_C(1000) * W4_US_PER_S)

typedef struct pair_random {
    uint64_t state;
} pair_random;

static inline uint64_t pair_next(pair_random *r) {
    r->state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = r->state;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static inline uint64_t pair_below(pair_random *r, uint64_t bound) {
    return bound == 0 ? 0 : pair_next(r) % bound;
}

static inline void pair_fill(void *context, void *ret_bytes, size_t len) {
    uint8_t *at = ret_bytes;
    for (size_t i = 0; i < len; i++) {
        at[i] = (uint8_t)pair_next(context);
    }
}

typedef struct pair_end {
    pair_random random;
    w4_env env;
    w4_identity *identity;
    uint8_t static_secret[W4_DH_LEN];
    w4_handshake_config config;
} pair_end;

static inline void pair_end_init(pair_end *e, uint64_t seed, const char *name) {
    memset(e, 0, sizeof *e);
    ck_assert_int_eq(w4_crypto_init(), 0);
    e->random.state = seed * 2 + 1;
    e->env = (w4_env){.context = &e->random, .random = pair_fill};
    e->env.wall_offset_us = INT64_C(1790000000000000);
    uint8_t raw[W4_SEED_LEN];
    pair_fill(&e->random, raw, sizeof raw);
    ck_assert_int_eq(w4_identity_from_seed(raw, &e->identity), 0);
    pair_fill(&e->random, e->static_secret, sizeof e->static_secret);
    e->config = (w4_handshake_config){
        .identity = e->identity,
        .static_secret = e->static_secret,
        .heartbeat_ms = 5000,
        .timeout_ms = 15000,
        .max_message = 1u << 20,
    };
    snprintf(e->config.node, sizeof e->config.node, "%s", name);
}

static inline void pair_end_deinit(pair_end *e) {
    e->identity = w4_identity_free(e->identity);
}

/* A process starts again: the same identity, a new static key. */
static inline void pair_end_restart(pair_end *e) {
    pair_fill(&e->random, e->static_secret, sizeof e->static_secret);
}

/* Runs a whole handshake over a perfect link; false when either side refused. */
static inline bool pair_handshake(pair_end *dialler, pair_end *listener,
                                  const w4_resume_point *resume, uint64_t now_us,
                                  w4_handshake_result *ret_dialler,
                                  w4_handshake_result *ret_listener) {
    w4_handshake *i, *r;
    w4_buffer frame = W4_BUFFER_INIT(65535);
    ck_assert_int_eq(w4_handshake_new(&dialler->env, &dialler->config, true, now_us, &i), 0);
    ck_assert_int_eq(w4_handshake_new(&listener->env, &listener->config, false, now_us, &r), 0);
    ck_assert_int_eq(w4_handshake_emit(i, &frame, now_us), 1);
    ck_assert_int_eq(w4_handshake_recv(r, w4_buffer_bytes(&frame), now_us), 0);
    w4_buffer_clear(&frame);
    ck_assert_int_eq(w4_handshake_emit(r, &frame, now_us), 1);
    ck_assert_int_eq(w4_handshake_recv(i, w4_buffer_bytes(&frame), now_us), 0);
    w4_buffer_clear(&frame);
    if (resume) {
        w4_handshake_set_resume(i, resume);
    }
    if (w4_handshake_emit(i, &frame, now_us) == 1) {
        ck_assert_int_eq(w4_handshake_recv(r, w4_buffer_bytes(&frame), now_us), 0);
    }
    bool good = w4_handshake_take(i, ret_dialler) == 0 && w4_handshake_take(r, ret_listener) == 0;
    w4_handshake_free(i);
    w4_handshake_free(r);
    w4_buffer_deinit(&frame);
    return good;
}
