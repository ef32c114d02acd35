/* Commands against the methods they call, and the words of the tables against those who own them.
 */
#include "envelope/type.h"
#include "platform/config.h"
#include "runner.h"
#include "trust/machine.h"
#include "web4ctl/ctl.h"
#include "web4ctl/help_type.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FP "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static const w4_schema_row *row_of(const w4_schema *schema, const char *name) {
    for (const w4_schema_row *row = schema->rows; row->name != NULL; row++) {
        if (strcmp(row->name, name) == 0) {
            return row;
        }
    }
    return NULL;
}

static bool has_word(const char *const *words, const char *word) {
    for (; words != NULL && *words != NULL; words++) {
        if (strcmp(*words, word) == 0) {
            return true;
        }
    }
    return false;
}

/* Each control method has a command. */
START_TEST(methods_have_commands) {
    for (int m = 0; m < W4_METHOD_COUNT; m++) {
        const w4_method_row *row = w4_method_row_of((w4_method)m);
        bool found = false;
        for (const ctl_command *c = ctl_commands; c->words != NULL; c++) {
            found = found || c->method == row->method;
        }
        ck_assert_msg(found || row->surface == W4_SURFACE_AGENT, "%s has no command", row->name);
    }
}
END_TEST

/* What a command hands over is a member of the params, of that form; what it completes is good. */
static void check_param(const ctl_command *c, const w4_schema *params, const char *param,
                        ctl_form form, const char *const *words) {
    const w4_schema_row *row = row_of(params, param);
    ck_assert_msg(row != NULL, "%s: no member %s", c->words, param);
    bool fits = false;
    switch (form) {
    case CTL_FORM_TEXT:
        fits = row->kind == W4_SCHEMA_STRING || row->kind == W4_SCHEMA_ENUM;
        break;
    case CTL_FORM_INTEGER:
        fits = row->kind == W4_SCHEMA_INTEGER;
        break;
    case CTL_FORM_FLAG:
        fits = row->kind == W4_SCHEMA_BOOL;
        break;
    case CTL_FORM_LIST:
        fits = row->kind == W4_SCHEMA_ARRAY;
        break;
    case CTL_FORM_JSON:
        fits = row->kind == W4_SCHEMA_OBJECT;
        break;
    case CTL_FORM_COUNT:
        break;
    }
    ck_assert_msg(fits, "%s: %s has another form", c->words, param);
    for (size_t i = 0; row->kind == W4_SCHEMA_ENUM && row->names[i] != NULL; i++) {
        ck_assert_msg(has_word(words, row->names[i]), "%s: %s %s is not completed", c->words, param,
                      row->names[i]);
    }
}

START_TEST(commands_fit_methods) {
    for (const ctl_command *c = ctl_commands; c->words != NULL; c++) {
        bool sends = c->run == ctl_run_send;
        w4_method method = sends ? W4_METHOD_AGENT_SEND : c->method;
        ck_assert_msg(c->run != NULL && c->help != NULL, "%s", c->words);
        ck_assert_msg(c->run != ctl_run_method || c->view != NULL, "%s shows nothing", c->words);
        /* its params are what it reads */
        bool reads = c->run == ctl_run_memory_import || c->run == ctl_run_keys_take;
        if (method == W4_METHOD_COUNT || reads) {
            continue;
        }
        const w4_schema *params = w4_method_row_of(method)->params;
        unsigned given = 0;
        for (const ctl_argument_row *a = c->arguments; a != NULL && a->name != NULL; a++) {
            if (a->param != NULL) {
                check_param(c, params, a->param, a->form, a->words);
                given++;
            }
        }
        for (const ctl_option *o = c->options; o != NULL && *o != CTL_OPTION_COUNT; o++) {
            const ctl_option_row *row = ctl_option_row_of(*o);
            if (row->param != NULL) {
                check_param(c, params, row->param, row->form, row->words);
                given++;
            }
        }
        unsigned rows = 0;
        for (const w4_schema_row *row = params->rows; row->name != NULL; row++) {
            rows++;
        }
        ck_assert_msg(given == rows, "%s: %u of %u members can be given", c->words, given, rows);
    }
}
END_TEST

