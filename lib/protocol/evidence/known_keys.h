/* Public keys learned from verified envelopes, by fingerprint. So an envelope may leave its pubkey
 * out once it was seen. Where there are too many, the one used longest ago goes first; those that
 * matter only when there is hardly any other, so that strangers cannot make anybody unknown. */
#pragma once

#include "crypto/fingerprint.h"

#define W4_KNOWN_KEYS_MAX 4096u

typedef struct w4_known_keys w4_known_keys;

int w4_known_keys_new(w4_known_keys **ret_keys);
w4_known_keys *w4_known_keys_free(w4_known_keys *keys);

/* Whether a key matters; asked of a few of the oldest when one has to go. */
typedef bool (*w4_known_keys_matters)(const void *context, const w4_fingerprint *fingerprint);

int w4_known_keys_learn(w4_known_keys *keys, const w4_fingerprint *fingerprint,
                        const w4_pubkey *key, w4_known_keys_matters matters, const void *context);
const w4_pubkey *w4_known_keys_find(w4_known_keys *keys, const w4_fingerprint *fingerprint);
/* The same, and it does not count as use. */
const w4_pubkey *w4_known_keys_look(const w4_known_keys *keys, const w4_fingerprint *fingerprint);
