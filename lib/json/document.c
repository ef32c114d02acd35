#include "json/document.h"

#include "json/escape.h"
#include "json/number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INTEGER_MAX INT64_C(9007199254740991) /* 2^53 - 1 */
#define INTEGER_DIGITS_MAX 16

const w4_json_limits W4_JSON_LIMITS_ENVELOPE = {
    .bytes = 256u << 10, .depth = 32, .items = 1024, .string = 64u << 10};
const w4_json_limits W4_JSON_LIMITS_LINE = {
    .bytes = 1u << 20, .depth = 64, .items = 65536, .string = 1u << 20};
const w4_json_limits W4_JSON_LIMITS_FILE = {
    .bytes = 16u << 20, .depth = 128, .items = 1u << 18, .string = 8u << 20};

static const w4_json none = {NULL, 0};

void w4_json_document_deinit(w4_json_document *doc) {
    free(doc->nodes);
    doc->nodes = NULL;
    doc->count = 0;
    doc->cap = 0;
    doc->text = w4_bytes_of(NULL, 0);
    w4_buffer_deinit(&doc->owned);
}

static const w4_json_node *node_of(w4_json v) {
    return v.doc && v.index < v.doc->count ? &v.doc->nodes[v.index] : NULL;
}

static const w4_json_node *string_of(w4_json v) {
    const w4_json_node *node = node_of(v);
    return node && node->kind == W4_JSON_STRING ? node : NULL;
}

static w4_bytes span(const w4_json_document *doc, const w4_json_node *node) {
    return w4_bytes_of(doc->text.data + node->start, node->end - node->start);
}

w4_json w4_json_root(const w4_json_document *doc) {
    return doc && doc->count > 0 ? (w4_json){doc, 0} : none;
}

w4_json_kind w4_json_kind_of(w4_json v) {
    const w4_json_node *node = node_of(v);
    return node ? (w4_json_kind)node->kind : W4_JSON_NONE;
}

const char *w4_json_kind_name(w4_json_kind kind) {
    static const char *const names[W4_JSON_KIND_COUNT] = {
        [W4_JSON_NONE] = "nothing",   [W4_JSON_NULL] = "null",       [W4_JSON_FALSE] = "false",
        [W4_JSON_TRUE] = "true",      [W4_JSON_NUMBER] = "a number", [W4_JSON_STRING] = "a string",
        [W4_JSON_ARRAY] = "an array", [W4_JSON_OBJECT] = "an object"};
    return (unsigned)kind < W4_JSON_KIND_COUNT ? names[kind] : names[W4_JSON_NONE];
}

uint32_t w4_json_count(w4_json v) {
    const w4_json_node *node = node_of(v);
    return node ? node->count : 0;
}

w4_json_iterator w4_json_first(w4_json v) {
    w4_json_iterator i = {.name = none, .value = none, .parent = v, .position = 0};
    const w4_json_node *node = node_of(v);
    if (!node || node->count == 0)
        return i;
    i.value = (w4_json){v.doc, v.index + 1};
    if (node->kind == W4_JSON_OBJECT) {
        i.name = i.value;
        i.value.index++;
    }
    return i;
}

w4_json_iterator w4_json_next(w4_json_iterator i) {
    const w4_json_node *parent = node_of(i.parent);
    const w4_json_node *node = node_of(i.value);
    if (!parent || !node || ++i.position >= parent->count) {
        i.name = i.value = none;
        return i;
    }
    i.value.index = node->next;
    if (parent->kind == W4_JSON_OBJECT) {
        i.name = i.value;
        i.value.index++;
    }
    return i;
}

static bool string_is(const w4_json_document *doc, const w4_json_node *node, w4_bytes wanted) {
    w4_bytes raw = span(doc, node);
    if (!node->escaped)
        return raw.len == wanted.len &&
               (raw.len == 0 || memcmp(raw.data, wanted.data, raw.len) == 0);
    const uint8_t *at = raw.data, *end = raw.data + raw.len;
    size_t i = 0;
    for (; at < end; i++)
        if (i == wanted.len || w4_json_decode_byte(&at, end) != wanted.data[i])
            return false;
    return i == wanted.len;
}

