/* One spelling for what may be spelled in several ways. */
#include "platform/config_table.h"

static void write_object(w4_json_writer *w, const w4_schema *schema, w4_json object);

static void write_member(w4_json_writer *w, const w4_schema_row *row, w4_json value) {
    w4_overflow overflow;
    if (row->kind == W4_SCHEMA_OBJECT && row->object != NULL) {
        write_object(w, row->object, value);
    } else if (row->kind == W4_SCHEMA_MAP && row->items->object != NULL) {
        w4_json_begin_object(w);
        for (w4_json_iterator i = w4_json_first(value); w4_json_exists(i.value);
             i = w4_json_next(i)) {
            char name[W4_FINGERPRINT_TEXT_LEN + 1] = "";
            (void)w4_json_string_copy(i.name, name, sizeof name);
            w4_json_name(w, name);
            write_object(w, row->items->object, i.value);
        }
        w4_json_end_object(w);
    } else if (row->names == w4_config_overflows &&
               w4_overflow_from_name(w4_json_string_raw(value), &overflow)) {
        w4_json_string_text(w, w4_overflow_name(overflow));
    } else {
        w4_json_value(w, value);
    }
}

static void write_object(w4_json_writer *w, const w4_schema *schema, w4_json object) {
    w4_json_begin_object(w);
    for (const w4_schema_row *row = schema->rows; row->name != NULL; row++) {
        w4_json value = w4_json_get(object, row->name);
        if (w4_json_exists(value)) {
            w4_json_name(w, row->name);
            write_member(w, row, value);
        }
    }
    w4_json_end_object(w);
}

void w4_config_respell(w4_json_writer *w, w4_json effective) {
    write_object(w, &w4_config_table, effective);
}
