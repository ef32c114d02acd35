#include "crypto/sign.h"

#include "base/wire.h"
#include "crypto/primitives.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

_Static_assert(W4_SEED_LEN == crypto_sign_ed25519_SEEDBYTES, "Ed25519 seed");

struct w4_identity {
    uint8_t secret[crypto_sign_ed25519_SECRETKEYBYTES];
    w4_pubkey pubkey;
    w4_fingerprint fingerprint;
};

int w4_identity_from_seed(const uint8_t seed[static W4_SEED_LEN], w4_identity **ret_identity) {
    /* Locked, between guard pages; read-only from here on; wiped when freed. */
    w4_identity *identity = sodium_malloc(sizeof *identity);
    if (!identity) {
        return -ENOMEM;
    }
    (void)crypto_sign_ed25519_seed_keypair(identity->pubkey.bytes, identity->secret, seed);
    identity->fingerprint = w4_fingerprint_of(&identity->pubkey);
    (void)sodium_mprotect_readonly(identity);
    *ret_identity = identity;
    return 0;
}

w4_identity *w4_identity_free(w4_identity *identity) {
    sodium_free(identity);
    return NULL;
}

const w4_pubkey *w4_identity_pubkey(const w4_identity *identity) {
    return &identity->pubkey;
}

const w4_fingerprint *w4_identity_fingerprint(const w4_identity *identity) {
    return &identity->fingerprint;
}

void w4_identity_sign(const w4_identity *identity, w4_bytes message,
                      uint8_t ret_signature[static W4_SIGNATURE_LEN]) {
    static const uint8_t nothing[1];
    const uint8_t *data = message.len > 0 ? message.data : nothing;
    (void)crypto_sign_ed25519_detached(ret_signature, NULL, data, message.len, identity->secret);
}

const char *w4_key_error_name(int condition) {
    static const char *const names[] = {
        [W4_KEY_E_FORM] = "not a PKCS#8 private key in PEM form",
        [W4_KEY_E_ALGORITHM] = "a key of another algorithm than Ed25519",
        [W4_KEY_E_MODE] = "readable by others than its owner",
        [W4_KEY_E_EXISTS] = "there is a file already",
        [W4_KEY_E_FILE] = "the file cannot be used",
    };
    size_t count = sizeof names / sizeof names[0];
    return condition > 0 && (size_t)condition < count ? names[condition] : "unknown condition";
}

/* ---- PEM (RFC 7468): one label, lines of 64 characters, nothing around it */

#define PEM_LINE_LEN 64
#define PEM_BODY_MAX (W4_KEY_FILE_MAX / 4 * 4)

static const char pem_begin[] = "-----BEGIN PRIVATE KEY-----";
static const char pem_end[] = "-----END PRIVATE KEY-----";

/* Takes a line and its ending (LF or CRLF; the last line may have none). False: there is none. */
static bool take_line(w4_bytes *rest, w4_bytes *ret_line) {
    if (rest->len == 0) {
        return false;
    }
    const uint8_t *newline = memchr(rest->data, '\n', rest->len);
    size_t len = newline ? (size_t)(newline - rest->data) : rest->len;
    size_t used = newline ? len + 1 : len;
    *ret_line = w4_bytes_of(rest->data, newline && len > 0 && newline[-1] == '\r' ? len - 1 : len);
    *rest = w4_bytes_of(rest->data + used, rest->len - used);
    return true;
}

