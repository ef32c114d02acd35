/* Who is forgotten for whom: strangers make room for strangers, and for nobody else is anybody
 * forgotten of whom there is proof, trust or an order. And the rows of the forgotten. */
#include "runner.h"

#include "trust/book.h"

#include <errno.h>
#include <string.h>

#define S W4_US_PER_S
#define T0 (UINT64_C(1800000000) * S)

static w4_trust_book *book;
static w4_trust_move move;
static uint64_t row; /* of the store there is none of here */

static w4_fingerprint subject(uint32_t number) {
    w4_fingerprint f = {{0}};
    memcpy(f.bytes, &number, sizeof(number));
    return f;
}

static int apply(w4_trust_kind kind, uint32_t number, w4_trust_event event) {
    w4_fingerprint f = subject(number);
    return w4_trust_book_apply(book, kind, &f, event, "node", NULL, NULL, T0, &move);
}

static void meet(w4_trust_kind kind, uint32_t number) {
    w4_fingerprint f = subject(number);
    ck_assert_int_eq(
        apply(kind, number,
              kind == W4_TRUST_HUMAN ? W4_TRUST_EVENT_CONSENT_GIVEN : W4_TRUST_EVENT_HANDSHAKE),
        1);
    ck_assert_int_eq(w4_trust_book_note_row(book, kind, &f, ++row), 0);
}

static void meet_by(uint32_t node, uint32_t number) {
    w4_fingerprint f = subject(number), bearer = subject(node);
    w4_trust_book_bear(book, W4_TRUST_AGENT, &f, &bearer);
    meet(W4_TRUST_AGENT, number);
}

static int set(w4_trust_kind kind, uint32_t number, w4_trust_state to) {
    w4_fingerprint f = subject(number);
    return w4_trust_book_set(book, kind, &f, to, "operator:uid 0", "said so", T0, &move);
}

static bool known(w4_trust_kind kind, uint32_t number) {
    w4_trust_entry entry;
    w4_fingerprint f = subject(number);
    return w4_trust_book_find(book, kind, &f, &entry);
}

static w4_trust_rank rank(w4_trust_kind kind, uint32_t number) {
    w4_trust_entry entry;
    w4_fingerprint f = subject(number);
    ck_assert(w4_trust_book_find(book, kind, &f, &entry));
    return entry.rank;
}

static void setup(void) {
    ck_assert_int_eq(w4_trust_book_new(&book), 0);
    row = 0;
}

static void teardown(void) {
    book = w4_trust_book_free(book);
}

START_TEST(ranks) {
    meet(W4_TRUST_AGENT, 1);
    ck_assert_int_eq(rank(W4_TRUST_AGENT, 1), W4_TRUST_STRANGER);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_UNVERIFIABLE), 2);
    ck_assert_int_eq(rank(W4_TRUST_AGENT, 1), W4_TRUST_MARKED);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_MALICE), 1);
    ck_assert_int_eq(rank(W4_TRUST_AGENT, 1), W4_TRUST_OUTCAST);
    ck_assert_int_eq(set(W4_TRUST_AGENT, 1, W4_TRUST_UNTRUSTED), 1);
    ck_assert_int_eq(rank(W4_TRUST_AGENT, 1), W4_TRUST_ORDERED);
    meet(W4_TRUST_AGENT, 2);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 2, W4_TRUST_EVENT_KNOWLEDGE_VERIFIED), 1);
    ck_assert_int_eq(rank(W4_TRUST_AGENT, 2), W4_TRUST_KNOWN);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 2, W4_TRUST_EVENT_ANOMALY), 1);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 2, W4_TRUST_EVENT_CONFLICT), 1);
    ck_assert_int_eq(rank(W4_TRUST_AGENT, 2), W4_TRUST_KNOWN);
    ck_assert_uint_eq(w4_trust_book_count_rank(book, W4_TRUST_AGENT, W4_TRUST_KNOWN), 1);
    ck_assert_uint_eq(w4_trust_book_count_rank(book, W4_TRUST_AGENT, W4_TRUST_ORDERED), 1);
    ck_assert_uint_eq(w4_trust_book_count_rank(book, W4_TRUST_AGENT, W4_TRUST_OUTCAST), 0);
    ck_assert_uint_eq(w4_trust_book_count_rank(book, W4_TRUST_NODE, W4_TRUST_KNOWN), 0);
}
END_TEST

