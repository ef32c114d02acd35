/* Writes the tables that the man pages document as one JSON object on stdout, for check.py. */
#include "node/events.h"
#include "platform/config.h"
#include "platform/config_table.h"
#include "protocol/pipeline/pipeline.h"
#include "rpc/method.h"
#include "rpc/shapes.h"
#include "trust/blame.h"
#include "trust/book.h"
#include "web4ctl/grammar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 8u /* objects in objects; the shapes below are not entered */
#define OUTPUT_MAX (8u * 1024u * 1024u)

typedef struct shape {
    const char *name;
    const w4_schema *schema;
} shape;

static const shape shapes[] = {
    {"agent", &w4_rpc_agent},
    {"event", &w4_rpc_event},
    {"fact", &w4_rpc_fact},
    {"peer", &w4_rpc_peer},
    {"session", &w4_rpc_session},
    {"channel", &w4_rpc_channel},
    {"human", &w4_rpc_human},
    {"claim", &w4_rpc_claim},
    {"source", &w4_rpc_source},
    {"key", &w4_rpc_key},
    {"trust entry", &w4_rpc_trust_entry},
    {"trust move", &w4_rpc_trust_move},
};

typedef struct form {
    const char *name;
    const char *(*check)(w4_json value);
} form;

/* Forms of strings that web4-rpc(7) and web4-protocols(7) explain once. */
static const form forms[] = {
    {"label", w4_check_label},
    {"agent_id", w4_check_agent_id},
    {"uuid", w4_check_uuid},
    {"time", w4_check_timestamp},
    {"fingerprint", w4_check_fingerprint},
    {"fingerprint or *", w4_check_fingerprint_or_all},
    {"32 hex digits", w4_check_digest},
    {"base64 of 32 bytes", w4_check_pubkey},
    {"base64 of 16 bytes", w4_check_nonce},
    {"base64 of 32 bytes", w4_check_challenge},
    {"string or object", w4_check_text_or_object},
    {"object or array", w4_check_params},
    {"\"hosted\" or base64 of 32 bytes", w4_rpc_check_key},
    {"digest", w4_rpc_check_digest},
    {"base64", w4_rpc_check_base64},
    {"printable", w4_rpc_check_printable},
};

static const char *const kinds[W4_SCHEMA_KIND_COUNT] = {
    [W4_SCHEMA_ANY] = "any",       [W4_SCHEMA_BOOL] = "boolean",  [W4_SCHEMA_INTEGER] = "integer",
    [W4_SCHEMA_NUMBER] = "number", [W4_SCHEMA_STRING] = "string", [W4_SCHEMA_ENUM] = "enum",
    [W4_SCHEMA_ARRAY] = "array",   [W4_SCHEMA_OBJECT] = "object", [W4_SCHEMA_MAP] = "map",
};

static const char *shape_of(const w4_schema *schema) {
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (shapes[i].schema == schema) {
            return shapes[i].name;
        }
    }
    return NULL;
}

static const char *form_of(const w4_schema_row *row) {
    for (size_t i = 0; row->check != NULL && i < sizeof forms / sizeof *forms; i++) {
        if (forms[i].check == row->check) {
            return forms[i].name;
        }
    }
    return NULL;
}

static void write_text(w4_json_writer *w, const char *name, const char *text) {
    if (text != NULL) {
        w4_json_member_string(w, name, text);
    }
}

static void write_names(w4_json_writer *w, const char *name, const char *const *names) {
    w4_json_name(w, name);
    w4_json_begin_array(w);
    for (; names != NULL && *names != NULL; names++) {
        w4_json_string_text(w, *names);
    }
    w4_json_end_array(w);
}

static void write_rows(w4_json_writer *w, const w4_schema *schema, unsigned depth);

