#include "json/escape.h"

#include <string.h>

/* What stands behind the backslash; 'u': six characters; 0: the byte stands for itself. */
static const char escapes[256] = {
    [0] = 'u',  [1] = 'u',    [2] = 'u',    [3] = 'u',    [4] = 'u',   [5] = 'u',     [6] = 'u',
    [7] = 'u',  ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', [11] = 'u',  ['\f'] = 'f',  ['\r'] = 'r',
    [14] = 'u', [15] = 'u',   [16] = 'u',   [17] = 'u',   [18] = 'u',  [19] = 'u',    [20] = 'u',
    [21] = 'u', [22] = 'u',   [23] = 'u',   [24] = 'u',   [25] = 'u',  [26] = 'u',    [27] = 'u',
    [28] = 'u', [29] = 'u',   [30] = 'u',   [31] = 'u',   ['"'] = '"', ['\\'] = '\\',
};

static const char hex[] = "0123456789abcdef";

static size_t write_escape(uint8_t byte, char ret_text[static 6]) {
    ret_text[0] = '\\';
    ret_text[1] = escapes[byte];
    if (escapes[byte] != 'u')
        return 2;
    ret_text[2] = '0';
    ret_text[3] = '0';
    ret_text[4] = hex[byte >> 4];
    ret_text[5] = hex[byte & 15];
    return 6;
}

int w4_json_escape(w4_buffer *out, w4_bytes utf8) {
    int r = w4_buffer_append_byte(out, '"');
    const uint8_t *at = utf8.data, *end = utf8.len > 0 ? utf8.data + utf8.len : utf8.data;
    while (r == 0 && at < end) {
        const uint8_t *plain = at;
        size_t len = 1;
        while (at < end && !escapes[*at] && (len = w4_json_utf8_len(at, end)) > 0)
            at += len;
        if (at > plain)
            r = w4_buffer_append(out, w4_bytes_of(plain, (size_t)(at - plain)));
        if (r < 0 || at == end)
            break;
        char text[6] = "\xef\xbf\xbd";
        size_t count = escapes[*at] ? write_escape(*at, text) : 3;
        r = w4_buffer_append(out, w4_bytes_of(text, count));
        at++;
    }
    return r < 0 ? r : w4_buffer_append_byte(out, '"');
}

size_t w4_json_escape_len(const uint8_t *at, const uint8_t *end, uint8_t *ret_byte) {
    if (end - at < 2)
        return 0;
    switch (at[1]) {
    case '"':
    case '\\':
        *ret_byte = at[1];
        return 2;
    case 'b':
        *ret_byte = '\b';
        return 2;
    case 't':
        *ret_byte = '\t';
        return 2;
    case 'n':
        *ret_byte = '\n';
        return 2;
    case 'f':
        *ret_byte = '\f';
        return 2;
    case 'r':
        *ret_byte = '\r';
        return 2;
    case 'u':
        break;
    default:
        return 0;
    }
    if (end - at < 6 || at[2] != '0' || at[3] != '0' || (at[4] != '0' && at[4] != '1'))
        return 0;
    const char *digit = at[5] != '\0' ? strchr(hex, at[5]) : NULL;
    if (!digit)
        return 0;
    uint8_t byte = (uint8_t)((at[4] - '0') * 16 + (digit - hex));
    if (escapes[byte] != 'u')
        return 0;
    *ret_byte = byte;
    return 6;
}

/* UTF-8 sorts by code point. UTF-16 differs from that in one place: surrogate pairs (lead bytes
 * f0 to f4) stand before U+E000 to U+FFFF (lead bytes ee and ef). Those bytes are never
 * continuation bytes, so moving them is all it takes. */
static int weight(uint8_t byte) {
    if (byte < 0xee)
        return byte;
    return byte >= 0xf0 ? byte - 2 : byte + 5;
}

int w4_json_order_raw(w4_bytes a, w4_bytes b) {
    size_t common = a.len < b.len ? a.len : b.len;
    for (size_t i = 0; i < common; i++)
        if (a.data[i] != b.data[i])
            return weight(a.data[i]) - weight(b.data[i]);
    return (a.len > b.len) - (a.len < b.len);
}

int w4_json_order_escaped(w4_bytes a, w4_bytes b) {
    const uint8_t *at_a = a.data, *end_a = a.data + a.len;
    const uint8_t *at_b = b.data, *end_b = b.data + b.len;
    while (at_a < end_a && at_b < end_b) {
        uint8_t byte_a = w4_json_decode_byte(&at_a, end_a);
        uint8_t byte_b = w4_json_decode_byte(&at_b, end_b);
        if (byte_a != byte_b)
            return weight(byte_a) - weight(byte_b);
    }
    return (at_a < end_a) - (at_b < end_b);
}
