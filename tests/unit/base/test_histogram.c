#include "base/histogram.h"

#include "runner.h"

#include <math.h>

static w4_histogram h;

START_TEST(empty_says_zero) {
    w4_histogram_clear(&h);
    ck_assert_uint_eq(w4_histogram_percentile(&h, 0), 0);
    ck_assert_uint_eq(w4_histogram_percentile(&h, 50), 0);
    ck_assert_uint_eq(w4_histogram_percentile(&h, 100), 0);
}
END_TEST

/* The answer for one value among larger ones is at most a sixteenth above it, never below. */
static void check_error(uint64_t value) {
    w4_histogram_clear(&h);
    w4_histogram_add(&h, value);
    w4_histogram_add(&h, UINT64_MAX);
    uint64_t p50 = w4_histogram_percentile(&h, 50);
    ck_assert_uint_ge(p50, value);
    ck_assert_uint_le(p50 - value, value / 16);
}

START_TEST(error_is_bounded_up_to_hours) {
    for (uint64_t value = 0; value < 100000; value += 1 + value / 64) {
        check_error(value);
    }
    for (unsigned bit = 4; bit < 35; bit++) {
        uint64_t power = UINT64_C(1) << bit;
        check_error(power - 1);
        check_error(power);
        check_error(power + 1);
        check_error(power + power / 2);
    }
    check_error(UINT64_C(3600) * 1000000); /* an hour in microseconds */
    check_error((UINT64_C(1) << 35) - (UINT64_C(1) << 31) - 1);
}
END_TEST

START_TEST(small_values_are_exact) {
    for (uint64_t value = 0; value < 32; value++) {
        w4_histogram_clear(&h);
        w4_histogram_add(&h, value);
        w4_histogram_add(&h, 1000);
        ck_assert_uint_eq(w4_histogram_percentile(&h, 50), value);
    }
}
END_TEST

START_TEST(percentiles_of_a_thousand) {
    w4_histogram_clear(&h);
    for (uint64_t i = 1; i <= 1000; i++) {
        w4_histogram_add(&h, i);
    }
    ck_assert_uint_eq(h.count, 1000);
    ck_assert_uint_eq(h.sum, 500500);
    ck_assert_uint_eq(h.max, 1000);
    static const struct {
        double percentile;
        uint64_t exact;
    } rows[] = {{0, 1},    {0.1, 1},  {1, 10},     {50, 500},
                {90, 900}, {99, 990}, {99.9, 999}, {100, 1000}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t got = w4_histogram_percentile(&h, rows[i].percentile);
        ck_assert_uint_ge(got, rows[i].exact);
        ck_assert_uint_le(got, rows[i].exact + rows[i].exact / 16);
    }
    uint64_t last = 0;
    for (double p = 0; p <= 100; p += 0.25) {
        uint64_t got = w4_histogram_percentile(&h, p);
        ck_assert_uint_ge(got, last);
        last = got;
    }
}
END_TEST

START_TEST(strange_percentiles_are_taken_as_the_ends) {
    w4_histogram_clear(&h);
    w4_histogram_add(&h, 3);
    w4_histogram_add(&h, 9);
    ck_assert_uint_eq(w4_histogram_percentile(&h, -5), 3);
    ck_assert_uint_eq(w4_histogram_percentile(&h, (double)NAN), 3);
    ck_assert_uint_eq(w4_histogram_percentile(&h, 1e300), 9);
    ck_assert_uint_eq(w4_histogram_percentile(&h, (double)INFINITY), 9);
}
END_TEST

START_TEST(huge_values_share_the_last_bucket) {
    w4_histogram_clear(&h);
    w4_histogram_add(&h, UINT64_MAX);
    w4_histogram_add(&h, UINT64_MAX);
    w4_histogram_add(&h, UINT64_C(1) << 40);
    ck_assert_uint_eq(h.buckets[W4_HISTOGRAM_BUCKETS - 1], 3);
    ck_assert_uint_eq(h.sum, UINT64_MAX); /* stays there rather than wrap */
    ck_assert_uint_eq(w4_histogram_percentile(&h, 50), UINT64_MAX);
}
END_TEST