/* Greetings of any number of strangers: the one that was of use longest ago goes, with its rows. */
START_TEST(greetings_fill_nothing) {
    for (uint32_t i = 0; i < W4_TRUST_STRANGERS_MAX; i++) {
        meet(W4_TRUST_AGENT, i);
    }
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_int_eq(set(W4_TRUST_AGENT, 1000000 + i, W4_TRUST_TRUSTED), 1);
        meet(W4_TRUST_NODE, i);
        meet(W4_TRUST_HUMAN, i);
    }
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 3, W4_TRUST_EVENT_UNVERIFIABLE), 2);
    w4_fingerprint useful = subject(1);
    w4_trust_book_use(book, W4_TRUST_AGENT, &useful);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 2, W4_TRUST_EVENT_HANDSHAKE), 0); /* greets again */
    uint64_t gone;
    ck_assert(!w4_trust_book_pop_dropped(book, &gone));
    size_t count = w4_trust_book_count(book);
    for (uint32_t i = 0; i < W4_TRUST_STRANGERS_MAX - 2; i++) {
        meet(W4_TRUST_AGENT, 2000000 + i);
    }
    ck_assert_uint_eq(w4_trust_book_count(book), count + 1); /* 3 is no stranger any more */
    ck_assert(!known(W4_TRUST_AGENT, 0));
    ck_assert(!known(W4_TRUST_AGENT, W4_TRUST_STRANGERS_MAX - 1));
    for (uint32_t i = 1; i < 4; i++) {
        ck_assert(known(W4_TRUST_AGENT, i));
    }
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert(known(W4_TRUST_AGENT, 1000000 + i) && known(W4_TRUST_NODE, i) &&
                  known(W4_TRUST_HUMAN, i));
    }
    uint32_t dropped = 0;
    while (w4_trust_book_pop_dropped(book, &gone)) {
        dropped++;
    }
    ck_assert_uint_eq(dropped, W4_TRUST_STRANGERS_MAX - 3);
}
END_TEST

/* Whom one node brought make room for whom it brings, not those of others. */
START_TEST(one_bearer_has_its_share) {
    for (uint32_t i = 0; i < 10; i++) {
        meet_by(1, i);
    }
    meet(W4_TRUST_AGENT, 50);
    for (uint32_t i = 0; i < W4_TRUST_STRANGERS_MAX * 2; i++) {
        meet_by(2, 1000 + i);
    }
    for (uint32_t i = 0; i < 10; i++) {
        ck_assert(known(W4_TRUST_AGENT, i));
    }
    ck_assert(known(W4_TRUST_AGENT, 50));
    ck_assert_uint_eq(w4_trust_book_count(book), 11 + W4_TRUST_BORNE_MAX);
    ck_assert(known(W4_TRUST_AGENT, 1000 + W4_TRUST_STRANGERS_MAX * 2 - 1));
    /* Who is known for more than a greeting takes no place of his bearer's. */
    uint32_t last = 1000 + W4_TRUST_STRANGERS_MAX * 2 - W4_TRUST_BORNE_MAX;
    ck_assert(known(W4_TRUST_AGENT, last));
    ck_assert_int_eq(apply(W4_TRUST_AGENT, last, W4_TRUST_EVENT_KNOWLEDGE_VERIFIED), 1);
    meet_by(2, 99999);
    ck_assert(known(W4_TRUST_AGENT, last + 1));
    ck_assert_uint_eq(w4_trust_book_count(book), 12 + W4_TRUST_BORNE_MAX);
    /* An announcement is for the subject that was announced only. */
    w4_fingerprint announced = subject(7777777), bearer = subject(2);
    w4_trust_book_bear(book, W4_TRUST_AGENT, &announced, &bearer);
    meet(W4_TRUST_AGENT, 88888);
    ck_assert(known(W4_TRUST_AGENT, last + 1));
}
END_TEST

/* The place of a bearer goes with the last stranger it brought. */
START_TEST(a_bearer_with_nobody_left) {
    size_t empty = w4_trust_book_memory(book);
    meet(W4_TRUST_AGENT, 1);
    size_t one = w4_trust_book_memory(book) - empty;
    meet_by(7, 2);
    size_t two = w4_trust_book_memory(book);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 2, W4_TRUST_EVENT_KNOWLEDGE_VERIFIED), 1);
    ck_assert_uint_lt(w4_trust_book_memory(book), two);
    /* Who is no stranger from the first takes no place of a bearer. */
    w4_fingerprint f = subject(3), bearer = subject(7);
    w4_trust_book_bear(book, W4_TRUST_AGENT, &f, &bearer);
    size_t before = w4_trust_book_memory(book);
    ck_assert_int_eq(set(W4_TRUST_AGENT, 3, W4_TRUST_TRUSTED), 1);
    ck_assert_uint_le(w4_trust_book_memory(book), before + one);
    /* It is forgotten as an order that was not stored. */
    meet_by(7, 4);
    w4_trust_book_bear(book, W4_TRUST_AGENT, &f, &bearer);
    for (uint32_t i = 0; i < W4_TRUST_STRANGERS_MAX; i++) {
        meet(W4_TRUST_AGENT, 100 + i);
    }
    ck_assert(!known(W4_TRUST_AGENT, 4));
    meet_by(7, 4);
    ck_assert(known(W4_TRUST_AGENT, 4));
}
END_TEST

