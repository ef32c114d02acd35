/* Envelopes that are kept as they came, for what they prove: W4_STORE_ENVELOPE, by msg_id and
 * sender (a msg_id is unique for one sender only). */
#pragma once

#include "base/text.h"
#include "crypto/fingerprint.h"
#include "store/store.h"

/* All: 0, -ENOMEM, or a store condition. */
int w4_evidence_put(w4_store *store, const char *msg_id, const w4_fingerprint *sender,
                    w4_bytes envelope);
int w4_evidence_get(w4_store *store, const char *msg_id, const w4_fingerprint *sender,
                    w4_buffer *ret_envelope);
/* To whom it was said: a fingerprint; zero: to all (*ret_to_all), or it is not here, or damaged. 0,
 * -ENOMEM, or W4_STORE_E_FAILED. */
int w4_evidence_receiver(w4_store *store, const char *msg_id, const w4_fingerprint *sender,
                         bool *ret_to_all, w4_fingerprint *ret_to);
int w4_evidence_remove(w4_store *store, const char *msg_id, const w4_fingerprint *sender);

/* Under which key a row of that msg_id and sender is kept in a table by msg_id when another sender
 * had the msg_id first: as long as a msg_id, and never one. It begins with W4_STAND_IN_PREFIX
 * digits of the msg_id, so that all of one msg_id are found. */
#define W4_STAND_IN_PREFIX 16u
void w4_evidence_stand_in(const char *msg_id, const w4_fingerprint *sender,
                          char ret_key[static W4_UUID_LEN + 1]);
