/* What the core needs from outside, given once by the composition root (node, simulator, test). */
#pragma once

#include "base/bytes.h"

const char *w4_log_level_name(w4_log_level level);
bool w4_log_level_from_name(w4_bytes name, w4_log_level *ret_level);

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
