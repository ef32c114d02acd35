/* Questions to the causal memory over several steps. */
#include "memory_steps.h"

/* 1 <- 2 <- 3 <- 4, 2 <- 5, 3 and 5 <- 6, and 7 follows from nothing. */
static void remember_a_web(void) {
    remember(1, 'a', "physics", "one", NULL);
    remember(2, 'a', "physics", "two", (const unsigned[]){1, 0});
    remember(3, 'b', "optics", "three", (const unsigned[]){2, 0});
    remember(4, 'a', "physics", "four", (const unsigned[]){3, 0});
    remember(5, 'b', "physics", "five", (const unsigned[]){2, 0});
    remember(6, 'a', "physics", "six", (const unsigned[]){3, 5, 0});
    remember(7, 'a', "physics", "seven", NULL);
}

static void expect_walk(bool back, unsigned from, uint32_t depth, const char *should,
                        uint32_t steps, w4_memory_cut cut) {
    w4_memory_question q = any_question();
    *(back ? &q.effect : &q.cause) = id_of(from);
    q.depth = depth;
    expect(&q, should, back ? "back" : "forth");
    ck_assert_uint_eq(reach.steps, steps);
    ck_assert_int_eq(reach.cut, cut);
}

START_TEST(over_several_steps) {
    remember_a_web();
    expect_walk(false, 1, 1, "2 ", 1, W4_MEMORY_CUT_DEPTH);
    expect_walk(false, 1, 2, "2 3 5 ", 2, W4_MEMORY_CUT_DEPTH);
    expect_walk(false, 1, 3, "2 3 4 5 6 ", 3, W4_MEMORY_CUT_NOT);
    expect_walk(false, 1, W4_MEMORY_DEPTH_MAX, "2 3 4 5 6 ", 3, W4_MEMORY_CUT_NOT);
    expect_walk(false, 6, 5, "", 0, W4_MEMORY_CUT_NOT);
    expect_walk(true, 6, 1, "3 5 ", 1, W4_MEMORY_CUT_DEPTH);
    expect_walk(true, 6, 2, "2 3 5 ", 2, W4_MEMORY_CUT_DEPTH);
    expect_walk(true, 6, 9, "1 2 3 5 ", 3, W4_MEMORY_CUT_NOT); /* 2 once, though two lead there */
    expect_walk(true, 1, 9, "", 0, W4_MEMORY_CUT_NOT);
    expect_walk(true, 99, 9, "", 0, W4_MEMORY_CUT_NOT);
    /* What does not fit the rest of the question is gone through all the same. */
    w4_memory_question q = any_question();
    q.effect = id_of(6);
    q.depth = 9;
    q.domain = "optics";
    expect(&q, "3 ", "of a domain");
    q.domain = NULL;
    w4_who who = {.key = agent('a')};
    q.author = &who;
    expect(&q, "1 2 ", "of an author");
    ck_assert_ptr_nonnull(strstr(w4_buffer_text(&answer), "{\"steps\":3,"));
    ck_assert_ptr_nonnull(strstr(w4_buffer_text(&answer), "{\"steps\":2,"));
    q.limit = 1; /* and in parts */
    q.author = NULL;
    char numbers[64];
    const char *const parts[] = {"1 ", "2 ", "3 ", "5 "};
    for (unsigned i = 0; i < 4; i++) {
        q.next = ask(&q);
        numbers_of_answer(numbers, sizeof numbers);
        ck_assert_str_eq(numbers, parts[i]);
        ck_assert(i == 3 ? q.next == 0 : q.next != 0);
        ck_assert_uint_eq(reach.steps, 3);
    }
    /* One that is damaged, or not there, leads nowhere. */
    uint8_t key[8];
    w4_put_u64(key, 3);
    ck_assert_int_eq(w4_store_put(store, W4_STORE_MEMORY, w4_bytes_of(key, 8), text("{}")), 0);
    expect_walk(false, 1, 9, "2 5 6 ", 3, W4_MEMORY_CUT_NOT);
    /* A cause that came to be known only as one. */
    remember(8, 'a', "physics", "eight", (const unsigned[]){77, 0});
    expect_walk(false, 77, 2, "8 ", 1, W4_MEMORY_CUT_NOT);
}
END_TEST

