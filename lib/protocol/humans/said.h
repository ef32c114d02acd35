/* What humans said that is kept as they signed it (evidence.h): it proves to others what they
 * consent to. */
#pragma once

#include "protocol/humans/human.h"
#include "store/store.h"

/* A verified envelope of HCP. here: an agent of this node says it now, so nothing is later, however
 * its clock was set when it said something else. */
typedef struct w4_human_word {
    const w4_envelope *envelope;
    uint64_t wall_us;
    bool here;
    /* Passed on of somebody whose agent lives at this node, which may have forgotten what it said
     * last when it died with a store that failed. Nothing so told gives more consent. */
    bool of_house;
    bool attached; /* of_house: it is here now */
    bool hosted;   /* this node signs for that agent now, so that it can say a word again */
    bool repeats;  /* and that is what this is */
    const w4_fingerprint *told_by; /* a neighbour passes it on; NULL: its sender says it now */
} w4_human_word;

/* Does it say what its sender consents to, and may it be passed on? */
bool w4_said_is_kept(const w4_human_word *word);
/* All: 0, -ENOMEM, or a store condition. Keeps the envelope, if it is worth it, unless something
 * else of that name is kept: *ret_said has no msg_id then. */
int w4_said_keep(w4_store *store, const w4_human_word *word, w4_human_said *ret_said);
int w4_said_remove(w4_store *store, const w4_human *human, const w4_human_said *said);
/* What that human says now names no more goes: word and greeting of before. */
int w4_said_drop(w4_store *store, const w4_human *before, const w4_human *now);
/* Of a word that counts: said here to one agent, and not the one that is kept as `word`, it is kept
 * for the node of that agent. With full consent, or a word to all, there is nothing to tell aside.
 * *ret_moved: the row of the human has to be saved. */
int w4_said_note_aside(w4_store *store, w4_human *human, const w4_human_word *word,
                       bool *ret_moved);
