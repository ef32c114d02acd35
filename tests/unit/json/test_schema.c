/* The schema engine: each kind, each bound, each text of a fault. */
#include "json/schema.h"
#include "json/writer.h"

#include "runner.h"

#include <string.h>

static const char *check_formed(w4_json value) {
    w4_bytes raw = w4_json_string_raw(value);
    return memchr(raw.data, 'a', raw.len) ? NULL : "something with an a";
}

static const char *check_even(w4_json value) {
    int64_t integer = 0;
    return w4_json_integer(value, &integer) && integer % 2 == 0 ? NULL : "an even number";
}

static const char *const moods[] = {"focused", "diffuse", "overloaded", "engaged", NULL};
static const char *const version[] = {"1.0", NULL};
static const char *const none_at_all[] = {NULL};
static const char *const lengthy[] = {"an-alternative-of-forty-characters-number-1",
                                      "an-alternative-of-forty-characters-number-2",
                                      "an-alternative-of-forty-characters-number-3",
                                      "an-alternative-of-forty-characters-number-4", NULL};

static const char *check_order(w4_json object, const char **ret_member) {
    double low = 0, high = 0;
    w4_json_number(w4_json_get(object, "low"), &low);
    w4_json_number(w4_json_get(object, "high"), &high);
    if (low <= high)
        return NULL;
    if (high < 0) {
        *ret_member = "high";
        return "a number of at least low";
    }
    return "low up to high";
}

/* clang-format off */
static const w4_schema range = {
    .rows = (const w4_schema_row[]){
        {.name = "low", .kind = W4_SCHEMA_NUMBER, .flags = W4_SCHEMA_REQUIRED},
        {.name = "high", .kind = W4_SCHEMA_NUMBER, .flags = W4_SCHEMA_REQUIRED},
        W4_SCHEMA_END,
    },
    .closed = true,
    .check = check_order,
};
static const w4_schema_row port = {.kind = W4_SCHEMA_INTEGER, .min = 1, .max = 65535};
static const w4_schema_row open_item = {.kind = W4_SCHEMA_OBJECT, .object = &range};
static const w4_schema all = {
    .rows = (const w4_schema_row[]){
        {.name = "any", .kind = W4_SCHEMA_ANY},
        {.name = "bool", .kind = W4_SCHEMA_BOOL, .fallback = "true", .help = "a switch"},
        {.name = "port", .kind = W4_SCHEMA_INTEGER, .min = 1, .max = 65535, .fallback = "4747",
         .flags = W4_SCHEMA_RESTART},
        {.name = "integer", .kind = W4_SCHEMA_INTEGER},
        {.name = "even", .kind = W4_SCHEMA_INTEGER, .min = -4, .max = INFINITY, .check = check_even},
        {.name = "number", .kind = W4_SCHEMA_NUMBER, .min = -0.5, .max = 1.5},
        {.name = "below", .kind = W4_SCHEMA_NUMBER, .min = -INFINITY, .max = 10},
        {.name = "string", .kind = W4_SCHEMA_STRING},
        {.name = "label", .kind = W4_SCHEMA_STRING, .min = 1, .max = 8},
        {.name = "short", .kind = W4_SCHEMA_STRING, .min = 0, .max = 4},
        {.name = "long", .kind = W4_SCHEMA_STRING, .min = 5, .max = INFINITY},
        {.name = "byte", .kind = W4_SCHEMA_STRING, .min = 1, .max = 1},
        {.name = "formed", .kind = W4_SCHEMA_STRING, .min = 3, .max = 5, .check = check_formed},
        {.name = "mood", .kind = W4_SCHEMA_ENUM, .names = moods},
        {.name = "version", .kind = W4_SCHEMA_ENUM, .names = version},
        {.name = "never", .kind = W4_SCHEMA_ENUM, .names = none_at_all},
        {.name = "lengthy", .kind = W4_SCHEMA_ENUM, .names = lengthy},
        {.name = "maybe", .kind = W4_SCHEMA_STRING, .flags = W4_SCHEMA_NULLABLE, .check = check_even},
        {.name = "maybe-mood", .kind = W4_SCHEMA_ENUM, .flags = W4_SCHEMA_NULLABLE, .names = moods},
        {.name = "array", .kind = W4_SCHEMA_ARRAY},
        {.name = "ports", .kind = W4_SCHEMA_ARRAY, .min = 1, .max = 3, .items = &port},
        {.name = "ranges", .kind = W4_SCHEMA_ARRAY, .min = 0, .max = 100, .items = &open_item},
        {.name = "object", .kind = W4_SCHEMA_OBJECT},
        {.name = "range", .kind = W4_SCHEMA_OBJECT, .object = &range},
        {.name = "map", .kind = W4_SCHEMA_MAP, .max = 2, .items = &port},
        {.name = "free", .kind = W4_SCHEMA_MAP},
        W4_SCHEMA_END,
    },
    .closed = true,
};
/* clang-format on */

