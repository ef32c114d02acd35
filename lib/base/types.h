/* The plain structs of this folder that code built elsewhere may use too: no functions, nothing but
 * the standard library. Installed beside the transport contract (transport/backend.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define W4_NEVER UINT64_MAX /* of a time in microseconds */

/* Bytes owned by somebody else; not terminated. */
typedef struct w4_bytes {
    const uint8_t *data;
    size_t len;
} w4_bytes;

typedef enum w4_log_level {
    W4_LOG_ERROR,
    W4_LOG_WARNING,
    W4_LOG_INFO,
    W4_LOG_DEBUG,
    W4_LOG_LEVEL_COUNT
} w4_log_level;

/* What the core needs from outside (base/env.h). */
typedef struct w4_env {
    void *context;
    void (*random)(void *context, void *ret_bytes, size_t len);       /* must not fail */
    void (*log)(void *context, w4_log_level level, const char *text); /* may be NULL */
    int64_t wall_offset_us; /* wall time minus now_us; the owner keeps it fresh */
} w4_env;
