/* Help on one type of message, and an example of it, out of the same rows that it is checked by. */
#include "web4ctl/help_type.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "envelope/schema.h"

#define PATH_MAX_BYTES 256u
#define EXAMPLE_MAX 16384u
#define NAME_MAX_BYTES 64u

const w4_type_row *ctl_type_find(const char *name) {
    for (size_t f = 0; w4_families[f] != NULL; f++) {
        const w4_type_row *type = w4_type_find(w4_families[f]->family, w4_bytes_from_text(name));
        if (type != NULL) {
            return type;
        }
    }
    return NULL;
}

const char *ctl_type_nearest(const char *name) {
    const char *names[W4_TYPE_COUNT];
    char upper[NAME_MAX_BYTES];
    size_t len = 0;
    for (; name[len] != '\0' && len + 1 < sizeof upper; len++) {
        char c = name[len];
        upper[len] = (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c == '-' ? '_' : c);
    }
    upper[len] = '\0';
    for (int t = 0; t < W4_TYPE_COUNT; t++) {
        names[t] = w4_type_row_of((w4_type)t)->name;
    }
    return w4_text_nearest(w4_bytes_from_text(upper), names, W4_TYPE_COUNT);
}

/* ---- forms in words */

typedef struct form {
    const char *(*check)(w4_json value);
    const char *words;
    const char *example; /* as JSON */
    bool refers;         /* to something that an example cannot know */
} form;

/* clang-format off */
static const form forms[] = {
    {w4_check_uuid,           "msg_id",                   "\"7b1f0c1e-5d0a-4c57-9a52-0f6a3f1d9c01\"",         true},
    {w4_check_timestamp,      "time such as 2026-01-31T12:00:00.000Z", "\"2026-01-31T12:00:00.000Z\"",        false},
    {w4_check_fingerprint,    "fingerprint",              "\"21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721b9\"", true},
    {w4_check_nonce,          "base64 of 16 bytes",       "\"AAECAwQFBgcICQoLDA0ODw==\"",                     false},
    {w4_check_challenge,      "base64 of 32 bytes",       "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"", false},
    {w4_check_text_or_object, "text or object",           "\"in words\"",                                     false},
    {w4_check_params,         "object or array",          "{}",                                               false},
};
/* clang-format on */

static const form *form_of(const w4_schema_row *row) {
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (forms[i].check == row->check) {
            return &forms[i];
        }
    }
    return NULL;
}

static void put_bounds(FILE *out, const w4_schema_row *row, const char *unit) {
    if (row->min == 0 && row->max == 0) {
        return;
    }
    if (row->min == 0 && unit[0] != '\0') {
        fprintf(out, ", at most %.0f%s", row->max, unit);
    } else {
        fprintf(out, ", %g to %.0f%s", row->min, row->max, unit);
    }
}

static void put_names(FILE *out, const char *const *names) {
    bool alone = names[1] == NULL;
    fputs(alone ? "always" : "one of", out);
    for (; *names != NULL; names++) {
        fprintf(out, " %s", *names);
    }
}

static void put_form(FILE *out, const w4_schema_row *row) {
    const form *known = form_of(row);
    switch (row->kind) {
    case W4_SCHEMA_BOOL:
        fputs("true or false", out);
        return;
    case W4_SCHEMA_INTEGER:
    case W4_SCHEMA_NUMBER:
        fputs(row->kind == W4_SCHEMA_INTEGER ? "integer" : "number", out);
        put_bounds(out, row, "");
        return;
    case W4_SCHEMA_STRING:
        fputs(known != NULL ? known->words : "text", out);
        put_bounds(out, known != NULL ? &(w4_schema_row){0} : row, " bytes");
        return;
    case W4_SCHEMA_ENUM:
        put_names(out, row->names);
        return;
    case W4_SCHEMA_ARRAY:
        fputs("list", out);
        put_bounds(out, row, " elements");
        fputs(", each ", out);
        put_form(out, row->items);
        return;
    case W4_SCHEMA_OBJECT:
    case W4_SCHEMA_MAP:
        fputs("object", out);
        return;
    case W4_SCHEMA_ANY:
    case W4_SCHEMA_KIND_COUNT:
        fputs(known != NULL ? known->words : "any value", out);
        return;
    }
}

static void put_rows(FILE *out, const w4_schema *schema, const char *prefix) {
    for (const w4_schema_row *row = schema->rows; row->name != NULL; row++) {
        char path[PATH_MAX_BYTES];
        snprintf(path, sizeof path, "%s%s", prefix, row->name);
        fprintf(out, "  %s (", path);
        put_form(out, row);
        fprintf(out, ", %s)\n      %s\n",
                (row->flags & W4_SCHEMA_REQUIRED) != 0 ? "required" : "optional",
                row->help != NULL ? row->help : "");
        const w4_schema_row *inner = row->kind == W4_SCHEMA_ARRAY ? row->items : row;
        if (inner->object != NULL) {
            snprintf(path, sizeof path, "%s%s%s.", prefix, row->name, inner != row ? "[]" : "");
            put_rows(out, inner->object, path);
        }
    }
}

/* ---- an example */

