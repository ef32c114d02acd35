/* The order of refusals, each with its code and pointer, and what is done to the sign member. */
#include "envelope/envelope.h"

#include "runner.h"
#include "samples.h"

static w4_identity *identity;
static w4_buffer intent; /* a valid envelope */

static void setup(void) {
    identity = sample_identity(1);
    intent = sample(W4_TYPE_CIP_INTENT, identity);
}

static void teardown(void) {
    w4_buffer_deinit(&intent);
    w4_identity_free(identity);
}

static void expect_text(const char *text, w4_refusal code, const char *pointer) {
    expect_read(text_of(text), code, pointer);
}

static void expect_change(const char *pointer, const char *replacement, w4_refusal code,
                          const char *blamed) {
    expect_edited(w4_buffer_bytes(&intent), pointer, replacement, code, blamed);
}

/* From a local agent: any JSON. */
static void expect_any(w4_bytes text, bool sign_required, w4_refusal code, const char *pointer) {
    w4_json_document doc = {0};
    w4_envelope e;
    w4_envelope_fault fault = {0};
    int r = w4_envelope_read_any(&doc, text, &W4_JSON_LIMITS_ENVELOPE, sign_required, &e, &fault);
    ck_assert_str_eq(w4_refusal_name(fault.code), w4_refusal_name(code));
    ck_assert_int_eq(r, code == W4_REFUSAL_NONE ? 0 : 1);
    if (r == 1) {
        ck_assert_str_eq(fault.detail.pointer, pointer);
    }
    w4_json_document_deinit(&doc);
}

/* The text with one piece replaced as bytes: no tool in between that would put it right. */
static w4_buffer replaced(const char *from, const char *to) {
    w4_buffer out = W4_BUFFER_INIT(SIZE_MAX);
    const char *text = w4_buffer_text(&intent);
    const char *at = strstr(text, from);
    ck_assert_ptr_nonnull(at);
    ck_assert_int_eq(w4_buffer_append(&out, w4_bytes_of(text, (size_t)(at - text))), 0);
    ck_assert_int_eq(w4_buffer_append_text(&out, to), 0);
    ck_assert_int_eq(w4_buffer_append_text(&out, at + strlen(from)), 0);
    return out;
}

static void expect_replaced(const char *from, const char *to, w4_refusal code,
                            const char *pointer) {
    w4_buffer text = replaced(from, to);
    expect_read(w4_buffer_bytes(&text), code, pointer);
    w4_buffer_deinit(&text);
}

/* ---- limits and JSON */

START_TEST(not_json) {
    static const char *const texts[] = {
        "",
        "{",
        "nul",
        "{\"a\":1",
        "\xef\xbb\xbf{}",
        "{\"cip\":\"1.0\",}",
        "{}{}",
        "{\"a\":\"\xc0\x80\"}",
        "{\"a\":\"\xed\xa0\x80\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":01}",
        "{\"a\":1e400}",
        "{\"a\":NaN}",
        "{'a':1}",
        "\xff\xfe{\x00}\x00",
        "{\"a\":9007199254740993}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":1,\"\\u0061\":2}",
        "GET / HTTP/1.1",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        expect_text(texts[i], W4_REFUSAL_BAD_JSON, "");
        expect_any(text_of(texts[i]), true, W4_REFUSAL_BAD_JSON, "");
    }
}
END_TEST

START_TEST(not_canonical) {
    static const char *const texts[] = {
        " {}",
        "{}\n",
        "{\"b\":1,\"a\":2}",
        "{\"a\":1.0}",
        "{\"a\":1e2}",
        "{\"a\":\"\\u0041\"}",
        "{\"a\":\"\\/\"}",
        "{\"a\": 1}",
        "{\"a\":-0}",
        "{\"a\":\"\\u00e9\"}",
        "[1 ]",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        expect_text(texts[i], W4_REFUSAL_NOT_CANONICAL, "");
        expect_any(text_of(texts[i]), true, W4_REFUSAL_BAD_ENVELOPE, "");
    }
}
END_TEST

