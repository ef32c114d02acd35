/* What is written is JSON, or an error: the writer, the merge, the text for people. */
#include "json/merge.h"
#include "json/writer.h"

#include "runner.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static w4_buffer out;
static w4_json_writer w;

static void begin(void) {
    out = W4_BUFFER_INIT(1u << 16);
    w4_json_writer_init(&w, &out);
}

static void release(void) {
    w4_buffer_deinit(&out);
}

static void restart(void) {
    w4_buffer_clear(&out);
    w4_json_writer_init(&w, &out);
}

START_TEST(test_everything) {
    w4_json_begin_object(&w);
    w4_json_member_string(&w, "text", "a\"b\\c\n\x01\x7f</\xc3\xa9");
    w4_json_member_bytes(&w, "bytes", w4_bytes_of("a\0b", 3));
    w4_json_member_integer(&w, "integer", -9007199254740991);
    w4_json_member_unsigned(&w, "unsigned", 9007199254740991);
    w4_json_member_bool(&w, "yes", true);
    w4_json_name(&w, "list");
    w4_json_begin_array(&w);
    w4_json_null(&w);
    w4_json_bool(&w, false);
    w4_json_number_value(&w, 0.5);
    w4_json_number_value(&w, -0.0);
    w4_json_begin_object(&w);
    w4_json_end_object(&w);
    w4_json_begin_array(&w);
    w4_json_begin_array(&w);
    w4_json_end_array(&w);
    w4_json_end_array(&w);
    w4_json_raw(&w, w4_bytes_from_text("{\"x\":1}"));
    w4_json_string_text(&w, NULL);
    w4_json_end_array(&w);
    w4_json_name_bytes(&w, w4_bytes_of("\0", 1));
    w4_json_integer_value(&w, 0);
    w4_json_end_object(&w);
    ck_assert_int_eq(w.error, 0);
    ck_assert_str_eq(w4_buffer_text(&out),
                     "{\"text\":\"a\\\"b\\\\c\\n\\u0001\x7f</\xc3\xa9\",\"bytes\":\"a\\u0000b\","
                     "\"integer\":-9007199254740991,\"unsigned\":9007199254740991,\"yes\":true,"
                     "\"list\":[null,false,0.5,0,{},[[]],{\"x\":1},\"\"],\"\\u0000\":0}");
    w4_json_document doc = {0};
    ck_assert_int_eq(w4_json_read(&doc, w4_buffer_bytes(&out), &W4_JSON_LIMITS_ENVELOPE, NULL), 0);
    w4_json_document_deinit(&doc);
}
END_TEST

