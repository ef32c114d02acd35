/* The reader for what nodes send each other: one pass over the bytes, spans out, and nothing
 * accepted but canonical form (RFC 8785). Every rule is checked where its bytes are read, so a
 * document that passes needs no second look and no second writing.
 *
 * The loose way, for what agents write: white space may stand between tokens and members come in
 * any order; each container where that is so is marked, and so are those around it. */
#include "json/document.h"
#include "json/escape.h"
#include "json/fault.h"
#include "json/number.h"
#include "json/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NODES_FIRST 64

typedef struct frame {
    uint32_t node;  /* the open array or object */
    uint32_t count; /* of its values so far */
    uint32_t name;  /* node of the last name; 0 (never a name): none yet */
} frame;

typedef struct reader {
    w4_json_document *doc;
    const uint8_t *text;
    const uint8_t *at;
    const uint8_t *end;
    const w4_json_limits *limits;
    const char *why; /* of the first fault */
    const uint8_t *where;
    uint32_t depth;
    uint32_t depth_max;
    uint32_t values;
    bool loose;
    frame frames[W4_JSON_DEPTH_MAX];
} reader;

static int fail(reader *r, int condition, const uint8_t *where, const char *why) {
    r->why = why;
    r->where = where;
    return condition;
}

static int fail_form(reader *r, const char *why) {
    return fail(r, W4_JSON_E_NOT_CANONICAL, r->at, why);
}

static int grow(w4_json_document *doc) {
    uint32_t cap = doc->cap > 0 ? doc->cap * 2 : NODES_FIRST;
    w4_json_node *nodes = realloc(doc->nodes, cap * sizeof *nodes);
    if (!nodes)
        return -ENOMEM;
    doc->nodes = nodes;
    doc->cap = cap;
    return 0;
}

/* Adds a node that begins at start (of a string: behind its quote). */
static inline int push(reader *r, w4_json_kind kind, const uint8_t *start,
                       w4_json_node **ret_node) {
    w4_json_document *doc = r->doc;
    if (doc->count == doc->cap) {
        int error = grow(doc);
        if (error != 0)
            return error;
    }
    w4_json_node *node = &doc->nodes[doc->count++];
    *node = (w4_json_node){.start = (uint32_t)(start - r->text), .kind = (uint8_t)kind};
    *ret_node = node;
    return 0;
}

/* Ends the scalar that was pushed last. */
static inline void seal(reader *r, w4_json_node *node, const uint8_t *end) {
    node->end = (uint32_t)(end - r->text);
    node->next = r->doc->count;
}

/* The first byte of a string that is not plain ASCII standing for itself. Eight bytes a step: the
 * top bit of a byte in the sum is set when it is a quote, a backslash, a control or over 0x7f. */
static inline const uint8_t *skip_plain(const uint8_t *at, const uint8_t *end) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    for (; end - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        uint64_t quote = (word ^ (ones * '"')) - ones;
        uint64_t backslash = (word ^ (ones * '\\')) - ones;
        uint64_t control = word - ones * 0x20;
        if ((quote | backslash | control | word) & (ones * 0x80))
            break;
    }
    while (at < end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\')
        at++;
    return at;
}

/* A string at its first quote; names and values alike. */
static int read_string(reader *r) {
    const uint8_t *start = r->at + 1;
    w4_json_node *node;
    int error = push(r, W4_JSON_STRING, start, &node);
    if (error != 0)
        return error;
    size_t saved = 0; /* bytes that escapes are longer than what they stand for */
    const uint8_t *at = start;
    for (;;) {
        at = skip_plain(at, r->end);
        r->at = at;
        if (at == r->end)
            return fail_form(r, "a string without end");
        if (*at == '"')
            break;
        size_t len = 0;
        if (*at == '\\') {
            uint8_t byte;
            len = w4_json_escape_len(at, r->end, &byte);
            if (len == 0)
                return fail_form(r, "an escape that canonical form does not use");
            node->escaped = true;
            saved += len - 1;
        } else if (*at >= 0x80) {
            len = w4_json_utf8_len(at, r->end);
        }
        if (len == 0)
            return fail_form(r, "a byte that must not stand in a string");
        at += len;
    }
    if ((size_t)(at - start) - saved > r->limits->string)
        return fail(r, W4_JSON_E_TOO_LARGE, start - 1, "a string over the limit");
    seal(r, node, at);
    r->at = at + 1;
    return 0;
}

/* The container that is open now has what canonical form has otherwise. */
static void mark_loose(reader *r) {
    r->doc->nodes[r->frames[r->depth - 1].node].escaped = true;
}

static bool is_space(uint8_t byte) {
    return byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r';
}

