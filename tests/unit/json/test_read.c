/* Canonical form by the examples of RFC 8785, and documents that mean harm. */
#include "base/text.h"
#include "json/document.h"

#include "runner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TIMES_MAX 10 /* what a byte of a hostile document may cost, in bytes of a common one */

static w4_bytes bytes(const char *text) {
    return w4_bytes_from_text(text);
}

/* Reads a copy that ends where the text ends, so that a sanitizer sees one byte too many. */
static int read_tight(w4_json_document *doc, w4_bytes text, bool canonical,
                      const w4_json_limits *limits, w4_json_error *ret_error) {
    uint8_t *copy = malloc(text.len > 0 ? text.len : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, text.data, text.len);
    w4_bytes tight = w4_bytes_of(copy, text.len);
    int r = canonical ? w4_json_read_canonical(doc, tight, limits, ret_error)
                      : w4_json_read(doc, tight, limits, ret_error);
    free(copy);
    return r;
}

static void check_canonical(const char *text, const char *canonical) {
    w4_buffer out = W4_BUFFER_INIT(1u << 20);
    w4_json_error error = {0};
    w4_buffer_append_text(&out, "kept");
    int r = w4_json_canonical(&out, bytes(text), &W4_JSON_LIMITS_FILE, &error);
    ck_assert_msg(r == 0, "%s: %s", text, error.text);
    ck_assert_str_eq(w4_buffer_text(&out) + 4, canonical);
    w4_json_document doc = {0};
    ck_assert_int_eq(w4_json_read_canonical(&doc, bytes(canonical), &W4_JSON_LIMITS_FILE, &error),
                     0);
    int same = strcmp(text, canonical) == 0 ? 0 : W4_JSON_E_NOT_CANONICAL;
    ck_assert_int_eq(w4_json_read_canonical(&doc, bytes(text), &W4_JSON_LIMITS_FILE, &error), same);
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&out);
}

