/* Keys of one identity are one subject: what was known of each is put together, and is found by all
 * of them. And what subjects call themselves. */
#include "runner.h"

#include "trust/book.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define S W4_US_PER_S
#define T0 (UINT64_C(1800000000) * S)

static w4_trust_book *book;
static w4_trust_move move;
static w4_trust_followed followed;

static w4_fingerprint key(uint32_t number) {
    w4_fingerprint f = {{0}};
    memcpy(f.bytes, &number, sizeof(number));
    return f;
}

static int apply(uint32_t number, w4_trust_event event) {
    w4_fingerprint f = key(number);
    return w4_trust_book_apply(book, W4_TRUST_AGENT, &f, event, "node", NULL, NULL, T0, &move);
}

static void meet(uint32_t number) {
    ck_assert_int_eq(apply(number, W4_TRUST_EVENT_HANDSHAKE), 1);
}

static void set(uint32_t number, w4_trust_state to) {
    w4_fingerprint f = key(number);
    ck_assert_int_eq(w4_trust_book_set(book, W4_TRUST_AGENT, &f, to, "operator", "", T0, &move), 1);
}

static w4_trust_state state(uint32_t number) {
    w4_fingerprint f = key(number);
    return w4_trust_book_state(book, W4_TRUST_AGENT, &f);
}

static int follow(uint32_t old, uint32_t fresh) {
    w4_fingerprint a = key(old), b = key(fresh);
    return w4_trust_book_follow(book, &a, &b, T0 + S, &followed);
}

static bool same(uint32_t a, uint32_t b) {
    w4_fingerprint of_a = key(a), of_b = key(b);
    return w4_trust_book_same(book, &of_a, &of_b);
}

static bool root_is(uint32_t number, uint32_t root) {
    w4_fingerprint f = key(number), expected = key(root);
    w4_fingerprint is = w4_trust_book_root(book, &f);
    return w4_fingerprint_equal(&is, &expected);
}

static bool current_is(uint32_t number, uint32_t last) {
    w4_fingerprint f = key(number), expected = key(last);
    w4_fingerprint is = w4_trust_book_current(book, &f);
    return w4_fingerprint_equal(&is, &expected);
}

static bool has_others(uint32_t number) {
    w4_fingerprint f = key(number);
    return w4_trust_book_has_others(book, &f);
}

static void rename_to(uint32_t number, const char *name) {
    w4_fingerprint f = key(number);
    ck_assert_int_eq(w4_trust_book_rename(book, W4_TRUST_AGENT, &f, name), 0);
}

static const char *name_of(uint32_t number) {
    w4_fingerprint f = key(number);
    return w4_trust_book_name(book, W4_TRUST_AGENT, &f);
}

static void setup(void) {
    ck_assert_int_eq(w4_trust_book_new(&book), 0);
}

static void teardown(void) {
    book = w4_trust_book_free(book);
}

/* ---- who follows whom */

START_TEST(in_whatever_order_they_come) {
    ck_assert(same(1, 1) && !same(1, 2) && !has_others(1) && root_is(1, 1) && current_is(1, 1));
    ck_assert_int_eq(follow(2, 3), 0);
    ck_assert_int_eq(follow(1, 2), 0);
    ck_assert_int_eq(follow(3, 4), 0);
    for (uint32_t n = 1; n <= 4; n++) {
        ck_assert(root_is(n, 1) && current_is(n, 4) && has_others(n) && same(n, 1) && same(4, n));
    }
    ck_assert(!same(1, 9) && !has_others(9) && root_is(9, 9) && current_is(9, 9));
    ck_assert_int_eq(follow(4, 1), -EEXIST); /* a circle */
    ck_assert_int_eq(follow(1, 3), -EEXIST);
    ck_assert_int_eq(follow(7, 8), 0);
    ck_assert(!same(7, 1));
}
END_TEST

START_TEST(an_identity_is_forgotten) {
    w4_fingerprint middle = key(2), nobody = key(9);
    ck_assert_int_eq(follow(1, 2), 0);
    ck_assert_int_eq(follow(2, 3), 0);
    ck_assert_int_eq(follow(7, 8), 0);
    meet(3);
    w4_trust_book_unfollow(book, &nobody);
    ck_assert(same(1, 3));
    w4_trust_book_unfollow(book, &middle);
    ck_assert(!same(1, 3) && !has_others(1) && !has_others(2) && same(7, 8));
    ck_assert_int_eq(state(1), W4_TRUST_PROBING); /* what is known stays with the first key */
    ck_assert_int_eq(state(3), W4_TRUST_UNTRUSTED);
}
END_TEST

