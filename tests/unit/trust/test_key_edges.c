/* The edges of a ring of keys: what there is no place for, what is kept beside what stands, what a
 * store gives back that cannot stand; and documents that are nearly good. */
#include "rings.h"

/* Revocations of that many other keys, each by itself; of hearsay, by that one. */
static void flood(unsigned count, bool hearsay) {
    for (unsigned n = 0; n < count; n++) {
        uint8_t seed[W4_SEED_LEN] = {(uint8_t)n, (uint8_t)(n >> 8), 1, 7};
        w4_identity *stranger;
        w4_key_row row;
        ck_assert_int_eq(w4_identity_from_seed(seed, &stranger), 0);
        w4_buffer_clear(&text);
        ck_assert_int_eq(w4_key_revocation_write(hearsay ? who[47] : stranger,
                                                 w4_identity_fingerprint(stranger), AGENT, "flood",
                                                 T0, &text),
                         0);
        ck_assert_int_eq(take(), hearsay ? W4_KEYRING_KEPT : W4_KEYRING_TAKEN);
        w4_identity_free(stranger);
        while (w4_keyring_pop_dropped(ring, &row)) {
        }
    }
}

START_TEST(names) {
    static const char *const authorities[W4_KEY_AUTHORITY_COUNT] = {
        "nobody", "hearsay", "itself", "successor", "anchor", "operator"};
    for (unsigned i = 0; i < W4_KEY_AUTHORITY_COUNT; i++) {
        ck_assert_str_eq(w4_key_authority_name((w4_key_authority)i), authorities[i]);
    }
    w4_key_kind kind = NODE;
    ck_assert_str_eq(w4_key_kind_name(AGENT), "agent");
    ck_assert_str_eq(w4_key_kind_name(NODE), "node");
    ck_assert(w4_key_kind_from_name(w4_bytes_from_text("agent"), &kind) && kind == AGENT);
    ck_assert(!w4_key_kind_from_name(w4_bytes_from_text("human"), &kind));
    ck_assert_ptr_null(w4_keyring_free(NULL));
}
END_TEST

/* ---- places */

START_TEST(hearsay_makes_room_for_hearsay) {
    w4_key_info info;
    friend = *id(47);
    flood(W4_KEYRING_STRANGERS_MAX + 50, true);
    ck_assert_uint_eq(w4_keyring_count(ring), W4_KEYRING_STRANGERS_MAX);
    uint8_t seed[W4_SEED_LEN] = {0, 0, 1, 7};
    w4_identity *first;
    ck_assert_int_eq(w4_identity_from_seed(seed, &first), 0);
    ck_assert(!w4_keyring_find(ring, w4_identity_fingerprint(first), &info)); /* nor its key */
    w4_identity_free(first);
    ck_assert_ptr_null(w4_keyring_pubkey(ring, id(3)));
}
END_TEST

/* Who has come to matter since is no stranger any more. */
START_TEST(who_matters_by_now) {
    all_matter = false;
    ck_assert_int_eq(succeed(2, 3), W4_KEYRING_TAKEN);
    flood(W4_KEYRING_STRANGERS_MAX - 1, false);
    ck_assert_uint_eq(w4_keyring_count(ring), W4_KEYRING_STRANGERS_MAX);
    all_matter = true;
    friend = *id(47);
    ck_assert_int_eq(revoke(47, 9), W4_KEYRING_KEPT); /* hearsay takes a stranger's place */
    ck_assert_uint_eq(w4_keyring_count(ring), W4_KEYRING_STRANGERS_MAX + 1);
    ck_assert(current_is(2, 3));
}
END_TEST

/* A long chain of strangers stands at the head of those who would have to go, and must not go for
 * what is joined to it: for once there is no room, and later there is. */
START_TEST(no_room_for_once) {
    all_matter = false;
    for (unsigned n = 2; n < 30; n++) {
        ck_assert_int_eq(succeed(n, n + 1), W4_KEYRING_TAKEN);
    }
    flood(W4_KEYRING_STRANGERS_MAX - 28, false);
    ck_assert_int_eq(succeed(30, 31), W4_KEYRING_REFUSED);
    ck_assert_int_eq(result.code, W4_REFUSAL_BACKPRESSURE);
    ck_assert(current_is(30, 30));
    ck_assert_int_eq(succeed(30, 31), W4_KEYRING_TAKEN);
    ck_assert(current_is(2, 31));
}
END_TEST

