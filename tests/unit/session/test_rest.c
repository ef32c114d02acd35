/* Channels that are always open and were never used: there to look at, and hardly in memory. */
#include "ends.h"

#include "session/state.h"

static bool is_made(const w4_session *s, w4_channel_kind kind) {
    return s->channels[kind] != NULL;
}

START_TEST(a_session_at_rest_is_small) {
    begin();
    open_link(true);
    for (int i = 0; i < 20; i++) {
        wait_for(a);
        settle();
    }
    ck_assert_uint_gt(stats_of(a).records_in, 10);
    for (unsigned k = 0; k < W4_KINDS; k++) {
        ck_assert(!is_made(a, (w4_channel_kind)k) && !is_made(b, (w4_channel_kind)k));
    }
    ck_assert_uint_le(w4_session_memory(a), 2048);
    finish();
}
END_TEST

START_TEST(it_looks_like_any_other) {
    w4_channel_info info;
    unsigned cursor = 0;
    w4_histogram latency;
    begin();
    open_link(true);
    for (unsigned k = 0; k < W4_KINDS; k++) {
        ck_assert(w4_session_channel_next(a, &cursor, &info));
        ck_assert_uint_eq(info.id, W4_CHANNEL_ID(k));
        ck_assert_uint_eq(info.kind, k);
        ck_assert(info.standing && !info.ours);
        ck_assert_int_eq(info.state, W4_CHANNEL_OPEN);
        ck_assert_uint_eq(info.credit, W4_SESSION_CONFIG_DEFAULT.channels[k].credit);
        ck_assert_uint_eq(info.credit_given, W4_SESSION_CONFIG_DEFAULT.channels[k].credit);
        ck_assert_uint_eq(info.limits->messages_max, 1024);
        ck_assert(w4_channel_stats_balanced(info.stats));
        ck_assert_uint_eq(info.stats->attempted, 0);
        ck_assert(w4_session_channel_find(a, info.id, &info));
        w4_session_channel_latency(a, info.id, &latency);
        ck_assert_uint_eq(latency.count, 0);
        ck_assert(!w4_session_withdraw(a, info.kind, 1, W4_REFUSAL_NONE, now));
        ck_assert_uint_eq(w4_session_waiting(a, info.kind, 0, now).late, 0);
        w4_session_consumed(a, info.kind, 1);
        ck_assert_int_eq(w4_session_channel_announce(a, info.id, NULL), 0);
        ck_assert(!is_made(a, (w4_channel_kind)k));
    }
    ck_assert(!w4_session_channel_next(a, &cursor, &info));
    ck_assert(!w4_session_channel_find(a, 0, &info));
    ck_assert(!w4_session_channel_find(a, 4, &info));
    finish();
}
END_TEST

START_TEST(what_is_used_is_made_and_no_more) {
    begin();
    open_link(true);
    ck_assert_int_eq(send(a, W4_CHANNEL_STATE, "one", 1), 0);
    ck_assert_uint_eq(settle(), 1);
    ck_assert(is_made(a, W4_CHANNEL_STATE) && is_made(b, W4_CHANNEL_STATE));
    ck_assert(!is_made(a, W4_CHANNEL_KNOWLEDGE) && !is_made(b, W4_CHANNEL_CONTROL));
    w4_session_count_error(a, W4_CHANNEL_KNOWLEDGE);
    ck_assert_uint_eq(w4_session_channel_stats(a, W4_CHANNEL_KNOWLEDGE)->errors, 1);
    /* What was granted before it was made holds, and is not granted twice. */
    w4_channel_info info;
    ck_assert(w4_session_channel_find(b, W4_CHANNEL_ID(W4_CHANNEL_KNOWLEDGE), &info));
    uint32_t granted = info.credit_given;
    ck_assert_int_eq(send(a, W4_CHANNEL_KNOWLEDGE, "two", 2), 0);
    ck_assert(carry(a, b));
    ck_assert_uint_gt(granted, 0);
    (void)next(b, W4_SESSION_EVENT_MESSAGE);
    ck_assert(w4_session_channel_find(b, W4_CHANNEL_ID(W4_CHANNEL_KNOWLEDGE), &info));
    ck_assert_uint_eq(info.credit_given, granted - 1);
    finish();
}
END_TEST

START_TEST(it_resumes_and_begins_afresh) {
    begin();
    open_link(true);
    ck_assert_int_eq(send(a, W4_CHANNEL_STATE, "one", 1), 0);
    ck_assert_uint_eq(settle(), 1);
    cut();
    link_up(false);
    ck_assert(next(b, W4_SESSION_EVENT_OPEN).resumed);
    settle();
    ck_assert_int_eq(send(b, W4_CHANNEL_CONTROL, "two", 1), 0);
    ck_assert_int_eq(send(a, W4_CHANNEL_KNOWLEDGE, "three", 2), 0);
    ck_assert_uint_eq(settle(), 2);
    cut();
    b = w4_session_free(b);
    ck_assert_int_eq(w4_session_new(&ben.env, &W4_SESSION_CONFIG_DEFAULT, now, &b), 0);
    link_up(true);
    ck_assert(!next(b, W4_SESSION_EVENT_OPEN).resumed);
    settle();
    for (unsigned k = 0; k < W4_KINDS; k++) {
        ck_assert_int_eq(send(a, (w4_channel_kind)k, "four", 3), 0);
        ck_assert_int_eq(send(b, (w4_channel_kind)k, "five", 3), 0);
    }
    ck_assert_uint_eq(settle(), 2 * W4_KINDS);
    finish();
}
END_TEST

/* What came within a turn is not acknowledged before its commit, on one that it made itself too. */
START_TEST(acknowledgements_are_held_for_it) {
    begin();
    open_link(true);
    w4_session_hold_acks(b, true);
    ck_assert_int_eq(send(a, W4_CHANNEL_KNOWLEDGE, "one", 1), 0);
    ck_assert(carry(a, b));
    (void)next(b, W4_SESSION_EVENT_MESSAGE);
    no_more(b);
    (void)carry(b, a);
    no_more(a);
    w4_session_hold_acks(b, false);
    ck_assert(carry(b, a));
    ck_assert_uint_eq(next(a, W4_SESSION_EVENT_DELIVERED).token, 1);
    finish();
}
END_TEST

/* A peer that stands still for credit, of a channel of which nothing is known here but that. */
START_TEST(it_answers_who_asks_for_credit) {
    begin();
    open_link(true);
    b->rest[W4_CHANNEL_STATE].granted = 0; /* as if the budget had been tight */
    a->rest[W4_CHANNEL_STATE].allowed = 0;
    ck_assert_int_eq(send(a, W4_CHANNEL_STATE, "one", 1), 0);
    ck_assert_uint_eq(settle(), 0);
    for (int i = 0; i < 3 && a->channels[W4_CHANNEL_STATE]->out.stats.delivered == 0; i++) {
        wait_for(a);
        ck_assert_uint_le(settle(), 1);
    }
    ck_assert_uint_eq(a->channels[W4_CHANNEL_STATE]->out.stats.delivered, 1);
    finish();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("session at rest");
    TCase *tc = tcase_create("rest");
    tcase_add_test(tc, a_session_at_rest_is_small);
    tcase_add_test(tc, it_looks_like_any_other);
    tcase_add_test(tc, what_is_used_is_made_and_no_more);
    tcase_add_test(tc, it_resumes_and_begins_afresh);
    tcase_add_test(tc, acknowledgements_are_held_for_it);
    tcase_add_test(tc, it_answers_who_asks_for_credit);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
