#include "platform/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/primitives.h"
#include "platform/config_table.h"
#include "platform/config_whole.h"
#include "json/merge.h"
#include "json/writer.h"

#define EFFECTIVE_MAX (4u * W4_CONFIG_BYTES_MAX)

static const w4_json_limits text_limits = {W4_CONFIG_BYTES_MAX, 16, 4096, 65536};
static const w4_json_limits effective_limits = {EFFECTIVE_MAX, 16, 4096, 65536};

typedef struct loader {
    const w4_config_text *texts;
    size_t count;
    w4_json_document *documents; /* of the texts */
    w4_config_faults *faults;
} loader;

const w4_schema *w4_config_schema(void) {
    return &w4_config_table;
}

/* ---- faults */

static void add_fault(w4_config_faults *faults, const char *name, const char *pointer,
                      const char *expected) {
    uint32_t i = faults->count++;
    if (i >= W4_FAULTS_MAX) {
        return;
    }
    faults->items[i] = (w4_config_fault){.name = name};
    w4_fault *fault = &faults->items[i].fault;
    snprintf(fault->pointer, sizeof fault->pointer, "%s", pointer);
    snprintf(fault->expected, sizeof fault->expected, "%s", expected);
}

static void add_faults(w4_config_faults *faults, const char *name, const w4_faults *found) {
    for (uint32_t i = 0; i < found->count && i < W4_FAULTS_MAX; i++) {
        add_fault(faults, name, found->items[i].pointer, found->items[i].expected);
    }
    if (found->count > W4_FAULTS_MAX) {
        faults->count += found->count - W4_FAULTS_MAX;
    }
}

static void add_syntax_fault(w4_config_faults *faults, const char *name,
                             const w4_json_error *error) {
    uint32_t i = faults->count;
    add_fault(faults, name, "", error->text);
    if (i < W4_FAULTS_MAX) {
        faults->items[i].line = error->line > 0 ? error->line : 1;
        faults->items[i].column = error->column;
    }
}

/* The last text that has that member: it is what is in force. */
static const char *name_of(const loader *l, const char *pointer) {
    for (size_t i = l->count; i > 0; i--) {
        w4_json root = w4_json_root(&l->documents[i - 1]);
        if (w4_json_exists(w4_json_at_pointer(root, w4_bytes_from_text(pointer)))) {
            return l->texts[i - 1].name;
        }
    }
    return "";
}

int w4_config_fault_format(const w4_config_fault *fault, w4_buffer *out) {
    size_t before = out->len;
    /* Of a member that is not known, and of what is not JSON, nothing is expected. */
    bool expected = fault->line == 0 && strncmp(fault->fault.expected, "no such", 7) != 0;
    int r = w4_text_escape(out, w4_bytes_from_text(fault->name));
    if (r == 0 && fault->line > 0) {
        r = w4_buffer_printf(out, ":%u:%u", fault->line, fault->column);
    }
    if (r == 0 && out->len > before) {
        r = w4_buffer_append_text(out, ": ");
    }
    if (r == 0 && fault->fault.pointer[0] != 0) {
        r = w4_buffer_printf(out, "%s: ", fault->fault.pointer);
    }
    if (r == 0) {
        r = w4_buffer_printf(out, "%s%s", expected ? "expected " : "", fault->fault.expected);
    }
    if (r < 0) {
        out->len = before;
    }
    return r;
}

/* ---- the texts */

static int read_text(loader *l, size_t i) {
    w4_json_error error = {0};
    int r = w4_json_read(&l->documents[i], l->texts[i].text, &text_limits, &error);
    if (r < 0) {
        return r;
    }
    if (r > 0) {
        add_syntax_fault(l->faults, l->texts[i].name, &error);
        return 0;
    }
    w4_faults found = {0};
    if (!w4_schema_check(&w4_config_table, w4_json_root(&l->documents[i]), &found)) {
        add_faults(l->faults, l->texts[i].name, &found);
    }
    return 0;
}

/* Puts over on top of doc. */
static int overlay(w4_json_document *doc, w4_json over) {
    w4_buffer merged = W4_BUFFER_INIT(EFFECTIVE_MAX);
    int r = w4_json_merge(&merged, w4_json_root(doc), over);
    if (r == 0) {
        r = w4_json_read(doc, w4_buffer_bytes(&merged), &effective_limits, NULL);
    }
    w4_buffer_deinit(&merged);
    return r > 0 ? -EMSGSIZE : r;
}

/* ---- the defaults */

static void write_fallbacks(w4_json_writer *w, const w4_schema *schema) {
    w4_json_begin_object(w);
    for (const w4_schema_row *row = schema->rows; row->name != NULL; row++) {
        if (row->kind == W4_SCHEMA_OBJECT && row->object != NULL) {
            w4_json_name(w, row->name);
            write_fallbacks(w, row->object);
        } else if (row->fallback != NULL) {
            w4_json_name(w, row->name);
            w4_json_raw(w, w4_bytes_from_text(row->fallback));
        }
    }
    w4_json_end_object(w);
}

