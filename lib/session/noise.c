#include "session/noise.h"

#include <errno.h>
#include <string.h>

/* 32 bytes, so it is h itself, without hashing (Noise 5.2). */
static const char protocol_name[W4_HASH_LEN + 1] = "Noise_XX_25519_ChaChaPoly_SHA256";

typedef enum token { TOKEN_END, TOKEN_E, TOKEN_S, TOKEN_EE, TOKEN_ES, TOKEN_SE } token;

#define TOKENS_MAX 5
#define TOKEN_BYTES_MAX (W4_DH_LEN + W4_DH_LEN + W4_AEAD_TAG_LEN) /* e and a sealed s */

/* clang-format off */
static const token pattern[W4_NOISE_MESSAGES][TOKENS_MAX] = {
    {TOKEN_E,                               TOKEN_END}, /* -> */
    {TOKEN_E, TOKEN_EE, TOKEN_S, TOKEN_ES,  TOKEN_END}, /* <- */
    {TOKEN_S, TOKEN_SE,                     TOKEN_END}, /* -> */
};
/* clang-format on */

static void mix_hash(w4_noise *n, w4_bytes data) {
    w4_hash(w4_bytes_of(n->h, W4_HASH_LEN), data, n->h);
}

void w4_noise_init(w4_noise *n, bool initiator, w4_bytes prologue,
                   const uint8_t static_secret[static W4_DH_LEN],
                   const uint8_t ephemeral_secret[static W4_DH_LEN]) {
    uint8_t static_public[W4_DH_LEN];
    w4_dh_public(static_secret, static_public);
    w4_noise_init_known(n, initiator, prologue, static_secret, static_public, ephemeral_secret);
}

void w4_noise_init_known(w4_noise *n, bool initiator, w4_bytes prologue,
                         const uint8_t static_secret[static W4_DH_LEN],
                         const uint8_t static_public[static W4_DH_LEN],
                         const uint8_t ephemeral_secret[static W4_DH_LEN]) {
    memset(n, 0, sizeof *n);
    n->initiator = initiator;
    memcpy(n->h, protocol_name, W4_HASH_LEN);
    memcpy(n->ck, n->h, W4_HASH_LEN);
    mix_hash(n, prologue);
    memcpy(n->s_secret, static_secret, W4_DH_LEN);
    memcpy(n->s_public, static_public, W4_DH_LEN);
    memcpy(n->e_secret, ephemeral_secret, W4_DH_LEN);
    w4_dh_public(n->e_secret, n->e_public);
}

void w4_noise_deinit(w4_noise *n) {
    w4_wipe(n, sizeof *n);
    n->failed = true;
}

/* A failed handshake keeps no secret and does nothing more. */
static int fail(w4_noise *n) {
    w4_noise_deinit(n);
    return 1;
}

static bool mix_dh(w4_noise *n, const uint8_t *secret, const uint8_t *public_key) {
    uint8_t shared[W4_DH_LEN];
    uint8_t ck[W4_HASH_LEN];
    bool good = w4_dh(secret, public_key, shared);
    if (good) {
        w4_hkdf(n->ck, w4_bytes_of(shared, sizeof shared), ck, n->key, NULL);
        memcpy(n->ck, ck, sizeof ck);
        n->has_key = true;
        n->nonce = 0;
    }
    w4_wipe(shared, sizeof shared);
    w4_wipe(ck, sizeof ck);
    return good;
}

static bool mix_dh_token(w4_noise *n, token t) {
    switch (t) {
    case TOKEN_EE:
        return mix_dh(n, n->e_secret, n->re);
    case TOKEN_ES:
        return n->initiator ? mix_dh(n, n->e_secret, n->rs) : mix_dh(n, n->s_secret, n->re);
    case TOKEN_SE:
        return n->initiator ? mix_dh(n, n->s_secret, n->re) : mix_dh(n, n->e_secret, n->rs);
    case TOKEN_END:
    case TOKEN_E:
    case TOKEN_S:
        break;
    }
    return false;
}

static size_t sealed_len(const w4_noise *n, size_t len) {
    return n->has_key ? len + W4_AEAD_TAG_LEN : len;
}

/* EncryptAndHash; at holds sealed_len(plain.len) bytes. */
static void seal_and_hash(w4_noise *n, w4_bytes plain, uint8_t *at) {
    if (n->has_key) {
        w4_aead_seal(n->key, n->nonce++, w4_bytes_of(n->h, W4_HASH_LEN), plain, at);
    } else if (plain.len > 0) {
        memcpy(at, plain.data, plain.len);
    }
    mix_hash(n, w4_bytes_of(at, sealed_len(n, plain.len)));
}

/* DecryptAndHash; at holds sealed.len bytes less the tag. */
static bool open_and_hash(w4_noise *n, w4_bytes sealed, uint8_t *at) {
    if (n->has_key) {
        if (sealed.len < W4_AEAD_TAG_LEN ||
            !w4_aead_open(n->key, n->nonce, w4_bytes_of(n->h, W4_HASH_LEN), sealed, at)) {
            return false;
        }
        n->nonce++;
    } else if (sealed.len > 0) {
        memcpy(at, sealed.data, sealed.len);
    }
    mix_hash(n, sealed);
    return true;
}

