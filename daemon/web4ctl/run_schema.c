/* schema: what envelopes look like, as JSON Schema. No node is needed. */
#include <string.h>

#include "envelope/type.h"
#include "web4ctl/ctl.h"
#include "web4ctl/help_type.h"
#include "json/writer.h"

#define ROWS_MAX 32u
#define TEXT_MAX ((size_t)4 * 1024 * 1024)

/* One type's envelopes: those of its family, with this type and its payload. */
static void write_type(const w4_family_row *family, const w4_type_row *type, w4_json_writer *w) {
    const char *const names[] = {type->name, NULL};
    w4_schema_row rows[ROWS_MAX];
    size_t count = 0;
    for (const w4_schema_row *row = family->envelope->rows; row->name != NULL; row++) {
        if (count + 1 == ROWS_MAX) {
            w->error = w->error != 0 ? w->error : -1;
            return;
        }
        rows[count] = *row;
        if (strcmp(row->name, "type") == 0) {
            rows[count].kind = W4_SCHEMA_ENUM;
            rows[count].names = names;
            rows[count].min = rows[count].max = 0;
            rows[count].check = NULL;
            rows[count].help = type->help;
        } else if (strcmp(row->name, "payload") == 0) {
            rows[count].object = type->payload;
        }
        count++;
    }
    rows[count] = (w4_schema_row)W4_SCHEMA_END;
    const w4_schema schema = {.rows = rows, .closed = family->envelope->closed};
    w4_schema_export(&schema, type->name, w);
}

static void write_all(w4_json_writer *w) {
    w4_json_begin_object(w);
    for (size_t f = 0; w4_families[f] != NULL; f++) {
        for (size_t t = 0; t < w4_families[f]->type_count; t++) {
            w4_json_name(w, w4_families[f]->types[t].name);
            write_type(w4_families[f], &w4_families[f]->types[t], w);
        }
    }
    w4_json_end_object(w);
}

void ctl_no_type(const ctl_context *ctl, const char *name) {
    const char *near = ctl_type_nearest(name);
    if (near != NULL) {
        ctl_error(ctl, "there is no type %s; did you mean %s?", name, near);
    } else {
        ctl_error(ctl, "there is no type %s; web4ctl schema without one shows all", name);
    }
}

static bool write_named(const char *name, w4_json_writer *w) {
    for (size_t f = 0; w4_families[f] != NULL; f++) {
        const w4_type_row *type = w4_type_find(w4_families[f]->family, w4_bytes_from_text(name));
        if (type != NULL) {
            write_type(w4_families[f], type, w);
            return true;
        }
    }
    return false;
}

static int print(const ctl_context *ctl, w4_bytes text) {
    w4_json_document doc = {0};
    w4_buffer pretty = W4_BUFFER_INIT(TEXT_MAX);
    int r = w4_json_read(&doc, text, &W4_JSON_LIMITS_FILE, NULL);
    r = r == 0 ? w4_json_pretty(&pretty, w4_json_root(&doc)) : r;
    if (r == 0 && (pretty.len == 0 || pretty.data[pretty.len - 1] != '\n')) {
        r = w4_buffer_append_byte(&pretty, '\n');
    }
    if (r == 0) {
        fwrite(pretty.data, 1, pretty.len, ctl->output.file);
    }
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&pretty);
    return r;
}

ctl_status ctl_run_schema(ctl_context *ctl) {
    w4_buffer text = W4_BUFFER_INIT(TEXT_MAX);
    w4_json_writer w;
    w4_json_writer_init(&w, &text);
    bool known = true;
    if (ctl->line.arguments_count > 0) {
        known = write_named(ctl->line.arguments[0], &w);
    } else {
        write_all(&w);
    }
    int r = !known ? 0 : w.error != 0 ? w.error : print(ctl, w4_buffer_bytes(&text));
    w4_buffer_deinit(&text);
    if (!known) {
        ctl_no_type(ctl, ctl->line.arguments[0]);
        return CTL_USAGE;
    }
    return r != 0 ? ctl_fatal(ctl, r) : CTL_DONE;
}