START_TEST(nor_for_a_rival_or_a_revocation) {
    all_matter = false;
    for (unsigned n = 2; n < 30; n++) {
        ck_assert_int_eq(succeed(n, n + 1), W4_KEYRING_TAKEN);
    }
    flood(W4_KEYRING_STRANGERS_MAX - 28, false);
    ck_assert_int_eq(succeed(5, 40), W4_KEYRING_KNOWN); /* the first 16 of the chain turn */
    ck_assert_int_eq(succeed(5, 40), W4_KEYRING_KEPT);
    w4_key_info info;
    ck_assert(w4_keyring_find(ring, id(5), &info) && info.disputed);
    w4_keyring_free(ring);
    w4_keyring_rules rules = {.matters = matters, .authority = authority};
    ck_assert_int_eq(w4_keyring_new(&rules, &ring), 0);
    for (unsigned n = 2; n < 30; n++) {
        ck_assert_int_eq(succeed(n, n + 1), W4_KEYRING_TAKEN);
    }
    flood(W4_KEYRING_STRANGERS_MAX - 28, false);
    ck_assert_int_eq(revoke(5, 5), W4_KEYRING_REFUSED);
    ck_assert_int_eq(result.code, W4_REFUSAL_BACKPRESSURE);
    ck_assert(!w4_keyring_revoked(ring, id(5)));
    ck_assert_int_eq(revoke(5, 5), W4_KEYRING_TAKEN);
}
END_TEST

/* A chain goes with all that hangs on it, and a ring is freed with what was not popped. */
START_TEST(a_chain_goes_whole) {
    w4_key_row row;
    unsigned gone = 0;
    all_matter = false;
    ck_assert_int_eq(succeed(3, 4), W4_KEYRING_TAKEN); /* what came first is not its first key's */
    ck_assert_int_eq(succeed(2, 3), W4_KEYRING_TAKEN);
    ck_assert_int_eq(succeed(3, 5), W4_KEYRING_KEPT);
    ck_assert_int_eq(revoke(4, 4), W4_KEYRING_TAKEN);
    flood(W4_KEYRING_STRANGERS_MAX - 4, false);
    ck_assert_int_eq(revoke(10, 10), W4_KEYRING_TAKEN);
    while (w4_keyring_pop_dropped(ring, &row)) {
        gone++;
    }
    ck_assert_uint_eq(gone, 4);
    ck_assert(current_is(2, 2) && !w4_keyring_revoked(ring, id(4)));
    for (unsigned n = 11; n < 20; n++) { /* these are not popped */
        ck_assert_int_eq(revoke(n, n), W4_KEYRING_TAKEN);
    }
}
END_TEST

/* ---- revocations of one key */

START_TEST(the_first_word_of_each_of_four) {
    for (unsigned n = 0; n < W4_KEYRING_REVOCATIONS_OF_KEY; n++) {
        anchor = *id(10 + n);
        ck_assert_int_eq(revoke(10 + n, 2), W4_KEYRING_TAKEN);
        ck_assert(result.first == (n == 0));
        ck_assert_int_eq(revoke(10 + n, 2), W4_KEYRING_KNOWN);
    }
    anchor = *id(20);
    ck_assert_int_eq(revoke(20, 2), W4_KEYRING_KNOWN); /* four are enough */
    ck_assert_uint_eq(w4_keyring_count(ring), W4_KEYRING_REVOCATIONS_OF_KEY);
    w4_key_info info;
    ck_assert(w4_keyring_find(ring, id(2), &info) && info.revoked);
    ck_assert_int_eq(info.authority, W4_KEY_BY_ANCHOR);
    ck_assert(w4_fingerprint_equal(&info.revoked_by, id(10)));
    ck_assert_str_eq(info.reason, "lost");
    ck_assert_uint_eq(info.revoked_us, T0 + W4_US_PER_S);
}
END_TEST