/* The initiator writes messages 1 and 3, the responder message 2. */
static bool is_my_turn(const w4_noise *n, bool writing) {
    bool mine = (n->step % 2 == 0) == n->initiator;
    return !n->failed && n->step < W4_NOISE_MESSAGES && mine == writing;
}

int w4_noise_write_tokens(w4_noise *n, w4_buffer *out) {
    if (!is_my_turn(n, true) || n->in_message) {
        return fail(n);
    }
    int r = w4_buffer_reserve(out, TOKEN_BYTES_MAX);
    if (r < 0) {
        return r;
    }
    for (const token *t = pattern[n->step]; *t != TOKEN_END; t++) {
        uint8_t *at = out->data + out->len;
        if (*t == TOKEN_E) {
            memcpy(at, n->e_public, W4_DH_LEN);
            mix_hash(n, w4_bytes_of(at, W4_DH_LEN));
            out->len += W4_DH_LEN;
        } else if (*t == TOKEN_S) {
            size_t len = sealed_len(n, W4_DH_LEN);
            seal_and_hash(n, w4_bytes_of(n->s_public, W4_DH_LEN), at);
            out->len += len;
        } else if (!mix_dh_token(n, *t)) {
            return fail(n);
        }
    }
    n->in_message = true;
    return 0;
}

int w4_noise_write_payload(w4_noise *n, w4_bytes payload, w4_buffer *out) {
    if (!is_my_turn(n, true) || !n->in_message) {
        return fail(n);
    }
    if (payload.len > W4_NOISE_MESSAGE_MAX - TOKEN_BYTES_MAX - W4_AEAD_TAG_LEN) {
        return -EMSGSIZE;
    }
    size_t len = sealed_len(n, payload.len);
    int r = w4_buffer_reserve(out, len);
    if (r < 0) {
        return r;
    }
    if (len > 0) {
        seal_and_hash(n, payload, out->data + out->len);
        out->len += len;
    } else {
        mix_hash(n, payload);
    }
    n->in_message = false;
    n->step++;
    return 0;
}

int w4_noise_read_tokens(w4_noise *n, w4_bytes message, size_t *ret_used) {
    if (!is_my_turn(n, false) || n->in_message || message.len > W4_NOISE_MESSAGE_MAX) {
        return fail(n);
    }
    size_t used = 0;
    for (const token *t = pattern[n->step]; *t != TOKEN_END; t++) {
        size_t left = message.len - used;
        if (*t == TOKEN_E) {
            if (left < W4_DH_LEN) {
                return fail(n);
            }
            memcpy(n->re, message.data + used, W4_DH_LEN);
            mix_hash(n, w4_bytes_of(n->re, W4_DH_LEN));
            used += W4_DH_LEN;
        } else if (*t == TOKEN_S) {
            size_t len = sealed_len(n, W4_DH_LEN);
            if (left < len || !open_and_hash(n, w4_bytes_of(message.data + used, len), n->rs)) {
                return fail(n);
            }
            used += len;
        } else if (!mix_dh_token(n, *t)) {
            return fail(n);
        }
    }
    n->in_message = true;
    *ret_used = used;
    return 0;
}

int w4_noise_read_payload(w4_noise *n, w4_bytes sealed, w4_buffer *ret_payload) {
    if (!is_my_turn(n, false) || !n->in_message || sealed.len > W4_NOISE_MESSAGE_MAX) {
        return fail(n);
    }
    size_t tag = n->has_key ? W4_AEAD_TAG_LEN : 0;
    if (sealed.len < tag) {
        return fail(n);
    }
    size_t len = sealed.len - tag;
    /* One byte more than it needs, so that there is an address also for nothing. */
    int r = w4_buffer_reserve(ret_payload, len > 0 ? len : 1);
    if (r < 0) {
        return r;
    }
    if (!open_and_hash(n, sealed, ret_payload->data + ret_payload->len)) {
        return fail(n);
    }
    ret_payload->len += len;
    n->in_message = false;
    n->step++;
    return 0;
}

bool w4_noise_done(const w4_noise *n) {
    return !n->failed && n->step == W4_NOISE_MESSAGES;
}

int w4_noise_split(w4_noise *n, w4_noise_keys *ret_keys) {
    if (!w4_noise_done(n)) {
        return 1;
    }
    uint8_t first[W4_HASH_LEN], second[W4_HASH_LEN];
    w4_hkdf(n->ck, w4_bytes_of(NULL, 0), first, second, NULL);
    memcpy(ret_keys->send, n->initiator ? first : second, W4_AEAD_KEY_LEN);
    memcpy(ret_keys->recv, n->initiator ? second : first, W4_AEAD_KEY_LEN);
    memcpy(ret_keys->hash, n->h, W4_HASH_LEN);
    w4_wipe(first, sizeof first);
    w4_wipe(second, sizeof second);
    w4_noise_deinit(n);
    return 0;
}
