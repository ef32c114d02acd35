#include "base/tokens.h"
#include "runner.h"

#define START (UINT64_C(1000) * W4_US_PER_S)

static const w4_token_rate rate = {10, 4};

START_TEST(a_burst_and_then_a_rate) {
    w4_tokens t = w4_tokens_full(&rate, START);
    for (unsigned i = 0; i < 10; i++) {
        ck_assert(w4_tokens_take(&t, &rate, 1, START));
    }
    ck_assert(!w4_tokens_take(&t, &rate, 1, START));
    ck_assert(!w4_tokens_take(&t, &rate, 1, START + W4_US_PER_S / 4 - 1));
    ck_assert(w4_tokens_take(&t, &rate, 1, START + W4_US_PER_S / 4));
    ck_assert(!w4_tokens_take(&t, &rate, 1, START + W4_US_PER_S / 4));
    ck_assert(w4_tokens_take(&t, &rate, 4, START + 5 * W4_US_PER_S / 4));
    ck_assert(!w4_tokens_take(&t, &rate, 1, START + 5 * W4_US_PER_S / 4));
}
END_TEST

START_TEST(no_more_than_the_burst_is_saved_up) {
    static const uint64_t pauses[] = {3 * W4_US_PER_S, 3600 * W4_US_PER_S, UINT64_MAX - START};
    for (size_t i = 0; i < sizeof pauses / sizeof pauses[0]; i++) {
        w4_tokens t = w4_tokens_full(&rate, START);
        ck_assert(w4_tokens_take(&t, &rate, 10, START));
        ck_assert(!w4_tokens_take(&t, &rate, 11, START + pauses[i]));
        ck_assert(w4_tokens_take(&t, &rate, 10, START + pauses[i]));
        ck_assert(!w4_tokens_take(&t, &rate, 1, START + pauses[i]));
    }
}
END_TEST

/* What is too much at one go takes nothing. */
START_TEST(all_or_none) {
    w4_tokens t = w4_tokens_full(&rate, START);
    ck_assert(w4_tokens_take(&t, &rate, 7, START));
    ck_assert(!w4_tokens_take(&t, &rate, 4, START));
    ck_assert(w4_tokens_take(&t, &rate, 3, START));
    ck_assert(w4_tokens_take(&t, &rate, 0, START));
}
END_TEST

/* Whoever asks each millisecond gets exactly as much as is due, as whoever asks each second. */
START_TEST(no_time_is_lost) {
    static const w4_token_rate rates[] = {{8, 3}, {8, 7}, {100, 20}, {512, 128}, {5, 1}};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        w4_tokens t = w4_tokens_full(&rates[i], START);
        ck_assert(w4_tokens_take(&t, &rates[i], rates[i].burst, START));
        uint32_t taken = 0;
        for (uint64_t at = 0; at <= 60 * W4_US_PER_S; at += W4_US_PER_MS) {
            taken += w4_tokens_take(&t, &rates[i], 1, START + at) ? 1 : 0;
        }
        ck_assert_uint_le(taken, 60 * rates[i].per_s);
        ck_assert_uint_ge(taken, 60 * rates[i].per_s - 1); /* each is rounded up to a microsecond */
    }
}
END_TEST

START_TEST(clocks_that_go_back_give_nothing) {
    w4_tokens t = w4_tokens_full(&rate, START);
    ck_assert(w4_tokens_take(&t, &rate, 10, START));
    ck_assert(!w4_tokens_take(&t, &rate, 1, START - W4_US_PER_S));
    ck_assert(!w4_tokens_take(&t, &rate, 1, START));
    ck_assert(w4_tokens_take(&t, &rate, 4, START + W4_US_PER_S));
}
END_TEST

START_TEST(without_a_rate_none_come_back) {
    static const w4_token_rate once = {2, 0};
    w4_tokens t = w4_tokens_full(&once, START);
    ck_assert(w4_tokens_take(&t, &once, 2, START));
    ck_assert(!w4_tokens_take(&t, &once, 1, START + 3600 * W4_US_PER_S));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("tokens");
    TCase *tc = tcase_create("tokens");
    tcase_add_test(tc, a_burst_and_then_a_rate);
    tcase_add_test(tc, no_more_than_the_burst_is_saved_up);
    tcase_add_test(tc, all_or_none);
    tcase_add_test(tc, no_time_is_lost);
    tcase_add_test(tc, clocks_that_go_back_give_nothing);
    tcase_add_test(tc, without_a_rate_none_come_back);
    suite_add_tcase(s, tc);
    return s;
}

int main(void) {
    return w4_test_run(suite());
}