/* What a double cannot hold is written as the double. */
START_TEST(test_large_integers) {
    static const struct {
        bool negative;
        uint64_t size;
        const char *text;
    } rows[] = {
        {false, 9007199254740992, "9007199254740992"},
        {false, 9007199254740993, "9007199254740992"},
        {false, UINT64_MAX, "18446744073709552000"},
        {true, 9007199254740993, "-9007199254740992"},
        {true, UINT64_C(1) << 63, "-9223372036854776000"},
        {true, 1, "-1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        restart();
        if (rows[i].negative)
            w4_json_integer_value(&w, -(int64_t)(rows[i].size - 1) - 1);
        else
            w4_json_unsigned_value(&w, rows[i].size);
        ck_assert_int_eq(w.error, 0);
        ck_assert_str_eq(w4_buffer_text(&out), rows[i].text);
    }
}
END_TEST

START_TEST(test_broken_utf8) {
    static const char *const rows[][2] = {
        {"\xff", "\"\xef\xbf\xbd\""},
        {"a\x80z", "\"a\xef\xbf\xbdz\""},
        {"\xc3", "\"\xef\xbf\xbd\""},
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xe2\x82\n", "\"\xef\xbf\xbd\xef\xbf\xbd\\n\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        restart();
        w4_json_string_text(&w, rows[i][0]);
        ck_assert_str_eq(w4_buffer_text(&out), rows[i][1]);
    }
}
END_TEST

static void misuse_two_values(void) {
    w4_json_null(&w);
    w4_json_null(&w);
}
static void misuse_value_without_name(void) {
    w4_json_begin_object(&w);
    w4_json_null(&w);
}
static void misuse_two_names(void) {
    w4_json_begin_object(&w);
    w4_json_name(&w, "a");
    w4_json_name(&w, "b");
}
static void misuse_name_in_array(void) {
    w4_json_begin_array(&w);
    w4_json_name(&w, "a");
}
static void misuse_name_at_root(void) {
    w4_json_name(&w, "a");
}
static void misuse_end_without_value(void) {
    w4_json_begin_object(&w);
    w4_json_name(&w, "a");
    w4_json_end_object(&w);
}
static void misuse_wrong_end(void) {
    w4_json_begin_object(&w);
    w4_json_end_array(&w);
}
static void misuse_end_at_root(void) {
    w4_json_end_object(&w);
}
static void misuse_no_number(void) {
    w4_json_number_value(&w, NAN);
}
static void misuse_infinity(void) {
    w4_json_number_value(&w, INFINITY);
}
static void misuse_empty_raw(void) {
    w4_json_raw(&w, w4_bytes_of(NULL, 0));
}
static void misuse_depth(void) {
    for (int i = 0; i <= W4_JSON_WRITER_DEPTH_MAX; i++)
        w4_json_begin_array(&w);
}

START_TEST(test_misuse) {
    static void (*const rows[])(void) = {
        misuse_two_values,   misuse_value_without_name, misuse_two_names, misuse_name_in_array,
        misuse_name_at_root, misuse_end_without_value,  misuse_wrong_end, misuse_end_at_root,
        misuse_no_number,    misuse_infinity,           misuse_empty_raw, misuse_depth,
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        restart();
        rows[i]();
        ck_assert_msg(w.error == -EINVAL, "row %zu: %d", i, w.error);
        /* The error stays and nothing more is written. */
        size_t len = out.len;
        w4_json_null(&w);
        w4_json_begin_array(&w);
        w4_json_name(&w, "a");
        w4_json_end_array(&w);
        ck_assert_uint_eq(out.len, len);
        ck_assert_int_eq(w.error, -EINVAL);
    }
}
END_TEST

START_TEST(test_deepest) {
    for (int i = 0; i < W4_JSON_WRITER_DEPTH_MAX; i++) {
        w4_json_begin_array(&w);
        w4_json_null(&w);
    }
    for (int i = 0; i < W4_JSON_WRITER_DEPTH_MAX; i++)
        w4_json_end_array(&w);
    ck_assert_int_eq(w.error, 0);
    ck_assert_uint_eq(w.depth, 0);
    ck_assert_uint_eq(out.len, 64 * 2 + 64 * 4 + 63);
}
END_TEST

START_TEST(test_no_room) {
    w4_buffer small = W4_BUFFER_INIT(8);
    w4_json_writer_init(&w, &small);
    w4_json_begin_array(&w);
    w4_json_string_text(&w, "1234567");
    ck_assert_int_eq(w.error, -EMSGSIZE);
    w4_json_end_array(&w);
    ck_assert_int_eq(w.error, -EMSGSIZE);
    ck_assert_uint_le(small.len, 8);
    w4_buffer_deinit(&small);
}
END_TEST

static void read_text(w4_json_document *doc, const char *text) {
    w4_json_error error = {0};
    int r = w4_json_read(doc, w4_bytes_from_text(text), &W4_JSON_LIMITS_FILE, &error);
    ck_assert_msg(r == 0, "%s: %s", text, error.text);
}

START_TEST(test_copied_values) {
    w4_json_document doc = {0};
    read_text(&doc, "{\"a\":[1,{\"b\":\"\\n\"}]}");
    w4_json_begin_array(&w);
    w4_json_value(&w, w4_json_get(w4_json_root(&doc), "a"));
    w4_json_value(&w, w4_json_get(w4_json_root(&doc), "b"));
    w4_json_value(&w, w4_json_first(w4_json_root(&doc)).name);
    w4_json_end_array(&w);
    ck_assert_str_eq(w4_buffer_text(&out), "[[1,{\"b\":\"\\n\"}],null,\"a\"]");
    w4_json_document_deinit(&doc);
}
END_TEST

START_TEST(test_merge) {
    static const char *const rows[][3] = {
        {"{}", "{}", "{}"},
        {"{\"a\":1}", "{}", "{\"a\":1}"},
        {"{}", "{\"a\":1}", "{\"a\":1}"},
        {"{\"a\":1,\"c\":3}", "{\"b\":2,\"c\":4}", "{\"a\":1,\"b\":2,\"c\":4}"},
        {"{\"a\":{\"x\":1,\"y\":2}}", "{\"a\":{\"y\":3,\"z\":4}}",
         "{\"a\":{\"x\":1,\"y\":3,\"z\":4}}"},
        {"{\"a\":[1,2]}", "{\"a\":[3]}", "{\"a\":[3]}"},
        {"{\"a\":{\"b\":1}}", "{\"a\":null}", "{\"a\":null}"},
        {"{\"a\":1}", "{\"a\":{\"b\":1}}", "{\"a\":{\"b\":1}}"},
        {"[1]", "{\"a\":1}", "{\"a\":1}"},
        {"{\"a\":1}", "2", "2"},
        {"{\"\\n\":1,\"z\":1,\"\xf0\x9f\x98\x80\":1}",
         "{\"\\u0000\":2,\"\\n\":3,\"\xef\xac\xb3\":2}",
         "{\"\\u0000\":2,\"\\n\":3,\"z\":1,\"\xf0\x9f\x98\x80\":1,\"\xef\xac\xb3\":2}"},
    };
    w4_json_document base = {0}, over = {0}, merged = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        read_text(&base, rows[i][0]);
        read_text(&over, rows[i][1]);
        w4_buffer_clear(&out);
        ck_assert_int_eq(w4_json_merge(&out, w4_json_root(&base), w4_json_root(&over)), 0);
        ck_assert_str_eq(w4_buffer_text(&out), rows[i][2]);
        ck_assert_int_eq(
            w4_json_read_canonical(&merged, w4_buffer_bytes(&out), &W4_JSON_LIMITS_FILE, NULL), 0);
    }
    const w4_json none = {NULL, 0};
    read_text(&base, "{\"a\":1}");
    w4_buffer_clear(&out);
    ck_assert_int_eq(w4_json_merge(&out, w4_json_root(&base), none), 0);
    ck_assert_int_eq(w4_json_merge(&out, none, w4_json_root(&base)), 0);
    ck_assert_int_eq(w4_json_merge(&out, none, none), 0);
    ck_assert_str_eq(w4_buffer_text(&out), "{\"a\":1}{\"a\":1}null");
    w4_buffer small = W4_BUFFER_INIT(5);
    ck_assert_int_eq(w4_json_merge(&small, w4_json_root(&base), w4_json_root(&base)), -EMSGSIZE);
    ck_assert_uint_eq(small.len, 0);
    w4_buffer_deinit(&small);
    w4_json_document_deinit(&base);
    w4_json_document_deinit(&over);
    w4_json_document_deinit(&merged);
}
END_TEST

