#include "session/handshake.h"

#include "session/close.h"
#include "session/hello.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REPEAT_FIRST_US (W4_US_PER_S / 4)
#define MESSAGE_READ_MAX (W4_HELLO_MAX + 128u)

struct w4_handshake {
    const w4_env *env;
    w4_handshake_config config;
    w4_fingerprint pinned;
    bool initiator, done;
    w4_noise noise;
    w4_noise_keys keys;
    w4_refusal failure;
    bool has_peer;
    w4_hello peer;
    uint8_t peer_static[W4_DH_LEN];
    w4_resume_point resume;
    uint64_t deadline_us;
    /* Repeats, on a lossy link only: what we said last, and the message 1 it answers. */
    w4_buffer last;
    uint8_t first_hash[W4_HASH_LEN];
    bool repeat_due;
    uint64_t repeat_at_us, repeat_delay_us;
    w4_buffer own_lineage;
    w4_buffer close; /* a record that tells the initiator why we refuse it */
};

static void wipe_secrets(w4_handshake *hs) {
    w4_noise_deinit(&hs->noise);
    w4_wipe(&hs->keys, sizeof hs->keys);
}

static void fail(w4_handshake *hs, w4_refusal code) {
    wipe_secrets(hs);
    hs->failure = code;
    hs->has_peer = false;
    hs->repeat_at_us = W4_NEVER;
    hs->repeat_due = false;
}

int w4_handshake_new(const w4_env *env, const w4_handshake_config *config, bool initiator,
                     uint64_t now_us, w4_handshake **ret_handshake) {
    w4_handshake *hs = calloc(1, sizeof *hs);
    if (!hs) {
        return -ENOMEM;
    }
    hs->env = env;
    hs->config = *config;
    hs->config.features |= W4_FEATURE_BIT(W4_FEATURE_CHANNELS);
    if (config->pinned) {
        hs->pinned = *config->pinned;
        hs->config.pinned = &hs->pinned;
    }
    hs->initiator = initiator;
    hs->deadline_us = w4_later(now_us, W4_HANDSHAKE_TIMEOUT_US);
    hs->repeat_at_us = W4_NEVER;
    hs->repeat_delay_us = REPEAT_FIRST_US;
    hs->last = W4_BUFFER_INIT(W4_HANDSHAKE_MESSAGE_MAX);
    hs->close = W4_BUFFER_INIT(W4_HANDSHAKE_MESSAGE_MAX);
    hs->own_lineage = W4_BUFFER_INIT(W4_HELLO_LINEAGE_MAX);
    if (config->lineage.len <= W4_HELLO_LINEAGE_MAX &&
        w4_buffer_append(&hs->own_lineage, config->lineage) != 0) {
        free(hs);
        return -ENOMEM;
    }
    hs->config.lineage = w4_buffer_bytes(&hs->own_lineage);
    uint8_t ephemeral[W4_DH_LEN];
    env->random(env->context, ephemeral, sizeof ephemeral);
    w4_bytes prologue = w4_bytes_from_text(W4_RTT_PROLOGUE);
    if (config->static_public) {
        w4_noise_init_known(&hs->noise, initiator, prologue, config->static_secret,
                            config->static_public, ephemeral);
    } else {
        w4_noise_init(&hs->noise, initiator, prologue, config->static_secret, ephemeral);
    }
    w4_wipe(ephemeral, sizeof ephemeral);
    *ret_handshake = hs;
    return 0;
}

w4_handshake *w4_handshake_free(w4_handshake *handshake) {
    if (handshake) {
        wipe_secrets(handshake);
        w4_buffer_deinit(&handshake->last);
        w4_buffer_deinit(&handshake->close);
        w4_buffer_deinit(&handshake->own_lineage);
        free(handshake);
    }
    return NULL;
}

void w4_handshake_set_resume(w4_handshake *handshake, const w4_resume_point *resume) {
    handshake->resume = *resume;
}

const w4_hello *w4_handshake_peer(const w4_handshake *handshake) {
    return handshake->has_peer ? &handshake->peer : NULL;
}

const uint8_t *w4_handshake_peer_static(const w4_handshake *handshake) {
    return handshake->peer_static;
}

static bool is_writing(const w4_handshake *hs) {
    return (hs->noise.step % 2 == 0) == hs->initiator;
}

static void finish(w4_handshake *hs) {
    w4_noise_split(&hs->noise, &hs->keys);
    hs->done = true;
    hs->repeat_at_us = W4_NEVER;
}

/* The responder's no to message 3: there are keys by now, so it can say why. */
static int refuse(w4_handshake *hs, w4_refusal code) {
    int r = 0;
    if (w4_noise_split(&hs->noise, &hs->keys) == 0) {
        r = w4_close_record(&hs->close, hs->keys.send, code, NULL);
    }
    fail(hs, code);
    return r;
}

