/* The humans of whom other nodes can be told: those whose consent can be proven by a word that they
 * said to all. */
#pragma once

#include "protocol/humans/consent.h"

#define W4_HUMAN_PARTS 64u

/* In the order of their fingerprints. A digest of a part covers them in that order, so that nobody
 * can add strangers until it is the same. */
typedef struct w4_human_index {
    const w4_human **list;
    uint32_t count;
    bool made;
    uint64_t changes; /* of the table it was made of */
    uint8_t parts[W4_HUMAN_PARTS][W4_HUMAN_DIGEST_LEN];
    uint8_t sum[W4_HUMAN_DIGEST_LEN]; /* of all that, and of when it was said */
} w4_human_index;

void w4_human_index_deinit(w4_human_index *index);
/* Makes it anew when the table has changed. 0 or -ENOMEM. */
int w4_human_index_refresh(w4_human_index *index, const w4_humans *humans);
static inline unsigned w4_human_part(const w4_fingerprint *agent) {
    return agent->bytes[0] / (256u / W4_HUMAN_PARTS);
}
