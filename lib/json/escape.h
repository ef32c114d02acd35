/* Strings between UTF-8 and what stands between the quotes. */
#pragma once

#include "base/bytes.h"

/* Bytes of the well-formed UTF-8 character at the front: 1 to 4, or 0 (RFC 3629). at < end. */
static inline size_t w4_json_utf8_len(const uint8_t *at, const uint8_t *end) {
    uint8_t lead = at[0];
    if (lead < 0x80)
        return 1;
    size_t len = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (lead < 0xc2 || lead > 0xf4 || (size_t)(end - at) < len)
        return 0;
    /* The second byte is where overlong forms, surrogates and the end of Unicode show. */
    uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

/* The character of so many bytes (w4_json_utf8_len). */
static inline uint32_t w4_json_code_point(const uint8_t *at, size_t len) {
    uint32_t value = len == 1 ? at[0] : at[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++)
        value = value << 6 | (at[i] & 0x3fu);
    return value;
}

/* Appends the string with its quotes, escaped as RFC 8785 3.2.2.2 says. Each byte that begins no
 * valid UTF-8 becomes U+FFFD. 0, or -ENOMEM / -EMSGSIZE (then something may have been added). */
int w4_json_escape(w4_buffer *out, w4_bytes utf8);

/* Length of the canonical escape at the front (a backslash first), 0 when it is none; *ret_byte is
 * what it stands for: canonical form escapes only single bytes. */
size_t w4_json_escape_len(const uint8_t *at, const uint8_t *end, uint8_t *ret_byte);

/* The next byte of a decoded canonical string; at < end, moves *at. */
static inline uint8_t w4_json_decode_byte(const uint8_t **at, const uint8_t *end) {
    uint8_t byte = **at;
    size_t len = byte == '\\' ? w4_json_escape_len(*at, end, &byte) : 1;
    *at += len > 0 ? len : 1;
    return byte;
}

/* Order of member names: by UTF-16 code units of the decoded strings (RFC 8785 3.2.3).
 * _raw: valid UTF-8. _escaped: canonical strings, as they stand between the quotes. */
int w4_json_order_raw(w4_bytes a, w4_bytes b);
int w4_json_order_escaped(w4_bytes a, w4_bytes b);
