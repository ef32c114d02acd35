/* What the core needs from outside, given once by the composition root (node, simulator, test). */
#pragma once

#include "base/bytes.h"

typedef enum w4_log_level {
    W4_LOG_ERROR,
    W4_LOG_WARNING,
    W4_LOG_INFO,
    W4_LOG_DEBUG,
    W4_LOG_LEVEL_COUNT
} w4_log_level;

const char *w4_log_level_name(w4_log_level level);
bool w4_log_level_from_name(w4_bytes name, w4_log_level *ret_level);

typedef struct w4_env {
    void *context;
    void (*random)(void *context, void *ret_bytes, size_t len);       /* must not fail */
    void (*log)(void *context, w4_log_level level, const char *text); /* may be NULL */
    int64_t wall_offset_us; /* wall time minus now_us; the owner keeps it fresh */
} w4_env;

uint64_t w4_env_wall_us(const w4_env *env, uint64_t now_us);
uint64_t w4_env_random_below(const w4_env *env, uint64_t bound); /* uniform; 0 for bound 0 */

/* Formats, escapes what a terminal would act on, cuts at 1,024 bytes, hands over. */
void w4_log(const w4_env *env, w4_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A token bucket for lines about peers: false when this one must not be written.
 * *ret_suppressed: how many were held back since the last one written. */
typedef struct w4_log_limit {
    uint64_t window_start_us;
    uint32_t in_window;
    uint64_t suppressed;
} w4_log_limit;

bool w4_log_limit_allow(w4_log_limit *limit, uint32_t per_second, uint64_t now_us,
                        uint64_t *ret_suppressed);
