#include "pair.h"

#include "base/wire.h"
#include "session/outbox.h"

static w4_channel_limits limits;
static w4_outbox o;
static w4_pace pace;
static w4_rtt rtt;
static uint64_t now;
static uint8_t wire[W4_FRAME_HEADER + W4_PART_MAX];
static uint64_t pushed;

#define LOSSY_WINDOW (4 * W4_PACE_WINDOW_START)

static void check_laws(void) {
    const w4_channel_stats *s = &o.stats;
    if (!w4_channel_stats_balanced(s) || s->queued_bytes > limits.bytes_max ||
        s->queued + s->in_flight > limits.messages_max ||
        pace.flight[W4_CHANNEL_STATE] != o.flight ||
        o.flight > (size_t)(o.high - o.acked) * (W4_FRAME_HEADER + W4_PART_LEN)) {
        ck_abort_msg("the counters do not balance");
    }
}

static void begin(bool ordered, uint32_t messages_max, w4_overflow overflow) {
    now = PAIR_START_US;
    pushed = 0;
    limits = (w4_channel_limits){.messages_max = messages_max,
                                 .bytes_max = 1u << 20,
                                 .credit = 9,
                                 .overflow = overflow,
                                 .block_timeout_us = 100 * W4_US_PER_MS};
    w4_rtt_init(&rtt, ordered);
    w4_pace_start(&pace, now);
    pace.window = ordered ? W4_PACE_WINDOW_MAX : LOSSY_WINDOW;
    w4_outbox_init(&o, W4_CHANNEL_STATE, &limits, NULL, &pace);
}

static void finish(void) {
    check_laws();
    w4_outbox_deinit(&o);
}

static int push_as(size_t len, bool spares) {
    static uint8_t bytes[1u << 20];
    const w4_sending sending = {.message = w4_bytes_of(bytes, len),
                                .token = pushed,
                                .deadline_us = W4_NEVER,
                                .spares = spares};
    int r = w4_outbox_push(&o, &sending, 1u << 20, now);
    pushed += r == 0 || r == W4_SESSION_E_WAITS;
    check_laws();
    return r;
}

static int push(size_t len) {
    return push_as(len, false);
}

/* Puts all that is ready on the wire. Returns how many parts that was. */
static unsigned put_all(void) {
    unsigned parts = 0;
    size_t len;
    while ((len = w4_outbox_ready(&o)) > 0) {
        uint8_t *end = w4_outbox_put(&o, W4_CHANNEL_ID(W4_CHANNEL_STATE), wire, now);
        ck_assert_uint_eq((size_t)(end - wire), len);
        parts++;
    }
    w4_outbox_arm(&o, &rtt, now);
    check_laws();
    return parts;
}

static void acknowledge(uint64_t seq, uint32_t credit, bool gap) {
    ck_assert(w4_outbox_acknowledge(&o, seq, gap, &rtt, now));
    w4_outbox_grant(&o, seq, credit);
    w4_outbox_arm(&o, &rtt, now);
    check_laws();
}

static void ended(uint64_t token, w4_refusal code) {
    w4_outcome outcome;
    ck_assert(w4_outbox_pop_outcome(&o, &outcome));
    ck_assert(!outcome.admitted);
    ck_assert_uint_eq(outcome.token, token);
    ck_assert_int_eq(outcome.code, code);
}

static void none_ended(void) {
    w4_outcome outcome;
    ck_assert(!w4_outbox_pop_outcome(&o, &outcome));
}

