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
#define W4_HUMAN_DIGEST_LEN 16u
#define W4_HUMAN_ASIDES_MAX 16u    /* of one human; the first goes first */
#define W4_HUMAN_VALIDATES_MAX 64u /* of one human; the one found so longest ago goes first */
/* Humans of whom neighbours have told, who never spoke to this node: in all, and of one neighbour.
 */
#define W4_HUMANS_TOLD_MAX (W4_HUMANS_MAX / 4 * 3)
#define W4_HUMANS_TOLD_BY_ONE (W4_HUMANS_MAX / 4)

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

/* A word whose envelope is kept (evidence.h). What was said to all may be passed on to all. */
typedef struct w4_human_said {
    char msg_id[37];   /* "": it is not kept */
    uint64_t at_us;    /* its time stamp */
    w4_fingerprint to; /* zero: all. Else it was said at this node, and is told to that one's */
} w4_human_said;

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
    /* Whom they found satisfying, the last one last; allocated. */
    w4_fingerprint *validates;
    uint32_t validates_count;
    uint64_t corrected_us[2]; /* when the last two corrections of them came; wall; 0: not (yet) */
    w4_buffer scope; /* canonical JSON array of strings, of the last greeting; empty: none */
    /* No word counts that is older than the latest there was, though the last may be older: at its
     * own node a human is heard whatever the clock says. */
    uint64_t latest_us;
    bool here;              /* said at this node */
    w4_fingerprint told_by; /* the neighbour that told of them; zero: they spoke themselves */
    w4_human_said greeting; /* whose scope holds; at_us also when it is not kept */
    w4_human_said word;     /* since which consent is what it is */
    /* What was said here to other agents alone while less than full consent was given, the last to
     * each; allocated. */
    w4_human_said *asides;
    uint32_t asides_count;
    uint8_t digest[W4_HUMAN_DIGEST_LEN]; /* of what may be passed on: consent and scope */
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
/* Can somebody be told, with proof, what this human consents to now? */
static inline bool w4_human_can_be_told(const w4_human *human) {
    return human->word.msg_id[0] != '\0' && w4_fingerprint_is_zero(&human->word.to);
}
/* Moves whenever what may be told of anybody does, and with it who is in the table. */
uint64_t w4_humans_changes(const w4_humans *humans);

/* A verified envelope of HCP. here: an agent of this node says it now, so nothing is later, however
 * its clock was set when it said something else. */
typedef struct w4_human_word {
    const w4_envelope *envelope;
    uint64_t wall_us;
    bool here;
    /* Passed on of somebody whose agent is at this node, which may have forgotten what it said last
     * when it died with a store that failed. Nothing so told gives consent again. */
    bool of_house;
    const w4_fingerprint *told_by; /* a neighbour passes it on; NULL: its sender says it now */
} w4_human_word;
/* May a word that was passed on be taken? An old one must not undo what has been forgotten, and
 * strangers must not push out anybody. */
typedef enum w4_human_told {
    W4_HUMAN_TOLD,
    W4_HUMAN_TOLD_TOO_OLD,
    W4_HUMAN_TOLD_TOO_MANY
} w4_human_told;
w4_human_told w4_humans_may_be_told(const w4_humans *humans, const w4_human_word *word);
/* Takes what it says of its sender, unless something later is known; of two with one time stamp the
 * one that revokes is the later. Of an older greeting only the scope, when it is of the last one.
 * Words to all since which consent or scope is what it is are kept as evidence. 0, -ENOMEM, or a
 * store condition (nothing has changed then). *ret_before: the consent before, and *ret_human whose
 * it is. -EINVAL: the envelope does not fit the schema of HCP. */
int w4_humans_take(w4_humans *humans, const w4_human_word *word, w4_human **ret_human,
                   w4_consent *ret_before);
/* What would be known of its sender then, changing nothing; its scope is borrowed, also from the
 * envelope. False: nothing. */
bool w4_humans_foresee(const w4_humans *humans, const w4_human_word *word, w4_human *ret_human);
int w4_humans_save(w4_humans *humans, const w4_human *human);

/* That human finds the other one satisfying. 0, -ENOMEM, or a store condition (it
 * counts all the same, but not after a restart). */
int w4_humans_validate(w4_humans *humans, w4_human *human, const w4_fingerprint *other);
bool w4_human_validates(const w4_human *human, const w4_fingerprint *other);
/* What they and others found of each other before is worth nothing any more. As above. */
int w4_humans_invalidate(w4_humans *humans, w4_human *human);

/* Is what they said of pressure, clarity and affect still good? */
bool w4_human_is_fresh(const w4_human *human, uint64_t wall_us);
bool w4_human_is_strained(const w4_human *human, uint64_t wall_us); /* pressed or unclear */
bool w4_human_is_tense(const w4_human *human, uint64_t wall_us);    /* or anxious */
/* Is the topic in the scope they greeted with? "topic:work" stands for the topic work. */
bool w4_human_in_scope(const w4_human *human, w4_bytes topic);