w4_json w4_json_get_bytes(w4_json object, w4_bytes name) {
    const w4_json_node *node = node_of(object);
    if (!node || node->kind != W4_JSON_OBJECT)
        return none;
    const w4_json_node *nodes = object.doc->nodes;
    uint32_t at = object.index + 1;
    for (uint32_t i = 0; i < node->count; i++) {
        if (string_is(object.doc, &nodes[at], name))
            return (w4_json){object.doc, at + 1};
        at = nodes[at + 1].next;
    }
    return none;
}

w4_json w4_json_get(w4_json object, const char *name) {
    return name ? w4_json_get_bytes(object, w4_bytes_from_text(name)) : none;
}

/* Whether a reference token ("a~1b") names the string. */
static bool token_is(const w4_json_document *doc, const w4_json_node *node, w4_bytes token) {
    w4_bytes raw = span(doc, node);
    const uint8_t *at = raw.data, *end = raw.data + raw.len;
    size_t i = 0;
    while (at < end && i < token.len) {
        uint8_t wanted = token.data[i++];
        if (wanted == '~') /* the pointer was checked: 0 or 1 follows */
            wanted = token.data[i++] == '0' ? '~' : '/';
        if (w4_json_decode_byte(&at, end) != wanted)
            return false;
    }
    return at == end && i == token.len;
}

static w4_json member_at(w4_json object, w4_bytes token) {
    w4_json_iterator i = w4_json_first(object);
    while (w4_json_exists(i.value) && !token_is(object.doc, node_of(i.name), token))
        i = w4_json_next(i);
    return i.value;
}

static w4_json element_at(w4_json array, w4_bytes token) {
    uint32_t index = 0, count = w4_json_count(array);
    if (token.len == 0 || (token.data[0] == '0' && token.len > 1))
        return none;
    for (size_t i = 0; i < token.len; i++) {
        uint8_t c = token.data[i];
        if (c < '0' || c > '9' || index > count / 10)
            return none;
        index = index * 10 + (uint32_t)(c - '0');
    }
    if (index >= count)
        return none;
    uint32_t at = array.index + 1;
    while (index-- > 0)
        at = array.doc->nodes[at].next;
    return (w4_json){array.doc, at};
}

static bool pointer_is_good(w4_bytes pointer) {
    for (size_t i = 0; i < pointer.len; i++)
        if (pointer.data[i] == '~' &&
            (i + 1 == pointer.len || (pointer.data[i + 1] != '0' && pointer.data[i + 1] != '1')))
            return false;
    return pointer.len == 0 || pointer.data[0] == '/';
}

w4_json w4_json_at_pointer(w4_json v, w4_bytes pointer) {
    if (!pointer_is_good(pointer))
        return none;
    size_t at = 0;
    while (at < pointer.len && w4_json_exists(v)) {
        const uint8_t *token = pointer.data + at + 1;
        const uint8_t *slash = memchr(token, '/', pointer.len - at - 1);
        size_t len = slash ? (size_t)(slash - token) : pointer.len - at - 1;
        w4_json_kind kind = w4_json_kind_of(v);
        v = kind == W4_JSON_OBJECT  ? member_at(v, w4_bytes_of(token, len))
            : kind == W4_JSON_ARRAY ? element_at(v, w4_bytes_of(token, len))
                                    : none;
        at += len + 1;
    }
    return v;
}

bool w4_json_is_true(w4_json v) {
    return w4_json_kind_of(v) == W4_JSON_TRUE;
}

bool w4_json_number(w4_json v, double *ret_value) {
    const w4_json_node *node = node_of(v);
    if (!node || node->kind != W4_JSON_NUMBER)
        return false;
    *ret_value = w4_json_number_parse(span(v.doc, node));
    return true;
}

