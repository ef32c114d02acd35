/* Tables at each width: nothing is wider than the terminal while there is something to give up. */
#include "runner.h"
#include "web4ctl/view.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

static const ctl_column columns[] = {
    {"NAME", "/name", CTL_CUT, 0},    {"KIND", "/kind", CTL_TEXT, 0},
    {"FIRST", "/first", CTL_TEXT, 2}, {"SECOND", "/second", CTL_TEXT, 1},
    {"THIRD", "/third", CTL_LIST, 1}, {NULL, NULL, CTL_TEXT, 0},
};
static const ctl_view view = {CTL_LAYOUT_TABLE, NULL, "", columns, "none", NULL};

static const char rows_json[] =
    "[{\"first\":\"1111111111\",\"kind\":\"agent\",\"name\":\"a long name of an agent that goes "
    "on\","
    "\"second\":\"2222222222\",\"third\":[\"aaaaaaaa\",\"bbbbbbbb\",\"cccccccc\"]},"
    "{\"first\":\"1\",\"kind\":\"node\",\"name\":\"n\\u00f6rdlich\",\"second\":\"2\",\"third\":[]}"
    "]";

static char text[4096];
static const ctl_view *shown_as = &view;

/* As a terminal of that width shows it. */
static void show(const char *json, size_t width) {
    char *shown = NULL;
    size_t size = 0;
    w4_json_document doc = {0};
    FILE *file = open_memstream(&shown, &size);
    const ctl_output output = {.file = file, .colour = false, .width = width};
    ck_assert_int_eq(w4_json_read(&doc, w4_bytes_from_text(json), &W4_JSON_LIMITS_LINE, NULL), 0);
    ck_assert_int_eq(ctl_show_table(&output, shown_as, w4_json_root(&doc)), 0);
    ck_assert_int_eq(fclose(file), 0);
    snprintf(text, sizeof text, "%s", shown);
    free(shown);
    w4_json_document_deinit(&doc);
}

