/* Writing and signing. */
#include "envelope/envelope.h"

#include "runner.h"
#include "samples.h"

#include <errno.h>

static w4_identity *ada, *eve;

static void setup(void) {
    ada = sample_identity(1);
    eve = sample_identity(2);
}

static void teardown(void) {
    w4_identity_free(ada);
    w4_identity_free(eve);
}

static w4_envelope_draft small_draft(void) {
    w4_envelope_draft draft = {.type = W4_TYPE_CIP_STATE_UPDATE,
                               .msg_id = SAMPLE_ID,
                               .timestamp_us = SAMPLE_WALL_US,
                               .sender_id = "ada",
                               .payload = text_of("{\"lri\":0,\"presence\":\"focused\"}")};
    return draft;
}

static void read_back(w4_bytes text, w4_json_document *doc, w4_envelope *ret_envelope) {
    w4_envelope_fault fault = {0};
    int r = w4_envelope_read(doc, text, &W4_JSON_LIMITS_ENVELOPE, ret_envelope, &fault);
    ck_assert_msg(r == 0, "%s %s %s", w4_refusal_name(fault.code), fault.detail.pointer,
                  fault.detail.expected);
}

START_TEST(smallest) {
    w4_envelope_draft draft = small_draft();
    w4_buffer out = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    w4_json_document doc = {0};
    w4_envelope e;
    ck_assert_int_eq(w4_buffer_append_text(&out, "before"), 0); /* it appends */
    ck_assert_int_eq(w4_envelope_write(&draft, ada, &out), 0);
    ck_assert_int_eq(memcmp(out.data, "before", 6), 0);
    w4_bytes text = w4_bytes_of(out.data + 6, out.len - 6);
    read_back(text, &doc, &e);
    ck_assert(e.broadcast && !e.has_pubkey);
    ck_assert(!w4_json_exists(e.state) && !w4_json_exists(e.trust) && !w4_json_exists(e.source));
    ck_assert_int_eq(w4_envelope_verify(&e, w4_identity_pubkey(ada)), W4_REFUSAL_NONE);
    char fingerprint[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint_format(w4_identity_fingerprint(ada), fingerprint);
    w4_buffer expected = W4_BUFFER_INIT(SIZE_MAX);
    ck_assert_int_eq(
        w4_buffer_printf(
            &expected,
            "{\"cip\":\"1.0\",\"msg_id\":\"%s\",\"payload\":{\"lri\":0,\"presence\":\"focused\"},"
            "\"receiver\":{\"agent_id\":\"*\",\"fingerprint\":\"*\"},"
            "\"sender\":{\"agent_id\":\"ada\",\"fingerprint\":\"%s\"},"
            "\"timestamp\":\"" SAMPLE_TIME "\",\"type\":\"STATE_UPDATE\"}",
            SAMPLE_ID, fingerprint),
        0);
    w4_buffer bare = edited(text, "/sign", NULL);
    ck_assert_str_eq(w4_buffer_text(&bare), w4_buffer_text(&expected));
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&expected);
    w4_buffer_deinit(&bare);
    w4_buffer_deinit(&out);
}
END_TEST

/* The member stands where canonical form wants it, whatever the family is called. */
START_TEST(durable) {
    static const w4_type of_family[] = {W4_TYPE_CIP_STATE_UPDATE, W4_TYPE_LIP_FETCH};
    static const char *const payloads[] = {"{\"lri\":0,\"presence\":\"focused\"}",
                                           "{\"query\":\"rain\"}"};
    for (size_t i = 0; i < 2; i++) {
        w4_envelope_draft draft = small_draft();
        draft.type = of_family[i];
        draft.payload = text_of(payloads[i]);
        draft.durable = true;
        draft.source = text_of("{\"retrieved_at\":\"2026-01-01T00:00:00Z\",\"trust_tier\":\"low\","
                               "\"uri\":\"https://example.org/\"}");
        w4_buffer out = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
        w4_json_document doc = {0};
        w4_envelope e;
        ck_assert_int_eq(w4_envelope_write(&draft, ada, &out), 0);
        read_back(w4_buffer_bytes(&out), &doc, &e);
        ck_assert(e.durable);
        w4_buffer no = edited(w4_buffer_bytes(&out), "/durable", "false");
        read_back(w4_buffer_bytes(&no), &doc, &e);
        ck_assert(!e.durable);
        w4_json_document_deinit(&doc);
        w4_buffer_deinit(&no);
        w4_buffer_deinit(&out);
    }
}
END_TEST

