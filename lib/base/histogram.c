#include "base/histogram.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Values 0..15 have a bucket each. Above that each power of two is cut into 16 equal parts, so a
 * bucket is never wider than 1/16 of its lowest value. Values too large for the last bucket
 * (2^35 us is nine and a half hours) count in it; max stays exact. */
#define SUB_BITS 4u
#define SUB_COUNT (1u << SUB_BITS)
#define ROWS (W4_HISTOGRAM_BUCKETS / SUB_COUNT)

static_assert(ROWS <= 32, "one bit a row");

static unsigned bucket_of(uint64_t value) {
    if (value < SUB_COUNT) {
        return (unsigned)value;
    }
    unsigned top = 63u - (unsigned)__builtin_clzll(value);
    unsigned shift = top - SUB_BITS;
    uint64_t bucket = (uint64_t)(shift + 1) * SUB_COUNT + ((value >> shift) - SUB_COUNT);
    return bucket < W4_HISTOGRAM_BUCKETS ? (unsigned)bucket : W4_HISTOGRAM_BUCKETS - 1;
}

/* The highest value that falls into a bucket. */
static uint64_t bucket_high(unsigned bucket) {
    if (bucket < SUB_COUNT) {
        return bucket;
    }
    unsigned shift = bucket / SUB_COUNT - 1;
    uint64_t part = SUB_COUNT + bucket % SUB_COUNT;
    return ((part + 1) << shift) - 1;
}

void w4_histogram_add(w4_histogram *h, uint64_t value) {
    uint32_t *bucket = &h->buckets[bucket_of(value)];
    if (*bucket < UINT32_MAX) {
        (*bucket)++;
    }
    h->count++;
    h->sum = value > UINT64_MAX - h->sum ? UINT64_MAX : h->sum + value;
    if (value > h->max) {
        h->max = value;
    }
}

uint64_t w4_histogram_percentile(const w4_histogram *h, double percentile) {
    uint64_t total = 0; /* of the buckets, which may have saturated before count */
    for (unsigned i = 0; i < W4_HISTOGRAM_BUCKETS; i++) {
        total += h->buckets[i];
    }
    if (total == 0) {
        return 0;
    }
    double part = percentile > 0 ? percentile / 100.0 : 0; /* also for not-a-number */
    if (part >= 1) {
        return h->max;
    }
    uint64_t rank = (uint64_t)(part * (double)total);
    if ((double)rank < part * (double)total || rank == 0) {
        rank++;
    }
    uint64_t seen = 0;
    for (unsigned i = 0; i < W4_HISTOGRAM_BUCKETS - 1; i++) {
        seen += h->buckets[i];
        if (seen >= rank) {
            uint64_t high = bucket_high(i);
            return high < h->max ? high : h->max;
        }
    }
    return h->max;
}

void w4_histogram_clear(w4_histogram *h) {
    memset(h, 0, sizeof *h);
}

/* ---- sparse */

static unsigned rows_of(uint32_t powers) {
    return (unsigned)__builtin_popcount(powers);
}

/* Where the row of that power stands, or would stand, among those that are there. */
static unsigned place_of(const w4_histogram_sparse *h, unsigned power) {
    return rows_of(h->powers & ((UINT32_C(1) << power) - 1));
}

static size_t row_bytes(const w4_histogram_sparse *h) {
    return SUB_COUNT * (h->wide ? sizeof(uint32_t) : sizeof(uint8_t));
}

static bool make_row(w4_histogram_sparse *h, unsigned power) {
    size_t before = place_of(h, power) * row_bytes(h);
    size_t after = rows_of(h->powers) * row_bytes(h) - before;
    uint8_t *rows = realloc(h->rows, before + row_bytes(h) + after);
    if (!rows) {
        return false;
    }
    memmove(rows + before + row_bytes(h), rows + before, after);
    memset(rows + before, 0, row_bytes(h));
    h->rows = rows;
    h->powers |= UINT32_C(1) << power;
    return true;
}

static bool widen(w4_histogram_sparse *h) {
    size_t count = (size_t)rows_of(h->powers) * SUB_COUNT;
    const uint8_t *narrow = h->rows;
    uint32_t *wide = malloc(count * sizeof *wide);
    for (size_t i = 0; wide && i < count; i++) {
        wide[i] = narrow[i];
    }
    if (wide) {
        free(h->rows);
        h->rows = wide;
        h->wide = true;
    }
    return wide;
}

static bool count_one(w4_histogram_sparse *h, size_t at) {
    uint8_t *narrow = h->rows;
    if (!h->wide && narrow[at] < UINT8_MAX) {
        narrow[at]++;
        return true;
    }
    if (!h->wide && !widen(h)) {
        return false;
    }
    uint32_t *wide = h->rows;
    if (wide[at] < UINT32_MAX) {
        wide[at]++;
    }
    return true;
}

void w4_histogram_sparse_add(w4_histogram_sparse *h, uint64_t value) {
    unsigned bucket = bucket_of(value);
    unsigned power = bucket / SUB_COUNT;
    bool there = (h->powers >> power & 1) != 0 || make_row(h, power);
    if (!there || !count_one(h, (size_t)place_of(h, power) * SUB_COUNT + bucket % SUB_COUNT)) {
        return;
    }
    h->count++;
    h->sum = value > UINT64_MAX - h->sum ? UINT64_MAX : h->sum + value;
    if (value > h->max) {
        h->max = value;
    }
}

void w4_histogram_sparse_expand(const w4_histogram_sparse *h, w4_histogram *ret_whole) {
    w4_histogram_clear(ret_whole);
    const uint8_t *narrow = h->rows;
    const uint32_t *wide = h->rows;
    size_t at = 0;
    for (unsigned i = 0; i < W4_HISTOGRAM_BUCKETS; i++) {
        if ((h->powers >> (i / SUB_COUNT) & 1) != 0) {
            ret_whole->buckets[i] = h->wide ? wide[at] : narrow[at];
            at++;
        }
    }
    ret_whole->count = h->count;
    ret_whole->sum = h->sum;
    ret_whole->max = h->max;
}

size_t w4_histogram_sparse_memory(const w4_histogram_sparse *h) {
    return rows_of(h->powers) * row_bytes(h);
}

void w4_histogram_sparse_deinit(w4_histogram_sparse *h) {
    free(h->rows);
    *h = (w4_histogram_sparse){0};
}
