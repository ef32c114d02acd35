/* Any JSON object, signed as a record or a beacon is: what the input cannot do for itself. */
#pragma once

#include "crypto/primitives.h"
#include "crypto/sign.h"
#include "json/document.h"

#include "target.h"

/* Seed 1, 1, 0, ...: the corpus names its key. */
static inline w4_identity *fuzz_identity(void) {
    static w4_identity *identity;
    if (!identity) {
        const uint8_t seed[W4_SEED_LEN] = {1, 1};
        FUZZ_REQUIRE(w4_crypto_init() == 0);
        FUZZ_REQUIRE(w4_identity_from_seed(seed, &identity) == 0);
    }
    return identity;
}

/* False when the input is no object of JSON with at least one member. */
static inline bool fuzz_signed_text(w4_bytes input, w4_buffer *out) {
    w4_buffer bare = W4_BUFFER_INIT(1u << 20);
    w4_buffer whole = W4_BUFFER_INIT(1u << 20);
    bool good = w4_json_canonical(&bare, input, &W4_JSON_LIMITS_LINE, NULL) == 0 && bare.len > 2 &&
                bare.data[0] == '{';
    if (good) {
        uint8_t signature[W4_SIGNATURE_LEN];
        w4_identity_sign(fuzz_identity(), w4_buffer_bytes(&bare), signature);
        bare.len--;
        FUZZ_REQUIRE(w4_buffer_append(&whole, w4_buffer_bytes(&bare)) == 0);
        FUZZ_REQUIRE(
            w4_buffer_append_text(&whole, ",\"sign\":{\"algo\":\"ed25519\",\"signature\":\"") == 0);
        FUZZ_REQUIRE(w4_base64_append(&whole, w4_bytes_of(signature, sizeof signature)) == 0);
        FUZZ_REQUIRE(w4_buffer_append_text(&whole, "\"}}") == 0);
        good = w4_json_canonical(out, w4_buffer_bytes(&whole), &W4_JSON_LIMITS_LINE, NULL) == 0;
    }
    w4_buffer_deinit(&bare);
    w4_buffer_deinit(&whole);
    return good;
}
