#include "pair.h"

#include "base/wire.h"
#include "session/close.h"
#include "session/contract.h"
#include "session/frame.h"

#define BYTES_MAX (2 * W4_PART_MAX)

/* Header fields as they come, good or not; payload is zeros. */
typedef struct header {
    uint8_t type, flags;
    uint16_t channel;
    uint32_t len;
} header;

static uint8_t bytes[BYTES_MAX];

static w4_bytes make(header h, size_t payload_len) {
    memset(bytes, 0, sizeof bytes);
    bytes[0] = h.type;
    bytes[1] = h.flags;
    w4_put_u16(bytes + 2, h.channel);
    w4_put_u32(bytes + 4, h.len);
    return w4_bytes_of(bytes, W4_FRAME_HEADER + payload_len);
}

/* clang-format off */
static const struct { header h; w4_frame_verdict verdict; } table[] = {
    {{W4_FRAME_DATA, 0, 1, 1},                               W4_FRAME_GOOD},
    {{W4_FRAME_DATA, 0, 1, W4_PART_MAX},                     W4_FRAME_GOOD},
    {{W4_FRAME_DATA, 0, 1, W4_PART_MAX + 1},                 W4_FRAME_TOO_LONG},
    {{W4_FRAME_DATA, 0, 1, UINT32_MAX},                      W4_FRAME_TOO_LONG},
    {{W4_FRAME_DATA, W4_FRAME_FIN, 1, 0},                    W4_FRAME_GOOD},
    {{W4_FRAME_DATA, 0, 1, 0},                               W4_FRAME_MALFORMED},
    {{W4_FRAME_DATA, W4_FRAME_FIN, 3, 5},                    W4_FRAME_GOOD},
    {{W4_FRAME_DATA, W4_FRAME_FIN, 0, 5},                    W4_FRAME_NO_CHANNEL},
    {{W4_FRAME_DATA, W4_FRAME_FIN, 4, 5},                    W4_FRAME_GOOD},
    {{W4_FRAME_DATA, W4_FRAME_FIN, 0xFFFF, 5},               W4_FRAME_GOOD},
    {{W4_FRAME_DATA, W4_FRAME_GAP, 1, 5},                    W4_FRAME_UNKNOWN},
    {{W4_FRAME_DATA, 0x40, 1, 5},                            W4_FRAME_UNKNOWN},
    {{W4_FRAME_DATA, W4_FRAME_FIN | W4_FRAME_OPTIONAL, 1, 5}, W4_FRAME_GOOD},
    {{W4_FRAME_ACK, 0, 1, 4},                                W4_FRAME_GOOD},
    {{W4_FRAME_ACK, W4_FRAME_GAP | W4_FRAME_ASK, 2, 4},      W4_FRAME_GOOD},
    {{W4_FRAME_ACK, W4_FRAME_FIN, 2, 4},                     W4_FRAME_UNKNOWN},
    {{W4_FRAME_ACK, 0, 0, 4},                                W4_FRAME_NO_CHANNEL},
    {{W4_FRAME_ACK, 0, 1, 3},                                W4_FRAME_MALFORMED},
    {{W4_FRAME_ACK, 0, 1, 5},                                W4_FRAME_MALFORMED},
    {{W4_FRAME_OPEN, 0, 0, 16},                              W4_FRAME_GOOD},
    {{W4_FRAME_OPEN, 0, 1, 16},                              W4_FRAME_GOOD},
    {{W4_FRAME_OPEN, 0, 4, 2},                               W4_FRAME_GOOD},
    {{W4_FRAME_OPEN, 0, 0xFFFF, W4_OPEN_LEN_MAX},            W4_FRAME_GOOD},
    {{W4_FRAME_OPEN, 0, 4, W4_OPEN_LEN_MAX + 1},             W4_FRAME_MALFORMED},
    {{W4_FRAME_OPEN, 0, 4, 1},                               W4_FRAME_MALFORMED},
    {{W4_FRAME_OPEN, W4_FRAME_DONE, 4, 0},                   W4_FRAME_GOOD},
    {{W4_FRAME_OPEN, W4_FRAME_DONE, 2, 0},                   W4_FRAME_GOOD},
    {{W4_FRAME_OPEN, W4_FRAME_DONE, 4, 2},                   W4_FRAME_MALFORMED},
    {{W4_FRAME_OPEN, W4_FRAME_GAP, 4, 2},                    W4_FRAME_UNKNOWN},
    {{W4_FRAME_OPEN, 0, 0, 15},                              W4_FRAME_MALFORMED},
    {{W4_FRAME_OPEN, 1, 0, 16},                              W4_FRAME_UNKNOWN},
    {{W4_FRAME_PING, 0, 0, 0},                               W4_FRAME_GOOD},
    {{W4_FRAME_PING, 0, 0, 1},                               W4_FRAME_MALFORMED},
    {{W4_FRAME_PING, 0, 1, 0},                               W4_FRAME_NO_CHANNEL},
    {{W4_FRAME_PONG, 0, 0, 0},                               W4_FRAME_GOOD},
    {{W4_FRAME_PONG, 0x08, 0, 0},                            W4_FRAME_UNKNOWN},
    {{W4_FRAME_CLOSE, 0, 0, 0},                              W4_FRAME_MALFORMED},
    {{W4_FRAME_CLOSE, 0, 0, 1},                              W4_FRAME_GOOD},
    {{W4_FRAME_CLOSE, 0, 0, 256 + W4_CLOSE_TEXT_MAX + 1},    W4_FRAME_MALFORMED},
    {{W4_FRAME_CLOSE, 0, 2, 1},                              W4_FRAME_NO_CHANNEL},
    {{0, 0, 0, 0},                                           W4_FRAME_UNKNOWN},
    {{W4_FRAME_CLOSE_CHANNEL, 0, 9, 0},                      W4_FRAME_MALFORMED},
    {{W4_FRAME_CLOSE_CHANNEL, 0, 9, 1},                      W4_FRAME_GOOD},
    {{W4_FRAME_CLOSE_CHANNEL, W4_FRAME_DONE, 9, 0},          W4_FRAME_GOOD},
    {{W4_FRAME_CLOSE_CHANNEL, W4_FRAME_DONE, 9, 1},          W4_FRAME_GOOD},
    {{W4_FRAME_CLOSE_CHANNEL, 0, 9, 256 + W4_CLOSE_TEXT_MAX + 1}, W4_FRAME_MALFORMED},
    {{W4_FRAME_CLOSE_CHANNEL, 0, 3, 1},                      W4_FRAME_NO_CHANNEL},
    {{W4_FRAME_CLOSE_CHANNEL, 0, 0, 1},                      W4_FRAME_NO_CHANNEL},
    {{W4_FRAME_CLOSE_CHANNEL, 0x10, 9, 1},                   W4_FRAME_UNKNOWN},
    {{7, 0, 0, 0},                                           W4_FRAME_UNKNOWN},
    {{9, 0x7F, 0, 0},                                        W4_FRAME_UNKNOWN},
    {{255, 0, 0, 0},                                         W4_FRAME_UNKNOWN},
    {{9, W4_FRAME_OPTIONAL, 77, 9},                          W4_FRAME_SKIPPED},
    {{0, 0xFF, 0xFFFF, 0},                                   W4_FRAME_SKIPPED},
};
/* clang-format on */

