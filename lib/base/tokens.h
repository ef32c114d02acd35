/* How much of a thing somebody may have: so many at once, and then so many a second. */
#pragma once

#include "base/clock.h"

#include <stdbool.h>

typedef struct w4_token_rate {
    uint32_t burst, per_s; /* per_s 0: none come back */
} w4_token_rate;

typedef struct w4_tokens {
    uint32_t left;
    uint64_t since_us; /* what came since then is not counted yet */
} w4_tokens;

w4_tokens w4_tokens_full(const w4_token_rate *rate, uint64_t now_us);
/* So many at one go; false: there are not so many, and none is taken. Of time that makes no whole
 * token yet nothing is lost, however often it is asked. */
bool w4_tokens_take(w4_tokens *tokens, const w4_token_rate *rate, uint32_t count, uint64_t now_us);