bool w4_json_integer(w4_json v, int64_t *ret_value) {
    const w4_json_node *node = node_of(v);
    if (!node || node->kind != W4_JSON_NUMBER)
        return false;
    /* Canonical form spells every whole number of this size with digits only. */
    w4_bytes text = span(v.doc, node);
    bool negative = text.data[0] == '-';
    if (text.len - negative > INTEGER_DIGITS_MAX)
        return false;
    int64_t value = 0;
    for (size_t i = negative; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (text.data[i] - '0');
    }
    if (value > INTEGER_MAX)
        return false;
    *ret_value = negative ? -value : value;
    return true;
}

w4_bytes w4_json_text(w4_json v) {
    const w4_json_node *node = node_of(v);
    if (!node)
        return w4_bytes_of(NULL, 0);
    w4_bytes text = span(v.doc, node);
    return node->kind == W4_JSON_STRING ? w4_bytes_of(text.data - 1, text.len + 2) : text;
}

w4_bytes w4_json_string_raw(w4_json v) {
    const w4_json_node *node = string_of(v);
    return node ? span(v.doc, node) : w4_bytes_of(NULL, 0);
}

int w4_json_string_decode(w4_json v, w4_buffer *out) {
    const w4_json_node *node = string_of(v);
    if (!node)
        return -EINVAL;
    w4_bytes raw = span(v.doc, node);
    if (!node->escaped)
        return w4_buffer_append(out, raw);
    size_t before = out->len;
    const uint8_t *at = raw.data, *end = raw.data + raw.len;
    while (at < end) {
        int r = w4_buffer_append_byte(out, w4_json_decode_byte(&at, end));
        if (r < 0) {
            out->len = before;
            return r;
        }
    }
    return 0;
}

bool w4_json_string_equal(w4_json v, const char *text) {
    const w4_json_node *node = string_of(v);
    return node && text && string_is(v.doc, node, w4_bytes_from_text(text));
}

bool w4_json_string_plain(w4_json v) {
    const w4_json_node *node = string_of(v);
    return node && !node->escaped;
}

static bool is_blank(uint32_t code) {
    static const struct {
        uint32_t first, last;
    } ranges[] = {{0, 0x20},        {0x7F, 0xA0},     {0xAD, 0xAD},     {0x1680, 0x1680},
                  {0x180E, 0x180E}, {0x2000, 0x200F}, {0x2028, 0x202F}, {0x205F, 0x206F},
                  {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
    bool blank = false;
    for (size_t i = 0; !blank && i < sizeof ranges / sizeof ranges[0]; i++)
        blank = code >= ranges[i].first && code <= ranges[i].last;
    return blank;
}

bool w4_json_string_is_blank(w4_json v) {
    const w4_json_node *node = string_of(v);
    if (!node)
        return false;
    w4_bytes raw = span(v.doc, node);
    const uint8_t *at = raw.data, *end = raw.data + raw.len;
    bool blank = true;
    while (blank && at < end) {
        uint32_t code = w4_json_decode_byte(&at, end);
        unsigned more = code < 0x80 ? 0 : code < 0xE0 ? 1 : code < 0xF0 ? 2 : 3;
        code &= more == 0 ? 0x7Fu : 0x3Fu >> more;
        for (; more > 0 && at < end; more--)
            code = code << 6 | (w4_json_decode_byte(&at, end) & 0x3Fu);
        blank = is_blank(code);
    }
    return blank;
}

bool w4_json_string_copy(w4_json v, char *ret_text, size_t size) {
    const w4_json_node *node = string_of(v);
    if (!node || size == 0)
        return false;
    w4_bytes raw = span(v.doc, node);
    /* Measured first: the output is untouched when it does not fit. */
    size_t len = 0;
    for (const uint8_t *at = raw.data, *end = raw.data + raw.len; at < end; len++)
        if (len + 1 >= size || w4_json_decode_byte(&at, end) == '\0')
            return false;
    const uint8_t *at = raw.data, *end = raw.data + raw.len;
    for (size_t i = 0; i < len; i++)
        ret_text[i] = (char)w4_json_decode_byte(&at, end);
    ret_text[len] = '\0';
    return true;
}
