#include "json/schema.h"

#include "base/text.h"
#include "json/escape.h"
#include "json/schema_text.h"

#include <stdio.h>
#include <string.h>

#define ROWS_MAX 256      /* of one table, as far as names are suggested */
#define NAME_SHOWN_MAX 64 /* a longer unknown name is near to none */

/* The way from the root to a value, on the stack. */
typedef struct place {
    const struct place *up; /* NULL: the root */
    w4_json name;           /* a member's name in the document */
    const char *text;       /* or a member's name in the table, when name is none */
    uint32_t index;         /* or an element, when both are none */
} place;

typedef struct checker {
    w4_faults *faults;
    uint32_t found;
    uint32_t limit;
} checker;

static bool check_value(checker *c, const w4_schema_row *row, w4_json value, const place *at);

/* ---- faults */

static int add_character(w4_buffer *out, w4_bytes character) {
    if (w4_bytes_equal_text(character, "~"))
        return w4_buffer_append_text(out, "~0");
    if (w4_bytes_equal_text(character, "/"))
        return w4_buffer_append_text(out, "~1");
    return w4_text_escape(out, character);
}

static int add_text(w4_buffer *out, w4_bytes text) {
    const uint8_t *at = text.data, *end = text.data + text.len;
    int r = 0;
    while (r == 0 && at < end) {
        size_t len = w4_json_utf8_len(at, end);
        len = len > 0 ? len : 1;
        r = add_character(out, w4_bytes_of(at, len));
        at += len;
    }
    return r;
}

static int add_name(w4_buffer *out, w4_json name) {
    w4_bytes raw = w4_json_string_raw(name);
    if (w4_json_string_plain(name))
        return add_text(out, raw);
    const uint8_t *at = raw.data, *end = raw.data + raw.len;
    int r = 0;
    while (r == 0 && at < end) {
        size_t len = *at < 0x80 ? 1 : w4_json_utf8_len(at, end);
        uint8_t byte = *at;
        const uint8_t *character = at;
        at += len;
        if (byte == '\\') {
            at = character;
            byte = w4_json_decode_byte(&at, end);
            character = &byte;
        }
        r = add_character(out, w4_bytes_of(character, len));
    }
    return r;
}

static int add_place(w4_buffer *out, const place *at) {
    if (!at)
        return 0;
    int r = add_place(out, at->up);
    if (r == 0)
        r = w4_buffer_append_byte(out, '/');
    if (r < 0)
        return r;
    if (w4_json_exists(at->name))
        return add_name(out, at->name);
    if (at->text)
        return add_text(out, w4_bytes_from_text(at->text));
    char digits[16];
    int len = snprintf(digits, sizeof digits, "%u", at->index);
    return w4_buffer_append(out, w4_bytes_of(digits, (size_t)len));
}

/* A buffer over the fault's own array never grows: cap and max are the same. */
static void write_pointer(w4_fault *fault, const place *at) {
    const size_t room = W4_FAULT_POINTER_MAX - sizeof "...";
    w4_buffer out = {.data = (uint8_t *)fault->pointer, .cap = room, .max = room};
    bool whole = add_place(&out, at) == 0;
    memcpy(fault->pointer + out.len, whole ? "" : "...", whole ? 1 : 4);
}

static bool is_full(const checker *c) {
    return c->found >= c->limit;
}

/* Counts a fault; where to write it, or NULL when nobody reads it. */
static w4_fault *new_fault(checker *c, const place *at) {
    c->found++;
    if (!c->faults)
        return NULL;
    uint32_t i = c->faults->count++;
    if (i >= W4_FAULTS_MAX)
        return NULL;
    write_pointer(&c->faults->items[i], at);
    return &c->faults->items[i];
}

static bool blame(checker *c, const place *at, const char *expected) {
    w4_fault *fault = new_fault(c, at);
    if (fault)
        snprintf(fault->expected, sizeof fault->expected, "%s", expected);
    return false;
}

static bool blame_row(checker *c, const place *at, const w4_schema_row *row) {
    w4_fault *fault = new_fault(c, at);
    if (fault)
        w4_schema_describe(row, fault->expected);
    return false;
}

static void blame_missing(checker *c, const place *at, const w4_schema_row *row) {
    static const char suffix[] = ", but it is missing";
    w4_fault *fault = new_fault(c, at);
    if (!fault)
        return;
    char expected[W4_FAULT_EXPECTED_MAX];
    w4_schema_describe(row, expected);
    snprintf(fault->expected, sizeof fault->expected, "%.*s%s",
             (int)(sizeof fault->expected - sizeof suffix), expected, suffix);
}

static bool is_end(const w4_schema_row *row) {
    return !row->name && row->kind == W4_SCHEMA_ANY;
}

static void blame_unknown(checker *c, const place *at, const w4_schema *schema) {
    w4_fault *fault = new_fault(c, at);
    if (!fault)
        return;
    const char *names[ROWS_MAX];
    size_t count = 0;
    for (const w4_schema_row *row = schema->rows; !is_end(row) && count < ROWS_MAX; row++)
        if (row->name)
            names[count++] = row->name;
    char name[NAME_SHOWN_MAX];
    const char *near = NULL;
    if (w4_json_string_copy(at->name, name, sizeof name))
        near = w4_text_nearest(w4_bytes_from_text(name), names, count);
    snprintf(fault->expected, sizeof fault->expected,
             near ? "no such member; did you mean \"%s\"?" : "no such member", near);
}

/* ---- checks of one value */

static bool in_bounds(const w4_schema_row *row, double value) {
    return (row->min == 0 && row->max == 0) || (value >= row->min && value <= row->max);
}

