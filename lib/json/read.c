/* Any JSON in, canonical form out: the scan, then jansson's strict parser, then the writing. The
 * only file that knows jansson. */
#include "base/text.h"
#include "json/document.h"
#include "json/escape.h"
#include "json/fault.h"
#include "json/scan.h"
#include "json/writer.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PARSE_FLAGS                                                                                \
    (JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL)

/* jansson takes U+0000 in strings but not in names. A text that has it in a name (rare enough) is
 * parsed with a stand-in: in all of its strings U+0000 becomes MARK 0, and MARK itself MARK 1,
 * which loses nothing; the writing turns them back. */
#define MARK "\xef\xb7\x90" /* U+FDD0 */
#define MARK_LEN 3

#define NAME_SHOWN_MAX 40 /* bytes of a name in a message */

typedef struct output {
    w4_buffer *out;
    size_t start;
    size_t bytes_max;
    w4_json_sums sums; /* of what was written */
    bool marked;
} output;

typedef struct member {
    w4_bytes name;
    json_t *value;
} member;

static int append_marked(w4_buffer *out, uint8_t which) {
    int r = w4_buffer_append_text(out, MARK);
    return r < 0 ? r : w4_buffer_append_byte(out, which);
}

/* Copies a text that passed the scan. Outside strings there is neither MARK nor a backslash. */
static int mark(w4_buffer *out, w4_bytes text) {
    const uint8_t *at = text.data, *end = text.data + text.len;
    int r = 0;
    while (r == 0 && at < end) {
        size_t left = (size_t)(end - at);
        if (left >= 6 && memcmp(at, "\\u0000", 6) == 0) {
            r = append_marked(out, '0');
            at += 6;
        } else if (left >= 6 && strncasecmp((const char *)at, "\\ufdd0", 6) == 0 && at[1] == 'u') {
            r = append_marked(out, '1');
            at += 6;
        } else if (left >= MARK_LEN && memcmp(at, MARK, MARK_LEN) == 0) {
            r = append_marked(out, '1');
            at += MARK_LEN;
        } else {
            size_t len = *at == '\\' && left >= 2 ? 2 : 1;
            r = w4_buffer_append(out, w4_bytes_of(at, len));
            at += len;
        }
    }
    return r;
}

static int unmark(w4_buffer *out, w4_bytes text) {
    const uint8_t *at = text.data, *end = text.data + text.len;
    int r = 0;
    while (r == 0 && at < end) {
        if ((size_t)(end - at) <= MARK_LEN || memcmp(at, MARK, MARK_LEN) != 0) {
            r = w4_buffer_append_byte(out, *at++);
            continue;
        }
        r = at[MARK_LEN] == '0' ? w4_buffer_append_byte(out, 0) : w4_buffer_append_text(out, MARK);
        at += MARK_LEN + 1;
    }
    return r;
}

/* ---- writing */

static int write_value(output *o, const json_t *value);

/* The limit on bytes holds for the canonical form too (1e20 grows to 21 digits). */
static int append(output *o, w4_bytes bytes) {
    if (bytes.len > o->bytes_max - (o->out->len - o->start))
        return W4_JSON_E_TOO_LARGE;
    return w4_buffer_append(o->out, bytes);
}

static int append_byte(output *o, char byte) {
    return append(o, w4_bytes_of(&byte, 1));
}

static int write_string(output *o, w4_bytes utf8) {
    int r = w4_json_escape(o->out, utf8);
    o->sums.strings += utf8.len;
    if (r == 0 && o->out->len - o->start > o->bytes_max)
        return W4_JSON_E_TOO_LARGE;
    return r;
}

static int write_string_value(output *o, const json_t *string) {
    w4_bytes text = w4_bytes_of(json_string_value(string), json_string_length(string));
    if (!o->marked)
        return write_string(o, text);
    w4_buffer plain = W4_BUFFER_INIT(SIZE_MAX);
    int r = unmark(&plain, text);
    if (r == 0)
        r = write_string(o, w4_buffer_bytes(&plain));
    w4_buffer_deinit(&plain);
    return r;
}

