/* The parser behind the strict reader runs out of memory at every place: the answer is -ENOMEM or
 * the whole document, never another document. */
#include "json/document.h"

#include "runner.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

static long calls, fail_from, fail_to;

static void *failing_malloc(size_t size) {
    calls++;
    return calls >= fail_from && calls <= fail_to ? NULL : malloc(size);
}

static const char text[] =
    "{\"a name that is longer than the sixteen bytes a token begins with\":[1,2.5,-1e-300,"
    "0.1234567890123456789012345678901234567890],\"b\":{\"c\":[[],{}],\"\\u0000\":null},"
    "\"a string\":\"that grows a few times while it is read, and has a \\u0000 in its middle\","
    "\"words\":[true,false,1234567890123456.75e6]}";

/* Fails the n-th allocation, alone or with all behind it, until n is past the last. */
static void fail_each(bool once) {
    w4_json_document whole = {0};
    calls = fail_from = fail_to = 0;
    ck_assert_int_eq(w4_json_read(&whole, w4_bytes_from_text(text), &W4_JSON_LIMITS_FILE, NULL), 0);
    long needed = calls, refused = 0;
    ck_assert_int_gt(needed, 20);
    for (long n = 1; n <= needed; n++) {
        w4_json_document doc = {0};
        calls = 0;
        fail_from = n;
        fail_to = once ? n : needed * 2;
        int r = w4_json_read(&doc, w4_bytes_from_text(text), &W4_JSON_LIMITS_FILE, NULL);
        ck_assert_msg(r == 0 || r == -ENOMEM, "allocation %ld: %d", n, r);
        ck_assert_msg(r != 0 || w4_bytes_equal(doc.text, whole.text), "allocation %ld: %.*s", n,
                      (int)doc.text.len, (const char *)doc.text.data);
        ck_assert(w4_json_exists(w4_json_root(&doc)) == (r == 0));
        refused += r != 0;
        w4_json_document_deinit(&doc);
    }
    ck_assert_int_gt(refused * 2, needed);
    w4_json_document_deinit(&whole);
}

START_TEST(test_parser_without_memory) {
    json_set_alloc_funcs(failing_malloc, free);
    fail_each(true);
    fail_each(false);
    json_set_alloc_funcs(malloc, free);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("json-memory");
    TCase *tc = tcase_create("memory");
    tcase_add_test(tc, test_parser_without_memory);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
