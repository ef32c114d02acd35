#include "pair.h"

static pair_end ada, ben;
static w4_session *a, *b;
static uint64_t now;

static void begin_with(const w4_session_config *config) {
    now = PAIR_START_US;
    pair_end_init(&ada, 1, "ada");
    pair_end_init(&ben, 2, "ben");
    ck_assert_int_eq(w4_session_new(&ada.env, config, now, &a), 0);
    ck_assert_int_eq(w4_session_new(&ben.env, config, now, &b), 0);
}

static void begin(void) {
    begin_with(&W4_SESSION_CONFIG_DEFAULT);
}

static void finish(void) {
    a = w4_session_free(a);
    b = w4_session_free(b);
    pair_end_deinit(&ada);
    pair_end_deinit(&ben);
}

/* Handshake from a to b; both get the link. */
static void link_up(bool ordered) {
    w4_handshake_result ra, rb;
    w4_resume_point point;
    bool resume = w4_session_resume_point(a, &point);
    ada.config.lossy_link = ben.config.lossy_link = !ordered;
    ck_assert(pair_handshake(&ada, &ben, resume ? &point : NULL, now, &ra, &rb));
    ck_assert_int_eq(w4_session_attach(a, &ra, ordered, now), 0);
    ck_assert_int_eq(w4_session_attach(b, &rb, ordered, now), 0);
}

static void cut(void) {
    w4_session_detach(a, now);
    w4_session_detach(b, now);
}

/* One frame across, or into nowhere (to is NULL). False when there was none. */
static bool carry(w4_session *from, w4_session *to) {
    w4_buffer frame = W4_BUFFER_INIT(65535);
    int r = w4_session_emit(from, &frame, now);
    ck_assert_int_ge(r, 0);
    ck_assert_int_eq(r == 1, frame.len > 0);
    if (r == 1 && to) {
        ck_assert_int_eq(w4_session_recv(to, w4_buffer_bytes(&frame), now), 0);
    }
    w4_buffer_deinit(&frame);
    return r == 1;
}

static w4_session_event next(w4_session *s, w4_session_event_kind kind) {
    w4_session_event e;
    ck_assert_msg(w4_session_pop_event(s, &e), "an event was expected");
    ck_assert_int_eq(e.kind, kind);
    return e;
}

static void no_more(w4_session *s) {
    w4_session_event e;
    ck_assert(!w4_session_pop_event(s, &e));
}

/* Carries to and fro until both are silent. MESSAGEs are drained and consumed, and counted. */
static unsigned settle(void) {
    unsigned messages = 0;
    for (int i = 0; i < 2000; i++) {
        now += 100;
        bool one = carry(a, b);
        w4_session_event e;
        while (b && w4_session_pop_event(b, &e)) {
            messages += e.kind == W4_SESSION_EVENT_MESSAGE;
            if (e.kind == W4_SESSION_EVENT_MESSAGE) {
                w4_session_consumed(b, e.channel, 1);
            }
        }
        bool two = carry(b, a);
        while (w4_session_pop_event(a, &e)) {
            messages += e.kind == W4_SESSION_EVENT_MESSAGE;
            if (e.kind == W4_SESSION_EVENT_MESSAGE) {
                w4_session_consumed(a, e.channel, 1);
            }
        }
        if (!one && !two) {
            return messages;
        }
    }
    ck_abort_msg("the ends do not come to rest");
}

static void open_link(bool ordered) {
    link_up(ordered);
    settle();
}

static int send(w4_session *s, w4_channel_kind kind, const char *text, uint64_t token) {
    return w4_session_send(s, kind, w4_bytes_from_text(text), token, now);
}

/* Time passes for s up to its next deadline. */
static void wait_for(w4_session *s) {
    uint64_t deadline = w4_session_deadline(s);
    ck_assert_uint_ne(deadline, W4_NEVER);
    now = deadline > now ? deadline : now;
    ck_assert_int_eq(w4_session_expire(s, now), 0);
    ck_assert_uint_gt(w4_session_deadline(s), now);
}

static w4_session_stats stats_of(const w4_session *s) {
    w4_session_stats stats;
    w4_session_stats_get(s, &stats);
    return stats;
}

