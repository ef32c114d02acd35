#include "session/backoff.h"

#define DELAY_FIRST_US (100 * W4_US_PER_MS)
#define DELAY_MAX_US (30 * W4_US_PER_S)
#define FAILURES_TO_OPEN 5u
#define OPEN_US (30 * W4_US_PER_S)
#define SUCCESSES_TO_CLOSE 2u

static const char *const state_names[W4_BREAKER_STATE_COUNT] = {
    [W4_BREAKER_CLOSED] = "closed",
    [W4_BREAKER_OPEN] = "open",
    [W4_BREAKER_HALF_OPEN] = "half_open",
};

const char *w4_breaker_state_name(w4_breaker_state state) {
    return state < W4_BREAKER_STATE_COUNT ? state_names[state] : "?";
}

void w4_backoff_init(w4_backoff *b) {
    *b = (w4_backoff){.state = W4_BREAKER_CLOSED};
}

uint64_t w4_backoff_pause_max_us(const w4_backoff *b) {
    uint64_t bound = DELAY_FIRST_US;
    for (uint32_t i = 1; i < b->failures && bound < DELAY_MAX_US; i++) {
        bound *= 2;
    }
    return w4_earlier(bound, DELAY_MAX_US);
}

/* Full jitter: anywhere between nothing and the exponential bound. */
static uint64_t jittered_delay(const w4_backoff *b, const w4_env *env) {
    return w4_env_random_below(env, w4_backoff_pause_max_us(b) + 1);
}

void w4_backoff_failed(w4_backoff *b, const w4_env *env, uint64_t now_us) {
    if (b->failures < UINT32_MAX) {
        b->failures++;
    }
    b->successes = 0;
    switch (b->state) {
    case W4_BREAKER_CLOSED:
        if (b->failures < FAILURES_TO_OPEN) {
            b->not_before_us = w4_later(now_us, jittered_delay(b, env));
            return;
        }
        break;
    case W4_BREAKER_OPEN:
    case W4_BREAKER_HALF_OPEN:
    case W4_BREAKER_STATE_COUNT:
        break;
    }
    b->state = W4_BREAKER_OPEN;
    b->not_before_us = w4_later(now_us, OPEN_US);
}

void w4_backoff_succeeded(w4_backoff *b) {
    switch (b->state) {
    case W4_BREAKER_CLOSED:
        b->failures = 0;
        break;
    case W4_BREAKER_OPEN:
    case W4_BREAKER_HALF_OPEN:
    case W4_BREAKER_STATE_COUNT:
        b->state = W4_BREAKER_HALF_OPEN;
        if (++b->successes >= SUCCESSES_TO_CLOSE) {
            w4_backoff_init(b);
        }
        break;
    }
    b->not_before_us = 0;
}

bool w4_backoff_may_dial(w4_backoff *b, uint64_t now_us) {
    if (now_us < b->not_before_us) {
        return false;
    }
    if (b->state == W4_BREAKER_OPEN) {
        b->state = W4_BREAKER_HALF_OPEN;
        b->successes = 0;
    }
    return true;
}
