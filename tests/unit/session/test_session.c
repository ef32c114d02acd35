#include "ends.h"

#include "session/state.h"

/* ---- opening */

START_TEST(opens_and_carries_messages_both_ways) {
    begin();
    ck_assert_ptr_null(w4_session_peer(a));
    link_up(true);
    ck_assert(w4_session_attached(a) && w4_session_attached(b));
    ck_assert(!carry(a, b)); /* the initiator waits for the responder's word */
    ck_assert(carry(b, a));
    ck_assert(!next(a, W4_SESSION_EVENT_OPEN).resumed);
    ck_assert(!next(b, W4_SESSION_EVENT_OPEN).resumed);
    ck_assert(carry(a, b));
    settle();
    ck_assert_mem_eq(w4_session_id(a), w4_session_id(b), W4_SESSION_ID_LEN);
    ck_assert_str_eq(w4_session_peer(a)->node, "ben");
    ck_assert_int_eq(send(a, W4_CHANNEL_STATE, "hello", 7), 0);
    ck_assert_int_eq(send(b, W4_CHANNEL_CONTROL, "there", 8), 0);
    ck_assert(carry(a, b));
    w4_session_event e = next(b, W4_SESSION_EVENT_MESSAGE);
    ck_assert_int_eq(e.channel, W4_CHANNEL_STATE);
    ck_assert(w4_bytes_equal_text(e.message, "hello"));
    no_more(b);
    ck_assert(carry(b, a));
    ck_assert(w4_bytes_equal_text(next(a, W4_SESSION_EVENT_MESSAGE).message, "there"));
    e = next(a, W4_SESSION_EVENT_DELIVERED);
    ck_assert_uint_eq(e.token, 7);
    ck_assert_int_eq(e.channel, W4_CHANNEL_STATE);
    no_more(a);
    ck_assert(carry(a, b));
    ck_assert_uint_eq(next(b, W4_SESSION_EVENT_DELIVERED).token, 8);
    ck_assert_uint_gt(stats_of(a).rtt_us, 0);
    finish();
}
END_TEST

START_TEST(messages_may_wait_for_the_first_link) {
    begin();
    send(a, W4_CHANNEL_STATE, "early", 1);
    send(b, W4_CHANNEL_STATE, "bird", 2);
    ck_assert(!carry(a, NULL));
    link_up(true);
    ck_assert_uint_eq(settle(), 2);
    ck_assert_uint_eq(w4_session_channel_stats(a, W4_CHANNEL_STATE)->delivered, 1);
    finish();
}
END_TEST

START_TEST(the_first_word_of_the_responder_may_be_lost) {
    begin();
    link_up(false);
    for (int i = 0; i < 3; i++) {
        ck_assert(carry(b, NULL));
        wait_for(b);
    }
    ck_assert(!carry(a, NULL));
    ck_assert(carry(b, a));
    next(a, W4_SESSION_EVENT_OPEN);
    ck_assert(carry(a, NULL)); /* so is the answer */
    send(b, W4_CHANNEL_STATE, "still here", 1);
    unsigned messages = 0;
    while (messages == 0) {
        wait_for(b);
        ck_assert(carry(b, a));
        no_more(a); /* it opens once */
        messages = settle();
    }
    ck_assert_uint_eq(messages, 1);
    ck_assert_uint_le(now, PAIR_START_US + 10 * W4_US_PER_S);
    finish();
}
END_TEST

