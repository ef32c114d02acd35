#include "pair.h"

#include "session/hello.h"

static pair_end ada;
static const uint8_t hash[W4_HASH_LEN] = {7, 7, 7};
static w4_hello_proof proof = {.by_initiator = true, .hash = hash};
static char text[4096];

static const w4_resume_point resume = {
    .present = true, .session = {0xAB, 0xCD}, .expected = {1, 0, 9007199254740991}};

static void begin(bool with_resume) {
    pair_end_init(&ada, 1, "ada");
    w4_buffer out = W4_BUFFER_INIT(sizeof text - 1);
    ck_assert_int_eq(w4_hello_encode(&out, &ada.config, &proof, with_resume ? &resume : NULL,
                                     UINT64_C(1790000000123456)),
                     0);
    memcpy(text, out.data, out.len);
    text[out.len] = 0;
    w4_buffer_deinit(&out);
}

static w4_refusal parse(const char *json, w4_hello *ret_hello) {
    w4_refusal refusal = W4_REFUSAL_COUNT;
    ck_assert_int_eq(w4_hello_parse(w4_bytes_from_text(json), &proof, ret_hello, NULL, &refusal),
                     0);
    return refusal;
}

/* text with the first `from` replaced by `to`. */
static const char *edit(const char *from, const char *to) {
    static char edited[4096];
    const char *at = strstr(text, from);
    ck_assert_msg(at != NULL, "no %s in %s", from, text);
    snprintf(edited, sizeof edited, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return edited;
}

START_TEST(what_is_written_is_read) {
    w4_hello hello;
    begin(true);
    ck_assert_int_eq(parse(text, &hello), W4_REFUSAL_NONE);
    ck_assert_str_eq(hello.node, "ada");
    ck_assert(w4_fingerprint_equal(&hello.fingerprint, w4_identity_fingerprint(ada.identity)));
    ck_assert_uint_eq(hello.wall_us, UINT64_C(1790000000123000));
    ck_assert_uint_eq(hello.heartbeat_ms, 5000);
    ck_assert_uint_eq(hello.timeout_ms, 15000);
    ck_assert_uint_eq(hello.max_message, 1u << 20);
    ck_assert(hello.resume.present);
    ck_assert_mem_eq(hello.resume.session, resume.session, W4_SESSION_ID_LEN);
    ck_assert_mem_eq(hello.resume.expected, resume.expected, sizeof resume.expected);
    begin(false);
    ck_assert_int_eq(parse(text, &hello), W4_REFUSAL_NONE);
    ck_assert(!hello.resume.present);
    pair_end_deinit(&ada);
}
END_TEST

START_TEST(what_its_key_follows) {
    static const char lines[] = "{\"a\":1}\n{\"b\":[2]}\n";
    w4_hello hello;
    w4_refusal refusal;
    pair_end_init(&ada, 1, "ada");
    for (int with = 0; with < 2; with++) {
        w4_buffer out = W4_BUFFER_INIT(4096), lineage = W4_BUFFER_INIT(4096);
        ada.config.lineage = with ? w4_bytes_from_text(lines) : (w4_bytes){0};
        ck_assert_int_eq(w4_hello_encode(&out, &ada.config, &proof, &resume, 0), 0);
        ck_assert_int_eq(w4_hello_parse(w4_buffer_bytes(&out), &proof, &hello, &lineage, &refusal),
                         0);
        ck_assert_int_eq(refusal, W4_REFUSAL_NONE);
        ck_assert_str_eq(w4_buffer_text(&lineage), with ? lines : "");
        w4_buffer_deinit(&lineage);
        w4_buffer_deinit(&out);
    }
    pair_end_deinit(&ada);
}
END_TEST

START_TEST(features) {
    w4_hello hello;
    begin(false);
    ck_assert_int_eq(parse(text, &hello), W4_REFUSAL_NONE);
    ck_assert_uint_eq(hello.features, 0);
    const char *known = edit("\"features\":[]", "\"features\":[\"x\",\"durable\",\"durables\"]");
    ck_assert_int_eq(parse(known, &hello), W4_REFUSAL_NONE);
    ck_assert_uint_eq(hello.features, W4_FEATURE_BIT(W4_FEATURE_DURABLE));
    ada.config.features = W4_FEATURE_BIT(W4_FEATURE_DURABLE);
    w4_buffer out = W4_BUFFER_INIT(sizeof text - 1);
    ck_assert_int_eq(w4_hello_encode(&out, &ada.config, &proof, NULL, 0), 0);
    ck_assert_ptr_nonnull(strstr(w4_buffer_text(&out), "\"features\":[\"durable\"]"));
    w4_buffer_deinit(&out);
    pair_end_deinit(&ada);
}
END_TEST

/* clang-format off */
static const struct { const char *from, *to; w4_refusal refusal; } edits[] = {
    {"{\"features",                   "{\"a\":[1,{}],\"features",     W4_REFUSAL_NONE}, /* unknown members */
    {"\"features\":[]",               "\"features\":[\"x\",\"y\"]",   W4_REFUSAL_NONE},
    {"{\"features",                   "{\"domain\":{\"x\":1},\"features", W4_REFUSAL_NONE},
    {"{\"features",                   "{\"domain\":1,\"features",     W4_REFUSAL_AUTH_FAILURE},
    {"\"rtt\":\"1\"",                 "\"rtt\":\"2\"",                W4_REFUSAL_UNSUPPORTED_VERSION},
    {"\"rtt\":\"1\"",                 "\"rtt\":\"\"",                 W4_REFUSAL_UNSUPPORTED_VERSION},
    {"\"rtt\":\"1\"",                 "\"rtt\":1",                    W4_REFUSAL_AUTH_FAILURE},
    {"\"rtt\":\"1\",",                "",                             W4_REFUSAL_AUTH_FAILURE},
    {"{\"features",                   "{ \"features",                 W4_REFUSAL_AUTH_FAILURE}, /* not canonical */
    {"\"node\":\"ada\"",              "\"node\":\"\"",                W4_REFUSAL_AUTH_FAILURE},
    {"\"node\":\"ada\"",              "\"node\":\"a\\u0000b\"",       W4_REFUSAL_AUTH_FAILURE},
    {"\"node\":\"ada\"",              "\"node\":\"0123456789012345678901234567890123456789012345678901234567890123\"", W4_REFUSAL_AUTH_FAILURE},
    {"\"node\":\"ada\"",              "\"node\":\"012345678901234567890123456789012345678901234567890123456789012\"", W4_REFUSAL_NONE},
    {"\"node\":\"ada\"",              "\"node\":7",                   W4_REFUSAL_AUTH_FAILURE},
    {"\"heartbeat_ms\":5000",         "\"heartbeat_ms\":0",           W4_REFUSAL_AUTH_FAILURE},
    {"\"heartbeat_ms\":5000",         "\"heartbeat_ms\":3600001",     W4_REFUSAL_AUTH_FAILURE},
    {"\"heartbeat_ms\":5000",         "\"heartbeat_ms\":1.5",         W4_REFUSAL_AUTH_FAILURE},
    {"\"heartbeat_ms\":5000,",        "",                             W4_REFUSAL_AUTH_FAILURE},
    {"\"timeout_ms\":15000",          "\"timeout_ms\":-1",            W4_REFUSAL_AUTH_FAILURE},
    {"\"timeout_ms\":15000",          "\"timeout_ms\":3600000",       W4_REFUSAL_NONE},
    {"\"max_message\":1048576",       "\"max_message\":0",            W4_REFUSAL_AUTH_FAILURE},
    {"\"max_message\":1048576",       "\"max_message\":4294967296",   W4_REFUSAL_AUTH_FAILURE},
    {"\"time\":\"20",                 "\"time\":\"x0",                W4_REFUSAL_AUTH_FAILURE},
    {"\"proof\":\"",                  "\"proof\":\"A",                W4_REFUSAL_AUTH_FAILURE},
    {"\"pubkey\":\"",                 "\"pubkey\":\"A",               W4_REFUSAL_AUTH_FAILURE},
    {"\"channels\":[1,0,9007199254740991]", "\"channels\":[1,0]",     W4_REFUSAL_AUTH_FAILURE},
    {"\"channels\":[1,0,9007199254740991]", "\"channels\":[1,0,2,4]", W4_REFUSAL_NONE}, /* more than we have */
    {"\"channels\":[1,0,9007199254740991]", "\"channels\":[1,0,-1]",  W4_REFUSAL_AUTH_FAILURE},
    {"\"channels\":[1,0,9007199254740991]", "\"channels\":[1,0,9007199254740992]", W4_REFUSAL_AUTH_FAILURE},
    {"\"session\":\"abcd",            "\"session\":\"ABCD",           W4_REFUSAL_AUTH_FAILURE},
    {"\"session\":\"abcd",            "\"session\":\"bcd",            W4_REFUSAL_AUTH_FAILURE},
    {"\"resume\":{",                  "\"resume\":null,\"resumes\":{", W4_REFUSAL_AUTH_FAILURE},
};
/* clang-format on */

START_TEST(every_member_is_judged) {
    w4_hello hello;
    memset(&hello, 0x5A, sizeof hello);
    w4_hello before = hello;
    begin(true);
    w4_refusal refusal = parse(edit(edits[_i].from, edits[_i].to), &hello);
    ck_assert_msg(refusal == edits[_i].refusal, "%s -> %s: %s", edits[_i].from, edits[_i].to,
                  w4_refusal_name(refusal));
    if (refusal != W4_REFUSAL_NONE) {
        ck_assert_mem_eq(&hello, &before, sizeof hello); /* untouched on failure */
    }
    pair_end_deinit(&ada);
}
END_TEST

START_TEST(a_proof_fits_one_role_one_handshake_and_one_key) {
    w4_hello hello;
    begin(false);
    proof.by_initiator = false;
    ck_assert_int_eq(parse(text, &hello), W4_REFUSAL_AUTH_FAILURE);
    proof.by_initiator = true;
    uint8_t other[W4_HASH_LEN];
    for (unsigned bit = 0; bit < W4_HASH_LEN * 8; bit++) {
        memcpy(other, hash, sizeof other);
        other[bit / 8] ^= (uint8_t)(1u << bit % 8);
        proof.hash = other;
        ck_assert_int_eq(parse(text, &hello), W4_REFUSAL_AUTH_FAILURE);
    }
    proof.hash = hash;

    char mine[4096];
    memcpy(mine, text, sizeof mine);
    pair_end eve;
    pair_end_init(&eve, 5, "eve");
    w4_buffer key = W4_BUFFER_INIT(64);
    ck_assert_int_eq(
        w4_base64_append(&key, w4_bytes_of(w4_identity_pubkey(eve.identity)->bytes, W4_PUBKEY_LEN)),
        0);
    char *at = strstr(mine, "\"pubkey\":\"");
    memcpy(at + strlen("\"pubkey\":\""), key.data, key.len);
    ck_assert_int_eq(parse(mine, &hello), W4_REFUSAL_AUTH_FAILURE);
    w4_buffer_deinit(&key);
    pair_end_deinit(&eve);
    pair_end_deinit(&ada);
}
END_TEST

START_TEST(what_is_no_hello_is_refused) {
    static const char *const junk[] = {"", "{}", "[]", "null", "GET / HTTP/1.1", "{\"rtt\":\"1\"}"};
    w4_hello hello;
    ck_assert_int_eq(w4_crypto_init(), 0);
    for (size_t i = 0; i < sizeof junk / sizeof junk[0]; i++) {
        ck_assert_int_eq(parse(junk[i], &hello), W4_REFUSAL_AUTH_FAILURE);
    }
    static char large[W4_HELLO_MAX + 100];
    memset(large, ' ', sizeof large - 1);
    ck_assert_int_eq(parse(large, &hello), W4_REFUSAL_AUTH_FAILURE);
}
END_TEST

START_TEST(cut_anywhere_it_is_refused) {
    w4_hello hello;
    begin(true);
    for (size_t len = strlen(text); len-- > 0;) {
        text[len] = 0;
        ck_assert_int_eq(parse(text, &hello), W4_REFUSAL_AUTH_FAILURE);
    }
    pair_end_deinit(&ada);
}
END_TEST

START_TEST(the_longest_name_fits_a_message) {
    w4_hello hello;
    begin(false);
    memset(ada.config.node, 1, W4_NODE_NAME_MAX); /* six bytes each, escaped */
    ada.config.node[W4_NODE_NAME_MAX] = 0;
    w4_buffer out = W4_BUFFER_INIT(W4_HANDSHAKE_MESSAGE_MAX - 96);
    ck_assert_int_eq(w4_hello_encode(&out, &ada.config, &proof, &resume, 0), 0);
    w4_refusal refusal;
    ck_assert_int_eq(w4_hello_parse(w4_buffer_bytes(&out), &proof, &hello, NULL, &refusal), 0);
    ck_assert_int_eq(refusal, W4_REFUSAL_NONE);
    ck_assert_str_eq(hello.node, ada.config.node);
    w4_buffer_deinit(&out);
    pair_end_deinit(&ada);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("hello");
    TCase *tc = tcase_create("hello");
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, what_is_written_is_read);
    tcase_add_test(tc, what_its_key_follows);
    tcase_add_test(tc, features);
    tcase_add_loop_test(tc, every_member_is_judged, 0, (int)(sizeof edits / sizeof edits[0]));
    tcase_add_test(tc, a_proof_fits_one_role_one_handshake_and_one_key);
    tcase_add_test(tc, what_is_no_hello_is_refused);
    tcase_add_test(tc, cut_anywhere_it_is_refused);
    tcase_add_test(tc, the_longest_name_fits_a_message);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