START_TEST(hearsay_makes_room_for_what_counts) {
    w4_key_row row;
    friend = *id(10);
    ck_assert_int_eq(revoke(10, 2), W4_KEYRING_KEPT);
    for (unsigned n = 11; n < 14; n++) {
        friend = *id(n);
        ck_assert_int_eq(revoke(n, 2), W4_KEYRING_KEPT);
    }
    friend = *id(14);
    ck_assert_int_eq(revoke(14, 2), W4_KEYRING_KNOWN); /* hearsay does not for hearsay */
    ck_assert(!w4_keyring_revoked(ring, id(2)));
    ck_assert_int_eq(revoke(2, 2), W4_KEYRING_TAKEN);
    ck_assert(w4_keyring_revoked(ring, id(2)));
    ck_assert(w4_keyring_pop_dropped(ring, &row));
    ck_assert_int_eq(row.place, W4_KEY_PLACE_HEARSAY);
    ck_assert(!w4_keyring_pop_dropped(ring, &row));
}
END_TEST

/* ---- what cannot stand */

START_TEST(other_kinds_and_revoked_keys) {
    ck_assert_int_eq(succeed_of(AGENT, 2, 3), W4_KEYRING_TAKEN);
    ck_assert_int_eq(succeed_of(NODE, 1, 2), W4_KEYRING_REFUSED);
    ck_assert_str_eq(result.pointer, "/kind");
    ck_assert_int_eq(revoke(2, 2), W4_KEYRING_TAKEN);
    ck_assert_int_eq(succeed(2, 9), W4_KEYRING_REFUSED); /* nor is it a rival */
    ck_assert_int_eq(result.code, W4_REFUSAL_KEY_REVOKED);
}
END_TEST

START_TEST(what_a_store_gives_back) {
    w4_key_info info;
    w4_buffer_clear(&text);
    ck_assert_int_eq(w4_key_revocation_write(who[5], id(2), AGENT, "lost", T0, &text), 0);
    ck_assert_int_eq(read_text(), 0);
    ck_assert_int_eq(w4_keyring_load(ring, &document, W4_KEY_PLACE_SUCCESSION), 1);
    ck_assert_int_eq(w4_keyring_load(ring, &document, W4_KEY_PLACE_RIVAL), 1);
    /* whoever said it, it was kept */
    ck_assert_int_eq(w4_keyring_load(ring, &document, W4_KEY_PLACE_HEARSAY), 0);
    ck_assert(!w4_keyring_revoked(ring, id(2)));
    w4_buffer_clear(&text);
    ck_assert_int_eq(w4_key_succession_write(who[3], who[4], AGENT, T0, &text), 0);
    ck_assert_int_eq(read_text(), 0);
    ck_assert_int_eq(w4_keyring_load(ring, &document, W4_KEY_PLACE_REVOCATION), 1);
    ck_assert_int_eq(w4_keyring_load(ring, &document, W4_KEY_PLACE_RIVAL), 1); /* of what? */
    ck_assert_int_eq(w4_keyring_load(ring, &document, W4_KEY_PLACE_SUCCESSION), 0);
    ck_assert(w4_keyring_find(ring, id(3), &info) && info.replaced);
}
END_TEST

START_TEST(what_is_there_is_told) {
    const void *cursor = NULL;
    w4_key_info info;
    w4_key_text row;
    unsigned seen = 0;
    size_t empty = w4_keyring_memory(ring);
    ck_assert_int_eq(succeed(2, 3), W4_KEYRING_TAKEN);
    ck_assert_int_eq(succeed(3, 4), W4_KEYRING_TAKEN);
    ck_assert_int_eq(revoke(5, 5), W4_KEYRING_TAKEN);
    ck_assert_uint_gt(w4_keyring_memory(ring), empty);
    while (w4_keyring_next(ring, &cursor, &info)) {
        seen++;
    }
    ck_assert_uint_eq(seen, 4);
    ck_assert(w4_keyring_succession(ring, id(2), &row));
    ck_assert_int_eq(row.place, W4_KEY_PLACE_SUCCESSION);
    ck_assert(!w4_keyring_succession(ring, id(4), &row)); /* the last */
    ck_assert(!w4_keyring_succession(ring, id(9), &row)); /* nobody's */
    ck_assert_ptr_null(w4_keyring_pubkey(ring, id(5)));   /* of it the fingerprint is known */
    ck_assert_ptr_null(w4_keyring_pubkey(ring, id(9)));
}
END_TEST

/* ---- documents */

/* In the text, the first of these from there on becomes the other; both are as long. */
static void put_in(const char *behind, const char *what, size_t len) {
    char *at = strstr((char *)text.data, behind);
    ck_assert_ptr_nonnull(at);
    memcpy(at + strlen(behind), what, len);
}

