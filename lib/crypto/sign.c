#include "crypto/sign.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* A joined message up to this size is put together on the stack, a larger one on the heap. */
#define JOINED_ON_STACK_MAX 8192

_Static_assert(W4_SIGNATURE_LEN == crypto_sign_ed25519_BYTES, "Ed25519 signature");
_Static_assert(W4_PUBKEY_LEN == crypto_sign_ed25519_PUBLICKEYBYTES, "Ed25519 key");

int w4_crypto_init(void) {
    return sodium_init() < 0 ? -ENOSYS : 0;
}

bool w4_pubkey_valid(const w4_pubkey *key) {
    return crypto_core_ed25519_is_valid_point(key->bytes) == 1;
}

bool w4_sign_verify(const w4_pubkey *key, w4_bytes message,
                    const uint8_t signature[static W4_SIGNATURE_LEN]) {
    static const uint8_t nothing[1];
    const uint8_t *data = message.len > 0 ? message.data : nothing;
    return crypto_sign_ed25519_verify_detached(signature, data, message.len, key->bytes) == 0;
}

int w4_sign_verify_joined(const w4_pubkey *key, w4_bytes first, w4_bytes second,
                          const uint8_t signature[static W4_SIGNATURE_LEN]) {
    if (second.len == 0) {
        return w4_sign_verify(key, first, signature);
    }
    if (first.len == 0) {
        return w4_sign_verify(key, second, signature);
    }
    if (first.len > SIZE_MAX - second.len) {
        return -ENOMEM;
    }
    uint8_t small[JOINED_ON_STACK_MAX];
    size_t len = first.len + second.len;
    uint8_t *joined = len <= sizeof small ? small : malloc(len);
    if (!joined) {
        return -ENOMEM;
    }
    memcpy(joined, first.data, first.len);
    memcpy(joined + first.len, second.data, second.len);
    bool valid = w4_sign_verify(key, w4_bytes_of(joined, len), signature);
    if (joined != small) {
        free(joined);
    }
    return valid;
}
