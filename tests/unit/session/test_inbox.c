#include "pair.h"

#include "base/wire.h"
#include "session/inbox.h"

static w4_channel_limits limits;
static w4_inbox in;
static w4_bytes message;
static uint8_t *owned;

static void begin(uint32_t credit, uint32_t max_message) {
    limits = (w4_channel_limits){.credit = credit};
    w4_inbox_init(&in, W4_CHANNEL_STATE, limits.credit, max_message, NULL);
}

static int take(uint64_t seq, bool last, const char *text) {
    w4_frame frame = {.type = W4_FRAME_DATA,
                      .flags = last ? W4_FRAME_FIN : 0,
                      .seq = seq,
                      .payload = w4_bytes_from_text(text)};
    message = (w4_bytes){0};
    owned = NULL;
    return w4_inbox_take(&in, &frame, &message, &owned);
}

typedef struct ack {
    uint64_t seq;
    uint32_t credit;
    uint8_t flags;
} ack;

static ack put_ack(void) {
    uint8_t wire[64];
    uint8_t *end = w4_inbox_put_ack(&in, W4_CHANNEL_ID(W4_CHANNEL_STATE), false, wire);
    w4_bytes rest = w4_bytes_of(wire, (size_t)(end - wire));
    w4_frame frame;
    ck_assert_int_eq(w4_frame_next(&rest, &frame), W4_FRAME_GOOD);
    ck_assert_int_eq(frame.type, W4_FRAME_ACK);
    w4_reader r;
    w4_reader_init(&r, frame.payload);
    return (ack){frame.seq, w4_read_u32(&r), frame.flags};
}

START_TEST(hands_over_in_order_and_once) {
    begin(10, 100);
    ck_assert_int_eq(take(0, true, "a"), W4_INBOX_MESSAGE);
    ck_assert(w4_bytes_equal_text(message, "a"));
    ck_assert_ptr_null(owned);
    ck_assert_int_eq(take(0, true, "a"), W4_INBOX_NOTHING);
    ck_assert_uint_eq(in.duplicates, 1);
    ck_assert_int_eq(take(2, true, "c"), W4_INBOX_NOTHING);
    ck_assert(in.gap && in.ack_due);
    ack a = put_ack();
    ck_assert_uint_eq(a.seq, 1);
    ck_assert_int_eq(a.flags, W4_FRAME_GAP);
    ck_assert(!in.gap && !in.ack_due);
    ck_assert_int_eq(take(1, true, "b"), W4_INBOX_MESSAGE);
    ck_assert_int_eq(take(2, true, ""), W4_INBOX_MESSAGE);
    ck_assert_uint_eq(message.len, 0);
    ck_assert_int_eq(put_ack().flags, 0);
    w4_inbox_deinit(&in);
}
END_TEST

START_TEST(gathers_parts) {
    begin(10, 100);
    ck_assert_int_eq(take(0, false, "one "), W4_INBOX_NOTHING);
    ck_assert_int_eq(take(1, false, "two "), W4_INBOX_NOTHING);
    ck_assert_int_eq(take(1, false, "two "), W4_INBOX_NOTHING);
    ck_assert_int_eq(take(3, true, "four"), W4_INBOX_NOTHING);
    ck_assert_int_eq(take(2, true, "three"), W4_INBOX_MESSAGE);
    ck_assert(w4_bytes_equal_text(message, "one two three"));
    ck_assert_ptr_eq(owned, message.data);
    free(owned);
    ck_assert_int_eq(take(3, true, "next"), W4_INBOX_MESSAGE);
    ck_assert(w4_bytes_equal_text(message, "next"));
    ck_assert_ptr_null(owned);
    ck_assert_int_eq(take(4, false, "x"), W4_INBOX_NOTHING);
    ck_assert_int_eq(take(5, true, ""), W4_INBOX_MESSAGE); /* an empty last part */
    ck_assert(w4_bytes_equal_text(message, "x"));
    free(owned);
    ck_assert_uint_eq(put_ack().seq, 6);
    ck_assert_uint_eq(in.messages_total, 3);
    w4_inbox_deinit(&in);
}
END_TEST

START_TEST(a_message_is_bounded) {
    begin(10, 8);
    ck_assert_int_eq(take(0, true, "12345678"), W4_INBOX_MESSAGE);
    ck_assert_int_eq(take(1, true, "123456789"), W4_INBOX_TOO_LARGE);
    ck_assert_int_eq(take(1, false, "12345"), W4_INBOX_NOTHING);
    ck_assert_int_eq(take(2, false, "1234"), W4_INBOX_TOO_LARGE);
    ck_assert_int_eq(take(2, false, "123"), W4_INBOX_NOTHING);
    ck_assert_int_eq(take(3, true, "1"), W4_INBOX_TOO_LARGE);
    ck_assert_uint_le(in.partial.cap, 64);
    w4_inbox_deinit(&in);
}
END_TEST

START_TEST(credit_is_what_may_still_come) {
    begin(3, 100);
    ck_assert_uint_eq(put_ack().credit, 3);
    take(0, true, "a");
    ck_assert_uint_eq(put_ack().credit, 2);
    take(1, true, "b");
    take(2, true, "c");
    ck_assert_uint_eq(put_ack().credit, 0);
    ck_assert_int_eq(take(3, true, "d"), W4_INBOX_NO_CREDIT);
    ck_assert_int_eq(take(3, false, "d"), W4_INBOX_NO_CREDIT);
    in.ack_due = false;
    w4_inbox_consumed(&in, 1);
    ck_assert(in.ack_due); /* the peer stands still: tell it */
    ck_assert_uint_eq(put_ack().credit, 1);
    ck_assert_int_eq(take(3, true, "d"), W4_INBOX_MESSAGE);
    w4_inbox_consumed(&in, 1000); /* more than there are */
    ck_assert_uint_eq(put_ack().credit, 3);
    w4_inbox_deinit(&in);
}
END_TEST