START_TEST(a_whole_envelope_in_another_form) {
    expect_replaced("\"msg_id\":", "\"msg_id\": ", W4_REFUSAL_NOT_CANONICAL, "");
    expect_replaced("\"lri\":7", "\"lri\":7.0", W4_REFUSAL_NOT_CANONICAL, "");
    w4_buffer text = replaced("\"lri\":7", "\"lri\" : 70e-1");
    expect_any(w4_buffer_bytes(&text), true, W4_REFUSAL_NONE, NULL);
    w4_buffer_deinit(&text);
}
END_TEST

START_TEST(names_twice) {
    /* first and last, nested, escaped: no strict parser takes them, in whatever order */
    expect_replaced("\"msg_id\":", "\"msg_id\":\"x\",\"msg_id\":", W4_REFUSAL_BAD_JSON, "");
    expect_replaced("{\"chain\":", "{\"chain\":1,\"chain\":", W4_REFUSAL_BAD_JSON, "");
    expect_replaced("\"topic\":", "\"topic\":1,\"topic\":", W4_REFUSAL_BAD_JSON, "");
    expect_replaced("\"type\":", "\"\\u0074ype\":1,\"type\":", W4_REFUSAL_BAD_JSON, "");
    expect_replaced("\"sign\":", "\"sign\":null,\"sign\":", W4_REFUSAL_BAD_JSON, "");
}
END_TEST

static w4_buffer filled(const char *before, const char *piece, size_t count, const char *behind) {
    w4_buffer out = W4_BUFFER_INIT(SIZE_MAX);
    MUST(w4_buffer_append_text(&out, before) == 0);
    for (size_t i = 0; i < count; i++) {
        MUST(w4_buffer_append_text(&out, piece) == 0);
    }
    MUST(w4_buffer_append_text(&out, behind) == 0);
    return out;
}

static void expect_filled(const char *before, const char *piece, size_t count, const char *behind,
                          w4_refusal code) {
    w4_buffer text = filled(before, piece, count, behind);
    expect_read(w4_buffer_bytes(&text), code, "");
    expect_any(w4_buffer_bytes(&text), true, code, "");
    w4_buffer_deinit(&text);
}

START_TEST(limits) {
    /* a limit further on comes before what is no JSON here */
    expect_filled("{\"a\":1,\"a\":2,\"b\":", "[", 32, "", W4_REFUSAL_TOO_DEEP);
    expect_filled("{\"b\":1,\"a\":2,\"c\":", "[", 32, "", W4_REFUSAL_TOO_DEEP);
    expect_filled("{\"a\":", "[", 100000, "", W4_REFUSAL_TOO_DEEP);
    expect_filled("{\"a\":", "[", 32, "", W4_REFUSAL_TOO_DEEP);
    expect_filled("{\"a\": ", "[", 32, "", W4_REFUSAL_TOO_DEEP); /* before the form */
    expect_filled("{\"a\":[0", ",0", 1023, "]}", W4_REFUSAL_BAD_ENVELOPE);
    expect_filled("{\"a\":[0", ",0", 1024, "]}", W4_REFUSAL_TOO_LARGE);
    expect_filled("{\"a\":\"", "x", 64 * 1024, "\"}", W4_REFUSAL_BAD_ENVELOPE);
    expect_filled("{\"a\":\"", "x", 64 * 1024 + 1, "\"}", W4_REFUSAL_TOO_LARGE);
    expect_filled("{\"a\":\"", "x", 1000000, "", W4_REFUSAL_TOO_LARGE);
    expect_filled("", " ", 256 * 1024 + 1, "", W4_REFUSAL_TOO_LARGE);
    expect_filled("", "", 0, "{\"a\":1,\"b\":2}", W4_REFUSAL_BAD_ENVELOPE);
    w4_json_limits low = W4_JSON_LIMITS_ENVELOPE;
    w4_json_document doc = {0};
    w4_envelope e;
    w4_envelope_fault fault;
    low.bytes = intent.len;
    ck_assert_int_eq(w4_envelope_read(&doc, w4_buffer_bytes(&intent), &low, &e, &fault), 0);
    low.bytes--;
    ck_assert_int_eq(w4_envelope_read(&doc, w4_buffer_bytes(&intent), &low, &e, &fault), 1);
    ck_assert_int_eq(fault.code, W4_REFUSAL_TOO_LARGE);
    w4_json_document_deinit(&doc);
}
END_TEST

