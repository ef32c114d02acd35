/* uthash as this folder uses it: an element that could not be added for want of memory has no
 * table (hh.tbl is NULL) and nothing is lost. */
#pragma once

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
