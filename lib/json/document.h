/* One form of a JSON document in memory: its text in canonical form (RFC 8785) and a flat list of
 * nodes that point into it. No tree, no copy; a value is a small handle. Two ways in:
 *
 * - w4_json_read_canonical: for what nodes send. One pass; accepts canonical form and nothing
 *   else. The document borrows the text.
 * - w4_json_read: for everything else. Strict parser (limits first, then jansson), then the
 *   canonical form. The document owns that text.
 *
 * Documents follow I-JSON (RFC 7493): valid UTF-8, no duplicate members, no lone surrogates.
 * Numbers are doubles; a literal beyond them is refused, and so is an integer literal that a
 * double would change (2^53+1) unless it is the canonical spelling of that double. */
#pragma once

#include "base/bytes.h"

typedef struct w4_json_limits {
    size_t bytes;    /* of the whole document */
    uint32_t depth;  /* nesting; a lone scalar has 0 */
    uint32_t items;  /* elements of one array, members of one object */
    uint32_t string; /* bytes of one string, decoded */
} w4_json_limits;

extern const w4_json_limits W4_JSON_LIMITS_ENVELOPE; /* 256 KiB, 32, 1024, 64 KiB */
extern const w4_json_limits W4_JSON_LIMITS_LINE;     /* 1 MiB, 64, 65536, 1 MiB: RPC lines */
extern const w4_json_limits W4_JSON_LIMITS_FILE;     /* 16 MiB, 128, 256 Ki, 8 MiB: files, canon */

/* Whatever the limits say: nesting (a fixed stack), and values of one document (each costs memory
 * that its text does not show). Past them: too deep, too large. */
#define W4_JSON_DEPTH_MAX 512
#define W4_JSON_VALUES_MAX ((1u << 18) + 4096u)

typedef enum w4_json_kind {
    W4_JSON_NONE, /* no such value */
    W4_JSON_NULL,
    W4_JSON_FALSE,
    W4_JSON_TRUE,
    W4_JSON_NUMBER,
    W4_JSON_STRING,
    W4_JSON_ARRAY,
    W4_JSON_OBJECT,
    W4_JSON_KIND_COUNT
} w4_json_kind;

/* Conditions of reading: what the caller tells the sender (envelope maps them to refusals). */
typedef enum w4_json_error_kind {
    W4_JSON_E_SYNTAX = 1, /* not JSON, not UTF-8, duplicate member, number out of range */
    W4_JSON_E_TOO_LARGE,  /* bytes, items or string limit */
    W4_JSON_E_TOO_DEEP,
    W4_JSON_E_NOT_CANONICAL, /* only from w4_json_read_canonical: JSON, but in another form */
} w4_json_error_kind;

typedef struct w4_json_error {
    size_t offset;         /* bytes from the start */
    uint32_t line, column; /* from 1; 0 when unknown */
    char text[128];        /* printable, one line */
} w4_json_error;

typedef struct w4_json_node {
    uint32_t start, end; /* of the value's text; of a string: between the quotes */
    uint32_t next;       /* index of the node behind this value's subtree */
    uint32_t count;      /* elements or members */
    uint8_t kind;        /* w4_json_kind */
    bool escaped;        /* a string with a backslash in it */
} w4_json_node;

typedef struct w4_json_document {
    w4_bytes text;       /* canonical */
    w4_json_node *nodes; /* of an object: name, value, name, value, ... */
    uint32_t count, cap;
    w4_buffer owned; /* the text, when read by w4_json_read */
} w4_json_document;

/* A zeroed document is empty. Reading again reuses its memory (the hot path allocates nothing);
 * after a failure the document is empty. */
void w4_json_document_deinit(w4_json_document *doc); /* may run twice */

/* 0, -ENOMEM, or W4_JSON_E_*; *ret_error is written in the last case only (may be NULL). Limits
 * hold for the given text and for its canonical form. _read_canonical answers NOT_CANONICAL for
 * JSON in another form and SYNTAX for what is no JSON at all. */
int w4_json_read_canonical(w4_json_document *doc, w4_bytes text, const w4_json_limits *limits,
                           w4_json_error *ret_error);
int w4_json_read(w4_json_document *doc, w4_bytes text, const w4_json_limits *limits,
                 w4_json_error *ret_error);

/* Appends the canonical form of any valid JSON text, or nothing. Returns as w4_json_read, and
 * -EMSGSIZE where out->max would be passed. */
int w4_json_canonical(w4_buffer *out, w4_bytes text, const w4_json_limits *limits,
                      w4_json_error *ret_error);

/* ---- values. All are safe on W4_JSON_NONE and on the wrong kind. */
typedef struct w4_json {
    const w4_json_document *doc; /* NULL: none */
    uint32_t index;
} w4_json;

w4_json w4_json_root(const w4_json_document *doc);
w4_json_kind w4_json_kind_of(w4_json v);
const char *w4_json_kind_name(w4_json_kind kind); /* "an object", "a string", ... */
static inline bool w4_json_exists(w4_json v) {
    return v.doc != NULL;
}
uint32_t w4_json_count(w4_json v);                     /* elements or members */
w4_json w4_json_get(w4_json object, const char *name); /* member, or none */
w4_json w4_json_get_bytes(w4_json object, w4_bytes name);
w4_json w4_json_at_pointer(w4_json v, w4_bytes pointer); /* RFC 6901 */

/* for (i = w4_json_first(v); w4_json_exists(i.value); i = w4_json_next(i)) */
typedef struct w4_json_iterator {
    w4_json name; /* none in arrays */
    w4_json value;
    w4_json parent;
    uint32_t position;
} w4_json_iterator;
w4_json_iterator w4_json_first(w4_json v);
w4_json_iterator w4_json_next(w4_json_iterator i);

bool w4_json_is_true(w4_json v);
bool w4_json_number(w4_json v, double *ret_value);
bool w4_json_integer(w4_json v, int64_t *ret_value); /* whole and within +-(2^53-1); 42.0 is 42 */
w4_bytes w4_json_text(w4_json v); /* the canonical text of the value (strings with their quotes) */

/* String content. raw: as it stands between the quotes, escapes and all; the same as the decoded
 * string unless node->escaped. decode: appends the real UTF-8 (may hold NUL). */
w4_bytes w4_json_string_raw(w4_json v);
int w4_json_string_decode(w4_json v,
                          w4_buffer *out); /* -EINVAL when not a string, -ENOMEM, -EMSGSIZE */
bool w4_json_string_equal(w4_json v, const char *text); /* compares decoded */
bool w4_json_string_plain(w4_json v); /* a string without any escape: raw is the content */
/* Nothing in it is to be seen: blanks of any width, controls, marks of direction; or nothing at
 * all. False when not a string. */
bool w4_json_string_is_blank(w4_json v);
/* Copies a decoded string into a fixed array with NUL; false when not a string, when it does not
 * fit, or when it holds a NUL (never cut). */
bool w4_json_string_copy(w4_json v, char *ret_text, size_t size);
