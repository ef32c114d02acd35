#include "rogue.h"

/* ---- the rules she breaks */

START_TEST(more_messages_than_credit) {
    begin();
    for (uint64_t seq = 0; seq < 4; seq++) {
        put_data(W4_CHANNEL_STATE, seq, true, 10);
    }
    say();
    ck_assert_uint_eq(count_messages(), 4);
    put_data(W4_CHANNEL_STATE, 4, true, 10);
    say();
    ck_assert_uint_eq(count_messages(), 0);
    ends_with(W4_REFUSAL_BACKPRESSURE);
    finish();
}
END_TEST

START_TEST(a_message_without_end) {
    begin();
    uint64_t seq = 0;
    w4_session_stats stats;
    do {
        put_data(W4_CHANNEL_KNOWLEDGE, seq++, false, W4_PART_MAX);
        say();
        ck_assert_uint_le(w4_session_memory(a), 4096 + 40000 + W4_RECORD_MAX);
        w4_session_stats_get(a, &stats);
    } while (seq < 3);
    ck_assert_uint_eq(count_messages(), 0);
    ends_with(W4_REFUSAL_TOO_LARGE);
    finish();
}
END_TEST

/* clang-format off */
static const struct { uint8_t type, flags; uint16_t channel; uint32_t len; w4_refusal code; } bad[] = {
    {W4_FRAME_DATA, 0x40,         1, 3, W4_REFUSAL_UNSUPPORTED_VERSION}, /* reserved bit */
    {W4_FRAME_DATA, W4_FRAME_FIN, 0, 3, W4_REFUSAL_NOT_FOUND},
    {W4_FRAME_DATA, 0,            1, 0, W4_REFUSAL_UNSUPPORTED_VERSION},
    {W4_FRAME_DATA, W4_FRAME_FIN, 1, W4_PART_MAX + 1, W4_REFUSAL_TOO_LARGE},
    {W4_FRAME_ACK,  0,            1, 3, W4_REFUSAL_UNSUPPORTED_VERSION},
    {W4_FRAME_PING, 0,            0, 1, W4_REFUSAL_UNSUPPORTED_VERSION},
    {W4_FRAME_CLOSE_CHANNEL, 0,   5, 0, W4_REFUSAL_UNSUPPORTED_VERSION}, /* no name */
    {W4_FRAME_CLOSE_CHANNEL, 0,   5, 1, W4_REFUSAL_UNSUPPORTED_VERSION}, /* nor here */
    {W4_FRAME_CLOSE_CHANNEL, 0,   3, 1, W4_REFUSAL_NOT_FOUND}, /* it is always open */
    {W4_FRAME_CLOSE_CHANNEL, 2,   5, 1, W4_REFUSAL_UNSUPPORTED_VERSION},
    {W4_FRAME_OPEN, 0,            4, 1, W4_REFUSAL_UNSUPPORTED_VERSION},
    {W4_FRAME_OPEN, 0,            4, 513, W4_REFUSAL_UNSUPPORTED_VERSION},
    {W4_FRAME_OPEN, W4_FRAME_DONE, 4, 2, W4_REFUSAL_UNSUPPORTED_VERSION}, /* an answer says nothing more */
    {W4_FRAME_OPEN, 2,            4, 2, W4_REFUSAL_UNSUPPORTED_VERSION},
    {W4_FRAME_OPEN, 0,            4, 2, W4_REFUSAL_UNSUPPORTED_VERSION}, /* no version */
    {7,             0,            0, 9, W4_REFUSAL_UNSUPPORTED_VERSION}, /* nor is RELAY */
    {99,            0,            0, 0, W4_REFUSAL_UNSUPPORTED_VERSION},
    {W4_FRAME_CLOSE, 0,           0, 1, W4_REFUSAL_UNSUPPORTED_VERSION}, /* no name where one is due */
};
/* clang-format on */

START_TEST(a_bad_frame_ends_it_and_nothing_beside_it_counts) {
    begin();
    bool is_text = bad[_i].type == W4_FRAME_CLOSE || bad[_i].type == W4_FRAME_CLOSE_CHANNEL ||
                   bad[_i].type == W4_FRAME_OPEN; /* which is read when its turn comes */
    if (!is_text) {
        put_data(W4_CHANNEL_STATE, 0, true, 5); /* good, but in bad company */
    }
    uint8_t *header = at;
    memset(at, 0xFF, W4_FRAME_HEADER + bad[_i].len);
    at += W4_FRAME_HEADER + bad[_i].len;
    header[0] = bad[_i].type;
    header[1] = bad[_i].flags;
    w4_put_u16(header + 2, bad[_i].channel);
    w4_put_u32(header + 4, bad[_i].len);
    say();
    ck_assert_uint_eq(count_messages(), 0);
    ends_with(bad[_i].code);
    finish();
}
END_TEST

