/* Keys and randomness that are the same in each run: an input that breaks something does so again.
 */
#pragma once

#include "crypto/sign.h"
#include "target.h"

static inline w4_identity *fuzz_key(uint8_t number) {
    uint8_t seed[W4_SEED_LEN] = {number};
    w4_identity *identity;
    FUZZ_REQUIRE(w4_identity_from_seed(seed, &identity) == 0);
    return identity;
}

/* For w4_env: the context is a uint64_t. */
static inline void fuzz_fill(void *context, void *bytes, size_t len) {
    uint64_t *state = context;
    for (size_t i = 0; i < len; i++) {
        *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
        ((uint8_t *)bytes)[i] = (uint8_t)(*state >> 33);
    }
}