static void closed(w4_session *s, w4_refusal code, bool by_peer) {
    w4_session_event e = next(s, W4_SESSION_EVENT_CLOSED);
    ck_assert_str_eq(w4_refusal_name(e.code), w4_refusal_name(code));
    ck_assert_int_eq(e.by_peer, by_peer);
    no_more(s);
    ck_assert_uint_eq(w4_session_deadline(s), W4_NEVER);
    ck_assert(!carry(s, NULL));
}

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
    e = next(a, W4_SESSION_EVENT_DELIVERED);
    ck_assert_uint_eq(e.token, 7);
    ck_assert_int_eq(e.channel, W4_CHANNEL_STATE);
    ck_assert(w4_bytes_equal_text(next(a, W4_SESSION_EVENT_MESSAGE).message, "there"));
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

/* ---- resume */

START_TEST(resumes_over_another_link) {
    begin();
    open_link(true);
    uint8_t id[W4_SESSION_ID_LEN];
    memcpy(id, w4_session_id(a), sizeof id);
    send(a, W4_CHANNEL_STATE, "1", 1);
    ck_assert(carry(a, b));
    next(b, W4_SESSION_EVENT_MESSAGE); /* its ACK never gets there */
    send(a, W4_CHANNEL_STATE, "2", 2);
    ck_assert(carry(a, NULL));
    send(b, W4_CHANNEL_KNOWLEDGE, "3", 3);
    ck_assert(carry(b, NULL));
    cut();
    now += 60 * W4_US_PER_S;
    send(a, W4_CHANNEL_STATE, "4", 4);
    link_up(true);
    ck_assert(next(b, W4_SESSION_EVENT_OPEN).resumed);
    no_more(a); /* provisional */
    ck_assert(carry(b, a));
    ck_assert(next(a, W4_SESSION_EVENT_OPEN).resumed);
    ck_assert_uint_eq(next(a, W4_SESSION_EVENT_DELIVERED).token, 1);
    ck_assert(w4_bytes_equal_text(next(a, W4_SESSION_EVENT_MESSAGE).message, "3"));
    no_more(a);
    ck_assert(carry(a, b));
    ck_assert_uint_eq(next(b, W4_SESSION_EVENT_DELIVERED).token, 3);
    ck_assert(w4_bytes_equal_text(next(b, W4_SESSION_EVENT_MESSAGE).message, "2"));
    ck_assert(w4_bytes_equal_text(next(b, W4_SESSION_EVENT_MESSAGE).message, "4"));
    ck_assert(carry(b, a));
    ck_assert_uint_eq(next(a, W4_SESSION_EVENT_DELIVERED).token, 2);
    ck_assert_uint_eq(next(a, W4_SESSION_EVENT_DELIVERED).token, 4);
    ck_assert_mem_eq(id, w4_session_id(a), sizeof id);
    ck_assert_mem_eq(id, w4_session_id(b), sizeof id);
    ck_assert_uint_eq(stats_of(a).reconnects, 1);
    finish();
}
END_TEST

START_TEST(resumes_in_the_middle_of_a_message) {
    static uint8_t large[200000];
    for (size_t i = 0; i < sizeof large; i++) {
        large[i] = (uint8_t)(i * 7);
    }
    begin();
    open_link(true);
    ck_assert_int_eq(w4_session_send(a, W4_CHANNEL_STATE, w4_bytes_of(large, sizeof large), 1, now),
                     0);
    ck_assert(carry(a, b));
    ck_assert(carry(a, NULL));
    no_more(b);
    cut();
    link_up(true);
    next(b, W4_SESSION_EVENT_OPEN);
    ck_assert(carry(b, a));
    next(a, W4_SESSION_EVENT_OPEN);
    while (carry(a, b)) {
        w4_session_event e;
        if (w4_session_pop_event(b, &e)) {
            ck_assert_int_eq(e.kind, W4_SESSION_EVENT_MESSAGE);
            ck_assert(w4_bytes_equal(e.message, w4_bytes_of(large, sizeof large)));
        }
    }
    settle();
    ck_assert_uint_eq(w4_session_channel_stats(a, W4_CHANNEL_STATE)->delivered, 1);
    ck_assert_uint_lt(w4_session_channel_stats(a, W4_CHANNEL_STATE)->retransmitted, 5);
    finish();
}
END_TEST