START_TEST(a_record_cut_within_a_frame) {
    begin();
    put_data(W4_CHANNEL_STATE, 0, true, 50);
    put_data(W4_CHANNEL_STATE, 1, true, 50);
    at -= 1 + _i;
    say();
    ck_assert_uint_eq(count_messages(), 0);
    ends_with(W4_REFUSAL_UNSUPPORTED_VERSION);
    finish();
}
END_TEST

START_TEST(an_empty_record) {
    begin();
    say();
    ends_with(W4_REFUSAL_UNSUPPORTED_VERSION);
    finish();
}
END_TEST

START_TEST(optional_frames_of_the_future_are_passed_over) {
    begin();
    for (int i = 0; i < 3; i++) {
        put((w4_frame){.type = (w4_frame_type)77,
                       .flags = 0xFF,
                       .channel = 999,
                       .payload = w4_bytes_from_text("later")});
    }
    put_data(W4_CHANNEL_STATE, 0, true, 5);
    say();
    ck_assert_uint_eq(count_messages(), 1);
    finish();
}
END_TEST

START_TEST(an_ack_of_what_was_never_sent) {
    begin();
    put_ack(W4_CHANNEL_STATE, 1, 10, 0);
    say();
    ends_with(W4_REFUSAL_UNSUPPORTED_VERSION);
    finish();
    begin(); /* the same where something was sent */
    put_ack(W4_CHANNEL_STATE, 0, 10, 0);
    say();
    ck_assert_int_eq(w4_session_send(a, W4_CHANNEL_STATE, w4_bytes_from_text("x"), 1, now), 0);
    ck_assert_uint_eq(count_heard(W4_FRAME_DATA), 1);
    put_ack(W4_CHANNEL_STATE, 2, 10, 0);
    say();
    ends_with(W4_REFUSAL_UNSUPPORTED_VERSION);
    finish();
}
END_TEST

START_TEST(the_greatest_credit_is_taken_without_wrapping) {
    begin();
    put_ack(W4_CHANNEL_STATE, 0, UINT32_MAX, 0);
    say();
    ck_assert_int_eq(w4_session_send(a, W4_CHANNEL_STATE, w4_bytes_from_text("x"), 1, now), 0);
    ck_assert_uint_eq(count_heard(W4_FRAME_DATA), 1);
    put_ack(W4_CHANNEL_STATE, 1, UINT32_MAX, 0);
    say();
    w4_session_event e;
    ck_assert(w4_session_pop_event(a, &e));
    ck_assert_int_eq(e.kind, W4_SESSION_EVENT_DELIVERED);
    finish();
}
END_TEST

START_TEST(no_credit_no_data) {
    begin();
    for (int i = 0; i < 3; i++) {
        w4_session_send(a, W4_CHANNEL_STATE, w4_bytes_from_text("x"), 1, now);
    }
    ck_assert_uint_eq(count_heard(W4_FRAME_DATA), 0);
    put_ack(W4_CHANNEL_STATE, 0, 2, 0);
    say();
    ck_assert_uint_eq(count_heard(W4_FRAME_DATA), 2);
    for (int i = 0; i < 100; i++) { /* she never acknowledges: little is sent in vain */
        now += W4_US_PER_S / 10;
        put((w4_frame){.type = W4_FRAME_PING, .seq = 1});
        say();
        ck_assert_int_eq(w4_session_expire(a, now), 0);
        ck_assert_uint_le(count_heard(W4_FRAME_DATA), 2);
    }
    ck_assert_uint_le(w4_session_channel_stats(a, W4_CHANNEL_STATE)->retransmitted, 8);
    finish();
}
END_TEST

START_TEST(data_far_beyond_is_not_kept) {
    begin();
    for (uint64_t seq = 1; seq < 50; seq++) {
        put_data(W4_CHANNEL_STATE, seq * UINT64_C(0x0123456789AB), true, 1000);
    }
    say();
    ck_assert_uint_eq(count_messages(), 0);
    ck_assert_uint_le(w4_session_memory(a), 4096 + W4_RECORD_MAX);
    unsigned acks = 0;
    w4_frame frame;
    while (hear(&frame)) {
        if (frame.type == W4_FRAME_ACK && frame.channel == W4_FRAME_CHANNEL(W4_CHANNEL_STATE)) {
            ck_assert_uint_eq(frame.seq, 0);
            ck_assert_int_eq(frame.flags & W4_FRAME_GAP, W4_FRAME_GAP);
            acks++;
        }
    }
    ck_assert_uint_eq(acks, 1);
    finish();
}
END_TEST