static void write_members(w4_json_writer *w, const w4_schema *schema);

/* A text that says itself whose place it holds: the name of its member. */
static void write_text(w4_json_writer *w, const w4_schema_row *row, const char *name) {
    w4_json_string_text(w, row->max == W4_URI_BYTES_MAX ? "https://example.org/page" : name);
}

static void write_value(w4_json_writer *w, const w4_schema_row *row, const char *name) {
    const form *known = form_of(row);
    if (known != NULL) {
        w4_json_raw(w, w4_bytes_from_text(known->example));
        return;
    }
    switch (row->kind) {
    case W4_SCHEMA_BOOL:
        w4_json_bool(w, true);
        return;
    case W4_SCHEMA_INTEGER:
        w4_json_integer_value(w, (int64_t)((row->min + row->max) / 2));
        return;
    case W4_SCHEMA_NUMBER:
        w4_json_number_value(w, (row->min + row->max) / 2);
        return;
    case W4_SCHEMA_ENUM:
        w4_json_string_text(w, row->names[0]);
        return;
    case W4_SCHEMA_ARRAY:
        w4_json_begin_array(w);
        write_value(w, row->items, name);
        w4_json_end_array(w);
        return;
    case W4_SCHEMA_OBJECT:
    case W4_SCHEMA_MAP:
        if (row->object != NULL) {
            write_members(w, row->object);
        } else {
            w4_json_begin_object(w);
            w4_json_end_object(w);
        }
        return;
    case W4_SCHEMA_STRING:
    case W4_SCHEMA_ANY:
    case W4_SCHEMA_KIND_COUNT:
        write_text(w, row, name);
        return;
    }
}

/* What may be left out and points at other messages is left out. */
static bool is_shown(const w4_schema_row *row) {
    const form *known = form_of(row->kind == W4_SCHEMA_ARRAY ? row->items : row);
    bool refers = known != NULL && known->refers;
    bool answers = strcmp(row->name, "challenge_response") == 0;
    return (row->flags & W4_SCHEMA_REQUIRED) != 0 || !(refers || answers);
}

static void write_members(w4_json_writer *w, const w4_schema *schema) {
    w4_json_begin_object(w);
    for (const w4_schema_row *row = schema->rows; row->name != NULL; row++) {
        if (is_shown(row)) {
            w4_json_name(w, row->name);
            write_value(w, row, row->name);
        }
    }
    w4_json_end_object(w);
}

void ctl_write_example(const w4_schema *schema, w4_json_writer *w) {
    write_members(w, schema);
}

static void put_example(FILE *out, const w4_schema *schema) {
    w4_buffer text = W4_BUFFER_INIT(EXAMPLE_MAX);
    w4_json_writer w;
    w4_json_writer_init(&w, &text);
    ctl_write_example(schema, &w);
    if (w.error == 0) {
        fprintf(out, " '%.*s'", (int)text.len, (const char *)text.data);
    }
    w4_buffer_deinit(&text);
}

/* ---- all of it */

typedef struct around {
    const char *member, *option;
} around;

/* Members beside the payload that a sender gives, and the options for them. */
static const around arounds[] = {{"state", "--with-state"}, {"source", "--source"}};

static const w4_schema *required_around(const w4_type_row *type, const char *member) {
    for (const w4_schema_row *row = w4_envelope_schema(type->family)->rows; row->name; row++) {
        if (strcmp(row->name, member) == 0 && (row->flags & W4_SCHEMA_REQUIRED) != 0) {
            return row->object;
        }
    }
    return NULL;
}

void ctl_write_type_help(const w4_type_row *type, FILE *out) {
    fprintf(out, "%s (%s, channel %s): %s.\n\nPayload:\n", type->name, w4_family_name(type->family),
            w4_channel_kind_name(type->channel), type->help);
    put_rows(out, type->payload, "");
    for (size_t i = 0; i < sizeof arounds / sizeof arounds[0]; i++) {
        const w4_schema *schema = required_around(type, arounds[i].member);
        if (schema != NULL) {
            fprintf(out, "\nMember %s, given by %s:\n", arounds[i].member, arounds[i].option);
            put_rows(out, schema, "");
        }
    }
    if (type->family == W4_FAMILY_MESH) {
        fputs("\nNodes alone say it: of an agent it is refused as unauthorized.\n", out);
        return;
    }
    /* What is to be accepted or remembered is said to all; the rest to one. */
    bool to_all = type->family == W4_FAMILY_CIP && type->channel == W4_CHANNEL_KNOWLEDGE;
    fprintf(out, "\nExample:\n  web4ctl send --as ada --to %s", to_all ? "'*'" : "ben");
    for (size_t i = 0; i < sizeof arounds / sizeof arounds[0]; i++) {
        const w4_schema *schema = required_around(type, arounds[i].member);
        if (schema != NULL) {
            fprintf(out, " %s", arounds[i].option);
            put_example(out, schema);
        }
    }
    fprintf(out, " %s", type->name);
    put_example(out, type->payload);
    fputs("\n\nMore: web4-protocols(7), web4ctl schema ", out);
    fprintf(out, "%s\n", type->name);
}