/* What is written is canonical whatever the strings hold. */
START_TEST(strings_of_all_kinds) {
    static const char *const capabilities[] = {"\"", "\\", "\xc3\xa9\xf0\x9f\x90\x99", "a/b", NULL};
    static const char *const none[] = {NULL};
    w4_envelope_draft draft = small_draft();
    w4_json_document doc = {0};
    w4_envelope e;
    draft.sender_id = "a \"quoted\" \\ name \xe2\x82\xac";
    for (size_t i = 0; i < 2; i++) {
        w4_buffer out = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
        draft.capabilities = i == 0 ? capabilities : none;
        draft.with_pubkey = i == 0;
        ck_assert_int_eq(w4_envelope_write(&draft, ada, &out), 0);
        read_back(w4_buffer_bytes(&out), &doc, &e);
        ck_assert_str_eq(e.sender.agent_id, draft.sender_id);
        ck_assert_int_eq(w4_envelope_verify(&e, w4_identity_pubkey(ada)), W4_REFUSAL_NONE);
        w4_json list = w4_json_at_pointer(e.root, text_of("/sender/capabilities"));
        ck_assert_uint_eq(w4_json_count(list), i == 0 ? 4 : 0);
        w4_buffer_deinit(&out);
    }
    w4_json_document_deinit(&doc);
}
END_TEST

START_TEST(payload_left_out) {
    w4_envelope_draft draft = small_draft();
    w4_buffer out = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    w4_json_document doc = {0};
    draft.payload = w4_bytes_of(NULL, 0);
    ck_assert_int_eq(w4_envelope_write(&draft, ada, &out), 0); /* checks no schema */
    ck_assert_int_eq(
        w4_json_read_canonical(&doc, w4_buffer_bytes(&out), &W4_JSON_LIMITS_ENVELOPE, NULL), 0);
    w4_json payload = w4_json_get(w4_json_root(&doc), "payload");
    ck_assert(w4_bytes_equal_text(w4_json_text(payload), "{}"));
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&out);
}
END_TEST

/* Room for all but the last byte, for every last byte: nothing is added. */
START_TEST(no_room_to_write) {
    static const char *const capabilities[] = {"x", NULL};
    w4_party receiver = sample_party("ben", eve);
    w4_envelope_draft draft = small_draft();
    draft.receiver = &receiver;
    draft.with_pubkey = true;
    draft.capabilities = capabilities;
    draft.state = text_of("{\"lri\":1,\"presence\":\"diffuse\"}");
    w4_buffer whole = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    ck_assert_int_eq(w4_envelope_write(&draft, ada, &whole), 0);
    for (size_t max = 0; max < whole.len; max++) {
        w4_buffer out = W4_BUFFER_INIT(max + 3);
        MUST(w4_buffer_append_text(&out, "abc") == 0);
        MUST(w4_envelope_write(&draft, ada, &out) == -EMSGSIZE);
        MUST(out.len == 3 && memcmp(out.data, "abc", 3) == 0);
        w4_buffer_deinit(&out);
    }
    w4_buffer exact = W4_BUFFER_INIT(whole.len);
    ck_assert_int_eq(w4_envelope_write(&draft, ada, &exact), 0);
    ck_assert(w4_bytes_equal(w4_buffer_bytes(&exact), w4_buffer_bytes(&whole)));
    w4_buffer_deinit(&exact);
    w4_buffer_deinit(&whole);
}
END_TEST

START_TEST(larger_than_an_envelope) {
    w4_envelope_draft draft = small_draft();
    w4_buffer whole = W4_BUFFER_INIT(SIZE_MAX);
    ck_assert_int_eq(w4_envelope_write(&draft, ada, &whole), 0);
    size_t around = whole.len - draft.payload.len;
    w4_buffer payload = W4_BUFFER_INIT(SIZE_MAX);
    ck_assert_int_eq(w4_buffer_append_text(&payload, "{\"a\":\""), 0);
    while (payload.len + 2 < W4_ENVELOPE_BYTES_MAX - around) {
        MUST(w4_buffer_append_byte(&payload, 'x') == 0);
    }
    ck_assert_int_eq(w4_buffer_append_text(&payload, "\"}"), 0);
    draft.payload = w4_buffer_bytes(&payload);
    w4_buffer_clear(&whole);
    ck_assert_int_eq(w4_envelope_write(&draft, ada, &whole), 0);
    ck_assert_uint_eq(whole.len, W4_ENVELOPE_BYTES_MAX);
    payload.len -= 2;
    ck_assert_int_eq(w4_buffer_append_text(&payload, "x\"}"), 0);
    draft.payload = w4_buffer_bytes(&payload);
    w4_buffer_clear(&whole);
    ck_assert_int_eq(w4_envelope_write(&draft, ada, &whole), -EMSGSIZE);
    ck_assert_uint_eq(whole.len, 0);
    w4_buffer_deinit(&payload);
    w4_buffer_deinit(&whole);
}
END_TEST

