#include "runner.h"

#include "session/budget.h"

#include <stdint.h>

static w4_byte_budget node, peer, other;

static void begin(size_t of_node, size_t of_peer) {
    w4_byte_budget_init(&node, NULL, of_node);
    w4_byte_budget_init(&peer, &node, of_peer);
    w4_byte_budget_init(&other, &node, of_peer);
}

START_TEST(takes_and_gives_at_every_level) {
    begin(100, 60);
    ck_assert_uint_eq(w4_byte_budget_left(&peer), 60);
    ck_assert(w4_byte_budget_take(&peer, 60));
    ck_assert_uint_eq(node.used, 60);
    ck_assert(!w4_byte_budget_take(&peer, 1));
    ck_assert_uint_eq(w4_byte_budget_left(&other), 40); /* what the node has left */
    ck_assert(!w4_byte_budget_take(&other, 41));
    ck_assert_uint_eq(other.used, 0);
    ck_assert_uint_eq(node.used, 60); /* nothing was taken half */
    ck_assert(w4_byte_budget_take(&other, 40));
    ck_assert_uint_eq(w4_byte_budget_left(&node), 0);
    ck_assert(w4_byte_budget_take(&peer, 0));
    w4_byte_budget_give(&peer, 60);
    ck_assert_uint_eq(w4_byte_budget_left(&peer), 60);
    w4_byte_budget_deinit(&other);
    w4_byte_budget_deinit(&other);
    ck_assert_uint_eq(node.used, 0);
}
END_TEST

START_TEST(a_limit_may_become_less) {
    begin(100, 60);
    ck_assert(w4_byte_budget_take(&peer, 50));
    peer.limit = 40;
    ck_assert_uint_eq(w4_byte_budget_left(&peer), 0);
    ck_assert(!w4_byte_budget_take(&peer, 1));
    w4_byte_budget_give(&peer, 20);
    ck_assert_uint_eq(w4_byte_budget_left(&peer), 10);
    w4_byte_budget_force(&peer, 1000); /* what is there is counted, whatever was allowed */
    ck_assert_uint_eq(peer.used, 1030);
    ck_assert_uint_eq(node.used, 1030);
    ck_assert_uint_eq(w4_byte_budget_left(&other), 0);
}
END_TEST

START_TEST(tight_is_less_than_a_quarter_anywhere) {
    begin(100, 60);
    ck_assert(!w4_byte_budget_tight(&peer));
    ck_assert(w4_byte_budget_take(&peer, 45));
    ck_assert(!w4_byte_budget_tight(&peer));
    ck_assert(w4_byte_budget_take(&peer, 1));
    ck_assert(w4_byte_budget_tight(&peer));
    ck_assert(!w4_byte_budget_tight(&other));
    ck_assert(w4_byte_budget_take(&other, 30));
    ck_assert(w4_byte_budget_tight(&other)); /* the node is */
}
END_TEST

/* However many take what they can, there is as much left for the next. */
START_TEST(a_fair_one_is_shared) {
    enum { MANY = 9 };
    w4_byte_budget each[MANY], sending, late;
    w4_byte_budget_init(&node, NULL, 1000);
    node.fair = true;
    ck_assert_uint_eq(w4_byte_budget_left(&node), 1000);
    for (unsigned i = 0; i < MANY; i++) {
        w4_byte_budget_init(&each[i], &node, 1000);
    }
    for (unsigned i = 0; i < 1000; i++) {
        (void)w4_byte_budget_take(&each[i % MANY], 1);
        ck_assert(i < MANY || w4_byte_budget_left(&each[i % MANY]) < 1000);
    }
    w4_byte_budget_init(&late, &node, 1000);
    w4_byte_budget_init(&sending, &late, 50);
    for (unsigned i = 0; i < MANY; i++) {
        ck_assert_uint_ge(each[i].used, 100);
        ck_assert(w4_byte_budget_tight(&each[i]));
        ck_assert_uint_eq(w4_byte_budget_left(&each[i]), 0);
    }
    ck_assert_uint_ge(w4_byte_budget_left(&late), 95);
    ck_assert(!w4_byte_budget_tight(&late));
    ck_assert_uint_eq(w4_byte_budget_left(&sending), 50);
    ck_assert(w4_byte_budget_take(&sending, 50));
    ck_assert_uint_eq(w4_byte_budget_left(&late), 0); /* as much as is left for all others */
    ck_assert_uint_lt(node.used, 1000);
    for (unsigned i = 0; i < MANY; i++) {
        w4_byte_budget_deinit(&each[i]);
    }
    ck_assert_uint_eq(w4_byte_budget_left(&late), 900);
    ck_assert(!w4_byte_budget_tight(&late));
    w4_byte_budget_force(&late, 950);
    ck_assert(w4_byte_budget_tight(&late));
    w4_byte_budget_init(&other, &node, 1000);
    ck_assert(w4_byte_budget_tight(&other)); /* nothing is left at all */
}
END_TEST

START_TEST(without_one_there_is_no_limit) {
    ck_assert_uint_eq(w4_byte_budget_left(NULL), SIZE_MAX);
    ck_assert(w4_byte_budget_take(NULL, SIZE_MAX));
    w4_byte_budget_force(NULL, 1);
    w4_byte_budget_give(NULL, 1);
    ck_assert(!w4_byte_budget_tight(NULL));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("budget");
    TCase *tc = tcase_create("budget");
    tcase_add_test(tc, takes_and_gives_at_every_level);
    tcase_add_test(tc, a_limit_may_become_less);
    tcase_add_test(tc, tight_is_less_than_a_quarter_anywhere);
    tcase_add_test(tc, a_fair_one_is_shared);
    tcase_add_test(tc, without_one_there_is_no_limit);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