static w4_json_document doc;
static w4_faults faults;

static w4_json read_text(const char *text) {
    w4_json_error error = {0};
    int r = w4_json_read(&doc, w4_bytes_from_text(text), &W4_JSON_LIMITS_FILE, &error);
    ck_assert_msg(r == 0, "%s: %s", text, error.text);
    return w4_json_root(&doc);
}

static void begin(void) {
    memset(&faults, 0, sizeof faults);
}

static void release(void) {
    w4_json_document_deinit(&doc);
}

typedef struct row {
    const char *text;
    const char *pointer; /* NULL: good */
    const char *expected;
} row;

static const row rows[] = {
    {"{}", NULL, NULL},
    {"[]", "", "an object"},
    {"null", "", "an object"},
    {"{\"any\":null}", NULL, NULL},
    {"{\"any\":{\"a\":[]}}", NULL, NULL},
    {"{\"bool\":true}", NULL, NULL},
    {"{\"bool\":false}", NULL, NULL},
    {"{\"bool\":0}", "/bool", "true or false"},
    {"{\"bool\":\"true\"}", "/bool", "true or false"},
    {"{\"bool\":null}", "/bool", "true or false"},
    {"{\"port\":1}", NULL, NULL},
    {"{\"port\":65535}", NULL, NULL},
    {"{\"port\":42.0}", NULL, NULL},
    {"{\"port\":0}", "/port", "an integer from 1 to 65535"},
    {"{\"port\":65536}", "/port", "an integer from 1 to 65535"},
    {"{\"port\":-1}", "/port", "an integer from 1 to 65535"},
    {"{\"port\":1.5}", "/port", "an integer from 1 to 65535"},
    {"{\"port\":\"42\"}", "/port", "an integer from 1 to 65535"},
    {"{\"port\":1e300}", "/port", "an integer from 1 to 65535"},
    {"{\"integer\":-9007199254740991}", NULL, NULL},
    {"{\"integer\":9007199254740992}", "/integer", "an integer"},
    {"{\"integer\":0.1}", "/integer", "an integer"},
    {"{\"even\":4}", NULL, NULL},
    {"{\"even\":3}", "/even", "an even number"},
    {"{\"even\":-6}", "/even", "an integer of at least -4"},
    {"{\"number\":-0.5}", NULL, NULL},
    {"{\"number\":1.5}", NULL, NULL},
    {"{\"number\":1.5000001}", "/number", "a number from -0.5 to 1.5"},
    {"{\"number\":[]}", "/number", "a number from -0.5 to 1.5"},
    {"{\"below\":-1e300}", NULL, NULL},
    {"{\"below\":10.5}", "/below", "a number of at most 10"},
    {"{\"string\":\"\"}", NULL, NULL},
    {"{\"string\":1}", "/string", "a string"},
    {"{\"label\":\"12345678\"}", NULL, NULL},
    {"{\"label\":\"\\n\\n\\n\\n\\u0001\\u0001\\u0001\\u0001\"}", NULL, NULL},
    {"{\"label\":\"123456789\"}", "/label", "a string of 1 to 8 bytes"},
    {"{\"label\":\"\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\"}", "/label", "a string of 1 to 8 bytes"},
    {"{\"label\":\"\"}", "/label", "a string of 1 to 8 bytes"},
    {"{\"short\":\"12345\"}", "/short", "a string of at most 4 bytes"},
    {"{\"long\":\"1234\"}", "/long", "a string of at least 5 bytes"},
    {"{\"byte\":\"\"}", "/byte", "a string of 1 byte"},
    {"{\"formed\":\"abc\"}", NULL, NULL},
    {"{\"formed\":\"bcd\"}", "/formed", "something with an a"},
    {"{\"formed\":\"b\"}", "/formed", "something with an a"}, /* too short, and without form */
    {"{\"formed\":\"a\"}", "/formed", "a string of 3 to 5 bytes"},
    {"{\"formed\":\"bcdefg\"}", "/formed", "a string of 3 to 5 bytes"},
    {"{\"mood\":\"focused\"}", NULL, NULL},
    {"{\"mood\":\"engaged\"}", NULL, NULL},
    {"{\"mood\":\"Focused\"}", "/mood", "one of focused, diffuse, overloaded, engaged"},
    {"{\"mood\":\"focused\\u0000\"}", "/mood", "one of focused, diffuse, overloaded, engaged"},
    {"{\"mood\":7}", "/mood", "one of focused, diffuse, overloaded, engaged"},
    {"{\"version\":\"1.0\"}", NULL, NULL},
    {"{\"version\":1.0}", "/version", "\"1.0\""},
    {"{\"never\":\"\"}", "/never", "nothing"},
    {"{\"maybe\":null}", NULL, NULL},
    {"{\"maybe\":2}", "/maybe", "a string or null"},
    {"{\"maybe\":\"x\"}", "/maybe", "an even number"},
    {"{\"maybe-mood\":null}", NULL, NULL},
    {"{\"maybe-mood\":1}", "/maybe-mood", "one of focused, diffuse, overloaded, engaged or null"},
    {"{\"array\":[1,\"a\",null]}", NULL, NULL},
    {"{\"array\":{}}", "/array", "an array"},
    {"{\"ports\":[1,2,3]}", NULL, NULL},
    {"{\"ports\":[]}", "/ports", "an array of 1 to 3 elements"},
    {"{\"ports\":[1,2,3,4]}", "/ports", "an array of 1 to 3 elements"},
    {"{\"ports\":[1,0]}", "/ports/1", "an integer from 1 to 65535"},
    {"{\"ports\":[null]}", "/ports/0", "an integer from 1 to 65535"},
    {"{\"ranges\":[]}", NULL, NULL},
    {"{\"ranges\":7}", "/ranges", "an array of at most 100 elements"},
    {"{\"ranges\":[{\"low\":1,\"high\":2},{\"low\":1,\"high\":\"2\"}]}", "/ranges/1/high",
     "a number"},
    {"{\"object\":{\"whatever\":[]}}", NULL, NULL},
    {"{\"object\":[]}", "/object", "an object"},
    {"{\"range\":{\"low\":1,\"high\":2}}", NULL, NULL},
    {"{\"range\":{\"low\":1}}", "/range/high", "a number, but it is missing"},
    {"{\"range\":{\"low\":3,\"high\":2}}", "/range", "low up to high"},
    {"{\"range\":{\"low\":3,\"high\":-2}}", "/range/high", "a number of at least low"},
    {"{\"range\":{\"low\":1,\"high\":2,\"hihg\":3}}", "/range/hihg",
     "no such member; did you mean \"high\"?"},
    {"{\"map\":{}}", NULL, NULL},
    {"{\"map\":{\"a\":1,\"b\":65535}}", NULL, NULL},
    {"{\"map\":{\"a\":1,\"b\":2,\"c\":3}}", "/map", "an object of at most 2 members"},
    {"{\"map\":{\"a/b~c\":0}}", "/map/a~1b~0c", "an integer from 1 to 65535"},
    {"{\"map\":{\"\":0}}", "/map/", "an integer from 1 to 65535"},
    {"{\"map\":{\"a\\n\\u001b[2J\\\"\\u0000\xc3\xa9\xe2\x80\xae\":0}}",
     "/map/a\\n\\x1b[2J\"\\x00\xc3\xa9\\u{202e}", "an integer from 1 to 65535"},
    {"{\"free\":{\"a\":null}}", NULL, NULL},
    {"{\"free\":[]}", "/free", "an object"},
    {"{\"prot\":1}", "/prot", "no such member; did you mean \"port\"?"},
    {"{\"Port\":1}", "/Port", "no such member; did you mean \"port\"?"},
    {"{\"__proto__\":1}", "/__proto__", "no such member"},
    {"{\"\":1}", "/", "no such member"},
    {"{\"port\\u0000\":1}", "/port\\x00", "no such member"},
};

