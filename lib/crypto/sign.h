/* Ed25519 (RFC 8032), strict: small-order and non-canonical keys, S >= L and keys that do not
 * decode are refused. */
#pragma once

#include "crypto/fingerprint.h"

#define W4_SIGNATURE_LEN 64
#define W4_SEED_LEN 32

/* Once per process, before anything else of this folder. 0 or -ENOSYS (no randomness). */
int w4_crypto_init(void);

/* Decodes, canonical, not of small order; also refuses what lies outside the main subgroup, which
 * no honest key does. Asked once, where a key is learned; w4_sign_verify itself does without the
 * last of these, for its cost. */
bool w4_pubkey_valid(const w4_pubkey *key);
bool w4_sign_verify(const w4_pubkey *key, w4_bytes message,
                    const uint8_t signature[static W4_SIGNATURE_LEN]);

/* The same over a message in two pieces that lie apart; a large one is joined on the heap.
 * 1 valid, 0 not valid, -ENOMEM. */
int w4_sign_verify_joined(const w4_pubkey *key, w4_bytes first, w4_bytes second,
                          const uint8_t signature[static W4_SIGNATURE_LEN]);

/* A secret key, in memory that is locked and wiped on free. */
typedef struct w4_identity w4_identity;

int w4_identity_from_seed(const uint8_t seed[static W4_SEED_LEN], w4_identity **ret_identity);
w4_identity *w4_identity_free(w4_identity *identity);
const w4_pubkey *w4_identity_pubkey(const w4_identity *identity);
const w4_fingerprint *w4_identity_fingerprint(const w4_identity *identity);
void w4_identity_sign(const w4_identity *identity, w4_bytes message,
                      uint8_t ret_signature[static W4_SIGNATURE_LEN]);

/* PKCS#8 PEM as `openssl genpkey -algorithm ed25519` writes it (RFC 8410, RFC 7468).
 * parse: 0, -ENOMEM, or W4_KEY_E_*. */
enum { W4_KEY_E_FORM = 1, W4_KEY_E_ALGORITHM, W4_KEY_E_MODE, W4_KEY_E_EXISTS, W4_KEY_E_FILE };
const char *w4_key_error_name(int condition); /* a sentence part, for people */
int w4_identity_parse(w4_bytes pem, w4_identity **ret_identity);
int w4_identity_encode(const w4_identity *identity, w4_buffer *out); /* out is a secret: wipe it */

#define W4_KEY_FILE_MAX 4096

/* Key files (crypto/keyfile.c, the only system calls of this layer). Read refuses symbolic links,
 * anything but a regular file, files others can read (W4_KEY_E_MODE), and over 4 KiB.
 * Write makes a new file 0600, synced with its folder, and never replaces one (W4_KEY_E_EXISTS).
 * *ret_errno tells why for W4_KEY_E_FILE (ENOENT: no such file; ELOOP: a symbolic link; EINVAL: not
 * a regular file). */
int w4_identity_load(const char *path, w4_identity **ret_identity, int *ret_errno);
int w4_identity_save(const w4_identity *identity, const char *path, int *ret_errno);
/* As w4_key_error_name, and of W4_KEY_E_FILE why. */
const char *w4_key_file_error(int condition, int error);
/* What lies beside a key file, written and kept as one. 0, W4_KEY_E_EXISTS or W4_KEY_E_FILE. */
int w4_key_file_save(w4_bytes text, const char *path, int *ret_errno);
/* What was renamed or linked in the folder of that file is on the disk. 0 or an errno. */
int w4_key_file_sync_folder(const char *path);
