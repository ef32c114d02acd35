/* The heap of deadlines, against a plain list. */
#include "runner.h"

#include "node/timers.h"

#include <string.h>

#define COUNT 300u

static w4_timers timers;
static w4_timer all[COUNT];
static uint64_t due[COUNT]; /* W4_NEVER: not in */
static uint32_t state;

static uint32_t draw(uint32_t below) {
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % below;
}

static void setup(void) {
    memset(&timers, 0, sizeof timers);
    memset(all, 0, sizeof all);
    for (size_t i = 0; i < COUNT; i++) {
        due[i] = W4_NEVER;
    }
    state = 5;
}

static void teardown(void) {
    w4_timers_deinit(&timers);
    w4_timers_deinit(&timers);
}

static uint64_t earliest(void) {
    uint64_t least = W4_NEVER;
    for (size_t i = 0; i < COUNT; i++) {
        least = w4_earlier(least, due[i]);
    }
    return least;
}

static void check(void) {
    size_t count = 0;
    for (size_t i = 0; i < COUNT; i++) {
        count += due[i] != W4_NEVER;
        ck_assert((all[i].position != 0) == (due[i] != W4_NEVER));
        if (all[i].position != 0) {
            ck_assert_ptr_eq(timers.heap[all[i].position], &all[i]);
            ck_assert_uint_eq(all[i].at_us, due[i]);
        }
    }
    ck_assert_uint_eq(timers.count, count);
    ck_assert_uint_eq(w4_timers_next(&timers), earliest());
}

START_TEST(empty) {
    ck_assert_uint_eq(w4_timers_next(&timers), W4_NEVER);
    ck_assert_ptr_null(w4_timers_pop(&timers, W4_NEVER));
    w4_timers_remove(&timers, &all[0]);
    ck_assert_int_eq(w4_timers_set(&timers, &all[0], W4_NEVER), 0);
    check();
}
END_TEST

START_TEST(in_order_of_time) {
    const uint64_t times[] = {50, 10, 40, 10, 30, 0, 20};
    for (size_t i = 0; i < 7; i++) {
        ck_assert_int_eq(w4_timers_set(&timers, &all[i], times[i]), 0);
    }
    ck_assert_ptr_eq(w4_timers_pop(&timers, 0), &all[5]);
    ck_assert_ptr_null(w4_timers_pop(&timers, 9));
    uint64_t last = 0;
    for (size_t i = 0; i < 6; i++) {
        const w4_timer *timer = w4_timers_pop(&timers, 50);
        ck_assert_ptr_nonnull(timer);
        ck_assert_uint_eq(timer->position, 0);
        ck_assert_uint_ge(timer->at_us, last);
        last = timer->at_us;
    }
    ck_assert_ptr_null(w4_timers_pop(&timers, W4_NEVER));
}
END_TEST

START_TEST(any_order_of_calls) {
    for (unsigned step = 0; step < 6000; step++) {
        uint32_t i = draw(COUNT);
        uint32_t what = draw(10);
        if (what < 6) {
            due[i] = draw(1000);
            ck_assert_int_eq(w4_timers_set(&timers, &all[i], due[i]), 0);
        } else if (what < 7) {
            due[i] = W4_NEVER;
            ck_assert_int_eq(w4_timers_set(&timers, &all[i], W4_NEVER), 0);
        } else if (what < 8) {
            due[i] = W4_NEVER;
            w4_timers_remove(&timers, &all[i]);
        } else {
            uint64_t now_us = draw(1000);
            const w4_timer *timer = w4_timers_pop(&timers, now_us);
            ck_assert((timer != NULL) == (earliest() <= now_us));
            if (timer != NULL) {
                ck_assert_uint_eq(timer->at_us, earliest());
                due[timer - all] = W4_NEVER;
            }
        }
        if (step % 64 == 0) {
            check();
        }
    }
    check();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("timers");
    TCase *tc = tcase_create("timers");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, empty);
    tcase_add_test(tc, in_order_of_time);
    tcase_add_test(tc, any_order_of_calls);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