START_TEST(a_link_that_dies_while_opening_costs_nothing) {
    begin();
    open_link(true);
    send(a, W4_CHANNEL_STATE, "1", 1);
    send(b, W4_CHANNEL_STATE, "2", 2);
    ck_assert(carry(a, NULL) && carry(b, NULL));
    for (int i = 0; i < 5; i++) {
        cut();
        link_up(true);
        ck_assert(next(b, W4_SESSION_EVENT_OPEN).resumed);
        ck_assert(carry(b, NULL));
        no_more(a);
    }
    cut();
    link_up(true);
    ck_assert_uint_eq(settle(), 2);
    ck_assert_uint_eq(w4_session_channel_stats(a, W4_CHANNEL_STATE)->failed, 0);
    ck_assert_uint_eq(w4_session_channel_stats(b, W4_CHANNEL_STATE)->failed, 0);
    finish();
}
END_TEST

START_TEST(a_new_link_may_come_before_the_old_one_died) {
    begin();
    open_link(true);
    send(a, W4_CHANNEL_STATE, "1", 1);
    ck_assert(carry(a, NULL));
    link_up(true);
    ck_assert(next(b, W4_SESSION_EVENT_OPEN).resumed);
    ck_assert_uint_eq(settle(), 1);
    finish();
}
END_TEST

/* The responder has lost its memory. */
START_TEST(a_restarted_peer_gets_a_fresh_session) {
    begin();
    open_link(true);
    send(a, W4_CHANNEL_STATE, "on its way", 1);
    send(a, W4_CHANNEL_CONTROL, "so is this", 2);
    ck_assert(carry(a, b));
    cut();
    send(a, W4_CHANNEL_STATE, "not yet sent", 3);
    b = w4_session_free(b);
    pair_end_restart(&ben);
    ck_assert_int_eq(w4_session_new(&ben.env, &W4_SESSION_CONFIG_DEFAULT, now, &b), 0);
    link_up(true);
    no_more(a);
    ck_assert(!next(b, W4_SESSION_EVENT_OPEN).resumed);
    ck_assert(carry(b, a));
    ck_assert(!next(a, W4_SESSION_EVENT_OPEN).resumed);
    w4_session_event e = next(a, W4_SESSION_EVENT_FAILED);
    ck_assert_uint_eq(e.token, 2);
    ck_assert_int_eq(e.code, W4_REFUSAL_DISCONNECTED);
    ck_assert_uint_eq(next(a, W4_SESSION_EVENT_FAILED).token, 1);
    no_more(a);
    ck_assert(carry(a, b));
    ck_assert(w4_bytes_equal_text(next(b, W4_SESSION_EVENT_MESSAGE).message, "not yet sent"));
    ck_assert(carry(b, a));
    ck_assert_uint_eq(next(a, W4_SESSION_EVENT_DELIVERED).token, 3);
    ck_assert_mem_eq(w4_session_id(a), w4_session_id(b), W4_SESSION_ID_LEN);
    finish();
}
END_TEST

/* The initiator has, and so names no session. */
START_TEST(a_restarted_initiator_is_recognised) {
    begin();
    open_link(true);
    send(b, W4_CHANNEL_STATE, "on its way", 1);
    ck_assert(carry(b, NULL));
    a = w4_session_free(a);
    pair_end_restart(&ada);
    ck_assert_int_eq(w4_session_new(&ada.env, &W4_SESSION_CONFIG_DEFAULT, now, &a), 0);
    link_up(true); /* b has not noticed anything yet */
    ck_assert(!next(b, W4_SESSION_EVENT_OPEN).resumed);
    ck_assert_int_eq(next(b, W4_SESSION_EVENT_FAILED).code, W4_REFUSAL_DISCONNECTED);
    no_more(b);
    settle();
    ck_assert_uint_eq(w4_session_channel_stats(b, W4_CHANNEL_STATE)->failed, 1);
    finish();
}
END_TEST

