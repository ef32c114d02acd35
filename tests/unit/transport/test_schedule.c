#include "transport/schedule.h"

#include "runner.h"

#define COUNT 1000u

static w4_schedule_entry entries[COUNT];

START_TEST(gives_by_time_then_sequence) {
    w4_schedule schedule = {0};
    ck_assert_ptr_null(w4_schedule_first(&schedule));
    ck_assert_uint_eq(w4_schedule_deadline(&schedule), W4_NEVER);
    for (uint32_t i = 0; i < COUNT; i++) {
        entries[i] = (w4_schedule_entry){0};
        ck_assert_int_eq(w4_schedule_add(&schedule, &entries[i], i * 7919 % 50, i), 0);
    }
    uint64_t at_us = 0;
    uint64_t sequence = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        w4_schedule_entry *e = w4_schedule_first(&schedule);
        ck_assert(e->at_us > at_us || (e->at_us == at_us && (i == 0 || e->sequence > sequence)));
        ck_assert_uint_eq(w4_schedule_deadline(&schedule), e->at_us);
        at_us = e->at_us;
        sequence = e->sequence;
        w4_schedule_remove(&schedule, e);
        w4_schedule_remove(&schedule, e); /* once more does nothing */
    }
    ck_assert_uint_eq(schedule.count, 0);
    w4_schedule_deinit(&schedule);
    w4_schedule_deinit(&schedule);
}
END_TEST

START_TEST(removes_from_anywhere) {
    w4_schedule schedule = {0};
    for (uint32_t i = 0; i < COUNT; i++) {
        entries[i] = (w4_schedule_entry){0};
        ck_assert_int_eq(w4_schedule_add(&schedule, &entries[i], i * 7919 % 1009, i), 0);
    }
    for (uint32_t i = 0; i < COUNT; i += 3) {
        w4_schedule_remove(&schedule, &entries[i]);
        ck_assert_uint_eq(entries[i].place, 0);
    }
    uint64_t at_us = 0;
    uint32_t left = 0;
    for (w4_schedule_entry *e; (e = w4_schedule_first(&schedule)); left++) {
        ck_assert_uint_ge(e->at_us, at_us);
        ck_assert_uint_ne((uint32_t)(e - entries) % 3, 0);
        at_us = e->at_us;
        w4_schedule_remove(&schedule, e);
    }
    ck_assert_uint_eq(left, COUNT - (COUNT + 2) / 3);
    w4_schedule_deinit(&schedule);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("schedule");
    TCase *tc = tcase_create("schedule");
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, gives_by_time_then_sequence);
    tcase_add_test(tc, removes_from_anywhere);
    return w4_test_run(suite);
}
