/* Text from outside: validity, escaping, nearest names, UUIDs. */
#pragma once

#include "base/bytes.h"
#include "base/env.h"

bool w4_utf8_valid(w4_bytes text); /* RFC 3629: no overlong, surrogate or > U+10FFFF */

/* Appends text so that a terminal or log shows it on one line and acts on nothing: controls,
 * DEL, C1, bidirectional marks, line separators and invalid UTF-8 become \n, \t, \xNN, \u{NNNN};
 * a backslash becomes two. 0 or -ENOMEM / -EMSGSIZE. */
int w4_text_escape(w4_buffer *out, w4_bytes text);

/* The same into a fixed array: cuts between characters where it is full, always terminates. */
void w4_text_escape_cut(char *ret_text, size_t size, w4_bytes text);

/* Bounded copy for fixed arrays: cuts at a UTF-8 boundary, always terminates. */
void w4_text_copy(char *ret_text, size_t size, w4_bytes text);

/* 1 to max bytes of UTF-8 without control characters. */
bool w4_text_is_label(w4_bytes text, size_t max);
/* Of C0 or C1, or DEL, in text that is UTF-8. */
bool w4_text_has_control(w4_bytes text);

/* The known name nearest to text, NULL when none is near (edit distance over a third). */
const char *w4_text_nearest(w4_bytes text, const char *const *names, size_t count);

/* By the first digits of an id or a fingerprint people name what it belongs to. */
#define W4_PREFIX_MIN 4
#define W4_PREFIX_WORDS W4_TEXT_OF_NUMBER(W4_PREFIX_MIN) " digits or more"
#define W4_TEXT_OF_NUMBER(NUMBER) W4_TEXT_OF_DIGITS(NUMBER)
#define W4_TEXT_OF_DIGITS(DIGITS) #DIGITS

#define W4_UUID_LEN 36
void w4_uuid_v4(const w4_env *env, char ret_text[static W4_UUID_LEN + 1]); /* RFC 9562, lower */
bool w4_uuid_v4_valid(w4_bytes text); /* lower case, version 4, variant 10 */