/* Joins the lines of base64 between the labels. ret_body has room for PEM_BODY_MAX. */
static bool take_pem_body(w4_bytes pem, uint8_t *ret_body, size_t *ret_len) {
    w4_bytes line;
    if (!take_line(&pem, &line) || !w4_bytes_equal_text(line, pem_begin)) {
        return false;
    }
    size_t len = 0;
    bool last = false;
    while (take_line(&pem, &line) && !w4_bytes_equal_text(line, pem_end)) {
        if (last || line.len == 0 || line.len > PEM_LINE_LEN || line.len > PEM_BODY_MAX - len) {
            return false;
        }
        memcpy(ret_body + len, line.data, line.len);
        len += line.len;
        last = line.len < PEM_LINE_LEN;
    }
    if (!w4_bytes_equal_text(line, pem_end)) {
        return false;
    }
    while (take_line(&pem, &line)) { /* empty lines may follow */
        if (line.len > 0) {
            return false;
        }
    }
    *ret_len = len;
    return true;
}

/* ---- DER of OneAsymmetricKey (RFC 5958) for Ed25519 (RFC 8410) */

enum { DER_INTEGER = 0x02, DER_OCTETS = 0x04, DER_OID = 0x06, DER_SEQUENCE = 0x30 };
enum { DER_ATTRIBUTES = 0xA0, DER_PUBLIC_KEY = 0x81 };

static const uint8_t oid_ed25519[] = {0x2B, 0x65, 0x70}; /* 1.3.101.112 */

/* The content of the next value when it has this tag; lengths in their shortest form only. */
static bool take_der(w4_reader *r, uint8_t tag, w4_bytes *ret_content) {
    if (w4_read_u8(r) != tag || r->failed) {
        return false;
    }
    size_t len = w4_read_u8(r);
    if (len == 0x81) {
        len = w4_read_u8(r);
        if (len < 0x80) {
            return false;
        }
    } else if (len == 0x82) {
        len = w4_read_u16(r);
        if (len < 0x100) {
            return false;
        }
    } else if (len >= 0x80) {
        return false;
    }
    *ret_content = w4_read_bytes(r, len);
    return !r->failed;
}

static bool has_tag(const w4_reader *r, uint8_t tag) {
    return w4_reader_left(r) > 0 && r->at[0] == tag;
}

/* 0 or W4_KEY_E_*: the key is for Ed25519, without parameters. */
static int check_algorithm(w4_bytes algorithm) {
    w4_reader r;
    w4_bytes oid;
    w4_reader_init(&r, algorithm);
    if (!take_der(&r, DER_OID, &oid)) {
        return W4_KEY_E_FORM;
    }
    if (!w4_bytes_equal(oid, w4_bytes_of(oid_ed25519, sizeof oid_ed25519))) {
        return W4_KEY_E_ALGORITHM;
    }
    return w4_reader_left(&r) == 0 ? 0 : W4_KEY_E_FORM;
}

/* What may follow the private key: attributes (not looked at), and in version 2 the public key.
 * *ret_pubkey stays empty when there is none. */
static bool take_trailer(w4_reader *r, uint8_t version, w4_bytes *ret_pubkey) {
    w4_bytes skipped, bits;
    if (has_tag(r, DER_ATTRIBUTES) && !take_der(r, DER_ATTRIBUTES, &skipped)) {
        return false;
    }
    if (has_tag(r, DER_PUBLIC_KEY)) {
        if (version != 1 || !take_der(r, DER_PUBLIC_KEY, &bits) || bits.len != 1 + W4_PUBKEY_LEN ||
            bits.data[0] != 0) {
            return false;
        }
        *ret_pubkey = w4_bytes_of(bits.data + 1, W4_PUBKEY_LEN);
    }
    return w4_reader_left(r) == 0;
}