static void write_row(w4_json_writer *w, const w4_schema_row *row, unsigned depth) {
    w4_json_begin_object(w);
    write_text(w, "name", row->name);
    w4_json_member_string(w, "kind", kinds[row->kind]);
    w4_json_member_bool(w, "required", (row->flags & W4_SCHEMA_REQUIRED) != 0);
    w4_json_member_bool(w, "nullable", (row->flags & W4_SCHEMA_NULLABLE) != 0);
    w4_json_member_bool(w, "restart", (row->flags & W4_SCHEMA_RESTART) != 0);
    w4_json_name(w, "min");
    w4_json_number_value(w, row->min);
    w4_json_name(w, "max");
    w4_json_number_value(w, row->max);
    if (row->names != NULL) {
        write_names(w, "names", row->names);
    }
    write_text(w, "form", form_of(row));
    write_text(w, "default", row->fallback);
    write_text(w, "help", row->help);
    if (row->items != NULL) {
        w4_json_name(w, "items");
        write_row(w, row->items, depth);
    }
    if (row->object != NULL && shape_of(row->object) != NULL) {
        w4_json_member_string(w, "shape", shape_of(row->object));
    } else if (row->object != NULL) {
        w4_json_name(w, "members");
        write_rows(w, row->object, depth + 1);
    }
    w4_json_end_object(w);
}

static void write_rows(w4_json_writer *w, const w4_schema *schema, unsigned depth) {
    if (depth > DEPTH_MAX) {
        fprintf(stderr, "dump: a table holds itself; name it in shapes\n");
        exit(EXIT_FAILURE);
    }
    w4_json_begin_array(w);
    for (const w4_schema_row *row = schema->rows; row->name != NULL; row++) {
        write_row(w, row, depth);
    }
    w4_json_end_array(w);
}

static void write_methods(w4_json_writer *w) {
    w4_json_name(w, "methods");
    w4_json_begin_array(w);
    for (int i = 0; i < W4_METHOD_COUNT; i++) {
        const w4_method_row *row = w4_method_row_of((w4_method)i);
        w4_json_begin_object(w);
        w4_json_member_string(w, "name", row->name);
        w4_json_member_string(w, "socket",
                              row->surface == W4_SURFACE_CONTROL ? "control" : "agent");
        w4_json_member_bool(w, "changes", row->changes);
        w4_json_member_string(w, "help", row->help);
        w4_json_name(w, "params");
        write_rows(w, row->params, 0);
        w4_json_name(w, "result");
        write_rows(w, row->result, 0);
        w4_json_end_object(w);
    }
    w4_json_end_array(w);
    w4_json_name(w, "notifications");
    w4_json_begin_array(w);
    for (int i = 0; i < W4_NOTIFICATION_COUNT; i++) {
        const w4_notification_row *row = w4_notification_row_of((w4_notification)i);
        const char *known = shape_of(row->params);
        w4_json_begin_object(w);
        w4_json_member_string(w, "name", row->name);
        w4_json_member_string(w, "help", row->help);
        write_text(w, "shape", known);
        if (known == NULL) {
            w4_json_name(w, "params");
            write_rows(w, row->params, 0);
        }
        w4_json_end_object(w);
    }
    w4_json_end_array(w);
    w4_json_name(w, "shapes");
    w4_json_begin_object(w);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        w4_json_name(w, shapes[i].name);
        write_rows(w, shapes[i].schema, 0);
    }
    w4_json_end_object(w);
}

static void write_names_and_help(w4_json_writer *w) {
    w4_json_name(w, "events");
    w4_json_begin_array(w);
    for (int i = 0; i < W4_EVENT_COUNT; i++) {
        w4_json_begin_object(w);
        w4_json_member_string(w, "name", w4_event_name((w4_event)i));
        w4_json_member_string(w, "members", w4_event_members((w4_event)i));
        w4_json_member_string(w, "help", w4_event_help((w4_event)i));
        w4_json_end_object(w);
    }
    w4_json_end_array(w);
    w4_json_name(w, "refusals");
    w4_json_begin_array(w);
    for (int i = W4_REFUSAL_NONE + 1; i < W4_REFUSAL_COUNT; i++) {
        w4_json_begin_object(w);
        w4_json_member_string(w, "name", w4_refusal_name((w4_refusal)i));
        w4_json_member_string(w, "help", w4_refusal_help((w4_refusal)i));
        w4_json_end_object(w);
    }
    w4_json_end_array(w);
    size_t count = 0;
    const w4_stage *stages = w4_pipeline_stages(&count);
    w4_json_name(w, "stages");
    w4_json_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        w4_json_begin_object(w);
        w4_json_member_string(w, "name", stages[i].gate.name);
        w4_json_member_string(w, "codes", stages[i].gate.codes);
        w4_json_end_object(w);
    }
    w4_json_end_array(w);
}