START_TEST(sends_no_more_than_it_is_allowed) {
    begin(true, 10, W4_OVERFLOW_ERROR);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(push(10), 0);
    }
    ck_assert_uint_eq(put_all(), 0); /* nothing is granted yet */
    acknowledge(0, 2, false);
    ck_assert_uint_eq(put_all(), 2);
    acknowledge(1, 1, false); /* the same bound */
    ck_assert_uint_eq(put_all(), 0);
    acknowledge(2, 2, false);
    ck_assert_uint_eq(put_all(), 2);
    acknowledge(2, 1, false); /* what was granted stays granted */
    acknowledge(3, 2, false);
    ck_assert_uint_eq(put_all(), 1);
    acknowledge(5, 0, false);
    for (uint64_t i = 0; i < 5; i++) {
        ended(i, W4_REFUSAL_NONE);
    }
    none_ended();
    finish();
}
END_TEST

START_TEST(asks_when_credit_does_not_come) {
    begin(true, 10, W4_OVERFLOW_ERROR);
    push(1);
    acknowledge(0, 0, false);
    ck_assert_uint_eq(put_all(), 0);
    uint64_t waited = 0;
    for (int i = 0; i < 12; i++) {
        ck_assert_uint_ne(o.timer_us, W4_NEVER);
        ck_assert_uint_ge(o.timer_us - now, waited);
        waited = o.timer_us - now;
        ck_assert_uint_le(waited, W4_RTO_MAX_US);
        now = o.timer_us;
        w4_outbox_expire(&o, &rtt, now);
        ck_assert(o.ask_due);
        o.ask_due = false;
    }
    ck_assert_uint_eq(waited, W4_RTO_MAX_US);
    acknowledge(0, 1, false);
    ck_assert_uint_eq(put_all(), 1);
    ck_assert_uint_le(o.timer_us - now, W4_RTO_FIRST_US + w4_pace_time_us(&pace));
    finish();
}
END_TEST

START_TEST(divides_messages_into_parts) {
    static const struct {
        size_t len;
        unsigned parts;
    } lens[] = {{0, 1},
                {1, 1},
                {W4_PART_LEN, 1},
                {W4_PART_LEN + 1, 2},
                {3 * W4_PART_LEN, 3},
                {3 * W4_PART_LEN + 1, 4}};
    begin(true, 10, W4_OVERFLOW_ERROR);
    acknowledge(0, 100, false);
    uint64_t seq = 0;
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        ck_assert_int_eq(push(lens[i].len), 0);
        size_t total = 0;
        for (unsigned part = 0; part < lens[i].parts; part++) {
            size_t len = w4_outbox_ready(&o);
            w4_outbox_put(&o, W4_CHANNEL_ID(W4_CHANNEL_STATE), wire, now);
            w4_bytes rest = w4_bytes_of(wire, len);
            w4_frame frame;
            ck_assert_int_eq(w4_frame_next(&rest, &frame), W4_FRAME_GOOD);
            ck_assert_uint_eq(frame.seq, seq++);
            ck_assert_uint_eq(frame.channel, W4_FRAME_CHANNEL(W4_CHANNEL_STATE));
            ck_assert_int_eq(frame.flags, part + 1 == lens[i].parts ? W4_FRAME_FIN : 0);
            total += frame.payload.len;
            check_laws();
        }
        ck_assert_uint_eq(total, lens[i].len);
        ck_assert_uint_eq(w4_outbox_ready(&o), 0);
        acknowledge(seq - (lens[i].parts > 1), 100, false); /* all but the last part */
        if (lens[i].parts > 1) {
            none_ended();
            acknowledge(seq, 100, false);
        }
        ended(i, W4_REFUSAL_NONE);
        ck_assert_uint_eq(o.flight, 0);
    }
    finish();
}
END_TEST

START_TEST(refuses_an_ack_of_what_was_not_sent) {
    begin(true, 10, W4_OVERFLOW_ERROR);
    acknowledge(0, 100, false);
    push(1);
    ck_assert(!w4_outbox_acknowledge(&o, 1, false, &rtt, now));
    put_all();
    ck_assert(!w4_outbox_acknowledge(&o, 2, false, &rtt, now));
    ck_assert(!w4_outbox_acknowledge(&o, UINT64_MAX, false, &rtt, now));
    none_ended();
    acknowledge(1, 100, false);
    ck_assert(w4_outbox_acknowledge(&o, 0, false, &rtt, now)); /* an old one */
    ended(0, W4_REFUSAL_NONE);
    none_ended();
    finish();
}
END_TEST

