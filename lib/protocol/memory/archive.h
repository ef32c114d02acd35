/* What a memory keeps, out of it as signed envelopes, and into another one. What comes in goes the
 * way of any envelope: its signature is checked, its sender is trusted as far as it is trusted
 * here, and it is judged by the rule of acceptance. Nobody's trust, and no source's tier, rises by
 * it. */
#pragma once

#include "protocol/facts/fact.h"
#include "json/writer.h"

typedef enum w4_archive_outcome {
    W4_ARCHIVE_TAKEN,
    W4_ARCHIVE_KNOWN,   /* it is here already */
    W4_ARCHIVE_REFUSED, /* as by the gates */
    W4_ARCHIVE_OUTCOME_COUNT
} w4_archive_outcome;
extern const char *const w4_archive_outcomes[]; /* names; ends with NULL */

typedef struct w4_archive_result {
    w4_archive_outcome outcome;
    char msg_id[37]; /* "" where it is not known */
    w4_refusal code; /* REFUSED */
    char text[512];  /* of the refusal */
} w4_archive_result;

/* One envelope, in canonical form. 0 with *ret_result, or a fatal error. */
int w4_archive_take(w4_protocol *p, w4_bytes envelope, uint64_t now_us,
                    w4_archive_result *ret_result);
/* After some of them: stores and tells what has changed. 0 or a fatal error. */
int w4_archive_settle(w4_protocol *p, uint64_t now_us);

/* Where to go on: an entry of the memory, and which of its envelopes; 0: from the first. */
typedef uint64_t w4_archive_place;
#define W4_ARCHIVE_ENVELOPES_MAX (W4_FACT_VOTERS_MAX + 1u) /* of one entry */
#define W4_ARCHIVE_LOOKED_AT_MAX 4096u                     /* entries for one answer */

/* Writes envelopes as elements of an array that was begun: those of entries that stand, and were
 * said to all: what was said, then who confirmed it. None is begun behind bytes_max of the
 * writer's, but one is always given. *place goes on; *ret_ended: that was all. 0, -ENOMEM, or a
 * store condition. */
int w4_archive_give(w4_store *store, w4_archive_place *place, w4_json_writer *w, size_t bytes_max,
                    bool *ret_ended);
