/* Records that come while their owner can deal with nothing: heartbeats are heeded, the rest waits
 * in its order. */
#include "ends.h"

#include "session/state.h"

/* As carry, but what comes is set aside. */
static bool carry_aside(w4_session *from, w4_session *to) {
    w4_buffer frame = W4_BUFFER_INIT(65535);
    int r = w4_session_emit(from, &frame, now);
    ck_assert_int_ge(r, 0);
    if (r == 1) {
        ck_assert_int_eq(w4_session_set_aside(to, w4_buffer_bytes(&frame), true, now), 0);
    }
    w4_buffer_deinit(&frame);
    return r == 1;
}

typedef int emit_fn(w4_session *session, w4_buffer *out, uint64_t now_us);

static bool emits(emit_fn *emit, w4_session *s, w4_session *to) {
    w4_buffer frame = W4_BUFFER_INIT(65535);
    int r = emit(s, &frame, now);
    ck_assert_int_ge(r, 0);
    if (r == 1 && w4_session_aside(to) > 0) {
        ck_assert_int_eq(w4_session_set_aside(to, w4_buffer_bytes(&frame), true, now), 0);
    } else if (r == 1) {
        ck_assert_int_eq(w4_session_recv(to, w4_buffer_bytes(&frame), now), 0);
    }
    w4_buffer_deinit(&frame);
    return r == 1;
}

static bool answers(w4_session *s, w4_session *to) {
    return emits(w4_session_emit_answer, s, to);
}

static bool beats(w4_session *s, w4_session *to) {
    return emits(w4_session_emit_beat, s, to);
}

/* Its next heartbeat is due. */
static void ping(w4_session *s) {
    now += W4_US_PER_MS;
    s->heartbeat.ping_due = true;
}

START_TEST(heartbeats_pass_what_waits) {
    begin();
    open_link(true);
    w4_session_hold_acks(b, true);
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_int_eq(send(a, W4_CHANNEL_KNOWLEDGE, "bulk", i), 0);
        ck_assert(carry_aside(a, b));
    }
    size_t waits = w4_session_aside(b);
    ck_assert_uint_gt(waits, 0);
    uint64_t heard = stats_of(b).last_heard_us;
    ping(a);
    uint64_t asked = now;
    while (carry_aside(a, b)) {
    }
    ck_assert_uint_ge(w4_session_aside(b), waits);
    ck_assert_uint_gt(stats_of(b).last_heard_us, heard);
    now += 7;
    ck_assert(answers(b, a)); /* before anything else is dealt with */
    ck_assert(!answers(b, a));
    ck_assert_uint_eq(stats_of(a).ping_us, now - asked);
    no_more(b);
    no_more(a); /* nothing was acknowledged */

    w4_session_event e;
    unsigned came = 0;
    while (w4_session_aside(b) > 0) {
        ck_assert_int_eq(w4_session_recv_aside(b, now), 0);
        while (w4_session_pop_event(b, &e)) {
            ck_assert_int_eq(e.kind, W4_SESSION_EVENT_MESSAGE);
            came++;
        }
    }
    ck_assert_uint_eq(came, 5);
    w4_session_hold_acks(b, false);
    settle();
    ck_assert_uint_eq(w4_session_channel_stats(a, W4_CHANNEL_KNOWLEDGE)->retransmitted, 0);
    finish();
}
END_TEST

/* Nothing but that it lives, when it is time for that. */
START_TEST(who_deals_with_nothing_asks_all_the_same) {
    begin();
    open_link(true);
    w4_session_hold_acks(b, true);
    ck_assert_int_eq(send(a, W4_CHANNEL_STATE, "word", 1), 0);
    ck_assert_int_eq(send(b, W4_CHANNEL_STATE, "word", 1), 0);
    ck_assert(carry_aside(a, b));
    ck_assert(!beats(b, a));
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_uint_gt(w4_session_beat_at(b), now);
        now = w4_session_beat_at(b);
        uint64_t asked = now;
        ck_assert(beats(b, a));
        ck_assert(!beats(b, a));
        now += 5;
        ck_assert(answers(a, b));
        ck_assert_uint_eq(stats_of(b).ping_us, now - asked);
    }
    no_more(a); /* neither a message nor that one was taken */
    ck_assert_int_eq(w4_session_recv_aside(b, now), 0);
    ck_assert(w4_bytes_equal_text(next(b, W4_SESSION_EVENT_MESSAGE).message, "word"));
    w4_session_hold_acks(b, false);
    settle();
    w4_session_detach(b, now);
    ck_assert_uint_eq(w4_session_beat_at(b), W4_NEVER);
    ck_assert(!beats(b, a));
    finish();
}
END_TEST

/* Whose link has just come tells which session this is, unless its ACKs would go before what is to
 * be said with them. */
START_TEST(who_deals_with_nothing_opens_all_the_same) {
    for (int says = 0; says < 2; says++) {
        begin();
        open_link(true);
        cut();
        if (says) {
            ck_assert_int_eq(send(b, W4_CHANNEL_CONTROL, "not taken", 1), 0);
        }
        link_up(true);
        w4_session_hold_acks(b, true);
        ck_assert_int_eq(beats(b, a), !says);
        ck_assert_uint_gt(w4_session_beat_at(b), now);
        ck_assert_int_eq(a->phase == W4_PHASE_OPEN, !says);
        w4_session_hold_acks(b, false);
        ck_assert_uint_eq(settle(), (unsigned)says);
        ck_assert_int_eq(a->phase, W4_PHASE_OPEN);
        finish();
    }
}
END_TEST

