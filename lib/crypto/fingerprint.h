/* A fingerprint is the SHA-256 of a raw Ed25519 public key: the identity of a node or an agent. */
#pragma once

#include "base/bytes.h"

#define W4_PUBKEY_LEN 32
#define W4_FINGERPRINT_LEN 32
#define W4_FINGERPRINT_TEXT_LEN 64

typedef struct w4_fingerprint {
    uint8_t bytes[W4_FINGERPRINT_LEN];
} w4_fingerprint;

typedef struct w4_pubkey {
    uint8_t bytes[W4_PUBKEY_LEN];
} w4_pubkey;

w4_fingerprint w4_fingerprint_of(const w4_pubkey *key);
bool w4_fingerprint_equal(const w4_fingerprint *a, const w4_fingerprint *b);
int w4_fingerprint_compare(const w4_fingerprint *a, const w4_fingerprint *b);
bool w4_fingerprint_is_zero(const w4_fingerprint *f);

/* Exactly 64 lower-case hex digits, nothing else. */
bool w4_fingerprint_parse(w4_bytes text, w4_fingerprint *ret_fingerprint);
void w4_fingerprint_format(const w4_fingerprint *f,
                           char ret_text[static W4_FINGERPRINT_TEXT_LEN + 1]);