START_TEST(test_canonical_forms) {
    static const char *const rows[][2] = {
        /* RFC 8785 3.2.2 and 3.2.4 */
        {"{\n  \"numbers\": [333333333.33333329, 1E30, 4.50, 2e-3, "
         "0.000000000000000000000000001],\n"
         "  \"string\": \"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/\",\n"
         "  \"literals\": [null, true, false]\n}",
         "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
         "\"string\":\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"},
        /* RFC 8785 3.2.3: by UTF-16, so the emoji (d83d) stands before the dalet (fb33) */
        {"{\"\\u20ac\": \"Euro Sign\", \"\\r\": \"Carriage Return\",\n"
         " \"\\ufb33\": \"Hebrew Letter Dalet With Dagesh\", \"1\": \"One\",\n"
         " \"\\ud83d\\ude00\": \"Emoji: Grinning Face\", \"\\u0080\": \"Control\",\n"
         " \"\\u00f6\": \"Latin Small Letter O With Diaeresis\"}",
         "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xc2\x80\":\"Control\","
         "\"\xc3\xb6\":\"Latin Small Letter O With Diaeresis\",\"\xe2\x82\xac\":\"Euro Sign\","
         "\"\xf0\x9f\x98\x80\":\"Emoji: Grinning Face\","
         "\"\xef\xac\xb3\":\"Hebrew Letter Dalet With Dagesh\"}"},
        /* Names by code unit, not as a reader of French would sort; accents stay as they came */
        {"{\"peach\": 1, \"p\xc3\xa9"
         "ch\xc3\xa9\": 2, \"p\xc3\xaa"
         "che\": 3, \"sin\": 4, \"Peach\": 5, \"pe\xcc\x81\": 6}",
         "{\"Peach\":5,\"peach\":1,\"pe\xcc\x81\":6,\"p\xc3\xa9"
         "ch\xc3\xa9\":2,\"p\xc3\xaa"
         "che\":3,\"sin\":4}"},
        /* Sorted inside arrays and objects, arrays themselves not */
        {"[{\"b\":1,\"a\":2},[3,1,2],{\"\":{\"2\":0,\"10\":0,\"1\":0}}]",
         "[{\"a\":2,\"b\":1},[3,1,2],{\"\":{\"1\":0,\"10\":0,\"2\":0}}]"},
        {"{\"aa\":1,\"a\":2,\"\":3,\"B\":4,\"b\":5}", "{\"\":3,\"B\":4,\"a\":2,\"aa\":1,\"b\":5}"},
        /* Every short escape, every other control, and nothing else escaped */
        {"\"\\u0000\\u0001\\u0007\\u0008\\u0009\\u000A\\u000b\\u000c\\u000d\\u000e\\u001F\\u007f\"",
         "\"\\u0000\\u0001\\u0007\\b\\t\\n\\u000b\\f\\r\\u000e\\u001f\x7f\""},
        {"\"\\u2028\\u2029\\uFEFF\\uffff\\ufdd0\\uD7ff\\uE000\"",
         "\"\xe2\x80\xa8\xe2\x80\xa9\xef\xbb\xbf\xef\xbf\xbf\xef\xb7\x90\xed\x9f\xbf\xee\x80\x80"
         "\""},
        {"\"\\ud800\\udc00\\uDBFF\\uDFFF\"", "\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""},
        {"\"</script>\\/'\"", "\"</script>/'\""},
        /* Escaped names sort as what they are */
        {"{\"\\n\":1,\"\\u0000\":2,\"\\u001f\":3,\" "
         "\":4,\"\\\\\":5,\"[\":6,\"]\":7,\"\\\"\":8,\"!\":9}",
         "{\"\\u0000\":2,\"\\n\":1,\"\\u001f\":3,\" \":4,\"!\":9,\"\\\"\":8,\"[\":6,\"\\\\\":5,"
         "\"]\":7}"},
        /* U+0000 in names, which the parser behind needs help with, and the help itself */
        {"{\"a\\u0000b\":1,\"a\":2,\"\\u0000\":{\"\\u0000\\u0000\":\"\\u0000\"},\"\\uFDD0\":3,"
         "\"\xef\xb7\x90"
         "0\":\"\\ufdd01\",\"a\\\\u0000\":4}",
         "{\"\\u0000\":{\"\\u0000\\u0000\":\"\\u0000\"},\"a\":2,\"a\\u0000b\":1,\"a\\\\u0000\":4,"
         "\"\xef\xb7\x90\":3,\"\xef\xb7\x90"
         "0\":\"\xef\xb7\x90"
         "1\"}"},
        {" \t\r\n0 \n", "0"},
        {"-0", "0"},
        {"\"\"", "\"\""},
        {"[ ]", "[]"},
        {"{ }", "{}"},
        {"[[],{},[[]],\"\",0]", "[[],{},[[]],\"\",0]"},
        {"{\"__proto__\":{},\"\":0}", "{\"\":0,\"__proto__\":{}}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_canonical(rows[i][0], rows[i][1]);
}
END_TEST

typedef struct hostile_row {
    const char *text;
    size_t len; /* 0: up to the NUL */
    int condition;
    const char *says; /* part of the message */
    uint32_t line, column;
} hostile_row;

/* clang-format off */
static const hostile_row hostile[] = {
    {"", 0, W4_JSON_E_SYNTAX, "found nothing", 1, 1},
    {" ", 0, W4_JSON_E_SYNTAX, "expected a value, found the end", 1, 2},
    {"\n\n x", 0, W4_JSON_E_SYNTAX, "expected a value, found 'x'", 3, 2},
    {"nul", 0, W4_JSON_E_SYNTAX, "expected a value", 1, 1},
    {"True", 0, W4_JSON_E_SYNTAX, "found 'T'", 1, 1},
    {"truely", 0, W4_JSON_E_SYNTAX, "expected the end of the text, found 'l'", 1, 5},
    {"NaN", 0, W4_JSON_E_SYNTAX, "found 'N'", 1, 1},
    {"-Infinity", 0, W4_JSON_E_SYNTAX, "expected a digit, found 'I'", 1, 2},
    {"'a'", 0, W4_JSON_E_SYNTAX, "found \"'\"", 1, 1},
    {"{} {}", 0, W4_JSON_E_SYNTAX, "expected the end of the text", 1, 4},
    {"[1,]", 0, W4_JSON_E_SYNTAX, "expected a value, found ']'", 1, 4},
    {"[,1]", 0, W4_JSON_E_SYNTAX, "expected a value, found ','", 1, 2},
    {"[1 2]", 0, W4_JSON_E_SYNTAX, "expected ',' or ']' after an element", 1, 4},
    {"[1}", 0, W4_JSON_E_SYNTAX, "expected ',' or ']'", 1, 3},
    {"[1", 0, W4_JSON_E_SYNTAX, "found the end of the text", 1, 3},
    {"]", 0, W4_JSON_E_SYNTAX, "found ']'", 1, 1},
    {"{\"a\":1,}", 0, W4_JSON_E_SYNTAX, "expected a member name in double quotes, found '}'", 1, 8},
    {"{a:1}", 0, W4_JSON_E_SYNTAX, "member name in double quotes", 1, 2},
    {"{\"a\" 1}", 0, W4_JSON_E_SYNTAX, "':' after a member name", 1, 6},
    {"{\"a\":}", 0, W4_JSON_E_SYNTAX, "expected a value", 1, 6},
    {"{\"a\":1]", 0, W4_JSON_E_SYNTAX, "expected ',' or '}' after a member", 1, 7},
    {"{1:1}", 0, W4_JSON_E_SYNTAX, "member name", 1, 2},
    {"/* c */ 1", 0, W4_JSON_E_SYNTAX, "found '/'", 1, 1},
    {"[1] // c", 0, W4_JSON_E_SYNTAX, "found '/'", 1, 5},
    {"\xa0" "1", 0, W4_JSON_E_SYNTAX, "not UTF-8", 1, 1},
    {"\xc2\xa0" "1", 0, W4_JSON_E_SYNTAX, "U+00A0", 1, 1},
    {"\f1", 0, W4_JSON_E_SYNTAX, "U+000C", 1, 1},
    {"\xef\xbb\xbf{}", 0, W4_JSON_E_SYNTAX, "byte order mark", 1, 1},
    {"\xff\xfe{\0}\0", 6, W4_JSON_E_SYNTAX, "UTF-16", 1, 1},
    {"\0{\0}", 4, W4_JSON_E_SYNTAX, "UTF-16", 1, 1},
    {"{\0}\0", 4, W4_JSON_E_SYNTAX, "UTF-16", 1, 1},
    {"1 \0", 3, W4_JSON_E_SYNTAX, "U+0000", 1, 3},
    {"[1,\0" "2]", 6, W4_JSON_E_SYNTAX, "U+0000", 1, 4},
    {"\"a\0b\"", 5, W4_JSON_E_SYNTAX, "control character", 1, 3},
    {"{\"a\0b\":1}", 9, W4_JSON_E_SYNTAX, "control character", 1, 4},
    {"\"a\nb\"", 0, W4_JSON_E_SYNTAX, "control character inside a string", 1, 3},
    {"\"a\tb\"", 0, W4_JSON_E_SYNTAX, "control character", 1, 3},
    {"\"\x1b[2J\"", 0, W4_JSON_E_SYNTAX, "control character", 1, 2},
    {"\"abc", 0, W4_JSON_E_SYNTAX, "no end", 1, 1},
    {"\"abc\\\"", 0, W4_JSON_E_SYNTAX, "no end", 1, 1},
    {"\"\\", 0, W4_JSON_E_SYNTAX, "after a backslash, found the end", 1, 3},
    {"\"\\x41\"", 0, W4_JSON_E_SYNTAX, "after a backslash, found 'x'", 1, 3},
    {"\"\\\0\"", 4, W4_JSON_E_SYNTAX, "after a backslash", 1, 3},
    {"\"\\U0041\"", 0, W4_JSON_E_SYNTAX, "after a backslash", 1, 3},
    {"\"\\u00g0\"", 0, W4_JSON_E_SYNTAX, "four hex digits", 1, 4},
    {"\"\\u00", 0, W4_JSON_E_SYNTAX, "four hex digits", 1, 4},
    {"\"\\u+123\"", 0, W4_JSON_E_SYNTAX, "four hex digits", 1, 4},
    {"\"\\ud800\"", 0, W4_JSON_E_SYNTAX, "lone surrogate", 1, 2},
    {"\"\\ud800x\"", 0, W4_JSON_E_SYNTAX, "lone surrogate", 1, 2},
    {"\"\\udc00\"", 0, W4_JSON_E_SYNTAX, "lone surrogate", 1, 2},
    {"\"\\ude00\\ud83d\"", 0, W4_JSON_E_SYNTAX, "lone surrogate", 1, 2},
    {"\"\\ud83d\\u0041\"", 0, W4_JSON_E_SYNTAX, "lone surrogate", 1, 2},
    {"\"\\ud83d\\ud83d\\ude00\"", 0, W4_JSON_E_SYNTAX, "lone surrogate", 1, 2},
    {"{\"\\udead\":1}", 0, W4_JSON_E_SYNTAX, "lone surrogate", 1, 3},
    {"\"\xc0\xaf\"", 0, W4_JSON_E_SYNTAX, "byte 0xC0 is not UTF-8", 1, 2},
    {"\"\xe0\x80\xaf\"", 0, W4_JSON_E_SYNTAX, "not UTF-8", 1, 2},
    {"\"\xf0\x80\x80\xaf\"", 0, W4_JSON_E_SYNTAX, "not UTF-8", 1, 2},
    {"\"\xed\xa0\xbd\xed\xb8\x80\"", 0, W4_JSON_E_SYNTAX, "not UTF-8", 1, 2},
    {"\"\xf4\x90\x80\x80\"", 0, W4_JSON_E_SYNTAX, "not UTF-8", 1, 2},
    {"\"\xf8\x88\x80\x80\x80\"", 0, W4_JSON_E_SYNTAX, "not UTF-8", 1, 2},
    {"\"\xc3\"", 0, W4_JSON_E_SYNTAX, "not UTF-8", 1, 2},
    {"\"\xe2\x82", 0, W4_JSON_E_SYNTAX, "not UTF-8", 1, 2},
    {"\"\x80\"", 0, W4_JSON_E_SYNTAX, "not UTF-8", 1, 2},
    {"{\"a\":1,\"a\":2}", 0, W4_JSON_E_SYNTAX, "a member name twice in one object: \"a\"", 1, 8},
    {"{\"a\":1,\"b\":2,\"\\u0061\":3}", 0, W4_JSON_E_SYNTAX, "twice in one object", 1, 14},
    {"{\"x\":{\"a\":1,\n\"b\":0,\"a\":1}}", 0, W4_JSON_E_SYNTAX, "twice in one object: \"a\"", 2, 7},
    {"{\"\":1,\"\":1}", 0, W4_JSON_E_SYNTAX, "twice in one object", 1, 7},
    {"{\"\\u0000\":1,\"a\":1,\"\\u0000\":1}", 0, W4_JSON_E_SYNTAX, "twice in one object", 0, 0},
    {"{\"\xc3\xa9\":1,\"b\":0,\"\\u00e9\":2}", 0, W4_JSON_E_SYNTAX, "twice in one object", 1, 14},
    {"{\"a\\\"b\\\\\":1,\"a\\u0022b\\\\\":2}", 0, W4_JSON_E_SYNTAX, "twice in one object: \"a", 1, 13},
    {"01", 0, W4_JSON_E_SYNTAX, "must not begin with a zero", 1, 2},
    {"-01", 0, W4_JSON_E_SYNTAX, "must not begin with a zero", 1, 3},
    {"+1", 0, W4_JSON_E_SYNTAX, "expected a value, found '+'", 1, 1},
    {".5", 0, W4_JSON_E_SYNTAX, "found '.'", 1, 1},
    {"1.", 0, W4_JSON_E_SYNTAX, "expected a digit, found the end", 1, 3},
    {"1.e1", 0, W4_JSON_E_SYNTAX, "expected a digit, found 'e'", 1, 3},
    {"1e", 0, W4_JSON_E_SYNTAX, "expected a digit", 1, 3},
    {"[-]", 0, W4_JSON_E_SYNTAX, "expected a digit, found ']'", 1, 3},
    {"0x10", 0, W4_JSON_E_SYNTAX, "found 'x'", 1, 2},
    {"1_000", 0, W4_JSON_E_SYNTAX, "found '_'", 1, 2},
    {"1e400", 0, W4_JSON_E_SYNTAX, "1e400 is beyond the range of a double", 1, 1},
    {"[0,-1e400]", 0, W4_JSON_E_SYNTAX, "-1e400 is beyond", 1, 4},
    {"9007199254740993", 0, W4_JSON_E_SYNTAX, "9007199254740993 is an integer that no double holds", 1, 1},
    {"18446744073709551615", 0, W4_JSON_E_SYNTAX, "no double holds", 1, 1},
    {"\xe2\x82\xac", 0, W4_JSON_E_SYNTAX, "U+20AC", 1, 1},
    {"[\"\xe2\x82\xac\",x]", 0, W4_JSON_E_SYNTAX, "found 'x'", 1, 6},
    {"GET / HTTP/1.1\r\n\r\n", 0, W4_JSON_E_SYNTAX, "found 'G'", 1, 1},
    {"\x16\x03\x01\x02\x00\x01", 6, W4_JSON_E_SYNTAX, "U+0016", 1, 1},
};
/* clang-format on */

/* One line, and nothing that a terminal acts on. */
static void check_printable(const char *text) {
    w4_buffer shown = W4_BUFFER_INIT(1024);
    for (const char *c = text; *c; c++)
        if (*c != '\\') /* shown doubled, but harmless */
            w4_buffer_append_byte(&shown, (uint8_t)*c);
    size_t len = shown.len;
    w4_buffer escaped = W4_BUFFER_INIT(1024);
    ck_assert_int_eq(w4_text_escape(&escaped, w4_buffer_bytes(&shown)), 0);
    ck_assert_msg(escaped.len == len, "not printable: %s", text);
    w4_buffer_deinit(&shown);
    w4_buffer_deinit(&escaped);
}

START_TEST(test_hostile_documents) {
    w4_json_document doc = {0};
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        const hostile_row *row = &hostile[i];
        w4_bytes text = w4_bytes_of(row->text, row->len ? row->len : strlen(row->text));
        w4_json_error error = {0};
        int r = read_tight(&doc, text, false, &W4_JSON_LIMITS_ENVELOPE, &error);
        ck_assert_msg(r == row->condition, "row %zu: %s: %d", i, row->text, r);
        ck_assert_msg(strstr(error.text, row->says) != NULL, "row %zu: \"%s\" lacks \"%s\"", i,
                      error.text, row->says);
        if (row->line > 0) {
            ck_assert_msg(error.line == row->line, "row %zu: line %u", i, error.line);
            ck_assert_msg(error.column == row->column, "row %zu: column %u", i, error.column);
        }
        check_printable(error.text);
        ck_assert(!w4_json_exists(w4_json_root(&doc)));
        r = read_tight(&doc, text, true, &W4_JSON_LIMITS_ENVELOPE, &error);
        ck_assert_msg(r == W4_JSON_E_SYNTAX || r == W4_JSON_E_NOT_CANONICAL, "row %zu: %d", i, r);
        ck_assert(!w4_json_exists(w4_json_root(&doc)));
        ck_assert_int_eq(w4_json_read(&doc, text, &W4_JSON_LIMITS_ENVELOPE, NULL), row->condition);
    }
    w4_json_document_deinit(&doc);
}
END_TEST

/* JSON, but not what a node may send. */
START_TEST(test_other_forms) {
    static const struct {
        const char *text;
        int condition;
        const char *says;
        size_t offset;
    } rows[] = {
        {" 1", W4_JSON_E_NOT_CANONICAL, "found a space", 0},
        {"1\n", W4_JSON_E_NOT_CANONICAL, "nothing more may stand here, found U+000A", 1},
        {"{\"a\": 1}", W4_JSON_E_NOT_CANONICAL, "found a space", 5},
        {"{\"a\":1, \"b\":1}", W4_JSON_E_NOT_CANONICAL, "a member name must stand here", 7},
        {"[1 ]", W4_JSON_E_NOT_CANONICAL, "a comma or an end must stand here", 2},
        {"{ }", W4_JSON_E_NOT_CANONICAL, "a member name", 1},
        {"{\"b\":1,\"a\":2}", W4_JSON_E_NOT_CANONICAL, "not sorted", 7},
        {"{\"aa\":1,\"a\":2}", W4_JSON_E_NOT_CANONICAL, "not sorted", 8},
        {"{\"\xef\xac\xb3\":1,\"\xf0\x9f\x98\x80\":2}", W4_JSON_E_NOT_CANONICAL, "not sorted", 9},
        {"{\"a\":1,\"\\n\":2}", W4_JSON_E_NOT_CANONICAL, "not sorted", 7},
        {"{\"a\":1,\"a\":2}", W4_JSON_E_SYNTAX, "twice", 7},
        {"{\"\\n\":1,\"\\n\":2}", W4_JSON_E_SYNTAX, "twice", 8},
        {"\"\\u000a\"", W4_JSON_E_NOT_CANONICAL, "an escape that", 1},
        {"\"\\u001F\"", W4_JSON_E_NOT_CANONICAL, "an escape that", 1},
        {"\"\\u0041\"", W4_JSON_E_NOT_CANONICAL, "an escape that", 1},
        {"\"\\u0022\"", W4_JSON_E_NOT_CANONICAL, "an escape that", 1},
        {"\"\\u007f\"", W4_JSON_E_NOT_CANONICAL, "an escape that", 1},
        {"\"\\u0020\"", W4_JSON_E_NOT_CANONICAL, "an escape that", 1},
        {"\"\\u20ac\"", W4_JSON_E_NOT_CANONICAL, "an escape that", 1},
        {"\"\\/\"", W4_JSON_E_NOT_CANONICAL, "an escape that", 1},
        {"\"\\ud83d\\ude00\"", W4_JSON_E_NOT_CANONICAL, "an escape that", 1},
        {"-0", W4_JSON_E_NOT_CANONICAL, "a number that", 0},
        {"0.0", W4_JSON_E_NOT_CANONICAL, "a number that", 0},
        {"1.0", W4_JSON_E_NOT_CANONICAL, "a number that", 0},
        {"1.50", W4_JSON_E_NOT_CANONICAL, "a number that", 0},
        {"1e2", W4_JSON_E_NOT_CANONICAL, "a number that", 0},
        {"1e21", W4_JSON_E_NOT_CANONICAL, "a number that", 0},
        {"1E+21", W4_JSON_E_NOT_CANONICAL, "a number that", 0},
        {"1.0e+21", W4_JSON_E_NOT_CANONICAL, "a number that", 0},
        {"1000000000000000000000", W4_JSON_E_NOT_CANONICAL, "a number that", 0},
        {"0.0000001", W4_JSON_E_NOT_CANONICAL, "a number that", 0},
        {"1e-6", W4_JSON_E_NOT_CANONICAL, "a number that", 0},
        {"1e-07", W4_JSON_E_NOT_CANONICAL, "a number that", 0},
        {"0.30000000000000000000004", W4_JSON_E_NOT_CANONICAL, "a number that", 0},
        {"0.10000000000000001", W4_JSON_E_NOT_CANONICAL, "a number that", 0},
        {"9223372036854775808", W4_JSON_E_NOT_CANONICAL, "a number that", 0},
        {"[1,", W4_JSON_E_SYNTAX, "found the end", 3},
    };
    w4_json_document doc = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        w4_json_error error = {0};
        int r = read_tight(&doc, bytes(rows[i].text), true, &W4_JSON_LIMITS_ENVELOPE, &error);
        ck_assert_msg(r == rows[i].condition, "%s: %d", rows[i].text, r);
        ck_assert_msg(strstr(error.text, rows[i].says) != NULL, "%s: %s", rows[i].text, error.text);
        ck_assert_msg(error.offset == rows[i].offset, "%s: at %zu", rows[i].text, error.offset);
    }
    w4_json_document_deinit(&doc);
}
END_TEST

START_TEST(test_every_truncation) {
    static const char rich[] =
        "{\"\":[],\"\\u0000\\n\\\"\":\"\\\\\\u001f\",\"a\":{\"b\":[1,-2.5,1e+21,5e-324,{}]},"
        "\"words\":[true,false,null],\"\xc3\xb6\":\"\xe2\x82\xac\xf0\x9f\x98\x80 and a longer "
        "run\"}";
    w4_json_document doc = {0};
    w4_bytes whole = bytes(rich);
    ck_assert_int_eq(read_tight(&doc, whole, true, &W4_JSON_LIMITS_ENVELOPE, NULL), 0);
    ck_assert_int_eq(read_tight(&doc, whole, false, &W4_JSON_LIMITS_ENVELOPE, NULL), 0);
    ck_assert(w4_bytes_equal(doc.text, whole));
    for (size_t len = 0; len < whole.len; len++) {
        w4_bytes part = w4_bytes_of(whole.data, len);
        w4_json_error error = {0};
        ck_assert_int_eq(read_tight(&doc, part, true, &W4_JSON_LIMITS_ENVELOPE, &error),
                         W4_JSON_E_SYNTAX);
        ck_assert_uint_le(error.offset, len);
        ck_assert_int_eq(read_tight(&doc, part, false, &W4_JSON_LIMITS_ENVELOPE, &error),
                         W4_JSON_E_SYNTAX);
        ck_assert_uint_le(error.offset, len);
    }
    w4_json_document_deinit(&doc);
}
END_TEST

static int read_both(w4_json_document *doc, w4_bytes text, const w4_json_limits *limits,
                     w4_json_error *ret_error) {
    int strict = w4_json_read(doc, text, limits, ret_error);
    int canonical = w4_json_read_canonical(doc, text, limits, ret_error);
    ck_assert_int_eq(strict, canonical);
    return strict;
}

START_TEST(test_each_limit) {
    static const w4_json_limits limits = {.bytes = 40, .depth = 3, .items = 4, .string = 6};
    static const struct {
        const char *text;
        int result;
        const char *says;
    } rows[] = {
        {"[[[0]]]", 0, ""},
        {"[[[[]]]]", W4_JSON_E_TOO_DEEP, "deep"},
        {"[[{\"a\":{}}]]", W4_JSON_E_TOO_DEEP, "deep"},
        {"[{},[],[[]],{}]", 0, ""},
        {"[1,2,3,4]", 0, ""},
        {"[1,2,3,4,5]", W4_JSON_E_TOO_LARGE, "element"},
        {"{\"a\":1,\"b\":1,\"c\":1,\"d\":1}", 0, ""},
        {"{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1}", W4_JSON_E_TOO_LARGE, "member"},
        {"\"123456\"", 0, ""},
        {"\"1234567\"", W4_JSON_E_TOO_LARGE, "string"},
        {"\"\\n\\n\\n\\n\\n\\n\"", 0, ""},
        {"\"\\u0000\\u0000\\u0000\\u0000\\u0000\\u0001\"", 0, ""},
        {"\"\\n\\n\\n\\n\\n\\n\\n\"", W4_JSON_E_TOO_LARGE, "string"},
        {"\"\xe2\x82\xac\xe2\x82\xac\"", 0, ""},
        {"\"\xe2\x82\xac\xe2\x82\xac!\"", W4_JSON_E_TOO_LARGE, "string"},
        {"{\"1234567\":0}", W4_JSON_E_TOO_LARGE, "string"},
        {"[[\"12345\",\"12345\"],[\"12345\",12345678901]]", W4_JSON_E_TOO_LARGE, "bytes"},
        {"[[\"12345\",\"12345\"],[\"12345\",1234567890]]", 0, ""},
    };
    w4_json_document doc = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        w4_json_error error = {0};
        int r = read_both(&doc, bytes(rows[i].text), &limits, &error);
        ck_assert_msg(r == rows[i].result, "%s: %d", rows[i].text, r);
        ck_assert_msg(strstr(error.text, rows[i].says) != NULL, "%s: %s", rows[i].text, error.text);
    }
    /* Strings count decoded, whatever they were spelled as. */
    const char *spelled = "\"\\u20ac\\u0041\\n\\/\"";
    ck_assert_int_eq(w4_json_read(&doc, bytes(spelled), &limits, NULL), 0);
    ck_assert_int_eq(w4_json_read(&doc, bytes("\"\\u20ac\\u20ac\\/\""), &limits, NULL),
                     W4_JSON_E_TOO_LARGE);
    /* The canonical form may be the longer one: the limit is on both. */
    ck_assert_int_eq(w4_json_read(&doc, bytes("[1e20,1e20]"), &limits, NULL), W4_JSON_E_TOO_LARGE);
    /* No limit in numbers: the program's own stand. */
    const w4_json_limits endless = {SIZE_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
    ck_assert_int_eq(read_both(&doc, bytes("[[[[[[[1]]]]]]]"), &endless, NULL), 0);
    /* A buffer with less room than the limit. */
    w4_buffer out = W4_BUFFER_INIT(6);
    ck_assert_int_eq(w4_json_canonical(&out, bytes("[1,2, 3]"), &limits, NULL), -EMSGSIZE);
    ck_assert_uint_eq(out.len, 0);
    w4_buffer_deinit(&out);
    w4_json_document_deinit(&doc);
}
END_TEST

/* count times the unit, between head and tail. */
static w4_buffer repeat(const char *head, const char *unit, size_t count, const char *tail) {
    w4_buffer out = W4_BUFFER_INIT(SIZE_MAX);
    size_t len = strlen(unit);
    ck_assert_int_eq(w4_buffer_reserve(&out, len * count + 64), 0);
    w4_buffer_append_text(&out, head);
    uint8_t *at = out.data + out.len;
    memcpy(at, unit, len);
    for (size_t done = len; done < len * count;) { /* doubles what is there */
        size_t more = done < len * count - done ? done : len * count - done;
        memcpy(at + done, at, more);
        done += more;
    }
    out.len += len * count;
    w4_buffer_append_text(&out, tail);
    return out;
}

static const w4_json_limits widest = {64u << 20, UINT32_MAX, UINT32_MAX, 64u << 20};

/* What a byte of a document that is nobody's attack costs in this run, on this machine, under
 * whatever tool: read by one reader and by the other. */
static double seconds_a_byte(void) {
    w4_buffer text = repeat("[", "{\"a\":[1,2,\"some text\",true],\"b\":{}},", 20000, "1]");
    w4_json_document doc = {0};
    clock_t start = clock();
    ck_assert_int_eq(w4_json_read(&doc, w4_buffer_bytes(&text), &widest, NULL), 0);
    ck_assert_int_eq(w4_json_read_canonical(&doc, w4_buffer_bytes(&text), &widest, NULL), 0);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC / (double)text.len;
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&text);
    return seconds;
}