START_TEST(message_3_may_be_lost) {
    w4_handshake_result ra, rb;
    w4_handshake *i, *r;
    w4_buffer frame = W4_BUFFER_INIT(65535);
    begin();
    ada.config.lossy_link = ben.config.lossy_link = true;
    ck_assert_int_eq(w4_handshake_new(&ada.env, &ada.config, true, now, &i), 0);
    ck_assert_int_eq(w4_handshake_new(&ben.env, &ben.config, false, now, &r), 0);
    w4_handshake_emit(i, &frame, now);
    w4_handshake_recv(r, w4_buffer_bytes(&frame), now);
    w4_buffer_clear(&frame);
    w4_handshake_emit(r, &frame, now);
    w4_handshake_recv(i, w4_buffer_bytes(&frame), now);
    w4_buffer_clear(&frame);
    ck_assert_int_eq(w4_handshake_emit(i, &frame, now), 1); /* into nowhere */
    ck_assert_int_eq(w4_handshake_take(i, &ra), 0);
    ck_assert_int_eq(w4_session_attach(a, &ra, false, now), 0);
    ck_assert(!carry(a, NULL));
    wait_for(a);
    w4_buffer_clear(&frame);
    ck_assert_int_eq(w4_session_emit(a, &frame, now), 1);
    w4_handshake_recv(r, w4_buffer_bytes(&frame), now);
    ck_assert(w4_handshake_done(r));
    ck_assert_int_eq(w4_handshake_take(r, &rb), 0);
    ck_assert_int_eq(w4_session_attach(b, &rb, false, now), 0);
    ck_assert_int_eq(w4_session_recv(b, w4_buffer_bytes(&frame), now), 0); /* again: no record */
    send(a, W4_CHANNEL_STATE, "x", 1);
    ck_assert_uint_eq(settle(), 1);
    ck_assert_uint_eq(stats_of(b).verification_failures, 1);
    w4_handshake_free(i);
    w4_handshake_free(r);
    w4_buffer_deinit(&frame);
    finish();
}
END_TEST

START_TEST(an_initiator_that_hears_nothing_gives_the_link_up) {
    begin();
    link_up(true);
    ck_assert_uint_eq(w4_session_deadline(a), now + 15 * W4_US_PER_S);
    wait_for(a);
    next(a, W4_SESSION_EVENT_HEARTBEAT_TIMEOUT);
    ck_assert_int_eq(next(a, W4_SESSION_EVENT_LINK_LOST).code, W4_REFUSAL_TIMEOUT);
    no_more(a);
    ck_assert(!w4_session_attached(a));
    link_up(true);
    settle();
    ck_assert(w4_session_attached(a));
    finish();
}
END_TEST

/* ---- life and silence */

START_TEST(a_silent_peer_times_out) {
    begin();
    open_link(true);
    uint64_t silent = now;
    unsigned pings = 0;
    w4_session_event e;
    while (!w4_session_pop_event(a, &e)) {
        wait_for(a);
        while (carry(a, NULL)) {
            pings++;
        }
    }
    ck_assert_int_eq(e.kind, W4_SESSION_EVENT_HEARTBEAT_TIMEOUT);
    e = next(a, W4_SESSION_EVENT_LINK_LOST);
    ck_assert_int_eq(e.code, W4_REFUSAL_TIMEOUT);
    ck_assert(!e.by_peer);
    ck_assert_str_ne(e.text, "");
    no_more(a);
    ck_assert_uint_ge(now, silent + 14 * W4_US_PER_S);
    ck_assert_uint_le(now, silent + 15 * W4_US_PER_S);
    ck_assert_uint_ge(pings, 2);
    ck_assert_uint_le(pings, 3);
    finish();
}
END_TEST

/* b goes on as ever, and takes nothing in. Returns how long that goes well. */
static uint64_t unread_for(uint64_t *ret_pings) {
    w4_session_event e;
    uint64_t start = now;
    *ret_pings = 0;
    while (!w4_session_pop_event(a, &e)) {
        w4_session *s = w4_session_deadline(a) < w4_session_deadline(b) ? a : b;
        wait_for(s);
        while (carry(a, NULL)) {
        }
        if (s == b) { /* who is not answered asks: that is life */
            b->heartbeat.heard_us = now;
            ck_assert(w4_session_attached(b));
            while (carry(b, a)) {
                ++*ret_pings;
            }
        }
        ck_assert_uint_lt(now, start + 100 * W4_US_PER_S);
    }
    ck_assert_int_eq(e.kind, W4_SESSION_EVENT_HEARTBEAT_TIMEOUT);
    ck_assert(e.unread);
    e = next(a, W4_SESSION_EVENT_LINK_LOST);
    ck_assert_int_eq(e.code, W4_REFUSAL_TIMEOUT);
    ck_assert_str_eq(e.text, "the peer does not read");
    no_more(a);
    return now - start;
}

