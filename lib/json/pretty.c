#include "base/text.h"
#include "json/escape.h"
#include "json/writer.h"

#define FORM_MAX 16 /* of one character as base/text.h shows it */

static int pretty_value(w4_buffer *out, w4_json v, uint32_t depth);

static int pretty_escape(w4_buffer *out, uint32_t code) {
    if (code < 0x10000)
        return w4_buffer_printf(out, "\\u%04x", code);
    code -= 0x10000;
    return w4_buffer_printf(out, "\\u%04x\\u%04x", 0xd800 + (code >> 10), 0xdc00 + (code & 0x3ff));
}

/* The string as it stands, but what a terminal acts on goes out as \u escapes: the result means
 * the same and is safe to look at. */
static int pretty_string(w4_buffer *out, w4_bytes text) {
    const uint8_t *at = text.data, *end = text.data + text.len;
    int r = 0;
    while (r == 0 && at < end) {
        const uint8_t *plain = at;
        while (at < end && *at < 0x7f)
            at++;
        if (at > plain)
            r = w4_buffer_append(out, w4_bytes_of(plain, (size_t)(at - plain)));
        if (r < 0 || at == end)
            break;
        w4_bytes character = w4_bytes_of(at, w4_json_utf8_len(at, end));
        char shown[FORM_MAX];
        w4_text_escape_cut(shown, sizeof shown, character);
        r = w4_bytes_equal_text(character, shown)
                ? w4_buffer_append(out, character)
                : pretty_escape(out, w4_json_code_point(at, character.len));
        at += character.len;
    }
    return r;
}

static int pretty_line(w4_buffer *out, uint32_t depth) {
    int r = w4_buffer_append_byte(out, '\n');
    for (uint32_t i = 0; r == 0 && i < depth; i++)
        r = w4_buffer_append_text(out, "  ");
    return r;
}

static int pretty_member(w4_buffer *out, const w4_json_iterator *i, uint32_t depth) {
    int r = i->position > 0 ? w4_buffer_append_byte(out, ',') : 0;
    if (r == 0)
        r = pretty_line(out, depth);
    if (r == 0 && w4_json_exists(i->name))
        r = pretty_string(out, w4_json_text(i->name));
    if (r == 0 && w4_json_exists(i->name))
        r = w4_buffer_append_text(out, ": ");
    return r == 0 ? pretty_value(out, i->value, depth) : r;
}

static int pretty_container(w4_buffer *out, w4_json v, uint32_t depth) {
    w4_bytes text = w4_json_text(v);
    int r = w4_buffer_append_byte(out, text.data[0]);
    for (w4_json_iterator i = w4_json_first(v); r == 0 && w4_json_exists(i.value);
         i = w4_json_next(i))
        r = pretty_member(out, &i, depth + 1);
    if (r == 0)
        r = pretty_line(out, depth);
    return r == 0 ? w4_buffer_append_byte(out, text.data[text.len - 1]) : r;
}

static int pretty_value(w4_buffer *out, w4_json v, uint32_t depth) {
    if (w4_json_count(v) > 0)
        return pretty_container(out, v, depth);
    if (!w4_json_exists(v))
        return w4_buffer_append_text(out, "null");
    return pretty_string(out, w4_json_text(v));
}

int w4_json_pretty(w4_buffer *out, w4_json v) {
    size_t before = out->len;
    int r = pretty_value(out, v, 0);
    if (r < 0)
        out->len = before;
    return r;
}
