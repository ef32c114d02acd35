/* Says what is wrong with a text, where, and what stands there. */
#pragma once

#include "json/document.h"

/* Fills *ret_error (may be NULL); "%s found" text is the caller's. Returns condition. */
int w4_json_fault(w4_json_error *ret_error, int condition, w4_bytes text, size_t offset,
                  const char *format, ...) __attribute__((format(printf, 5, 6)));

/* What stands at the offset, for people: 'x', U+00E9, the end of the text. */
#define W4_JSON_FOUND_MAX 40
const char *w4_json_found(w4_bytes text, size_t offset, char ret_text[static W4_JSON_FOUND_MAX]);