START_TEST(a_peer_that_sends_and_reads_nothing_times_out) {
    uint64_t pings;
    begin();
    open_link(true);
    uint64_t took = unread_for(&pings);
    ck_assert_uint_ge(took, 15 * W4_US_PER_S);
    ck_assert_uint_le(took, 25 * W4_US_PER_S); /* a PING went at the end of the first interval */
    ck_assert_uint_ge(pings, 3);
    /* It may come again, and what was sent meanwhile is there then. */
    link_up(true);
    ck_assert_uint_eq(settle(), 0);
    ck_assert_int_eq(send(a, W4_CHANNEL_STATE, "one", 7), 0);
    took = unread_for(&pings);
    ck_assert_uint_ge(took, 10 * W4_US_PER_S);
    ck_assert_uint_le(took, 16 * W4_US_PER_S);
    link_up(true);
    ck_assert_uint_eq(settle(), 1);
    finish();
}
END_TEST

START_TEST(an_idle_pair_stays_alive) {
    begin();
    open_link(true);
    w4_session_stats before = stats_of(a);
    for (uint64_t end = now + 600 * W4_US_PER_S; now < end;) {
        wait_for(w4_session_deadline(a) < w4_session_deadline(b) ? a : b);
        settle();
    }
    ck_assert(w4_session_attached(a) && w4_session_attached(b));
    uint64_t records = stats_of(a).records_out - before.records_out;
    ck_assert_uint_ge(records, 120);
    ck_assert_uint_le(records, 2 * 120 + 4);
    finish();
}
END_TEST

START_TEST(the_slower_timers_count) {
    begin();
    ben.config.heartbeat_ms = 20000;
    ben.config.timeout_ms = 60000;
    open_link(true);
    ck_assert_uint_ge(w4_session_deadline(a), now + 19 * W4_US_PER_S);
    w4_session_event e;
    uint64_t silent = now;
    while (!w4_session_pop_event(a, &e)) {
        wait_for(a);
        while (carry(a, NULL)) {
        }
    }
    ck_assert_uint_ge(now, silent + 59 * W4_US_PER_S);
    finish();
}
END_TEST

/* ---- records that are not right */

START_TEST(three_forged_records_in_a_row_end_an_ordered_link) {
    uint8_t junk[100] = {0, 1}; /* a counter that was never seen */
    begin();
    open_link(true);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 2; i++) {
            ck_assert_int_eq(w4_session_recv(b, w4_bytes_of(junk, sizeof junk), now), 0);
        }
        send(a, W4_CHANNEL_STATE, "good", 1); /* one that is good breaks the row */
        ck_assert_uint_eq(settle(), 1);
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(w4_session_recv(b, w4_bytes_of(junk, (size_t)i), now), 0);
        no_more(b);
    }
    ck_assert_int_eq(w4_session_recv(b, w4_bytes_from_text("{\"plain\":\"json\"}"), now), 0);
    w4_session_event e = next(b, W4_SESSION_EVENT_LINK_LOST);
    ck_assert_int_eq(e.code, W4_REFUSAL_AUTH_FAILURE);
    no_more(b);
    ck_assert(!w4_session_attached(b));
    ck_assert_uint_eq(stats_of(b).verification_failures, 9);
    w4_session_detach(a, now);
    open_link(true);
    ck_assert(w4_session_attached(b));
    finish();
}
END_TEST

START_TEST(a_lossy_link_shrugs_forgeries_off) {
    uint8_t junk[100] = {0, 1}; /* a counter that was never seen */
    begin();
    open_link(false);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(w4_session_recv(b, w4_bytes_of(junk, sizeof junk), now), 0);
    }
    no_more(b);
    ck_assert_uint_eq(stats_of(b).verification_failures, 100);
    send(a, W4_CHANNEL_STATE, "x", 1);
    ck_assert_uint_eq(settle(), 1);
    finish();
}
END_TEST

