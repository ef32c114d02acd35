/* Keys of this protocol: the ring of trust/keyring.h, its rows in the store (W4_STORE_KEY: place
 * u8 | id 32 -> the document), and what follows when a key is succeeded or revoked. */
#pragma once

#include "protocol/pipeline/pipeline.h"
#include "trust/keyring.h"

#define W4_KEYS_FUTURE_US (UINT64_C(300) * W4_US_PER_S) /* ahead of the clock here, at most */

/* Before anything else is loaded. 0, -ENOMEM, or a store condition. */
int w4_keys_open(w4_protocol *p);
void w4_keys_close(w4_protocol *p);
/* A document: judged, stored, takes effect, and is passed on. from: who brought it; NULL: it was
 * made or handed in here. Fills *ret_result, REFUSED with its code also for what is no document.
 * 0 or a fatal error. */
int w4_keys_take(w4_protocol *p, w4_bytes text, const w4_fingerprint *from, uint64_t now_us,
                 w4_keyring_result *ret_result, w4_key_fault *ret_fault);
/* Stores what the store did not take before, and judges anew what an anchor has said that was none
 * before. 0 or a fatal error. */
int w4_keys_settle(w4_protocol *p, uint64_t now_us);

/* ---- the stage `key` */
int w4_keys_look(const w4_protocol *p, w4_inbound *in);
void w4_keys_tell(const w4_protocol *p, const w4_inbound *in, w4_words *words);
