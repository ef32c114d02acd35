/* Values of a document: every question may be asked of every value. */
#include "json/document.h"

#include "runner.h"

#include <errno.h>
#include <string.h>

static w4_json_document doc;

static w4_json read_text(const char *text) {
    w4_json_error error = {0};
    int r = w4_json_read(&doc, w4_bytes_from_text(text), &W4_JSON_LIMITS_FILE, &error);
    ck_assert_msg(r == 0, "%s: %s", text, error.text);
    return w4_json_root(&doc);
}

static void release(void) {
    w4_json_document_deinit(&doc);
}

static bool text_is(w4_json v, const char *text) {
    return w4_bytes_equal_text(w4_json_text(v), text);
}

START_TEST(test_kinds) {
    static const char *const names[] = {"null",     "false",    "true",     "a number",
                                        "a string", "an array", "an object"};
    w4_json root = read_text("[null,false,true,1,\"\",[],{}]");
    uint32_t kind = W4_JSON_NULL;
    for (w4_json_iterator i = w4_json_first(root); w4_json_exists(i.value); i = w4_json_next(i)) {
        ck_assert_uint_eq(i.position, kind - W4_JSON_NULL);
        ck_assert(!w4_json_exists(i.name));
        ck_assert_int_eq(w4_json_kind_of(i.value), kind);
        ck_assert_str_eq(w4_json_kind_name((w4_json_kind)kind), names[kind - W4_JSON_NULL]);
        ck_assert(w4_json_is_true(i.value) == (kind == W4_JSON_TRUE));
        kind++;
    }
    ck_assert_uint_eq(kind, W4_JSON_KIND_COUNT);
    ck_assert_str_eq(w4_json_kind_name(W4_JSON_NONE), "nothing");
    ck_assert_str_eq(w4_json_kind_name(W4_JSON_KIND_COUNT), "nothing");
}
END_TEST

/* None, and values of every kind: no question reaches out of bounds or claims anything. */
START_TEST(test_any_question) {
    static const char *const texts[] = {"null", "true", "12", "\"a\"", "[1]", "{\"a\":1}"};
    for (size_t k = 0; k <= sizeof texts / sizeof *texts; k++) {
        w4_json v = k == 0 ? (w4_json){NULL, 0} : read_text(texts[k - 1]);
        w4_json_kind kind = w4_json_kind_of(v);
        double number = -1;
        int64_t integer = -1;
        char copy[8] = "kept";
        w4_buffer out = W4_BUFFER_INIT(64);
        ck_assert(w4_json_exists(w4_json_get(v, "a")) == (kind == W4_JSON_OBJECT));
        ck_assert(!w4_json_exists(w4_json_get(v, "b")));
        ck_assert(!w4_json_exists(w4_json_get(v, NULL)));
        ck_assert(w4_json_exists(w4_json_at_pointer(v, w4_bytes_from_text("/0"))) ==
                  (kind == W4_JSON_ARRAY));
        ck_assert(w4_json_number(v, &number) == (kind == W4_JSON_NUMBER));
        ck_assert(w4_json_integer(v, &integer) == (kind == W4_JSON_NUMBER));
        ck_assert(kind == W4_JSON_NUMBER ? number == 12 && integer == 12
                                         : number == -1 && integer == -1);
        ck_assert(w4_json_string_equal(v, "a") == (kind == W4_JSON_STRING));
        ck_assert(w4_json_string_plain(v) == (kind == W4_JSON_STRING));
        ck_assert(!w4_json_string_equal(v, NULL));
        ck_assert_uint_eq(w4_json_string_raw(v).len, kind == W4_JSON_STRING);
        ck_assert_int_eq(w4_json_string_decode(v, &out), kind == W4_JSON_STRING ? 0 : -EINVAL);
        ck_assert(w4_json_string_copy(v, copy, sizeof copy) == (kind == W4_JSON_STRING));
        ck_assert_str_eq(copy, kind == W4_JSON_STRING ? "a" : "kept");
        ck_assert_uint_eq(w4_json_count(v), kind >= W4_JSON_ARRAY);
        ck_assert(text_is(v, k == 0 ? "" : texts[k - 1]));
        w4_json_iterator i = w4_json_first(v);
        ck_assert(w4_json_exists(i.value) == (kind >= W4_JSON_ARRAY));
        i = w4_json_next(i);
        ck_assert(!w4_json_exists(i.value));
        ck_assert(!w4_json_exists(w4_json_next(i).value));
        w4_buffer_deinit(&out);
    }
    ck_assert(!w4_json_exists(w4_json_root(NULL)));
    w4_json_document empty = {0};
    ck_assert(!w4_json_exists(w4_json_root(&empty)));
    /* A handle from before the document was read again, and lies behind its end now. */
    w4_json stale = w4_json_get(read_text("{\"a\":{\"b\":1},\"c\":2}"), "c");
    read_text("1");
    ck_assert_int_eq(w4_json_kind_of(stale), W4_JSON_NONE);
    ck_assert_uint_eq(w4_json_text(stale).len, 0);
}
END_TEST

