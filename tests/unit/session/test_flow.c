#include "ends.h"

#include "session/state.h"

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

/* Also where a policy makes room by dropping, and for who has more to send. */
START_TEST(tells_of_room_under_each_policy) {
    w4_session_config config = W4_SESSION_CONFIG_DEFAULT;
    config.channels[W4_CHANNEL_KNOWLEDGE].messages_max = 2;
    config.channels[W4_CHANNEL_KNOWLEDGE].overflow = (w4_overflow)_i;
    begin_with(&config);
    open_link(true);
    for (unsigned way = 0; way < 2; way++) {
        unsigned told = 0;
        for (uint64_t i = 0; i < (way == 0 ? 3 : 2); i++) {
            (void)send(a, W4_CHANNEL_KNOWLEDGE, "x", i);
        }
        if (way == 1) {
            w4_session_want_room(a, W4_CHANNEL_KNOWLEDGE);
        }
        for (unsigned turn = 0; turn < 4; turn++) {
            w4_session_event event;
            (void)carry(a, b);
            while (w4_session_pop_event(b, &event)) {
            }
            (void)carry(b, a);
            while (w4_session_pop_event(a, &event)) {
                told += event.kind == W4_SESSION_EVENT_WRITABLE;
                ck_assert(event.kind != W4_SESSION_EVENT_WRITABLE || event.room == 2);
            }
        }
        ck_assert_uint_eq(told, 1);
    }
    finish();
}
END_TEST

