/* What differs between two configurations, and what of it a running node can have at once. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/config_table.h"
#include "json/writer.h"

#define CARRIED_MAX (8u * W4_CONFIG_BYTES_MAX)

static void add_change(w4_config_changes *changes, const char *pointer, bool restart) {
    if (changes->count < W4_CONFIG_CHANGES_MAX) {
        w4_config_change *change = &changes->items[changes->count];
        snprintf(change->pointer, sizeof change->pointer, "%s", pointer);
        change->restart = restart;
    }
    changes->count++;
    changes->restart_count += restart;
}

/* pointer: of the object; it is put back as it was. */
static void compare(const w4_schema *schema, w4_json from, w4_json to,
                    char pointer[static W4_FAULT_POINTER_MAX], w4_config_changes *changes) {
    size_t len = strlen(pointer);
    for (const w4_schema_row *row = schema->rows; row->name != NULL; row++) {
        w4_json a = w4_json_get(from, row->name);
        w4_json b = w4_json_get(to, row->name);
        snprintf(pointer + len, W4_FAULT_POINTER_MAX - len, "/%s", row->name);
        if (row->kind == W4_SCHEMA_OBJECT && row->object != NULL) {
            compare(row->object, a, b, pointer, changes);
        } else if (!w4_bytes_equal(w4_json_text(a), w4_json_text(b))) {
            add_change(changes, pointer, (row->flags & W4_SCHEMA_RESTART) != 0);
        }
        pointer[len] = 0;
    }
}

void w4_config_compare(const w4_config *from, const w4_config *to, w4_config_changes *ret_changes) {
    char pointer[W4_FAULT_POINTER_MAX] = "";
    *ret_changes = (w4_config_changes){0};
    compare(&w4_config_table, w4_config_effective(from), w4_config_effective(to), pointer,
            ret_changes);
}

static void write_carried(w4_json_writer *w, const w4_schema *schema, w4_json from, w4_json to) {
    w4_json_begin_object(w);
    for (const w4_schema_row *row = schema->rows; row->name != NULL; row++) {
        w4_json a = w4_json_get(from, row->name);
        w4_json b = w4_json_get(to, row->name);
        w4_json kept = (row->flags & W4_SCHEMA_RESTART) != 0 ? a : b;
        if (row->kind == W4_SCHEMA_OBJECT && row->object != NULL) {
            w4_json_name(w, row->name);
            write_carried(w, row->object, a, b);
        } else if (w4_json_exists(kept)) { /* what is inherited is nowhere */
            w4_json_name(w, row->name);
            w4_json_value(w, kept);
        }
    }
    w4_json_end_object(w);
}

int w4_config_carry(const w4_config *from, const w4_config *to, w4_config **ret_config) {
    w4_buffer out = W4_BUFFER_INIT(CARRIED_MAX);
    w4_json_writer w;
    w4_config_faults *faults = malloc(sizeof *faults);
    w4_json_writer_init(&w, &out);
    write_carried(&w, &w4_config_table, w4_config_effective(from), w4_config_effective(to));
    int r = faults == NULL ? -ENOMEM : w.error;
    if (r == 0) {
        w4_config_text text = {"", w4_buffer_bytes(&out)};
        r = w4_config_load(&text, 1, NULL, ret_config, faults);
    }
    free(faults);
    w4_buffer_deinit(&out);
    return r;
}
