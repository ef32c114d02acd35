/* Bounded log-linear histogram: at most 1/16 relative error, 1 us to over an hour, fixed memory. */
#pragma once

#include <stdint.h>

#define W4_HISTOGRAM_BUCKETS 512

typedef struct w4_histogram {
    uint32_t buckets[W4_HISTOGRAM_BUCKETS];
    uint64_t count;
    uint64_t sum;
    uint64_t max;
} w4_histogram;

void w4_histogram_add(w4_histogram *h, uint64_t value);
uint64_t w4_histogram_percentile(const w4_histogram *h, double percentile); /* 0 when empty */
void w4_histogram_clear(w4_histogram *h);