/* ---- signing what was read */

static void read_any(w4_bytes text, w4_json_document *doc, w4_envelope *ret_envelope) {
    w4_envelope_fault fault = {0};
    int r = w4_envelope_read_any(doc, text, &W4_JSON_LIMITS_ENVELOPE, false, ret_envelope, &fault);
    ck_assert_msg(r == 0, "%s %s %s", w4_refusal_name(fault.code), fault.detail.pointer,
                  fault.detail.expected);
}

START_TEST(sign_what_was_read) {
    w4_buffer text = sample((w4_type)_i, ada);
    w4_buffer bare = edited(w4_buffer_bytes(&text), "/sign", NULL);
    w4_buffer other = edited(w4_buffer_bytes(&text), "/sign",
                             "{\"algo\":\"ed25519\",\"signature\":\"\",\"note\":1}");
    w4_buffer without_key = edited(w4_buffer_bytes(&bare), "/sender/pubkey", NULL);
    const w4_buffer *forms[] = {&text, &bare, &other};
    w4_json_document doc = {0};
    w4_envelope e;
    w4_buffer out = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    for (size_t i = 0; i < 3; i++) { /* Ed25519 gives the same signature each time */
        read_any(w4_buffer_bytes(forms[i]), &doc, &e);
        w4_buffer_clear(&out);
        ck_assert_int_eq(w4_envelope_sign(&e, ada, &out), 0);
        ck_assert(w4_bytes_equal(w4_buffer_bytes(&out), w4_buffer_bytes(&text)));
        ck_assert_int_eq(w4_envelope_sign(&e, eve, &out), 1);
        ck_assert_uint_eq(out.len, text.len);
    }
    read_any(w4_buffer_bytes(&without_key), &doc, &e);
    w4_buffer_clear(&out);
    ck_assert_int_eq(w4_envelope_sign(&e, ada, &out), 0);
    read_back(w4_buffer_bytes(&out), &doc, &e);
    ck_assert_int_eq(w4_envelope_verify(&e, w4_identity_pubkey(ada)), W4_REFUSAL_NONE);
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&out);
    w4_buffer_deinit(&without_key);
    w4_buffer_deinit(&other);
    w4_buffer_deinit(&bare);
    w4_buffer_deinit(&text);
}
END_TEST

START_TEST(sign_for_another_key) {
    w4_buffer text = sample(W4_TYPE_CIP_INTENT, ada);
    w4_buffer hers = sample(W4_TYPE_CIP_INTENT, eve);
    w4_json_document doc = {0};
    w4_envelope e;
    read_any(w4_buffer_bytes(&hers), &doc, &e);
    w4_pubkey key = e.pubkey;
    read_any(w4_buffer_bytes(&text), &doc, &e);
    e.pubkey = key; /* ada's fingerprint, eve's key */
    w4_buffer out = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    ck_assert_int_eq(w4_envelope_sign(&e, ada, &out), 1);
    ck_assert_uint_eq(out.len, 0);
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&out);
    w4_buffer_deinit(&hers);
    w4_buffer_deinit(&text);
}
END_TEST

START_TEST(no_room_to_sign) {
    w4_buffer text = sample(W4_TYPE_CIP_INTENT, ada);
    w4_json_document doc = {0};
    w4_envelope e;
    read_any(w4_buffer_bytes(&text), &doc, &e);
    for (size_t max = 0; max < text.len; max++) {
        w4_buffer out = W4_BUFFER_INIT(max);
        MUST(w4_envelope_sign(&e, ada, &out) == -EMSGSIZE);
        MUST(out.len == 0);
        w4_buffer_deinit(&out);
    }
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&text);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("envelope-compose");
    TCase *tcase = tcase_create("compose");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, smallest);
    tcase_add_test(tcase, durable);
    tcase_add_test(tcase, strings_of_all_kinds);
    tcase_add_test(tcase, payload_left_out);
    tcase_add_test(tcase, no_room_to_write);
    tcase_add_test(tcase, larger_than_an_envelope);
    tcase_add_loop_test(tcase, sign_what_was_read, 0, W4_TYPE_COUNT);
    tcase_add_test(tcase, sign_for_another_key);
    tcase_add_test(tcase, no_room_to_sign);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
