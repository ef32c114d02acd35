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

/* Each is known by its sender and msg_id: who uses the msg_id of another's adds one of his own
 * beside it. A cause names a msg_id only: any decision of it will do. */
bool w4_decisions_has(const w4_decisions *decisions, const char *id);
bool w4_decisions_has_of(const w4_decisions *decisions, const char *id,
                         const w4_fingerprint *agent);
/* Whose decision is meant by one who names it as a cause: his own, if he shared one of that id,
 * else that of the first who did. NULL: none is known. */
const w4_fingerprint *w4_decisions_author(const w4_decisions *decisions, const char *id,
                                          const w4_fingerprint *by);
size_t w4_decisions_count(const w4_decisions *decisions);
/* Keeps it and its envelope, texts copied. 0, -ENOMEM, or a store condition (then not kept). */
int w4_decisions_add(w4_decisions *decisions, const w4_decision *decision, w4_bytes envelope);