START_TEST(a_claim_of_what_was_never_sent_begins_afresh) {
    w4_handshake_result ra, rb;
    w4_resume_point point;
    begin();
    open_link(true);
    ck_assert(w4_session_resume_point(a, &point));
    point.expected[W4_CHANNEL_STATE] = 1;
    ck_assert(pair_handshake(&ada, &ben, &point, now, &ra, &rb));
    ck_assert_int_eq(w4_session_attach(b, &rb, true, now), 0);
    ck_assert(!next(b, W4_SESSION_EVENT_OPEN).resumed);
    finish();
}
END_TEST

START_TEST(the_window_ends_and_with_it_the_session) {
    begin();
    open_link(true);
    send(a, W4_CHANNEL_STATE, "sent", 1);
    ck_assert(carry(a, NULL));
    cut();
    send(a, W4_CHANNEL_KNOWLEDGE, "queued", 2);
    ck_assert_uint_eq(w4_session_deadline(a), now + 120 * W4_US_PER_S);
    now += 120 * W4_US_PER_S - 1;
    ck_assert_int_eq(w4_session_expire(a, now), 0);
    no_more(a);
    now++;
    ck_assert_int_eq(w4_session_expire(a, now), 0);
    ck_assert_int_eq(next(a, W4_SESSION_EVENT_FAILED).code, W4_REFUSAL_DISCONNECTED);
    ck_assert_int_eq(next(a, W4_SESSION_EVENT_FAILED).code, W4_REFUSAL_DISCONNECTED);
    closed(a, W4_REFUSAL_DISCONNECTED, false);
    w4_resume_point point;
    ck_assert(!w4_session_resume_point(a, &point));
    w4_handshake_result ra, rb;
    ck_assert(pair_handshake(&ada, &ben, NULL, now, &ra, &rb));
    ck_assert_int_eq(w4_session_attach(a, &ra, true, now), W4_SESSION_E_CLOSED);
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

/* ---- queues, credit, order */

START_TEST(a_slow_consumer_slows_its_sender) {
    w4_session_config config = W4_SESSION_CONFIG_DEFAULT;
    config.channels[W4_CHANNEL_STATE].credit = 4;
    config.channels[W4_CHANNEL_STATE].messages_max = 8;
    begin_with(&config);
    open_link(true);
    uint64_t token = 0;
    while (send(a, W4_CHANNEL_STATE, "x", token) == 0) {
        token++;
    }
    ck_assert_uint_eq(token, 8);
    for (int i = 0; i < 10; i++) {
        carry(a, b);
        w4_session_event e;
        while (w4_session_pop_event(b, &e)) {
        }
        carry(b, a);
        while (w4_session_pop_event(a, &e)) {
        }
    }
    const w4_channel_stats *s = w4_session_channel_stats(a, W4_CHANNEL_STATE);
    ck_assert_uint_eq(s->delivered, 4); /* nobody has consumed: no more is sent */
    ck_assert_uint_eq(s->queued, 4);
    ck_assert_uint_eq(w4_session_channel_stats(b, W4_CHANNEL_STATE)->messages_in, 4);
    w4_session_consumed(b, W4_CHANNEL_STATE, 4);
    settle();
    ck_assert_uint_eq(s->delivered, 8);
    ck_assert_uint_eq(s->overflow_events, 1);
    finish();
}
END_TEST

START_TEST(lost_credit_is_asked_for) {
    w4_session_config config = W4_SESSION_CONFIG_DEFAULT;
    config.channels[W4_CHANNEL_STATE].credit = 1;
    begin_with(&config);
    open_link(false);
    send(a, W4_CHANNEL_STATE, "1", 1);
    ck_assert(carry(a, b));
    next(b, W4_SESSION_EVENT_MESSAGE);
    ck_assert(carry(b, a));
    next(a, W4_SESSION_EVENT_DELIVERED);
    w4_session_consumed(b, W4_CHANNEL_STATE, 1);
    ck_assert(carry(b, NULL)); /* this one would have told */
    send(a, W4_CHANNEL_STATE, "2", 2);
    ck_assert(!carry(a, NULL));
    ck_assert_uint_le(w4_session_deadline(a), now + W4_US_PER_S);
    wait_for(a);
    ck_assert_uint_eq(settle(), 1);
    finish();
}
END_TEST

START_TEST(tells_when_there_is_room_again) {
    w4_session_config config = W4_SESSION_CONFIG_DEFAULT;
    config.channels[W4_CHANNEL_KNOWLEDGE].messages_max = 2;
    begin_with(&config);
    open_link(true);
    send(a, W4_CHANNEL_KNOWLEDGE, "1", 1);
    send(a, W4_CHANNEL_KNOWLEDGE, "2", 2);
    ck_assert_int_eq(send(a, W4_CHANNEL_KNOWLEDGE, "3", 3), W4_SESSION_E_FULL);
    ck_assert(carry(a, b));
    next(b, W4_SESSION_EVENT_MESSAGE);
    next(b, W4_SESSION_EVENT_MESSAGE);
    ck_assert(carry(b, a));
    next(a, W4_SESSION_EVENT_DELIVERED);
    next(a, W4_SESSION_EVENT_DELIVERED);
    ck_assert_int_eq(next(a, W4_SESSION_EVENT_WRITABLE).channel, W4_CHANNEL_KNOWLEDGE);
    no_more(a);
    finish();
}
END_TEST

START_TEST(one_record_carries_many_messages) {
    begin();
    open_link(true);
    for (uint64_t i = 0; i < 200; i++) {
        send(a, W4_CHANNEL_STATE, "a message of some forty bytes, or a few more", i);
    }
    ck_assert(carry(a, b));
    ck_assert(!carry(a, b));
    for (uint64_t i = 0; i < 200; i++) {
        next(b, W4_SESSION_EVENT_MESSAGE);
    }
    no_more(b);
    ck_assert(carry(b, a));
    for (uint64_t i = 0; i < 200; i++) {
        ck_assert_uint_eq(next(a, W4_SESSION_EVENT_DELIVERED).token, i);
    }
    finish();
}
END_TEST

START_TEST(control_overtakes_bulk) {
    static uint8_t large[512 * 1024];
    begin();
    open_link(true);
    for (uint64_t i = 0; i < 8; i++) {
        ck_assert_int_eq(
            w4_session_send(a, W4_CHANNEL_KNOWLEDGE, w4_bytes_of(large, sizeof large), i, now), 0);
    }
    ck_assert(carry(a, b));
    send(a, W4_CHANNEL_CONTROL, "urgent", 99);
    ck_assert(carry(a, b));
    w4_session_event e = next(b, W4_SESSION_EVENT_MESSAGE);
    ck_assert_int_eq(e.channel, W4_CHANNEL_CONTROL);
    no_more(b);
    ck_assert_uint_eq(settle(), 8);
    finish();
}
END_TEST

START_TEST(messages_of_every_size_arrive_whole) {
    static const size_t lens[] = {0,     1,     15,    16351, 16352,  16353,  32704,   32705,
                                  65408, 65409, 65500, 65536, 200000, 524288, 1048575, 1048576};
    uint8_t *bytes = malloc(1u << 20);
    for (size_t i = 0; i < 1u << 20; i++) {
        bytes[i] = (uint8_t)(i ^ i >> 8);
    }
    begin();
    open_link(true);
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        ck_assert_int_eq(w4_session_send(a, W4_CHANNEL_STATE, w4_bytes_of(bytes, lens[i]), i, now),
                         0);
        w4_session_event e = {0};
        while (e.kind != W4_SESSION_EVENT_MESSAGE) {
            ck_assert(carry(a, b));
            while (w4_session_pop_event(b, &e) && e.kind != W4_SESSION_EVENT_MESSAGE) {
            }
        }
        ck_assert_uint_eq(e.message.len, lens[i]);
        ck_assert(lens[i] == 0 || memcmp(e.message.data, bytes, lens[i]) == 0);
        w4_session_consumed(b, W4_CHANNEL_STATE, 1);
        settle();
    }
    ck_assert_int_eq(
        w4_session_send(a, W4_CHANNEL_STATE, w4_bytes_of(bytes, (1u << 20) + 1), 0, now),
        W4_SESSION_E_TOO_LARGE);
    free(bytes);
    finish();
}
END_TEST