/* What the derived defaults are made of. */
typedef struct bases {
    char text[W4_CONFIG_BASE_COUNT][W4_CONFIG_PATH_MAX];
    bool known[W4_CONFIG_BASE_COUNT];
} bases;

static void set_base(bases *b, w4_config_base base, const char *text) {
    snprintf(b->text[base], sizeof b->text[base], "%s", text);
    b->known[base] = true;
}

/* A folder that a text names takes the defaults below it along. */
static void find_bases(bases *b, const w4_config_place *place, w4_json given) {
    w4_config_paths paths;
    char text[W4_CONFIG_PATH_MAX];
    if (place != NULL) {
        bool has_name = place->host_name != NULL && place->host_name[0] != 0;
        set_base(b, W4_CONFIG_BASE_NAME, "node");
        if (has_name && w4_utf8_valid(w4_bytes_from_text(place->host_name))) {
            w4_text_escape_cut(b->text[W4_CONFIG_BASE_NAME], 64,
                               w4_bytes_from_text(place->host_name));
        }
        bool is_service = place->is_root || place->state_directory != NULL;
        set_base(b, W4_CONFIG_BASE_GROUP, is_service ? "group" : "");
        if (w4_config_paths_default(place, &paths)) {
            set_base(b, W4_CONFIG_BASE_STATE, paths.state_dir);
            set_base(b, W4_CONFIG_BASE_RUNTIME, paths.runtime_dir);
        }
    }
    w4_json folders = w4_json_get(given, "paths");
    if (w4_json_string_copy(w4_json_get(folders, "state_dir"), text, sizeof text)) {
        set_base(b, W4_CONFIG_BASE_STATE, text);
    }
    if (w4_json_string_copy(w4_json_get(folders, "runtime_dir"), text, sizeof text)) {
        set_base(b, W4_CONFIG_BASE_RUNTIME, text);
    }
}

static void write_derived(w4_json_writer *w, const bases *b) {
    const char *open = NULL;
    w4_json_begin_object(w);
    for (const w4_config_derived *row = w4_config_derived_rows; row->object != NULL; row++) {
        if (open == NULL || strcmp(open, row->object) != 0) {
            if (open != NULL) {
                w4_json_end_object(w);
            }
            w4_json_name(w, row->object);
            w4_json_begin_object(w);
            open = row->object;
        }
        if (!b->known[row->base]) {
            continue;
        }
        char text[W4_CONFIG_PATH_MAX + 32];
        bool is_group = row->base == W4_CONFIG_BASE_GROUP;
        const char *base = b->text[row->base];
        snprintf(text, sizeof text, "%s%s", is_group ? "" : base,
                 is_group && base[0] == 0 ? "" : row->suffix);
        w4_json_member_string(w, row->member, text);
    }
    if (open != NULL) {
        w4_json_end_object(w);
    }
    w4_json_end_object(w);
}

/* Reads what a writer wrote over what doc holds already. */
static int overlay_written(w4_json_document *doc, w4_json_writer *w) {
    w4_json_document written = {0};
    int r = w->error;
    if (r == 0) {
        r = w4_json_read(&written, w4_buffer_bytes(w->out), &effective_limits, NULL);
    }
    if (r == 0) {
        r = overlay(doc, w4_json_root(&written));
    }
    w4_json_document_deinit(&written);
    return r > 0 ? -EINVAL : r;
}

static int read_empty(w4_json_document *doc) {
    int r = w4_json_read(doc, w4_bytes_from_text("{}"), &effective_limits, NULL);
    return r > 0 ? -EINVAL : r;
}

static int write_defaults(w4_json_document *doc, const bases *b) {
    w4_buffer out = W4_BUFFER_INIT(EFFECTIVE_MAX);
    w4_json_writer w;
    int r = read_empty(doc);
    if (r == 0) {
        w4_json_writer_init(&w, &out);
        write_fallbacks(&w, &w4_config_table);
        r = overlay_written(doc, &w);
    }
    if (r == 0) {
        w4_buffer_clear(&out);
        w4_json_writer_init(&w, &out);
        write_derived(&w, b);
        r = overlay_written(doc, &w);
    }
    w4_buffer_deinit(&out);
    return r;
}

/* ---- the whole */

/* Members that no default could be found for. */
static void find_missing(const loader *l, w4_json effective) {
    for (const w4_config_binding *b = w4_config_bindings; b->pointer != NULL; b++) {
        if (!w4_json_exists(w4_json_at_pointer(effective, w4_bytes_from_text(b->pointer)))) {
            add_fault(l->faults, "", b->pointer,
                      "it to be set: neither the environment nor a home says where");
        }
    }
}

/* Merged lists and derived paths can break what each text kept: all is checked once more. */
static void check_effective(const loader *l, w4_json effective) {
    w4_faults found = {0};
    if (w4_schema_check(&w4_config_table, effective, &found)) {
        find_missing(l, effective);
        if (l->faults->count > 0) {
            return;
        }
        w4_config_check_whole(effective, &found);
    }
    for (uint32_t i = 0; i < found.count && i < W4_FAULTS_MAX; i++) {
        add_fault(l->faults, name_of(l, found.items[i].pointer), found.items[i].pointer,
                  found.items[i].expected);
    }
}

