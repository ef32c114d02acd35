/* The time stamps that an agent's words get here, over the lives of its node. */
#include "runner.h"

#include "base/clock.h"
#include "envelope/envelope.h"
#include "protocol/delivery/stamps.h"
#include "store/memory.h"

#define WALL_US (UINT64_C(1795428732) * 1000000)
#define SECOND W4_US_PER_S

typedef struct life {
    w4_stamps stamps;
    w4_agent agent;
} life;

static w4_store *store;

static life begin(void) {
    life l = {0};
    ck_assert_int_eq(w4_stamps_init(&l.stamps, store), 0);
    return l;
}

static uint64_t next(life *l, uint64_t wall_us) {
    uint64_t stamp_us = 0;
    ck_assert_int_eq(w4_stamps_next(&l->stamps, &l->agent, W4_STAMPS_APART_US, wall_us, &stamp_us),
                     0);
    return stamp_us;
}

static void setup(void) {
    ck_assert_int_eq(w4_store_memory_new(&store), 0);
}

static void teardown(void) {
    store = w4_store_free(store);
}

/* Also where another process of the node has given later ones than the clock says now. */
START_TEST(each_is_later_than_the_one_before) {
    life l = begin();
    uint64_t last_us = 0;
    for (unsigned i = 0; i < 500; i++) { /* all in one moment */
        uint64_t stamp_us = next(&l, WALL_US);
        ck_assert_uint_gt(stamp_us, last_us);
        last_us = stamp_us;
    }
    ck_assert_uint_lt(last_us, WALL_US + SECOND);
    l = begin();
    for (unsigned i = 0; i < 3; i++) {
        uint64_t stamp_us = next(&l, WALL_US - 60 * SECOND);
        ck_assert_uint_gt(stamp_us, last_us);
        last_us = stamp_us;
    }
    ck_assert_uint_lt(last_us, WALL_US + SECOND);
}
END_TEST

/* A clock that was an hour ahead in an earlier process, or (way 1) ten minutes: others would take
 * nothing of that for fresh, so the stamps are what the clock says, and each is another. */
START_TEST(a_clock_that_was_far_ahead_says_nothing) {
    life l = begin();
    (void)next(&l, WALL_US + (_i == 0 ? 3600 : 600) * SECOND);
    l = begin();
    life other = begin();
    uint64_t last_us = 0;
    for (unsigned i = 0; i < 10; i++) {
        uint64_t stamp_us = next(&l, WALL_US);
        ck_assert_uint_gt(stamp_us, last_us);
        ck_assert_uint_lt(stamp_us, WALL_US + SECOND);
        last_us = stamp_us;
    }
    ck_assert_uint_eq(next(&other, WALL_US), WALL_US);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("stamps");
    TCase *tcase = tcase_create("stamps");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, each_is_later_than_the_one_before);
    tcase_add_loop_test(tcase, a_clock_that_was_far_ahead_says_nothing, 0, 2);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
