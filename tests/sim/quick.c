#include "quick.h"

#include "crypto/primitives.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define KEY_LEN 32u
#define SIGNATURE_LEN 64u
#define PRIME ((UINT64_C(1) << 61) - 1)

static bool is_quick;

void sim_quick_crypto(bool quick) {
    is_quick = quick;
}

static uint64_t mix(uint64_t z) {
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

__extension__ typedef unsigned __int128 wide;

static uint64_t fold(uint64_t a, uint64_t b) {
    wide product = (wide)(a ^ UINT64_C(0xa0761d6478bd642f)) * (b ^ UINT64_C(0xe7037ed1a0b428db));
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t word_at(const uint8_t *data) {
    uint64_t word;
    memcpy(&word, data, sizeof word);
    return word;
}

/* Two lanes, which the processor takes at once. */
static uint64_t digest(uint64_t state, const uint8_t *data, size_t len) {
    uint64_t left = state, right = ~state;
    uint64_t last = len;
    size_t whole = len;
    for (; whole >= 32; data += 32, whole -= 32) {
        left = fold(word_at(data) ^ left, word_at(data + 8));
        right = fold(word_at(data + 16) ^ right, word_at(data + 24));
    }
    for (; whole >= 8; data += 8, whole -= 8) {
        left = fold(word_at(data) ^ left, right);
    }
    if (whole > 0) {
        memcpy(&last, data, whole);
    }
    return mix(fold(left ^ last, right ^ (uint64_t)len));
}

static void expand(uint64_t state, uint8_t *out, size_t len) {
    for (size_t i = 0; i < len; i += sizeof state) {
        state = mix(state + UINT64_C(0x9e3779b97f4a7c15));
        memcpy(out + i, &state, sizeof state);
    }
}

/* ---- signatures: the public key is a digest of the seed, and the secret key holds both */

int __real_crypto_sign_ed25519_seed_keypair(unsigned char *pk, unsigned char *sk,
                                            const unsigned char *seed);
int __wrap_crypto_sign_ed25519_seed_keypair(unsigned char *pk, unsigned char *sk,
                                            const unsigned char *seed);
int __wrap_crypto_sign_ed25519_seed_keypair(unsigned char *pk, unsigned char *sk,
                                            const unsigned char *seed) {
    if (!is_quick) {
        return __real_crypto_sign_ed25519_seed_keypair(pk, sk, seed);
    }
    expand(digest(1, seed, KEY_LEN), pk, KEY_LEN);
    memcpy(sk, seed, KEY_LEN);
    memcpy(sk + KEY_LEN, pk, KEY_LEN);
    return 0;
}

static void make_signature(const uint8_t *pk, const uint8_t *text, size_t len, uint8_t *out) {
    expand(digest(digest(2, pk, KEY_LEN), text, len), out, SIGNATURE_LEN);
}

int __real_crypto_sign_ed25519_detached(unsigned char *sig, unsigned long long *siglen,
                                        const unsigned char *m, unsigned long long mlen,
                                        const unsigned char *sk);
int __wrap_crypto_sign_ed25519_detached(unsigned char *sig, unsigned long long *siglen,
                                        const unsigned char *m, unsigned long long mlen,
                                        const unsigned char *sk);
int __wrap_crypto_sign_ed25519_detached(unsigned char *sig, unsigned long long *siglen,
                                        const unsigned char *m, unsigned long long mlen,
                                        const unsigned char *sk) {
    if (!is_quick) {
        return __real_crypto_sign_ed25519_detached(sig, siglen, m, mlen, sk);
    }
    make_signature(sk + KEY_LEN, m, (size_t)mlen, sig);
    return 0;
}

int __real_crypto_sign_ed25519_verify_detached(const unsigned char *sig, const unsigned char *m,
                                               unsigned long long mlen, const unsigned char *pk);
int __wrap_crypto_sign_ed25519_verify_detached(const unsigned char *sig, const unsigned char *m,
                                               unsigned long long mlen, const unsigned char *pk);
int __wrap_crypto_sign_ed25519_verify_detached(const unsigned char *sig, const unsigned char *m,
                                               unsigned long long mlen, const unsigned char *pk) {
    if (!is_quick) {
        return __real_crypto_sign_ed25519_verify_detached(sig, m, mlen, pk);
    }
    uint8_t good[SIGNATURE_LEN];
    make_signature(pk, m, (size_t)mlen, good);
    return memcmp(good, sig, sizeof good) == 0 ? 0 : -1;
}

int __real_crypto_core_ed25519_is_valid_point(const unsigned char *p);
int __wrap_crypto_core_ed25519_is_valid_point(const unsigned char *p);
int __wrap_crypto_core_ed25519_is_valid_point(const unsigned char *p) {
    return is_quick ? 1 : __real_crypto_core_ed25519_is_valid_point(p);
}

/* ---- agreement: powers of 3 modulo a prime, which commute; the rest of a key is ballast */

static uint64_t multiply(uint64_t a, uint64_t b) {
    return (uint64_t)((wide)a * b % PRIME);
}

static uint64_t power(uint64_t base, uint64_t exponent) {
    uint64_t result = 1;
    for (; exponent > 0; exponent >>= 1) {
        result = (exponent & 1) != 0 ? multiply(result, base) : result;
        base = multiply(base, base);
    }
    return result;
}

static void agree(uint8_t *out, const uint8_t *secret, uint64_t base) {
    uint64_t exponent;
    memcpy(&exponent, secret, sizeof exponent);
    uint64_t value = power(base % PRIME, (exponent >> 4) | 1);
    memcpy(out, &value, sizeof value);
    expand(value, out + sizeof value, KEY_LEN - sizeof value);
}

int __real_crypto_scalarmult_curve25519_base(unsigned char *q, const unsigned char *n);
int __wrap_crypto_scalarmult_curve25519_base(unsigned char *q, const unsigned char *n);
int __wrap_crypto_scalarmult_curve25519_base(unsigned char *q, const unsigned char *n) {
    if (!is_quick) {
        return __real_crypto_scalarmult_curve25519_base(q, n);
    }
    agree(q, n, 3);
    return 0;
}

int __real_crypto_scalarmult_curve25519(unsigned char *q, const unsigned char *n,
                                        const unsigned char *p);
int __wrap_crypto_scalarmult_curve25519(unsigned char *q, const unsigned char *n,
                                        const unsigned char *p);
int __wrap_crypto_scalarmult_curve25519(unsigned char *q, const unsigned char *n,
                                        const unsigned char *p) {
    if (!is_quick) {
        return __real_crypto_scalarmult_curve25519(q, n, p);
    }
    uint64_t base;
    memcpy(&base, p, sizeof base);
    agree(q, n, base);
    return 0;
}

/* ---- hashes: of both texts as if they were one */

int __real_crypto_hash_sha256(unsigned char *out, const unsigned char *in,
                              unsigned long long inlen);
int __wrap_crypto_hash_sha256(unsigned char *out, const unsigned char *in,
                              unsigned long long inlen);
int __wrap_crypto_hash_sha256(unsigned char *out, const unsigned char *in,
                              unsigned long long inlen) {
    if (!is_quick) {
        return __real_crypto_hash_sha256(out, in, inlen);
    }
    expand(digest(4, in, (size_t)inlen), out, W4_HASH_LEN);
    return 0;
}

/* So long a text is put together; what is longer is hashed in truth. */
#define JOINED_MAX 100000u

void __real_w4_hash(w4_bytes a, w4_bytes b, uint8_t ret_hash[static W4_HASH_LEN]);
void __wrap_w4_hash(w4_bytes a, w4_bytes b, uint8_t ret_hash[static W4_HASH_LEN]);
void __wrap_w4_hash(w4_bytes a, w4_bytes b, uint8_t ret_hash[static W4_HASH_LEN]) {
    static uint8_t joined[JOINED_MAX];
    if (!is_quick || a.len + b.len > sizeof joined) {
        __real_w4_hash(a, b, ret_hash);
        return;
    }
    memcpy(joined, a.len > 0 ? a.data : joined, a.len);
    memcpy(joined + a.len, b.len > 0 ? b.data : joined, b.len);
    expand(digest(4, joined, a.len + b.len), ret_hash, W4_HASH_LEN);
}

void __real_w4_hkdf(const uint8_t chaining_key[static W4_HASH_LEN], w4_bytes input,
                    uint8_t *ret_first, uint8_t *ret_second, uint8_t *ret_third);
void __wrap_w4_hkdf(const uint8_t chaining_key[static W4_HASH_LEN], w4_bytes input,
                    uint8_t *ret_first, uint8_t *ret_second, uint8_t *ret_third);
void __wrap_w4_hkdf(const uint8_t chaining_key[static W4_HASH_LEN], w4_bytes input,
                    uint8_t *ret_first, uint8_t *ret_second, uint8_t *ret_third) {
    if (!is_quick) {
        __real_w4_hkdf(chaining_key, input, ret_first, ret_second, ret_third);
        return;
    }
    uint64_t state = digest(5, chaining_key, W4_HASH_LEN);
    state = digest(state, input.data, input.len);
    expand(state, ret_first, W4_HASH_LEN);
    expand(state + 1, ret_second, W4_HASH_LEN);
    if (ret_third != NULL) {
        expand(state + 2, ret_third, W4_HASH_LEN);
    }
}

/* ---- sealing: a stream that its key and number give, and a digest of what it covers */

#define NONCE_LEN 12u

static void apply_stream(uint64_t state, const uint8_t *in, uint8_t *out, size_t len) {
    uint64_t word;
    for (; len >= sizeof word; in += sizeof word, out += sizeof word, len -= sizeof word) {
        word = word_at(in) ^ mix(state);
        memcpy(out, &word, sizeof word);
        state += UINT64_C(0x9e3779b97f4a7c15);
    }
    word = 0;
    memcpy(&word, in, len);
    word ^= mix(state);
    memcpy(out, &word, len);
}

static void make_tag(uint64_t state, const uint8_t *head, size_t head_len, const uint8_t *sealed,
                     size_t len, uint8_t out[static W4_AEAD_TAG_LEN]) {
    expand(digest(digest(state, head, head_len), sealed, len), out, W4_AEAD_TAG_LEN);
}

static uint64_t sealing_state(const uint8_t *key, const uint8_t *nonce) {
    return digest(digest(3, key, W4_AEAD_KEY_LEN), nonce, NONCE_LEN);
}

int __real_crypto_aead_chacha20poly1305_ietf_encrypt(
    unsigned char *c, unsigned long long *clen, const unsigned char *m, unsigned long long mlen,
    const unsigned char *ad, unsigned long long adlen, const unsigned char *nsec,
    const unsigned char *npub, const unsigned char *k);
int __wrap_crypto_aead_chacha20poly1305_ietf_encrypt(
    unsigned char *c, unsigned long long *clen, const unsigned char *m, unsigned long long mlen,
    const unsigned char *ad, unsigned long long adlen, const unsigned char *nsec,
    const unsigned char *npub, const unsigned char *k);
int __wrap_crypto_aead_chacha20poly1305_ietf_encrypt(
    unsigned char *c, unsigned long long *clen, const unsigned char *m, unsigned long long mlen,
    const unsigned char *ad, unsigned long long adlen, const unsigned char *nsec,
    const unsigned char *npub, const unsigned char *k) {
    if (!is_quick) {
        return __real_crypto_aead_chacha20poly1305_ietf_encrypt(c, clen, m, mlen, ad, adlen, nsec,
                                                                npub, k);
    }
    uint64_t state = sealing_state(k, npub);
    apply_stream(state, m, c, (size_t)mlen);
    make_tag(state, ad, (size_t)adlen, c, (size_t)mlen, c + mlen);
    return 0;
}

int __real_crypto_aead_chacha20poly1305_ietf_decrypt(
    unsigned char *m, unsigned long long *mlen, unsigned char *nsec, const unsigned char *c,
    unsigned long long clen, const unsigned char *ad, unsigned long long adlen,
    const unsigned char *npub, const unsigned char *k);
int __wrap_crypto_aead_chacha20poly1305_ietf_decrypt(
    unsigned char *m, unsigned long long *mlen, unsigned char *nsec, const unsigned char *c,
    unsigned long long clen, const unsigned char *ad, unsigned long long adlen,
    const unsigned char *npub, const unsigned char *k);
int __wrap_crypto_aead_chacha20poly1305_ietf_decrypt(
    unsigned char *m, unsigned long long *mlen, unsigned char *nsec, const unsigned char *c,
    unsigned long long clen, const unsigned char *ad, unsigned long long adlen,
    const unsigned char *npub, const unsigned char *k) {
    if (!is_quick) {
        return __real_crypto_aead_chacha20poly1305_ietf_decrypt(m, mlen, nsec, c, clen, ad, adlen,
                                                                npub, k);
    }
    uint8_t tag[W4_AEAD_TAG_LEN];
    uint64_t state = sealing_state(k, npub);
    size_t len = (size_t)clen - W4_AEAD_TAG_LEN;
    make_tag(state, ad, (size_t)adlen, c, len, tag);
    if (memcmp(tag, c + len, sizeof tag) != 0) {
        return -1;
    }
    apply_stream(state, c, m, len);
    return 0;
}
