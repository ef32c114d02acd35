/* What two humans have between them for the moment: what they talk about, and whether one of them
 * was asked how he is and has answered. In memory only: after a restart it has to be asked again.
 * Bounded; the pair that spoke longest ago is forgotten first. */
#pragma once

#include "base/clock.h"
#include "crypto/fingerprint.h"

#define W4_RAPPORTS_MAX 4096u
#define W4_CHECK_IN_LIFE_US (600 * W4_US_PER_S)
#define W4_TOPIC_MAX 255u

typedef struct w4_rapport {
    w4_fingerprint pair[2];       /* the lower one first */
    char topic[W4_TOPIC_MAX + 1]; /* of the intent that passed last between them; "": none */
    bool asked[2];                /* a check-in, by the first, by the second, and not answered */
    uint64_t answered_us[2];      /* to that one; monotonic; 0: never */
} w4_rapport;

typedef struct w4_rapports w4_rapports;

int w4_rapports_new(w4_rapports **ret_rapports);
w4_rapports *w4_rapports_free(w4_rapports *rapports);

w4_rapport *w4_rapports_find(const w4_rapports *rapports, const w4_fingerprint *a,
                             const w4_fingerprint *b);
/* Makes it where there is none. NULL: no memory. */
w4_rapport *w4_rapports_get(w4_rapports *rapports, const w4_fingerprint *a,
                            const w4_fingerprint *b);

/* asker wants to know how the other one is; the other one says how. now_us: more than 0. */
void w4_rapport_ask(w4_rapport *rapport, const w4_fingerprint *asker);
void w4_rapport_answer(w4_rapport *rapport, const w4_fingerprint *asker, uint64_t now_us);
/* Has the other one answered asker lately? rapport: or NULL. */
bool w4_rapport_checked_in(const w4_rapport *rapport, const w4_fingerprint *asker, uint64_t now_us);
