/* Decisions that were shared (DECISION_SHARE): kept, so that facts can name them as a cause. */
#pragma once

#include "crypto/fingerprint.h"
#include "store/store.h"

#define W4_DECISIONS_MAX 8192u
#define W4_DECISIONS_PER_AGENT 1024u /* of one key; its oldest goes for its newest */

typedef struct w4_decisions w4_decisions;

typedef struct w4_decision {
    char id[37]; /* msg_id */
    w4_fingerprint agent;
    const char *agent_id;
    const char *decision_id;
    uint64_t shared_us; /* time stamp of the envelope */
    uint64_t taken_us;
} w4_decision;

/* Loads what the store has. 0, -ENOMEM, or a store condition. */
int w4_decisions_new(w4_store *store, w4_decisions **ret_decisions);
w4_decisions *w4_decisions_free(w4_decisions *decisions);

bool w4_decisions_has(const w4_decisions *decisions, const char *id);
/* Who shared it; NULL: it is not known. */
const w4_fingerprint *w4_decisions_author(const w4_decisions *decisions, const char *id);
size_t w4_decisions_count(const w4_decisions *decisions);
/* Keeps it and its envelope, texts copied. 0, -ENOMEM, or a store condition (then not kept). */
int w4_decisions_add(w4_decisions *decisions, const w4_decision *decision, w4_bytes envelope);
