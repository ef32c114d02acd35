#include "base/tokens.h"

w4_tokens w4_tokens_full(const w4_token_rate *rate, uint64_t now_us) {
    return (w4_tokens){rate->burst, now_us};
}

static void refill(w4_tokens *tokens, const w4_token_rate *rate, uint64_t now_us) {
    uint64_t gone_us = now_us > tokens->since_us ? now_us - tokens->since_us : 0;
    uint64_t lack = rate->burst > tokens->left ? rate->burst - tokens->left : 0;
    if (lack == 0) {
        tokens->since_us = now_us;
    } else if (rate->per_s == 0) {
        return;
    } else if (gone_us / W4_US_PER_S > lack / rate->per_s ||
               gone_us * rate->per_s / W4_US_PER_S >= lack) {
        *tokens = w4_tokens_full(rate, now_us);
    } else {
        uint64_t more = gone_us * rate->per_s / W4_US_PER_S;
        tokens->left += (uint32_t)more;
        /* What is left over of the time: never more than has gone by. */
        tokens->since_us += (more * W4_US_PER_S + rate->per_s - 1) / rate->per_s;
    }
}

bool w4_tokens_take(w4_tokens *tokens, const w4_token_rate *rate, uint32_t count, uint64_t now_us) {
    refill(tokens, rate, now_us);
    if (tokens->left < count) {
        return false;
    }
    tokens->left -= count;
    return true;
}