/* However much follows from something, a walk goes through so many. */
START_TEST(walks_are_bounded) {
    remember(1, 'a', "physics", "one", NULL);
    for (unsigned i = 2; i <= W4_MEMORY_WALK_MAX + 20; i++) {
        remember(i, 'a', "physics", "more", (const unsigned[]){i % 3 == 0 ? i - 1 : 1, 0});
    }
    w4_memory_question q = any_question();
    q.cause = id_of(1);
    q.depth = 3;
    unsigned given = 0;
    do {
        q.next = ask(&q);
        ck_assert_int_eq(reach.cut, W4_MEMORY_CUT_ENTRIES);
        for (const char *at = w4_buffer_text(&answer); (at = strstr(at, "\"steps\"")) != NULL;
             at++) {
            given++;
        }
    } while (q.next != 0);
    ck_assert_uint_eq(given, W4_MEMORY_WALK_MAX - 1);
}
END_TEST

/* A fact of ada's that follows from that one (0: from none), said to one, or to all (NULL). */
static void remember_for(unsigned number, unsigned cause, const w4_fingerprint *to) {
    char envelope[256], hex[W4_FINGERPRINT_TEXT_LEN + 1] = "*";
    if (to) {
        w4_fingerprint_format(to, hex);
    }
    snprintf(envelope, sizeof envelope,
             "{\"payload\":{\"fact\":{\"statement\":\"s\"}},\"receiver\":{\"fingerprint\":"
             "\"%s\"}}",
             hex);
    w4_fact *fact = make_fact(number, 'a', envelope, (const unsigned[]){cause, 0});
    note(W4_MEMORY_FACT, fact);
    w4_fact_free(fact);
}

static void remember_for_all(unsigned number, unsigned cause) {
    remember_for(number, cause, NULL);
}

/* Nobody is led on by what was said to others: what lies behind it is not found by it. */
START_TEST(walks_end_at_secrets) {
    w4_who ben = {.key = agent('b')}, cho = {.key = agent('c')};
    remember_for_all(1, 0);
    remember_for(2, 1, &ben.key);
    remember_for_all(3, 2);
    w4_memory_question q = any_question();
    q.cause = id_of(1);
    q.depth = 9;
    q.listener = &ben;
    expect(&q, "2 3 ", "ben");
    q.listener = &cho;
    expect(&q, "", "cho");
    ck_assert_uint_eq(reach.steps, 0); /* nor that there is something */
    q.depth = 1;
    remember_for_all(4, 3);
    q.cause = id_of(3);
    expect(&q, "4 ", "cho, of what is for all");
    /* An id that somebody names in the open, of something that is not for cho: as of one that is
     * not here at all. */
    q.cause = id_of(2);
    expect(&q, "3 ", "cho, from what is hidden");
    ck_assert_int_eq(reach.cut, W4_MEMORY_CUT_DEPTH);
    q.depth = 9;
    q.cause = NULL;
    q.effect = id_of(3);
    expect(&q, "", "cho, back");
    ck_assert_uint_eq(reach.steps, 0);
    q.listener = &ben;
    expect(&q, "1 2 ", "ben, back");
}
END_TEST

/* That the walk was cut off says that something follows: it must be something for who asks. */
START_TEST(no_cut_tells_of_secrets) {
    w4_who ben = {.key = agent('b')}, cho = {.key = agent('c')};
    remember_for_all(1, 0);
    remember_for_all(2, 1);
    remember_for(3, 2, &ben.key);
    remember_for_all(4, 3);
    remember_for(5, 0, &ben.key);
    w4_memory_question q = any_question();
    for (int back = 0; back <= 1; back++) {
        q.cause = back ? NULL : id_of(1);
        q.effect = back ? id_of(4) : NULL;
        for (q.depth = 1; q.depth <= 4; q.depth++) {
            q.listener = &cho;
            expect(&q, back ? "" : "2 ", "cho");
            ck_assert_int_eq(reach.cut, W4_MEMORY_CUT_NOT);
            ck_assert_uint_eq(reach.steps, back ? 0 : 1);
            q.listener = &ben;
            (void)ask(&q);
            ck_assert_int_eq(reach.cut, q.depth < 3 ? W4_MEMORY_CUT_DEPTH : W4_MEMORY_CUT_NOT);
            ck_assert_uint_eq(reach.steps, q.depth < 3 ? q.depth : 3);
        }
    }
    /* Nor do hidden ones use up the places that a walk has. */
    q = any_question();
    for (unsigned i = 10; i < W4_MEMORY_WALK_MAX + 30; i++) {
        remember_for(i, 5, &ben.key);
    }
    remember_for_all(9000, 5);
    q.cause = id_of(5);
    q.depth = 2;
    q.listener = &cho;
    expect(&q, "9000 ", "behind many");
    ck_assert_int_eq(reach.cut, W4_MEMORY_CUT_NOT);
    q.listener = &ben;
    (void)ask(&q);
    ck_assert_int_eq(reach.cut, W4_MEMORY_CUT_ENTRIES);
}
END_TEST