START_TEST(ranks_have_names_and_places) {
    static const char *const names[W4_TRUST_RANK_COUNT] = {"stranger", "marked", "outcast", "known",
                                                           "ordered"};
    size_t places = 0;
    for (size_t i = 0; i < W4_TRUST_RANK_COUNT; i++) {
        ck_assert_str_eq(w4_trust_rank_name((w4_trust_rank)i), names[i]);
        places += i == W4_TRUST_ORDERED ? 0 : w4_trust_rank_places((w4_trust_rank)i);
    }
    /* All of the others leave room for orders. */
    ck_assert_uint_lt(places * W4_TRUST_KIND_COUNT, W4_TRUST_SUBJECTS_MAX);
    ck_assert_uint_eq(w4_trust_rank_places(W4_TRUST_ORDERED), W4_TRUST_SUBJECTS_MAX);
}
END_TEST

/* Strangers that misbehave fill the places for that, and then are strangers again: blocked, but
 * not for ever. Those who were blocked first stay, and so do the others. */
START_TEST(malice_of_many) {
    ck_assert_int_eq(set(W4_TRUST_AGENT, 1, W4_TRUST_TRUSTED), 1);
    uint32_t all = W4_TRUST_OUTCASTS_MAX + W4_TRUST_MARKED_MAX + W4_TRUST_STRANGERS_MAX;
    for (uint32_t i = 0; i < all + 100; i++) {
        ck_assert_int_eq(apply(W4_TRUST_AGENT, 100 + i, W4_TRUST_EVENT_MALICE), 1);
        ck_assert_int_eq(move.to, W4_TRUST_BLOCKED);
    }
    ck_assert_uint_eq(w4_trust_book_count(book), all + 1);
    for (uint32_t i = 0; i < W4_TRUST_OUTCASTS_MAX; i++) {
        ck_assert(known(W4_TRUST_AGENT, 100 + i));
    }
    ck_assert(!known(W4_TRUST_AGENT, 100 + W4_TRUST_OUTCASTS_MAX));
    ck_assert(known(W4_TRUST_AGENT, 100 + all + 99));
    ck_assert_int_eq(rank(W4_TRUST_AGENT, 1), W4_TRUST_ORDERED);
    ck_assert_int_eq(set(W4_TRUST_NODE, 1, W4_TRUST_BLOCKED), 1);
    meet(W4_TRUST_HUMAN, 1);
    meet(W4_TRUST_AGENT, 2);
}
END_TEST

/* Only orders can fill the book: then there is no room but what strangers give. */
START_TEST(the_book_is_bounded) {
    meet(W4_TRUST_NODE, 1);
    for (uint32_t i = 0; i < W4_TRUST_SUBJECTS_MAX; i++) {
        ck_assert_int_eq(set(W4_TRUST_AGENT, i, W4_TRUST_TRUSTED), 1);
    }
    ck_assert(!known(W4_TRUST_NODE, 1));
    ck_assert_uint_eq(w4_trust_book_count(book), W4_TRUST_SUBJECTS_MAX);
    ck_assert_int_eq(apply(W4_TRUST_NODE, 1, W4_TRUST_EVENT_HANDSHAKE), -ENOSPC);
    ck_assert_int_eq(set(W4_TRUST_HUMAN, 1, W4_TRUST_TRUSTED), -ENOSPC);
    ck_assert(!known(W4_TRUST_NODE, 1));
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 5, W4_TRUST_EVENT_MALICE), 1);
    size_t cursor = 0, seen = 0;
    w4_trust_entry entry;
    while (w4_trust_book_next(book, &cursor, &entry)) {
        seen++;
    }
    ck_assert_uint_eq(seen, W4_TRUST_SUBJECTS_MAX);
}
END_TEST

