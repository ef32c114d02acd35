#include "session/rtt.h"

#define DOUBLINGS_MAX 10u

void w4_rtt_init(w4_rtt *rtt, bool ordered_link) {
    *rtt = (w4_rtt){.rto_min_us = ordered_link ? W4_RTO_MIN_ORDERED_US : W4_RTO_MIN_LOSSY_US};
}

void w4_rtt_add(w4_rtt *rtt, uint64_t sample_us) {
    if (sample_us == 0) {
        sample_us = 1; /* 0 means no sample */
    }
    if (rtt->smoothed_us == 0) {
        rtt->smoothed_us = sample_us;
        rtt->variation_us = sample_us / 2;
        return;
    }
    uint64_t error =
        sample_us > rtt->smoothed_us ? sample_us - rtt->smoothed_us : rtt->smoothed_us - sample_us;
    rtt->variation_us = rtt->variation_us - rtt->variation_us / 4 + error / 4;
    rtt->smoothed_us = rtt->smoothed_us - rtt->smoothed_us / 8 + sample_us / 8;
    if (rtt->smoothed_us == 0) {
        rtt->smoothed_us = 1;
    }
}

uint64_t w4_rtt_timeout(const w4_rtt *rtt, unsigned repeats) {
    uint64_t timeout = W4_RTO_FIRST_US;
    if (rtt->smoothed_us != 0) {
        timeout = rtt->smoothed_us + 4 * rtt->variation_us;
    }
    if (timeout < rtt->rto_min_us) {
        timeout = rtt->rto_min_us;
    }
    if (timeout > W4_RTO_MAX_US) {
        timeout = W4_RTO_MAX_US;
    }
    timeout <<= repeats < DOUBLINGS_MAX ? repeats : DOUBLINGS_MAX;
    return timeout < W4_RTO_MAX_US ? timeout : W4_RTO_MAX_US;
}
