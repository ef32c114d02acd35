/* The primitives that Noise and the records are made of; thin names over libsodium. */
#pragma once

#include "base/bytes.h"

#define W4_HASH_LEN 32
#define W4_DH_LEN 32
#define W4_AEAD_KEY_LEN 32
#define W4_AEAD_TAG_LEN 16

void w4_random(void *ret_bytes, size_t len); /* the system's; aborts rather than be weak */
void w4_wipe(void *secret, size_t len);
bool w4_equal_constant_time(const void *a, const void *b, size_t len);

void w4_hash(w4_bytes a, w4_bytes b, uint8_t ret_hash[static W4_HASH_LEN]); /* SHA-256(a | b) */
/* Noise HKDF with HMAC-SHA-256: two or three outputs (third may be NULL). */
void w4_hkdf(const uint8_t chaining_key[static W4_HASH_LEN], w4_bytes input, uint8_t *ret_first,
             uint8_t *ret_second, uint8_t *ret_third);

void w4_dh_public(const uint8_t secret[static W4_DH_LEN], uint8_t ret_public[static W4_DH_LEN]);
/* False on an all-zero result (RFC 7748): the handshake must end. */
bool w4_dh(const uint8_t secret[static W4_DH_LEN], const uint8_t public_key[static W4_DH_LEN],
           uint8_t ret_shared[static W4_DH_LEN]);

/* ChaCha20-Poly1305 (RFC 8439), nonce = 4 zero bytes and the counter in little-endian, as Noise
 * has it. out may be the input (in place). Seal writes plain.len + 16 bytes; open writes
 * sealed.len - 16 and says false when it does not authenticate; those bytes are then zero, so what
 * may be tried under a second key must not be opened in place. */
void w4_aead_seal(const uint8_t key[static W4_AEAD_KEY_LEN], uint64_t counter, w4_bytes ad,
                  w4_bytes plain, uint8_t *out);
bool w4_aead_open(const uint8_t key[static W4_AEAD_KEY_LEN], uint64_t counter, w4_bytes ad,
                  w4_bytes sealed, uint8_t *out);
/* Noise REKEY: first 32 bytes of seal(k, 2^64-1, "", 32 zero bytes). */
void w4_aead_rekey(uint8_t key[static W4_AEAD_KEY_LEN]);

/* Base64: standard alphabet, padded, no white space, no trailing bits: one text for each value. */
#define W4_BASE64_LEN(N) (((N) + 2) / 3 * 4)
int w4_base64_append(w4_buffer *out, w4_bytes bytes);
bool w4_base64_parse(w4_bytes text, uint8_t *ret_bytes, size_t len); /* exactly len bytes */
int w4_hex_append(w4_buffer *out, w4_bytes bytes);                   /* lower case */
void w4_hex_format(w4_bytes bytes, char *ret_text);                  /* 2 * len + 1 characters */
bool w4_hex_parse(w4_bytes text, uint8_t *ret_bytes, size_t len);    /* exactly len, lower case */
