/* Documents about keys, and what a ring makes of them. */
#include "rings.h"

static bool root_is(unsigned key, unsigned expected) {
    w4_fingerprint root = w4_keyring_root(ring, id(key));
    return w4_fingerprint_equal(&root, id(expected));
}

/* ---- documents */

START_TEST(documents_are_read_as_they_were_written) {
    ck_assert_int_eq(w4_key_succession_write(who[0], who[1], NODE, T0, &text), 0);
    ck_assert_int_eq(read_text(), 0);
    ck_assert_int_eq(document.kind, W4_KEY_SUCCESSION);
    ck_assert_int_eq(document.of, NODE);
    ck_assert_uint_eq(document.made_us, T0);
    ck_assert(w4_fingerprint_equal(&document.subject, id(0)));
    ck_assert(w4_fingerprint_equal(&document.successor, id(1)));
    w4_buffer_clear(&text);
    ck_assert_int_eq(w4_key_revocation_write(who[2], id(0), AGENT, "lost", T0, &text), 0);
    ck_assert_int_eq(read_text(), 0);
    ck_assert_int_eq(document.kind, W4_KEY_REVOCATION);
    ck_assert_int_eq(document.of, AGENT);
    ck_assert(w4_fingerprint_equal(&document.subject, id(0)));
    ck_assert(w4_fingerprint_equal(&document.signer, id(2)));
    ck_assert_str_eq(document.reason, "lost");
    ck_assert_int_eq(w4_key_succession_write(who[0], who[0], NODE, T0, &text), -EINVAL);
    ck_assert_int_eq(w4_key_revocation_write(who[0], id(1), NODE, "", T0, &text), -EINVAL);
    ck_assert_int_eq(w4_key_revocation_write(who[0], id(1), NODE, "a\nb", T0, &text), -EINVAL);
}
END_TEST

/* Each byte of a document is covered: by its form, by its signatures, or by being canonical. */
START_TEST(no_byte_can_be_changed) {
    for (int kind = 0; kind < 2; kind++) {
        w4_buffer_clear(&text);
        ck_assert_int_eq(kind == 0
                             ? w4_key_succession_write(who[0], who[1], NODE, T0, &text)
                             : w4_key_revocation_write(who[0], id(1), AGENT, "lost", T0, &text),
                         0);
        for (size_t i = 0; i < text.len; i++) {
            uint8_t was = text.data[i];
            text.data[i] = (uint8_t)(was ^ 1);
            ck_assert_msg(read_text() == 1, "byte %zu", i);
            ck_assert_int_ne(fault.code, W4_REFUSAL_NONE);
            text.data[i] = was;
        }
        ck_assert_int_eq(read_text(), 0);
    }
}
END_TEST

/* The signature of one key does not stand for the other's. */
START_TEST(both_keys_have_to_sign) {
    char forged[2048];
    ck_assert_int_eq(w4_key_succession_write(who[0], who[1], NODE, T0, &text), 0);
    snprintf(forged, sizeof forged, "%s", w4_buffer_text(&text));
    char *fresh = strstr(strstr(forged, "\"sign\""), "\"new\":\"") + 7;
    char *old = strstr(strstr(forged, "\"sign\""), "\"old\":\"") + 7;
    memcpy(fresh, old, 88);
    w4_buffer_clear(&text);
    ck_assert_int_eq(w4_buffer_append_text(&text, forged), 0);
    ck_assert_int_eq(read_text(), 1);
    ck_assert_int_eq(fault.code, W4_REFUSAL_BAD_SIGNATURE);
    ck_assert_str_eq(fault.pointer, "/sign/new");
}
END_TEST