START_TEST(test_pretty) {
    static const char *const rows[][2] = {
        {"{}", "{}"},
        {"[]", "[]"},
        {"\"a\\n\"", "\"a\\n\""},
        {"[1,[],{\"a\":{\"b\":[true]},\"c\":{}}]",
         "[\n  1,\n  [],\n  {\n    \"a\": {\n      \"b\": [\n        true\n      ]\n    },\n"
         "    \"c\": {}\n  }\n]"},
        /* DEL, C1, bidirectional marks, tags: shown, not acted on */
        {"{\"\xc2\x9b\":\"\x7f\xc3\xa9\xe2\x80\xae\xf3\xa0\x81\x81\xf0\x9f\x98\x80 \\\\\"}",
         "{\n  \"\\u009b\": \"\\u007f\xc3\xa9\\u202e\\udb40\\udc41\xf0\x9f\x98\x80 \\\\\"\n}"},
    };
    w4_json_document doc = {0}, again = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        read_text(&doc, rows[i][0]);
        w4_buffer_clear(&out);
        ck_assert_int_eq(w4_json_pretty(&out, w4_json_root(&doc)), 0);
        ck_assert_str_eq(w4_buffer_text(&out), rows[i][1]);
        read_text(&again, rows[i][1]);
        ck_assert(w4_bytes_equal(doc.text, again.text));
    }
    w4_buffer small = W4_BUFFER_INIT(8);
    ck_assert_int_eq(w4_json_pretty(&small, w4_json_root(&doc)), -EMSGSIZE);
    ck_assert_uint_eq(small.len, 0);
    w4_buffer_clear(&out);
    ck_assert_int_eq(w4_json_pretty(&out, (w4_json){NULL, 0}), 0);
    ck_assert_str_eq(w4_buffer_text(&out), "null");
    w4_buffer_deinit(&small);
    w4_json_document_deinit(&doc);
    w4_json_document_deinit(&again);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("json-writer");
    TCase *tc = tcase_create("writer");
    tcase_add_checked_fixture(tc, begin, release);
    tcase_add_test(tc, test_everything);
    tcase_add_test(tc, test_large_integers);
    tcase_add_test(tc, test_broken_utf8);
    tcase_add_test(tc, test_misuse);
    tcase_add_test(tc, test_deepest);
    tcase_add_test(tc, test_no_room);
    tcase_add_test(tc, test_copied_values);
    tcase_add_test(tc, test_merge);
    tcase_add_test(tc, test_pretty);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