/* ---- family, version, type */

START_TEST(roots) {
    static const char *const texts[] = {
        "{}", "[]", "null", "1", "\"cip\"", "{\"a\":1}", "{\"CIP\":\"1.0\"}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        expect_text(texts[i], W4_REFUSAL_BAD_ENVELOPE, "");
    }
}
END_TEST

START_TEST(families) {
    expect_change("/cip", NULL, W4_REFUSAL_BAD_ENVELOPE, "");
    expect_change("/hcp", "\"1.0\"", W4_REFUSAL_BAD_ENVELOPE, "");
    expect_change("/lip", "null", W4_REFUSAL_BAD_ENVELOPE, "");
    expect_change("/mesh", "\"2.0\"", W4_REFUSAL_BAD_ENVELOPE, "");
    /* both comes before the version, the version before the type, the type before the members */
    w4_buffer text = edited(w4_buffer_bytes(&intent), "/cip", "\"1.1\"");
    expect_edited(w4_buffer_bytes(&text), "/type", "\"NONE\"", W4_REFUSAL_UNSUPPORTED_VERSION,
                  "/cip");
    expect_edited(w4_buffer_bytes(&text), "/hcp", "\"1.0\"", W4_REFUSAL_BAD_ENVELOPE, "");
    w4_buffer_deinit(&text);
}
END_TEST

START_TEST(versions) {
    static const char *const others[] = {"\"1\"",    "\"1.1\"",        "\"2.0\"", "\"\"",
                                         "\"1.0 \"", "\"1.0\\u0000\"", "\"01.0\""};
    static const char *const kinds[] = {"1", "null", "[\"1.0\"]", "{\"1.0\":1}", "true"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        expect_change("/cip", others[i], W4_REFUSAL_UNSUPPORTED_VERSION, "/cip");
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        expect_change("/cip", kinds[i], W4_REFUSAL_BAD_ENVELOPE, "/cip");
    }
}
END_TEST

START_TEST(types) {
    static const char *const others[] = {
        "\"HCP_HELLO\"", "\"hello\"",         "\"\"",
        "\"HELLO_ACK\"", "\"INTENT\\u0000\"", "\"SERVICE_INVOKE\""};
    static const char *const kinds[] = {"1", "null", "[\"INTENT\"]", "{}", "false"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        expect_change("/type", others[i], W4_REFUSAL_UNKNOWN_TYPE, "/type");
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        expect_change("/type", kinds[i], W4_REFUSAL_BAD_ENVELOPE, "/type");
    }
    expect_change("/type", NULL, W4_REFUSAL_BAD_ENVELOPE, "/type");
    /* a member is wrong as well: the type comes first */
    w4_buffer text = edited(w4_buffer_bytes(&intent), "/msg_id", NULL);
    expect_read(w4_buffer_bytes(&text), W4_REFUSAL_BAD_ENVELOPE, "/msg_id");
    expect_edited(w4_buffer_bytes(&text), "/type", "\"NONE\"", W4_REFUSAL_UNKNOWN_TYPE, "/type");
    w4_buffer_deinit(&text);
}
END_TEST

/* ---- sign */