static int merge_texts(const loader *l, const w4_config_place *place, w4_json_document *ret_doc) {
    w4_json_document given = {0};
    bases *b = calloc(1, sizeof *b);
    int r = b == NULL ? -ENOMEM : read_empty(&given);
    for (size_t i = 0; i < l->count && r == 0; i++) {
        r = overlay(&given, w4_json_root(&l->documents[i]));
    }
    if (r == 0) {
        find_bases(b, place, w4_json_root(&given));
        r = write_defaults(ret_doc, b);
    }
    if (r == 0) {
        r = overlay(ret_doc, w4_json_root(&given));
    }
    free(b);
    w4_json_document_deinit(&given);
    return r;
}

/* The effective document has one spelling of everything, so that two that mean the same are. */
static int respell(w4_json_document *doc) {
    w4_buffer out = W4_BUFFER_INIT(EFFECTIVE_MAX);
    w4_json_writer w;
    w4_json_writer_init(&w, &out);
    w4_config_respell(&w, w4_json_root(doc));
    int r = overlay_written(doc, &w);
    w4_buffer_deinit(&out);
    return r;
}

static int build(const loader *l, const w4_config_place *place, w4_config_whole *whole) {
    int r = merge_texts(l, place, &whole->effective);
    if (r == -EMSGSIZE) {
        add_fault(l->faults, "", "", "less: all files together are too large");
        return 0;
    }
    if (r < 0) {
        return r;
    }
    check_effective(l, w4_json_root(&whole->effective));
    if (l->faults->count > 0) {
        return 0;
    }
    r = respell(&whole->effective);
    if (r < 0) {
        return r;
    }
    w4_json effective = w4_json_root(&whole->effective);
    w4_fingerprint hash; /* the form of a SHA-256 in hex is the same */
    w4_hash(w4_json_text(effective), (w4_bytes){0}, hash.bytes);
    w4_fingerprint_format(&hash, whole->digest);
    return w4_config_fill(whole);
}

static int load(loader *l, const w4_config_place *place, w4_config_whole *whole) {
    int r = 0;
    if (l->count > W4_CONFIG_TEXTS_MAX) {
        char expected[W4_FAULT_EXPECTED_MAX];
        snprintf(expected, sizeof expected, "at most %u files", W4_CONFIG_TEXTS_MAX);
        add_fault(l->faults, "", "", expected);
        return 0;
    }
    l->documents = calloc(l->count + 1, sizeof *l->documents);
    if (l->documents == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < l->count && r == 0; i++) {
        r = read_text(l, i);
    }
    if (r == 0 && l->faults->count == 0) {
        r = build(l, place, whole);
    }
    for (size_t i = 0; i < l->count; i++) {
        w4_json_document_deinit(&l->documents[i]);
    }
    free(l->documents);
    return r;
}

int w4_config_load(const w4_config_text *texts, size_t count, const w4_config_place *place,
                   w4_config **ret_config, w4_config_faults *ret_faults) {
    w4_config_whole *whole = calloc(1, sizeof *whole);
    w4_config_faults *faults = calloc(1, sizeof *faults);
    loader l = {.texts = texts, .count = count, .faults = faults};
    int r = whole == NULL || faults == NULL ? -ENOMEM : load(&l, place, whole);
    if (r == 0 && faults->count > 0) {
        *ret_faults = *faults;
        r = 1;
    }
    free(faults);
    if (r != 0) {
        w4_config_free(whole != NULL ? &whole->config : NULL);
        return r;
    }
    *ret_config = &whole->config;
    return 0;
}

w4_config *w4_config_free(w4_config *config) {
    if (config == NULL) {
        return NULL;
    }
    w4_config_whole *whole = (w4_config_whole *)config;
    w4_json_document_deinit(&whole->effective);
    free(whole->texts);
    free(whole->seeds);
    free(whole->anchors);
    free(whole->peers);
    free(whole);
    return NULL;
}

w4_json w4_config_effective(const w4_config *config) {
    return w4_json_root(&((const w4_config_whole *)config)->effective);
}

const char *w4_config_digest(const w4_config *config) {
    return ((const w4_config_whole *)config)->digest;
}

int w4_config_write_schema(w4_buffer *out) {
    w4_buffer text = W4_BUFFER_INIT(EFFECTIVE_MAX);
    w4_json_document doc = {0};
    w4_json_writer w;
    size_t before = out->len;
    w4_json_writer_init(&w, &text);
    w4_schema_export(&w4_config_table, "Configuration of web4d", &w);
    int r = w.error;
    if (r == 0) {
        r = w4_json_read(&doc, w4_buffer_bytes(&text), &effective_limits, NULL);
    }
    if (r == 0) {
        r = w4_json_pretty(out, w4_json_root(&doc));
    }
    if (r == 0 && (out->len == before || out->data[out->len - 1] != '\n')) {
        r = w4_buffer_append_byte(out, '\n');
    }
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&text);
    if (r != 0) {
        out->len = before;
    }
    return r > 0 ? -EINVAL : r;
}
