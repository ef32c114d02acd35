#include "base/env.h"

#include "base/clock.h"
#include "base/text.h"

#include <stdio.h>

#define LOG_LINE_MAX 1024
#define RANDOM_DRAWS_MAX 128 /* one in 2^128 at worst; ends with a source that only says zero */

static const char *const level_names[W4_LOG_LEVEL_COUNT] = {
    [W4_LOG_ERROR] = "error",
    [W4_LOG_WARNING] = "warning",
    [W4_LOG_INFO] = "info",
    [W4_LOG_DEBUG] = "debug",
};

const char *w4_log_level_name(w4_log_level level) {
    return (unsigned)level < W4_LOG_LEVEL_COUNT ? level_names[level] : "?";
}

bool w4_log_level_from_name(w4_bytes name, w4_log_level *ret_level) {
    for (unsigned i = 0; i < W4_LOG_LEVEL_COUNT; i++) {
        if (w4_bytes_equal_text(name, level_names[i])) {
            *ret_level = (w4_log_level)i;
            return true;
        }
    }
    return false;
}

uint64_t w4_env_wall_us(const w4_env *env, uint64_t now_us) {
    if (env->wall_offset_us >= 0) {
        return w4_later(now_us, (uint64_t)env->wall_offset_us);
    }
    uint64_t back = UINT64_C(0) - (uint64_t)env->wall_offset_us;
    return back < now_us ? now_us - back : 0;
}

uint64_t w4_env_random_below(const w4_env *env, uint64_t bound) {
    if (bound < 2) {
        return 0;
    }
    /* Values below 2^64 mod bound are drawn again: what is left divides evenly. */
    uint64_t reject_below = (UINT64_C(0) - bound) % bound;
    uint64_t value = 0;
    for (unsigned draws = 0; draws < RANDOM_DRAWS_MAX; draws++) {
        env->random(env->context, &value, sizeof value);
        if (value >= reject_below) {
            break;
        }
    }
    return value % bound;
}

void w4_log(const w4_env *env, w4_log_level level, const char *format, ...) {
    if (!env->log) {
        return;
    }
    char raw[LOG_LINE_MAX + 1];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    if (len < 0) {
        return;
    }
    size_t raw_len = (size_t)len < sizeof raw ? (size_t)len : sizeof raw - 1;

    char line[LOG_LINE_MAX + 1];
    w4_text_escape_cut(line, sizeof line, w4_bytes_of(raw, raw_len));
    env->log(env->context, level, line);
}

bool w4_log_limit_allow(w4_log_limit *limit, uint32_t per_second, uint64_t now_us,
                        uint64_t *ret_suppressed) {
    if (now_us < limit->window_start_us || now_us - limit->window_start_us >= W4_US_PER_S) {
        limit->window_start_us = now_us;
        limit->in_window = 0;
    }
    if (limit->in_window >= per_second) {
        limit->suppressed++;
        return false;
    }
    limit->in_window++;
    *ret_suppressed = limit->suppressed;
    limit->suppressed = 0;
    return true;
}
