/* Noise_XX_25519_ChaChaPoly_SHA256, revision 34 of the specification: the handshake state alone.
 * Sans-IO; each message is one buffer. */
#pragma once

#include "base/bytes.h"
#include "crypto/primitives.h"

#define W4_NOISE_MESSAGES 3
#define W4_NOISE_MESSAGE_MAX 65535u

typedef struct w4_noise {
    bool initiator;
    uint8_t step;    /* messages done: 0..3 */
    bool in_message; /* its tokens are done, its payload is not */
    bool failed;
    uint8_t ck[W4_HASH_LEN], h[W4_HASH_LEN];
    uint8_t key[W4_AEAD_KEY_LEN];
    bool has_key;
    uint64_t nonce;
    uint8_t s_secret[W4_DH_LEN], s_public[W4_DH_LEN];
    uint8_t e_secret[W4_DH_LEN], e_public[W4_DH_LEN];
    uint8_t rs[W4_DH_LEN], re[W4_DH_LEN];
} w4_noise;

typedef struct w4_noise_keys {
    uint8_t send[W4_AEAD_KEY_LEN], recv[W4_AEAD_KEY_LEN];
    uint8_t hash[W4_HASH_LEN]; /* h at the end */
} w4_noise_keys;

void w4_noise_init(w4_noise *n, bool initiator, w4_bytes prologue,
                   const uint8_t static_secret[static W4_DH_LEN],
                   const uint8_t ephemeral_secret[static W4_DH_LEN]);
/* The same where the static public key is known already: computing it is a tenth of a handshake. */
void w4_noise_init_known(w4_noise *n, bool initiator, w4_bytes prologue,
                         const uint8_t static_secret[static W4_DH_LEN],
                         const uint8_t static_public[static W4_DH_LEN],
                         const uint8_t ephemeral_secret[static W4_DH_LEN]);
void w4_noise_deinit(w4_noise *n); /* wipes */

/* The hello's proof signs h as it stands after a message's tokens and before its payload. So
 * writing and reading go in two steps each: tokens, then payload. 0, -ENOMEM / -EMSGSIZE, or 1:
 * the handshake has failed (bad length, tag, all-zero secret, out of turn) and stays so. */
int w4_noise_write_tokens(w4_noise *n, w4_buffer *out);
int w4_noise_write_payload(w4_noise *n, w4_bytes payload, w4_buffer *out);
int w4_noise_read_tokens(w4_noise *n, w4_bytes message, size_t *ret_used);
int w4_noise_read_payload(w4_noise *n, w4_bytes sealed, w4_buffer *ret_payload);

bool w4_noise_done(const w4_noise *n);
int w4_noise_split(w4_noise *n, w4_noise_keys *ret_keys); /* 0, or 1 when not done; wipes n */
