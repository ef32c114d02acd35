/* What agents write, canonical but for white space and the order of members, needs no parser. */
#include "json/scan.h"

#include "runner.h"

#include <errno.h>
#include <string.h>

static w4_json_document doc;
static w4_buffer out = {.max = 1u << 20};

static void teardown(void) {
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&out);
}

static int try_text(const char *text) {
    return w4_json_try_loose(&doc, w4_bytes_from_text(text), &W4_JSON_LIMITS_ENVELOPE);
}

static const char *arranged(const char *text) {
    w4_buffer_clear(&out);
    ck_assert_msg(try_text(text) == 0, "%s", text);
    ck_assert_int_eq(w4_json_arrange(&doc, &out), 0);
    return w4_buffer_text(&out);
}

/* clang-format off */
static const struct {
    const char *text, *canonical;
} taken[] = {
    {"1", "1"},
    {" \"a b\"\n", "\"a b\""},
    {"[ ]", "[]"},
    {"{\t}", "{}"},
    {"[1 , 2,[ true,null ] ]", "[1,2,[true,null]]"},
    {"{\"b\":1,\"a\":2}", "{\"a\":2,\"b\":1}"},
    {"{\"a\":{\"z\":[{\"d\":1,\"c\":2}],\"y\":\" {} \"},\"b\":0}",
     "{\"a\":{\"y\":\" {} \",\"z\":[{\"c\":2,\"d\":1}]},\"b\":0}"},
    {"\r\n{ \"a\" : [ ] , \"A\" : { } }\r\n", "{\"A\":{},\"a\":[]}"},
    /* A name's order is that of its UTF-16 units, escapes undone: U+FFFF behind U+1F600. */
    {"{\"\xef\xbf\xbf\":1,\"\xf0\x9f\x98\x80\":2}", "{\"\xf0\x9f\x98\x80\":2,\"\xef\xbf\xbf\":1}"},
    {"{\"a\":1,\"\\n\":2}", "{\"\\n\":2,\"a\":1}"},
    {"{\"\\\"\":1,\"!\":2}", "{\"!\":2,\"\\\"\":1}"},
    {"{\"s\":1,\"r\":1,\"q\":1,\"p\":1,\"o\":1,\"n\":1,\"m\":1,\"l\":1,\"k\":1,\"j\":1,\"i\":1,"
     "\"h\":1,\"g\":1,\"f\":1,\"e\":1,\"d\":1,\"c\":1,\"b\":1,\"a\":1}",
     "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1,\"k\":1,"
     "\"l\":1,\"m\":1,\"n\":1,\"o\":1,\"p\":1,\"q\":1,\"r\":1,\"s\":1}"},
};

static const char *const left_to_the_parser[] = {
    "", " ", "1.0", "1e2", "-0", "[1,]", "[1 2]", "{\"a\"}", "{\"a\":1,}", "{a:1}", "\"\\/\"",
    "\"\\u0041\"", "\"\\u000a\"", "tru", "[true", "{\"a\":1", "1 2", "\"\x80\"", "\v1", "{\"a\":1,\"a\":2}",
};
/* clang-format on */

START_TEST(test_is_arranged_without_the_parser) {
    ck_assert_str_eq(arranged(taken[_i].text), taken[_i].canonical);
    w4_json_document read = {0};
    ck_assert_int_eq(
        w4_json_read(&read, w4_bytes_from_text(taken[_i].text), &W4_JSON_LIMITS_ENVELOPE, NULL), 0);
    ck_assert(w4_bytes_equal(read.text, w4_bytes_from_text(taken[_i].canonical)));
    w4_json_document_deinit(&read);
}
END_TEST

START_TEST(test_is_left_to_the_parser) {
    ck_assert_int_gt(try_text(left_to_the_parser[_i]), 0);
    ck_assert_uint_eq(doc.count, 0);
    ck_assert_int_eq(w4_json_arrange(&doc, &out), -EINVAL);
}
END_TEST

/* It shows in the form that they are arranged to: there, they stand side by side. */
START_TEST(test_a_name_twice_is_seen) {
    static const char *const texts[] = {"{\"a\":1,\"b\":2,\"a\":3}",
                                        "{\"b\":[{\"d\":1,\"c\":2,\"d\":1}]}",
                                        "{\"\\n\":1,\"a\":1,\"\\n\":2}"};
    const char *text = arranged(texts[_i]);
    w4_json_document again = {0};
    ck_assert_int_eq(
        w4_json_read_canonical(&again, w4_bytes_from_text(text), &W4_JSON_LIMITS_ENVELOPE, NULL),
        W4_JSON_E_SYNTAX);
    w4_json_error error;
    ck_assert_int_eq(
        w4_json_read(&again, w4_bytes_from_text(texts[_i]), &W4_JSON_LIMITS_ENVELOPE, &error),
        W4_JSON_E_SYNTAX);
    ck_assert_ptr_nonnull(strstr(error.text, "twice"));
    w4_json_document_deinit(&again);
}
END_TEST

START_TEST(test_limits_hold) {
    w4_json_limits limits = {.bytes = 12, .depth = 2, .items = 2, .string = 3};
    static const char *const texts[] = {"[1,    2,  3]", "[1, 2, 3]", "[[[ ]]]", "[ \"abcd\"]",
                                        "             1"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ck_assert_msg(w4_json_try_loose(&doc, w4_bytes_from_text(texts[i]), &limits) > 0, "%s",
                      texts[i]);
    ck_assert_int_eq(w4_json_try_loose(&doc, w4_bytes_from_text("[[ \"abc\"]] "), &limits), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("json-arrange");
    TCase *tc = tcase_create("arrange");
    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, test_is_arranged_without_the_parser, 0,
                        (int)(sizeof taken / sizeof *taken));
    tcase_add_loop_test(tc, test_is_left_to_the_parser, 0,
                        (int)(sizeof left_to_the_parser / sizeof *left_to_the_parser));
    tcase_add_loop_test(tc, test_a_name_twice_is_seen, 0, 3);
    tcase_add_test(tc, test_limits_hold);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
