#include "quick.h"

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

static uint64_t digest(uint64_t state, const uint8_t *data, size_t len) {
    for (; len >= 8; data += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, data, sizeof word);
        state = mix(state ^ word) + UINT64_C(0x9e3779b97f4a7c15);
    }
    uint64_t last = len;
    memcpy(&last, data, len);
    return mix(state ^ last ^ (uint64_t)len << 56);
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

__extension__ typedef unsigned __int128 wide;

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
