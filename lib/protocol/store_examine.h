/* Looks through a store: is each row of its form, is what it speaks of there and what it claims to
 * be, and is what was signed signed by who is said to have signed it? */
#pragma once

#include "store/store.h"
#include "json/writer.h"

/* Envelopes that come without a key wait until the keys of all others are known. */
#define W4_STORE_KEYS_MAX 65536u
#define W4_STORE_FAULTS_TOLD 100u

typedef struct w4_store_findings {
    uint64_t records, faults;
    uint64_t proven;   /* signatures that are good */
    uint64_t unproven; /* of keys that are not in the store: nothing says that they are not */
} w4_store_findings;

/* Checks the store itself (w4_store_check), then its rows. A line for each fault, at most
 * W4_STORE_FAULTS_TOLD of them, into *ret_report. is_over: asked now and then; true ends it with
 * W4_STORE_E_FAILED. NULL: it goes to the end. 0, -ENOMEM, or a store condition when it cannot be
 * read at all. */
int w4_store_examine(w4_store *store, bool (*is_over)(void *context), void *context,
                     w4_buffer *ret_report, w4_store_findings *ret_findings);
/* What was found in the store at that path, as one object: the result of store.check. */
void w4_store_findings_write(const w4_store_findings *findings, w4_bytes report, const char *path,
                             w4_json_writer *w);
