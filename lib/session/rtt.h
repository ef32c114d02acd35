/* Smoothed round-trip time and the retransmission timeout it gives (RFC 6298). */
#pragma once

#include "base/clock.h"

#define W4_RTO_FIRST_US (1 * W4_US_PER_S)
#define W4_RTO_MAX_US (10 * W4_US_PER_S)
#define W4_RTO_MIN_ORDERED_US (1 * W4_US_PER_S) /* such a link loses nothing while it lives */
#define W4_RTO_MIN_LOSSY_US (100 * W4_US_PER_MS)

typedef struct w4_rtt {
    uint64_t smoothed_us; /* 0: no sample yet */
    uint64_t variation_us;
    uint64_t rto_min_us;
} w4_rtt;

void w4_rtt_init(w4_rtt *rtt, bool ordered_link);
void w4_rtt_add(w4_rtt *rtt, uint64_t sample_us);
/* Doubled for each of `repeats` in a row without an answer, at most W4_RTO_MAX_US. */
uint64_t w4_rtt_timeout(const w4_rtt *rtt, unsigned repeats);
