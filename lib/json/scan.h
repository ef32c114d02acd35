/* Walks any text before a byte is allocated for it: the grammar of RFC 8259, UTF-8, I-JSON's
 * strings and numbers, and every limit. What passes is JSON but for duplicate names, which need a
 * table and so are left to the parser behind. Time is linear, memory a fixed stack. */
#pragma once

#include "json/document.h"

/* What a text holds, whatever its form: whoever parses it must come to the same. */
typedef struct w4_json_sums {
    uint64_t strings; /* bytes of all strings and names, decoded */
    uint64_t numbers; /* the bits of all doubles, added up */
} w4_json_sums;

void w4_json_sums_add_number(w4_json_sums *sums, double value);

typedef struct w4_json_scan_result {
    bool nul_in_name; /* a member name with U+0000 */
    w4_json_sums sums;
} w4_json_scan_result;

/* 0 or W4_JSON_E_*. */
int w4_json_scan(w4_bytes text, const w4_json_limits *limits, w4_json_scan_result *ret_result,
                 w4_json_error *ret_error);

/* As w4_json_read_canonical, for those who have another way: any condition means that the text does
 * not go this way, and costs no second look at why. */
int w4_json_try_canonical(w4_json_document *doc, w4_bytes text, const w4_json_limits *limits);

/* The same, and what is canonical but for white space and the order of members passes too. The text
 * of the document is what came, without white space around it; `escaped` of an array or object says
 * that it has such white space or such members in it, at any depth. Names may come twice in an
 * object that is marked so. */
int w4_json_try_loose(w4_json_document *doc, w4_bytes text, const w4_json_limits *limits);
/* Appends the canonical form of such a document; where a name came twice, it does so here. 0,
 * -ENOMEM or -EMSGSIZE. */
int w4_json_arrange(const w4_json_document *doc, w4_buffer *out);