START_TEST(every_row_is_judged) {
    header h = table[_i].h;
    w4_frame frame;
    size_t len = h.len < W4_PART_MAX + 100 ? h.len : 100;
    w4_bytes all = make(h, len);
    w4_bytes rest = all;
    ck_assert_int_eq(w4_frame_next(&rest, &frame), table[_i].verdict);
    bool taken = table[_i].verdict == W4_FRAME_GOOD || table[_i].verdict == W4_FRAME_SKIPPED;
    ck_assert_uint_eq(rest.len, taken ? 0 : all.len);
    ck_assert_int_eq(w4_frame_check(all), taken ? W4_FRAME_GOOD : table[_i].verdict);
    if (table[_i].verdict == W4_FRAME_GOOD) {
        ck_assert_uint_eq(frame.type, h.type);
        ck_assert_uint_eq(frame.flags, h.flags);
        ck_assert_uint_eq(frame.channel, h.channel);
        ck_assert_uint_eq(frame.payload.len, h.len);
    }
    for (size_t cut = 1; taken && cut < all.len; cut++) {
        rest = w4_bytes_of(bytes, cut);
        if (w4_frame_next(&rest, &frame) != W4_FRAME_MALFORMED) {
            ck_abort_msg("a cut at %zu is taken", cut);
        }
    }
    ck_assert_str_ne(w4_frame_verdict_name(table[_i].verdict), "?");
}
END_TEST