/* Who asks is who was told, by whatever key; and so is who wrote it. */
START_TEST(keys_of_one_are_one) {
    w4_fingerprint a = agent('a'), b = agent('b'), c = agent('c'), d = agent('d');
    w4_trust_book *book;
    ck_assert_int_eq(w4_trust_book_new(&book), 0);
    remember_for_all(1, 0);
    remember_for(2, 1, &b);
    w4_who cho = {book, c}, dan = {book, d};
    w4_memory_question q = any_question();
    q.listener = &cho;
    expect(&q, "1 ", "cho");
    q.author = &dan;
    expect(&q, "", "by dan");
    ck_assert_int_eq(w4_trust_book_follow(book, &b, &c, 1, NULL), 0);
    ck_assert_int_eq(w4_trust_book_follow(book, &a, &d, 1, NULL), 0);
    expect(&q, "1 2 ", "by dan, who was ada; to cho, who was ben");
    w4_trust_book_free(book);
}
END_TEST

static void expect_prefix(unsigned number, size_t len, const w4_who *listener, uint32_t should) {
    char id[W4_UUID_LEN + 1] = "";
    uint32_t found = 99;
    ck_assert_int_eq(
        w4_memory_find_prefix(store, w4_bytes_of(id_of(number), len), listener, id, &found), 0);
    ck_assert_uint_eq(found, should);
    ck_assert_str_eq(id, should == 1 ? id_of(number) : "");
}

/* The beginning of an id means one that who asks may know: an entry's, or one that an entry names.
 */
START_TEST(ids_by_their_beginning) {
    w4_who ben = {.key = agent('b')}, cho = {.key = agent('c')};
    const size_t all = W4_UUID_LEN, most = W4_UUID_LEN - 1;
    remember_for_all(20, 0);
    remember_for_all(31, 20);
    remember_for(32, 50, &ben.key);
    remember(33, 'c', "physics", "of cho", NULL);
    put_envelope(33, 'c', "{\"receiver\":{\"fingerprint\":\"*\"}}");
    expect_prefix(20, all, &cho, 1);
    expect_prefix(20, most, &cho, 1);
    expect_prefix(31, most, &cho, 2); /* 31 and 33 */
    expect_prefix(31, most, &ben, 2);
    expect_prefix(32, all, &cho, 0);
    expect_prefix(32, all, &ben, 1);
    expect_prefix(32, all, NULL, 1);
    expect_prefix(50, most, &cho, 0); /* named by what is hidden */
    expect_prefix(50, most, &ben, 1);
    expect_prefix(20, 4, &cho, 2);
    expect_prefix(20, 3, NULL, 0); /* too short */
    expect_prefix(60, most, NULL, 0);
    /* Two of one id are one; and one is found where the other is hidden. */
    remember(20, 'b', "physics", "of another one", NULL);
    expect_prefix(20, most, NULL, 1);
    remember_for(70, 0, &ben.key);
    expect_prefix(70, most, &cho, 0);
    remember(70, 'd', "physics", "of another one", NULL);
    put_envelope(70, 'd', "{\"receiver\":{\"fingerprint\":\"*\"}}");
    expect_prefix(70, most, &cho, 1);
    expect_prefix(70, all, &cho, 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("memory walk");
    TCase *tcase = tcase_create("memory walk");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, over_several_steps);
    tcase_add_test(tcase, walks_are_bounded);
    tcase_add_test(tcase, walks_end_at_secrets);
    tcase_add_test(tcase, no_cut_tells_of_secrets);
    tcase_add_test(tcase, keys_of_one_are_one);
    tcase_add_test(tcase, ids_by_their_beginning);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