START_TEST(a_peer_that_takes_less_gets_no_more) {
    begin();
    w4_session_send(a, W4_CHANNEL_STATE, w4_bytes_of("12345678901", 11), 1, now);
    ben.config.max_message = 10;
    link_up(true);
    ck_assert(carry(b, a));
    next(a, W4_SESSION_EVENT_OPEN);
    ck_assert_int_eq(next(a, W4_SESSION_EVENT_FAILED).code, W4_REFUSAL_TOO_LARGE);
    ck_assert_int_eq(send(a, W4_CHANNEL_STATE, "12345678901", 2), W4_SESSION_E_TOO_LARGE);
    ck_assert_int_eq(send(a, W4_CHANNEL_STATE, "1234567890", 3), 0);
    finish();
}
END_TEST

START_TEST(what_is_not_drained_comes_again) {
    begin();
    open_link(true);
    send(a, W4_CHANNEL_STATE, "1", 1);
    ck_assert(carry(a, b));
    send(a, W4_CHANNEL_STATE, "2", 2);
    ck_assert(carry(a, b));
    ck_assert_uint_eq(stats_of(b).undrained, 1);
    ck_assert(w4_bytes_equal_text(next(b, W4_SESSION_EVENT_MESSAGE).message, "1"));
    no_more(b);
    settle();
    ck_assert_uint_eq(w4_session_channel_stats(a, W4_CHANNEL_STATE)->delivered, 1);
    wait_for(a);
    ck_assert_uint_eq(settle(), 1);
    ck_assert_uint_eq(w4_session_channel_stats(a, W4_CHANNEL_STATE)->delivered, 2);
    finish();
}
END_TEST