static int write_number(output *o, double value) {
    char text[W4_JSON_NUMBER_MAX];
    size_t len = w4_json_number_format(value, text);
    w4_json_sums_add_number(&o->sums, value);
    return append(o, w4_bytes_of(text, len));
}

static int write_array(output *o, const json_t *array) {
    int r = append_byte(o, '[');
    for (size_t i = 0; r == 0 && i < json_array_size(array); i++) {
        if (i > 0)
            r = append_byte(o, ',');
        if (r == 0)
            r = write_value(o, json_array_get(array, i));
    }
    return r == 0 ? append_byte(o, ']') : r;
}

static int compare_members(const void *a, const void *b) {
    return w4_json_order_raw(((const member *)a)->name, ((const member *)b)->name);
}

static int write_members(output *o, const member *members, size_t count) {
    int r = append_byte(o, '{');
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (i > 0)
            r = append_byte(o, ',');
        if (r == 0)
            r = write_string(o, members[i].name);
        if (r == 0)
            r = append_byte(o, ':');
        if (r == 0)
            r = write_value(o, members[i].value);
    }
    return r == 0 ? append_byte(o, '}') : r;
}

/* Turns marked names back, into a buffer that is as large as it gets before the first goes in. */
static int unmark_names(member *members, size_t count, w4_buffer *names) {
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += members[i].name.len;
    int r = w4_buffer_reserve(names, total);
    for (size_t i = 0; r == 0 && i < count; i++) {
        size_t start = names->len;
        r = unmark(names, members[i].name);
        if (r == 0 && names->len > start)
            members[i].name = w4_bytes_of(names->data + start, names->len - start);
    }
    return r;
}

static int write_object(output *o, json_t *object) {
    size_t count = json_object_size(object), i = 0;
    if (count == 0)
        return append(o, w4_bytes_from_text("{}"));
    member *members = calloc(count, sizeof *members);
    if (!members)
        return -ENOMEM;
    for (void *at = json_object_iter(object); at && i < count;
         at = json_object_iter_next(object, at))
        members[i++] =
            (member){.name = w4_bytes_of(json_object_iter_key(at), json_object_iter_key_len(at)),
                     .value = json_object_iter_value(at)};
    w4_buffer names = W4_BUFFER_INIT(SIZE_MAX);
    int r = o->marked ? unmark_names(members, count, &names) : 0;
    if (r == 0) {
        qsort(members, count, sizeof *members, compare_members);
        r = write_members(o, members, count);
    }
    w4_buffer_deinit(&names);
    free(members);
    return r;
}

/* Recursion is as deep as the document, which the scan has bounded. */
static int write_value(output *o, const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return write_object(o, (json_t *)value);
    case JSON_ARRAY:
        return write_array(o, value);
    case JSON_STRING:
        return write_string_value(o, value);
    case JSON_INTEGER:
    case JSON_REAL:
        return write_number(o, json_number_value(value));
    case JSON_TRUE:
        return append(o, w4_bytes_from_text("true"));
    case JSON_FALSE:
        return append(o, w4_bytes_from_text("false"));
    case JSON_NULL:
        return append(o, w4_bytes_from_text("null"));
    }
    return -EINVAL;
}

/* ---- parsing */

/* Where the string begins that ends at offset end. */
static size_t string_start(w4_bytes text, size_t end) {
    size_t start = end > 0 ? end - 1 : 0;
    while (start > 0) {
        if (text.data[--start] != '"')
            continue;
        size_t escapes = 0;
        while (escapes < start && text.data[start - 1 - escapes] == '\\')
            escapes++;
        if (escapes % 2 == 0)
            break;
    }
    return start;
}

static int refuse_duplicate(w4_bytes text, size_t end, w4_json_error *ret_error) {
    size_t start = string_start(text, end);
    size_t len = end - start < NAME_SHOWN_MAX ? end - start : NAME_SHOWN_MAX;
    char shown[2 * NAME_SHOWN_MAX];
    w4_text_escape_cut(shown, sizeof shown, w4_bytes_of(text.data + start, len));
    return w4_json_fault(ret_error, W4_JSON_E_SYNTAX, text, start,
                         "a member name twice in one object: %s", shown);
}