START_TEST(rows_of_one) {
    w4_fingerprint f = subject(1), nobody = subject(2);
    meet(W4_TRUST_AGENT, 1);
    uint32_t count;
    ck_assert_ptr_null(w4_trust_book_rows(book, W4_TRUST_AGENT, &nobody, &count));
    ck_assert_uint_eq(count, 0);
    ck_assert_int_eq(w4_trust_book_note_row(book, W4_TRUST_AGENT, &nobody, 9), -ENOENT);
    for (uint64_t i = 2; i <= W4_TRUST_STRANGER_ROWS_MAX; i++) {
        ck_assert_int_eq(w4_trust_book_note_row(book, W4_TRUST_AGENT, &f, i * 10), 0);
    }
    ck_assert(!w4_trust_book_rows_full(book, W4_TRUST_AGENT, &f));
    ck_assert_int_eq(w4_trust_book_note_row(book, W4_TRUST_AGENT, &f, 1000), 1);
    ck_assert(w4_trust_book_rows_full(book, W4_TRUST_AGENT, &f));
    w4_trust_book_fold_rows(book, W4_TRUST_AGENT, &f, 1, 4);
    const uint64_t *rows = w4_trust_book_rows(book, W4_TRUST_AGENT, &f, &count);
    ck_assert_uint_eq(count, W4_TRUST_STRANGER_ROWS_MAX - 1);
    ck_assert_uint_eq(rows[0], 1);
    ck_assert_uint_eq(rows[1], 40);
    ck_assert_uint_eq(rows[2], 50);
    ck_assert_uint_eq(rows[count - 1], 1000);
    ck_assert(!w4_trust_book_rows_full(book, W4_TRUST_AGENT, &f));
    w4_trust_book_fold_rows(book, W4_TRUST_AGENT, &f, 0, count);
    rows = w4_trust_book_rows(book, W4_TRUST_AGENT, &f, &count);
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(rows[0], 1000);
    ck_assert_uint_gt(w4_trust_book_memory(book), sizeof(uint64_t));
    /* Of who is kept there are more. */
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_KNOWLEDGE_VERIFIED), 1);
    for (uint64_t i = 2; i <= W4_TRUST_ROWS_MAX; i++) {
        ck_assert_int_eq(w4_trust_book_note_row(book, W4_TRUST_AGENT, &f, 1000 + i), 0);
    }
    ck_assert_int_eq(w4_trust_book_note_row(book, W4_TRUST_AGENT, &f, 2000), 1);
}
END_TEST

START_TEST(rows_of_the_marked) {
    w4_fingerprint f = subject(1), nobody = subject(2);
    meet(W4_TRUST_AGENT, 1);
    ck_assert_int_eq(apply(W4_TRUST_AGENT, 1, W4_TRUST_EVENT_UNVERIFIABLE), 2);
    ck_assert_int_eq(rank(W4_TRUST_AGENT, 1), W4_TRUST_MARKED);
    for (uint64_t i = 2; i <= W4_TRUST_STRANGER_ROWS_MAX; i++) {
        ck_assert_int_eq(w4_trust_book_note_row(book, W4_TRUST_AGENT, &f, i), 0);
    }
    ck_assert_int_eq(w4_trust_book_note_row(book, W4_TRUST_AGENT, &f, 100), 1);
    ck_assert(w4_trust_book_rows_full(book, W4_TRUST_AGENT, &f));
    ck_assert(!w4_trust_book_rows_full(book, W4_TRUST_AGENT, &nobody));
}
END_TEST

/* The rows of one who was forgotten come out one by one. */
START_TEST(rows_of_the_forgotten) {
    w4_fingerprint f = subject(0);
    meet(W4_TRUST_AGENT, 0);
    ck_assert_int_eq(w4_trust_book_note_row(book, W4_TRUST_AGENT, &f, 7), 0);
    row = 10;
    for (uint32_t i = 0; i < W4_TRUST_STRANGERS_MAX; i++) {
        meet(W4_TRUST_AGENT, 100 + i);
    }
    ck_assert(!known(W4_TRUST_AGENT, 0));
    uint64_t gone;
    ck_assert(w4_trust_book_pop_dropped(book, &gone));
    ck_assert_uint_eq(gone, 7);
    ck_assert(w4_trust_book_pop_dropped(book, &gone));
    ck_assert_uint_eq(gone, 1);
    ck_assert(!w4_trust_book_pop_dropped(book, &gone));
}
END_TEST

static int owe(w4_trust_kind kind, uint32_t number, w4_trust_state to) {
    w4_trust_move owed = {.kind = kind, .subject = subject(number), .to = to};
    return w4_trust_book_owe(book, &owed);
}

