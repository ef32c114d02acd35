/* Several who send over one channel: who floods it does not starve the others. */
#include "pair.h"

#include "session/outbox.h"

#define FLOOD UINT64_C(1)
#define QUIET UINT64_C(2)

static w4_channel_limits limits;
static w4_outbox o;
static w4_pace pace;
static w4_rtt rtt;
static uint64_t now;
static uint8_t wire[W4_FRAME_HEADER + W4_PART_MAX];

static void begin(uint32_t messages_max, w4_overflow overflow) {
    now = PAIR_START_US;
    limits = (w4_channel_limits){.messages_max = messages_max,
                                 .bytes_max = 1u << 20,
                                 .credit = 9,
                                 .overflow = overflow,
                                 .block_timeout_us = 100 * W4_US_PER_MS};
    w4_rtt_init(&rtt, true);
    w4_pace_start(&pace, now);
    pace.window = W4_PACE_WINDOW_MAX;
    w4_outbox_init(&o, W4_CHANNEL_STATE, &limits, NULL, &pace);
}

static void finish(void) {
    ck_assert(w4_channel_stats_balanced(&o.stats));
    w4_outbox_deinit(&o);
}

/* token: whose it is in thousands, and its number. */
static int push_sized(uint64_t producer, uint64_t number, size_t len) {
    static uint8_t bytes[1u << 20];
    const w4_sending sending = {.message = w4_bytes_of(bytes, len),
                                .token = producer * 1000000 + number,
                                .producer = producer,
                                .deadline_us = W4_NEVER};
    return w4_outbox_push(&o, &sending, 1u << 20, now);
}

static int push(uint64_t producer, uint64_t number) {
    return push_sized(producer, number, 10);
}

/* The peer takes one message more. */
static void take_one(void) {
    w4_outbox_grant(&o, o.acked, 1);
    while (w4_outbox_ready(&o) > 0) {
        (void)w4_outbox_put(&o, W4_CHANNEL_ID(W4_CHANNEL_STATE), wire, now);
    }
    ck_assert(w4_outbox_acknowledge(&o, o.high, false, &rtt, now));
}

/* The next one that was delivered, by whom; 0: none. Others that ended are passed over. */
static uint64_t next_delivered(uint64_t *ret_number) {
    w4_outcome outcome;
    while (w4_outbox_pop_outcome(&o, &outcome)) {
        if (!outcome.admitted && outcome.code == W4_REFUSAL_NONE) {
            *ret_number = outcome.token % 1000000;
            return outcome.token / 1000000;
        }
    }
    return 0;
}

START_TEST(each_has_its_turn) {
    static const uint64_t order[] = {1, 2, 3, 1, 2, 1, 1};
    uint64_t number, last[4] = {0};
    begin(100, W4_OVERFLOW_ERROR);
    for (uint64_t i = 1; i <= 4; i++) {
        push(1, i);
    }
    push(2, 1);
    push(3, 1);
    push(2, 2);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        take_one();
        ck_assert_uint_eq(next_delivered(&number), order[i]);
        ck_assert_uint_eq(number, ++last[order[i]]); /* each in its own order */
    }
    finish();
}
END_TEST

/* A full queue, a slow peer, and one who always tries again at once. */
static unsigned quiet_ones_accepted(w4_overflow overflow, uint64_t pause_us) {
    unsigned accepted = 0, number = 0;
    begin(64, overflow);
    uint64_t at_us = now + pause_us;
    for (unsigned i = 0; i < 20000; i++) {
        now += 2 * W4_US_PER_MS;
        take_one();
        w4_outbox_expire(&o, &rtt, now);
        for (unsigned k = 0; k < 3; k++) {
            (void)push(FLOOD, i);
        }
        if (now >= at_us) {
            at_us = now + pause_us;
            int r = push(QUIET, number++);
            accepted += r == 0 || r == W4_SESSION_E_WAITS;
        }
        for (uint64_t n; next_delivered(&n) != 0;) {
        }
    }
    finish();
    return accepted * 100 / number;
}