/* Each column is a member of the result; of an array also one element of it. */
static const w4_schema_row *at_pointer(const w4_schema *schema, const char *pointer) {
    const w4_schema_row *row = NULL;
    while (*pointer == '/') {
        char name[64];
        size_t len = strcspn(pointer + 1, "/");
        snprintf(name, sizeof name, "%.*s", (int)len, pointer + 1);
        pointer += len + 1;
        if (row != NULL && row->kind == W4_SCHEMA_ARRAY && strspn(name, "0123456789") == len) {
            continue;
        }
        row = schema == NULL ? NULL : row_of(schema, name);
        if (row == NULL) {
            return NULL;
        }
        schema = row->kind == W4_SCHEMA_ARRAY ? row->items->object : row->object;
    }
    return row;
}

START_TEST(views_fit_results) {
    for (const ctl_command *c = ctl_commands; c->words != NULL; c++) {
        if (c->run != ctl_run_method) {
            continue;
        }
        const w4_schema *result = w4_method_row_of(c->method)->result;
        for (const ctl_view *v = c->view; v != NULL; v = v->next) {
            ck_assert_msg(v->pointer[0] == 0 || at_pointer(result, v->pointer) != NULL, "%s: %s",
                          c->words, v->pointer);
            for (const ctl_column *k = v->columns; k != NULL && k->title != NULL; k++) {
                char pointer[128];
                snprintf(pointer, sizeof pointer, "%s%s", v->pointer, k->pointer);
                ck_assert_msg(at_pointer(result, pointer) != NULL, "%s: %s", c->words, pointer);
            }
        }
    }
}
END_TEST

/* ---- words that lib/rpc spells although others own them (it is of their rank) */

START_TEST(words_are_the_owners) {
    const w4_schema *set = w4_method_row_of(W4_METHOD_TRUST_SET)->params;
    const char *const *states = row_of(set, "state")->names;
    const char *const *kinds = row_of(set, "kind")->names;
    unsigned state_count = 0;
    for (int k = 0; k < W4_TRUST_KIND_COUNT; k++) {
        ck_assert(has_word(kinds, w4_trust_kind_name((w4_trust_kind)k)));
        for (int s = 0; s < W4_TRUST_STATE_COUNT; s++) {
            const char *name = w4_trust_state_name((w4_trust_kind)k, (w4_trust_state)s);
            ck_assert_msg(has_word(states, name), "%s", name);
        }
    }
    for (; states[state_count] != NULL; state_count++) {
        bool known = false;
        for (int k = 0; k < W4_TRUST_KIND_COUNT; k++) {
            w4_trust_state state;
            known = known || w4_trust_state_from_name(
                                 (w4_trust_kind)k, w4_bytes_from_text(states[state_count]), &state);
        }
        ck_assert_msg(known, "%s", states[state_count]);
    }
    const char *const *families =
        row_of(w4_method_row_of(W4_METHOD_AGENT_SEND)->params, "protocol")->names;
    const char *const *channels =
        row_of(w4_method_row_of(W4_METHOD_AGENT_SEND)->params, "channel")->names;
    for (int f = 0; f < W4_FAMILY_COUNT; f++) {
        ck_assert(has_word(families, w4_family_name((w4_family)f)));
    }
    for (int k = 0; k < W4_CHANNEL_KIND_COUNT; k++) {
        ck_assert(has_word(channels, w4_channel_kind_name((w4_channel_kind)k)));
    }
    const char *const *severities =
        row_of(w4_notification_row_of(W4_NOTIFY_NODE_EVENT)->params, "severity")->names;
    const w4_schema_row *levels = at_pointer(w4_config_schema(), "/log/level");
    for (int l = 0; l < W4_LOG_LEVEL_COUNT; l++) {
        ck_assert(has_word(severities, w4_log_level_name((w4_log_level)l)));
        ck_assert(has_word(levels->names, w4_log_level_name((w4_log_level)l)));
    }
}
END_TEST

/* Every type but greetings, receipts and the comparing of facts, which are the node's own affair,
 * is offered to the one who sends.
 */