START_TEST(test_each_row) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        begin();
        w4_json value = read_text(rows[i].text);
        bool good = w4_schema_check(&all, value, &faults);
        ck_assert_msg(good == !rows[i].pointer, "%s", rows[i].text);
        ck_assert_msg(w4_schema_check(&all, value, NULL) == good, "%s", rows[i].text);
        ck_assert_msg(faults.count == !good, "%s: %u faults", rows[i].text, faults.count);
        if (good)
            continue;
        ck_assert_str_eq(faults.items[0].pointer, rows[i].pointer);
        ck_assert_str_eq(faults.items[0].expected, rows[i].expected);
    }
    ck_assert(!w4_schema_check(&all, (w4_json){NULL, 0}, NULL));
}
END_TEST

START_TEST(test_every_fault_is_listed) {
    static const row expected[] = {
        {NULL, "/bool", "true or false"},
        {NULL, "/ports/0", "an integer from 1 to 65535"},
        {NULL, "/ports/2", "an integer from 1 to 65535"},
        {NULL, "/range/low", "a number, but it is missing"},
        {NULL, "/range/high", "a number, but it is missing"},
        {NULL, "/range/lwo", "no such member; did you mean \"low\"?"},
        {NULL, "/moood", "no such member; did you mean \"mood\"?"},
        {NULL, "/zzz", "no such member"},
    };
    const uint32_t count = sizeof expected / sizeof *expected;
    static const char text[] = "{\"bool\":1,\"ports\":[0,1,0],\"range\":{\"lwo\":1},\"zzz\":0,"
                               "\"moood\":\"focused\"}";
    ck_assert(!w4_schema_check(&all, read_text(text), &faults));
    ck_assert_uint_eq(faults.count, count);
    for (uint32_t i = 0; i < count; i++) {
        ck_assert_str_eq(faults.items[i].pointer, expected[i].pointer);
        ck_assert_str_eq(faults.items[i].expected, expected[i].expected);
    }
    for (uint32_t limit = 1; limit <= count; limit++) {
        begin();
        faults.limit = limit;
        ck_assert(!w4_schema_check(&all, w4_json_root(&doc), &faults));
        ck_assert_uint_eq(faults.count, limit);
        ck_assert_str_eq(faults.items[limit - 1].pointer, expected[limit - 1].pointer);
    }
    /* A list that is full already still gives the right answer, and adds behind a list that is not.
     */
    ck_assert(!w4_schema_check(&all, w4_json_root(&doc), &faults));
    ck_assert_uint_eq(faults.count, count + 1);
    ck_assert(w4_schema_check(&all, read_text("{}"), &faults));
    ck_assert_uint_eq(faults.count, count + 1);
}
END_TEST