START_TEST(answers_are_measured_when_they_come) {
    begin();
    open_link(true);
    ping(a);
    uint64_t asked = now;
    ck_assert(carry(a, b));
    now += 11;
    ck_assert_int_eq(send(b, W4_CHANNEL_STATE, "word", 1), 0);
    while (carry_aside(b, a)) {
    }
    ck_assert_uint_eq(stats_of(a).ping_us, now - asked);
    now += W4_US_PER_S;
    ck_assert_int_eq(w4_session_recv_aside(a, now), 0);
    ck_assert(w4_bytes_equal_text(next(a, W4_SESSION_EVENT_MESSAGE).message, "word"));
    ck_assert_uint_lt(stats_of(a).ping_us, W4_US_PER_S);
    finish();
}
END_TEST

static void begin_with_one_aside(void) {
    begin();
    open_link(true);
    ck_assert_int_eq(send(a, W4_CHANNEL_STATE, "one", 1), 0);
    ck_assert(carry_aside(a, b));
}

/* Nothing overtakes what waits; what is lost so comes again. */
START_TEST(what_comes_before_its_time_is_passed_over) {
    begin_with_one_aside();
    ck_assert_int_eq(send(a, W4_CHANNEL_STATE, "two", 2), 0);
    ck_assert(carry(a, b));
    ck_assert_uint_eq(stats_of(b).undrained, 1);
    no_more(b);
    ck_assert_int_eq(w4_session_recv_aside(b, now), 0);
    ck_assert(w4_bytes_equal_text(next(b, W4_SESSION_EVENT_MESSAGE).message, "one"));
    ck_assert_int_eq(w4_session_recv_aside(b, now), 0); /* there is no more */
    no_more(b);
    wait_for(a);
    ck_assert_uint_eq(settle(), 1);
    finish();
}
END_TEST

/* Until the link goes, with all that was said over it. */
START_TEST(it_goes_with_the_link) {
    begin_with_one_aside();
    size_t more = w4_session_memory(b);
    cut();
    ck_assert_uint_eq(w4_session_aside(b), 0);
    ck_assert_uint_lt(w4_session_memory(b), more);
    ck_assert_int_eq(w4_session_recv_aside(b, now), 0);
    no_more(b);
    link_up(true);
    ck_assert_uint_eq(settle(), 1); /* once */
    finish();
}
END_TEST

/* A fault is one when its turn has come. */
START_TEST(an_end_waits_its_turn) {
    begin_with_one_aside();
    w4_session_close(a, W4_REFUSAL_NONE, "enough", now);
    ck_assert(carry_aside(a, b));
    no_more(b);
    ck_assert_int_eq(w4_session_recv_aside(b, now), 0);
    ck_assert(w4_bytes_equal_text(next(b, W4_SESSION_EVENT_MESSAGE).message, "one"));
    ck_assert_int_eq(w4_session_recv_aside(b, now), 0);
    closed(b, W4_REFUSAL_NONE, true);
    finish();
}
END_TEST

/* Three in a row end the link here as well, and so many bytes wait at most. */
START_TEST(it_is_no_way_around_a_bound) {
    static uint8_t forged[W4_RECORD_MAX + 1];
    begin();
    open_link(true);
    memset(forged, 0x77, sizeof forged);
    for (unsigned i = 0; i < 3; i++) {
        size_t len = i == 0 ? sizeof forged : 100;
        ck_assert_int_eq(w4_session_set_aside(b, w4_bytes_of(forged, len), true, now), 0);
    }
    ck_assert_uint_eq(stats_of(b).verification_failures, 3);
    ck_assert_int_eq(next(b, W4_SESSION_EVENT_LINK_LOST).code, W4_REFUSAL_AUTH_FAILURE);
    ck_assert_int_eq(w4_session_set_aside(b, w4_bytes_of(forged, 100), true, now), 0);
    ck_assert_uint_eq(stats_of(b).verification_failures, 3);
    cut();

    link_up(true);
    settle();
    ck_assert_uint_eq(b->aside.max, W4_SESSION_ASIDE_MAX + W4_ASIDE_BEYOND);
    b->aside.max = 1000 + W4_ASIDE_BEYOND;
    unsigned sent = 0;
    while (stats_of(b).undrained == 0) {
        ck_assert_int_eq(send(a, W4_CHANNEL_STATE, "a word of some length", ++sent), 0);
        ck_assert(carry_aside(a, b));
        ck_assert_uint_le(w4_session_aside(b), 1000);
    }
    ck_assert_uint_gt(sent, 10);
    unsigned came = 0;
    w4_session_event e;
    while (w4_session_aside(b) > 0) {
        ck_assert_int_eq(w4_session_recv_aside(b, now), 0);
        while (w4_session_pop_event(b, &e)) {
            came++;
        }
    }
    ck_assert_uint_eq(came, sent - 1);
    wait_for(a);
    ck_assert_uint_eq(settle(), 1);
    finish();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("session aside");
    TCase *tc = tcase_create("aside");
    tcase_add_test(tc, heartbeats_pass_what_waits);
    tcase_add_test(tc, who_deals_with_nothing_asks_all_the_same);
    tcase_add_test(tc, who_deals_with_nothing_opens_all_the_same);
    tcase_add_test(tc, answers_are_measured_when_they_come);
    tcase_add_test(tc, what_comes_before_its_time_is_passed_over);
    tcase_add_test(tc, it_goes_with_the_link);
    tcase_add_test(tc, an_end_waits_its_turn);
    tcase_add_test(tc, it_is_no_way_around_a_bound);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
