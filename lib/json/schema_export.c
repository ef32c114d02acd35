/* Schema tables as JSON Schema 2020-12. What a table checks in code (row and object checks) is
 * beyond it; its bounds on strings count characters, ours bytes, so it is never the stricter. */
#include "json/schema.h"
#include "json/writer.h"

#include <math.h>

#define UTF8_LEN_MAX 4

static void export_row(const w4_schema_row *row, w4_json_writer *w);

static void export_bound(w4_json_writer *w, const char *name, double value) {
    if (!isfinite(value))
        return;
    w4_json_name(w, name);
    w4_json_number_value(w, value);
}

static void export_bounds(w4_json_writer *w, const w4_schema_row *row, const char *min,
                          const char *max) {
    if (row->min == 0 && row->max == 0)
        return;
    bool characters = row->kind == W4_SCHEMA_STRING;
    export_bound(w, min, characters ? ceil(row->min / UTF8_LEN_MAX) : row->min);
    export_bound(w, max, row->max);
}

static void export_type(w4_json_writer *w, const w4_schema_row *row, const char *type) {
    w4_json_name(w, "type");
    if (row->flags & W4_SCHEMA_NULLABLE) {
        w4_json_begin_array(w);
        w4_json_string_text(w, type);
        w4_json_string_text(w, "null");
        w4_json_end_array(w);
    } else {
        w4_json_string_text(w, type);
    }
}

static void export_names(w4_json_writer *w, const w4_schema_row *row) {
    w4_json_name(w, "enum");
    w4_json_begin_array(w);
    for (size_t i = 0; row->names && row->names[i]; i++)
        w4_json_string_text(w, row->names[i]);
    if (row->flags & W4_SCHEMA_NULLABLE)
        w4_json_null(w);
    w4_json_end_array(w);
}

static bool is_end(const w4_schema_row *row) {
    return !row->name && row->kind == W4_SCHEMA_ANY;
}

static void export_members(w4_json_writer *w, const w4_schema *schema) {
    w4_json_name(w, "properties");
    w4_json_begin_object(w);
    for (const w4_schema_row *row = schema->rows; !is_end(row); row++) {
        w4_json_name(w, row->name);
        export_row(row, w);
    }
    w4_json_end_object(w);
    bool any = false;
    for (const w4_schema_row *row = schema->rows; !is_end(row); row++) {
        if (!(row->flags & W4_SCHEMA_REQUIRED))
            continue;
        if (!any) {
            w4_json_name(w, "required");
            w4_json_begin_array(w);
        }
        any = true;
        w4_json_string_text(w, row->name);
    }
    if (any)
        w4_json_end_array(w);
    if (schema->closed)
        w4_json_member_bool(w, "additionalProperties", false);
}

static void export_items(w4_json_writer *w, const w4_schema_row *row, const char *name) {
    if (!row->items)
        return;
    w4_json_name(w, name);
    export_row(row->items, w);
}

static void export_kind(const w4_schema_row *row, w4_json_writer *w) {
    switch (row->kind) {
    case W4_SCHEMA_ANY:
        break;
    case W4_SCHEMA_BOOL:
        export_type(w, row, "boolean");
        break;
    case W4_SCHEMA_INTEGER:
        export_type(w, row, "integer");
        export_bounds(w, row, "minimum", "maximum");
        break;
    case W4_SCHEMA_NUMBER:
        export_type(w, row, "number");
        export_bounds(w, row, "minimum", "maximum");
        break;
    case W4_SCHEMA_STRING:
        export_type(w, row, "string");
        export_bounds(w, row, "minLength", "maxLength");
        break;
    case W4_SCHEMA_ENUM:
        export_names(w, row);
        break;
    case W4_SCHEMA_ARRAY:
        export_type(w, row, "array");
        export_bounds(w, row, "minItems", "maxItems");
        export_items(w, row, "items");
        break;
    case W4_SCHEMA_OBJECT:
        export_type(w, row, "object");
        if (row->object)
            export_members(w, row->object);
        break;
    case W4_SCHEMA_MAP:
        export_type(w, row, "object");
        export_bounds(w, row, "minProperties", "maxProperties");
        export_items(w, row, "additionalProperties");
        break;
    case W4_SCHEMA_KIND_COUNT:
        break;
    }
}

static void export_row(const w4_schema_row *row, w4_json_writer *w) {
    if (w->error != 0)
        return; /* also where a table that holds itself comes to an end */
    w4_json_begin_object(w);
    export_kind(row, w);
    if (row->help)
        w4_json_member_string(w, "description", row->help);
    if (row->fallback) {
        w4_json_name(w, "default");
        w4_json_raw(w, w4_bytes_from_text(row->fallback));
    }
    if (row->flags & W4_SCHEMA_RESTART)
        w4_json_member_string(w, "$comment", "a change needs a restart");
    w4_json_end_object(w);
}

void w4_schema_export(const w4_schema *schema, const char *title, struct w4_json_writer *w) {
    const w4_schema_row root = {.kind = W4_SCHEMA_OBJECT, .object = schema};
    w4_json_begin_object(w);
    w4_json_member_string(w, "$schema", "https://json-schema.org/draft/2020-12/schema");
    if (title)
        w4_json_member_string(w, "title", title);
    export_kind(&root, w);
    w4_json_end_object(w);
}