START_TEST(types_are_offered) {
    for (const ctl_command *c = ctl_commands; c->words != NULL; c++) {
        if (c->run != ctl_run_send) {
            continue;
        }
        for (int t = 0; t < W4_TYPE_COUNT; t++) {
            const w4_type_row *row = w4_type_row_of((w4_type)t);
            bool is_greeting = t == W4_TYPE_CIP_HELLO || t == W4_TYPE_MESH_HELLO ||
                               t == W4_TYPE_MESH_RECEIPT || t == W4_TYPE_MESH_FACTS ||
                               t == W4_TYPE_MESH_VOTES || t == W4_TYPE_MESH_HUMANS ||
                               t == W4_TYPE_MESH_KEYS;
            ck_assert_msg(is_greeting || has_word(c->arguments[0].words, row->name), "%s",
                          row->name);
        }
    }
}
END_TEST

/* ---- cells */

static void check_cell(ctl_format format, const char *json, const char *expected) {
    w4_json_document doc = {0};
    w4_buffer out = W4_BUFFER_INIT(1u << 20);
    ck_assert_int_eq(w4_json_read(&doc, w4_bytes_from_text(json), &W4_JSON_LIMITS_LINE, NULL), 0);
    ck_assert_int_eq(ctl_format_value(&out, format, w4_json_root(&doc)), 0);
    ck_assert_str_eq(w4_buffer_text(&out), expected);
    w4_buffer_deinit(&out);
    w4_json_document_deinit(&doc);
}

START_TEST(cells_are_harmless) {
    check_cell(CTL_TEXT, "\"a\\u001b[31m\\n\\u202e\\\\\"", "a\\x1b[31m\\n\\u{202e}\\\\");
    check_cell(CTL_TEXT, "{\"a\":\"\\u009b\"}", "{\"a\":\"\\u{009b}\"}");
    check_cell(CTL_SHORT, "\"00112233445566778899\"", "001122334455");
    check_cell(CTL_SHORT, "\"0011\"", "0011");
    check_cell(CTL_STATE, "\"trusted\\u0007\"", "trusted\\x07");
    check_cell(CTL_CUT, "\"a\\u001b\"", "a\\x1b");
    check_cell(CTL_TIME, "\"2026-11-22T10:11:12.345Z\"", "2026-11-22 10:11:12");
    check_cell(CTL_TIME, "\"\\u001b]0;x\"", "\\x1b]0;x");
    check_cell(CTL_SECONDS, "59", "59 s");
    check_cell(CTL_SECONDS, "61", "1 min 1 s");
    check_cell(CTL_SECONDS, "3661", "1 h 1 min");
    check_cell(CTL_SECONDS, "90061", "1 d 1 h");
    check_cell(CTL_SECONDS, "\"\\n\"", "\\n");
    check_cell(CTL_MICROS, "999", "999 us");
    check_cell(CTL_MICROS, "1500", "1.5 ms");
    check_cell(CTL_BYTES, "1023", "1023 B");
    check_cell(CTL_BYTES, "1536", "1.5 KiB");
    check_cell(CTL_YES, "true", "yes");
    check_cell(CTL_YES, "false", "no");
    check_cell(CTL_LIST, "[\"a\",1,\"\\u0000\"]", "a, 1, \\x00");
    check_cell(CTL_NUMBER, "[1,2,3]", "3");
    check_cell(CTL_NUMBER, "[{\"counted\":true},{\"counted\":false},{\"a\":1}]", "2");
    check_cell(CTL_NUMBER, "[]", "0");
    check_cell(CTL_DECIMAL, "0.012345678", "0.0123457");
    check_cell(CTL_DECIMAL, "100", "100");
    check_cell(CTL_DECIMAL, "\"x\"", "x");
    check_cell(CTL_PERCENT, "1", "100.0 %");
    check_cell(CTL_PERCENT, "0.99999", "99.9 %");
    check_cell(CTL_PERCENT, "0.5", "50.0 %");
    check_cell(CTL_PERCENT, "0.00001", "0.1 %");
    check_cell(CTL_PERCENT, "0", "0.0 %");
    check_cell(CTL_PERCENT, "null", "");
    check_cell(CTL_PAIRS, "{\"a\\u001b\":1,\"b\":\"\\n\"}", "a\\x1b 1, b \\n");
    check_cell(CTL_PAIRS, "{\"a\":\"\",\"b\":\"" FP "\"}", "b 001122334455");
    check_cell(CTL_TEXT, "null", "");
}
END_TEST

