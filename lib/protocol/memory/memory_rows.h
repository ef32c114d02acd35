/* The rows behind the causal memory, for those who write and those who ask. */
#pragma once

#include "base/text.h"
#include "protocol/memory/memory.h"

#define W4_MEMORY_ID_KEY (W4_UUID_LEN + 1u)
#define W4_MEMORY_LINK_KEY (W4_UUID_LEN + 8u)

w4_bytes w4_memory_id_key(w4_memory_kind kind, const char *id,
                          uint8_t ret_key[static W4_MEMORY_ID_KEY]);
w4_bytes w4_memory_link_key(const char *cause, uint64_t number,
                            uint8_t ret_key[static W4_MEMORY_LINK_KEY]);
/* The first who has an entry of an id has its key; those of others stand beside it under
 * w4_evidence_stand_in. 0, W4_STORE_E_NOT_FOUND, or a failure. */
int w4_memory_number_of(w4_store *store, w4_memory_kind kind, const char *id,
                        const w4_fingerprint *author, uint64_t *ret_number);
/* Entries of that id, whoever's, the first one's first; those that max leaves no room for are left
 * out. 0 (also when there is none), -ENOMEM, or a failure. */
int w4_memory_numbers_of(w4_store *store, w4_memory_kind kind, const char *id, size_t max,
                         uint64_t *ret_numbers, size_t *ret_count);
bool w4_memory_entry_stands(w4_json entry); /* accepted or shared, and not without support */
bool w4_memory_entry_kind(w4_json entry, w4_memory_kind *ret_kind);