START_TEST(what_is_put_is_read) {
    w4_frame frame = {.type = W4_FRAME_DATA,
                      .flags = W4_FRAME_FIN,
                      .channel = W4_FRAME_CHANNEL(W4_CHANNEL_STATE),
                      .seq = UINT64_C(0x0102030405060708),
                      .payload = w4_bytes_from_text("payload")};
    w4_frame ping = {.type = W4_FRAME_PING, .seq = 99};
    uint8_t *at = w4_frame_put(bytes, &frame);
    at = w4_frame_put(at, &ping);
    w4_bytes rest = w4_bytes_of(bytes, (size_t)(at - bytes));
    ck_assert_uint_eq(rest.len, w4_frame_len(7) + w4_frame_len(0));
    ck_assert_int_eq(w4_frame_check(rest), W4_FRAME_GOOD);
    w4_frame got;
    ck_assert_int_eq(w4_frame_next(&rest, &got), W4_FRAME_GOOD);
    ck_assert_uint_eq(got.seq, frame.seq);
    ck_assert(w4_bytes_equal_text(got.payload, "payload"));
    ck_assert_int_eq(w4_frame_next(&rest, &got), W4_FRAME_GOOD);
    ck_assert_int_eq(got.type, W4_FRAME_PING);
    ck_assert_uint_eq(got.seq, 99);
    ck_assert_int_eq(w4_frame_next(&rest, &got), W4_FRAME_END);
}
END_TEST

START_TEST(one_bad_frame_spoils_the_record) {
    w4_frame ping = {.type = W4_FRAME_PING};
    uint8_t *at = w4_frame_put(bytes, &ping);
    at = w4_frame_put(at, &ping);
    ck_assert_int_eq(w4_frame_check(w4_bytes_of(bytes, (size_t)(at - bytes))), W4_FRAME_GOOD);
    at[0] = 1;
    ck_assert_int_eq(w4_frame_check(w4_bytes_of(bytes, (size_t)(at - bytes) + 1)),
                     W4_FRAME_MALFORMED);
    ck_assert_int_eq(w4_frame_check(w4_bytes_of(bytes, 0)), W4_FRAME_MALFORMED);
}
END_TEST

/* ---- CLOSE */

static w4_bytes close_payload(w4_refusal code, const char *text) {
    uint8_t *end = w4_close_put(bytes, code, text);
    w4_bytes rest = w4_bytes_of(bytes, (size_t)(end - bytes));
    w4_frame frame;
    ck_assert_int_eq(w4_frame_next(&rest, &frame), W4_FRAME_GOOD);
    ck_assert_int_eq(frame.type, W4_FRAME_CLOSE);
    ck_assert_uint_eq(rest.len, 0);
    return frame.payload;
}

START_TEST(every_code_can_close) {
    char text[64];
    w4_refusal code;
    ck_assert(w4_close_parse(close_payload((w4_refusal)_i, "because"), &code, text, sizeof text));
    ck_assert_int_eq(code, (w4_refusal)_i);
    ck_assert_str_eq(text, "because");
}
END_TEST

START_TEST(the_text_of_a_close_is_bounded_and_printable) {
    char text[64], large[W4_CLOSE_TEXT_MAX + 100];
    w4_refusal code;
    memset(large, 'x', sizeof large);
    large[sizeof large - 1] = 0;
    w4_bytes payload = close_payload(W4_REFUSAL_TIMEOUT, large);
    ck_assert_uint_le(payload.len, W4_CLOSE_LEN_MAX);
    ck_assert(w4_close_parse(payload, &code, text, sizeof text));
    ck_assert_uint_eq(strlen(text), sizeof text - 1);
    ck_assert(
        w4_close_parse(close_payload(W4_REFUSAL_NONE, "\x1b[2J\n"), &code, text, sizeof text));
    ck_assert_str_eq(text, "\\x1b[2J\\n");
    ck_assert(w4_close_parse(close_payload(W4_REFUSAL_NONE, NULL), &code, text, sizeof text));
    ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(a_close_that_we_do_not_know_is_still_one) {
    char text[64];
    w4_refusal code;
    ck_assert(w4_close_parse(w4_bytes_from_text("\x03newwhy"), &code, text, sizeof text));
    ck_assert_int_eq(code, W4_REFUSAL_DISCONNECTED);
    ck_assert_str_eq(text, "why");
    ck_assert(!w4_close_parse(w4_bytes_from_text("\x04new"), &code, text, sizeof text));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("frame");
    TCase *tc = tcase_create("frame");
    tcase_set_timeout(tc, 0);
    tcase_add_loop_test(tc, every_row_is_judged, 0, (int)(sizeof table / sizeof table[0]));
    tcase_add_test(tc, what_is_put_is_read);
    tcase_add_test(tc, one_bad_frame_spoils_the_record);
    tcase_add_loop_test(tc, every_code_can_close, 0, W4_REFUSAL_COUNT);
    tcase_add_test(tc, the_text_of_a_close_is_bounded_and_printable);
    tcase_add_test(tc, a_close_that_we_do_not_know_is_still_one);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
