/* Writes JSON text. The caller gives members in the order it wants; who wants canonical form
 * gives them sorted, or passes the result through w4_json_canonical. Sticky error. */
#pragma once

#include "json/document.h"

#define W4_JSON_WRITER_DEPTH_MAX 64

typedef struct w4_json_writer {
    w4_buffer *out;
    int error; /* 0 or the first failure: -ENOMEM, -EMSGSIZE, -EINVAL (misuse) */
    uint32_t depth;
    uint64_t has_items; /* bit per level: a comma is needed */
    uint64_t objects;   /* bit per level: an object, not an array */
    bool after_name;
    bool has_root; /* the one value of the text was begun */
} w4_json_writer;

void w4_json_writer_init(w4_json_writer *w, w4_buffer *out);
void w4_json_begin_object(w4_json_writer *w);
void w4_json_end_object(w4_json_writer *w);
void w4_json_begin_array(w4_json_writer *w);
void w4_json_end_array(w4_json_writer *w);
void w4_json_name(w4_json_writer *w, const char *name);
void w4_json_name_bytes(w4_json_writer *w, w4_bytes name);
void w4_json_string(w4_json_writer *w, w4_bytes utf8); /* invalid UTF-8 becomes U+FFFD */
void w4_json_string_text(w4_json_writer *w, const char *text);
void w4_json_integer_value(w4_json_writer *w, int64_t value);
void w4_json_unsigned_value(w4_json_writer *w, uint64_t value); /* over 2^53-1: rounded as double */
void w4_json_number_value(w4_json_writer *w, double value); /* ECMAScript form; NaN is an error */
void w4_json_bool(w4_json_writer *w, bool value);
void w4_json_null(w4_json_writer *w);
void w4_json_raw(w4_json_writer *w, w4_bytes json); /* a whole valid value */
void w4_json_value(w4_json_writer *w, w4_json v);   /* copies a value of a document; null if none */

/* name and value at once */
void w4_json_member_string(w4_json_writer *w, const char *name, const char *text);
void w4_json_member_bytes(w4_json_writer *w, const char *name, w4_bytes utf8);
void w4_json_member_integer(w4_json_writer *w, const char *name, int64_t value);
void w4_json_member_unsigned(w4_json_writer *w, const char *name, uint64_t value);
void w4_json_member_bool(w4_json_writer *w, const char *name, bool value);

/* The ECMAScript form of a finite double (RFC 8785 3.2.2.3). Returns the length. */
#define W4_JSON_NUMBER_MAX 32
size_t w4_json_number_format(double value, char ret_text[static W4_JSON_NUMBER_MAX]);

/* Indented for people: two spaces a level, members in document order; what a terminal would act
 * on is escaped, so the text is still JSON of the same meaning. No newline at the end. 0, or
 * -ENOMEM / -EMSGSIZE with nothing added. */
int w4_json_pretty(w4_buffer *out, w4_json v);