START_TEST(test_walk_skips_subtrees) {
    w4_json root = read_text("{\"a\":[1,[2,{\"x\":[]}],3],\"b\":{\"c\":{\"d\":0}},\"e\":\"f\"}");
    static const char *const rows[][2] = {
        {"\"a\"", "[1,[2,{\"x\":[]}],3]"}, {"\"b\"", "{\"c\":{\"d\":0}}"}, {"\"e\"", "\"f\""}};
    uint32_t n = 0;
    for (w4_json_iterator i = w4_json_first(root); w4_json_exists(i.value); i = w4_json_next(i)) {
        ck_assert(text_is(i.name, rows[n][0]));
        ck_assert(text_is(i.value, rows[n][1]));
        ck_assert_uint_eq(i.position, n++);
    }
    ck_assert_uint_eq(n, 3);
    ck_assert_uint_eq(w4_json_count(w4_json_get(root, "a")), 3);
    ck_assert(text_is(w4_json_get(w4_json_get(w4_json_get(root, "b"), "c"), "d"), "0"));
}
END_TEST

/* The document of RFC 6901 5, and what is no pointer or leads nowhere. */
START_TEST(test_pointers) {
    static const char text[] = "{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,"
                               "\"g|h\":4,\"i\\\\j\":5,\"k\\\"l\":6,\" \":7,\"m~n\":8,"
                               "\"\\u0000\":9,\"~1\":10}";
    static const struct {
        const char *pointer;
        const char *value; /* NULL: none */
    } rows[] = {
        {"/foo", "[\"bar\",\"baz\"]"},
        {"/foo/0", "\"bar\""},
        {"/foo/1", "\"baz\""},
        {"/", "0"},
        {"/a~1b", "1"},
        {"/c%d", "2"},
        {"/e^f", "3"},
        {"/g|h", "4"},
        {"/i\\j", "5"},
        {"/k\"l", "6"},
        {"/ ", "7"},
        {"/m~0n", "8"},
        {"/~01", "10"},
        {"foo", NULL},
        {"/foo/2", NULL},
        {"/foo/-", NULL},
        {"/foo/00", NULL},
        {"/foo/01", NULL},
        {"/foo/-1", NULL},
        {"/foo/1e0", NULL},
        {"/foo/", NULL},
        {"/foo/4294967296", NULL},
        {"/foo/18446744073709551616", NULL},
        {"/foo/0/x", NULL},
        {"/foo/0/0", NULL},
        {"/m~n", NULL},
        {"/m~", NULL},
        {"/m~2n", NULL},
        {"/a/b", NULL},
        {"//", NULL},
        {"/fo", NULL},
        {"/fooo", NULL},
    };
    w4_json root = read_text(text);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        w4_json v = w4_json_at_pointer(root, w4_bytes_from_text(rows[i].pointer));
        ck_assert_msg(w4_json_exists(v) == (rows[i].value != NULL), "%s", rows[i].pointer);
        ck_assert_msg(text_is(v, rows[i].value ? rows[i].value : ""), "%s", rows[i].pointer);
    }
    ck_assert(text_is(w4_json_at_pointer(root, w4_bytes_of("/\0", 2)), "9"));
    w4_json whole = w4_json_at_pointer(root, w4_bytes_of(NULL, 0));
    ck_assert_uint_eq(whole.index, 0);
    ck_assert(w4_json_exists(whole));
}
END_TEST

START_TEST(test_integers) {
    static const struct {
        const char *text;
        bool whole;
        int64_t value;
    } rows[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"42.0", true, 42},
        {"4.2e1", true, 42},
        {"1e15", true, 1000000000000000},
        {"9007199254740991", true, 9007199254740991},
        {"-9007199254740991", true, -9007199254740991},
        {"9007199254740992", false, 0},
        {"-9007199254740992", false, 0},
        {"1e20", false, 0},
        {"1e21", false, 0},
        {"1.5", false, 0},
        {"-0.1", false, 0},
        {"1e-7", false, 0},
        {"18446744073709551616", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t value = 77;
        bool whole = w4_json_integer(read_text(rows[i].text), &value);
        ck_assert_msg(whole == rows[i].whole, "%s", rows[i].text);
        ck_assert_int_eq(value, whole ? rows[i].value : 77);
        double number = 0;
        ck_assert(w4_json_number(w4_json_root(&doc), &number));
        ck_assert(number == strtod(rows[i].text, NULL));
    }
}
END_TEST