START_TEST(little_credit_is_not_worth_a_record) {
    begin(8, 100);
    put_ack();
    take(0, true, "a");
    ck_assert_uint_eq(put_ack().credit, 7);
    w4_inbox_consumed(&in, 1);
    ck_assert(!in.ack_due);
    for (uint64_t seq = 1; seq < 4; seq++) {
        take(seq, true, "x");
    }
    ck_assert_uint_eq(put_ack().credit, 5);
    w4_inbox_consumed(&in, 2);
    ck_assert(!in.ack_due);
    w4_inbox_consumed(&in, 1);
    ck_assert(in.ack_due);
    w4_inbox_deinit(&in);
}
END_TEST

START_TEST(held_back_it_promises_nothing_new) {
    begin(3, 100);
    take(0, true, "a");
    put_ack();
    take(1, true, "b"); /* come, but not promised yet */
    w4_inbox_hold(&in, true);
    ack a = put_ack();
    ck_assert_uint_eq(a.seq, 1);
    ck_assert_uint_eq(a.credit, 2); /* after the one that is promised: the same bound of 3 */
    w4_inbox_consumed(&in, 2);
    a = put_ack();
    ck_assert_uint_eq(a.seq, 1);
    ck_assert_uint_eq(a.credit, 4);
    w4_inbox_hold(&in, false);
    a = put_ack();
    ck_assert_uint_eq(a.seq, 2);
    ck_assert_uint_eq(a.credit, 3);
    w4_inbox_deinit(&in);
}
END_TEST

START_TEST(afresh_it_forgets_the_stream_but_not_the_application) {
    begin(3, 100);
    take(0, true, "a");
    take(1, true, "b");
    take(2, false, "half");
    w4_inbox_restart(&in);
    ack a = put_ack();
    ck_assert_uint_eq(a.seq, 0);
    ck_assert_uint_eq(a.credit, 1); /* two are with the application still */
    ck_assert_int_eq(take(0, true, "c"), W4_INBOX_MESSAGE);
    ck_assert(w4_bytes_equal_text(message, "c"));
    ck_assert_int_eq(take(1, true, "d"), W4_INBOX_NO_CREDIT);
    w4_inbox_consumed(&in, 2);
    ck_assert_int_eq(take(1, true, "d"), W4_INBOX_MESSAGE);
    w4_inbox_deinit(&in);
}
END_TEST

/* Of many that are half there one is finished, whatever the budget says. */
START_TEST(one_that_was_begun_may_be_finished) {
    w4_byte_budget budget;
    w4_inbox other;
    begin(10, 100);
    w4_byte_budget_init(&budget, NULL, 12);
    in.budget = &budget;
    w4_inbox_init(&other, W4_CHANNEL_KNOWLEDGE, limits.credit, 100, &budget);
    ck_assert_int_eq(take(0, false, "12345"), W4_INBOX_NOTHING);
    w4_frame frame = {.type = W4_FRAME_DATA, .seq = 0, .payload = w4_bytes_from_text("1234567")};
    ck_assert_int_eq(w4_inbox_take(&other, &frame, &message, &owned), W4_INBOX_NOTHING);
    ck_assert_uint_eq(budget.used, 12);
    ck_assert_int_eq(take(1, false, "67890"), W4_INBOX_NOTHING); /* beyond it */
    ck_assert_uint_eq(in.expected, 2);
    frame.seq = 1;
    ck_assert_int_eq(w4_inbox_take(&other, &frame, &message, &owned), W4_INBOX_NOTHING);
    ck_assert_uint_eq(other.expected, 1); /* one at a time */
    ck_assert_uint_eq(other.over_budget, 1);
    ck_assert_uint_eq(budget.used, 12);
    ck_assert_int_eq(take(2, true, "!"), W4_INBOX_MESSAGE);
    ck_assert_uint_eq(message.len, 11);
    free(owned);
    ck_assert_uint_eq(budget.used, 12);
    ck_assert_int_eq(take(3, true, "a new one"), W4_INBOX_NOTHING); /* was not begun */
    ck_assert_uint_eq(in.expected, 3);
    ck_assert_int_eq(w4_inbox_take(&other, &frame, &message, &owned), W4_INBOX_NOTHING);
    ck_assert_uint_eq(other.expected, 2); /* its turn */
    w4_inbox_consumed(&in, 1);
    ck_assert_uint_eq(budget.used, 7);
    w4_inbox_restart(&other); /* given up: only what was taken is given back */
    ck_assert_uint_eq(budget.used, 0);
    ck_assert_ptr_null(budget.finishing);
    w4_inbox_deinit(&other);
    w4_inbox_deinit(&in);
    ck_assert_uint_eq(budget.used, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("inbox");
    TCase *tc = tcase_create("inbox");
    tcase_add_test(tc, hands_over_in_order_and_once);
    tcase_add_test(tc, gathers_parts);
    tcase_add_test(tc, a_message_is_bounded);
    tcase_add_test(tc, credit_is_what_may_still_come);
    tcase_add_test(tc, little_credit_is_not_worth_a_record);
    tcase_add_test(tc, held_back_it_promises_nothing_new);
    tcase_add_test(tc, afresh_it_forgets_the_stream_but_not_the_application);
    tcase_add_test(tc, one_that_was_begun_may_be_finished);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