START_TEST(who_floods_leaves_room) {
    static const w4_overflow refusing[] = {W4_OVERFLOW_ERROR, W4_OVERFLOW_DROP_NEWEST};
    for (size_t i = 0; i < sizeof refusing / sizeof *refusing; i++) {
        ck_assert_uint_ge(quiet_ones_accepted(refusing[i], 100 * W4_US_PER_MS), 95);
        ck_assert_uint_ge(quiet_ones_accepted(refusing[i], 3 * W4_US_PER_S), 60);
    }
    ck_assert_uint_eq(quiet_ones_accepted(W4_OVERFLOW_DROP_OLDEST, 100 * W4_US_PER_MS), 100);
    ck_assert_uint_eq(quiet_ones_accepted(W4_OVERFLOW_BLOCK, 100 * W4_US_PER_MS), 100);
}
END_TEST

START_TEST(alone_one_may_have_it_all) {
    begin(64, W4_OVERFLOW_ERROR);
    for (uint64_t i = 0; i < 64; i++) {
        ck_assert_int_eq(push(FLOOD, i), 0);
    }
    ck_assert_int_eq(push(FLOOD, 64), W4_SESSION_E_FULL);
    take_one();
    ck_assert_int_eq(push(FLOOD, 65), 0);
    /* One that was refused has the next place, and one more than half is too much for now. */
    ck_assert_int_eq(push(QUIET, 0), W4_SESSION_E_FULL);
    take_one();
    ck_assert_int_eq(push(FLOOD, 66), W4_SESSION_E_FULL);
    ck_assert_int_eq(push(QUIET, 1), 0);
    now += W4_WANT_US; /* and is forgotten in time */
    take_one();
    ck_assert_int_eq(push(FLOOD, 67), 0);
    finish();
}
END_TEST

START_TEST(large_ones_do_not_crowd_out_small_ones) {
    begin(1000, W4_OVERFLOW_ERROR);
    for (uint64_t i = 0; i < 16; i++) {
        ck_assert_int_eq(push_sized(FLOOD, i, 1u << 16), 0);
    }
    ck_assert_int_eq(push(QUIET, 0), W4_SESSION_E_FULL);
    take_one();
    ck_assert_int_eq(push_sized(FLOOD, 20, 1), W4_SESSION_E_FULL); /* it has its share of bytes */
    ck_assert_int_eq(push(QUIET, 1), 0);
    finish();
}
END_TEST

START_TEST(the_one_who_holds_most_loses) {
    uint64_t number;
    begin(10, W4_OVERFLOW_DROP_OLDEST);
    ck_assert_int_eq(push(QUIET, 0), 0);
    for (uint64_t i = 0; i < 100; i++) {
        ck_assert_int_eq(push(FLOOD, i), 0);
        ck_assert_uint_eq(next_delivered(&number), 0);
    }
    ck_assert_uint_eq(o.stats.dropped_oldest, 91);
    take_one();
    ck_assert_uint_eq(next_delivered(&number), QUIET);
    take_one();
    ck_assert_uint_eq(next_delivered(&number), FLOOD);
    ck_assert_uint_eq(number, 91);
    finish();
}
END_TEST

START_TEST(those_who_wait_are_let_in_by_turns) {
    static const uint64_t order[] = {1, 2, 1, 1};
    w4_outcome outcome;
    begin(1, W4_OVERFLOW_BLOCK);
    ck_assert_int_eq(push(3, 0), 0);
    for (uint64_t i = 0; i < 3; i++) {
        ck_assert_int_eq(push(1, i), W4_SESSION_E_WAITS);
    }
    ck_assert_int_eq(push(2, 0), W4_SESSION_E_WAITS);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        take_one();
        ck_assert(w4_outbox_pop_outcome(&o, &outcome) && outcome.admitted);
        ck_assert_uint_eq(outcome.token / 1000000, order[i]);
        ck_assert(w4_outbox_pop_outcome(&o, &outcome) && !outcome.admitted);
    }
    finish();
}
END_TEST