START_TEST(test_many_faults) {
    w4_buffer text = W4_BUFFER_INIT(1u << 20);
    w4_buffer_append_byte(&text, '{');
    for (int i = 0; i < 1000; i++)
        w4_buffer_printf(&text, "%s\"unknown-%d\":0", i > 0 ? "," : "", i);
    w4_buffer_append_byte(&text, '}');
    w4_json value = read_text(w4_buffer_text(&text));
    ck_assert(!w4_schema_check(&all, value, &faults));
    ck_assert_uint_eq(faults.count, W4_FAULTS_MAX);
    /* Counted beyond what is kept. */
    begin();
    faults.limit = 500;
    ck_assert(!w4_schema_check(&all, value, &faults));
    ck_assert_uint_eq(faults.count, 500);
    w4_buffer_deinit(&text);
}
END_TEST

/* Pointers and expectations that do not fit end in dots, and in whole characters. */
START_TEST(test_cut) {
    w4_buffer text = W4_BUFFER_INIT(1u << 20);
    for (size_t len = 180; len < 200; len++) {
        begin();
        w4_buffer_clear(&text);
        w4_buffer_append_text(&text, "{\"");
        for (size_t i = 0; i < len; i++)
            w4_buffer_append_byte(&text, 'a');
        w4_buffer_append_text(&text, "\xe2\x82\xac\":0,\"lengthy\":0}");
        ck_assert(!w4_schema_check(&all, read_text(w4_buffer_text(&text)), &faults));
        ck_assert_uint_eq(faults.count, 2);
        const char *pointer = faults.items[1].pointer;
        size_t shown = strlen(pointer);
        ck_assert_uint_lt(shown, W4_FAULT_POINTER_MAX);
        ck_assert(1 + len + 3 <= W4_FAULT_POINTER_MAX - 4
                      ? strcmp(pointer + shown - 3, "\xe2\x82\xac") == 0
                      : strcmp(pointer + shown - 3, "...") == 0);
        ck_assert_str_eq(faults.items[1].expected, "no such member");
        const char *names = faults.items[0].expected;
        ck_assert_uint_eq(strlen(names), W4_FAULT_EXPECTED_MAX - 1);
        ck_assert_str_eq(names + W4_FAULT_EXPECTED_MAX - 4, "...");
    }
    w4_buffer_deinit(&text);
}
END_TEST