START_TEST(goes_back_when_the_timer_runs_out) {
    begin(false, 10, W4_OVERFLOW_ERROR);
    acknowledge(0, 100, false);
    push(100);
    push(2 * W4_PART_LEN);
    push(100);
    ck_assert_uint_eq(put_all(), 4);
    acknowledge(2, 98, false);                     /* one message, and a part of the next */
    uint64_t time_before = w4_pace_time_us(&pace); /* that the rest takes */
    ck_assert_uint_gt(time_before, 0);
    ended(0, W4_REFUSAL_NONE);
    w4_outbox_expire(&o, &rtt, o.timer_us - 1);
    ck_assert_uint_eq(w4_outbox_ready(&o), 0);
    uint64_t first = o.timer_us - now - time_before;
    now = o.timer_us;
    w4_outbox_expire(&o, &rtt, now);
    ck_assert_uint_eq(put_all(), 1); /* the part that is missing: no more until it is heard of */
    ck_assert_uint_eq(o.stats.retransmitted, 1);
    ck_assert_uint_eq(o.timer_us - now, 2 * first + w4_pace_time_us(&pace));
    acknowledge(4, 98, false);
    ended(1, W4_REFUSAL_NONE);
    ended(2, W4_REFUSAL_NONE);
    ck_assert_uint_eq(o.timer_us, W4_NEVER);
    finish();
}
END_TEST

START_TEST(retransmission_cannot_flood) {
    begin(false, 1000, W4_OVERFLOW_ERROR);
    acknowledge(0, 1000, false);
    for (int i = 0; i < 60; i++) {
        push(W4_PART_LEN);
    }
    ck_assert_uint_eq(put_all(), LOSSY_WINDOW / W4_PACE_WINDOW_START);
    for (int i = 0; i < 100; i++) { /* nobody ever answers */
        now = o.timer_us;
        w4_outbox_expire(&o, &rtt, now);
        ck_assert_uint_eq(put_all(), 1);
    }
    ck_assert_uint_gt(now - PAIR_START_US, 90 * W4_RTO_MAX_US);
    finish();
}
END_TEST

START_TEST(an_ordered_link_that_stalls_gets_little_more) {
    begin(true, 1000, W4_OVERFLOW_ERROR);
    acknowledge(0, 1000, false);
    for (int i = 0; i < 60; i++) {
        push(W4_PART_LEN);
    }
    ck_assert_uint_eq(put_all(), 60);
    for (int i = 0; i < 10; i++) {
        now = o.timer_us;
        w4_outbox_expire(&o, &rtt, now);
        ck_assert_uint_eq(put_all(), 1);
    }
    acknowledge(30, 1000, false);
    /* And more again once it is known to be fast. */
    pace.window = 4 * W4_PACE_WINDOW_START;
    ck_assert_uint_gt(put_all(), 2);
    finish();
}
END_TEST

START_TEST(goes_back_once_for_a_gap) {
    begin(false, 100, W4_OVERFLOW_ERROR);
    acknowledge(0, 100, false);
    for (int i = 0; i < 6; i++) {
        push(10);
    }
    ck_assert_uint_eq(put_all(), 6);
    acknowledge(1, 99, true); /* the second part is missing */
    ck_assert_uint_eq(put_all(), 0);
    acknowledge(1, 99, true);
    ck_assert_uint_eq(put_all(), 5);
    acknowledge(1, 99, true); /* from those that were on their way still */
    acknowledge(1, 99, true);
    acknowledge(1, 99, true);
    ck_assert_uint_eq(put_all(), 0);
    acknowledge(6, 94, false);
    ck_assert_uint_eq(o.stats.delivered, 6);
    ck_assert_uint_eq(o.stats.retransmitted, 5);
    finish();
}
END_TEST