START_TEST(no_newcomer_overtakes_who_waits) {
    begin(10, W4_OVERFLOW_BLOCK);
    limits.bytes_max = 1000;
    for (uint64_t i = 0; i < 9; i++) {
        ck_assert_int_eq(push_sized(3, i, 100), 0);
    }
    ck_assert_int_eq(push_sized(1, 0, 200), W4_SESSION_E_WAITS);
    ck_assert_int_eq(push_sized(2, 0, 1), W4_SESSION_E_WAITS); /* though there is room for it */
    take_one();
    ck_assert_uint_eq(o.stats.waiting, 1);
    take_one();
    ck_assert_uint_eq(o.stats.waiting, 0);
    finish();
}
END_TEST

START_TEST(the_waiting_room_is_bounded) {
    begin(1, W4_OVERFLOW_BLOCK);
    limits.bytes_max = 400000;
    ck_assert_int_eq(push(0, 0), 0);
    for (uint64_t i = 0; i < W4_WAITING_MAX; i++) {
        ck_assert_int_eq(push(i + 1, 0), W4_SESSION_E_WAITS);
    }
    ck_assert_int_eq(push(999, 0), W4_SESSION_E_FULL);
    ck_assert_uint_eq(o.stats.errors, 1);
    w4_outbox_expire(&o, &rtt, now + limits.block_timeout_us);
    ck_assert_uint_eq(o.stats.waiting, 0);
    ck_assert_uint_eq(o.stats.errors, 1 + W4_WAITING_MAX);
    for (uint64_t n; next_delivered(&n) != 0;) {
    }
    /* By bytes too; one may always wait, else it could never be sent. */
    ck_assert_int_eq(push_sized(1, 0, 350000), W4_SESSION_E_WAITS);
    ck_assert_int_eq(push_sized(2, 0, 1), W4_SESSION_E_FULL);
    finish();
}
END_TEST

/* More than are told apart share turns; each still has its own order, also those who come back. */
START_TEST(very_many_keep_their_order) {
    enum { MANY = 2 * W4_PRODUCERS_MAX };
    static uint64_t sent[MANY + 1], got[MANY + 1];
    pair_random dice = {.state = 7};
    uint64_t producer, number;
    memset(sent, 0, sizeof sent);
    memset(got, 0, sizeof got);
    begin(4 * MANY, W4_OVERFLOW_ERROR);
    for (unsigned i = 0; i < 20000; i++) {
        producer = 1 + pair_below(&dice, MANY);
        if (push(producer, sent[producer]) == 0) {
            sent[producer]++;
        }
        bool drain = i % 5000 > 4000;
        for (unsigned k = 0; k < (drain ? 4 : pair_below(&dice, 2)); k++) {
            take_one();
        }
        ck_assert_uint_le(o.queue.known_count, W4_PRODUCERS_MAX + 1);
        while ((producer = next_delivered(&number)) != 0) {
            ck_assert_uint_eq(number, got[producer]++);
        }
    }
    finish();
}
END_TEST

/* ---- what is not worth sending any more */

static int push_until(uint64_t number, uint64_t deadline_us, bool of_session) {
    const w4_sending sending = {
        .token = number, .deadline_us = deadline_us, .of_session = of_session};
    return w4_outbox_push(&o, &sending, 1u << 20, now);
}

static void ended(uint64_t token, w4_refusal code) {
    w4_outcome outcome;
    ck_assert(w4_outbox_pop_outcome(&o, &outcome));
    ck_assert_uint_eq(outcome.token, token);
    ck_assert_int_eq(outcome.code, code);
}

START_TEST(what_is_overdue_is_not_begun) {
    begin(4, W4_OVERFLOW_ERROR);
    w4_outbox_grant(&o, 0, 1);
    push_until(0, now + 100, false);
    (void)w4_outbox_put(&o, W4_CHANNEL_ID(W4_CHANNEL_STATE), wire, now); /* on its way in time */
    push_until(1, now + 100, false);
    push_until(2, W4_NEVER, false);
    push_until(3, now + 200, false);
    ck_assert_uint_eq(w4_outbox_deadline(&o), now + 100);
    now += 100;
    w4_outbox_expire(&o, &rtt, now);
    ended(1, W4_REFUSAL_TIMEOUT);
    ck_assert_uint_gt(w4_outbox_deadline(&o), now); /* no look at all of it for each of them */
    ck_assert_uint_le(w4_outbox_deadline(&o), now + 100 * W4_US_PER_MS);
    now = w4_outbox_deadline(&o);
    w4_outbox_expire(&o, &rtt, now);
    ended(3, W4_REFUSAL_TIMEOUT);
    ck_assert(w4_outbox_acknowledge(&o, 1, false, &rtt, now));
    ended(0, W4_REFUSAL_NONE);
    ck_assert_uint_eq(o.stats.failed, 2);
    ck_assert_uint_eq(o.stats.queued, 1);
    finish();
}
END_TEST

