#include "rpc/message.h"
#include "runner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static w4_json_document doc;

static int parse(const char *line, w4_rpc_message *ret_message, w4_rpc_fault *ret_fault) {
    return w4_rpc_parse(&doc, w4_bytes_from_text(line), ret_message, ret_fault);
}

/* At once: each check that Check makes costs a write. */
static void fill(w4_buffer *b, char with, size_t len) {
    ck_assert_int_eq(w4_buffer_reserve(b, len - b->len), 0);
    memset(b->data + b->len, with, len - b->len);
    b->len = len;
}

START_TEST(takes_every_kind) {
    static const struct {
        const char *line;
        w4_rpc_kind kind;
    } good[] = {
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status.get\"}", W4_RPC_REQUEST},
        {"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"a\"}", W4_RPC_REQUEST},
        {"{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"a\",\"params\":{}}", W4_RPC_REQUEST},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"params\":{\"b\":[1]}}", W4_RPC_NOTIFICATION},
        {"{\"jsonrpc\":\"2.0\",\"id\":-7,\"result\":null}", W4_RPC_RESULT},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-1,\"message\":\"no\"}}", W4_RPC_ERROR},
        {" {\"id\" : 1e2,\n\"jsonrpc\":\"2\\u002e0\", \"method\":\"\"}\r\n", W4_RPC_REQUEST},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        w4_rpc_message message;
        w4_rpc_fault fault = {0};
        ck_assert_msg(parse(good[i].line, &message, &fault) == 0, "%s: %s", good[i].line,
                      fault.text);
        ck_assert_int_eq(message.kind, good[i].kind);
    }
}
END_TEST