START_TEST(signs) {
    static const struct {
        const char *pointer, *replacement, *blamed;
    } tricks[] = {
        {"/sign", NULL, "/sign"},
        {"/sign", "null", "/sign"},
        {"/sign", "\"x\"", "/sign"},
        {"/sign", "[]", "/sign"},
        {"/sign", "[{\"algo\":\"ed25519\"}]", "/sign"},
        {"/sign", "true", "/sign"},
        {"/sign", "{}", "/sign/algo"},
        {"/sign/algo", NULL, "/sign/algo"},
        {"/sign/algo", "null", "/sign/algo"},
        {"/sign/algo", "\"none\"", "/sign/algo"},
        {"/sign/algo", "\"ED25519\"", "/sign/algo"},
        {"/sign/algo", "\"ed25519ph\"", "/sign/algo"},
        {"/sign/algo", "\"ed25519\\u0000\"", "/sign/algo"},
        {"/sign/algo", "[\"ed25519\"]", "/sign/algo"},
        {"/sign/signature", NULL, "/sign/signature"},
        {"/sign/signature", "null", "/sign/signature"},
        {"/sign/signature", "[1]", "/sign/signature"},
    };
    for (size_t i = 0; i < sizeof tricks / sizeof tricks[0]; i++) {
        expect_change(tricks[i].pointer, tricks[i].replacement, W4_REFUSAL_BAD_ENVELOPE,
                      tricks[i].blamed);
    }
    expect_change("/Sign", "{\"algo\":\"none\"}", W4_REFUSAL_NONE, NULL);
}
END_TEST

START_TEST(sign_where_it_may_be_missing) {
    w4_buffer bare = edited(w4_buffer_bytes(&intent), "/sign", NULL);
    expect_any(w4_buffer_bytes(&bare), false, W4_REFUSAL_NONE, NULL);
    expect_any(w4_buffer_bytes(&bare), true, W4_REFUSAL_BAD_ENVELOPE, "/sign");
    expect_any(w4_buffer_bytes(&intent), false, W4_REFUSAL_NONE, NULL);
    w4_buffer null = edited(w4_buffer_bytes(&intent), "/sign", "null");
    expect_any(w4_buffer_bytes(&null), false, W4_REFUSAL_BAD_ENVELOPE, "/sign");
    w4_buffer_deinit(&null);
    w4_buffer_deinit(&bare);
}
END_TEST

/* sign is written first, and last: the canonical form puts it in its place. */
START_TEST(sign_out_of_order) {
    w4_json_document doc = {0};
    w4_envelope e;
    w4_envelope_fault fault;
    w4_buffer bare = edited(w4_buffer_bytes(&intent), "/sign", NULL);
    const char *text = w4_buffer_text(&intent);
    const char *rest = w4_buffer_text(&bare);
    const int rest_len = (int)bare.len;
    const char *sign = strstr(text, "\"sign\":");
    const char *sign_end = strstr(sign, "\"},") + 2;
    for (size_t i = 0; i < 2; i++) {
        w4_buffer moved = W4_BUFFER_INIT(SIZE_MAX);
        int sign_len = (int)(sign_end - sign);
        int r = i == 0 ? w4_buffer_printf(&moved, "{ %.*s ,%s", sign_len, sign, rest + 1)
                       : w4_buffer_printf(&moved, "%.*s,%.*s}", rest_len - 1, rest, sign_len, sign);
        ck_assert_int_eq(r, 0);
        expect_read(w4_buffer_bytes(&moved), W4_REFUSAL_NOT_CANONICAL, "");
        ck_assert_int_eq(w4_envelope_read_any(&doc, w4_buffer_bytes(&moved),
                                              &W4_JSON_LIMITS_ENVELOPE, true, &e, &fault),
                         0);
        ck_assert(w4_bytes_equal(e.text, w4_buffer_bytes(&intent)));
        ck_assert_int_eq(w4_envelope_verify(&e, NULL), W4_REFUSAL_NONE);
        w4_buffer_deinit(&moved);
    }
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&bare);
}
END_TEST

/* ---- the view */

START_TEST(broadcasts) {
    w4_buffer text =
        edited(w4_buffer_bytes(&intent), "/receiver", "{\"agent_id\":\"*\",\"fingerprint\":\"*\"}");
    w4_json_document doc = {0};
    w4_envelope e;
    w4_envelope_fault fault;
    ck_assert_int_eq(
        w4_envelope_read(&doc, w4_buffer_bytes(&text), &W4_JSON_LIMITS_ENVELOPE, &e, &fault), 0);
    ck_assert(e.broadcast);
    ck_assert_str_eq(e.receiver.agent_id, "*");
    ck_assert(w4_fingerprint_is_zero(&e.receiver.fingerprint));
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&text);
}
END_TEST

