#include "base/text.h"
#include "rpc/method.h"
#include "runner.h"
#include "json/writer.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define FP "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define ID "123e4567-e89b-42d3-a456-426614174000"
#define AT "2026-11-22T10:11:12.345Z"

static w4_json_document doc;

static bool check(const w4_schema *schema, const char *text, w4_faults *ret_faults) {
    w4_json_error error = {0};
    int r = w4_json_read(&doc, w4_bytes_from_text(text), &W4_JSON_LIMITS_LINE, &error);
    ck_assert_msg(r == 0, "%s: %s", text, error.text);
    *ret_faults = (w4_faults){0};
    return w4_schema_check(schema, w4_json_root(&doc), ret_faults);
}

/* ---- the tables themselves */

#define DEPTH_MAX 8

static void check_schema(const char *of, const w4_schema *schema, int depth);

static void check_row(const char *of, const w4_schema_row *row, int depth) {
    ck_assert_msg(depth < DEPTH_MAX, "%s: endless", of);
    switch (row->kind) {
    case W4_SCHEMA_ENUM:
        ck_assert_msg(row->names != NULL && row->names[0] != NULL, "%s/%s", of, row->name);
        break;
    case W4_SCHEMA_ARRAY:
    case W4_SCHEMA_MAP:
        ck_assert_msg(row->items != NULL && row->max > 0, "%s/%s", of, row->name);
        check_row(of, row->items, depth + 1);
        break;
    case W4_SCHEMA_STRING:
        ck_assert_msg(row->max > 0, "%s/%s has no bound", of, row->name);
        break;
    case W4_SCHEMA_OBJECT:
        if (row->object != NULL) {
            check_schema(of, row->object, depth + 1);
        }
        break;
    case W4_SCHEMA_ANY:
    case W4_SCHEMA_BOOL:
    case W4_SCHEMA_INTEGER:
    case W4_SCHEMA_NUMBER:
        break;
    case W4_SCHEMA_KIND_COUNT:
        ck_abort_msg("%s/%s", of, row->name);
    }
}

static void check_schema(const char *of, const w4_schema *schema, int depth) {
    ck_assert_msg(schema != NULL && schema->closed, "%s", of);
    for (const w4_schema_row *row = schema->rows; row->name != NULL; row++) {
        ck_assert_msg(row->help != NULL && row->help[0] != 0, "%s/%s has no help", of, row->name);
        for (const w4_schema_row *other = schema->rows; other != row; other++) {
            ck_assert_msg(strcmp(row->name, other->name) != 0, "%s/%s twice", of, row->name);
        }
        check_row(of, row, depth);
    }
}

static void check_export(const w4_schema *schema, const char *title) {
    w4_buffer out = W4_BUFFER_INIT(1u << 20);
    w4_json_writer w;
    w4_json_writer_init(&w, &out);
    w4_schema_export(schema, title, &w);
    ck_assert_int_eq(w.error, 0);
    ck_assert_int_eq(w4_json_read(&doc, w4_buffer_bytes(&out), &W4_JSON_LIMITS_FILE, NULL), 0);
    w4_buffer_deinit(&out);
}

START_TEST(rows_are_whole) {
    for (int m = 0; m < W4_METHOD_COUNT; m++) {
        const w4_method_row *row = w4_method_row_of((w4_method)m);
        ck_assert_ptr_nonnull(row);
        ck_assert_msg(row->name != NULL, "method %d has no row", m);
        ck_assert_int_eq((int)row->method, m);
        const char *dot = strchr(row->name, '.');
        ck_assert_msg(dot != NULL && dot != row->name && dot[1] != 0, "%s", row->name);
        for (const char *c = row->name; *c != 0; c++) {
            ck_assert_msg(islower((unsigned char)*c) || *c == '.' || *c == '_', "%s", row->name);
        }
        size_t len = strlen(row->help);
        ck_assert_msg(len > 8 && row->help[len - 1] == '.', "%s", row->name);
        check_schema(row->name, row->params, 0);
        check_schema(row->name, row->result, 0);
        check_export(row->params, row->name);
        check_export(row->result, row->name);
        ck_assert_ptr_eq(w4_method_find(row->surface, w4_bytes_from_text(row->name)), row);
    }
    for (int n = 0; n < W4_NOTIFICATION_COUNT; n++) {
        const w4_notification_row *row = w4_notification_row_of((w4_notification)n);
        ck_assert_ptr_nonnull(row);
        ck_assert_int_eq((int)row->notification, n);
        check_schema(row->name, row->params, 0);
        check_export(row->params, row->name);
        ck_assert_ptr_eq(w4_notification_find(w4_bytes_from_text(row->name)), row);
    }
}
END_TEST