START_TEST(refuses_what_is_no_message) {
    static const struct {
        const char *line;
        int code;
        const char *id; /* that the answer carries; NULL: none */
    } bad[] = {
        {"", W4_RPC_PARSE_ERROR, NULL},
        {"\n", W4_RPC_PARSE_ERROR, NULL},
        {"GET / HTTP/1.1", W4_RPC_PARSE_ERROR, NULL},
        {"{", W4_RPC_PARSE_ERROR, NULL},
        {"\xEF\xBB\xBF{}", W4_RPC_PARSE_ERROR, NULL},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"\xff\"}", W4_RPC_PARSE_ERROR, NULL},
        {"{\"id\":1,\"id\":2,\"jsonrpc\":\"2.0\",\"method\":\"a\"}", W4_RPC_PARSE_ERROR, NULL},
        {"{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"\\ud800\"}", W4_RPC_PARSE_ERROR, NULL},
        {"{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"a\"} x", W4_RPC_PARSE_ERROR, NULL},
        {"[]", W4_RPC_INVALID_REQUEST, NULL},
        {"[{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"a\"}]", W4_RPC_INVALID_REQUEST, NULL},
        {"null", W4_RPC_INVALID_REQUEST, NULL},
        {"\"status.get\"", W4_RPC_INVALID_REQUEST, NULL},
        {"{}", W4_RPC_INVALID_REQUEST, NULL},
        {"{\"id\":5,\"method\":\"a\"}", W4_RPC_INVALID_REQUEST, "5"},
        {"{\"id\":5,\"jsonrpc\":\"1.0\",\"method\":\"a\"}", W4_RPC_INVALID_REQUEST, "5"},
        {"{\"id\":5,\"jsonrpc\":2.0,\"method\":\"a\"}", W4_RPC_INVALID_REQUEST, "5"},
        {"{\"id\":5,\"jsonrpc\":\"2.0\"}", W4_RPC_INVALID_REQUEST, "5"},
        {"{\"id\":5,\"jsonrpc\":\"2.0\",\"method\":7}", W4_RPC_INVALID_REQUEST, "5"},
        {"{\"id\":5,\"jsonrpc\":\"2.0\",\"method\":null}", W4_RPC_INVALID_REQUEST, "5"},
        {"{\"id\":5,\"jsonrpc\":\"2.0\",\"method\":\"a\",\"result\":1}", W4_RPC_INVALID_REQUEST,
         "5"},
        {"{\"id\":5,\"jsonrpc\":\"2.0\",\"method\":\"a\",\"extra\":1}", W4_RPC_INVALID_REQUEST,
         "5"},
        {"{\"id\":5,\"jsonrpc\":\"2.0\",\"method\":\"a\",\"params\":[1]}", W4_RPC_INVALID_PARAMS,
         "5"},
        {"{\"id\":5,\"jsonrpc\":\"2.0\",\"method\":\"a\",\"params\":null}", W4_RPC_INVALID_PARAMS,
         "5"},
        {"{\"id\":1.5,\"jsonrpc\":\"2.0\",\"method\":\"a\"}", W4_RPC_INVALID_REQUEST, NULL},
        {"{\"id\":1e300,\"jsonrpc\":\"2.0\",\"method\":\"a\"}", W4_RPC_INVALID_REQUEST, NULL},
        {"{\"id\":[1],\"jsonrpc\":\"2.0\",\"method\":\"a\"}", W4_RPC_INVALID_REQUEST, NULL},
        {"{\"id\":true,\"jsonrpc\":\"2.0\",\"method\":\"a\"}", W4_RPC_INVALID_REQUEST, NULL},
        {"{\"jsonrpc\":\"2.0\",\"result\":1}", W4_RPC_INVALID_REQUEST, NULL},
        {"{\"id\":3,\"jsonrpc\":\"2.0\",\"result\":1,\"error\":{\"code\":1,\"message\":\"\"}}",
         W4_RPC_INVALID_REQUEST, "3"},
        {"{\"id\":3,\"jsonrpc\":\"2.0\",\"error\":\"no\"}", W4_RPC_INVALID_REQUEST, "3"},
        {"{\"id\":3,\"jsonrpc\":\"2.0\",\"error\":{\"code\":1.5,\"message\":\"\"}}",
         W4_RPC_INVALID_REQUEST, "3"},
        {"{\"id\":3,\"jsonrpc\":\"2.0\",\"result\":1,\"params\":{}}", W4_RPC_INVALID_REQUEST, "3"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        w4_rpc_message message = {.kind = W4_RPC_KIND_COUNT};
        w4_rpc_fault fault = {0};
        ck_assert_msg(parse(bad[i].line, &message, &fault) == 1, "%s", bad[i].line);
        ck_assert_msg(fault.code == bad[i].code, "%s: %d", bad[i].line, fault.code);
        ck_assert_int_gt((int)strlen(fault.text), 0);
        ck_assert_int_eq(message.kind, W4_RPC_KIND_COUNT); /* untouched */
        ck_assert_msg(w4_json_exists(fault.id) == (bad[i].id != NULL), "%s", bad[i].line);
        if (bad[i].id != NULL) {
            ck_assert(w4_bytes_equal_text(w4_json_text(fault.id), bad[i].id));
        }
    }
}
END_TEST

/* Long ids are echoed, so they are bounded; a line over the limit is not even parsed. */
START_TEST(bounds_ids_and_lines) {
    char line[W4_RPC_ID_MAX * 2 + 64];
    char id[W4_RPC_ID_MAX * 2];
    w4_rpc_message message;
    w4_rpc_fault fault;
    for (int over = 0; over < 2; over++) {
        size_t len = W4_RPC_ID_MAX - 2 + (size_t)over; /* with its quotes */
        memset(id, 'x', len);
        id[len] = 0;
        snprintf(line, sizeof line, "{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"id\":\"%s\"}", id);
        ck_assert_int_eq(parse(line, &message, &fault), over);
    }
    w4_buffer long_line = W4_BUFFER_INIT(2 * W4_RPC_LINE_MAX);
    ck_assert_int_eq(w4_buffer_append_text(&long_line, "{\"jsonrpc\":\"2.0\",\"method\":\"a\"}"),
                     0);
    fill(&long_line, ' ', W4_RPC_LINE_MAX + 1);
    ck_assert_int_eq(w4_rpc_parse(&doc, w4_buffer_bytes(&long_line), &message, &fault), 1);
    ck_assert_int_eq(fault.code, W4_RPC_PARSE_ERROR);
    memset(long_line.data, '[', W4_RPC_LINE_MAX - 1);
    ck_assert_int_eq(
        w4_rpc_parse(&doc, w4_bytes_of(long_line.data, W4_RPC_LINE_MAX - 1), &message, &fault), 1);
    ck_assert_int_eq(fault.code, W4_RPC_PARSE_ERROR);
    w4_buffer_deinit(&long_line);
}
END_TEST