START_TEST(other_forms_are_made_canonical_or_refused) {
    w4_buffer form = W4_BUFFER_INIT(W4_KEY_DOCUMENT_MAX), spaced = W4_BUFFER_INIT(65536);
    ck_assert_int_eq(w4_key_succession_write(who[0], who[1], NODE, T0, &text), 0);
    ck_assert_int_eq(w4_buffer_append_text(&spaced, " "), 0);
    ck_assert_int_eq(w4_buffer_append(&spaced, w4_buffer_bytes(&text)), 0);
    ck_assert_int_eq(w4_key_document_read(&scratch, w4_buffer_bytes(&spaced), &document, &fault),
                     1);
    ck_assert_int_eq(fault.code, W4_REFUSAL_NOT_CANONICAL);
    ck_assert_int_eq(
        w4_key_document_read_any(&scratch, w4_buffer_bytes(&spaced), &form, &document, &fault), 0);
    w4_buffer_clear(&spaced);
    for (int i = 0; i < 3000; i++) {
        ck_assert_int_eq(w4_buffer_append_text(&spaced, "["), 0);
    }
    ck_assert_int_eq(
        w4_key_document_read_any(&scratch, w4_buffer_bytes(&spaced), &form, &document, &fault), 1);
    w4_buffer_deinit(&form);
    w4_buffer_deinit(&spaced);
}
END_TEST

/* ---- the ring */

START_TEST(keys_follow_one_another) {
    w4_key_info info;
    ck_assert_int_eq(succeed(1, 2), W4_KEYRING_TAKEN);
    ck_assert_int_eq(succeed(0, 1), W4_KEYRING_TAKEN); /* in whatever order they come */
    ck_assert_int_eq(succeed(2, 3), W4_KEYRING_TAKEN);
    ck_assert_int_eq(succeed(2, 3), W4_KEYRING_KNOWN);
    for (unsigned n = 0; n < 4; n++) {
        ck_assert(current_is(n, 3) && root_is(n, 0));
        ck_assert(w4_keyring_find(ring, id(n), &info));
        ck_assert(info.replaced == (n < 3) && info.succeeds == (n > 0));
    }
    ck_assert(current_is(9, 9) && root_is(9, 9) && !w4_keyring_find(ring, id(9), &info));
    ck_assert_ptr_nonnull(w4_keyring_pubkey(ring, id(3)));
}
END_TEST

START_TEST(circles_and_branches_are_refused) {
    ck_assert_int_eq(succeed(0, 1), W4_KEYRING_TAKEN);
    ck_assert_int_eq(succeed(1, 2), W4_KEYRING_TAKEN);
    ck_assert_int_eq(succeed(2, 0), W4_KEYRING_REFUSED);
    ck_assert_int_eq(succeed(5, 1), W4_KEYRING_REFUSED); /* 1 succeeds another already */
    ck_assert_int_eq(succeed_of(NODE, 2, 6), W4_KEYRING_REFUSED);
    ck_assert_str_eq(result.pointer, "/kind");
    ck_assert(current_is(0, 2));
}
END_TEST

START_TEST(chains_are_bounded) {
    for (unsigned n = 0; n + 1 < W4_KEYRING_CHAIN_MAX; n++) {
        ck_assert_int_eq(succeed(n, n + 1), W4_KEYRING_TAKEN);
    }
    ck_assert_int_eq(succeed(W4_KEYRING_CHAIN_MAX - 1, W4_KEYRING_CHAIN_MAX), W4_KEYRING_REFUSED);
    ck_assert_int_eq(succeed(40, 0), W4_KEYRING_REFUSED);
}
END_TEST

START_TEST(the_first_of_two_successions_stands) {
    w4_key_info info;
    ck_assert_int_eq(succeed(0, 1), W4_KEYRING_TAKEN);
    ck_assert_int_eq(succeed(0, 2), W4_KEYRING_KEPT);
    ck_assert_int_eq(result.place, W4_KEY_PLACE_RIVAL);
    ck_assert_int_eq(succeed(0, 3), W4_KEYRING_KNOWN); /* one proof is enough */
    ck_assert(current_is(0, 1) && current_is(2, 2));
    ck_assert(w4_keyring_find(ring, id(0), &info) && info.disputed);
    ck_assert(w4_fingerprint_equal(&info.rival, id(2)));
    ck_assert_uint_eq(w4_keyring_count(ring), 2);
}
END_TEST