static const w4_trust_move *next_owed(w4_trust_kind kind, uint32_t number, uint32_t *cursor) {
    w4_fingerprint f = subject(number);
    return w4_trust_book_next_owed(book, kind, &f, cursor);
}

/* What could not be stored waits in its order, and is found by whom it is about. */
START_TEST(moves_that_are_owed) {
    uint32_t cursor = 0;
    size_t before = w4_trust_book_memory(book);
    ck_assert_ptr_null(w4_trust_book_owed(book));
    w4_trust_book_pay(book); /* nothing is owed, so nothing is paid */
    ck_assert_ptr_null(next_owed(W4_TRUST_AGENT, 1, &cursor));
    ck_assert_int_eq(owe(W4_TRUST_AGENT, 1, W4_TRUST_PROBING), 0);
    ck_assert_int_eq(owe(W4_TRUST_AGENT, 2, W4_TRUST_PROBING), 0);
    ck_assert_int_eq(owe(W4_TRUST_NODE, 1, W4_TRUST_BLOCKED), 0);
    ck_assert_int_eq(owe(W4_TRUST_AGENT, 1, W4_TRUST_TRUSTED), 0);
    ck_assert_uint_gt(w4_trust_book_memory(book), before);
    ck_assert_int_eq(next_owed(W4_TRUST_AGENT, 1, &cursor)->to, W4_TRUST_PROBING);
    ck_assert_int_eq(next_owed(W4_TRUST_AGENT, 1, &cursor)->to, W4_TRUST_TRUSTED);
    ck_assert_ptr_null(next_owed(W4_TRUST_AGENT, 1, &cursor));
    ck_assert_uint_eq(cursor, 2);
    const w4_fingerprint first = subject(1);
    ck_assert(w4_fingerprint_equal(&w4_trust_book_owed(book)->subject, &first));
    w4_trust_book_pay(book);
    const w4_fingerprint second = subject(2);
    ck_assert(w4_fingerprint_equal(&w4_trust_book_owed(book)->subject, &second));
    for (unsigned i = 3; i < W4_TRUST_OWED_MAX; i++) {
        ck_assert_int_eq(owe(W4_TRUST_AGENT, 3, W4_TRUST_PROBING), 0);
    }
    ck_assert_int_eq(owe(W4_TRUST_AGENT, 3, W4_TRUST_PROBING), -ENOSPC);
    w4_trust_book_pay(book);
    ck_assert_int_eq(owe(W4_TRUST_AGENT, 3, W4_TRUST_PROBING), 0);
}
END_TEST

/* Of who is forgotten nothing is owed, of the others it is. */
START_TEST(nothing_is_owed_of_the_forgotten) {
    uint32_t cursor = 0;
    meet(W4_TRUST_AGENT, 0);
    meet(W4_TRUST_NODE, 0);
    ck_assert_int_eq(owe(W4_TRUST_AGENT, 0, W4_TRUST_PROBING), 0);
    ck_assert_int_eq(owe(W4_TRUST_NODE, 0, W4_TRUST_PROBING), 0);
    ck_assert_int_eq(owe(W4_TRUST_AGENT, 100, W4_TRUST_PROBING), 0);
    for (uint32_t i = 0; i < W4_TRUST_STRANGERS_MAX; i++) {
        meet(W4_TRUST_AGENT, 100 + i);
    }
    ck_assert(!known(W4_TRUST_AGENT, 0));
    ck_assert_ptr_null(next_owed(W4_TRUST_AGENT, 0, &cursor));
    ck_assert_ptr_nonnull(next_owed(W4_TRUST_NODE, 0, &cursor));
    cursor = 0;
    ck_assert_ptr_nonnull(next_owed(W4_TRUST_AGENT, 100, &cursor));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("trust places");
    TCase *tests = tcase_create("places");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, ranks);
    tcase_add_test(tests, greetings_fill_nothing);
    tcase_add_test(tests, one_bearer_has_its_share);
    tcase_add_test(tests, a_bearer_with_nobody_left);
    tcase_add_test(tests, ranks_have_names_and_places);
    tcase_add_test(tests, malice_of_many);
    tcase_add_test(tests, the_book_is_bounded);
    tcase_add_test(tests, rows_of_one);
    tcase_add_test(tests, rows_of_the_marked);
    tcase_add_test(tests, rows_of_the_forgotten);
    tcase_add_test(tests, moves_that_are_owed);
    tcase_add_test(tests, nothing_is_owed_of_the_forgotten);
    suite_add_tcase(suite, tests);
    return w4_test_run(suite);
}