/* What is large finds no room where small ones would: it hears of it when something has gone. */
START_TEST(tells_of_room_only_where_some_was_made) {
    static char large[700];
    w4_session_config config = W4_SESSION_CONFIG_DEFAULT;
    config.channels[W4_CHANNEL_KNOWLEDGE].bytes_max = 1000;
    begin_with(&config);
    open_link(true);
    memset(large, 'x', sizeof large - 1);
    send(a, W4_CHANNEL_KNOWLEDGE, &large[300], 1);
    ck_assert_int_eq(send(a, W4_CHANNEL_KNOWLEDGE, large, 2), W4_SESSION_E_FULL);
    no_more(a);
    ck_assert(carry(a, b));
    next(b, W4_SESSION_EVENT_MESSAGE);
    ck_assert(carry(b, a));
    next(a, W4_SESSION_EVENT_DELIVERED);
    next(a, W4_SESSION_EVENT_WRITABLE);
    ck_assert_int_eq(send(a, W4_CHANNEL_KNOWLEDGE, large, 2), 0);
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
            w4_session_event other;
            now += 100;
            ck_assert(carry(a, b));
            while (w4_session_pop_event(b, &e) && e.kind != W4_SESSION_EVENT_MESSAGE) {
            }
            if (e.kind != W4_SESSION_EVENT_MESSAGE) { /* more may go when this has come */
                (void)carry(b, a);
                while (w4_session_pop_event(a, &other)) {
                }
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

/* Who holds data is alive all the same: only the messages come later. */
START_TEST(held_data_comes_again) {
    begin();
    open_link(true);
    w4_session_hold_data(b, true);
    send(a, W4_CHANNEL_STATE, "1", 1);
    ck_assert(carry(a, b));
    no_more(b);
    ck_assert_uint_eq(stats_of(b).undrained, 1);
    ck_assert_uint_eq(stats_of(b).last_heard_us, now);
    w4_session_hold_data(b, false);
    wait_for(a);
    settle();
    ck_assert_uint_eq(w4_session_channel_stats(a, W4_CHANNEL_STATE)->delivered, 1);
    ck_assert_uint_eq(w4_session_channel_stats(b, W4_CHANNEL_STATE)->messages_in, 1);
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
    send(a, W4_CHANNEL_STATE, "not on disk", 1);
    ck_assert(carry(a, b));
    next(b, W4_SESSION_EVENT_MESSAGE);
    w4_session_hold_acks(b, true);
    ck_assert(!carry(b, a));
    ck_assert(w4_session_resume_point(b, &point));
    ck_assert_uint_eq(point.expected[W4_CHANNEL_STATE], 0);
    w4_session_hold_acks(b, false);
    ck_assert(carry(b, a));
    ck_assert(w4_session_resume_point(b, &point));
    ck_assert_uint_eq(point.expected[W4_CHANNEL_STATE], 1);
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

/* ---- a word on a message comes before its acknowledgement: what comes first counts */

static char words[400 * 1024];

/* One message is with who tells so many bytes about it on control. */
static void ask(w4_session *asks, w4_session *tells, size_t len, unsigned times) {
    send(asks, W4_CHANNEL_STATE, "do you take it?", 7);
    w4_session_hold_acks(tells, true); /* as in the middle of a turn */
    ck_assert(carry(asks, tells));
    next(tells, W4_SESSION_EVENT_MESSAGE);
    memset(words, 'n', len);
    for (unsigned i = 0; i < times; i++) {
        ck_assert_int_eq(
            w4_session_send(tells, W4_CHANNEL_CONTROL, w4_bytes_of(words, len), 8 + i, now), 0);
    }
    w4_session_hold_acks(tells, false);
}

/* As a node does it: heartbeats are answered as soon as they are read. */
static void answer(w4_session *from, w4_session *to) {
    w4_buffer frame = W4_BUFFER_INIT(65535);
    if (w4_session_emit_answer(from, &frame, now) == 1) {
        ck_assert_int_eq(w4_session_recv(to, w4_buffer_bytes(&frame), now), 0);
    }
    w4_buffer_deinit(&frame);
}

/* Carries until who asks is told that its message was delivered, and hears that many words before.
 */
static unsigned words_before_delivered(w4_session *asks, w4_session *tells, unsigned records_max) {
    unsigned heard = 0;
    for (unsigned i = 0; i < records_max; i++) {
        w4_session_event e;
        (void)carry(tells, asks);
        while (w4_session_pop_event(asks, &e)) {
            heard += e.kind == W4_SESSION_EVENT_MESSAGE;
            if (e.kind == W4_SESSION_EVENT_DELIVERED) {
                ck_assert_uint_eq(e.token, 7);
                return heard;
            }
        }
        (void)carry(asks, tells);
        answer(tells, asks);
    }
    ck_abort_msg("nobody is told");
}

START_TEST(a_word_comes_before_the_acknowledgement) {
    static const size_t lens[] = {500, 3000, 40000, 130000};
    begin();
    open_link(true);
    for (size_t i = 0; i < 2 * sizeof lens / sizeof lens[0]; i++) {
        ask(a, b, lens[i / 2], 1);
        b->heartbeat.ping_due = i % 2 == 1;
        ck_assert_uint_eq(words_before_delivered(a, b, 100), 1);
        settle();
    }
    finish();
}
END_TEST

START_TEST(a_word_comes_before_the_acknowledgement_over_the_next_link) {
    static const size_t lens[] = {500, 3000, 40000};
    begin();
    open_link(true);
    for (size_t i = 0; i < 2 * sizeof lens / sizeof lens[0]; i++) {
        w4_session *asks = i % 2 == 0 ? a : b, *tells = i % 2 == 0 ? b : a;
        ask(asks, tells, lens[i / 2], 1);
        while (carry(tells, NULL)) { /* the acknowledgement is lost with it */
        }
        cut();
        link_up(true);
        ck_assert_uint_eq(words_before_delivered(asks, tells, 100), 1);
        settle();
    }
    finish();
}
END_TEST

/* An acknowledgement waits for no more than some records. */
START_TEST(words_without_end_do_not_hold_acknowledgements_back) {
    begin();
    open_link(true);
    ask(a, b, 12000, 600);
    unsigned heard = words_before_delivered(a, b, 40);
    ck_assert_uint_gt(heard, 0);
    ck_assert_uint_lt(heard, 600);
    ck_assert_uint_eq(settle(), 600 - heard);
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
        ck_assert_uint_gt(w4_session_memory(a), sizeof large);
        settle();
        /* At once, not only when it has been idle for a while. */
        ck_assert_uint_le(w4_session_memory(a), 4096);
        ck_assert_uint_le(w4_session_memory(b), 4096);
    }
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
    Suite *suite = suite_create("flow");
    TCase *tc = tcase_create("flow");
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, a_slow_consumer_slows_its_sender);
    tcase_add_test(tc, lost_credit_is_asked_for);
    tcase_add_test(tc, tells_when_there_is_room_again);
    tcase_add_loop_test(tc, tells_of_room_under_each_policy, 0, W4_OVERFLOW_COUNT);
    tcase_add_test(tc, tells_of_room_only_where_some_was_made);
    tcase_add_test(tc, one_record_carries_many_messages);
    tcase_add_test(tc, control_overtakes_bulk);
    tcase_add_test(tc, messages_of_every_size_arrive_whole);
    tcase_add_test(tc, a_peer_that_takes_less_gets_no_more);
    tcase_add_test(tc, held_data_comes_again);
    tcase_add_test(tc, what_is_not_drained_comes_again);
    tcase_add_test(tc, held_acknowledgements_promise_nothing);
    tcase_add_test(tc, a_word_comes_before_the_acknowledgement);
    tcase_add_test(tc, a_word_comes_before_the_acknowledgement_over_the_next_link);
    tcase_add_test(tc, words_without_end_do_not_hold_acknowledgements_back);
    tcase_add_test(tc, an_idle_session_is_small);
    tcase_add_test(tc, emit_says_when_it_has_no_room);
    tcase_add_test(tc, names_and_defaults);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
