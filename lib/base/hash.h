/* The hash of tables whose keys others choose. */
#pragma once

#include <stddef.h>

/* Strangers can choose keys among hashes. Where this program lies in memory differs from start to
 * start and is not told to them, so they cannot choose what collides. Nothing may depend on the
 * order that comes of it. */
unsigned w4_table_hash(const void *key, size_t len);