/* ---- what was known of the two */

START_TEST(nothing_is_known_of_either) {
    ck_assert_int_eq(follow(1, 2), 0);
    ck_assert_uint_eq(followed.count, 0);
    meet(2);
    ck_assert_int_eq(state(1), W4_TRUST_PROBING);
    ck_assert_uint_eq(w4_trust_book_count(book), 1);
}
END_TEST

START_TEST(of_the_old_key) {
    meet(1);
    ck_assert_int_eq(apply(1, W4_TRUST_EVENT_KNOWLEDGE_VERIFIED), 1);
    ck_assert_int_eq(follow(1, 2), 0);
    ck_assert_uint_eq(followed.count, 1);
    ck_assert_int_eq(followed.moves[0].cause, W4_TRUST_BY_SUCCESSION);
    ck_assert_int_eq(followed.moves[0].from, W4_TRUST_TRUSTED);
    ck_assert_int_eq(followed.moves[0].to, W4_TRUST_TRUSTED);
    ck_assert_int_eq(state(2), W4_TRUST_TRUSTED);
    ck_assert_int_eq(apply(2, W4_TRUST_EVENT_MALICE), 1); /* it is of the identity */
    ck_assert_int_eq(state(1), W4_TRUST_BLOCKED);
}
END_TEST

/* What is counted, and a cooldown, do not end with a new key. */
START_TEST(a_new_key_is_no_new_start) {
    w4_fingerprint second = key(2), fourth = key(4);
    meet(1);
    ck_assert_int_eq(apply(1, W4_TRUST_EVENT_UNVERIFIABLE), 2);
    ck_assert_int_eq(apply(1, W4_TRUST_EVENT_UNVERIFIABLE), 2);
    ck_assert_int_eq(follow(1, 2), 0);
    ck_assert_int_eq(apply(2, W4_TRUST_EVENT_UNVERIFIABLE), 1); /* the third */
    ck_assert_int_eq(state(2), W4_TRUST_UNTRUSTED);
    ck_assert(w4_trust_book_in_cooldown(book, W4_TRUST_AGENT, &second, T0 + S));
    meet(3);
    ck_assert_int_eq(apply(3, W4_TRUST_EVENT_CONFLICT), 1);
    ck_assert_int_eq(follow(3, 4), 0);
    ck_assert(w4_trust_book_in_cooldown(book, W4_TRUST_AGENT, &fourth, T0 + S));
    ck_assert_int_eq(apply(4, W4_TRUST_EVENT_HANDSHAKE), 0);
}
END_TEST

START_TEST(of_the_new_key) {
    set(2, W4_TRUST_TRUSTED);
    rename_to(2, "two");
    ck_assert_int_eq(follow(1, 2), 0);
    ck_assert_int_eq(followed.moves[0].from, W4_TRUST_UNTRUSTED);
    ck_assert_int_eq(followed.moves[0].to, W4_TRUST_TRUSTED);
    ck_assert(followed.moves[0].summed_order);
    ck_assert_int_eq(state(1), W4_TRUST_TRUSTED);
    ck_assert_str_eq(name_of(1), "two");
    ck_assert_uint_eq(w4_trust_book_count(book), 1);
}
END_TEST

START_TEST(of_both) {
    static const struct {
        w4_trust_state of_old, of_new;
        bool old_ordered, new_ordered;
        w4_trust_state to;
    } rows[] = {
        {W4_TRUST_TRUSTED, W4_TRUST_BLOCKED, false, false, W4_TRUST_BLOCKED},
        {W4_TRUST_TRUSTED, W4_TRUST_BLOCKED, true, false, W4_TRUST_BLOCKED},
        {W4_TRUST_BLOCKED, W4_TRUST_TRUSTED, false, false, W4_TRUST_BLOCKED},
        {W4_TRUST_BLOCKED, W4_TRUST_TRUSTED, false, true, W4_TRUST_TRUSTED}, /* his word alone */
        {W4_TRUST_BLOCKED, W4_TRUST_TRUSTED, true, true, W4_TRUST_BLOCKED},
        {W4_TRUST_PROBING, W4_TRUST_TRUSTED, false, false, W4_TRUST_PROBING},
        {W4_TRUST_TRUSTED, W4_TRUST_PROBING, false, true, W4_TRUST_PROBING},
    };
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (uint32_t n = 0; n < 2; n++) {
            uint32_t number = 10 * i + 1 + n;
            w4_trust_state to = n == 0 ? rows[i].of_old : rows[i].of_new;
            if (n == 0 ? rows[i].old_ordered : rows[i].new_ordered) {
                set(number, to);
            } else {
                meet(number);
                ck_assert_int_eq(to == W4_TRUST_PROBING
                                     ? 1
                                     : apply(number, to == W4_TRUST_TRUSTED
                                                         ? W4_TRUST_EVENT_KNOWLEDGE_VERIFIED
                                                         : W4_TRUST_EVENT_MALICE),
                                 1);
            }
        }
        ck_assert_int_eq(follow(10 * i + 1, 10 * i + 2), 0);
        ck_assert_msg(state(10 * i + 1) == rows[i].to, "row %u", i);
        ck_assert_msg(state(10 * i + 2) == rows[i].to, "row %u", i);
    }
    ck_assert_uint_eq(w4_trust_book_count(book), sizeof rows / sizeof rows[0]);
}
END_TEST

