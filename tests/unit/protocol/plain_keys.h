/* A keyring without a world around it: it takes whatever is said of a key, and each key can only
 * take back itself. */
#pragma once

#include "runner.h"

#include "trust/keyring.h"

#include <string.h>

static inline bool each_matters(void *context, const w4_fingerprint *key) {
    (void)context;
    (void)key;
    return true;
}

static inline w4_key_authority none_has_authority(void *context, const w4_fingerprint *signer) {
    (void)context;
    (void)signer;
    return W4_KEY_BY_NOBODY;
}

static inline w4_keyring *keys_of_themselves(void) {
    const w4_keyring_rules rules = {.matters = each_matters, .authority = none_has_authority};
    w4_keyring *keys = NULL;
    ck_assert_int_eq(w4_keyring_new(&rules, &keys), 0);
    return keys;
}

static inline void revoke_itself(w4_keyring *keys, const w4_fingerprint *who, uint64_t made_us) {
    w4_key_document document = {.kind = W4_KEY_REVOCATION,
                                .of = W4_KEY_OF_AGENT,
                                .subject = *who,
                                .signer = *who,
                                .made_us = made_us,
                                .reason = "stolen",
                                .text = w4_bytes_from_text("{}")};
    w4_keyring_result result;
    memcpy(document.id, who->bytes, sizeof document.id); /* one of its own */
    ck_assert_int_eq(w4_keyring_take(keys, &document, &result), 0);
    ck_assert_int_eq(result.verdict, W4_KEYRING_TAKEN);
}