/* Finds the seed and, where given, the public key in the DER. Both borrow it. */
static int view_der(w4_bytes der, w4_bytes *ret_seed, w4_bytes *ret_pubkey) {
    w4_reader r, inner;
    w4_bytes sequence, version, algorithm, octets, seed;
    w4_bytes pubkey = {NULL, 0};

    w4_reader_init(&r, der);
    if (!take_der(&r, DER_SEQUENCE, &sequence) || w4_reader_left(&r) > 0) {
        return W4_KEY_E_FORM;
    }
    w4_reader_init(&r, sequence);
    if (!take_der(&r, DER_INTEGER, &version) || version.len != 1 || version.data[0] > 1 ||
        !take_der(&r, DER_SEQUENCE, &algorithm)) {
        return W4_KEY_E_FORM;
    }
    int condition = check_algorithm(algorithm);
    if (condition != 0) {
        return condition;
    }
    if (!take_der(&r, DER_OCTETS, &octets)) {
        return W4_KEY_E_FORM;
    }
    w4_reader_init(&inner, octets);
    if (!take_der(&inner, DER_OCTETS, &seed) || w4_reader_left(&inner) > 0 ||
        seed.len != W4_SEED_LEN || !take_trailer(&r, version.data[0], &pubkey)) {
        return W4_KEY_E_FORM;
    }
    *ret_seed = seed;
    *ret_pubkey = pubkey;
    return 0;
}

static int from_der(w4_bytes der, w4_identity **ret_identity) {
    w4_bytes seed, pubkey;
    int r = view_der(der, &seed, &pubkey);
    if (r != 0) {
        return r;
    }
    w4_identity *identity;
    r = w4_identity_from_seed(seed.data, &identity);
    if (r < 0) {
        return r;
    }
    if (pubkey.len > 0 && memcmp(pubkey.data, identity->pubkey.bytes, W4_PUBKEY_LEN) != 0) {
        w4_identity_free(identity);
        return W4_KEY_E_FORM;
    }
    *ret_identity = identity;
    return 0;
}

int w4_identity_parse(w4_bytes pem, w4_identity **ret_identity) {
    uint8_t body[PEM_BODY_MAX];
    uint8_t der[PEM_BODY_MAX / 4 * 3];
    size_t len = 0;
    int r = W4_KEY_E_FORM;

    if (pem.len <= W4_KEY_FILE_MAX && take_pem_body(pem, body, &len) && len > 0 && len % 4 == 0) {
        size_t padding = (body[len - 1] == '=' ? 1u : 0u) + (body[len - 2] == '=' ? 1u : 0u);
        size_t der_len = len / 4 * 3 - padding;
        if (w4_base64_parse(w4_bytes_of(body, len), der, der_len)) {
            r = from_der(w4_bytes_of(der, der_len), ret_identity);
        }
    }
    sodium_memzero(body, sizeof body);
    sodium_memzero(der, sizeof der);
    return r;
}

int w4_identity_encode(const w4_identity *identity, w4_buffer *out) {
    static const uint8_t prefix[] = {
        DER_SEQUENCE, 0x2E, DER_INTEGER, 1,          0,    DER_SEQUENCE, 5,          DER_OID, 3,
        0x2B,         0x65, 0x70,        DER_OCTETS, 0x22, DER_OCTETS,   W4_SEED_LEN};
    uint8_t der[sizeof prefix + W4_SEED_LEN];
    _Static_assert(W4_BASE64_LEN(sizeof der) == PEM_LINE_LEN, "the body is one line");

    /* At once, so that no piece of the secret stays behind in memory that growing let go. */
    int r = w4_buffer_reserve(out, sizeof pem_begin + PEM_LINE_LEN + 1 + sizeof pem_end);
    if (r < 0) {
        return r;
    }
    memcpy(der, prefix, sizeof prefix);
    (void)crypto_sign_ed25519_sk_to_seed(der + sizeof prefix, identity->secret);
    w4_writer w;
    w4_writer_init(&w, out);
    w4_write_bytes(&w, w4_bytes_from_text(pem_begin));
    w4_write_u8(&w, '\n');
    if (w.error == 0) {
        w.error = w4_base64_append(out, w4_bytes_of(der, sizeof der));
    }
    w4_write_u8(&w, '\n');
    w4_write_bytes(&w, w4_bytes_from_text(pem_end));
    w4_write_u8(&w, '\n');
    sodium_memzero(der, sizeof der);
    return w.error;
}
