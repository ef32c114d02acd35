#include "ends.h"

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
    ck_assert(w4_bytes_equal_text(next(a, W4_SESSION_EVENT_MESSAGE).message, "3"));
    ck_assert_uint_eq(next(a, W4_SESSION_EVENT_DELIVERED).token, 1);
    no_more(a);
    ck_assert(carry(a, b));
    ck_assert(w4_bytes_equal_text(next(b, W4_SESSION_EVENT_MESSAGE).message, "2"));
    ck_assert(w4_bytes_equal_text(next(b, W4_SESSION_EVENT_MESSAGE).message, "4"));
    ck_assert_uint_eq(next(b, W4_SESSION_EVENT_DELIVERED).token, 3);
    ck_assert(carry(b, a));
    ck_assert_uint_eq(next(a, W4_SESSION_EVENT_DELIVERED).token, 2);
    ck_assert_uint_eq(next(a, W4_SESSION_EVENT_DELIVERED).token, 4);
    ck_assert_mem_eq(id, w4_session_id(a), sizeof id);
    ck_assert_mem_eq(id, w4_session_id(b), sizeof id);
    ck_assert_uint_eq(stats_of(a).reconnects, 1);
    finish();
}
END_TEST

/* What the configuration says now is what the peer is told with the next link. */
START_TEST(takes_larger_messages_from_the_next_link_on) {
    static const uint8_t large[2000];
    w4_session_config config = W4_SESSION_CONFIG_DEFAULT;
    config.max_message = 1000;
    begin_with(&config);
    ada.config.max_message = ben.config.max_message = 1000;
    open_link(true);
    send(a, W4_CHANNEL_STATE, "1", 1);
    settle();
    config.max_message = 3000;
    ck_assert_int_eq(w4_session_send(a, W4_CHANNEL_STATE, w4_bytes_of(large, sizeof large), 2, now),
                     W4_SESSION_E_TOO_LARGE);
    cut();
    ada.config.max_message = ben.config.max_message = 3000;
    link_up(true);
    settle();
    ck_assert_int_eq(w4_session_send(a, W4_CHANNEL_STATE, w4_bytes_of(large, sizeof large), 3, now),
                     0);
    ck_assert(carry(a, b));
    w4_session_event e = next(b, W4_SESSION_EVENT_MESSAGE);
    ck_assert_uint_eq(e.message.len, sizeof large);
    finish();
}
END_TEST

/* A peer that was promised more is not cut off for using it. */
START_TEST(keeps_what_was_promised) {
    w4_session_config config = W4_SESSION_CONFIG_DEFAULT;
    begin_with(&config);
    open_link(true);
    config.max_message = 1000;
    for (unsigned k = 0; k < W4_CHANNEL_KIND_COUNT; k++) {
        config.channels[k].credit = 1;
    }
    w4_session_set_limits(b, config.channels, now);
    static const uint8_t large[2000];
    for (uint64_t token = 1; token <= 3; token++) {
        ck_assert_int_eq(
            w4_session_send(a, W4_CHANNEL_STATE, w4_bytes_of(large, sizeof large), token, now), 0);
    }
    ck_assert(carry(a, b));
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(next(b, W4_SESSION_EVENT_MESSAGE).message.len, sizeof large);
    }
    no_more(b);
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
    for (int i = 0; i < 5; i++) {
        now += 1000;
        carry(a, b);
        carry(b, a);
    }
    ck_assert(carry(a, NULL));
    no_more(b);
    cut();
    link_up(true);
    next(b, W4_SESSION_EVENT_OPEN);
    ck_assert(carry(b, a));
    next(a, W4_SESSION_EVENT_OPEN);
    unsigned messages = 0;
    while (carry(a, b)) {
        w4_session_event e;
        now += 1000;
        if (w4_session_pop_event(b, &e)) {
            ck_assert_int_eq(e.kind, W4_SESSION_EVENT_MESSAGE);
            ck_assert(w4_bytes_equal(e.message, w4_bytes_of(large, sizeof large)));
            messages++;
        }
        carry(b, a);
    }
    ck_assert_uint_eq(messages, 1);
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