START_TEST(a_replayed_record_is_dropped_and_counted) {
    w4_buffer frame = W4_BUFFER_INIT(65535);
    begin();
    open_link(true);
    send(a, W4_CHANNEL_STATE, "once", 1);
    ck_assert_int_eq(w4_session_emit(a, &frame, now), 1);
    ck_assert_int_eq(w4_session_recv(b, w4_buffer_bytes(&frame), now), 0);
    next(b, W4_SESSION_EVENT_MESSAGE);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(w4_session_recv(b, w4_buffer_bytes(&frame), now), 0);
        no_more(b);
    }
    ck_assert_uint_eq(stats_of(b).replays, 5);
    ck_assert(w4_session_attached(b));
    ck_assert_int_eq(w4_session_recv(a, w4_buffer_bytes(&frame), now), 0); /* reflected */
    ck_assert_uint_eq(stats_of(a).verification_failures + stats_of(a).replays, 1);
    w4_buffer_deinit(&frame);
    finish();
}
END_TEST

START_TEST(tampered_records_deliver_nothing) {
    w4_buffer frame = W4_BUFFER_INIT(65535);
    begin();
    open_link(false);
    send(a, W4_CHANNEL_STATE, "payload", 1);
    ck_assert_int_eq(w4_session_emit(a, &frame, now), 1);
    for (size_t bit = 0; bit < frame.len * 8; bit++) {
        frame.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_int_eq(w4_session_recv(b, w4_buffer_bytes(&frame), now), 0);
        no_more(b);
        frame.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    ck_assert_int_eq(w4_session_recv(b, w4_buffer_bytes(&frame), now), 0);
    next(b, W4_SESSION_EVENT_MESSAGE);
    w4_buffer_deinit(&frame);
    finish();
}
END_TEST

START_TEST(rekeys_by_records_and_on_command) {
    w4_session_config config = W4_SESSION_CONFIG_DEFAULT;
    config.rekey_records = 3;
    begin_with(&config);
    open_link(true);
    unsigned messages = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        send(a, W4_CHANNEL_STATE, "x", i);
        send(b, W4_CHANNEL_CONTROL, "y", i);
        messages += settle();
        now += 10 * W4_US_PER_MS; /* as many PINGs are answered */
        if (i % 100 == 0) {
            w4_session_rekey(a);
        }
    }
    ck_assert_uint_eq(messages, 2000);
    ck_assert_uint_gt(stats_of(a).rekeys, 300);
    ck_assert_uint_eq(stats_of(b).verification_failures, 0);
    finish();
}
END_TEST

static void talk(uint64_t number) {
    for (unsigned i = 0; i < 10; i++) {
        send(a, W4_CHANNEL_STATE, "some of the load", number);
        send(b, W4_CHANNEL_STATE, "and some the other way", number);
    }
}

/* What is counted beyond the orders are keys that the limits change in addition; and what the peer
 * does with its own is its own count. */
START_TEST(an_order_is_one_new_key) {
    static const struct {
        bool at_once; /* no record in between */
        uint64_t bytes, us;
        unsigned least, most;
    } rows[] = {
        {false, UINT64_C(1) << 30, 120 * W4_US_PER_S, 40, 40},
        {true, UINT64_C(1) << 30, 120 * W4_US_PER_S, 1, 1},
        {false, 400, 120 * W4_US_PER_S, 41, 400},
        {false, UINT64_C(1) << 30, 30 * W4_US_PER_MS, 41, 400},
    };
    w4_session_config config = W4_SESSION_CONFIG_DEFAULT;
    config.rekey_bytes = rows[_i].bytes;
    config.rekey_us = rows[_i].us;
    begin_with(&config);
    open_link(true);
    for (unsigned orders = 0; orders < 40; orders++) {
        talk(orders);
        w4_session_rekey(a);
        for (unsigned rounds = 0; rounds < 2 && !rows[_i].at_once; rounds++) {
            (void)settle();
            now += 50 * W4_US_PER_MS;
            talk(orders);
        }
    }
    (void)settle();
    ck_assert_uint_ge(stats_of(a).rekeys, rows[_i].least);
    ck_assert_uint_le(stats_of(a).rekeys, rows[_i].most);
    ck_assert_uint_eq(stats_of(b).rekeys_in, stats_of(a).rekeys);
    ck_assert_uint_eq(stats_of(a).rekeys_in, stats_of(b).rekeys);
    ck_assert(rows[_i].most > 40 || stats_of(b).rekeys == 0);
    ck_assert_uint_eq(stats_of(b).verification_failures, 0);
    finish();
}
END_TEST

