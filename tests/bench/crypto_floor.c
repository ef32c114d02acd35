/* What one X25519 and one Ed25519 operation cost here, and what the accepting side of a handshake
 * cannot do without: a key of its own, three shared secrets, one signature, one verification. */
#include "rows.h"

#include <sodium.h>

typedef struct keys {
    uint8_t secret[crypto_scalarmult_SCALARBYTES], point[crypto_scalarmult_BYTES];
    uint8_t sign_public[crypto_sign_PUBLICKEYBYTES], sign_secret[crypto_sign_SECRETKEYBYTES];
    uint8_t message[128], signature[crypto_sign_BYTES];
} keys;

static void do_base(keys *k) {
    BENCH_CHECK(crypto_scalarmult_base(k->point, k->secret) == 0);
}

static void do_shared(keys *k) {
    BENCH_CHECK(crypto_scalarmult(k->secret, k->secret, k->point) == 0);
}

static void do_sign(keys *k) {
    BENCH_CHECK(crypto_sign_detached(k->signature, NULL, k->message, sizeof k->message,
                                     k->sign_secret) == 0);
}

static void do_verify(keys *k) {
    BENCH_CHECK(crypto_sign_verify_detached(k->signature, k->message, sizeof k->message,
                                            k->sign_public) == 0);
}

static double time_of(void (*operation)(keys *), keys *k, uint64_t count) {
    uint64_t cpu_ns = bench_thread_ns();
    for (uint64_t i = 0; i < count; i++) {
        operation(k);
    }
    return (double)(bench_thread_ns() - cpu_ns) / 1e3 / (double)count;
}

void bench_handshake_floor(const bench_options *options) {
    keys k = {.message = {1}};
    BENCH_CHECK(sodium_init() >= 0);
    randombytes_buf(k.secret, sizeof k.secret);
    BENCH_CHECK(crypto_sign_keypair(k.sign_public, k.sign_secret) == 0);
    double base = time_of(do_base, &k, options->count);
    double shared = time_of(do_shared, &k, options->count);
    double sign = time_of(do_sign, &k, options->count);
    double verify = time_of(do_verify, &k, options->count);
    bench_number("x25519_base_us", base);
    bench_number("x25519_us", shared);
    bench_number("ed25519_sign_us", sign);
    bench_number("ed25519_verify_us", verify);
    bench_number("accept_cpu_us", base + 3 * shared + sign + verify);
}
