#include "crypto/primitives.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

_Static_assert(W4_HASH_LEN == crypto_hash_sha256_BYTES, "SHA-256");
_Static_assert(W4_HASH_LEN == crypto_auth_hmacsha256_KEYBYTES, "HKDF keys are hashes");
_Static_assert(W4_DH_LEN == crypto_scalarmult_curve25519_BYTES, "X25519");
_Static_assert(W4_AEAD_KEY_LEN == crypto_aead_chacha20poly1305_ietf_KEYBYTES, "RFC 8439 key");
_Static_assert(W4_AEAD_TAG_LEN == crypto_aead_chacha20poly1305_ietf_ABYTES, "RFC 8439 tag");

/* Texts are coded in pieces through a small array on the stack. A multiple of 3, so that only the
 * last piece of a base64 text can have padding. */
#define CODE_PIECE 768
#define CODE_TEXT_LEN (2 * CODE_PIECE)
#define CODE_LEN_MAX (SIZE_MAX / 4) /* keeps the length of the text from wrapping */

_Static_assert(CODE_PIECE % 3 == 0, "whole groups");
_Static_assert(CODE_TEXT_LEN >= W4_BASE64_LEN(CODE_PIECE), "base64 fits where hex does");

/* libsodium declares inputs that must not be NULL even where they are empty. */
static const uint8_t *data_of(w4_bytes bytes) {
    static const uint8_t nothing[1];
    return bytes.len > 0 ? bytes.data : nothing;
}

void w4_random(void *ret_bytes, size_t len) {
    randombytes_buf(ret_bytes, len);
}

void w4_wipe(void *secret, size_t len) {
    sodium_memzero(secret, len);
}

bool w4_equal_constant_time(const void *a, const void *b, size_t len) {
    return len == 0 || sodium_memcmp(a, b, len) == 0;
}

void w4_hash(w4_bytes a, w4_bytes b, uint8_t ret_hash[static W4_HASH_LEN]) {
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, data_of(a), a.len);
    crypto_hash_sha256_update(&state, data_of(b), b.len);
    crypto_hash_sha256_final(&state, ret_hash);
    sodium_memzero(&state, sizeof state);
}

static void hmac(const uint8_t key[static W4_HASH_LEN], w4_bytes a, w4_bytes b,
                 uint8_t ret_mac[static W4_HASH_LEN]) {
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, key, W4_HASH_LEN);
    crypto_auth_hmacsha256_update(&state, data_of(a), a.len);
    crypto_auth_hmacsha256_update(&state, data_of(b), b.len);
    crypto_auth_hmacsha256_final(&state, ret_mac);
    sodium_memzero(&state, sizeof state);
}

void w4_hkdf(const uint8_t chaining_key[static W4_HASH_LEN], w4_bytes input, uint8_t *ret_first,
             uint8_t *ret_second, uint8_t *ret_third) {
    uint8_t outs[3][W4_HASH_LEN];
    uint8_t *rets[3] = {ret_first, ret_second, ret_third};
    size_t count = ret_third ? 3 : 2;
    uint8_t key[W4_HASH_LEN];

    hmac(chaining_key, input, w4_bytes_of(NULL, 0), key);
    for (size_t i = 0; i < count; i++) {
        uint8_t number = (uint8_t)(i + 1);
        w4_bytes last = i > 0 ? w4_bytes_of(outs[i - 1], W4_HASH_LEN) : w4_bytes_of(NULL, 0);
        hmac(key, last, w4_bytes_of(&number, 1), outs[i]);
    }
    /* Only now: an output may be the place of an input. */
    for (size_t i = 0; i < count; i++) {
        memcpy(rets[i], outs[i], W4_HASH_LEN);
    }
    sodium_memzero(outs, sizeof outs);
    sodium_memzero(key, sizeof key);
}

void w4_dh_public(const uint8_t secret[static W4_DH_LEN], uint8_t ret_public[static W4_DH_LEN]) {
    (void)crypto_scalarmult_curve25519_base(ret_public, secret); /* has no way to fail */
}

bool w4_dh(const uint8_t secret[static W4_DH_LEN], const uint8_t public_key[static W4_DH_LEN],
           uint8_t ret_shared[static W4_DH_LEN]) {
    uint8_t shared[W4_DH_LEN];
    bool good = crypto_scalarmult_curve25519(shared, secret, public_key) == 0 &&
                !sodium_is_zero(shared, sizeof shared);
    if (good) {
        memcpy(ret_shared, shared, sizeof shared);
    }
    sodium_memzero(shared, sizeof shared);
    return good;
}

static void make_nonce(uint64_t counter,
                       uint8_t ret_nonce[static crypto_aead_chacha20poly1305_ietf_NPUBBYTES]) {
    memset(ret_nonce, 0, 4);
    for (unsigned i = 0; i < 8; i++) {
        ret_nonce[4 + i] = (uint8_t)(counter >> (8 * i));
    }
}

void w4_aead_seal(const uint8_t key[static W4_AEAD_KEY_LEN], uint64_t counter, w4_bytes ad,
                  w4_bytes plain, uint8_t *out) {
    uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];
    make_nonce(counter, nonce);
    (void)crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, data_of(plain), plain.len,
                                                    data_of(ad), ad.len, NULL, nonce, key);
}