START_TEST(finds_by_surface) {
    ck_assert_ptr_null(w4_method_find(W4_SURFACE_AGENT, w4_bytes_from_text("trust.set")));
    ck_assert_ptr_null(w4_method_find(W4_SURFACE_CONTROL, w4_bytes_from_text("agent.send")));
    ck_assert_ptr_null(w4_method_find(W4_SURFACE_CONTROL, w4_bytes_of("node.stop\0", 10)));
    ck_assert_ptr_null(w4_method_find(W4_SURFACE_CONTROL, (w4_bytes){0}));
    ck_assert_ptr_ne(w4_method_find(W4_SURFACE_AGENT, w4_bytes_from_text("facts.list")),
                     w4_method_find(W4_SURFACE_CONTROL, w4_bytes_from_text("facts.list")));
    ck_assert_ptr_null(w4_method_row_of(W4_METHOD_COUNT));
    ck_assert_ptr_null(w4_notification_row_of(W4_NOTIFICATION_COUNT));
    ck_assert_ptr_null(w4_notification_find(w4_bytes_from_text("agent.send")));
}
END_TEST

/* ---- what goes in */

START_TEST(params_that_are_good) {
    static const struct {
        w4_method method;
        const char *params;
    } good[] = {
        {W4_METHOD_STATUS_GET, "{}"},
        {W4_METHOD_PEERS_ADD, "{\"address\":\"tcp:[::1]:7474\",\"fingerprint\":\"" FP "\"}"},
        {W4_METHOD_TRUST_SET, "{\"subject\":\"0011\",\"state\":\"trusted\",\"reason\":\"met\"}"},
        {W4_METHOD_TRUST_SET, "{\"subject\":\"b\u00e9n\",\"kind\":\"node\",\"state\":\"blocked\"}"},
        {W4_METHOD_FACTS_LIST, "{\"state\":\"pending\",\"limit\":10}"},
        {W4_METHOD_EVENTS_WATCH, "{\"types\":[\"fact_updated\"],\"since\":0}"},
        {W4_METHOD_AGENT_ATTACH, "{\"agent_id\":\"ada\",\"key\":\"hosted\"}"},
        {W4_METHOD_AGENT_ATTACH, "{\"agent_id\":\"a \\\"b\\\\\",\"capabilities\":[\"fetch\"],"
                                 "\"key\":\"" KEY "\",\"subscribe\":[\"node.event\"]}"},
        {W4_METHOD_AGENT_SEND, "{\"type\":\"HELLO\",\"to\":\"*\",\"payload\":{}}"},
        {W4_METHOD_AGENT_SEND,
         "{\"protocol\":\"lip\",\"type\":\"LIP_FETCH\",\"to\":\"" FP "\",\"payload\":{\"query\":1},"
         "\"source\":{},\"state\":{},\"channel\":\"state\","
         "\"deadline_ms\":1}"},
        {W4_METHOD_AGENT_STATE, "{\"presence\":\"focused\",\"lri\":100.0}"},
        {W4_METHOD_AGENT_ACK, "{\"msg_id\":\"" ID "\"}"},
        {W4_METHOD_PEERS_FIND, "{\"capability\":\"fetch\"}"},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const w4_method_row *row = w4_method_row_of(good[i].method);
        w4_faults faults;
        ck_assert_msg(check(row->params, good[i].params, &faults), "%s %s: %s %s", row->name,
                      good[i].params, faults.items[0].pointer, faults.items[0].expected);
    }
}
END_TEST