START_TEST(test_large_and_quick) {
    double a_byte = seconds_a_byte();
    static const struct {
        const char *head, *unit, *tail;
        size_t count;
        int limited, unlimited; /* with the limits of files, and with the program's own */
    } rows[] = {
        {"", " ", "", 32u << 20, W4_JSON_E_TOO_LARGE, W4_JSON_E_SYNTAX},
        {"", " ", "1", 15u << 20, 0, 0},
        {"", "[", "", 5000000, W4_JSON_E_TOO_DEEP, W4_JSON_E_TOO_DEEP},
        {"", "{\"a\":", "", 3000000, W4_JSON_E_TOO_DEEP, W4_JSON_E_TOO_DEEP},
        {"", "[", "", 100000, W4_JSON_E_TOO_DEEP, W4_JSON_E_TOO_DEEP},
        {"{", "\"a\":1,", "\"b\":1}", 100000, W4_JSON_E_SYNTAX, W4_JSON_E_SYNTAX},
        {"[", "1,", "1]", 2000000, W4_JSON_E_TOO_LARGE, W4_JSON_E_TOO_LARGE},
        {"[", "[],", "1]", 1100000, W4_JSON_E_TOO_LARGE, W4_JSON_E_TOO_LARGE},
        {"[", "[{},{},{},{},{},{},{},{}],", "1]", 200000, W4_JSON_E_TOO_LARGE, W4_JSON_E_TOO_LARGE},
        {"", "9", "", 1000000, W4_JSON_E_SYNTAX, W4_JSON_E_SYNTAX},
        {"0.", "0", "1", 1000000, W4_JSON_E_SYNTAX, W4_JSON_E_SYNTAX},
        {"1e", "0", "1", 1000000, W4_JSON_E_SYNTAX, W4_JSON_E_SYNTAX},
        {"\"", "x", "\"", 10000000, W4_JSON_E_TOO_LARGE, 0},
        {"\"", "\\u0000", "\"", 2000000, 0, 0},
        {"\"", "\xe2\x82\xac", "\"", 2000000, 0, 0},
        {"\"", "\\", "", 10000000, W4_JSON_E_SYNTAX, W4_JSON_E_SYNTAX},
        {"\"", "\"", "", 10000000, W4_JSON_E_SYNTAX, W4_JSON_E_SYNTAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        w4_buffer text = repeat(rows[i].head, rows[i].unit, rows[i].count, rows[i].tail);
        w4_json_document doc = {0};
        w4_json_error error = {0};
        clock_t start = clock();
        int limited = w4_json_read(&doc, w4_buffer_bytes(&text), &W4_JSON_LIMITS_FILE, &error);
        int unlimited = w4_json_read(&doc, w4_buffer_bytes(&text), &widest, &error);
        int canonical = w4_json_read_canonical(&doc, w4_buffer_bytes(&text), &widest, &error);
        double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
        ck_assert_msg(limited == rows[i].limited, "row %zu: %d", i, limited);
        ck_assert_msg(unlimited == rows[i].unlimited, "row %zu: %d", i, unlimited);
        ck_assert_msg(canonical == rows[i].unlimited || canonical == W4_JSON_E_NOT_CANONICAL,
                      "row %zu: %d", i, canonical);
        double times = seconds / a_byte / (double)text.len;
        if (getenv("W4_VERBOSE"))
            printf("row %zu: %.3f s, %.2f times\n", i, seconds, times);
        ck_assert_msg(times < TIMES_MAX, "row %zu: %.1f s, %.1f times", i, seconds, times);
        ck_assert_uint_le(doc.cap, 4u << 20);
        w4_json_document_deinit(&doc);
        w4_buffer_deinit(&text);
    }
}
END_TEST

/* As many members as a file may hold, backwards: nothing is quadratic. */
START_TEST(test_many_members) {
    const uint32_t count = 200000;
    w4_buffer text = W4_BUFFER_INIT(SIZE_MAX);
    w4_buffer_append_byte(&text, '{');
    for (uint32_t i = count; i > 0; i--)
        w4_buffer_printf(&text, "\"%06u\":%u%s", i, i, i > 1 ? "," : "}");
    w4_json_document doc = {0};
    double a_byte = seconds_a_byte();
    clock_t start = clock();
    ck_assert_int_eq(w4_json_read(&doc, w4_buffer_bytes(&text), &W4_JSON_LIMITS_FILE, NULL), 0);
    ck_assert_uint_eq(w4_json_count(w4_json_root(&doc)), count);
    uint32_t seen = 0;
    for (w4_json_iterator i = w4_json_first(w4_json_root(&doc)); w4_json_exists(i.value);
         i = w4_json_next(i)) {
        int64_t value = 0;
        ck_assert(w4_json_integer(i.value, &value));
        ck_assert_int_eq(value, ++seen);
    }
    ck_assert_uint_eq(seen, count);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    ck_assert(seconds < TIMES_MAX * a_byte * (double)text.len);
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&text);
}
END_TEST

