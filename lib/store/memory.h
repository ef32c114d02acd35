/* The store in memory, for tests and the simulator: it can crash back to its last commit and can
 * be told to fail. */
#pragma once

#include "store/store.h"

int w4_store_memory_new(w4_store **ret_store);
void w4_store_memory_crash(w4_store *store);              /* drops what was not committed */
void w4_store_memory_fail(w4_store *store, bool commits); /* commits fail while this is true */
/* While this is true nothing more is taken: put says W4_STORE_E_FULL, what is gathered can be
 * committed. */
void w4_store_memory_full(w4_store *store, bool full);
/* Flips a bit of a committed value: reading it is W4_STORE_E_CORRUPT from now on, until it is
 * written anew. W4_STORE_E_NOT_FOUND: no such entry. */
int w4_store_memory_damage(w4_store *store, w4_store_table table, w4_bytes key);