START_TEST(held_acknowledgements_promise_nothing) {
    w4_resume_point point;
    begin();
    open_link(true);
    w4_session_hold_acks(b, true);
    send(a, W4_CHANNEL_STATE, "not on disk", 1);
    ck_assert(carry(a, b));
    next(b, W4_SESSION_EVENT_MESSAGE);
    ck_assert(!carry(b, a));
    ck_assert(w4_session_resume_point(b, &point));
    ck_assert_uint_eq(point.expected[W4_CHANNEL_STATE], 0);
    w4_session_hold_acks(b, false);
    ck_assert(w4_session_resume_point(b, &point));
    ck_assert_uint_eq(point.expected[W4_CHANNEL_STATE], 1);
    ck_assert(carry(b, a));
    ck_assert_uint_eq(next(a, W4_SESSION_EVENT_DELIVERED).token, 1);

    /* Held when the link dies: it is sent again, and delivered once. */
    w4_session_hold_acks(b, true);
    send(a, W4_CHANNEL_STATE, "again", 2);
    ck_assert(carry(a, b));
    next(b, W4_SESSION_EVENT_MESSAGE);
    cut();
    link_up(true);
    next(b, W4_SESSION_EVENT_OPEN);
    ck_assert(carry(b, a));
    next(a, W4_SESSION_EVENT_OPEN);
    no_more(a);
    ck_assert(carry(a, b));
    no_more(b);
    w4_session_hold_acks(b, false);
    ck_assert(carry(b, a));
    ck_assert_uint_eq(next(a, W4_SESSION_EVENT_DELIVERED).token, 2);
    finish();
}
END_TEST

START_TEST(an_idle_session_is_small) {
    static uint8_t large[100000];
    begin();
    open_link(true);
    for (uint64_t i = 0; i < 10; i++) {
        w4_session_send(a, W4_CHANNEL_STATE, w4_bytes_of(large, sizeof large), i, now);
        w4_session_send(b, W4_CHANNEL_CONTROL, w4_bytes_of(large, 1000), i, now);
        settle();
    }
    ck_assert_uint_gt(w4_session_memory(b), 4096);
    for (int i = 0; i < 3; i++) {
        wait_for(a);
        settle();
        wait_for(b);
        settle();
    }
    ck_assert_uint_le(w4_session_memory(a), 4096);
    ck_assert_uint_le(w4_session_memory(b), 4096);
    finish();
}
END_TEST

START_TEST(emit_says_when_it_has_no_room) {
    begin();
    open_link(true);
    for (uint64_t i = 0; i < 100; i++) {
        send(a, W4_CHANNEL_STATE, "some text that takes room", i);
    }
    w4_buffer small = W4_BUFFER_INIT(64);
    ck_assert_int_lt(w4_session_emit(a, &small, now), 0);
    w4_buffer_deinit(&small);
    ck_assert_uint_eq(settle(), 100);
    finish();
}
END_TEST