/* The own maximum of nesting is reached by both readers alike. */
START_TEST(test_deepest) {
    const w4_json_limits wide = {1u << 20, UINT32_MAX, UINT32_MAX, 1u << 20};
    w4_buffer text = W4_BUFFER_INIT(1u << 20);
    w4_json_document doc = {0};
    for (uint32_t depth = W4_JSON_DEPTH_MAX; depth <= W4_JSON_DEPTH_MAX + 1; depth++) {
        w4_buffer_clear(&text);
        for (uint32_t i = 0; i < depth; i++)
            w4_buffer_append_text(&text, "[");
        for (uint32_t i = 0; i < depth; i++)
            w4_buffer_append_text(&text, "]");
        int expected = depth == W4_JSON_DEPTH_MAX ? 0 : W4_JSON_E_TOO_DEEP;
        ck_assert_int_eq(read_both(&doc, w4_buffer_bytes(&text), &wide, NULL), expected);
    }
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&text);
}
END_TEST

/* What one read allocated the next one uses. */
START_TEST(test_memory_is_reused) {
    w4_json_document doc = {0};
    ck_assert_int_eq(w4_json_read_canonical(&doc, bytes("[1,2,3]"), &W4_JSON_LIMITS_ENVELOPE, NULL),
                     0);
    const w4_json_node *nodes = doc.nodes;
    uint32_t cap = doc.cap;
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(
            w4_json_read_canonical(&doc, bytes("{\"a\":[{}]}"), &W4_JSON_LIMITS_ENVELOPE, NULL), 0);
        ck_assert_ptr_eq(doc.nodes, nodes);
        ck_assert_uint_eq(doc.cap, cap);
    }
    w4_json_document_deinit(&doc);
    w4_json_document_deinit(&doc);
    ck_assert_ptr_null(doc.nodes);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("json-read");
    TCase *tc = tcase_create("read");
    tcase_set_timeout(tc, 100);
    tcase_add_test(tc, test_canonical_forms);
    tcase_add_test(tc, test_hostile_documents);
    tcase_add_test(tc, test_other_forms);
    tcase_add_test(tc, test_every_truncation);
    tcase_add_test(tc, test_each_limit);
    tcase_add_test(tc, test_large_and_quick);
    tcase_add_test(tc, test_many_members);
    tcase_add_test(tc, test_deepest);
    tcase_add_test(tc, test_memory_is_reused);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
