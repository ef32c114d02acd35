/* Public keys learned from verified envelopes, by fingerprint; the one used longest ago goes
 * first. So an envelope may leave its pubkey out once it was seen. */
#pragma once

#include "crypto/fingerprint.h"

#define W4_KNOWN_KEYS_MAX 4096u

typedef struct w4_known_keys w4_known_keys;

int w4_known_keys_new(w4_known_keys **ret_keys);
w4_known_keys *w4_known_keys_free(w4_known_keys *keys);

int w4_known_keys_learn(w4_known_keys *keys, const w4_fingerprint *fingerprint,
                        const w4_pubkey *key);
const w4_pubkey *w4_known_keys_find(w4_known_keys *keys, const w4_fingerprint *fingerprint);
/* The same, and it does not count as use. */
const w4_pubkey *w4_known_keys_look(const w4_known_keys *keys, const w4_fingerprint *fingerprint);