START_TEST(params_that_are_bad) {
    static const struct {
        w4_method method;
        const char *params, *pointer; /* that is blamed */
    } bad[] = {
        {W4_METHOD_STATUS_GET, "{\"x\":1}", "/x"},
        {W4_METHOD_PEERS_ADD, "{}", "/address"},
        {W4_METHOD_PEERS_ADD, "{\"address\":\"tcp:a b:1\"}", "/address"},
        {W4_METHOD_PEERS_ADD, "{\"address\":\"\"}", "/address"},
        {W4_METHOD_PEERS_ADD, "{\"address\":\"tcp:a:1\",\"fingerprint\":\"0011\"}", "/fingerprint"},
        {W4_METHOD_TRUST_SET, "{\"subject\":\"0011\",\"state\":\"god\"}", "/state"},
        {W4_METHOD_TRUST_SET, "{\"subject\":\"\",\"state\":\"trusted\"}", "/subject"},
        {W4_METHOD_TRUST_SET, "{\"subject\":\"a\\u001b[0m\",\"state\":\"trusted\"}", "/subject"},
        {W4_METHOD_TRUST_SET, "{\"subject\":\"a\\u007f\",\"state\":\"trusted\"}", "/subject"},
        {W4_METHOD_TRUST_SET, "{\"subject\":\"a\\u0085\",\"state\":\"trusted\"}", "/subject"},
        {W4_METHOD_TRUST_SET, "{\"subject\":\"a\\u0000\",\"state\":\"trusted\"}", "/subject"},
        {W4_METHOD_FACTS_LIST, "{\"limit\":0}", "/limit"},
        {W4_METHOD_FACTS_LIST, "{\"limit\":1.5}", "/limit"},
        {W4_METHOD_EVENTS_WATCH, "{\"types\":[1]}", "/types/0"},
        {W4_METHOD_EVENTS_WATCH, "{\"since\":-1}", "/since"},
        {W4_METHOD_AGENT_ATTACH, "{\"agent_id\":\"ada\"}", "/key"},
        {W4_METHOD_AGENT_ATTACH, "{\"agent_id\":\"*\",\"key\":\"hosted\"}", "/agent_id"},
        {W4_METHOD_AGENT_ATTACH, "{\"agent_id\":\"ada\",\"key\":\"hostess\"}", "/key"},
        {W4_METHOD_AGENT_ATTACH,
         "{\"agent_id\":\"a\",\"key\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"}", "/key"},
        {W4_METHOD_AGENT_ATTACH, "{\"agent_id\":\"a\",\"key\":\"hosted\",\"subscribe\":[\"x\"]}",
         "/subscribe/0"},
        {W4_METHOD_AGENT_SEND, "{\"type\":\"HELLO\",\"to\":\"*\",\"payload\":[]}", "/payload"},
        {W4_METHOD_AGENT_SEND, "{\"type\":\"\",\"to\":\"*\",\"payload\":{}}", "/type"},
        {W4_METHOD_AGENT_SEND, "{\"type\":\"A\",\"to\":\"*\",\"payload\":{},\"deadline_ms\":0}",
         "/deadline_ms"},
        {W4_METHOD_AGENT_SUBMIT, "{\"envelope\":\"{}\"}", "/envelope"},
        {W4_METHOD_AGENT_STATE, "{\"presence\":\"focused\",\"lri\":101}", "/lri"},
        {W4_METHOD_AGENT_STATE, "{\"presence\":\"asleep\",\"lri\":1}", "/presence"},
        {W4_METHOD_AGENT_ACK, "{\"msg_id\":\"123E4567-E89B-42D3-A456-426614174000\"}", "/msg_id"},
        {W4_METHOD_PEERS_FIND, "{}", ""},
        {W4_METHOD_PEERS_FIND, "{\"capability\":\"a\",\"agent_id\":\"b\"}", ""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const w4_method_row *row = w4_method_row_of(bad[i].method);
        w4_faults faults;
        ck_assert_msg(!check(row->params, bad[i].params, &faults), "%s %s", row->name,
                      bad[i].params);
        ck_assert_str_eq(faults.items[0].pointer, bad[i].pointer);
        ck_assert_int_gt((int)strlen(faults.items[0].expected), 0);
    }
}
END_TEST

/* ---- what comes out */

#define VOICE                                                                                      \
    "{\"agent_id\":\"ben\",\"fingerprint\":\"" FP "\",\"trust\":\"trusted\",\"at\":\"" AT "\","    \
    "\"counted\":false,\"why\":\"on the proposer's node\"}"
#define FACT                                                                                       \
    "{\"id\":\"" ID "\",\"state\":\"pending\",\"statement\":\"water is wet\",\"domain\":\"d\","    \
    "\"confidence\":0.5,\"proposer\":{\"agent_id\":\"ada\",\"fingerprint\":\"" FP "\","            \
    "\"trust\":\"probing\"},\"proposed_at\":\"" AT "\",\"updated_at\":\"" AT "\",\"node\":\"" FP   \
    "\",\"confirmations\":[" VOICE "],\"rejections\":[],\"challenges\":[],\"needed\":2,"           \
    "\"missing\":\"two confirmations\"}"

START_TEST(results_and_notifications) {
    w4_faults faults;
    const w4_schema *show = w4_method_row_of(W4_METHOD_FACTS_SHOW)->result;
    ck_assert_msg(check(show, "{\"fact\":" FACT "}", &faults), "%s %s", faults.items[0].pointer,
                  faults.items[0].expected);
    ck_assert_ptr_eq(show, w4_method_row_of(W4_METHOD_AGENT_FACTS_SHOW)->result);
    ck_assert(check(w4_notification_row_of(W4_NOTIFY_FACT_UPDATED)->params, "{\"fact\":" FACT "}",
                    &faults));
    ck_assert(check(w4_notification_row_of(W4_NOTIFY_AGENT_MESSAGE)->params,
                    "{\"envelope\":{},\"trust\":\"trusted\",\"path\":[\"" FP "\"],"
                    "\"received_at\":\"" AT "\"}",
                    &faults));
    ck_assert(check(w4_notification_row_of(W4_NOTIFY_AGENT_DELIVERY)->params,
                    "{\"msg_id\":\"" ID "\",\"to\":\"" FP "\",\"outcome\":\"refused\","
                    "\"code\":\"untrusted\"}",
                    &faults));
    ck_assert(check(w4_notification_row_of(W4_NOTIFY_NODE_EVENT)->params,
                    "{\"v\":1,\"seq\":1,\"time\":\"" AT "\",\"node\":\"" FP "\","
                    "\"event\":\"session_open\",\"severity\":\"info\",\"data\":{\"x\":1}}",
                    &faults));
    ck_assert(!check(w4_notification_row_of(W4_NOTIFY_NODE_EVENT)->params,
                     "{\"v\":1,\"seq\":1,\"time\":\"" AT "\",\"node\":\"" FP "\","
                     "\"event\":\"session_open\",\"severity\":\"info\"}",
                     &faults));
    ck_assert_str_eq(faults.items[0].pointer, "/data");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("rpc/method");
    TCase *tcase = tcase_create("method");
    tcase_add_test(tcase, rows_are_whole);
    tcase_add_test(tcase, finds_by_surface);
    tcase_add_test(tcase, params_that_are_good);
    tcase_add_test(tcase, params_that_are_bad);
    tcase_add_test(tcase, results_and_notifications);
    suite_add_tcase(suite, tcase);
    int result = w4_test_run(suite);
    w4_json_document_deinit(&doc);
    return result;
}