START_TEST(a_revoked_key_names_no_successor) {
    ck_assert_int_eq(succeed(0, 1), W4_KEYRING_TAKEN);
    ck_assert_int_eq(revoke(1, 1), W4_KEYRING_TAKEN);
    ck_assert(result.first && result.authority == W4_KEY_BY_ITSELF);
    ck_assert_int_eq(succeed(1, 2), W4_KEYRING_REFUSED);
    ck_assert_int_eq(result.code, W4_REFUSAL_KEY_REVOKED);
    ck_assert(w4_keyring_revoked(ring, id(1)) && !w4_keyring_revoked(ring, id(0)));
    ck_assert(current_is(0, 1));
}
END_TEST

START_TEST(who_may_revoke) {
    w4_key_judged judged;
    ck_assert_int_eq(revoke(5, 0), W4_KEYRING_REFUSED);
    ck_assert_int_eq(result.code, W4_REFUSAL_UNAUTHORIZED);
    ck_assert_int_eq(succeed(0, 1), W4_KEYRING_TAKEN);
    ck_assert_int_eq(revoke(0, 1), W4_KEYRING_REFUSED); /* an earlier key */
    ck_assert_int_eq(revoke(1, 0), W4_KEYRING_TAKEN);
    ck_assert_int_eq(result.authority, W4_KEY_BY_SUCCESSOR);
    anchor = *id(5);
    ck_assert_int_eq(revoke(5, 7), W4_KEYRING_TAKEN);
    ck_assert_int_eq(result.authority, W4_KEY_BY_ANCHOR);
    friend = *id(6);
    ck_assert_int_eq(revoke(6, 8), W4_KEYRING_KEPT);
    ck_assert_int_eq(result.place, W4_KEY_PLACE_HEARSAY);
    ck_assert(!w4_keyring_revoked(ring, id(8)));
    w4_key_info info;
    ck_assert(w4_keyring_find(ring, id(8), &info) && info.doubted && !info.revoked);
    ck_assert(w4_fingerprint_equal(&info.doubted_by, id(6)));
    ck_assert(info.doubted_us >= T0 && info.doubt[0] != '\0');
    ck_assert(!w4_keyring_judge(ring, &judged));
    anchor = *id(6); /* the configuration has changed */
    w4_keyring_judge_again(ring);
    ck_assert(w4_keyring_judge(ring, &judged));
    ck_assert(w4_fingerprint_equal(&judged.key, id(8)));
    ck_assert(!w4_keyring_judge(ring, &judged));
    ck_assert(w4_keyring_revoked(ring, id(8)));
    ck_assert(w4_keyring_find(ring, id(8), &info) && info.revoked && !info.doubted);
}
END_TEST

/* The word of a later key comes before it is known that it is one. */
START_TEST(hearsay_is_judged_again) {
    w4_key_judged judged;
    friend = *id(1);
    ck_assert_int_eq(revoke(1, 0), W4_KEYRING_KEPT);
    ck_assert_int_eq(succeed(0, 1), W4_KEYRING_TAKEN);
    ck_assert(w4_keyring_judge(ring, &judged));
    ck_assert(w4_fingerprint_equal(&judged.key, id(0)));
    ck_assert(w4_keyring_revoked(ring, id(0)) && current_is(0, 1));
}
END_TEST

START_TEST(a_revoked_key_revokes_only_itself) {
    anchor = *id(5);
    ck_assert_int_eq(revoke(5, 5), W4_KEYRING_TAKEN);
    ck_assert_int_eq(revoke(5, 7), W4_KEYRING_REFUSED);
}
END_TEST

