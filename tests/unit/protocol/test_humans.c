/* The table of humans by itself: whose word counts, strangers, and what was forgotten. */
#include "protocol/evidence/evidence.h"
#include "protocol/humans/consent.h"
#include "runner.h"
#include "store/memory.h"

#include <stdio.h>
#include <string.h>

static w4_envelope word_of(w4_json_document *doc, unsigned who, const char *consent,
                           uint64_t at_us) {
    char text[256];
    snprintf(text, sizeof text,
             "{\"affect\":\"calm\",\"clarity\":80,\"consent\":\"%s\",\"presence\":\"focused\","
             "\"pressure\":10}",
             consent);
    w4_envelope envelope = {.family = W4_FAMILY_HCP,
                            .type = W4_TYPE_HCP_STATE_UPDATE,
                            .timestamp_us = at_us,
                            .broadcast = true};
    ck_assert_int_eq(w4_json_read(doc, w4_bytes_from_text(text), &W4_JSON_LIMITS_LINE, NULL), 0);
    envelope.payload = w4_json_root(doc);
    envelope.text = w4_json_text(envelope.payload);
    memcpy(envelope.sender.fingerprint.bytes, &who, sizeof who);
    snprintf(envelope.sender.agent_id, sizeof envelope.sender.agent_id, "h%u", who);
    snprintf(envelope.msg_id, sizeof envelope.msg_id, "%08x-1111-4111-8111-%012x", who,
             (unsigned)at_us);
    return envelope;
}

static int take(w4_humans *humans, w4_json_document *doc, unsigned who, const char *consent,
                uint64_t at_us, const w4_fingerprint *told_by, bool here) {
    w4_envelope envelope = word_of(doc, who, consent, at_us);
    const w4_human_word word = {
        .envelope = &envelope, .wall_us = at_us, .told_by = told_by, .here = here};
    w4_human *human;
    w4_consent before;
    w4_human_told may = told_by ? w4_humans_may_be_told(humans, &word) : W4_HUMAN_TOLD;
    return may != W4_HUMAN_TOLD ? 100 + (int)may : w4_humans_take(humans, &word, &human, &before);
}

static size_t count_envelopes(w4_store *store) {
    w4_store_cursor cursor;
    size_t count = 0;
    ck_assert_int_eq(w4_store_cursor_init(&cursor, W4_STORE_ENVELOPE, w4_bytes_of(NULL, 0)), 0);
    while (w4_store_next(store, &cursor) == 0) {
        count++;
    }
    w4_store_cursor_deinit(&cursor);
    return count;
}

START_TEST(strangers_have_bounds) {
    w4_store *store;
    w4_humans *humans;
    w4_json_document doc = {0};
    const w4_fingerprint nodes[] = {{{1}}, {{2}}, {{3}}, {{4}}};
    unsigned who = 1;
    ck_assert_int_eq(w4_store_memory_new(&store), 0);
    ck_assert_int_eq(w4_humans_new(store, &humans), 0);
    ck_assert_int_eq(take(humans, &doc, 0x7fffffff, "revoked", 1000, NULL, true), 0);
    for (unsigned n = 0; n < 3; n++) {
        for (unsigned i = 0; i < W4_HUMANS_TOLD_BY_ONE; i++) {
            ck_assert_int_eq(take(humans, &doc, who++, "granted", 2000, &nodes[n], false), 0);
        }
        ck_assert_int_eq(take(humans, &doc, who, "granted", 2000, &nodes[n], false),
                         100 + W4_HUMAN_TOLD_TOO_MANY);
    }
    /* All neighbours together leave room for who speaks himself. */
    ck_assert_int_eq(take(humans, &doc, who, "granted", 2000, &nodes[3], false),
                     100 + W4_HUMAN_TOLD_TOO_MANY);
    ck_assert_int_eq(take(humans, &doc, 5, "revoked", 3000, &nodes[3], false), 0); /* known */
    while (w4_humans_count(humans) < W4_HUMANS_MAX) {
        ck_assert_int_eq(take(humans, &doc, who++, "granted", 4000, NULL, false), 0);
    }
    ck_assert_uint_eq(count_envelopes(store), W4_HUMANS_MAX);
    for (unsigned i = 0; i < 50; i++) {
        ck_assert_int_eq(take(humans, &doc, who++, "granted", 4000, NULL, false), 0);
    }
    ck_assert_uint_eq(w4_humans_count(humans), W4_HUMANS_MAX);
    ck_assert_uint_eq(count_envelopes(store), W4_HUMANS_MAX);
    /* Somebody of this node is not pushed out. */
    w4_fingerprint local = {{0xff, 0xff, 0xff, 0x7f}};
    ck_assert_int_eq(w4_humans_find(humans, &local)->consent, W4_CONSENT_REVOKED);
    w4_json_document_deinit(&doc);
    w4_humans_free(humans);
    w4_store_free(store);
}
END_TEST

