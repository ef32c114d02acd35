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
    token = w4_heartbeat_take_ping(&h, &env, 0, 100); /* at once */
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
    other = w4_heartbeat_take_ping(&h, &env, 0, 5100);
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
        tokens[i] = w4_heartbeat_take_ping(&h, &env, 0, 5000 * i);
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

/* ---- who sends and does not read: a PING went at 0; times in ms, 0 ends a list */

#define MS W4_US_PER_MS

typedef struct unread_row {
    const char *name;
    bool more;         /* is to be sent */
    unsigned in_front; /* bytes before the PING */
    unsigned speed;    /* of the link, as seen */
    unsigned trip;     /* ms, of an earlier PING */
    unsigned record;   /* bytes of DATA in each record that comes */
    unsigned heard[8]; /* when */
    unsigned read;     /* an ACK of something new came with that one */
    unsigned unread;   /* since when it counts as such; 0: it does not */
} unread_row;

/* clang-format off */
static const unread_row unread_rows[] = {
    {"nothing comes",                true,  0,     0,       0,   50,   {0},                        0,    0},
    {"only what was under way",      true,  0,     0,       0,   50,   {100, 2000, 4900, 0},       0,    0},
    {"a stalled process wakes up",   true,  0,     0,       0,   50,   {12000, 12001, 13000, 0},   0,    0},
    {"and goes on unmoved",          true,  0,     0,       0,   50,   {12000, 13250, 0},          0,    10100},
    {"PINGs each 5 s",               true,  0,     0,       0,   50,   {4900, 9900, 14900, 0},     0,    10150},
    {"and nothing is to be sent",    false, 0,     0,       0,   50,   {4900, 9900, 14900, 0},     0,    15000},
    {"it acknowledges meanwhile",    true,  0,     0,       0,   50,   {4900, 9900, 14900, 0},     9900, 0},
    {"and then no more",             true,  0,     0,       0,   50,   {5000, 10000, 15000, 19000, 0}, 5000, 15100},
    {"a slow link, our part before", true,  16384, 0,       0,   50,   {5000, 10000, 15000, 0},    0,    15000},
    {"as slow as was seen",          true,  8192,  4096,    0,   50,   {5000, 10000, 0},           0,    12100},
    {"a fast link",                  true,  65536, 65536000, 0,  50,   {5000, 10000, 0},           0,    10101},
    {"an answer that came fast",     true,  16000, 0,       1,   40,   {5000, 10000, 0},           0,    10406},
    {"a long way",                   true,  0,     0,       600, 50,   {5000, 10000, 0},           0,    12500},
    {"bulk in front of the answer",  true,  0,     0,       0,   4000, {4000, 8000, 12000, 0},     0,    15000},
    {"bulk without end",             true,  0,     0,       0,   9000, {5000, 10000, 0},           0,    15000},
};
/* clang-format on */

START_TEST(who_does_not_read) {
    const unread_row *row = &unread_rows[_i];
    uint64_t start = 77 * W4_US_PER_S;
    w4_rtt_init(&rtt, true);
    w4_heartbeat_start(&h, 5 * W4_US_PER_S, 15 * W4_US_PER_S, start - row->trip * MS);
    if (row->trip > 0) {
        uint64_t token = w4_heartbeat_take_ping(&h, &env, 0, start - row->trip * MS);
        ck_assert(w4_heartbeat_recv_pong(&h, token, &rtt, start));
    }
    uint64_t token = w4_heartbeat_take_ping(&h, &env, row->in_front, start);
    for (unsigned i = 0; row->heard[i] > 0; i++) {
        uint64_t now = start + row->heard[i] * MS;
        ck_assert_uint_ge(w4_heartbeat_unread_at(&h, row->more, row->speed), now);
        w4_heartbeat_heard(&h, now);
        w4_heartbeat_came(&h, row->record);
        if (row->heard[i] == row->read) {
            w4_heartbeat_is_read(&h, now);
        }
        if (w4_heartbeat_unread_at(&h, row->more, row->speed) != W4_NEVER) {
            break;
        }
    }
    uint64_t unread = w4_heartbeat_unread_at(&h, row->more, row->speed);
    ck_assert_msg(unread == (row->unread > 0 ? start + row->unread * MS : W4_NEVER),
                  "%s: since %ju us", row->name,
                  (uintmax_t)(unread == W4_NEVER ? 0 : unread - start));
    w4_heartbeat_recv_pong(&h, token, &rtt, start + 40 * W4_US_PER_S);
    ck_assert_uint_eq(w4_heartbeat_unread_at(&h, true, 0), W4_NEVER); /* it does */
}
END_TEST

START_TEST(a_later_ping_that_is_answered_will_do) {
    uint64_t tokens[4];
    w4_rtt_init(&rtt, false);
    w4_heartbeat_start(&h, 5000, 15000, 0);
    for (uint64_t i = 0; i < 4; i++) {
        tokens[i] = w4_heartbeat_take_ping(&h, &env, 0, 5000 * i);
    }
    ck_assert_uint_eq(h.asked_us, 0);
    ck_assert(w4_heartbeat_recv_pong(&h, tokens[2], &rtt, 15001)); /* others were lost */
    ck_assert_uint_eq(h.asked_us, 15000);
    ck_assert(!w4_heartbeat_recv_pong(&h, tokens[0], &rtt, 15002)); /* late: no more than it is */
    ck_assert_uint_eq(h.asked_us, 15000);
    w4_heartbeat_forget_pings(&h); /* our keys are others: what was asked before is asked still */
    (void)w4_heartbeat_take_ping(&h, &env, 0, 15003);
    ck_assert_uint_eq(h.asked_us, 15000);
    ck_assert(!w4_heartbeat_recv_pong(&h, tokens[3], &rtt, 15004)); /* no measure of the way */
    ck_assert_uint_eq(h.asked_us, 15003);
}
END_TEST

START_TEST(lost_answers_are_asked_for_again_soon) {
    w4_heartbeat_start(&h, 4000, 12000, 0);
    (void)w4_heartbeat_take_ping(&h, &env, 0, 0);
    ck_assert(w4_heartbeat_expire(&h, 4000)); /* a silent one costs no more */
    (void)w4_heartbeat_take_ping(&h, &env, 0, 4000);
    ck_assert(!w4_heartbeat_expire(&h, 7999));
    w4_heartbeat_heard(&h, 7999);
    ck_assert(w4_heartbeat_expire(&h, 8000));
    (void)w4_heartbeat_take_ping(&h, &env, 0, 8000);
    ck_assert(!w4_heartbeat_expire(&h, 8999));
    ck_assert(w4_heartbeat_expire(&h, 9000));
    ck_assert(w4_heartbeat_recv_pong(&h, h.asked.token, &rtt, 9001));
    ck_assert(w4_heartbeat_recv_pong(&h, h.asked.token, &rtt, 9001));
    ck_assert(w4_heartbeat_expire(&h, 10000));
    ck_assert(!w4_heartbeat_expire(&h, 13999));
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
    tcase_add_loop_test(tc, who_does_not_read, 0,
                        (int)(sizeof unread_rows / sizeof unread_rows[0]));
    tcase_add_test(tc, a_later_ping_that_is_answered_will_do);
    tcase_add_test(tc, lost_answers_are_asked_for_again_soon);
    tcase_add_test(tc, a_flood_of_pings_gets_few_answers);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