/* What of a proven hello keeps its sender out all the same. */
static w4_refusal judge_peer(const w4_handshake *hs, const w4_hello *peer, w4_bytes lineage,
                             uint64_t now_us) {
    const w4_fingerprint *own = w4_identity_fingerprint(hs->config.identity);
    if (w4_fingerprint_equal(&peer->fingerprint, own)) {
        return W4_REFUSAL_SELF;
    }
    const w4_fingerprint *pinned = hs->initiator ? hs->config.pinned : NULL;
    bool expected = !pinned || w4_fingerprint_equal(&peer->fingerprint, pinned);
    if (lineage.len > 0 && hs->config.follows) {
        expected =
            hs->config.follows(hs->config.context, &peer->fingerprint, lineage, pinned, now_us) ||
            expected;
    }
    return expected ? W4_REFUSAL_NONE : W4_REFUSAL_AUTH_FAILURE;
}

static int read_hello(w4_handshake *hs, const uint8_t *hash, w4_bytes text, uint64_t now_us) {
    w4_hello_proof proof = {.by_initiator = !hs->initiator, .hash = hash};
    w4_hello hello;
    w4_refusal refusal;
    w4_buffer lineage = W4_BUFFER_INIT(W4_HELLO_MAX);
    int r = w4_hello_parse(text, &proof, &hello, &lineage, &refusal);
    if (r == 0 && refusal == W4_REFUSAL_NONE) {
        refusal = judge_peer(hs, &hello, w4_buffer_bytes(&lineage), now_us);
    }
    w4_buffer_deinit(&lineage);
    if (r < 0) {
        fail(hs, W4_REFUSAL_INTERNAL);
        return r;
    }
    if (refusal != W4_REFUSAL_NONE) {
        return refuse(hs, refusal);
    }
    hs->peer = hello;
    hs->has_peer = true;
    if (w4_noise_done(&hs->noise)) {
        finish(hs);
    }
    return 0;
}

static int read_message(w4_handshake *hs, w4_bytes message, uint64_t now_us) {
    w4_noise *n = &hs->noise;
    bool has_hello = n->step > 0;
    size_t max = has_hello ? MESSAGE_READ_MAX : W4_DH_LEN + W4_HANDSHAKE_PAD_MAX;
    size_t used;
    if (message.len > max || w4_noise_read_tokens(n, message, &used) != 0) {
        fail(hs, W4_REFUSAL_AUTH_FAILURE);
        return 0;
    }
    if (has_hello && memcmp(n->rs, n->s_public, W4_DH_LEN) == 0) {
        fail(hs, W4_REFUSAL_SELF);
        return 0;
    }
    uint8_t hash[W4_HASH_LEN];
    memcpy(hash, n->h, sizeof hash);
    memcpy(hs->peer_static, n->rs, sizeof hs->peer_static);
    w4_buffer payload = W4_BUFFER_INIT(max);
    int r =
        w4_noise_read_payload(n, w4_bytes_of(message.data + used, message.len - used), &payload);
    if (r != 0) {
        fail(hs, r < 0 ? W4_REFUSAL_INTERNAL : W4_REFUSAL_AUTH_FAILURE);
        r = r < 0 ? r : 0;
    } else if (has_hello) {
        r = read_hello(hs, hash, w4_buffer_bytes(&payload), now_us);
    } else if (hs->config.lossy_link) {
        w4_hash(message, w4_bytes_of(NULL, 0), hs->first_hash);
    }
    w4_buffer_deinit(&payload);
    return r;
}

static bool is_first_again(const w4_handshake *hs, w4_bytes frame) {
    uint8_t hash[W4_HASH_LEN];
    if (!hs->config.lossy_link || hs->initiator || hs->last.len == 0) {
        return false;
    }
    w4_hash(frame, w4_bytes_of(NULL, 0), hash);
    return memcmp(hash, hs->first_hash, sizeof hash) == 0;
}

int w4_handshake_recv(w4_handshake *handshake, w4_bytes frame, uint64_t now_us) {
    w4_handshake_expire(handshake, now_us);
    if (handshake->failure != W4_REFUSAL_NONE || handshake->done) {
        return 0;
    }
    if (is_first_again(handshake, frame)) {
        handshake->repeat_due = true;
        return 0;
    }
    if (is_writing(handshake)) {
        /* Out of turn. A lossy link may bring the message again that we are about to answer. */
        if (!handshake->config.lossy_link) {
            fail(handshake, W4_REFUSAL_AUTH_FAILURE);
        }
        return 0;
    }
    return read_message(handshake, frame, now_us);
}

