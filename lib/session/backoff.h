/* When to dial again: exponential back-off with full jitter behind a circuit breaker (wire.md 5).
 */
#pragma once

#include "base/clock.h"
#include "base/env.h"

typedef enum w4_breaker_state {
    W4_BREAKER_CLOSED,
    W4_BREAKER_OPEN,
    W4_BREAKER_HALF_OPEN,
    W4_BREAKER_STATE_COUNT
} w4_breaker_state;

typedef struct w4_backoff {
    uint32_t failures;  /* in a row */
    uint32_t successes; /* in a row, while half-open */
    w4_breaker_state state;
    uint64_t not_before_us; /* no dial earlier */
} w4_backoff;

void w4_backoff_init(w4_backoff *b);
void w4_backoff_failed(w4_backoff *b, const w4_env *env, uint64_t now_us);
void w4_backoff_succeeded(w4_backoff *b);
/* The longest pause that the failures so far may lead to: what held for less was no success. */
uint64_t w4_backoff_pause_max_us(const w4_backoff *b);
bool w4_backoff_may_dial(w4_backoff *b, uint64_t now_us); /* moves open to half-open in time */
const char *w4_breaker_state_name(w4_breaker_state state);