static void write_succession(void) {
    w4_buffer_clear(&text);
    ck_assert_int_eq(w4_key_succession_write(who[0], who[1], AGENT, T0, &text), 0);
    ck_assert_int_eq(w4_buffer_append(&text, w4_bytes_of("", 1)), 0); /* the end, for strstr */
    text.len--;
}

START_TEST(documents_that_are_nearly_good) {
    char key[44];
    write_succession();
    memcpy(key, strstr((char *)text.data, "\"new\":\"") + 7, sizeof key);
    put_in("\"old\":\"", key, sizeof key);
    ck_assert_int_eq(read_text(), 1);
    ck_assert_int_eq(fault.code, W4_REFUSAL_BAD_ENVELOPE);
    ck_assert_str_eq(fault.pointer, "/new");
    write_succession();
    put_in("\"algo\":\"ed25519\",\"new\":\"", "!!!!", 4);
    ck_assert_int_eq(read_text(), 1);
    ck_assert_str_eq(fault.pointer, "/sign/new");
    ck_assert_int_eq(fault.code, W4_REFUSAL_BAD_ENVELOPE);
    write_succession();
    text.data[0] = '[';
    ck_assert_int_eq(read_text(), 1);
    ck_assert_int_eq(fault.code, W4_REFUSAL_BAD_JSON);
}
END_TEST

START_TEST(reasons) {
    static const char *const bad[] = {"", "a\nb", "a\x7f", "a\xc2\x85", "a\xff", "\xc2"};
    char longest[W4_KEY_REASON_MAX + 2];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(w4_key_revocation_write(who[0], id(1), NODE, bad[i], T0, &text), -EINVAL);
    }
    ck_assert_int_eq(w4_key_revocation_write(who[0], id(1), NODE, longest, T0, &text), -EINVAL);
    longest[sizeof longest - 2] = '\0';
    ck_assert_int_eq(w4_key_revocation_write(who[0], id(1), NODE, longest, T0, &text), 0);
    ck_assert_int_eq(read_text(), 0);
    ck_assert_str_eq(document.reason, longest);
    w4_buffer_clear(&text);
    ck_assert_int_eq(w4_key_revocation_write(who[0], id(1), NODE, "\xc3\xa9t\xc2\xa0", T0, &text),
                     0);
    ck_assert_int_eq(read_text(), 0);
}
END_TEST

START_TEST(there_is_no_room_for_a_document) {
    w4_buffer small = W4_BUFFER_INIT(10);
    ck_assert_int_eq(w4_key_succession_write(who[0], who[1], NODE, T0, &small), -EMSGSIZE);
    ck_assert_uint_eq(small.len, 0);
    write_succession();
    ck_assert_int_eq(
        w4_key_document_read_any(&scratch, w4_buffer_bytes(&text), &small, &document, &fault), 1);
    ck_assert_int_eq(fault.code, W4_REFUSAL_TOO_LARGE);
    w4_buffer_deinit(&small);
}
END_TEST

START_TEST(a_history_of_empty_lines) {
    w4_key_history history;
    ck_assert_int_eq(w4_key_history_read(w4_bytes_from_text("\n\n\n"), id(0), &history), 0);
    ck_assert_uint_eq(history.count + history.passed_over, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("key edges");
    TCase *tests = tcase_create("key edges");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, names);
    tcase_add_test(tests, hearsay_makes_room_for_hearsay);
    tcase_add_test(tests, who_matters_by_now);
    tcase_add_test(tests, no_room_for_once);
    tcase_add_test(tests, nor_for_a_rival_or_a_revocation);
    tcase_add_test(tests, a_chain_goes_whole);
    tcase_add_test(tests, the_first_word_of_each_of_four);
    tcase_add_test(tests, hearsay_makes_room_for_what_counts);
    tcase_add_test(tests, other_kinds_and_revoked_keys);
    tcase_add_test(tests, what_a_store_gives_back);
    tcase_add_test(tests, what_is_there_is_told);
    tcase_add_test(tests, documents_that_are_nearly_good);
    tcase_add_test(tests, reasons);
    tcase_add_test(tests, there_is_no_room_for_a_document);
    tcase_add_test(tests, a_history_of_empty_lines);
    suite_add_tcase(suite, tests);
    return w4_test_run(suite);
}
