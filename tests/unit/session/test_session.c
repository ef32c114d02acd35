#include "pair.h"

static pair_end ada, ben;
static w4_session *a, *b;
static uint64_t now;

static void begin(void) {
    now = PAIR_START_US;
    pair_end_init(&ada, 1, "ada");
    pair_end_init(&ben, 2, "ben");
    ck_assert_int_eq(w4_session_new(&ada.env, &W4_SESSION_CONFIG_DEFAULT, now, &a), 0);
    ck_assert_int_eq(w4_session_new(&ben.env, &W4_SESSION_CONFIG_DEFAULT, now, &b), 0);
}

static void finish(void) {
    a = w4_session_free(a);
    b = w4_session_free(b);
    pair_end_deinit(&ada);
    pair_end_deinit(&ben);
}

static void link_up(bool ordered) {
    w4_handshake_result ra, rb;
    w4_resume_point point;
    bool resume = w4_session_resume_point(a, &point);
    ck_assert(pair_handshake(&ada, &ben, resume ? &point : NULL, now, &ra, &rb));
    ck_assert_int_eq(w4_session_attach(a, &ra, ordered, now), 0);
    ck_assert_int_eq(w4_session_attach(b, &rb, ordered, now), 0);
}

/* One frame across; false when there was none. */
static bool carry(w4_session *from, w4_session *to) {
    w4_buffer frame = W4_BUFFER_INIT(65535);
    int r = w4_session_emit(from, &frame, now);
    ck_assert_int_ge(r, 0);
    if (r == 1) {
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

static void settle(void) {
    for (int i = 0; i < 20; i++) {
        now += 100;
        bool one = carry(a, b);
        bool two = carry(b, a);
        if (!one && !two) {
            return;
        }
    }
    ck_abort_msg("the ends do not come to rest");
}

START_TEST(opens_and_carries_messages_both_ways) {
    begin();
    link_up(true);
    settle();
    ck_assert(!next(a, W4_SESSION_EVENT_OPEN).resumed);
    ck_assert(!next(b, W4_SESSION_EVENT_OPEN).resumed);
    ck_assert_mem_eq(w4_session_id(a), w4_session_id(b), W4_SESSION_ID_LEN);
    ck_assert_str_eq(w4_session_peer(a)->node, "ben");
    ck_assert_int_eq(w4_session_send(a, W4_CHANNEL_STATE, w4_bytes_from_text("hello"), 7, now), 0);
    ck_assert_int_eq(w4_session_send(b, W4_CHANNEL_CONTROL, w4_bytes_from_text("there"), 8, now),
                     0);
    ck_assert(carry(a, b));
    w4_session_event e = next(b, W4_SESSION_EVENT_MESSAGE);
    ck_assert_int_eq(e.channel, W4_CHANNEL_STATE);
    ck_assert(w4_bytes_equal_text(e.message, "hello"));
    no_more(b);
    ck_assert(carry(b, a));
    e = next(a, W4_SESSION_EVENT_DELIVERED);
    ck_assert_uint_eq(e.token, 7);
    ck_assert(w4_bytes_equal_text(next(a, W4_SESSION_EVENT_MESSAGE).message, "there"));
    no_more(a);
    settle();
    ck_assert_uint_eq(next(b, W4_SESSION_EVENT_DELIVERED).token, 8);
    finish();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("session");
    TCase *tc = tcase_create("session");
    tcase_add_test(tc, opens_and_carries_messages_both_ways);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
