/* The humans behind agents, as they last said of themselves: consent and its scope, which do not
 * expire, and pressure, clarity and affect, which do. One row in W4_STORE_CONSENT for each, read
 * before anything is sent or delivered; who is not in the table has said nothing, and gets nothing
 * but a greeting. So forgetting one is safe, and the table is bounded. */
#pragma once

#include "envelope/envelope.h"
#include "store/store.h"

#define W4_HUMANS_MAX 16384u
#define W4_HUMAN_STATE_LIFE_US (UINT64_C(600) * 1000000u)
#define W4_HUMAN_PRESSURE_HIGH 80u /* and more */
#define W4_HUMAN_CLARITY_LOW 30u   /* and less */
#define W4_HUMAN_SCOPE_BYTES_MAX 65536u

typedef enum w4_consent {
    W4_CONSENT_UNKNOWN,
    W4_CONSENT_GRANTED,
    W4_CONSENT_LIMITED,
    W4_CONSENT_REVOKED,
    W4_CONSENT_COUNT
} w4_consent;
const char *w4_consent_name(w4_consent consent); /* "unknown", "granted", ... */

typedef enum w4_affect {
    W4_AFFECT_CALM,
    W4_AFFECT_TENSE,
    W4_AFFECT_ANXIOUS,
    W4_AFFECT_ENERGIZED,
    W4_AFFECT_NEUTRAL,
    W4_AFFECT_COUNT
} w4_affect;

typedef struct w4_human {
    w4_fingerprint fingerprint; /* of the agent that speaks for them */
    char agent_id[W4_AGENT_ID_MAX + 1];
    char msg_id[37]; /* of the envelope that said it */
    w4_consent consent;
    w4_affect affect;
    uint32_t presence; /* place in w4_names_presence */
    uint32_t clarity, pressure;
    uint64_t said_us;  /* time stamp of that envelope */
    uint64_t taken_us; /* wall, when it came here */
    /* Of the relation with the humans of this node: who found whom satisfying, and when the last
     * two corrections of them came. Wall; 0: not (yet). */
    uint64_t validates_us, validated_us, corrected_us[2];
    w4_buffer scope; /* canonical JSON array of strings, of the last greeting; empty: none */
} w4_human;

typedef struct w4_humans w4_humans;

/* Loads the table. 0, -ENOMEM, or a store condition. */
int w4_humans_new(w4_store *store, w4_humans **ret_humans);
w4_humans *w4_humans_free(w4_humans *humans);

w4_human *w4_humans_find(const w4_humans *humans, const w4_fingerprint *agent);
/* One after the other, longest untouched first; *cursor starts as NULL. NULL: end. */
w4_human *w4_humans_next(const w4_humans *humans, void **cursor);
w4_human *w4_humans_previous(const w4_humans *humans, void **cursor); /* the same, backwards */
size_t w4_humans_count(const w4_humans *humans);

/* A verified envelope of HCP. here: an agent of this node says it now, so nothing is later, however
 * its clock was set when it said something else. */
typedef struct w4_human_word {
    const w4_envelope *envelope;
    uint64_t wall_us;
    bool here;
} w4_human_word;
/* Takes what it says of its sender, unless something later is known; of two with one time stamp the
 * one that revokes is the later. 0, -ENOMEM, or a store condition (nothing has changed then).
 * *ret_before: the consent before, and *ret_human whose it is. -EINVAL: the envelope does not fit
 * the schema of HCP. */
int w4_humans_take(w4_humans *humans, const w4_human_word *word, w4_human **ret_human,
                   w4_consent *ret_before);
/* What would be known of its sender then, changing nothing; its scope is borrowed, also from the
 * envelope. False: nothing. */
bool w4_humans_foresee(const w4_humans *humans, const w4_human_word *word, w4_human *ret_human);
int w4_humans_save(w4_humans *humans, const w4_human *human);

/* Is what they said of pressure, clarity and affect still good? */
bool w4_human_is_fresh(const w4_human *human, uint64_t wall_us);
bool w4_human_is_strained(const w4_human *human, uint64_t wall_us); /* pressed or unclear */
bool w4_human_is_tense(const w4_human *human, uint64_t wall_us);    /* or anxious */
/* Is the topic in the scope they greeted with? "topic:work" stands for the topic work. */
bool w4_human_in_scope(const w4_human *human, w4_bytes topic);