START_TEST(an_ack_may_overtake_the_way_back) {
    begin(false, 100, W4_OVERFLOW_ERROR);
    acknowledge(0, 100, false);
    push(10);
    push(2 * W4_PART_LEN);
    push(10);
    ck_assert_uint_eq(put_all(), 4);
    now = o.timer_us;
    w4_outbox_expire(&o, &rtt, now); /* all to be sent again, but they had come */
    acknowledge(2, 98, false);
    ck_assert_uint_eq(o.flight, 0);
    size_t len = w4_outbox_ready(&o);
    w4_outbox_put(&o, W4_CHANNEL_ID(W4_CHANNEL_STATE), wire, now);
    w4_bytes rest = w4_bytes_of(wire, len);
    w4_frame frame;
    ck_assert_int_eq(w4_frame_next(&rest, &frame), W4_FRAME_GOOD);
    ck_assert_uint_eq(frame.seq, 2);
    acknowledge(4, 97, false);
    ck_assert_uint_eq(put_all(), 0);
    ck_assert_uint_eq(o.stats.delivered, 3);
    ck_assert_uint_eq(o.flight, 0);
    finish();
}
END_TEST

START_TEST(a_resent_message_gives_no_round_trip_time) {
    begin(false, 10, W4_OVERFLOW_ERROR);
    acknowledge(0, 100, false);
    push(1);
    put_all();
    now = o.timer_us;
    w4_outbox_expire(&o, &rtt, now);
    put_all();
    now += 5;
    acknowledge(1, 100, false);
    ck_assert_uint_eq(rtt.smoothed_us, 0);
    push(1);
    put_all();
    now += 777;
    acknowledge(2, 100, false);
    ck_assert_uint_eq(rtt.smoothed_us, 777);
    finish();
}
END_TEST

/* ---- bounds; the policies are in test_overflow.c */

START_TEST(bytes_are_bounded_too) {
    begin(true, 1000, W4_OVERFLOW_ERROR);
    limits.bytes_max = 1000;
    ck_assert_int_eq(push(1001), W4_SESSION_E_TOO_LARGE);
    ck_assert_int_eq(push(600), 0);
    ck_assert_int_eq(push(401), W4_SESSION_E_FULL);
    ck_assert_int_eq(push(400), 0);
    ck_assert_int_eq(push(0), 0);
    ck_assert_int_eq(push(1), W4_SESSION_E_FULL);
    finish();
}
END_TEST

/* Else what is brought again in one turn, more than there is room for, would drop its own first
 * ones each time, and none of it would ever be sent. */
START_TEST(what_comes_again_drops_nothing) {
    begin(true, 4, W4_OVERFLOW_DROP_OLDEST);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_int_eq(push_as(1, true), 0);
    }
    ck_assert_int_eq(push_as(1, true), W4_SESSION_E_FULL);
    ck_assert_uint_eq(o.stats.dropped_oldest, 0);
    ck_assert_uint_eq(o.stats.errors, 1);
    ck_assert_int_eq(push(1), 0);
    ended(0, W4_REFUSAL_BACKPRESSURE);
    finish();
}
END_TEST

START_TEST(outcomes_that_nobody_takes_are_bounded) {
    begin(true, 4, W4_OVERFLOW_ERROR);
    acknowledge(0, 100, false);
    unsigned taken = 0;
    for (uint64_t i = 0; i < 2 * W4_OUTBOX_ENDED_MIN; i++) {
        taken += push(1) == 0;
        put_all();
        acknowledge(o.high, 100, false);
    }
    ck_assert_uint_eq(taken, W4_OUTBOX_ENDED_MIN);
    finish();
}
END_TEST

/* ---- links and ends */