/* What a store gives back makes the same ring, whatever is an anchor by then. */
START_TEST(a_ring_is_loaded_as_it_was) {
    w4_keyring *again;
    w4_keyring_rules rules = {.matters = matters, .authority = authority};
    uint8_t sum[W4_KEYRING_SUM_LEN], other[W4_KEYRING_SUM_LEN];
    anchor = *id(5);
    friend = *id(6);
    ck_assert_int_eq(succeed(0, 1), W4_KEYRING_TAKEN);
    ck_assert_int_eq(succeed(0, 2), W4_KEYRING_KEPT);
    ck_assert_int_eq(succeed(1, 3), W4_KEYRING_TAKEN);
    ck_assert_int_eq(revoke(5, 1), W4_KEYRING_TAKEN);
    ck_assert_int_eq(revoke(6, 4), W4_KEYRING_KEPT);
    anchor = (w4_fingerprint){{0}};
    ck_assert_int_eq(w4_keyring_new(&rules, &again), 0);
    for (int place = 1; place <= 4; place++) {
        static const w4_key_place order[] = {0, W4_KEY_PLACE_SUCCESSION, W4_KEY_PLACE_RIVAL,
                                             W4_KEY_PLACE_REVOCATION, W4_KEY_PLACE_HEARSAY};
        for (unsigned part = 0; part < W4_KEYRING_PARTS; part++) {
            const void *cursor = NULL;
            w4_key_text row;
            while (w4_keyring_next_text(ring, part, &cursor, &row)) {
                ck_assert_int_eq(w4_key_document_read(&scratch, row.text, &document, &fault), 0);
                if (row.place == order[place]) {
                    ck_assert_int_eq(w4_keyring_load(again, &document, row.place), 0);
                }
            }
        }
    }
    for (unsigned part = 0; part < W4_KEYRING_PARTS; part++) {
        w4_keyring_sum(ring, part, sum);
        w4_keyring_sum(again, part, other);
        ck_assert_mem_eq(sum, other, sizeof sum);
    }
    for (unsigned n = 0; n < 5; n++) {
        w4_fingerprint a = w4_keyring_current(ring, id(n)), b = w4_keyring_current(again, id(n));
        ck_assert(w4_fingerprint_equal(&a, &b));
        ck_assert(w4_keyring_revoked(ring, id(n)) == w4_keyring_revoked(again, id(n)));
    }
    ck_assert(w4_keyring_revoked(again, id(1)) && !w4_keyring_revoked(again, id(4)));
    w4_keyring_free(again);
}
END_TEST

/* Strangers drive out strangers, whole chains of them, and nobody who matters. */
START_TEST(strangers_have_places_of_their_own) {
    w4_key_row row;
    unsigned dropped = 0;
    all_matter = false; /* but for 0 */
    ck_assert_int_eq(succeed(0, 1), W4_KEYRING_TAKEN);
    ck_assert_int_eq(succeed(2, 3), W4_KEYRING_TAKEN);
    ck_assert_int_eq(succeed(3, 4), W4_KEYRING_TAKEN);
    for (unsigned n = 0; n < W4_KEYRING_STRANGERS_MAX + 100; n++) {
        uint8_t seed[W4_SEED_LEN] = {(uint8_t)n, (uint8_t)(n >> 8), 1, 7};
        w4_identity *stranger;
        ck_assert_int_eq(w4_identity_from_seed(seed, &stranger), 0);
        w4_buffer_clear(&text);
        ck_assert_int_eq(w4_key_revocation_write(stranger, w4_identity_fingerprint(stranger), AGENT,
                                                 "flood", T0, &text),
                         0);
        ck_assert_int_eq(take(), W4_KEYRING_TAKEN);
        w4_identity_free(stranger);
        while (w4_keyring_pop_dropped(ring, &row)) {
            dropped++;
        }
        ck_assert_uint_le(w4_keyring_count(ring), W4_KEYRING_STRANGERS_MAX + 1);
    }
    ck_assert_uint_eq(dropped, 102);
    ck_assert(current_is(0, 1) && current_is(2, 2));
}
END_TEST

/* The two that a document brings together are not what makes room for it. */
START_TEST(what_is_joined_does_not_give_way) {
    all_matter = false;
    ck_assert_int_eq(succeed(2, 3), W4_KEYRING_TAKEN); /* the oldest */
    ck_assert_int_eq(succeed(5, 6), W4_KEYRING_TAKEN);
    for (unsigned n = 2; n < W4_KEYRING_STRANGERS_MAX; n++) {
        uint8_t seed[W4_SEED_LEN] = {(uint8_t)n, (uint8_t)(n >> 8), 1, 7};
        w4_identity *stranger;
        ck_assert_int_eq(w4_identity_from_seed(seed, &stranger), 0);
        w4_buffer_clear(&text);
        ck_assert_int_eq(w4_key_revocation_write(stranger, w4_identity_fingerprint(stranger), AGENT,
                                                 "flood", T0, &text),
                         0);
        ck_assert_int_eq(take(), W4_KEYRING_TAKEN);
        w4_identity_free(stranger);
    }
    ck_assert_int_eq(succeed(6, 2), W4_KEYRING_TAKEN);
    ck_assert(current_is(5, 3) && root_is(3, 5));
    ck_assert_uint_eq(w4_keyring_count(ring), W4_KEYRING_STRANGERS_MAX);
}
END_TEST