static void expect(w4_buffer *out, const char *text) {
    ck_assert_str_eq(w4_buffer_text(out), text);
    w4_rpc_message message;
    w4_rpc_fault fault;
    ck_assert_int_eq(w4_rpc_parse(&doc, w4_buffer_bytes(out), &message, &fault), 0);
    w4_buffer_clear(out);
}

START_TEST(writes_lines) {
    w4_buffer out = W4_BUFFER_INIT(W4_RPC_LINE_MAX);
    w4_bytes none = {0};
    ck_assert_int_eq(w4_rpc_write_request(&out, 7, "status.get", none), 0);
    expect(&out, "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"status.get\"}\n");
    ck_assert_int_eq(w4_rpc_write_notification(&out, "a.b", w4_bytes_from_text("{\"c\":1}")), 0);
    expect(&out, "{\"jsonrpc\":\"2.0\",\"method\":\"a.b\",\"params\":{\"c\":1}}\n");
    ck_assert_int_eq(
        w4_rpc_write_result(&out, w4_bytes_from_text("\"x\""), w4_bytes_from_text("[1]")), 0);
    expect(&out, "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"result\":[1]}\n");
    ck_assert_int_eq(w4_rpc_write_error(&out, w4_bytes_from_text("null"), W4_RPC_REFUSED,
                                        W4_REFUSAL_NOT_FOUND, "/peer", "no peer \x1b[1m\"x\"\n"),
                     0);
    expect(&out, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32000,"
                 "\"message\":\"no peer \\\\x1b[1m\\\"x\\\"\\\\n\","
                 "\"data\":{\"code\":\"not_found\",\"pointer\":\"/peer\"}}}\n");
    ck_assert_int_eq(w4_rpc_write_error(&out, w4_bytes_from_text("1"), W4_RPC_METHOD_NOT_FOUND,
                                        W4_REFUSAL_NONE, NULL, "no such method"),
                     0);
    expect(&out, "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32601,"
                 "\"message\":\"no such method\"}}\n");
    w4_buffer_deinit(&out);
}
END_TEST

/* A line is one line, at most 1 MiB; a failure leaves the buffer as it was. */
START_TEST(writes_nothing_else) {
    w4_buffer out = W4_BUFFER_INIT(4 * W4_RPC_LINE_MAX);
    w4_buffer big = W4_BUFFER_INIT(4 * W4_RPC_LINE_MAX);
    ck_assert_int_eq(w4_buffer_append_text(&out, "before\n"), 0);
    ck_assert_int_eq(w4_rpc_write_notification(&out, "a", w4_bytes_from_text("{\n}")), -EINVAL);
    ck_assert_int_eq(w4_rpc_write_result(&out, w4_bytes_from_text("1"), w4_bytes_from_text("{\n}")),
                     -EINVAL);
    ck_assert_int_eq(w4_buffer_append_byte(&big, '"'), 0);
    fill(&big, 'x', W4_RPC_LINE_MAX - 20);
    ck_assert_int_eq(w4_buffer_append_byte(&big, '"'), 0);
    ck_assert_int_eq(w4_rpc_write_result(&out, w4_bytes_from_text("1"), w4_buffer_bytes(&big)),
                     -EMSGSIZE);
    ck_assert_str_eq(w4_buffer_text(&out), "before\n");
    out.max = out.len + 10;
    ck_assert_int_eq(w4_rpc_write_request(&out, 1, "status.get", (w4_bytes){0}), -EMSGSIZE);
    ck_assert_str_eq(w4_buffer_text(&out), "before\n");
    w4_buffer_deinit(&out);
    w4_buffer_deinit(&big);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("rpc/message");
    TCase *tcase = tcase_create("message");
    tcase_add_test(tcase, takes_every_kind);
    tcase_add_test(tcase, refuses_what_is_no_message);
    tcase_add_test(tcase, bounds_ids_and_lines);
    tcase_add_test(tcase, writes_lines);
    tcase_add_test(tcase, writes_nothing_else);
    suite_add_tcase(suite, tcase);
    int result = w4_test_run(suite);
    w4_json_document_deinit(&doc);
    return result;
}