START_TEST(floods_get_one_answer_a_record) {
    begin();
    count_heard(W4_FRAME_OPEN);
    w4_session_stats before, after;
    w4_session_stats_get(a, &before);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 1000; i++) {
            put((w4_frame){.type = W4_FRAME_PING, .seq = (uint64_t)i});
            put_ack(W4_CHANNEL_STATE, 0, 1, W4_FRAME_ASK);
        }
        say();
        ck_assert_uint_le(count_heard(W4_FRAME_PONG), 1);
    }
    w4_session_stats_get(a, &after);
    ck_assert_uint_le(after.bytes_out - before.bytes_out, (after.bytes_in - before.bytes_in) / 100);
    finish();
}
END_TEST

/* The answer to a PING is to be had before what came with it is kept, and without it. */
START_TEST(an_answer_to_a_ping_promises_nothing) {
    begin();
    count_heard(W4_FRAME_OPEN);
    w4_buffer out = W4_BUFFER_INIT(W4_RECORD_MAX);
    ck_assert_int_eq(w4_session_emit_answer(a, &out, now), 0);
    w4_session_hold_acks(a, true);
    put_ack(W4_CHANNEL_STATE, 0, 5, 0);
    put_data(W4_CHANNEL_STATE, 0, true, 5);
    put((w4_frame){.type = W4_FRAME_PING, .seq = 77});
    say();
    ck_assert_int_eq(
        w4_session_send(a, W4_CHANNEL_STATE, w4_bytes_from_text("of this turn"), 1, now), 0);
    ck_assert_int_eq(w4_session_emit_answer(a, &out, now), 1);
    ck_assert_int_eq(w4_record_open(&rx, w4_buffer_bytes(&out), plain, now), W4_RECORD_OPENED);
    w4_bytes rest = w4_bytes_of(plain, out.len - W4_RECORD_OVERHEAD);
    w4_frame frame;
    ck_assert_int_eq(w4_frame_next(&rest, &frame), W4_FRAME_GOOD);
    ck_assert_int_eq(frame.type, W4_FRAME_PONG);
    ck_assert_uint_eq(frame.seq, 77);
    ck_assert_int_eq(w4_frame_next(&rest, &frame), W4_FRAME_END);
    ck_assert_int_eq(w4_session_emit_answer(a, &out, now), 0);
    ck_assert_uint_eq(count_messages(), 1);
    w4_session_hold_acks(a, false);
    unsigned acks = 0, data = 0;
    while (hear(&frame)) {
        acks += frame.type == W4_FRAME_ACK;
        data += frame.type == W4_FRAME_DATA;
        ck_assert_int_ne(frame.type, W4_FRAME_PONG);
    }
    ck_assert_uint_ge(acks, 1);
    ck_assert_uint_eq(data, 1);
    w4_buffer_deinit(&out);
    finish();
}
END_TEST

START_TEST(an_open_of_another_session) {
    uint8_t other[W4_SESSION_ID_LEN] = {1, 2, 3};
    begin();
    put_open(other);
    say();
    ends_with(W4_REFUSAL_AUTH_FAILURE);
    finish();
}
END_TEST

/* ---- ours dials: she is the responder */

START_TEST(before_open_nothing_else_counts) {
    w4_session_event e;
    begin_session();
    w4_session_send(a, W4_CHANNEL_STATE, w4_bytes_from_text("x"), 1, now);
    attach_eve(false, NULL);
    put_data(W4_CHANNEL_STATE, 0, true, 5);
    put_ack(W4_CHANNEL_STATE, 7, 7, 0);
    put((w4_frame){.type = W4_FRAME_PING, .seq = 5});
    say();
    ck_assert(!w4_session_pop_event(a, &e));
    w4_frame frame;
    ck_assert(hear(&frame));
    ck_assert_int_eq(frame.type, W4_FRAME_PONG);
    ck_assert_uint_eq(frame.seq, 5);
    ck_assert(!hear(&frame));
    put_open(fresh_id);
    put_ack(W4_CHANNEL_STATE, 0, 7, 0);
    put_data(W4_CHANNEL_STATE, 0, true, 5);
    say();
    ck_assert(w4_session_pop_event(a, &e));
    ck_assert_int_eq(e.kind, W4_SESSION_EVENT_OPEN);
    ck_assert_uint_eq(count_messages(), 1);
    ck_assert(hear(&frame));
    ck_assert_int_eq(frame.type, W4_FRAME_OPEN);
    ck_assert_mem_eq(frame.payload.data, fresh_id, sizeof fresh_id);
    ck_assert_uint_eq(count_heard(W4_FRAME_DATA), 1);
    finish();
}
END_TEST