/* The responder has lost its session, in the same process or with it. */
static void lose_session_of_responder(bool process_too) {
    begin();
    open_link(true);
    send(a, W4_CHANNEL_STATE, "on its way", 1);
    send(a, W4_CHANNEL_CONTROL, "so is this", 2);
    ck_assert(carry(a, b));
    cut();
    send(a, W4_CHANNEL_STATE, "not yet sent", 3);
    b = w4_session_free(b);
    if (process_too) {
        pair_end_restart(&ben);
    }
    ck_assert_int_eq(w4_session_new(&ben.env, &W4_SESSION_CONFIG_DEFAULT, now, &b), 0);
    link_up(true);
    no_more(a);
    if (process_too) { /* another link to the same new process changes nothing */
        cut();
        ck_assert(!next(b, W4_SESSION_EVENT_OPEN).resumed);
        link_up(true);
        no_more(a);
    }
    ck_assert(!next(b, W4_SESSION_EVENT_OPEN).resumed);
    ck_assert(carry(b, a));
    ck_assert(!next(a, W4_SESSION_EVENT_OPEN).resumed);
    w4_session_event e = next(a, W4_SESSION_EVENT_FAILED);
    ck_assert_uint_eq(e.token, 2);
    ck_assert_int_eq(e.code, W4_REFUSAL_DISCONNECTED);
    ck_assert_uint_eq(next(a, W4_SESSION_EVENT_FAILED).token, 1);
}

START_TEST(a_restarted_peer_gets_a_fresh_session) {
    lose_session_of_responder(true);
    ck_assert_uint_eq(next(a, W4_SESSION_EVENT_FAILED).token, 3);
    no_more(a);
    send(a, W4_CHANNEL_STATE, "for the new one", 4);
    ck_assert(carry(a, b));
    ck_assert(w4_bytes_equal_text(next(b, W4_SESSION_EVENT_MESSAGE).message, "for the new one"));
    ck_assert_mem_eq(w4_session_id(a), w4_session_id(b), W4_SESSION_ID_LEN);
    finish();
}
END_TEST

START_TEST(a_forgetful_peer_gets_what_was_not_sent) {
    lose_session_of_responder(false);
    no_more(a);
    ck_assert(carry(a, b));
    ck_assert(w4_bytes_equal_text(next(b, W4_SESSION_EVENT_MESSAGE).message, "not yet sent"));
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

/* What the other end says of a message is heard before that it has come, also when both were on
 * their way when the link died, whoever dials the next one. */
START_TEST(words_come_before_acknowledgements) {
    for (int dialler = 0; dialler < 2; dialler++) {
        begin();
        open_link(true);
        w4_session *x = dialler == 0 ? a : b, *y = dialler == 0 ? b : a;
        send(x, W4_CHANNEL_STATE, "to be refused", 1);
        ck_assert(carry(x, y));
        next(y, W4_SESSION_EVENT_MESSAGE);
        send(y, W4_CHANNEL_CONTROL, "refused", 2);
        ck_assert(carry(y, NULL)); /* its word and its acknowledgement are lost */
        cut();
        link_up(true);
        ck_assert(next(b, W4_SESSION_EVENT_OPEN).resumed);
        no_more(b); /* also when a's hello said that it has come */
        ck_assert(carry(b, a));
        ck_assert(next(a, W4_SESSION_EVENT_OPEN).resumed);
        if (x == b) {
            ck_assert(carry(a, b));
        }
        ck_assert(w4_bytes_equal_text(next(x, W4_SESSION_EVENT_MESSAGE).message, "refused"));
        ck_assert_uint_eq(next(x, W4_SESSION_EVENT_DELIVERED).token, 1);
        settle();
        finish();
    }
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

int main(void) {
    Suite *suite = suite_create("resume");
    TCase *tc = tcase_create("resume");
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, resumes_over_another_link);
    tcase_add_test(tc, takes_larger_messages_from_the_next_link_on);
    tcase_add_test(tc, keeps_what_was_promised);
    tcase_add_test(tc, resumes_in_the_middle_of_a_message);
    tcase_add_test(tc, a_link_that_dies_while_opening_costs_nothing);
    tcase_add_test(tc, a_new_link_may_come_before_the_old_one_died);
    tcase_add_test(tc, a_restarted_peer_gets_a_fresh_session);
    tcase_add_test(tc, a_forgetful_peer_gets_what_was_not_sent);
    tcase_add_test(tc, a_restarted_initiator_is_recognised);
    tcase_add_test(tc, words_come_before_acknowledgements);
    tcase_add_test(tc, a_claim_of_what_was_never_sent_begins_afresh);
    tcase_add_test(tc, the_window_ends_and_with_it_the_session);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
