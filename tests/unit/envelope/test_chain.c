/* The chain of a message that answers another: what is read, answered and written. */
#include "envelope/chain.h"

#include "runner.h"
#include "samples.h"

static w4_identity *ada;

static void setup(void) {
    ada = sample_identity(1);
}

static void teardown(void) {
    w4_identity_free(ada);
}

static w4_fingerprint speaker(unsigned number) {
    w4_fingerprint f = {{(uint8_t)number, 7}};
    return f;
}

/* Writes the chain alone. */
static void write_chain(const w4_chain *chain, w4_buffer *out) {
    w4_json_writer w;
    w4_json_writer_init(&w, out);
    w4_chain_write(chain, &w);
    ck_assert_int_eq(w.error, 0);
}

/* An envelope with that chain (NULL: with none), read back as a node reads it. */
static bool carry(const w4_chain *chain, w4_chain *ret_chain) {
    w4_buffer text = W4_BUFFER_INIT(4096), out = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    if (chain) {
        write_chain(chain, &text);
    }
    w4_envelope_draft draft = {.type = W4_TYPE_CIP_STATE_UPDATE,
                               .msg_id = SAMPLE_ID,
                               .timestamp_us = SAMPLE_WALL_US,
                               .sender_id = "ada",
                               .chain = w4_buffer_bytes(&text),
                               .payload = text_of("{\"lri\":0,\"presence\":\"focused\"}")};
    w4_json_document doc = {0};
    w4_envelope e;
    w4_envelope_fault fault = {0};
    ck_assert_int_eq(w4_envelope_write(&draft, ada, &out), 0);
    int r = w4_envelope_read(&doc, w4_buffer_bytes(&out), &W4_JSON_LIMITS_ENVELOPE, &e, &fault);
    ck_assert_msg(r == 0, "%s %s", fault.detail.pointer, fault.detail.expected);
    bool found = w4_chain_of(&e, ret_chain);
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&text);
    w4_buffer_deinit(&out);
    return found;
}

START_TEST(without_one) {
    w4_chain untouched = {.depth = 77};
    ck_assert(!carry(NULL, &untouched));
    ck_assert_uint_eq(untouched.depth, 77);
}
END_TEST

/* The first answer begins the chain at what it answers. */
START_TEST(the_first_answer) {
    w4_fingerprint ben = speaker(1);
    w4_chain first, read;
    w4_chain_answer(NULL, SAMPLE_REF, &ben, &first);
    ck_assert_str_eq(first.root, SAMPLE_REF);
    ck_assert_uint_eq(first.depth, 1);
    ck_assert_uint_eq(first.ancestor_count, 1);
    ck_assert_uint_eq(first.budget, 0); /* the caller's to set */
    first.budget = 9;
    ck_assert(carry(&first, &read));
    ck_assert_mem_eq(&read, &first, sizeof read);
}
END_TEST

/* Each answer is one deeper and keeps the root; of those who spoke the last 16 are known. */
START_TEST(answers_to_answers) {
    w4_chain chain, next;
    w4_fingerprint who = speaker(1);
    w4_chain_answer(NULL, SAMPLE_REF, &who, &chain);
    chain.budget = 40;
    for (unsigned i = 2; i <= W4_CHAIN_ANCESTORS_MAX + 3; i++) {
        who = speaker(i);
        w4_chain_answer(&chain, SAMPLE_ID, &who, &next);
        ck_assert_uint_eq(next.depth, i);
        ck_assert_uint_eq(next.budget, 40);
        ck_assert_str_eq(next.root, SAMPLE_REF);
        unsigned count = i < W4_CHAIN_ANCESTORS_MAX ? i : W4_CHAIN_ANCESTORS_MAX;
        ck_assert_uint_eq(next.ancestor_count, count);
        for (unsigned k = 0; k < count; k++) {
            w4_fingerprint expected = speaker(i - count + 1 + k);
            ck_assert(w4_fingerprint_equal(&next.ancestors[k], &expected));
        }
        chain = next;
    }
    chain.depth = 16; /* as much as a schema lets through */
    w4_chain read;
    ck_assert(carry(&chain, &read));
    ck_assert_uint_eq(read.ancestor_count, W4_CHAIN_ANCESTORS_MAX);
    ck_assert_mem_eq(&read, &chain, sizeof read);
}
END_TEST

START_TEST(written_in_canonical_form) {
    w4_chain chain = {.root = SAMPLE_REF, .depth = 3, .budget = 5};
    w4_buffer out = W4_BUFFER_INIT(4096), again = W4_BUFFER_INIT(4096);
    chain.ancestors[chain.ancestor_count++] = speaker(1);
    chain.ancestors[chain.ancestor_count++] = speaker(2);
    write_chain(&chain, &out);
    ck_assert_int_eq(
        w4_json_canonical(&again, w4_buffer_bytes(&out), &W4_JSON_LIMITS_ENVELOPE, NULL), 0);
    ck_assert_uint_eq(again.len, out.len);
    ck_assert_mem_eq(again.data, out.data, out.len);
    w4_buffer_deinit(&out);
    w4_buffer_deinit(&again);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("chain");
    TCase *tcase = tcase_create("chain");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, without_one);
    tcase_add_test(tcase, the_first_answer);
    tcase_add_test(tcase, answers_to_answers);
    tcase_add_test(tcase, written_in_canonical_form);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