START_TEST(test_strings) {
    w4_json root = read_text(
        "[\"plain\",\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001\xc3\xa9\",\"admin\\u0000x\",\"\"]");
    w4_json_iterator i = w4_json_first(root);
    char copy[16] = "kept";
    w4_buffer out = W4_BUFFER_INIT(64);

    ck_assert(w4_json_string_plain(i.value));
    ck_assert(w4_json_string_equal(i.value, "plain"));
    ck_assert(!w4_json_string_equal(i.value, "plai"));
    ck_assert(!w4_json_string_equal(i.value, "plain "));
    ck_assert(!w4_json_string_copy(i.value, copy, 5));
    ck_assert(!w4_json_string_copy(i.value, copy, 0));
    ck_assert_str_eq(copy, "kept");
    ck_assert(w4_json_string_copy(i.value, copy, 6));
    ck_assert_str_eq(copy, "plain");

    i = w4_json_next(i);
    static const char decoded[] = "a\"\\/\b\f\n\r\t\x01\xc3\xa9";
    ck_assert(!w4_json_string_plain(i.value));
    ck_assert(w4_json_string_equal(i.value, decoded));
    ck_assert(!w4_json_string_equal(i.value, "a\"\\/\b\f\n\r\t\x01\xc3"));
    ck_assert(!w4_json_string_equal(i.value, "a\"\\/\b\f\n\r\t\x01\xc3\xa9."));
    ck_assert(w4_bytes_equal_text(w4_json_string_raw(i.value),
                                  "a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\xc3\xa9"));
    ck_assert_int_eq(w4_buffer_append_text(&out, "before "), 0);
    ck_assert_int_eq(w4_json_string_decode(i.value, &out), 0);
    ck_assert_str_eq(w4_buffer_text(&out) + 7, decoded);
    ck_assert(w4_json_string_copy(i.value, copy, sizeof decoded));
    ck_assert_str_eq(copy, decoded);
    ck_assert(!w4_json_string_copy(i.value, copy, sizeof decoded - 1));

    /* U+0000 is kept whole, or refused, never cut. */
    i = w4_json_next(i);
    memcpy(copy, "kept", 5);
    ck_assert(!w4_json_string_equal(i.value, "admin"));
    ck_assert(!w4_json_string_copy(i.value, copy, sizeof copy));
    ck_assert_str_eq(copy, "kept");
    w4_buffer_clear(&out);
    ck_assert_int_eq(w4_json_string_decode(i.value, &out), 0);
    ck_assert(w4_bytes_equal(w4_buffer_bytes(&out), w4_bytes_of("admin\0x", 7)));

    w4_buffer small = W4_BUFFER_INIT(6);
    ck_assert_int_eq(w4_json_string_decode(i.value, &small), -EMSGSIZE);
    ck_assert_uint_eq(small.len, 0);

    i = w4_json_next(i);
    ck_assert(w4_json_string_equal(i.value, ""));
    ck_assert(w4_json_string_copy(i.value, copy, 1));
    ck_assert_str_eq(copy, "");
    w4_buffer_deinit(&small);
    w4_buffer_deinit(&out);
}
END_TEST

START_TEST(test_names_with_escapes) {
    w4_json root = read_text("{\"a\\nb\":1,\"\\u0000\":2,\"\":3,\"\\\"\":4}");
    ck_assert(text_is(w4_json_get(root, "a\nb"), "1"));
    ck_assert(text_is(w4_json_get_bytes(root, w4_bytes_of("", 1)), "2"));
    ck_assert(text_is(w4_json_get(root, ""), "3"));
    ck_assert(text_is(w4_json_get(root, "\""), "4"));
    ck_assert(!w4_json_exists(w4_json_get(root, "a\\nb")));
    ck_assert(!w4_json_exists(w4_json_get(root, "a\n")));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("json-document");
    TCase *tc = tcase_create("document");
    tcase_add_checked_fixture(tc, NULL, release);
    tcase_add_test(tc, test_kinds);
    tcase_add_test(tc, test_any_question);
    tcase_add_test(tc, test_walk_skips_subtrees);
    tcase_add_test(tc, test_pointers);
    tcase_add_test(tc, test_integers);
    tcase_add_test(tc, test_strings);
    tcase_add_test(tc, test_names_with_escapes);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