/* Behind the scan, a text that jansson does not take has a name twice; or there was no memory,
 * which jansson reports in many ways. */
static int parse_failed(w4_bytes text, const json_error_t *error, w4_json_error *ret_error) {
    size_t end = error->position > 0 ? (size_t)error->position : 0;
    if (json_error_code(error) == json_error_duplicate_key && end <= text.len)
        return refuse_duplicate(text, end, ret_error);
    return -ENOMEM;
}

/* A text that passed the scan, as a tree. */
static int parse(w4_bytes text, json_t **ret_root, w4_json_error *ret_error) {
    json_error_t error = {.position = 0}; /* without memory it may come back as it was */
    json_t *root = json_loadb((const char *)text.data, text.len, PARSE_FLAGS, &error);
    if (!root)
        return parse_failed(text, &error, ret_error);
    *ret_root = root;
    return 0;
}

static int parse_marked(w4_bytes text, json_t **ret_root, w4_json_error *ret_error) {
    w4_buffer marked = W4_BUFFER_INIT(SIZE_MAX);
    int r = mark(&marked, text);
    if (r == 0)
        r = parse(w4_buffer_bytes(&marked), ret_root, ret_error);
    w4_buffer_deinit(&marked);
    return r;
}

int w4_json_canonical(w4_buffer *out, w4_bytes text, const w4_json_limits *limits,
                      w4_json_error *ret_error) {
    w4_json_scan_result scan;
    int r = w4_json_scan(text, limits, &scan, ret_error);
    if (r != 0)
        return r;
    json_t *root = NULL;
    r = scan.nul_in_name ? parse_marked(text, &root, ret_error) : parse(text, &root, ret_error);
    if (r != 0)
        return r;
    output o = {
        .out = out, .start = out->len, .bytes_max = limits->bytes, .marked = scan.nul_in_name};
    r = write_value(&o, root);
    json_decref(root);
    /* Without memory for a longer token, jansson leaves bytes out and goes on. */
    if (r == 0 && (o.sums.strings != scan.sums.strings || o.sums.numbers != scan.sums.numbers))
        r = -ENOMEM;
    if (r != 0)
        out->len = o.start;
    if (r == W4_JSON_E_TOO_LARGE)
        return w4_json_fault(ret_error, r, text, 0, "over %zu bytes in canonical form",
                             limits->bytes);
    return r;
}

/* The text becomes the document's own. */
static int own(w4_json_document *doc, w4_bytes text) {
    int r = w4_buffer_append(&doc->owned, text);
    doc->text = r == 0 ? w4_buffer_bytes(&doc->owned) : w4_bytes_of(NULL, 0);
    doc->count = r == 0 ? doc->count : 0;
    return r;
}

/* Without the parser: what programs wrote, as the rows of stores, is canonical as a rule, and what
 * agents say is so but for the order of members. A condition: it has to go by the parser. */
static int read_plain(w4_json_document *doc, w4_bytes text, const w4_json_limits *limits) {
    int r = w4_json_try_loose(doc, text, limits);
    if (r != 0)
        return r;
    const w4_json_node *root = &doc->nodes[0];
    bool container = root->kind == W4_JSON_ARRAY || root->kind == W4_JSON_OBJECT;
    if (!container || !root->escaped)
        return own(doc, doc->text);
    r = w4_json_arrange(doc, &doc->owned);
    doc->count = 0;
    doc->text = w4_bytes_of(NULL, 0);
    return r < 0 ? r : w4_json_try_canonical(doc, w4_buffer_bytes(&doc->owned), limits);
}

int w4_json_read(w4_json_document *doc, w4_bytes text, const w4_json_limits *limits,
                 w4_json_error *ret_error) {
    doc->owned.max = SIZE_MAX; /* the limits bound it */
    w4_buffer_clear(&doc->owned);
    int r = read_plain(doc, text, limits);
    if (r <= 0)
        return r;
    w4_buffer_clear(&doc->owned);
    r = w4_json_canonical(&doc->owned, text, limits, ret_error);
    if (r != 0)
        return r;
    return w4_json_read_canonical(doc, w4_buffer_bytes(&doc->owned), limits, ret_error);
}