START_TEST(a_new_link_sends_the_rest_again) {
    begin(true, 10, W4_OVERFLOW_ERROR);
    acknowledge(0, 100, false);
    push(10);
    push(3 * W4_PART_LEN);
    put_all();
    acknowledge(2, 100, false);
    w4_outbox_link_down(&o);
    ck_assert_uint_eq(o.timer_us, W4_NEVER);
    now += 60 * W4_US_PER_S;
    w4_pace_start(&pace, now);
    pace.window = W4_PACE_WINDOW_MAX;
    ck_assert(w4_outbox_may_acknowledge(&o, 4));
    ck_assert(!w4_outbox_may_acknowledge(&o, 5));
    acknowledge(3, 100, false);
    ck_assert_uint_eq(put_all(), 1);
    acknowledge(4, 100, false);
    ended(0, W4_REFUSAL_NONE);
    ended(1, W4_REFUSAL_NONE);
    ck_assert_uint_lt(rtt.smoothed_us, 60 * W4_US_PER_S);
    finish();
}
END_TEST

START_TEST(the_time_between_links_is_no_round_trip_time) {
    begin(true, 10, W4_OVERFLOW_ERROR);
    acknowledge(0, 100, false);
    push(10);
    put_all();
    w4_outbox_link_down(&o);
    now += 60 * W4_US_PER_S;
    w4_pace_start(&pace, now);
    pace.window = W4_PACE_WINDOW_MAX;
    acknowledge(1, 100, false);
    ended(0, W4_REFUSAL_NONE);
    ck_assert_uint_eq(rtt.smoothed_us, 0);
    finish();
}
END_TEST

START_TEST(afresh_ends_only_what_was_started) {
    begin(true, 10, W4_OVERFLOW_ERROR);
    acknowledge(0, 2, false);
    push(10);
    push(2 * W4_PART_LEN);
    push(10);
    put_all();
    acknowledge(2, 1, false); /* message 1 is half there */
    w4_outbox_restart(&o, now);
    check_laws();
    ended(0, W4_REFUSAL_NONE);
    ended(1, W4_REFUSAL_DISCONNECTED);
    none_ended();
    ck_assert_uint_eq(o.stats.failed, 1);
    ck_assert_uint_eq(put_all(), 0); /* credit is of the session that is gone */
    acknowledge(0, 5, false);
    size_t len = w4_outbox_ready(&o);
    w4_outbox_put(&o, W4_CHANNEL_ID(W4_CHANNEL_STATE), wire, now);
    w4_bytes rest = w4_bytes_of(wire, len);
    w4_frame frame;
    ck_assert_int_eq(w4_frame_next(&rest, &frame), W4_FRAME_GOOD);
    ck_assert_uint_eq(frame.seq, 0);
    acknowledge(1, 5, false);
    ended(2, W4_REFUSAL_NONE);
    finish();
}
END_TEST

START_TEST(all_can_be_failed) {
    begin(true, 10, W4_OVERFLOW_ERROR);
    acknowledge(0, 1, false);
    push(10);
    push(10);
    put_all();
    w4_outbox_fail_all(&o, W4_REFUSAL_DISCONNECTED);
    ended(0, W4_REFUSAL_DISCONNECTED);
    ended(1, W4_REFUSAL_DISCONNECTED);
    none_ended();
    ck_assert_uint_eq(w4_outbox_ready(&o), 0);
    ck_assert_uint_eq(o.stats.queued_bytes, 0);
    finish();
}
END_TEST

START_TEST(what_the_peer_does_not_take_fails) {
    begin(true, 10, W4_OVERFLOW_ERROR);
    acknowledge(0, 1, false);
    push(100);
    push(100);
    push(50);
    push(101);
    put_all(); /* the first is on its way already */
    w4_outbox_fail_larger(&o, 99, now);
    ended(1, W4_REFUSAL_TOO_LARGE);
    ended(3, W4_REFUSAL_TOO_LARGE);
    none_ended();
    acknowledge(1, 5, false);
    ck_assert_uint_eq(put_all(), 1);
    acknowledge(2, 5, false);
    ended(0, W4_REFUSAL_NONE);
    ended(2, W4_REFUSAL_NONE);
    finish();
}
END_TEST