/* Between the tokens of a container. */
static inline void skip_space(reader *r) {
    if (!r->loose || r->at == r->end || !is_space(*r->at))
        return;
    mark_loose(r);
    while (r->at < r->end && is_space(*r->at))
        r->at++;
}

static w4_bytes text_of(const reader *r, const w4_json_node *node) {
    return w4_bytes_of(r->text + node->start, node->end - node->start);
}

/* A name and its colon; names rise strictly, so none comes twice. */
static int read_name(reader *r, frame *top) {
    skip_space(r);
    const uint8_t *start = r->at;
    if (start == r->end || *start != '"')
        return fail_form(r, "a member name must stand here");
    uint32_t index = r->doc->count;
    int error = read_string(r);
    if (error != 0)
        return error;
    if (top->name != 0) {
        const w4_json_node *last = &r->doc->nodes[top->name];
        const w4_json_node *node = &r->doc->nodes[index];
        bool escaped = last->escaped || node->escaped;
        int order = escaped ? w4_json_order_escaped(text_of(r, last), text_of(r, node))
                            : w4_json_order_raw(text_of(r, last), text_of(r, node));
        if (order == 0)
            return fail(r, W4_JSON_E_SYNTAX, start, "a member name twice in one object");
        if (order > 0 && !r->loose)
            return fail(r, W4_JSON_E_NOT_CANONICAL, start, "members are not sorted");
        if (order > 0)
            mark_loose(r);
    }
    top->name = index;
    skip_space(r);
    if (r->at == r->end || *r->at != ':')
        return fail_form(r, "a colon must stand here");
    r->at++;
    return 0;
}

static int read_number(reader *r) {
    w4_json_node *node;
    int error = push(r, W4_JSON_NUMBER, r->at, &node);
    if (error != 0)
        return error;
    size_t len = w4_json_number_canonical(r->at, r->end);
    if (len == 0) {
        bool is_number = r->at < r->end && (*r->at == '-' || (*r->at >= '0' && *r->at <= '9'));
        return fail_form(r, is_number ? "a number that canonical form spells otherwise"
                                      : "a value must stand here, without space before it");
    }
    r->at += len;
    seal(r, node, r->at);
    return 0;
}

static int read_literal(reader *r, const char *word, size_t len, w4_json_kind kind) {
    w4_json_node *node;
    int error = push(r, kind, r->at, &node);
    if (error != 0)
        return error;
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
        return fail_form(r, "a value must stand here");
    r->at += len;
    seal(r, node, r->at);
    return 0;
}

/* Out of the container that is open, behind its end. */
static inline void leave(reader *r, w4_json_node *node) {
    seal(r, node, r->at);
    r->depth--;
    if (node->escaped && r->depth > 0)
        mark_loose(r);
}

static int open_container(reader *r, w4_json_kind kind, bool *ret_complete) {
    if (r->depth >= r->depth_max)
        return fail(r, W4_JSON_E_TOO_DEEP, r->at, "nested too deep");
    w4_json_node *node;
    uint32_t index = r->doc->count;
    int error = push(r, kind, r->at, &node);
    if (error != 0)
        return error;
    r->at++;
    frame *top = &r->frames[r->depth++];
    *top = (frame){.node = index};
    skip_space(r);
    if (r->at < r->end && *r->at == (kind == W4_JSON_OBJECT ? '}' : ']')) {
        r->at++;
        leave(r, node);
        *ret_complete = true;
        return 0;
    }
    *ret_complete = false;
    return kind == W4_JSON_OBJECT ? read_name(r, top) : 0;
}

/* A scalar, or the beginning of a container (then *ret_complete is false). */
static int read_value(reader *r, bool *ret_complete) {
    *ret_complete = true;
    if (r->depth > 0)
        skip_space(r);
    if (r->at == r->end)
        return fail_form(r, "a value must stand here");
    if (++r->values > W4_JSON_VALUES_MAX)
        return fail(r, W4_JSON_E_TOO_LARGE, r->at, "too many values");
    switch (*r->at) {
    case '"':
        return read_string(r);
    case '{':
        return open_container(r, W4_JSON_OBJECT, ret_complete);
    case '[':
        return open_container(r, W4_JSON_ARRAY, ret_complete);
    case 't':
        return read_literal(r, "true", 4, W4_JSON_TRUE);
    case 'f':
        return read_literal(r, "false", 5, W4_JSON_FALSE);
    case 'n':
        return read_literal(r, "null", 4, W4_JSON_NULL);
    default:
        return read_number(r);
    }
}

