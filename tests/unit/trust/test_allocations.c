/* Each allocation of the book fails once: -ENOMEM, nothing moved, and the next try works. The
 * linker puts these functions in the way (meson.build). */
#include "runner.h"

#include "trust/book.h"

#include <errno.h>
#include <string.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static long calls, fail_at; /* this one fails, from 1; 0: none */

static bool fails(void) {
    return ++calls == fail_at;
}

void *__wrap_malloc(size_t size) {
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size) {
    return fails() ? NULL : __real_realloc(old, size);
}

static void plan(long at) {
    calls = 0;
    fail_at = at;
}

#define SUBJECTS 2000u /* enough for the table to grow a few times */

static int meet(w4_trust_book *book, uint32_t number) {
    w4_fingerprint f = {{0}};
    memcpy(f.bytes, &number, sizeof(number));
    w4_trust_move move;
    return w4_trust_book_apply(book, W4_TRUST_NODE, &f, W4_TRUST_EVENT_HANDSHAKE, "node", "", "", 1,
                               &move);
}

static w4_trust_state state(const w4_trust_book *book, uint32_t number) {
    w4_fingerprint f = {{0}};
    memcpy(f.bytes, &number, sizeof(number));
    return w4_trust_book_state(book, W4_TRUST_NODE, &f);
}

/* Fills a book with one failure on the way. True: it came. */
static bool fill(long at) {
    w4_trust_book *book = NULL;
    plan(at);
    int r = w4_trust_book_new(&book);
    bool failed = r != 0;
    if (failed) {
        plan(0);
        ck_assert_int_eq(r, -ENOMEM);
        return true;
    }
    for (uint32_t i = 0; i < SUBJECTS; i++) {
        r = meet(book, i);
        if (r != 1) {
            plan(0);
            ck_assert_int_eq(r, -ENOMEM);
            ck_assert_uint_eq(state(book, i), W4_TRUST_UNTRUSTED);
            ck_assert_uint_eq(w4_trust_book_count(book), i);
            ck_assert(!failed);
            failed = true;
            ck_assert_int_eq(meet(book, i), 1);
        }
    }
    plan(0);
    ck_assert_uint_eq(w4_trust_book_count(book), SUBJECTS);
    for (uint32_t i = 0; i < SUBJECTS; i++) {
        ck_assert_uint_eq(state(book, i), W4_TRUST_PROBING);
    }
    w4_trust_book_free(book);
    return failed;
}

START_TEST(each_fails_once) {
    unsigned failures = 0;
    for (long at = 1; at <= 80; at++) {
        failures += fill(at);
    }
    /* Later ones: where the table of pointers and the hash grow. */
    for (long at = 81; at < SUBJECTS + 30; at += 1 + (at > 140) * 13) {
        failures += fill(at);
    }
    ck_assert_uint_gt(failures, 200);
    ck_assert(!fill(0));
}
END_TEST

/* Strangers that nodes bring, and the rows of their moves; from stored moves too. */
static bool bring(long at) {
    enum { BROUGHT = 300 };
    w4_trust_book *book = NULL;
    plan(0);
    ck_assert_int_eq(w4_trust_book_new(&book), 0);
    plan(at);
    bool failed = false;
    for (uint32_t i = 0; i < BROUGHT; i++) {
        w4_fingerprint f = {{0}}, bearer = {{1}};
        memcpy(f.bytes + 8, &i, sizeof(i));
        bearer.bytes[1] = (uint8_t)(i % 40);
        w4_trust_move move = {.kind = W4_TRUST_NODE,
                              .subject = f,
                              .to = W4_TRUST_PROBING,
                              .event = W4_TRUST_EVENT_HANDSHAKE,
                              .name = "n"};
        w4_trust_book_bear(book, W4_TRUST_NODE, &f, &bearer);
        int r = w4_trust_book_replay(book, &move);
        if (r != 0) {
            ck_assert_int_eq(r, -ENOMEM);
            ck_assert_uint_eq(w4_trust_book_count(book), i);
            ck_assert(!failed);
            failed = true;
            w4_trust_book_bear(book, W4_TRUST_NODE, &f, &bearer);
            ck_assert_int_eq(w4_trust_book_replay(book, &move), 0);
        }
        for (uint64_t row = 1; row <= 6; row++) {
            r = w4_trust_book_note_row(book, W4_TRUST_NODE, &f, row);
            if (r != 0) {
                ck_assert_int_eq(r, -ENOMEM);
                ck_assert(!failed);
                failed = true;
                ck_assert_int_eq(w4_trust_book_note_row(book, W4_TRUST_NODE, &f, row), 0);
            }
        }
    }
    plan(0);
    ck_assert_uint_eq(w4_trust_book_count(book), BROUGHT);
    w4_trust_book_free(book);
    return failed;
}

START_TEST(each_fails_once_where_strangers_are_brought) {
    unsigned failures = 0;
    for (long at = 1; at <= 400; at++) {
        failures += bring(at);
    }
    ck_assert_uint_eq(failures, 400);
    ck_assert(!bring(0));
}
END_TEST

START_TEST(nothing_is_owed_without_memory) {
    w4_trust_book *book;
    w4_trust_move move = {.kind = W4_TRUST_AGENT};
    plan(0);
    ck_assert_int_eq(w4_trust_book_new(&book), 0);
    plan(1);
    ck_assert_int_eq(w4_trust_book_owe(book, &move), -ENOMEM);
    ck_assert_ptr_null(w4_trust_book_owed(book));
    ck_assert_int_eq(w4_trust_book_owe(book, &move), 0);
    ck_assert_ptr_nonnull(w4_trust_book_owed(book));
    plan(0);
    w4_trust_book_free(book);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("trust allocations");
    TCase *tests = tcase_create("allocations");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, each_fails_once);
    tcase_add_test(tests, each_fails_once_where_strangers_are_brought);
    tcase_add_test(tests, nothing_is_owed_without_memory);
    suite_add_tcase(suite, tests);
    return w4_test_run(suite);
}