static size_t widest(void) {
    size_t widest = 0;
    char copy[sizeof text];
    memcpy(copy, text, sizeof copy);
    for (char *line = strtok(copy, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        size_t width = ctl_width(line);
        widest = width > widest ? width : widest;
    }
    return widest;
}

START_TEST(shows_all_where_there_is_room) {
    static const char whole[] =
        "NAME                                 KIND   FIRST       SECOND      THIRD\n"
        "a long name of an agent that goes on  agent  1111111111  2222222222  "
        "aaaaaaaa, bbbbbbbb, cccccccc\n";
    show(rows_json, 0);
    ck_assert_ptr_nonnull(strstr(text, strchr(whole, '\n') + 1));
    ck_assert_ptr_null(strstr(text, "not shown"));
    char as_pipe[sizeof text];
    memcpy(as_pipe, text, sizeof text);
    show(rows_json, 200);
    ck_assert_str_eq(text, as_pipe);
    ck_assert_uint_eq(widest(), 97);
    show(rows_json, 97);
    ck_assert_str_eq(text, as_pipe);
}
END_TEST

START_TEST(cuts_then_leaves_out_then_cuts_more) {
    show(rows_json, 96); /* texts are cut first, the longest one first */
    ck_assert_ptr_nonnull(strstr(text, "a long name of an agent that goe..."));
    ck_assert_ptr_nonnull(strstr(text, "cccccccc"));
    show(rows_json, 81); /* what may be cut is cut to 24 before a column goes */
    ck_assert_ptr_nonnull(strstr(text, "a long name of an age..."));
    ck_assert_ptr_null(strstr(text, "not shown"));
    show(rows_json, 80); /* then the highest rank goes */
    ck_assert_ptr_null(strstr(text, "1111111111"));
    ck_assert_ptr_nonnull(strstr(text, "2222222222"));
    ck_assert_ptr_nonnull(strstr(text, "(not shown: FIRST)\n"));
    show(rows_json, 28); /* what does not fit into the list of them is told as dots */
    ck_assert_ptr_nonnull(strstr(text, "(not shown: FIRST, ...)\n"));
    show(rows_json, 45); /* of equal ranks the one to the right goes first */
    ck_assert_ptr_nonnull(strstr(text, "2222222222"));
    ck_assert_ptr_nonnull(strstr(text, "(not shown: FIRST, THIRD)\n"));
    show(rows_json, 15); /* and what never goes is cut to the bone */
    ck_assert_ptr_nonnull(strstr(text, "a lon..."));
    ck_assert_ptr_nonnull(strstr(text, "agent"));
}
END_TEST

START_TEST(is_never_wider_than_it_must_be) {
    for (size_t width = 15; width < 100; width++) { /* 8 of the name, 2, 5 of the kind */
        show(rows_json, width);
        ck_assert_msg(widest() <= width, "%zu of %zu: %s", widest(), width, text);
    }
    for (size_t width = 1; width < 15; width++) {
        show(rows_json, width);
        ck_assert_uint_eq(widest(), 15);
    }
}
END_TEST

START_TEST(cuts_between_characters) {
    show("[{\"name\":\"\\u00e4\\u00f6\\u00fc\\u00e4\\u00f6\\u00fc\\u00e4\\u00f6\\u00fc\\u00e4\","
         "\"kind\":\"k\"}]",
         14);
    ck_assert_msg(strstr(text, "\xC3\xA4\xC3\xB6\xC3\xBC\xC3\xA4\xC3\xB6...") != NULL, "%s", text);
}
END_TEST

/* Through a pipe a text stands whole, and columns are no wider for it. */
START_TEST(cuts_nothing_elsewhere) {
#define NINE "123456789"
#define LONG NINE NINE NINE NINE NINE NINE NINE NINE NINE
    show("[{\"name\":\"" LONG "\",\"kind\":\"k\"},{\"name\":\"n\",\"kind\":\"l\"}]", 0);
    ck_assert_ptr_nonnull(strstr(text, "\n" LONG "  k"));
    const char *second = strstr(text, "\nn  ");
    ck_assert_ptr_nonnull(second);
    ck_assert_uint_eq((size_t)(strchr(second, 'l') - second), 1 + 56 + 2);
    show("[{\"name\":\"" LONG "\",\"kind\":\"k\"}]", 200); /* of a terminal, however wide */
    ck_assert_ptr_nonnull(strstr(text, "12345678...  k"));
}
END_TEST

/* A column that few answers have is there for those alone. */
START_TEST(is_silent_of_what_no_line_has) {
    static const ctl_column some[] = {
        {"A", "/a", CTL_TEXT, 0}, {"B", "/b", CTL_TEXT, CTL_IF_ANY}, {NULL, NULL, CTL_TEXT, 0}};
    static const ctl_view with = {CTL_LAYOUT_TABLE, NULL, "", some, "none", NULL};
    shown_as = &with;
    show("[{\"a\":1},{\"a\":2}]", 80);
    ck_assert_str_eq(text, "A\n1\n2\n");
    show("[{\"a\":1},{\"a\":2,\"b\":3}]", 80);
    ck_assert_str_eq(text, "A  B\n1  -\n2  3\n");
    shown_as = &view;
}
END_TEST

START_TEST(says_that_there_is_nothing) {
    show("[]", 80);
    ck_assert_str_eq(text, "none\n");
}
END_TEST

int main(void) {
    setlocale(LC_CTYPE, "C.UTF-8"); /* as web4ctl does */
    Suite *suite = suite_create("web4ctl/table");
    TCase *tc = tcase_create("table");
    tcase_add_test(tc, shows_all_where_there_is_room);
    tcase_add_test(tc, cuts_then_leaves_out_then_cuts_more);
    tcase_add_test(tc, is_never_wider_than_it_must_be);
    tcase_add_test(tc, cuts_between_characters);
    tcase_add_test(tc, cuts_nothing_elsewhere);
    tcase_add_test(tc, is_silent_of_what_no_line_has);
    tcase_add_test(tc, says_that_there_is_nothing);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}