START_TEST(latency_takes_memory_for_what_was_seen_only) {
    w4_histogram h;
    begin(true, 10, W4_OVERFLOW_ERROR);
    acknowledge(0, 1, false);
    for (uint64_t i = 1; i <= 40; i++) {
        w4_outcome outcome;
        push(1);
        put_all();
        now += i * 100;
        acknowledge(i, 1, false);
        ck_assert(w4_outbox_pop_outcome(&o, &outcome));
        ck_assert_uint_eq(outcome.took_us, i * 100);
        w4_outbox_latency(&o, &h);
        ck_assert_uint_eq(h.count, i);
        ck_assert_uint_eq(h.max, i * 100);
        /* One row of 16 bytes for each power of two from 100 us on. */
        size_t rows = 1;
        while (i * 100 >= UINT64_C(128) << (rows - 1)) {
            rows++;
        }
        ck_assert_uint_eq(w4_outbox_latency_memory(&o), rows * 16);
    }
    finish();
}
END_TEST

START_TEST(knows_who_waits_too_long) {
    begin(true, 10, W4_OVERFLOW_ERROR);
    acknowledge(0, 2, false);
    for (unsigned i = 0; i < 3; i++) { /* two are sent, one is queued */
        push(1);
        now += 100;
    }
    put_all();
    static const struct {
        uint64_t longer_than_us, late, oldest_us;
    } rows[] = {{300, 0, 0}, {299, 1, 300}, {200, 1, 300}, {199, 2, 300}, {0, 3, 300}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        w4_sla_waiting waiting = w4_outbox_waiting(&o, rows[i].longer_than_us, now);
        ck_assert_uint_eq(waiting.late, rows[i].late);
        ck_assert_uint_eq(waiting.oldest_us, rows[i].oldest_us);
    }
    acknowledge(2, 2, false);
    ck_assert_uint_eq(w4_outbox_waiting(&o, 0, now).late, 1);
    ck_assert_uint_eq(w4_outbox_waiting(&o, 0, now).oldest_us, 100);
    finish();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("outbox");
    TCase *tc = tcase_create("outbox");
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, sends_no_more_than_it_is_allowed);
    tcase_add_test(tc, asks_when_credit_does_not_come);
    tcase_add_test(tc, divides_messages_into_parts);
    tcase_add_test(tc, refuses_an_ack_of_what_was_not_sent);
    tcase_add_test(tc, goes_back_when_the_timer_runs_out);
    tcase_add_test(tc, retransmission_cannot_flood);
    tcase_add_test(tc, an_ordered_link_that_stalls_gets_little_more);
    tcase_add_test(tc, goes_back_once_for_a_gap);
    tcase_add_test(tc, an_ack_may_overtake_the_way_back);
    tcase_add_test(tc, a_resent_message_gives_no_round_trip_time);
    tcase_add_test(tc, bytes_are_bounded_too);
    tcase_add_test(tc, what_comes_again_drops_nothing);
    tcase_add_test(tc, outcomes_that_nobody_takes_are_bounded);
    tcase_add_test(tc, a_new_link_sends_the_rest_again);
    tcase_add_test(tc, the_time_between_links_is_no_round_trip_time);
    tcase_add_test(tc, afresh_ends_only_what_was_started);
    tcase_add_test(tc, all_can_be_failed);
    tcase_add_test(tc, what_the_peer_does_not_take_fails);
    tcase_add_test(tc, latency_takes_memory_for_what_was_seen_only);
    tcase_add_test(tc, knows_who_waits_too_long);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