/* A human who had revoked is pushed out by a flood; then an old word of theirs is brought. */
START_TEST(what_was_forgotten_does_not_come_back) {
    w4_store *store;
    w4_humans *humans;
    w4_json_document doc = {0};
    const w4_fingerprint node = {{1}};
    w4_fingerprint lost = {{7}};
    ck_assert_int_eq(w4_store_memory_new(&store), 0);
    ck_assert_int_eq(w4_humans_new(store, &humans), 0);
    ck_assert_int_eq(take(humans, &doc, 7, "revoked", 5000, NULL, false), 0);
    for (unsigned who = 100; w4_humans_find(humans, &lost); who++) {
        ck_assert_int_eq(take(humans, &doc, who, "granted", 4000, NULL, false), 0);
    }
    for (unsigned again = 0; again < 2; again++) {
        /* Neither at once nor after a restart, and whether there is room or not. */
        ck_assert_int_eq(take(humans, &doc, 7, "granted", 4999, &node, false),
                         100 + W4_HUMAN_TOLD_TOO_OLD);
        w4_humans_free(humans);
        ck_assert_int_eq(w4_store_commit(store), 0);
        ck_assert_int_eq(w4_humans_new(store, &humans), 0);
    }
    w4_human *fresh = NULL;
    ck_assert_ptr_null(w4_humans_find(humans, &lost));
    ck_assert_int_eq(take(humans, &doc, 7, "granted", 6000, NULL, false), 0); /* says it now */
    fresh = w4_humans_find(humans, &lost);
    ck_assert_int_eq(fresh->consent, W4_CONSENT_GRANTED);
    w4_json_document_deinit(&doc);
    w4_humans_free(humans);
    w4_store_free(store);
}
END_TEST

/* What is kept of a human under one msg_id is not written over by another envelope of that name. */
START_TEST(a_kept_word_is_not_written_over) {
    w4_store *store;
    w4_humans *humans;
    w4_json_document doc = {0};
    w4_fingerprint who = {{9}};
    w4_buffer kept = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    ck_assert_int_eq(w4_store_memory_new(&store), 0);
    ck_assert_int_eq(w4_humans_new(store, &humans), 0);
    char id[37];
    snprintf(id, sizeof id, "%08x-1111-4111-8111-%012x", 9, 5000);
    ck_assert_int_eq(w4_evidence_put(store, id, &who, w4_bytes_from_text("a fact")), 0);
    ck_assert_int_eq(take(humans, &doc, 9, "granted", 5000, NULL, false), 0);
    ck_assert(!w4_human_can_be_told(w4_humans_find(humans, &who)));
    ck_assert_int_eq(w4_evidence_get(store, id, &who, &kept), 0);
    ck_assert(w4_bytes_equal_text(w4_buffer_bytes(&kept), "a fact"));
    w4_buffer_deinit(&kept);
    w4_json_document_deinit(&doc);
    w4_humans_free(humans);
    w4_store_free(store);
}
END_TEST

/* Of two words with one time stamp all nodes hold the same one to be the last, in whatever order
 * they come. */
START_TEST(of_one_moment_the_one_that_gives_less) {
    static const char *const said[] = {"granted", "limited", "revoked"};
    static const w4_consent meant[] = {W4_CONSENT_GRANTED, W4_CONSENT_LIMITED, W4_CONSENT_REVOKED};
    w4_store *store;
    w4_humans *humans;
    w4_json_document doc = {0};
    const w4_fingerprint node = {{1}};
    ck_assert_int_eq(w4_store_memory_new(&store), 0);
    ck_assert_int_eq(w4_humans_new(store, &humans), 0);
    for (unsigned i = 0; i < 9; i++) {
        unsigned who = 10 + i, first = i / 3, second = i % 3;
        w4_fingerprint agent = {{(uint8_t)who}};
        ck_assert_int_eq(take(humans, &doc, who, said[first], 5000, &node, false), 0);
        ck_assert_int_eq(take(humans, &doc, who, said[second], 5000, &node, false), 0);
        ck_assert_int_eq(w4_humans_find(humans, &agent)->consent,
                         meant[first > second ? first : second]);
    }
    w4_json_document_deinit(&doc);
    w4_humans_free(humans);
    w4_store_free(store);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("humans");
    TCase *tcase = tcase_create("humans");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, strangers_have_bounds);
    tcase_add_test(tcase, what_was_forgotten_does_not_come_back);
    tcase_add_test(tcase, a_kept_word_is_not_written_over);
    tcase_add_test(tcase, of_one_moment_the_one_that_gives_less);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