START_TEST(what_is_overdue_takes_no_room) {
    begin(2, W4_OVERFLOW_ERROR);
    push_until(0, now + 100, false);
    push_until(1, W4_NEVER, false);
    ck_assert_int_eq(push_until(2, W4_NEVER, false), W4_SESSION_E_FULL);
    now += 100;
    ck_assert_int_eq(push_until(3, W4_NEVER, false), 0);
    ended(0, W4_REFUSAL_TIMEOUT);
    finish();
}
END_TEST

START_TEST(some_end_with_their_session) {
    begin(2, W4_OVERFLOW_BLOCK);
    push_until(0, W4_NEVER, true);
    push_until(1, W4_NEVER, false);
    ck_assert_int_eq(push_until(2, W4_NEVER, true), W4_SESSION_E_WAITS);
    ck_assert_int_eq(push_until(3, W4_NEVER, false), W4_SESSION_E_WAITS);
    w4_outbox_link_down(&o);
    w4_pace_start(&pace, now); /* the same session: nothing ends */
    ck_assert_uint_eq(o.stats.waiting, 2);
    w4_outbox_restart(&o, now);
    w4_outcome admitted;
    ck_assert(w4_outbox_pop_outcome(&o, &admitted) && admitted.admitted && admitted.token == 3);
    ended(0, W4_REFUSAL_DISCONNECTED);
    ended(2, W4_REFUSAL_DISCONNECTED);
    ck_assert_uint_eq(o.stats.queued, 2);
    finish();
}
END_TEST

START_TEST(taking_back_makes_room) {
    w4_outcome outcome;
    begin(1, W4_OVERFLOW_BLOCK);
    push_until(0, W4_NEVER, false);
    push_until(1, W4_NEVER, false);
    push_until(2, W4_NEVER, false);
    ck_assert(w4_outbox_withdraw(&o, 2, W4_REFUSAL_POLICY_DENIED, now));
    ended(2, W4_REFUSAL_POLICY_DENIED);
    ck_assert(w4_outbox_withdraw(&o, 0, W4_REFUSAL_POLICY_DENIED, now));
    ck_assert(w4_outbox_pop_outcome(&o, &outcome) && outcome.admitted && outcome.token == 1);
    ended(0, W4_REFUSAL_POLICY_DENIED);
    ck_assert(!w4_outbox_withdraw(&o, 0, W4_REFUSAL_POLICY_DENIED, now));
    w4_outbox_grant(&o, 0, 1);
    (void)w4_outbox_put(&o, W4_CHANNEL_ID(W4_CHANNEL_STATE), wire, now);
    ck_assert(!w4_outbox_withdraw(&o, 1, W4_REFUSAL_POLICY_DENIED, now)); /* too late */
    finish();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("fair");
    TCase *tc = tcase_create("fair");
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, each_has_its_turn);
    tcase_add_test(tc, who_floods_leaves_room);
    tcase_add_test(tc, alone_one_may_have_it_all);
    tcase_add_test(tc, large_ones_do_not_crowd_out_small_ones);
    tcase_add_test(tc, the_one_who_holds_most_loses);
    tcase_add_test(tc, those_who_wait_are_let_in_by_turns);
    tcase_add_test(tc, no_newcomer_overtakes_who_waits);
    tcase_add_test(tc, the_waiting_room_is_bounded);
    tcase_add_test(tc, very_many_keep_their_order);
    tcase_add_test(tc, what_is_overdue_is_not_begun);
    tcase_add_test(tc, what_is_overdue_takes_no_room);
    tcase_add_test(tc, some_end_with_their_session);
    tcase_add_test(tc, taking_back_makes_room);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
