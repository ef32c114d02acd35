/* Random documents, random damage, and the promise that holds the two readers together. */
#pragma once

#include "json/document.h"

#include <stdio.h>
#include <string.h>

typedef struct random_source {
    uint64_t state;
} random_source;

static inline uint64_t random_next(random_source *r) {
    uint64_t z = (r->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint32_t random_below(random_source *r, uint32_t bound) {
    return (uint32_t)(random_next(r) % bound);
}

/* Pieces of strings, of values and of damage. All that JSON spells in several ways is here. */
static const char *const string_pieces[] = {
    "a",
    "b",
    "zz",
    "A",
    "/",
    "\\/",
    "\\\"",
    "\\\\",
    "\\n",
    "\\u000a",
    "\\t",
    "\\b",
    "\\f",
    "\\r",
    "\\u0000",
    "\\u001F",
    "\\u001f",
    "\\u0041",
    "\\u00e9",
    "\xc3\xa9",
    "\x7f",
    "\\ud83d\\ude00",
    "\xf0\x9f\x98\x80",
    "\xef\xb7\x90",
    "\\uFDD0",
    "\\ufdd0",
    "\xef\xbf\xbf",
    "\xee\x80\x80",
    "\\uE000",
    "\xe2\x80\xa8",
    "0",
    "1",
    "a long run of plain characters, over eight",
};
static const char *const number_pieces[] = {
    "0",
    "-0",
    "1",
    "-1",
    "10",
    "42.0",
    "1e2",
    "1E+2",
    "0.1",
    "1.50",
    "1e21",
    "1e20",
    "123456789012345678901",
    "9007199254740991",
    "9007199254740992",
    "1e-6",
    "1e-7",
    "0.000001",
    "0.0000001",
    "5e-324",
    "1e-400",
    "2.2250738585072014e-308",
    "1.7976931348623157e308",
    "0.30000000000000004",
    "333333333.33333329",
    "-1.5e-9",
    "100000000000000000000",
    "4.35",
    "-0.0e9",
    "9.999999999999999e22",
    "1e23",
    "12345.678",
};
static const char *const damage_pieces[] = {
    ",",
    ":",
    "\"",
    "{",
    "}",
    "[",
    "]",
    "{}",
    "[]",
    " ",
    "\n",
    "0",
    "1",
    "-",
    ".",
    "e",
    "E",
    "+",
    "\\",
    "\\n",
    "\\u",
    "\\u0000",
    "\\u001f",
    "\\u000b",
    "\\/",
    "null",
    "true",
    "false",
    "\"a\":1,",
    ",\"a\":1",
    "1e400",
    "1e21",
    "0.5",
    "\xc3",
    "\xa9",
    "\xed\xa0\x80",
    "\xf4\x90\x80\x80",
    "\x80",
    "\x1f",
    "\x7f",
    "\xef\xbf\xbf",
    "\xf0\x9f\x98\x80",
    "\xef\xbb\xbf",
    "\\ud800",
    "\"\":",
    "00",
    "10",
    "9",
    "99999999999999999",
};
#define PICK(R, TABLE) (TABLE)[random_below((R), (uint32_t)(sizeof(TABLE) / sizeof *(TABLE)))]

static inline void random_space(random_source *r, w4_buffer *out) {
    static const char *const spaces[] = {" ", "\n", "\t", "\r\n", "  "};
    if (random_below(r, 6) == 0)
        w4_buffer_append_text(out, PICK(r, spaces));
}

static inline void random_string(random_source *r, w4_buffer *out, bool name) {
    w4_buffer_append_byte(out, '"');
    for (uint32_t i = random_below(r, name ? 4 : 6); i > 0; i--)
        w4_buffer_append_text(out, PICK(r, string_pieces));
    w4_buffer_append_byte(out, '"');
}

static inline void random_number(random_source *r, w4_buffer *out) {
    switch (random_below(r, 4)) {
    case 0:
        w4_buffer_append_text(out, PICK(r, number_pieces));
        break;
    case 1:
        w4_buffer_printf(out, "%d", (int)random_below(r, 100000) - 50000);
        break;
    case 2:
        w4_buffer_printf(out, "%u.%u", random_below(r, 1000), random_below(r, 1000000));
        break;
    default: { /* any finite double, with more digits than it needs */
        uint64_t bits = random_next(r) & ~(UINT64_C(1) << 62);
        double value;
        memcpy(&value, &bits, sizeof value);
        w4_buffer_printf(out, "%.20e", value);
    }
    }
}

/* Valid JSON, but for a name that may come twice. */
static inline void random_value(random_source *r, w4_buffer *out, uint32_t depth) {
    static const char *const words[] = {"null", "true", "false"};
    random_space(r, out);
    uint32_t kind = random_below(r, depth == 0 ? 4 : 8);
    uint32_t count = random_below(r, 5);
    if (kind == 0) {
        w4_buffer_append_text(out, PICK(r, words));
    } else if (kind == 1) {
        random_string(r, out, false);
    } else if (kind < 4) {
        random_number(r, out);
    } else {
        bool object = kind < 7;
        w4_buffer_append_byte(out, object ? '{' : '[');
        for (uint32_t i = 0; i < count; i++) {
            random_space(r, out);
            if (i > 0)
                w4_buffer_append_byte(out, ',');
            if (object) {
                random_space(r, out);
                random_string(r, out, true);
                random_space(r, out);
                w4_buffer_append_byte(out, ':');
            }
            random_value(r, out, depth - 1);
        }
        random_space(r, out);
        w4_buffer_append_byte(out, object ? '}' : ']');
    }
    random_space(r, out);
}

/* One to three small changes. */
static inline void random_damage(random_source *r, w4_bytes text, w4_buffer *out) {
    w4_buffer_clear(out);
    w4_buffer_append(out, text);
    for (uint32_t i = 1 + random_below(r, 3) % 3; i > 0 && out->len > 0; i--) {
        uint32_t at = random_below(r, (uint32_t)out->len);
        uint32_t cut = random_below(r, 4) == 0 ? random_below(r, 8) : random_below(r, 2);
        if (cut > out->len - at)
            cut = (uint32_t)out->len - at;
        char tail[4096];
        size_t left = out->len - at - cut;
        if (left > sizeof tail)
            return;
        memcpy(tail, out->data + at + cut, left);
        out->len = at;
        switch (random_below(r, 3)) {
        case 0:
            w4_buffer_append_text(out, PICK(r, damage_pieces));
            break;
        case 1:
            w4_buffer_append_byte(out, (uint8_t)random_below(r, 256));
            break;
        default:
            break;
        }
        w4_buffer_append(out, w4_bytes_of(tail, left));
    }
}

/* By way of the parser, which w4_json_read leaves out where the text is canonical. */
static inline int read_by_parser(w4_json_document *doc, w4_bytes text, const w4_json_limits *limits,
                                 w4_json_error *ret_error) {
    doc->count = 0;
    doc->text = w4_bytes_of(NULL, 0);
    doc->owned.max = SIZE_MAX;
    w4_buffer_clear(&doc->owned);
    int r = w4_json_canonical(&doc->owned, text, limits, ret_error);
    return r != 0 ? r
                  : w4_json_read_canonical(doc, w4_buffer_bytes(&doc->owned), limits, ret_error);
}

static inline bool same_document(const w4_json_document *a, const w4_json_document *b) {
    return w4_bytes_equal(a->text, b->text) && a->count == b->count &&
           (a->count == 0 || memcmp(a->nodes, b->nodes, a->count * sizeof *a->nodes) == 0);
}

/* Whichever way it takes, w4_json_read comes to what the parser comes to. */
static inline bool reads_the_same(const w4_json_document *strict, int s, w4_bytes text,
                                  const w4_json_limits *limits) {
    w4_json_document doc = {0};
    bool same = w4_json_read(&doc, text, limits, NULL) == s && same_document(&doc, strict) &&
                (s != 0 || doc.text.data != text.data);
    w4_json_document_deinit(&doc);
    return same;
}

/* The promise: the canonical reader takes a text exactly when the strict reader takes it and its
 * canonical form is the text itself, and then both see the same. Returns what broke, or NULL. */
static inline const char *differential(w4_json_document *strict, w4_json_document *canonical,
                                       w4_bytes text, const w4_json_limits *limits) {
    w4_json_error error;
    int s = read_by_parser(strict, text, limits, &error);
    int c = w4_json_read_canonical(canonical, text, limits, &error);
    if (s < 0 || c < 0)
        return "no memory, or the parser behind sees another document";
    if (!reads_the_same(strict, s, text, limits))
        return "read in either form, it comes to something else";
    bool same = s == 0 && w4_bytes_equal(strict->text, text);
    if ((c == 0) != same)
        return c == 0 ? "only the canonical reader takes it" : "the canonical reader refuses it";
    if (c == W4_JSON_E_SYNTAX && s != W4_JSON_E_SYNTAX)
        return "not JSON for the canonical reader only";
    if (s == 0 && c != 0 && c != W4_JSON_E_NOT_CANONICAL)
        return "valid JSON must be refused as not canonical";
    if (c == 0 && !same_document(strict, canonical))
        return "the nodes differ";
    if (s != 0)
        return NULL;
    if (w4_json_read_canonical(canonical, strict->text, limits, &error) != 0)
        return "the canonical form is not taken by its reader";
    w4_buffer again = W4_BUFFER_INIT(SIZE_MAX);
    bool idempotent = w4_json_canonical(&again, strict->text, limits, &error) == 0 &&
                      w4_bytes_equal(w4_buffer_bytes(&again), strict->text);
    w4_buffer_deinit(&again);
    return idempotent ? NULL : "canonical form of the canonical form differs";
}
