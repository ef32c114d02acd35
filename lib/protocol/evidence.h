/* Envelopes that are kept as they came, for what they prove: W4_STORE_ENVELOPE, by msg_id and
 * sender (a msg_id is unique for one sender only). */
#pragma once

#include "crypto/fingerprint.h"
#include "store/store.h"

/* All: 0, -ENOMEM, or a store condition. */
int w4_evidence_put(w4_store *store, const char *msg_id, const w4_fingerprint *sender,
                    w4_bytes envelope);
int w4_evidence_get(w4_store *store, const char *msg_id, const w4_fingerprint *sender,
                    w4_buffer *ret_envelope);
int w4_evidence_remove(w4_store *store, const char *msg_id, const w4_fingerprint *sender);
