#include "pair.h"

#include "session/heartbeat.h"

static pair_random dice;
static const w4_env env = {.context = &dice, .random = pair_fill};
static w4_heartbeat h;
static w4_rtt rtt;

START_TEST(rtt_is_smoothed_as_rfc_6298_says) {
    w4_rtt_init(&rtt, false);
    ck_assert_uint_eq(w4_rtt_timeout(&rtt, 0), W4_RTO_FIRST_US);
    w4_rtt_add(&rtt, 80000);
    ck_assert_uint_eq(rtt.smoothed_us, 80000);
    ck_assert_uint_eq(rtt.variation_us, 40000);
    ck_assert_uint_eq(w4_rtt_timeout(&rtt, 0), 240000);
    w4_rtt_add(&rtt, 160000);
    ck_assert_uint_eq(rtt.smoothed_us, 90000);
    ck_assert_uint_eq(rtt.variation_us, 50000);
    for (int i = 0; i < 200; i++) {
        w4_rtt_add(&rtt, 1000);
    }
    ck_assert_uint_le(rtt.smoothed_us, 1010);
    ck_assert_uint_eq(w4_rtt_timeout(&rtt, 0), W4_RTO_MIN_LOSSY_US);
    w4_rtt_init(&rtt, true);
    w4_rtt_add(&rtt, 0);
    ck_assert_uint_gt(rtt.smoothed_us, 0);
    ck_assert_uint_eq(w4_rtt_timeout(&rtt, 0), W4_RTO_MIN_ORDERED_US);
    w4_rtt_add(&rtt, UINT64_C(3600) * W4_US_PER_S);
    ck_assert_uint_eq(w4_rtt_timeout(&rtt, 0), W4_RTO_MAX_US);
}
END_TEST

START_TEST(rto_doubles_up_to_a_cap) {
    w4_rtt_init(&rtt, false);
    ck_assert_uint_eq(w4_rtt_timeout(&rtt, 1), 2 * W4_RTO_FIRST_US);
    ck_assert_uint_eq(w4_rtt_timeout(&rtt, 3), 8 * W4_RTO_FIRST_US);
    ck_assert_uint_eq(w4_rtt_timeout(&rtt, 4), W4_RTO_MAX_US);
    ck_assert_uint_eq(w4_rtt_timeout(&rtt, 4000000000), W4_RTO_MAX_US);
}
END_TEST

START_TEST(pings_each_interval_and_measures) {
    uint64_t token, other;
    w4_rtt_init(&rtt, true);
    w4_heartbeat_start(&h, 5000, 15000, 100);
    ck_assert(h.ping_due);
    token = w4_heartbeat_take_ping(&h, &env, 100); /* at once */
    ck_assert(!h.ping_due);
    ck_assert(!w4_heartbeat_recv_pong(&h, token + 1, &rtt, 200)); /* not ours */
    ck_assert_uint_eq(rtt.smoothed_us, 0);
    ck_assert(w4_heartbeat_recv_pong(&h, token, &rtt, 400));
    ck_assert_uint_eq(rtt.smoothed_us, 300);
    ck_assert(!w4_heartbeat_recv_pong(&h, token, &rtt, 9999)); /* twice */
    ck_assert_uint_eq(rtt.smoothed_us, 300);
    ck_assert_uint_eq(w4_heartbeat_deadline(&h), 5100);
    ck_assert(!w4_heartbeat_expire(&h, 5099));
    ck_assert(w4_heartbeat_expire(&h, 5100));
    ck_assert(h.ping_due);
    other = w4_heartbeat_take_ping(&h, &env, 5100);
    ck_assert_uint_ne(token, other);
    ck_assert_uint_eq(w4_heartbeat_deadline(&h), 10100);
}
END_TEST

START_TEST(a_way_may_be_longer_than_the_interval) {
    uint64_t tokens[5];
    w4_rtt_init(&rtt, true);
    w4_heartbeat_start(&h, 5000, 50000, 100);
    for (uint64_t i = 0; i < 5; i++) {
        h.ping_due = true;
        tokens[i] = w4_heartbeat_take_ping(&h, &env, 5000 * i);
    }
    ck_assert(!w4_heartbeat_recv_pong(&h, tokens[2], &rtt, 20001)); /* given up */
    ck_assert(w4_heartbeat_recv_pong(&h, tokens[3], &rtt, 25000));
    ck_assert_uint_eq(h.rtt_us, 10000);
    ck_assert(!w4_heartbeat_recv_pong(&h, tokens[3], &rtt, 25000)); /* twice */
    ck_assert(w4_heartbeat_recv_pong(&h, tokens[4], &rtt, 30000));
}
END_TEST

START_TEST(silence_is_measured_from_what_was_heard) {
    w4_heartbeat_start(&h, 5000, 15000, 100);
    ck_assert(!w4_heartbeat_silent(&h, 15099));
    ck_assert(w4_heartbeat_silent(&h, 15100));
    w4_heartbeat_heard(&h, 15000);
    ck_assert(!w4_heartbeat_silent(&h, 29999));
    ck_assert(w4_heartbeat_silent(&h, 30000));
}
END_TEST

START_TEST(a_flood_of_pings_gets_few_answers) {
    unsigned answers = 0;
    uint64_t token;
    w4_heartbeat_start(&h, 5000, 15000, 1);
    for (uint64_t us = 0; us < W4_US_PER_S; us += 10) {
        w4_heartbeat_recv_ping(&h, us, us + 1);
        if (w4_heartbeat_take_pong(&h, &token)) {
            ck_assert_uint_eq(token, us);
            answers++;
        }
    }
    ck_assert_uint_ge(answers, W4_US_PER_S / W4_PONG_GAP_US);
    ck_assert_uint_le(answers, W4_US_PER_S / W4_PONG_GAP_US + W4_PONGS_AT_ONCE);
    w4_heartbeat_recv_ping(&h, 1, 2 * W4_US_PER_S);
    w4_heartbeat_recv_ping(&h, 2, 2 * W4_US_PER_S); /* two in one record: one answer */
    ck_assert(w4_heartbeat_take_pong(&h, &token));
    ck_assert_uint_eq(token, 2);
    ck_assert(!w4_heartbeat_take_pong(&h, &token));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("heartbeat");
    TCase *tc = tcase_create("heartbeat");
    tcase_add_test(tc, rtt_is_smoothed_as_rfc_6298_says);
    tcase_add_test(tc, rto_doubles_up_to_a_cap);
    tcase_add_test(tc, pings_each_interval_and_measures);
    tcase_add_test(tc, a_way_may_be_longer_than_the_interval);
    tcase_add_test(tc, silence_is_measured_from_what_was_heard);
    tcase_add_test(tc, a_flood_of_pings_gets_few_answers);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
