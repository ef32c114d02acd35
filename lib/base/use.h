/* How much of something there is beside how much there may be: what `status --memory` shows. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct w4_use {
    const char *name;          /* "facts" */
    uint64_t count, count_max; /* max 0: bounded by bytes only */
    uint64_t bytes, bytes_max; /* held in memory; bytes_max 0: bounded by count only */
} w4_use;