/* ---- ends */

START_TEST(closes_orderly) {
    begin();
    open_link(true);
    send(b, W4_CHANNEL_STATE, "arrives", 1);
    ck_assert(carry(b, a));
    next(a, W4_SESSION_EVENT_MESSAGE);
    send(a, W4_CHANNEL_STATE, "too late", 2);
    w4_session_close(a, W4_REFUSAL_NONE, "going home", now);
    ck_assert_int_eq(send(a, W4_CHANNEL_STATE, "no", 3), W4_SESSION_E_CLOSED);
    ck_assert_int_eq(next(a, W4_SESSION_EVENT_FAILED).code, W4_REFUSAL_DISCONNECTED);
    no_more(a); /* CLOSED only after CLOSE has gone out */
    ck_assert(carry(a, b));
    closed(a, W4_REFUSAL_NONE, false);
    ck_assert_uint_eq(next(b, W4_SESSION_EVENT_DELIVERED).token, 1); /* the last ACKs count */
    w4_session_event e = next(b, W4_SESSION_EVENT_CLOSED);
    ck_assert(e.by_peer);
    ck_assert_str_eq(e.text, "going home");
    no_more(b);
    const w4_channel_stats *s = w4_session_channel_stats(a, W4_CHANNEL_STATE);
    ck_assert_uint_eq(s->attempted, s->enqueued + s->errors);
    finish();
}
END_TEST

START_TEST(a_close_does_not_wait_for_a_stuck_link) {
    begin();
    open_link(true);
    w4_session_close(a, W4_REFUSAL_PEER_BLOCKED, NULL, now);
    ck_assert_uint_eq(w4_session_deadline(a), now + W4_SESSION_LINGER_US);
    now += W4_SESSION_LINGER_US;
    ck_assert_int_eq(w4_session_expire(a, now), 0);
    closed(a, W4_REFUSAL_PEER_BLOCKED, false);
    w4_session_close(b, W4_REFUSAL_NONE, NULL, now);
    w4_session_detach(b, now);
    closed(b, W4_REFUSAL_NONE, false);
    finish();
}
END_TEST

START_TEST(closes_without_a_link_too) {
    begin();
    send(a, W4_CHANNEL_STATE, "never", 1);
    w4_session_close(a, W4_REFUSAL_POLICY_DENIED, "no", now);
    next(a, W4_SESSION_EVENT_FAILED);
    closed(a, W4_REFUSAL_POLICY_DENIED, false);
    w4_session_close(a, W4_REFUSAL_NONE, "twice", now);
    no_more(a);
    finish();
}
END_TEST

START_TEST(a_close_while_opening_speaks_of_no_session) {
    begin();
    link_up(true);
    w4_session_close(a, W4_REFUSAL_POLICY_DENIED, "changed my mind", now);
    ck_assert(carry(a, b));
    next(b, W4_SESSION_EVENT_OPEN);
    closed(b, W4_REFUSAL_POLICY_DENIED, true);
    closed(a, W4_REFUSAL_POLICY_DENIED, false);
    finish();
}
END_TEST