static void write_types(w4_json_writer *w) {
    w4_json_name(w, "families");
    w4_json_begin_object(w);
    for (int i = 0; i < W4_FAMILY_COUNT; i++) {
        w4_json_name(w, w4_family_name((w4_family)i));
        write_rows(w, w4_envelope_schema((w4_family)i), 0);
    }
    w4_json_end_object(w);
    w4_json_name(w, "types");
    w4_json_begin_array(w);
    for (int i = 0; i < W4_TYPE_COUNT; i++) {
        const w4_type_row *row = w4_type_row_of((w4_type)i);
        w4_json_begin_object(w);
        w4_json_member_string(w, "name", row->name);
        w4_json_member_string(w, "family", w4_family_name(row->family));
        w4_json_member_string(w, "channel", w4_channel_kind_name(row->channel));
        w4_json_member_string(w, "help", row->help);
        w4_json_name(w, "payload");
        write_rows(w, row->payload, 0);
        w4_json_end_object(w);
    }
    w4_json_end_array(w);
}

static void write_trust(w4_json_writer *w) {
    w4_json_name(w, "trust");
    w4_json_begin_object(w);
    for (int k = 0; k < W4_TRUST_KIND_COUNT; k++) {
        w4_trust_kind kind = (w4_trust_kind)k;
        size_t count = 0;
        const w4_trust_row *rows = w4_trust_rows(kind, &count);
        w4_json_name(w, w4_trust_kind_name(kind));
        w4_json_begin_array(w);
        for (size_t i = 0; i < count; i++) {
            w4_json_begin_object(w);
            w4_json_member_string(
                w, "from",
                rows[i].from == W4_TRUST_ANY ? "any" : w4_trust_state_name(kind, rows[i].from));
            w4_json_member_string(w, "event", w4_trust_event_name(rows[i].event));
            w4_json_member_string(w, "to", w4_trust_state_name(kind, rows[i].to));
            w4_json_member_unsigned(w, "cooldown_s", rows[i].cooldown_s);
            w4_json_member_string(w, "reason", rows[i].reason);
            w4_json_end_object(w);
        }
        w4_json_end_array(w);
    }
    w4_json_end_object(w);
}

/* An array of objects, each with a name. */
static void begin_rows(w4_json_writer *w, const char *name) {
    w4_json_name(w, name);
    w4_json_begin_array(w);
}

static void begin_row(w4_json_writer *w, const char *name) {
    w4_json_begin_object(w);
    w4_json_member_string(w, "name", name);
}

