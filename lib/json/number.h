/* Numbers between their text and a double. Literals here are JSON's grammar, checked before. */
#pragma once

#include "base/bytes.h"

/* No literal longer than this is looked at; the exact decimal of any double is shorter. */
#define W4_JSON_LITERAL_MAX 1100

/* The longest run of bytes that the grammar of a JSON number takes, 0 when there is none. When a
 * number begins well and goes wrong ("01", "1.", "1e+"), 0 as well and *ret_fault says where.
 * *ret_integer: neither fraction nor exponent. */
size_t w4_json_number_grammar(const uint8_t *at, const uint8_t *end, bool *ret_integer,
                              const uint8_t **ret_fault);

/* The nearest double; infinite when beyond one, 0 when too small for one. */
double w4_json_number_parse(w4_bytes literal);

typedef enum w4_json_number_fault {
    W4_JSON_NUMBER_GOOD,
    W4_JSON_NUMBER_LONG,    /* more than W4_JSON_LITERAL_MAX bytes */
    W4_JSON_NUMBER_BEYOND,  /* larger than any double */
    W4_JSON_NUMBER_INEXACT, /* an integer that a double would change */
} w4_json_number_fault;

/* Whether a literal may enter a document, and as what. */
w4_json_number_fault w4_json_number_check(w4_bytes literal, bool integer, double *ret_value);

/* The length of the number at the front when it is spelled as canonical form spells it, else 0.
 * Looks no further than one byte behind the number. */
size_t w4_json_number_canonical(const uint8_t *at, const uint8_t *end);