/* The history is played again: the moves are there already. */
START_TEST(from_the_history) {
    w4_fingerprint a = key(1), b = key(2);
    meet(1);
    ck_assert_int_eq(w4_trust_book_follow(book, &a, &b, T0 + S, NULL), 0);
    ck_assert_int_eq(state(2), W4_TRUST_PROBING);
    ck_assert(same(1, 2));
}
END_TEST

/* A book that orders have filled has a place for the first key: that of the second. */
START_TEST(an_order_outlives_a_full_book) {
    for (uint32_t i = 0; i < W4_TRUST_SUBJECTS_MAX; i++) {
        set(100 + i, W4_TRUST_BLOCKED);
    }
    ck_assert_int_eq(follow(1, 100), 0);
    ck_assert_uint_eq(followed.count, 1);
    ck_assert_int_eq(state(100), W4_TRUST_BLOCKED);
    ck_assert_int_eq(state(1), W4_TRUST_BLOCKED);
    ck_assert_uint_eq(w4_trust_book_count(book), W4_TRUST_SUBJECTS_MAX);
}
END_TEST

/* ---- names */

START_TEST(names) {
    char longest[W4_TRUST_NAME_MAX + 2];
    w4_fingerprint f = key(1), nobody = key(9);
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    meet(1);
    ck_assert_str_eq(name_of(1), "");
    ck_assert_str_eq(name_of(9), "");
    size_t before = w4_trust_book_memory(book);
    ck_assert(w4_trust_book_is_renamed(book, W4_TRUST_AGENT, &f, "ada"));
    ck_assert(!w4_trust_book_is_renamed(book, W4_TRUST_AGENT, &f, ""));
    ck_assert(!w4_trust_book_is_renamed(book, W4_TRUST_AGENT, &f, longest));
    ck_assert(!w4_trust_book_is_renamed(book, W4_TRUST_AGENT, &nobody, "ada"));
    rename_to(9, "ada");
    rename_to(1, "");
    rename_to(1, longest);
    ck_assert_str_eq(name_of(1), "");
    rename_to(1, "ada");
    ck_assert_str_eq(name_of(1), "ada");
    ck_assert(!w4_trust_book_is_renamed(book, W4_TRUST_AGENT, &f, "ada"));
    ck_assert_uint_gt(w4_trust_book_memory(book), before);
    rename_to(1, "ada of the harbour");
    ck_assert_str_eq(name_of(1), "ada of the harbour");
    rename_to(1, "ada");
    ck_assert_uint_eq(w4_trust_book_memory(book), before + 4);
}
END_TEST

/* The name of the first key stands; where it has none, that of the other. */
START_TEST(names_of_one_identity) {
    meet(1);
    meet(2);
    rename_to(1, "one");
    rename_to(2, "two");
    ck_assert_int_eq(follow(1, 2), 0);
    ck_assert_str_eq(name_of(2), "one");
    meet(3);
    meet(4);
    rename_to(4, "four");
    ck_assert_int_eq(follow(3, 4), 0);
    ck_assert_str_eq(name_of(3), "four");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("trust succession");
    TCase *tests = tcase_create("succession");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, in_whatever_order_they_come);
    tcase_add_test(tests, an_identity_is_forgotten);
    tcase_add_test(tests, nothing_is_known_of_either);
    tcase_add_test(tests, of_the_old_key);
    tcase_add_test(tests, a_new_key_is_no_new_start);
    tcase_add_test(tests, of_the_new_key);
    tcase_add_test(tests, of_both);
    tcase_add_test(tests, from_the_history);
    tcase_add_test(tests, an_order_outlives_a_full_book);
    tcase_add_test(tests, names);
    tcase_add_test(tests, names_of_one_identity);
    suite_add_tcase(suite, tests);
    return w4_test_run(suite);
}
