/* Whoever lost its memory numbers its records from where others are beyond already: it learns so
 * from them, also by way of a neighbour. */
#include "runner.h"

#include "mesh/state.h"
#include "meshes.h"

#define SEQ (WALL0 / W4_US_PER_MS + W4_MESH_SEQ_LEAP * 4) /* none comes to it by itself */

static node *a, *b, *c;
static w4_buffer last, before; /* of c, in an earlier life */

static void setup(void) {
    a = node_add();
    b = node_add();
    c = node_add();
    last = own_record(c, SEQ, WALL0, 3600, "last");
    before = own_record(c, SEQ - 1, WALL0, 3600, "before");
}

static void teardown(void) {
    w4_buffer_deinit(&last);
    w4_buffer_deinit(&before);
    nodes_reset();
}

/* Nobody dials: who has no session gets none. */
static void run(void) {
    settle_with(false);
    now_us += 2 * S;
    settle_with(false);
}

static void all_hear_what_c_says_now(void) {
    ck_assert_uint_gt(record_of(c, c)->seq, SEQ);
    ck_assert_uint_eq(record_of(b, c)->seq, record_of(c, c)->seq);
    ck_assert_uint_eq(record_of(a, c)->seq, record_of(c, c)->seq);
    ck_assert(!joined(a, c));
    ck_assert_int_ne(w4_trust_book_state(a->trust, W4_TRUST_NODE, id_of(c)), W4_TRUST_BLOCKED);
    ck_assert_int_ne(w4_trust_book_state(b->trust, W4_TRUST_NODE, id_of(c)), W4_TRUST_BLOCKED);
}

/* A knows what C told before it forgot, has no session with C, and hears of it from B. */
START_TEST(by_way_of_a_neighbour) {
    tell(c, a, w4_buffer_bytes(&last));
    join(b, c, 0);
    join(a, b, 0);
    run();
    all_hear_what_c_says_now();
}
END_TEST

/* The same where C comes when A and B have met. */
START_TEST(who_comes_later) {
    tell(c, a, w4_buffer_bytes(&last));
    join(a, b, 0);
    run();
    join(b, c, 0);
    run();
    all_hear_what_c_says_now();
}
END_TEST

/* It had taken all of it back, and is there again. */
START_TEST(a_withdrawal_is_outdone) {
    w4_buffer gone = own_record(c, SEQ, WALL0, 0, "gone");
    tell(c, a, w4_buffer_bytes(&gone));
    ck_assert_ptr_null(record_of(a, c));
    join(b, c, 0);
    join(a, b, 0);
    run();
    all_hear_what_c_says_now();
    w4_buffer_deinit(&gone);
}
END_TEST

/* The queue to whom it was told was full: it is told again, of another or (way 1) of itself. */
START_TEST(lost_on_its_way) {
    node *author = _i == 0 ? c : b;
    w4_buffer known = own_record(author, SEQ, WALL0, 3600, "known");
    w4_buffer old = own_record(author, SEQ - 1, WALL0, 3600, "old");
    join(a, b, 0);
    run();
    tell(b, a, w4_buffer_bytes(&known));
    drain(a, false);
    uint64_t sessions = a->session_to;
    unsigned sent = a->events[W4_MESH_EVENT_TRANSMIT];
    a->session_to = 0; /* nothing that it says comes to anybody */
    tell(b, a, w4_buffer_bytes(&old));
    drain(a, false);
    ck_assert_uint_eq(a->events[W4_MESH_EVENT_TRANSMIT], sent + 1);
    a->session_to = sessions;
    w4_mesh_untold(a->mesh, id_of(b), now_us);
    run();
    if (author == c) {
        ck_assert_uint_eq(record_of(b, c)->seq, SEQ);
    } else {
        ck_assert_uint_gt(record_of(a, b)->seq, SEQ);
    }
    w4_buffer_deinit(&known);
    w4_buffer_deinit(&old);
}
END_TEST

/* Where the author is no neighbour, nobody is told; nor who tells and has gone. */
START_TEST(only_neighbours_are_told) {
    join(a, b, 0);
    run();
    unsigned sent = a->events[W4_MESH_EVENT_TRANSMIT];
    tell(b, a, w4_buffer_bytes(&before));
    tell(b, a, w4_buffer_bytes(&last));
    tell(b, a, w4_buffer_bytes(&last));
    drain(a, false);
    ck_assert_uint_eq(a->events[W4_MESH_EVENT_TRANSMIT], sent);
    tell(b, a, w4_buffer_bytes(&before));
    drain(a, false);
    ck_assert_uint_eq(a->events[W4_MESH_EVENT_TRANSMIT], sent + 1);
    ck_assert_uint_eq(record_of(b, c)->seq, SEQ);
    part(a, b);
    tell(b, a, w4_buffer_bytes(&before));
    drain(a, false);
    ck_assert_uint_eq(a->events[W4_MESH_EVENT_TRANSMIT], sent + 1);
}
END_TEST

/* Who says what is old again and again is answered so often, and later again. */
START_TEST(answers_are_counted) {
    join(a, b, 0);
    run();
    tell(b, a, w4_buffer_bytes(&last));
    drain(a, false);
    unsigned sent = a->events[W4_MESH_EVENT_TRANSMIT];
    now_us += W4_MESH_TOLD_MAX * W4_MESH_TOLD_US;
    for (unsigned i = 0; i < 4 * W4_MESH_TOLD_MAX; i++) {
        tell(b, a, w4_buffer_bytes(&before));
    }
    drain(a, false);
    ck_assert_uint_eq(a->events[W4_MESH_EVENT_TRANSMIT], sent + W4_MESH_TOLD_MAX);
    now_us += W4_MESH_TOLD_US;
    tell(b, a, w4_buffer_bytes(&before));
    drain(a, false);
    ck_assert_uint_eq(a->events[W4_MESH_EVENT_TRANSMIT], sent + W4_MESH_TOLD_MAX + 1);
}
END_TEST

/* That takes nothing from what one may tell of itself. */
START_TEST(whose_news_are_old_of_others_is_heard_of_itself) {
    join(a, b, 0);
    run();
    tell(b, a, w4_buffer_bytes(&last));
    now_us += W4_MESH_TOLD_MAX * W4_MESH_TOLD_US;
    for (unsigned i = 0; i < 2 * W4_MESH_TOLD_MAX; i++) {
        tell(b, a, w4_buffer_bytes(&before));
    }
    w4_buffer own = own_record(b, SEQ, WALL0, 3600, "news");
    tell(b, a, w4_buffer_bytes(&own));
    drain(a, false);
    ck_assert_uint_eq(record_of(a, b)->seq, SEQ);
    ck_assert_uint_eq(a->events[W4_MESH_EVENT_REJECTED], 0);
    w4_buffer_deinit(&own);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("mesh reminders");
    TCase *tc = tcase_create("reminders");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, by_way_of_a_neighbour);
    tcase_add_test(tc, who_comes_later);
    tcase_add_test(tc, a_withdrawal_is_outdone);
    tcase_add_loop_test(tc, lost_on_its_way, 0, 2);
    tcase_add_test(tc, only_neighbours_are_told);
    tcase_add_test(tc, answers_are_counted);
    tcase_add_test(tc, whose_news_are_old_of_others_is_heard_of_itself);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
