/* The file that lies beside a key file, KEYFILE.succession: one succession a line, as they were
 * signed, each of which brought another key into KEYFILE. web4ctl keys rotate writes it, and who
 * uses the key file hands them in. */
#pragma once

#include "trust/key_document.h"
#include "trust/keyring.h"

#define W4_KEY_HISTORY_BYTES_MAX ((size_t)W4_KEYRING_CHAIN_MAX * (W4_KEY_DOCUMENT_MAX + 1))
#define W4_KEY_HISTORY_SUFFIX ".succession"

typedef struct w4_key_history {
    w4_bytes documents[W4_KEYRING_CHAIN_MAX - 1]; /* the oldest first; borrowed */
    uint32_t count;
    uint32_t passed_over; /* lines that are no succession, or lead elsewhere */
} w4_key_history;

/* What of that text leads to the key `last`, which is the one in the key file. A succession that
 * was written for a key that never came into it leads elsewhere. 0 or -ENOMEM. */
int w4_key_history_read(w4_bytes text, const w4_fingerprint *last, w4_key_history *ret_history);