bool w4_aead_open(const uint8_t key[static W4_AEAD_KEY_LEN], uint64_t counter, w4_bytes ad,
                  w4_bytes sealed, uint8_t *out) {
    uint8_t nothing[1]; /* a NULL out would ask libsodium for the check alone */
    if (sealed.len < W4_AEAD_TAG_LEN) {
        return false;
    }
    uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];
    make_nonce(counter, nonce);
    return crypto_aead_chacha20poly1305_ietf_decrypt(out ? out : nothing, NULL, NULL, sealed.data,
                                                     sealed.len, data_of(ad), ad.len, nonce,
                                                     key) == 0;
}

void w4_aead_rekey(uint8_t key[static W4_AEAD_KEY_LEN]) {
    static const uint8_t zeros[W4_AEAD_KEY_LEN];
    uint8_t sealed[W4_AEAD_KEY_LEN + W4_AEAD_TAG_LEN];
    w4_aead_seal(key, UINT64_MAX, w4_bytes_of(NULL, 0), w4_bytes_of(zeros, sizeof zeros), sealed);
    memcpy(key, sealed, W4_AEAD_KEY_LEN);
    sodium_memzero(sealed, sizeof sealed);
}

static w4_bytes take_piece(w4_bytes *rest, size_t len) {
    w4_bytes piece = {rest->data, rest->len < len ? rest->len : len};
    if (piece.len > 0) {
        rest->data += piece.len;
        rest->len -= piece.len;
    }
    return piece;
}

static void base64_piece(char *ret_text, size_t size, w4_bytes piece) {
    sodium_bin2base64(ret_text, size, piece.data, piece.len, sodium_base64_VARIANT_ORIGINAL);
}

static void hex_piece(char *ret_text, size_t size, w4_bytes piece) {
    sodium_bin2hex(ret_text, size, piece.data, piece.len);
}

static int append_coded(w4_buffer *out, w4_bytes bytes, size_t text_len,
                        void (*code)(char *ret_text, size_t size, w4_bytes piece)) {
    int r = w4_buffer_reserve(out, text_len);
    if (r < 0) {
        return r;
    }
    while (bytes.len > 0 && r == 0) {
        char text[CODE_TEXT_LEN + 1];
        code(text, sizeof text, take_piece(&bytes, CODE_PIECE));
        size_t len = strlen(text);
        r = w4_buffer_append(out, w4_bytes_of(text, len));
        sodium_memzero(text, len); /* may be a secret key */
    }
    return r;
}

int w4_base64_append(w4_buffer *out, w4_bytes bytes) {
    if (bytes.len > CODE_LEN_MAX) {
        return -EMSGSIZE;
    }
    return append_coded(out, bytes, W4_BASE64_LEN(bytes.len), base64_piece);
}

int w4_hex_append(w4_buffer *out, w4_bytes bytes) {
    if (bytes.len > CODE_LEN_MAX) {
        return -EMSGSIZE;
    }
    return append_coded(out, bytes, 2 * bytes.len, hex_piece);
}

void w4_hex_format(w4_bytes bytes, char *ret_text) {
    (void)sodium_bin2hex(ret_text, 2 * bytes.len + 1, bytes.data, bytes.len);
}

/* libsodium reads characters as signed and then takes some above 0x7f for digits. Looks at all of
 * them whatever they are: the text may be a secret. */
static bool is_ascii(w4_bytes text) {
    uint8_t any = 0;
    for (size_t i = 0; i < text.len; i++) {
        any |= text.data[i];
    }
    return any < 0x80;
}

bool w4_base64_parse(w4_bytes text, uint8_t *ret_bytes, size_t len) {
    if (len > CODE_LEN_MAX || text.len != W4_BASE64_LEN(len) || !is_ascii(text)) {
        return false;
    }
    /* Nothing is written before all of it is known to be good: a text of more than one piece is
     * gone through twice. */
    uint8_t piece[CODE_PIECE];
    size_t got = 0;
    w4_bytes rest = text;
    for (size_t at = 0; at < len; at += CODE_PIECE) {
        w4_bytes part = take_piece(&rest, W4_BASE64_LEN(CODE_PIECE));
        size_t want = len - at < CODE_PIECE ? len - at : CODE_PIECE;
        if (sodium_base642bin(piece, sizeof piece, (const char *)part.data, part.len, NULL, &got,
                              NULL, sodium_base64_VARIANT_ORIGINAL) != 0 ||
            got != want) {
            sodium_memzero(piece, sizeof piece);
            return false;
        }
    }
    if (len <= CODE_PIECE) {
        if (len > 0) {
            memcpy(ret_bytes, piece, len);
        }
        sodium_memzero(piece, got);
        return true;
    }
    (void)sodium_base642bin(ret_bytes, len, (const char *)text.data, text.len, NULL, &got, NULL,
                            sodium_base64_VARIANT_ORIGINAL);
    sodium_memzero(piece, sizeof piece);
    return got == len;
}

bool w4_hex_parse(w4_bytes text, uint8_t *ret_bytes, size_t len) {
    if (len > CODE_LEN_MAX || text.len != 2 * len) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
    }
    size_t got = 0;
    return len == 0 || (sodium_hex2bin(ret_bytes, len, (const char *)text.data, text.len, NULL,
                                       &got, NULL) == 0 &&
                        got == len);
}