static void write_trust_words(w4_json_writer *w) {
    begin_rows(w, "trust_states");
    for (int i = 0; i < W4_TRUST_STATE_COUNT; i++) {
        begin_row(w, w4_trust_state_name(W4_TRUST_AGENT, (w4_trust_state)i));
        for (int k = 0; k < W4_TRUST_KIND_COUNT; k++) {
            w4_trust_kind kind = (w4_trust_kind)k;
            w4_json_member_string(w, w4_trust_kind_name(kind),
                                  w4_trust_state_name(kind, (w4_trust_state)i));
        }
        w4_json_end_object(w);
    }
    w4_json_end_array(w);
    begin_rows(w, "trust_causes");
    for (int i = 0; i < W4_TRUST_CAUSE_COUNT; i++) {
        begin_row(w, w4_trust_cause_name((w4_trust_cause)i));
        w4_json_end_object(w);
    }
    w4_json_end_array(w);
    begin_rows(w, "trust_ranks");
    for (int i = 0; i < W4_TRUST_RANK_COUNT; i++) {
        size_t places = w4_trust_rank_places((w4_trust_rank)i);
        begin_row(w, w4_trust_rank_name((w4_trust_rank)i));
        w4_json_member_unsigned(w, "places", places == W4_TRUST_SUBJECTS_MAX ? 0 : places);
        w4_json_end_object(w);
    }
    w4_json_end_array(w);
    begin_rows(w, "trust_offences");
    for (int i = 0; i < W4_TRUST_OFFENCE_COUNT; i++) {
        static const w4_fingerprint somebody = {{1}};
        w4_trust_offence offence = (w4_trust_offence)i;
        w4_trust_blame blame;
        begin_row(w, w4_trust_offence_name(offence));
        w4_json_member_bool(w, "signer",
                            w4_trust_blame_find(offence, W4_TRUST_AGENT, &somebody, NULL, &blame));
        w4_json_member_bool(w, "carrier",
                            w4_trust_blame_find(offence, W4_TRUST_AGENT, NULL, &somebody, &blame));
        w4_json_end_object(w);
    }
    w4_json_end_array(w);
    w4_json_name(w, "trust_bounds");
    w4_json_begin_object(w);
    w4_json_member_unsigned(w, "moves are kept", W4_TRUST_ROWS_MAX);
    w4_json_member_unsigned(w, "of those who are strangers", W4_TRUST_STRANGER_ROWS_MAX);
    w4_json_member_unsigned(w, "places: for one more", W4_TRUST_BORNE_MAX);
    w4_json_member_unsigned(w, "subjects in all", W4_TRUST_SUBJECTS_MAX);
    w4_json_member_unsigned(w, "moves are kept in memory", W4_TRUST_OWED_MAX);
    w4_json_end_object(w);
}

static void write_option(w4_json_writer *w, ctl_option option) {
    const ctl_option_row *row = ctl_option_row_of(option);
    char letter[2] = {row->letter, 0};
    w4_json_begin_object(w);
    w4_json_member_string(w, "name", row->name);
    w4_json_member_string(w, "letter", letter);
    write_text(w, "value", row->value);
    w4_json_member_string(w, "help", row->help);
    w4_json_end_object(w);
}

static void write_options(w4_json_writer *w, const char *name, const ctl_option *options) {
    w4_json_name(w, name);
    w4_json_begin_array(w);
    for (; options != NULL && *options != CTL_OPTION_COUNT; options++) {
        write_option(w, *options);
    }
    w4_json_end_array(w);
}

static void write_commands(w4_json_writer *w) {
    write_options(w, "options", ctl_global_options);
    w4_json_name(w, "commands");
    w4_json_begin_array(w);
    for (const ctl_command *c = ctl_commands; c->words != NULL; c++) {
        w4_json_begin_object(w);
        w4_json_member_string(w, "name", c->words);
        w4_json_member_bool(w, "shorthand", c->shorthand);
        w4_json_member_string(w, "help", c->help);
        write_text(w, "method",
                   c->method == W4_METHOD_COUNT ? NULL : w4_method_row_of(c->method)->name);
        w4_json_name(w, "arguments");
        w4_json_begin_array(w);
        for (const ctl_argument_row *a = c->arguments; a != NULL && a->name != NULL; a++) {
            w4_json_begin_object(w);
            w4_json_member_string(w, "name", a->name);
            w4_json_member_bool(w, "optional", a->optional);
            w4_json_member_bool(w, "repeats", a->repeats);
            w4_json_member_string(w, "help", a->help);
            w4_json_end_object(w);
        }
        w4_json_end_array(w);
        write_options(w, "options", c->options);
        w4_json_end_object(w);
    }
    w4_json_end_array(w);
}

int main(void) {
    w4_buffer text = W4_BUFFER_INIT(OUTPUT_MAX);
    w4_json_writer w;
    w4_json_writer_init(&w, &text);
    w4_json_begin_object(&w);
    write_methods(&w);
    write_names_and_help(&w);
    write_types(&w);
    write_trust(&w);
    write_trust_words(&w);
    write_commands(&w);
    w4_json_name(&w, "config");
    write_rows(&w, &w4_config_table, 0);
    w4_json_end_object(&w);
    int status = EXIT_FAILURE;
    if (w.error == 0 && fwrite(text.data, 1, text.len, stdout) == text.len &&
        putchar('\n') != EOF) {
        status = EXIT_SUCCESS;
    }
    w4_buffer_deinit(&text);
    return status;
}
