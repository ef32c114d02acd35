/* Bounded log-linear histogram: at most 1/16 relative error, 1 us to over an hour, fixed memory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
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

/* The same for where there are thousands of them: only the powers of two that values really fell
 * into have memory, 16 bytes each, or 64 once a bucket has more than 255 of them. A zeroed one is
 * empty. */
typedef struct w4_histogram_sparse {
    void *rows;      /* of 16 buckets each, in the order of the powers */
    uint32_t powers; /* bit n: the n-th row of a whole histogram is there */
    bool wide;       /* buckets are uint32_t, not uint8_t */
    uint64_t count;
    uint64_t sum;
    uint64_t max;
} w4_histogram_sparse;

/* Without memory for more the value is passed over: a sample fewer. */
void w4_histogram_sparse_add(w4_histogram_sparse *h, uint64_t value);
void w4_histogram_sparse_expand(const w4_histogram_sparse *h, w4_histogram *ret_whole);
size_t w4_histogram_sparse_memory(const w4_histogram_sparse *h); /* on the heap */
void w4_histogram_sparse_deinit(w4_histogram_sparse *h);         /* empty again; may run twice */