static int write_payload(w4_handshake *hs, w4_buffer *out, uint64_t wall_us) {
    if (hs->noise.step == 0) {
        return w4_noise_write_payload(&hs->noise, w4_bytes_of(NULL, 0), out);
    }
    w4_hello_proof proof = {.by_initiator = hs->initiator, .hash = hs->noise.h};
    w4_buffer hello =
        W4_BUFFER_INIT(W4_HANDSHAKE_MESSAGE_MAX - 2 * W4_DH_LEN - 2 * W4_AEAD_TAG_LEN);
    int r =
        w4_hello_encode(&hello, &hs->config, &proof, hs->initiator ? &hs->resume : NULL, wall_us);
    if (r == -EMSGSIZE && hs->config.lineage.len > 0) { /* who needs it may hear it elsewhere */
        hs->config.lineage = (w4_bytes){0};
        w4_buffer_clear(&hello);
        r = w4_hello_encode(&hello, &hs->config, &proof, hs->initiator ? &hs->resume : NULL,
                            wall_us);
    }
    if (r == 0) {
        r = w4_noise_write_payload(&hs->noise, w4_buffer_bytes(&hello), out);
    }
    w4_buffer_deinit(&hello);
    return r;
}

static int write_message(w4_handshake *hs, w4_buffer *out, uint64_t now_us) {
    size_t before = out->len;
    int r = w4_noise_write_tokens(&hs->noise, out);
    if (r == 0) {
        r = write_payload(hs, out, w4_env_wall_us(hs->env, now_us));
    }
    if (r == 0 && hs->config.lossy_link) {
        w4_buffer_clear(&hs->last);
        r = w4_buffer_append(&hs->last, w4_bytes_of(out->data + before, out->len - before));
    }
    if (r != 0) {
        out->len = before;
        fail(hs, r < 0 ? W4_REFUSAL_INTERNAL : W4_REFUSAL_AUTH_FAILURE);
        return r < 0 ? r : 0;
    }
    if (w4_noise_done(&hs->noise)) {
        finish(hs);
    } else if (hs->initiator && hs->config.lossy_link) {
        hs->repeat_at_us = w4_later(now_us, hs->repeat_delay_us);
    }
    return 1;
}

static int write_again(const w4_buffer *frame, w4_buffer *out) {
    int r = w4_buffer_append(out, w4_buffer_bytes(frame));
    return r < 0 ? r : 1;
}

int w4_handshake_emit(w4_handshake *handshake, w4_buffer *out, uint64_t now_us) {
    w4_handshake *hs = handshake;
    if (hs->close.len > 0) {
        int r = write_again(&hs->close, out);
        w4_buffer_clear(&hs->close);
        return r;
    }
    w4_handshake_expire(hs, now_us);
    if (hs->failure != W4_REFUSAL_NONE || hs->done) {
        return 0;
    }
    if (is_writing(hs)) {
        return write_message(hs, out, now_us);
    }
    if (hs->repeat_due) {
        hs->repeat_due = false;
        return write_again(&hs->last, out);
    }
    return 0;
}

uint64_t w4_handshake_deadline(const w4_handshake *handshake) {
    if (handshake->failure != W4_REFUSAL_NONE || handshake->done) {
        return W4_NEVER;
    }
    return w4_earlier(handshake->deadline_us, handshake->repeat_at_us);
}

void w4_handshake_expire(w4_handshake *handshake, uint64_t now_us) {
    if (handshake->failure != W4_REFUSAL_NONE || handshake->done) {
        return;
    }
    if (now_us >= handshake->deadline_us) {
        fail(handshake, W4_REFUSAL_TIMEOUT);
    } else if (now_us >= handshake->repeat_at_us) {
        handshake->repeat_due = true;
        handshake->repeat_delay_us *= 2;
        handshake->repeat_at_us = w4_later(now_us, handshake->repeat_delay_us);
    }
}

bool w4_handshake_done(const w4_handshake *handshake) {
    return handshake->done;
}

w4_refusal w4_handshake_failure(const w4_handshake *handshake) {
    return handshake->failure;
}

int w4_handshake_take(w4_handshake *handshake, w4_handshake_result *ret_result) {
    w4_handshake *hs = handshake;
    if (!hs->done || !hs->has_peer) {
        return 1;
    }
    memset(ret_result, 0, sizeof *ret_result);
    ret_result->initiator = hs->initiator;
    ret_result->peer = hs->peer;
    memcpy(ret_result->peer_static, hs->peer_static, sizeof ret_result->peer_static);
    ret_result->keys = hs->keys;
    if (hs->initiator) {
        ret_result->sent_resume = hs->resume;
        ret_result->repeat_len = (uint16_t)hs->last.len;
        if (hs->last.len > 0) {
            memcpy(ret_result->repeat, hs->last.data, hs->last.len);
        }
    }
    wipe_secrets(hs);
    hs->has_peer = false;
    return 0;
}
