/* uthash as this folder uses it: an element that could not be added for want of memory has no
 * table (hh.tbl is NULL) and nothing is lost; and who chooses keys does not choose what collides.
 */
#pragma once

#include "base/hash.h"

#undef HASH_FUNCTION
#define HASH_FUNCTION(KEY, LEN, HASH) ((HASH) = w4_table_hash((KEY), (LEN)))
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
