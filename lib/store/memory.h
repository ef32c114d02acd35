/* The store in memory, for tests and the simulator: it can crash back to its last commit and can
 * be told to fail. */
#pragma once

#include "store/store.h"

int w4_store_memory_new(w4_store **ret_store);
void w4_store_memory_crash(w4_store *store);              /* drops what was not committed */
void w4_store_memory_fail(w4_store *store, bool commits); /* commits fail from now on */
