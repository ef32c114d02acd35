/* Each allocation of the book fails once: -ENOMEM, nothing moved, and the next try works. The
 * linker puts these functions in the way (meson.build). */
#include "allocations.h"
#include "runner.h"

#include "crypto/primitives.h"
#include "trust/book.h"
#include "trust/key_history.h"
#include "trust/keyring.h"

#include <errno.h>
#include <string.h>

/* That one fails, from 1; 0: none. */
static void plan(long at) {
    fail_calls(at, at);
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

/* ---- keys: a story of documents, each step of which may want for memory once */

#define TOLD 4u /* identities */
#define RINGS_MAX 400

static w4_identity *told[TOLD];
static w4_buffer
    words[5]; /* 1 follows 0, 2 follows 1, 3 wants to follow 0, 2 revokes 1, 3 itself */

static w4_key_authority nobody(void *context, const w4_fingerprint *signer) {
    (void)context;
    (void)signer;
    return W4_KEY_BY_NOBODY;
}

static bool all(void *context, const w4_fingerprint *key) {
    (void)context;
    (void)key;
    return true;
}

/* The assertions of the test library want for memory themselves. */
static void must(bool good, int r) {
    if (!good) {
        plan(0);
        ck_abort_msg("%d", r);
    }
}

static void write_word(unsigned at, w4_buffer *out) {
    int r;
    do {
        w4_buffer_clear(out);
        r = at < 3 ? w4_key_succession_write(told[at == 2 ? 0 : at], told[at + 1], W4_KEY_OF_AGENT,
                                             1000000 * (at + 1), out)
                   : w4_key_revocation_write(told[at - 1],
                                             w4_identity_fingerprint(told[at == 3 ? 1 : 3]),
                                             W4_KEY_OF_AGENT, "lost", 1000000, out);
        must(r == 0 || (r == -ENOMEM && out->len == 0), r);
    } while (r != 0);
}

static void follow_in_book(w4_trust_book *book, const w4_key_document *d) {
    w4_trust_followed followed;
    int r = w4_trust_book_rename(book, W4_TRUST_AGENT, &d->subject, "somebody");
    r = r == -ENOMEM ? w4_trust_book_rename(book, W4_TRUST_AGENT, &d->subject, "somebody") : r;
    must(r == 0, r);
    r = w4_trust_book_follow(book, &d->subject, &d->successor, 5, &followed);
    if (r == -ENOMEM) { /* what it did before is done */
        r = w4_trust_book_follow(book, &d->subject, &d->successor, 5, &followed);
    }
    must(r == 0, r);
}

static void take_word(w4_keyring *ring, w4_trust_book *book, w4_bytes word) {
    w4_json_document scratch = {0};
    w4_buffer form = W4_BUFFER_INIT(W4_KEY_DOCUMENT_MAX);
    w4_key_document d;
    w4_key_fault fault;
    w4_keyring_result result;
    int r;
    do {
        r = w4_key_document_read_any(&scratch, word, &form, &d, &fault);
        must(r == 0 || r == -ENOMEM, r);
    } while (r != 0);
    do {
        r = w4_keyring_take(ring, &d, &result);
        must(r == 0 || r == -ENOMEM, r);
    } while (r != 0);
    must(result.verdict <= W4_KEYRING_KEPT, (int)result.verdict);
    if (d.kind == W4_KEY_SUCCESSION && result.verdict == W4_KEYRING_TAKEN) {
        follow_in_book(book, &d);
    }
    w4_buffer_deinit(&form);
    w4_json_document_deinit(&scratch);
}

static int read_history(uint32_t *ret_count) {
    w4_buffer lines = W4_BUFFER_INIT(8192);
    w4_key_history history = {.count = 0};
    int r = 0;
    for (unsigned i = 0; r == 0 && i < 2; i++) {
        r = w4_buffer_append(&lines, w4_buffer_bytes(&words[i]));
        r = r == 0 ? w4_buffer_append_text(&lines, "\n") : r;
    }
    r = r == 0 ? w4_key_history_read(w4_buffer_bytes(&lines), w4_identity_fingerprint(told[2]),
                                     &history)
               : r;
    *ret_count = history.count;
    w4_buffer_deinit(&lines);
    return r;
}

/* True: the failure came. */
static bool tell(long at) {
    static const w4_keyring_rules rules = {.matters = all, .authority = nobody};
    w4_keyring *ring;
    w4_trust_book *book;
    w4_trust_move move;
    uint32_t count;
    plan(0);
    ck_assert_int_eq(w4_trust_book_new(&book), 0);
    ck_assert_int_eq(w4_trust_book_set(book, W4_TRUST_AGENT, w4_identity_fingerprint(told[2]),
                                       W4_TRUST_TRUSTED, "operator", "", 1, &move),
                     1);
    plan(at);
    int r = w4_keyring_new(&rules, &ring);
    r = r == -ENOMEM ? w4_keyring_new(&rules, &ring) : r;
    must(r == 0, r);
    for (unsigned i = 0; i < 5; i++) {
        write_word(i, &words[i]);
        take_word(ring, book, w4_buffer_bytes(&words[i]));
    }
    r = read_history(&count);
    r = r == -ENOMEM ? read_history(&count) : r;
    must(r == 0, r);
    bool came = calls >= at;
    plan(0);
    ck_assert_uint_eq(count, 2);
    w4_fingerprint last = w4_keyring_current(ring, w4_identity_fingerprint(told[0]));
    ck_assert(w4_fingerprint_equal(&last, w4_identity_fingerprint(told[2])));
    ck_assert(w4_keyring_revoked(ring, w4_identity_fingerprint(told[1])));
    ck_assert(w4_keyring_revoked(ring, w4_identity_fingerprint(told[3])));
    ck_assert_uint_eq(w4_keyring_count(ring), 5);
    ck_assert(w4_trust_book_same(book, w4_identity_fingerprint(told[0]),
                                 w4_identity_fingerprint(told[2])));
    w4_keyring_free(ring);
    w4_trust_book_free(book);
    for (unsigned i = 0; i < 5; i++) {
        w4_buffer_deinit(&words[i]);
    }
    return came;
}

START_TEST(keys_want_for_memory) {
    plan(0);
    ck_assert_int_eq(w4_crypto_init(), 0);
    for (unsigned i = 0; i < TOLD; i++) {
        uint8_t seed[W4_SEED_LEN] = {(uint8_t)(i + 1)};
        ck_assert_int_eq(w4_identity_from_seed(seed, &told[i]), 0);
    }
    for (unsigned i = 0; i < 5; i++) {
        words[i] = W4_BUFFER_INIT(W4_KEY_DOCUMENT_MAX);
    }
    long at = 1;
    while (tell(at)) {
        ck_assert_int_lt(at++, RINGS_MAX);
    }
    ck_assert_int_gt(at, 30);
    for (unsigned i = 0; i < TOLD; i++) {
        told[i] = w4_identity_free(told[i]);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("trust allocations");
    TCase *tests = tcase_create("allocations");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, each_fails_once);
    tcase_add_test(tests, each_fails_once_where_strangers_are_brought);
    tcase_add_test(tests, nothing_is_owed_without_memory);
    tcase_add_test(tests, keys_want_for_memory);
    suite_add_tcase(suite, tests);
    return w4_test_run(suite);
}