/* The same value, and nothing that a terminal acts on. */
START_TEST(json_is_harmless) {
    static const struct {
        const char *json, *expected;
    } rows[] = {
        {"{\"a\":\"\\u001b\\\"\"}", "{\"a\":\"\\u001b\\\"\"}"},
        {"\"\x7f\xc2\x9b\xe2\x80\xae\xe4\xb8\xad\"", "\"\\u007f\\u009b\\u202e\xe4\xb8\xad\""},
        {"\"\xf3\xa0\x80\x81\xf0\x9f\x98\x80\"", "\"\\udb40\\udc01\xf0\x9f\x98\x80\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        w4_buffer out = W4_BUFFER_INIT(1024);
        ck_assert_int_eq(ctl_format_json(&out, w4_bytes_from_text(rows[i].json)), 0);
        ck_assert_str_eq(w4_buffer_text(&out), rows[i].expected);
        w4_buffer_deinit(&out);
    }
}
END_TEST

#define HELP_MAX 65536u

/* Does the help tell of each member, and what it is for? */
static void check_members(const char *help, const w4_schema *schema, const char *prefix) {
    for (const w4_schema_row *row = schema->rows; row->name != NULL; row++) {
        char path[256], line[512];
        snprintf(path, sizeof path, "%s%s", prefix, row->name);
        snprintf(line, sizeof line, "\n  %s (", path);
        const char *at = strstr(help, line);
        ck_assert_msg(at != NULL, "no help on %s", path);
        snprintf(line, sizeof line, "%s)\n      %s\n",
                 (row->flags & W4_SCHEMA_REQUIRED) != 0 ? ", required" : ", optional", row->help);
        ck_assert_msg(row->help != NULL && strstr(at, line) != NULL, "%s: %.200s", path, at);
        const w4_schema_row *inner = row->kind == W4_SCHEMA_ARRAY ? row->items : row;
        if (inner->object != NULL) {
            snprintf(line, sizeof line, "%s%s.", path, inner != row ? "[]" : "");
            check_members(help, inner->object, line);
        }
    }
}

/* Each type has help on all its members, and an example that a node would take. */
START_TEST(types_have_help) {
    for (int t = 0; t < W4_TYPE_COUNT; t++) {
        const w4_type_row *type = w4_type_row_of((w4_type)t);
        ck_assert_ptr_eq(ctl_type_find(type->name), type);
        char *help = calloc(1, HELP_MAX);
        FILE *out = fmemopen(help, HELP_MAX, "w");
        char words[4][64] = {"web4ctl", "send", "", "--help"}, error[256];
        snprintf(words[2], sizeof words[2], "%s", type->name);
        char *argv[] = {words[0], words[1], words[2], words[3]};
        ctl_line line;
        ck_assert_int_eq(ctl_line_parse(4, argv, &line, error, sizeof error), CTL_DONE);
        ck_assert(ctl_write_help(&line, out));
        fclose(out);
        ck_assert_msg(strncmp(help, type->name, strlen(type->name)) == 0, "%s: %s", type->name,
                      help);
        check_members(help, type->payload, "");
        bool sent = type->family != W4_FAMILY_MESH;
        ck_assert_msg((strstr(help, "web4ctl send --as") != NULL) == sent, "%s", type->name);
        free(help);
        w4_buffer text = W4_BUFFER_INIT(HELP_MAX);
        w4_json_writer w;
        w4_json_document doc = {0};
        w4_faults faults = {.limit = 1};
        w4_json_writer_init(&w, &text);
        ctl_write_example(type->payload, &w);
        ck_assert_int_eq(w.error, 0);
        ck_assert_int_eq(w4_json_read(&doc, w4_buffer_bytes(&text), &W4_JSON_LIMITS_LINE, NULL), 0);
        ck_assert_msg(!sent || w4_schema_check(type->payload, w4_json_root(&doc), &faults),
                      "%s: %s %s", type->name, faults.items[0].pointer, faults.items[0].expected);
        w4_json_document_deinit(&doc);
        w4_buffer_deinit(&text);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("web4ctl/tables");
    TCase *tcase = tcase_create("tables");
    tcase_add_test(tcase, methods_have_commands);
    tcase_add_test(tcase, commands_fit_methods);
    tcase_add_test(tcase, views_fit_results);
    tcase_add_test(tcase, words_are_the_owners);
    tcase_add_test(tcase, types_are_offered);
    tcase_add_test(tcase, types_have_help);
    tcase_add_test(tcase, cells_are_harmless);
    tcase_add_test(tcase, json_is_harmless);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}