/* Members may come with escapes; an open table takes what it does not know. */
START_TEST(test_open_table) {
    const w4_schema open = {.rows = (const w4_schema_row[]){
                                {.name = "a", .kind = W4_SCHEMA_BOOL, .flags = W4_SCHEMA_REQUIRED},
                                {.name = "b", .kind = W4_SCHEMA_ANY, .flags = W4_SCHEMA_REQUIRED},
                                W4_SCHEMA_END}};
    ck_assert(w4_schema_check(&open, read_text("{\"\\u0061\":true,\"b\":null,\"c\":1}"), &faults));
    ck_assert(!w4_schema_check(&open, read_text("{\"a\":true,\"c\":1}"), &faults));
    ck_assert_str_eq(faults.items[0].pointer, "/b");
    ck_assert_str_eq(faults.items[0].expected, "a value, but it is missing");
    const w4_schema nothing = {.rows = (const w4_schema_row[]){W4_SCHEMA_END}, .closed = true};
    ck_assert(w4_schema_check(&nothing, read_text("{}"), NULL));
    ck_assert(!w4_schema_check(&nothing, read_text("{\"a\":1}"), NULL));
}
END_TEST

/* A table may hold itself; the document's nesting ends it. */
static const w4_schema tree;
static const w4_schema_row tree_item = {.kind = W4_SCHEMA_OBJECT, .object = &tree};
static const w4_schema tree = {
    .rows =
        (const w4_schema_row[]){{.name = "children", .kind = W4_SCHEMA_ARRAY, .items = &tree_item},
                                {.name = "leaf", .kind = W4_SCHEMA_BOOL},
                                W4_SCHEMA_END},
    .closed = true,
};

START_TEST(test_recursive_table) {
    static const char text[] = "{\"children\":[{\"leaf\":true},{\"children\":[{},{\"leaf\":1}]}]}";
    ck_assert(!w4_schema_check(&tree, read_text(text), &faults));
    ck_assert_uint_eq(faults.count, 1);
    ck_assert_str_eq(faults.items[0].pointer, "/children/1/children/1/leaf");
    w4_buffer out = W4_BUFFER_INIT(1u << 20);
    w4_json_writer w;
    w4_json_writer_init(&w, &out);
    w4_schema_export(&tree, NULL, &w);
    ck_assert_int_ne(w.error, 0);
    w4_buffer_deinit(&out);
}
END_TEST

