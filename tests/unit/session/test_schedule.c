#include "pair.h"

#include "session/frame.h"
#include "session/schedule.h"

static w4_schedule s;

static w4_channel_kind pick(size_t control, size_t state, size_t knowledge) {
    const size_t ready[W4_CHANNEL_KIND_COUNT] = {control, state, knowledge};
    w4_channel_kind kind;
    if (!w4_schedule_pick(&s, ready, &kind) || ready[kind] == 0) {
        ck_abort_msg("picks what is not ready");
    }
    w4_schedule_sent(&s, kind, ready[kind]);
    return kind;
}

START_TEST(control_goes_first) {
    w4_schedule_init(&s);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(pick(100, 16000, 16000), W4_CHANNEL_CONTROL);
    }
}
END_TEST

/* Bytes, not frames: state gets four times as many, whatever the sizes are. */
START_TEST(state_gets_four_times_what_knowledge_gets) {
    static const size_t sizes[][2] = {{1040, 1040}, {100, 16368}, {16368, 100}, {16400, 16400}};
    size_t bytes[W4_CHANNEL_KIND_COUNT] = {0};
    w4_schedule_init(&s);
    for (int i = 0; i < 200000; i++) {
        w4_channel_kind kind = pick(0, sizes[_i][0], sizes[_i][1]);
        bytes[kind] += kind == W4_CHANNEL_STATE ? sizes[_i][0] : sizes[_i][1];
    }
    double ratio = (double)bytes[W4_CHANNEL_STATE] / (double)bytes[W4_CHANNEL_KNOWLEDGE];
    ck_assert_msg(ratio > 3.9 && ratio < 4.1, "%f", ratio);
}
END_TEST

START_TEST(a_lone_channel_gets_all) {
    w4_schedule_init(&s);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(pick(0, 0, 16400), W4_CHANNEL_KNOWLEDGE);
        ck_assert_int_eq(pick(0, 16400, 0), W4_CHANNEL_STATE);
    }
}
END_TEST

START_TEST(who_was_silent_has_saved_nothing_up) {
    w4_schedule_init(&s);
    for (int i = 0; i < 1000; i++) {
        pick(0, 0, 16400);
    }
    unsigned in_a_row = 0;
    while (pick(0, 16400, 16400) == W4_CHANNEL_STATE) {
        in_a_row++;
    }
    ck_assert_uint_le(in_a_row, 8);
    in_a_row = 0;
    while (pick(0, 16400, 16400) == W4_CHANNEL_KNOWLEDGE) {
        in_a_row++;
    }
    ck_assert_uint_le(in_a_row, 2);
}
END_TEST

START_TEST(nothing_ready_is_nothing_picked) {
    const size_t ready[W4_CHANNEL_KIND_COUNT] = {0};
    w4_channel_kind kind;
    w4_schedule_init(&s);
    ck_assert(!w4_schedule_pick(&s, ready, &kind));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("schedule");
    TCase *tc = tcase_create("schedule");
    tcase_add_test(tc, control_goes_first);
    tcase_add_loop_test(tc, state_gets_four_times_what_knowledge_gets, 0, 4);
    tcase_add_test(tc, a_lone_channel_gets_all);
    tcase_add_test(tc, who_was_silent_has_saved_nothing_up);
    tcase_add_test(tc, nothing_ready_is_nothing_picked);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