START_TEST(names_and_defaults) {
    ck_assert_str_eq(w4_overflow_name(W4_OVERFLOW_ERROR), "error");
    ck_assert_str_eq(w4_overflow_name(W4_OVERFLOW_DROP_OLDEST), "drop_oldest");
    ck_assert_str_eq(w4_overflow_name(W4_OVERFLOW_DROP_NEWEST), "drop_newest");
    ck_assert_str_eq(w4_overflow_name(W4_OVERFLOW_BLOCK), "block");
    ck_assert_uint_eq(W4_SESSION_CONFIG_DEFAULT.heartbeat_us, 5 * W4_US_PER_S);
    ck_assert_uint_eq(W4_SESSION_CONFIG_DEFAULT.timeout_us, 15 * W4_US_PER_S);
    ck_assert_uint_eq(W4_SESSION_CONFIG_DEFAULT.resume_window_us, 120 * W4_US_PER_S);
    ck_assert_uint_eq(W4_SESSION_CONFIG_DEFAULT.rekey_records, 1u << 20);
    for (unsigned k = 0; k < W4_CHANNEL_KIND_COUNT; k++) {
        ck_assert_uint_eq(W4_SESSION_CONFIG_DEFAULT.channels[k].messages_max, 1024);
        ck_assert_uint_eq(W4_SESSION_CONFIG_DEFAULT.channels[k].bytes_max, 8u << 20);
    }
    ck_assert_ptr_null(w4_session_free(NULL));
    ck_assert_ptr_null(w4_handshake_free(NULL));
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
    tcase_add_test(tc, resumes_over_another_link);
    tcase_add_test(tc, resumes_in_the_middle_of_a_message);
    tcase_add_test(tc, a_link_that_dies_while_opening_costs_nothing);
    tcase_add_test(tc, a_new_link_may_come_before_the_old_one_died);
    tcase_add_test(tc, a_restarted_peer_gets_a_fresh_session);
    tcase_add_test(tc, a_restarted_initiator_is_recognised);
    tcase_add_test(tc, a_claim_of_what_was_never_sent_begins_afresh);
    tcase_add_test(tc, the_window_ends_and_with_it_the_session);
    tcase_add_test(tc, a_silent_peer_times_out);
    tcase_add_test(tc, an_idle_pair_stays_alive);
    tcase_add_test(tc, the_slower_timers_count);
    tcase_add_test(tc, three_forged_records_in_a_row_end_an_ordered_link);
    tcase_add_test(tc, a_lossy_link_shrugs_forgeries_off);
    tcase_add_test(tc, a_replayed_record_is_dropped_and_counted);
    tcase_add_test(tc, tampered_records_deliver_nothing);
    tcase_add_test(tc, rekeys_by_records_and_on_command);
    tcase_add_test(tc, closes_orderly);
    tcase_add_test(tc, a_close_does_not_wait_for_a_stuck_link);
    tcase_add_test(tc, closes_without_a_link_too);
    tcase_add_test(tc, a_close_while_opening_speaks_of_no_session);
    tcase_add_loop_test(tc, a_refused_peer_learns_why, 0,
                        (int)(sizeof refusals / sizeof refusals[0]));
    tcase_add_test(tc, a_slow_consumer_slows_its_sender);
    tcase_add_test(tc, lost_credit_is_asked_for);
    tcase_add_test(tc, tells_when_there_is_room_again);
    tcase_add_test(tc, one_record_carries_many_messages);
    tcase_add_test(tc, control_overtakes_bulk);
    tcase_add_test(tc, messages_of_every_size_arrive_whole);
    tcase_add_test(tc, a_peer_that_takes_less_gets_no_more);
    tcase_add_test(tc, what_is_not_drained_comes_again);
    tcase_add_test(tc, held_acknowledgements_promise_nothing);
    tcase_add_test(tc, an_idle_session_is_small);
    tcase_add_test(tc, emit_says_when_it_has_no_room);
    tcase_add_test(tc, names_and_defaults);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