START_TEST(a_responder_that_names_a_third_session) {
    uint8_t other[W4_SESSION_ID_LEN] = {1, 2, 3};
    begin_session();
    attach_eve(false, NULL);
    put_open(other);
    say();
    ends_with(W4_REFUSAL_AUTH_FAILURE);
    finish();
}
END_TEST

START_TEST(a_responder_that_resumes_what_it_was_not_offered) {
    uint8_t old[W4_SESSION_ID_LEN];
    w4_session_event e;
    begin_session();
    attach_eve(false, NULL);
    memcpy(old, fresh_id, sizeof old);
    put_open(old);
    say();
    ck_assert(w4_session_pop_event(a, &e));
    w4_session_detach(a, now);
    attach_eve(false, NULL); /* ours names no session this time */
    put_open(old);
    say();
    ends_with(W4_REFUSAL_AUTH_FAILURE);
    finish();
}
END_TEST

/* All of it at random: whatever she says, ours lives or ends, within its bounds. */
START_TEST(anything_at_all) {
    pair_random dice = {.state = (uint64_t)_i};
    w4_session_event e;
    begin();
    for (int i = 0; i < 300; i++) {
        for (uint64_t n = pair_below(&dice, 6); n > 0; n--) {
            w4_channel_kind kind = (w4_channel_kind)pair_below(&dice, W4_CHANNEL_KIND_COUNT);
            switch (pair_below(&dice, 6)) {
            case 0:
                put_ack(kind, pair_below(&dice, 4), (uint32_t)pair_below(&dice, 10),
                        (uint8_t)(pair_below(&dice, 4) * 2));
                break;
            case 1:
                put((w4_frame){.type = W4_FRAME_PONG, .seq = pair_next(&dice)});
                break;
            case 2:
                put_open(fresh_id);
                break;
            default:
                put_data(kind, pair_below(&dice, 6), pair_below(&dice, 2) == 0,
                         1 + pair_below(&dice, 9000));
            }
        }
        w4_session_send(a, W4_CHANNEL_STATE, w4_bytes_from_text("x"), 1, now);
        say();
        while (w4_session_pop_event(a, &e)) {
            if (e.kind == W4_SESSION_EVENT_MESSAGE) {
                w4_session_consumed(a, e.channel, (uint32_t)pair_below(&dice, 3));
            }
        }
        count_heard(W4_FRAME_DATA);
        now += pair_below(&dice, W4_US_PER_S);
        ck_assert_int_eq(w4_session_expire(a, now), 0);
        ck_assert_uint_le(w4_session_memory(a), 4096 + 3 * 2 * 40000 + W4_RECORD_MAX + 1024 * 128);
    }
    finish();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("rogue");
    TCase *tc = tcase_create("rogue");
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, more_messages_than_credit);
    tcase_add_test(tc, a_message_without_end);
    tcase_add_loop_test(tc, a_bad_frame_ends_it_and_nothing_beside_it_counts, 0,
                        (int)(sizeof bad / sizeof bad[0]));
    tcase_add_loop_test(tc, a_record_cut_within_a_frame, 0, 65);
    tcase_add_test(tc, an_empty_record);
    tcase_add_test(tc, optional_frames_of_the_future_are_passed_over);
    tcase_add_test(tc, an_ack_of_what_was_never_sent);
    tcase_add_test(tc, the_greatest_credit_is_taken_without_wrapping);
    tcase_add_test(tc, no_credit_no_data);
    tcase_add_test(tc, data_far_beyond_is_not_kept);
    tcase_add_test(tc, floods_get_one_answer_a_record);
    tcase_add_test(tc, an_answer_to_a_ping_promises_nothing);
    tcase_add_test(tc, an_open_of_another_session);
    tcase_add_test(tc, before_open_nothing_else_counts);
    tcase_add_test(tc, a_responder_that_names_a_third_session);
    tcase_add_test(tc, a_responder_that_resumes_what_it_was_not_offered);
    tcase_add_loop_test(tc, anything_at_all, 0, 30);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