/* ---- the file beside a key file */

static void add_line(unsigned old, unsigned fresh) {
    ck_assert_int_eq(w4_key_succession_write(who[old], who[fresh], NODE, T0, &text), 0);
    ck_assert_int_eq(w4_buffer_append_text(&text, "\n"), 0);
}

static void expect_history(unsigned last, uint32_t count, uint32_t passed_over, unsigned first) {
    w4_key_history history;
    ck_assert_int_eq(w4_key_history_read(w4_buffer_bytes(&text), id(last), &history), 0);
    ck_assert_uint_eq(history.count, count);
    ck_assert_uint_eq(history.passed_over, passed_over);
    w4_fingerprint at = *id(first);
    for (uint32_t i = 0; i < count; i++) {
        ck_assert_int_eq(w4_key_document_read(&scratch, history.documents[i], &document, &fault),
                         0);
        ck_assert(w4_fingerprint_equal(&document.subject, &at));
        at = document.successor;
    }
    ck_assert(count == 0 || w4_fingerprint_equal(&at, id(last)));
}

START_TEST(a_history_leads_to_the_key_that_is_there) {
    expect_history(0, 0, 0, 0);
    add_line(0, 1);
    add_line(1, 5); /* 5 never came into its place */
    add_line(1, 2);
    ck_assert_int_eq(w4_buffer_append_text(&text, "\n{}\nno JSON at all\n"), 0);
    ck_assert_int_eq(w4_key_revocation_write(who[2], id(1), NODE, "lost", T0, &text), 0);
    ck_assert_int_eq(w4_buffer_append_text(&text, "\n"), 0);
    add_line(2, 3);
    expect_history(3, 3, 4, 0);
    expect_history(2, 2, 5, 0);
    expect_history(5, 2, 5, 0);
    expect_history(1, 1, 6, 0);
    expect_history(0, 0, 7, 0);
    expect_history(7, 0, 7, 0);
    ck_assert_int_eq(w4_buffer_append_text(&text, "{\"document\":\"succ"), 0); /* torn */
    expect_history(3, 3, 5, 0);
}
END_TEST

START_TEST(a_history_is_bounded) {
    for (unsigned n = 0; n + 1 < W4_KEYRING_CHAIN_MAX + 4; n++) {
        add_line(n, n + 1);
    }
    expect_history(W4_KEYRING_CHAIN_MAX + 3, W4_KEYRING_CHAIN_MAX - 1, 4, 4);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("keyring");
    TCase *tc = tcase_create("keyring");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, documents_are_read_as_they_were_written);
    tcase_add_test(tc, no_byte_can_be_changed);
    tcase_add_test(tc, both_keys_have_to_sign);
    tcase_add_test(tc, other_forms_are_made_canonical_or_refused);
    tcase_add_test(tc, keys_follow_one_another);
    tcase_add_test(tc, circles_and_branches_are_refused);
    tcase_add_test(tc, chains_are_bounded);
    tcase_add_test(tc, the_first_of_two_successions_stands);
    tcase_add_test(tc, a_revoked_key_names_no_successor);
    tcase_add_test(tc, who_may_revoke);
    tcase_add_test(tc, hearsay_is_judged_again);
    tcase_add_test(tc, a_revoked_key_revokes_only_itself);
    tcase_add_test(tc, a_ring_is_loaded_as_it_was);
    tcase_add_test(tc, strangers_have_places_of_their_own);
    tcase_add_test(tc, what_is_joined_does_not_give_way);
    tcase_add_test(tc, a_history_leads_to_the_key_that_is_there);
    tcase_add_test(tc, a_history_is_bounded);
    suite_add_tcase(s, tc);
    return s;
}

int main(void) {
    return w4_test_run(suite());
}