/* Behind a value in a container: on to the next value, or out of the container. */
static int read_behind(reader *r, bool *ret_complete) {
    frame *top = &r->frames[r->depth - 1];
    w4_json_node *node = &r->doc->nodes[top->node];
    bool object = node->kind == W4_JSON_OBJECT;
    if (++top->count > r->limits->items)
        return fail(r, W4_JSON_E_TOO_LARGE, r->at, "too many elements or members");
    skip_space(r);
    uint8_t byte = r->at < r->end ? *r->at : 0;
    if (byte == ',') {
        r->at++;
        *ret_complete = false;
        return object ? read_name(r, top) : 0;
    }
    if (byte != (object ? '}' : ']'))
        return fail_form(r, "a comma or an end must stand here");
    r->at++;
    node->count = top->count;
    leave(r, node);
    return 0;
}

static int read_document(reader *r) {
    bool complete = false;
    do {
        int error = read_value(r, &complete);
        while (error == 0 && complete && r->depth > 0)
            error = read_behind(r, &complete);
        if (error != 0)
            return error;
    } while (!complete);
    return r->at == r->end ? 0 : fail_form(r, "nothing more may stand here");
}

/* The slow way out: is it JSON in another form, or no JSON? */
static int report(const reader *r, int condition, w4_json_error *ret_error) {
    w4_bytes text = w4_bytes_of(r->text, (size_t)(r->end - r->text));
    size_t offset = (size_t)(r->where - r->text);
    w4_json_scan_result unused;
    if (condition == W4_JSON_E_NOT_CANONICAL &&
        w4_json_scan(text, r->limits, &unused, ret_error) == W4_JSON_E_SYNTAX)
        return W4_JSON_E_SYNTAX;
    if (condition != W4_JSON_E_NOT_CANONICAL)
        return w4_json_fault(ret_error, condition, text, offset, "%s", r->why);
    char found[W4_JSON_FOUND_MAX];
    return w4_json_fault(ret_error, condition, text, offset, "not canonical: %s, found %s", r->why,
                         w4_json_found(text, offset, found));
}

/* 0 with the document, or why not; of the conditions, *ret_reader can report. */
static int try_text(w4_json_document *doc, w4_bytes text, const w4_json_limits *limits, bool loose,
                    reader *ret_reader) {
    reader *r = ret_reader; /* its frames are written before they are read: not worth clearing */
    r->doc = doc;
    r->text = r->at = r->where = text.data;
    r->end = text.data + text.len;
    r->limits = limits;
    r->loose = loose;
    r->why = NULL;
    r->depth = r->values = 0;
    r->depth_max = limits->depth < W4_JSON_DEPTH_MAX ? limits->depth : W4_JSON_DEPTH_MAX;
    int error = read_document(r);
    if (error == 0)
        doc->text = text;
    else
        doc->count = 0;
    return error;
}

int w4_json_read_canonical(w4_json_document *doc, w4_bytes text, const w4_json_limits *limits,
                           w4_json_error *ret_error) {
    doc->count = 0;
    doc->text = w4_bytes_of(NULL, 0);
    if (text.len > limits->bytes || text.len > UINT32_MAX)
        return w4_json_fault(ret_error, W4_JSON_E_TOO_LARGE, w4_bytes_of(NULL, 0), 0,
                             "%zu bytes, allowed are %zu", text.len, limits->bytes);
    if (text.len == 0)
        return w4_json_fault(ret_error, W4_JSON_E_SYNTAX, text, 0,
                             "expected a value, found nothing");
    reader r;
    int error = try_text(doc, text, limits, false, &r);
    return error <= 0 ? error : report(&r, error, ret_error);
}

static int try_or_empty(w4_json_document *doc, w4_bytes text, const w4_json_limits *limits,
                        bool loose) {
    doc->count = 0;
    doc->text = w4_bytes_of(NULL, 0);
    if (text.len == 0 || text.len > limits->bytes || text.len > UINT32_MAX)
        return W4_JSON_E_NOT_CANONICAL;
    reader r;
    return try_text(doc, text, limits, loose, &r);
}

int w4_json_try_canonical(w4_json_document *doc, w4_bytes text, const w4_json_limits *limits) {
    return try_or_empty(doc, text, limits, false);
}

int w4_json_try_loose(w4_json_document *doc, w4_bytes text, const w4_json_limits *limits) {
    if (text.len > limits->bytes) /* white space around it counts too */
        return W4_JSON_E_TOO_LARGE;
    while (text.len > 0 && is_space(text.data[0]))
        text = w4_bytes_of(text.data + 1, text.len - 1);
    while (text.len > 0 && is_space(text.data[text.len - 1]))
        text.len--;
    return try_or_empty(doc, text, limits, true);
}
