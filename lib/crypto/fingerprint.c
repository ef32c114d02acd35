#include "crypto/fingerprint.h"

#include "crypto/primitives.h"

#include <sodium.h>
#include <string.h>

_Static_assert(W4_FINGERPRINT_LEN == W4_HASH_LEN, "a fingerprint is a hash");

w4_fingerprint w4_fingerprint_of(const w4_pubkey *key) {
    w4_fingerprint f;
    crypto_hash_sha256(f.bytes, key->bytes, sizeof key->bytes);
    return f;
}

bool w4_fingerprint_equal(const w4_fingerprint *a, const w4_fingerprint *b) {
    return w4_fingerprint_compare(a, b) == 0;
}

int w4_fingerprint_compare(const w4_fingerprint *a, const w4_fingerprint *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

bool w4_fingerprint_is_zero(const w4_fingerprint *f) {
    static const w4_fingerprint zero;
    return w4_fingerprint_equal(f, &zero);
}

bool w4_fingerprint_parse(w4_bytes text, w4_fingerprint *ret_fingerprint) {
    return w4_hex_parse(text, ret_fingerprint->bytes, sizeof ret_fingerprint->bytes);
}

void w4_fingerprint_format(const w4_fingerprint *f,
                           char ret_text[static W4_FINGERPRINT_TEXT_LEN + 1]) {
    sodium_bin2hex(ret_text, W4_FINGERPRINT_TEXT_LEN + 1, f->bytes, sizeof f->bytes);
}