/* It has something to acknowledge, but in a session that the peer has forgotten. */
START_TEST(a_close_while_opening_acknowledges_nothing) {
    begin();
    open_link(true);
    send(b, W4_CHANNEL_STATE, "x", 1);
    ck_assert(carry(b, a));
    next(a, W4_SESSION_EVENT_MESSAGE);
    b = w4_session_free(b);
    pair_end_restart(&ben);
    ck_assert_int_eq(w4_session_new(&ben.env, &W4_SESSION_CONFIG_DEFAULT, now, &b), 0);
    link_up(true);
    w4_session_close(a, W4_REFUSAL_POLICY_DENIED, "changed my mind", now);
    ck_assert(carry(a, b));
    next(b, W4_SESSION_EVENT_OPEN);
    closed(b, W4_REFUSAL_POLICY_DENIED, true);
    finish();
}
END_TEST

static const struct {
    w4_refusal code;
    bool for_good;
} refusals[] = {{W4_REFUSAL_PEER_BLOCKED, true},
                {W4_REFUSAL_POLICY_DENIED, true},
                {W4_REFUSAL_AUTH_FAILURE, true},
                {W4_REFUSAL_OVERLOADED, false},
                {W4_REFUSAL_RATE_LIMITED, false}};

START_TEST(a_refused_peer_learns_why) {
    w4_handshake_result ra, rb;
    w4_buffer frame = W4_BUFFER_INIT(65535);
    begin();
    send(a, W4_CHANNEL_STATE, "waits", 1);
    ck_assert(pair_handshake(&ada, &ben, NULL, now, &ra, &rb));
    ck_assert_int_eq(w4_session_attach(a, &ra, true, now), 0);
    ck_assert_int_eq(w4_session_refuse(&rb, refusals[_i].code, "not today", &frame), 0);
    ck_assert_int_eq(w4_session_recv(a, w4_buffer_bytes(&frame), now), 0);
    if (refusals[_i].for_good) {
        next(a, W4_SESSION_EVENT_FAILED);
        closed(a, refusals[_i].code, true);
    } else {
        w4_session_event e = next(a, W4_SESSION_EVENT_LINK_LOST);
        ck_assert_int_eq(e.code, refusals[_i].code);
        ck_assert(e.by_peer);
        ck_assert_str_eq(e.text, "not today");
        no_more(a);
        link_up(true);
        ck_assert_uint_eq(settle(), 1);
    }
    w4_buffer_deinit(&frame);
    finish();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("session");
    TCase *tc = tcase_create("session");
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, opens_and_carries_messages_both_ways);
    tcase_add_test(tc, messages_may_wait_for_the_first_link);
    tcase_add_test(tc, the_first_word_of_the_responder_may_be_lost);
    tcase_add_test(tc, message_3_may_be_lost);
    tcase_add_test(tc, an_initiator_that_hears_nothing_gives_the_link_up);
    tcase_add_test(tc, a_silent_peer_times_out);
    tcase_add_test(tc, a_peer_that_sends_and_reads_nothing_times_out);
    tcase_add_test(tc, an_idle_pair_stays_alive);
    tcase_add_test(tc, the_slower_timers_count);
    tcase_add_test(tc, three_forged_records_in_a_row_end_an_ordered_link);
    tcase_add_test(tc, a_lossy_link_shrugs_forgeries_off);
    tcase_add_test(tc, a_replayed_record_is_dropped_and_counted);
    tcase_add_test(tc, tampered_records_deliver_nothing);
    tcase_add_test(tc, rekeys_by_records_and_on_command);
    tcase_add_loop_test(tc, an_order_is_one_new_key, 0, 4);
    tcase_add_test(tc, closes_orderly);
    tcase_add_test(tc, a_close_does_not_wait_for_a_stuck_link);
    tcase_add_test(tc, closes_without_a_link_too);
    tcase_add_test(tc, a_close_while_opening_speaks_of_no_session);
    tcase_add_test(tc, a_close_while_opening_acknowledges_nothing);
    tcase_add_loop_test(tc, a_refused_peer_learns_why, 0,
                        (int)(sizeof refusals / sizeof refusals[0]));
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