START_TEST(test_export) {
    static const char *const expected[][2] = {
        {"/$schema", "\"https://json-schema.org/draft/2020-12/schema\""},
        {"/title", "\"all\""},
        {"/type", "\"object\""},
        {"/additionalProperties", "false"},
        {"/properties/any", "{}"},
        {"/properties/bool",
         "{\"default\":true,\"description\":\"a switch\",\"type\":\"boolean\"}"},
        {"/properties/port", "{\"$comment\":\"a change needs a restart\",\"default\":4747,"
                             "\"maximum\":65535,\"minimum\":1,\"type\":\"integer\"}"},
        {"/properties/integer", "{\"type\":\"integer\"}"},
        {"/properties/even", "{\"minimum\":-4,\"type\":\"integer\"}"},
        {"/properties/number", "{\"maximum\":1.5,\"minimum\":-0.5,\"type\":\"number\"}"},
        {"/properties/below", "{\"maximum\":10,\"type\":\"number\"}"},
        {"/properties/label", "{\"maxLength\":8,\"minLength\":1,\"type\":\"string\"}"},
        {"/properties/long", "{\"minLength\":2,\"type\":\"string\"}"},
        {"/properties/mood", "{\"enum\":[\"focused\",\"diffuse\",\"overloaded\",\"engaged\"]}"},
        {"/properties/maybe", "{\"type\":[\"string\",\"null\"]}"},
        {"/properties/maybe-mood",
         "{\"enum\":[\"focused\",\"diffuse\",\"overloaded\",\"engaged\",null]}"},
        {"/properties/array", "{\"type\":\"array\"}"},
        {"/properties/ports", "{\"items\":{\"maximum\":65535,\"minimum\":1,\"type\":\"integer\"},"
                              "\"maxItems\":3,\"minItems\":1,\"type\":\"array\"}"},
        {"/properties/object", "{\"type\":\"object\"}"},
        {"/properties/range",
         "{\"additionalProperties\":false,\"properties\":{\"high\":{\"type\":\"number\"},"
         "\"low\":{\"type\":\"number\"}},\"required\":[\"low\",\"high\"],\"type\":\"object\"}"},
        {"/properties/map",
         "{\"additionalProperties\":{\"maximum\":65535,\"minimum\":1,\"type\":\"integer\"},"
         "\"maxProperties\":2,\"minProperties\":0,\"type\":\"object\"}"},
        {"/required", ""},
    };
    w4_buffer out = W4_BUFFER_INIT(1u << 20);
    w4_json_writer w;
    w4_json_writer_init(&w, &out);
    w4_schema_export(&all, "all", &w);
    ck_assert_int_eq(w.error, 0);
    ck_assert_uint_eq(w.depth, 0);
    w4_json root = read_text(w4_buffer_text(&out));
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        w4_json v = w4_json_at_pointer(root, w4_bytes_from_text(expected[i][0]));
        w4_bytes text = w4_json_text(v);
        ck_assert_msg(w4_bytes_equal_text(text, expected[i][1]), "%s: %.*s", expected[i][0],
                      (int)text.len, (const char *)text.data);
    }
    ck_assert_uint_eq(w4_json_count(w4_json_get(root, "properties")), 26);
    w4_buffer_deinit(&out);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("json-schema");
    TCase *tc = tcase_create("schema");
    tcase_add_checked_fixture(tc, begin, release);
    tcase_add_test(tc, test_each_row);
    tcase_add_test(tc, test_every_fault_is_listed);
    tcase_add_test(tc, test_many_faults);
    tcase_add_test(tc, test_cut);
    tcase_add_test(tc, test_open_table);
    tcase_add_test(tc, test_recursive_table);
    tcase_add_test(tc, test_export);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