START_TEST(agent_ids) {
    w4_json_document doc = {0};
    w4_envelope e;
    w4_envelope_fault fault;
    char longest[W4_AGENT_ID_MAX + 1], quoted[W4_AGENT_ID_MAX + 3];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    snprintf(quoted, sizeof quoted, "\"%s\"", longest);
    const char *const ids[][2] = {
        {quoted, longest},
        {"\"say \\\"hi\\\" \\\\\"", "say \"hi\" \\"},
        {"\"\xf0\x9f\x90\x99\"", "\xf0\x9f\x90\x99"},
    };
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        w4_buffer text = edited(w4_buffer_bytes(&intent), "/sender/agent_id", ids[i][0]);
        ck_assert_int_eq(
            w4_envelope_read(&doc, w4_buffer_bytes(&text), &W4_JSON_LIMITS_ENVELOPE, &e, &fault),
            0);
        ck_assert_str_eq(e.sender.agent_id, ids[i][1]);
        w4_buffer_deinit(&text);
    }
    w4_json_document_deinit(&doc);
}
END_TEST

/* A refusal leaves the view as it was, and the same document serves again. */
START_TEST(nothing_on_refusal) {
    w4_json_document doc = {0};
    w4_envelope e, before;
    w4_envelope_fault fault;
    memset(&e, 0x5a, sizeof e);
    memcpy(&before, &e, sizeof e);
    static const char *const texts[] = {"", "{}", "{\"cip\":\"1.0\",\"type\":\"INTENT\"}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        ck_assert_int_eq(
            w4_envelope_read(&doc, text_of(texts[i]), &W4_JSON_LIMITS_ENVELOPE, &e, &fault), 1);
        ck_assert_mem_eq(&e, &before, sizeof e);
    }
    ck_assert_int_eq(
        w4_envelope_read(&doc, w4_buffer_bytes(&intent), &W4_JSON_LIMITS_ENVELOPE, &e, &fault), 0);
    ck_assert_ptr_eq(e.text.data, intent.data);
    w4_json_document_deinit(&doc);
}
END_TEST

/* What a fault shows is one printable line, however the member is called. */
START_TEST(faults_are_printable) {
    w4_buffer text = edited(w4_buffer_bytes(&intent), "/state/lri", "101");
    w4_json_document doc = {0};
    w4_envelope e;
    w4_envelope_fault fault;
    ck_assert_int_eq(
        w4_envelope_read(&doc, w4_buffer_bytes(&text), &W4_JSON_LIMITS_ENVELOPE, &e, &fault), 1);
    ck_assert_int_eq(fault.code, W4_REFUSAL_BAD_ENVELOPE);
    ck_assert_str_eq(fault.detail.pointer, "/state/lri");
    ck_assert_str_eq(fault.detail.expected, "an integer from 0 to 100");
    ck_assert_int_eq(
        w4_envelope_read(&doc, text_of("{\"\x1b[31m\n\":1}"), &W4_JSON_LIMITS_ENVELOPE, &e, &fault),
        1);
    ck_assert_int_eq(fault.code, W4_REFUSAL_BAD_JSON);
    for (const char *c = fault.detail.expected; *c; c++) {
        ck_assert(*c >= ' ' && *c != 0x7f);
    }
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&text);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("envelope-read");
    TCase *tcase = tcase_create("read");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, not_json);
    tcase_add_test(tcase, not_canonical);
    tcase_add_test(tcase, a_whole_envelope_in_another_form);
    tcase_add_test(tcase, names_twice);
    tcase_add_test(tcase, limits);
    tcase_add_test(tcase, roots);
    tcase_add_test(tcase, families);
    tcase_add_test(tcase, versions);
    tcase_add_test(tcase, types);
    tcase_add_test(tcase, signs);
    tcase_add_test(tcase, sign_where_it_may_be_missing);
    tcase_add_test(tcase, sign_out_of_order);
    tcase_add_test(tcase, broadcasts);
    tcase_add_test(tcase, agent_ids);
    tcase_add_test(tcase, nothing_on_refusal);
    tcase_add_test(tcase, faults_are_printable);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
