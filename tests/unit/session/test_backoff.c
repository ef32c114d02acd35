#include "pair.h"

#include "session/backoff.h"

static pair_random dice;
static const w4_env env = {.context = &dice, .random = pair_fill};

START_TEST(waits_longer_with_full_jitter) {
    static const uint64_t bounds_ms[] = {100, 200, 400, 800};
    uint64_t highest[4] = {0}, lowest[4] = {W4_NEVER, W4_NEVER, W4_NEVER, W4_NEVER};
    for (int round = 0; round < 2000; round++) {
        w4_backoff b;
        w4_backoff_init(&b);
        ck_assert(w4_backoff_may_dial(&b, 0));
        for (unsigned i = 0; i < 4; i++) {
            w4_backoff_failed(&b, &env, 1000);
            uint64_t wait = b.not_before_us - 1000;
            highest[i] = wait > highest[i] ? wait : highest[i];
            lowest[i] = w4_earlier(wait, lowest[i]);
            ck_assert_int_eq(w4_backoff_may_dial(&b, b.not_before_us - 1), false);
            ck_assert(w4_backoff_may_dial(&b, b.not_before_us));
            ck_assert_int_eq(b.state, W4_BREAKER_CLOSED);
        }
    }
    for (unsigned i = 0; i < 4; i++) {
        uint64_t bound = bounds_ms[i] * W4_US_PER_MS;
        ck_assert_uint_le(highest[i], bound);
        ck_assert_uint_gt(highest[i], bound / 10 * 9);
        ck_assert_uint_lt(lowest[i], bound / 10);
    }
}
END_TEST

static void fail_five(w4_backoff *b) {
    w4_backoff_init(b);
    for (int i = 0; i < 5; i++) {
        w4_backoff_failed(b, &env, 0);
    }
}

START_TEST(opens_after_five_failures_in_a_row) {
    w4_backoff b;
    w4_backoff_init(&b);
    for (int i = 0; i < 4; i++) {
        w4_backoff_failed(&b, &env, 0);
    }
    w4_backoff_succeeded(&b);
    ck_assert(w4_backoff_may_dial(&b, 0));
    w4_backoff_failed(&b, &env, 0);
    ck_assert_int_eq(b.state, W4_BREAKER_CLOSED);
    fail_five(&b);
    ck_assert_int_eq(b.state, W4_BREAKER_OPEN);
    ck_assert(!w4_backoff_may_dial(&b, 30 * W4_US_PER_S - 1));
    ck_assert_int_eq(b.state, W4_BREAKER_OPEN);
    ck_assert(w4_backoff_may_dial(&b, 30 * W4_US_PER_S));
    ck_assert_int_eq(b.state, W4_BREAKER_HALF_OPEN);
}
END_TEST

START_TEST(one_trial_decides_and_two_successes_close) {
    w4_backoff b;
    fail_five(&b);
    ck_assert(w4_backoff_may_dial(&b, 30 * W4_US_PER_S));
    w4_backoff_failed(&b, &env, 30 * W4_US_PER_S);
    ck_assert_int_eq(b.state, W4_BREAKER_OPEN);
    ck_assert(!w4_backoff_may_dial(&b, 60 * W4_US_PER_S - 1));
    ck_assert(w4_backoff_may_dial(&b, 60 * W4_US_PER_S));
    w4_backoff_succeeded(&b);
    ck_assert_int_eq(b.state, W4_BREAKER_HALF_OPEN);
    w4_backoff_succeeded(&b);
    ck_assert_int_eq(b.state, W4_BREAKER_CLOSED);
    ck_assert_uint_eq(b.failures, 0);
}
END_TEST

START_TEST(states_have_names) {
    ck_assert_str_eq(w4_breaker_state_name(W4_BREAKER_CLOSED), "closed");
    ck_assert_str_eq(w4_breaker_state_name(W4_BREAKER_OPEN), "open");
    ck_assert_str_eq(w4_breaker_state_name(W4_BREAKER_HALF_OPEN), "half_open");
    ck_assert_str_eq(w4_breaker_state_name(W4_BREAKER_STATE_COUNT), "?");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("backoff");
    TCase *tc = tcase_create("backoff");
    tcase_add_test(tc, waits_longer_with_full_jitter);
    tcase_add_test(tc, opens_after_five_failures_in_a_row);
    tcase_add_test(tc, one_trial_decides_and_two_successes_close);
    tcase_add_test(tc, states_have_names);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