static size_t decoded_len(w4_json string) {
    w4_bytes raw = w4_json_string_raw(string);
    if (w4_json_string_plain(string))
        return raw.len;
    size_t len = 0;
    for (const uint8_t *at = raw.data, *end = raw.data + raw.len; at < end; len++)
        w4_json_decode_byte(&at, end);
    return len;
}

static bool is_named(const w4_schema_row *row, w4_json value) {
    for (size_t i = 0; row->names && row->names[i]; i++)
        if (w4_json_string_equal(value, row->names[i]))
            return true;
    return false;
}

/* Kind and bounds, nothing inside. */
static bool is_fitting(const w4_schema_row *row, w4_json value) {
    w4_json_kind kind = w4_json_kind_of(value);
    int64_t integer;
    double number;
    switch (row->kind) {
    case W4_SCHEMA_ANY:
        return kind != W4_JSON_NONE;
    case W4_SCHEMA_BOOL:
        return kind == W4_JSON_TRUE || kind == W4_JSON_FALSE;
    case W4_SCHEMA_INTEGER:
        return w4_json_integer(value, &integer) && in_bounds(row, (double)integer);
    case W4_SCHEMA_NUMBER:
        return w4_json_number(value, &number) && in_bounds(row, number);
    case W4_SCHEMA_STRING:
        return kind == W4_JSON_STRING && in_bounds(row, (double)decoded_len(value));
    case W4_SCHEMA_ENUM:
        return kind == W4_JSON_STRING && is_named(row, value);
    case W4_SCHEMA_ARRAY:
        return kind == W4_JSON_ARRAY && in_bounds(row, w4_json_count(value));
    case W4_SCHEMA_OBJECT:
        return kind == W4_JSON_OBJECT;
    case W4_SCHEMA_MAP:
        return kind == W4_JSON_OBJECT && in_bounds(row, w4_json_count(value));
    case W4_SCHEMA_KIND_COUNT:
        break;
    }
    return false;
}

static bool is_short(const w4_schema_row *row, w4_json value) {
    return row->kind == W4_SCHEMA_STRING && row->check &&
           w4_json_kind_of(value) == W4_JSON_STRING && (double)decoded_len(value) < row->min;
}

static const w4_schema_row *row_of(const w4_schema *schema, w4_json name) {
    for (const w4_schema_row *row = schema->rows; !is_end(row); row++)
        if (row->name && w4_json_string_equal(name, row->name))
            return row;
    return NULL;
}

static void check_unknown(checker *c, const w4_schema *schema, w4_json object, const place *up) {
    for (w4_json_iterator i = w4_json_first(object); w4_json_exists(i.value) && !is_full(c);
         i = w4_json_next(i)) {
        const place at = {.up = up, .name = i.name};
        if (!row_of(schema, i.name))
            blame_unknown(c, &at, schema);
    }
}

static bool check_whole(checker *c, const w4_schema *schema, w4_json object, const place *at) {
    const char *member = NULL;
    const char *expected = schema->check ? schema->check(object, &member) : NULL;
    if (!expected)
        return true;
    const place inside = {.up = at, .text = member};
    return blame(c, member ? &inside : at, expected);
}

static bool check_object(checker *c, const w4_schema *schema, w4_json object, const place *at) {
    uint32_t before = c->found;
    for (const w4_schema_row *row = schema->rows; !is_end(row) && !is_full(c); row++) {
        const place inside = {.up = at, .text = row->name};
        w4_json value = w4_json_get(object, row->name);
        if (w4_json_exists(value))
            check_value(c, row, value, &inside);
        else if (row->flags & W4_SCHEMA_REQUIRED)
            blame_missing(c, &inside, row);
    }
    if (schema->closed)
        check_unknown(c, schema, object, at);
    return c->found == before && check_whole(c, schema, object, at);
}

/* The elements of an array, or the values of a map. */
static bool check_items(checker *c, const w4_schema_row *row, w4_json value, const place *up) {
    uint32_t before = c->found;
    for (w4_json_iterator i = w4_json_first(value); w4_json_exists(i.value) && !is_full(c);
         i = w4_json_next(i)) {
        const place at = {.up = up, .name = i.name, .index = i.position};
        check_value(c, row, i.value, &at);
    }
    return c->found == before;
}

static bool check_value(checker *c, const w4_schema_row *row, w4_json value, const place *at) {
    if ((row->flags & W4_SCHEMA_NULLABLE) && w4_json_kind_of(value) == W4_JSON_NULL)
        return true;
    if (!is_fitting(row, value)) {
        /* A text that is too short for its form: the form says more than its length. */
        const char *form = is_short(row, value) ? row->check(value) : NULL;
        return form ? blame(c, at, form) : blame_row(c, at, row);
    }
    bool good = true;
    if ((row->kind == W4_SCHEMA_ARRAY || row->kind == W4_SCHEMA_MAP) && row->items)
        good = check_items(c, row->items, value, at);
    else if (row->kind == W4_SCHEMA_OBJECT && row->object)
        good = check_object(c, row->object, value, at);
    const char *expected = good && row->check ? row->check(value) : NULL;
    return expected ? blame(c, at, expected) : good;
}

bool w4_schema_check(const w4_schema *schema, w4_json value, w4_faults *faults) {
    checker c = {.faults = faults, .limit = 1};
    if (faults) {
        uint32_t limit = faults->limit > 0 ? faults->limit : W4_FAULTS_MAX;
        if (faults->count >= limit)
            limit = faults->count + 1; /* full already: still say whether this one is good */
        c.limit = limit - faults->count;
    }
    const w4_schema_row root = {.kind = W4_SCHEMA_OBJECT, .object = schema};
    return check_value(&c, &root, value, NULL);
}