START_TEST(full_buckets_do_not_wrap) {
    w4_histogram_clear(&h);
    h.buckets[5] = UINT32_MAX;
    h.count = UINT32_MAX;
    h.max = 5;
    w4_histogram_add(&h, 5);
    ck_assert_uint_eq(h.buckets[5], UINT32_MAX);
    ck_assert_uint_eq(h.count, UINT64_C(1) << 32);
    ck_assert_uint_eq(w4_histogram_percentile(&h, 99.99), 5);
}
END_TEST

/* A sparse one says what a whole one says, whatever falls into it and in whatever order. */
START_TEST(sparse_is_the_same) {
    w4_histogram_sparse sparse = {0};
    w4_histogram expanded;
    w4_histogram_clear(&h);
    uint64_t random = 1;
    for (unsigned i = 0; i < 5000; i++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint64_t value = (random >> 20) >> (random % 44);
        value = i == 4000 ? UINT64_MAX : value;
        w4_histogram_add(&h, value);
        w4_histogram_sparse_add(&sparse, value);
        if (i % 500 == 0 || i == 4999) {
            w4_histogram_sparse_expand(&sparse, &expanded);
            ck_assert_mem_eq(&expanded, &h, sizeof h);
        }
    }
    w4_histogram_sparse_deinit(&sparse);
    w4_histogram_sparse_expand(&sparse, &expanded);
    w4_histogram_clear(&h);
    ck_assert_mem_eq(&expanded, &h, sizeof h);
}
END_TEST

/* Small counters become large ones while others stay as they are. */
START_TEST(sparse_counts_beyond_a_byte) {
    w4_histogram_sparse sparse = {0};
    w4_histogram expanded;
    w4_histogram_clear(&h);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t values[] = {5, 5000, i % 100 == 0 ? 5000000 : 5, i};
        for (unsigned k = 0; k < 4; k++) {
            w4_histogram_add(&h, values[k]);
            w4_histogram_sparse_add(&sparse, values[k]);
        }
        w4_histogram_sparse_expand(&sparse, &expanded);
        ck_assert_int_eq(memcmp(&expanded, &h, sizeof h), 0);
    }
    w4_histogram_sparse_deinit(&sparse);
    ck_assert(!sparse.wide);
}
END_TEST

START_TEST(sparse_is_small) {
    w4_histogram_sparse sparse = {0};
    ck_assert_uint_eq(w4_histogram_sparse_memory(&sparse), 0);
    for (uint64_t us = 100; us < 3000; us += 7) {
        w4_histogram_sparse_add(&sparse, us);
    }
    ck_assert_uint_le(w4_histogram_sparse_memory(&sparse), 6 * 16);
    w4_histogram_sparse_add(&sparse, UINT64_C(60) * 1000000);
    ck_assert_uint_le(w4_histogram_sparse_memory(&sparse), 7 * 16);
    w4_histogram_sparse_deinit(&sparse);
    w4_histogram_sparse_deinit(&sparse);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("base-histogram");
    TCase *tc = tcase_create("all");
    tcase_add_test(tc, empty_says_zero);
    tcase_add_test(tc, error_is_bounded_up_to_hours);
    tcase_add_test(tc, small_values_are_exact);
    tcase_add_test(tc, percentiles_of_a_thousand);
    tcase_add_test(tc, strange_percentiles_are_taken_as_the_ends);
    tcase_add_test(tc, huge_values_share_the_last_bucket);
    tcase_add_test(tc, full_buckets_do_not_wrap);
    tcase_add_test(tc, sparse_is_the_same);
    tcase_add_test(tc, sparse_counts_beyond_a_byte);
    tcase_add_test(tc, sparse_is_small);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
