/* One human, as they last said of themselves, and what that means for those who would speak with
 * them. */
#pragma once

#include "envelope/envelope.h"

#define W4_HUMAN_STATE_LIFE_US (UINT64_C(600) * 1000000u)
#define W4_HUMAN_PRESSURE_HIGH 80u /* and more */
#define W4_HUMAN_CLARITY_LOW 30u   /* and less */
#define W4_HUMAN_SCOPE_BYTES_MAX 65536u
#define W4_HUMAN_DIGEST_LEN 16u
#define W4_HUMAN_ASIDES_MAX 16u    /* of one human; the first goes first */
#define W4_HUMAN_VALIDATES_MAX 64u /* of one human; the one found so longest ago goes first */

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
    uint64_t since_us;      /* time stamp of the word since which consent is what it is */
    bool overtaken;         /* others take another word for the last one: to be said again */
    bool here;              /* said at this node */
    w4_fingerprint told_by; /* the neighbour that told of them; zero: they spoke themselves */
    w4_human_said greeting; /* whose scope holds; at_us also when it is not kept */
    w4_human_said word;     /* by which consent is what it is; to all: the last such word */
    /* What was said here to other agents alone while less than full consent was given, the last to
     * each; allocated. */
    w4_human_said *asides;
    uint32_t asides_count;
    uint8_t digest[W4_HUMAN_DIGEST_LEN]; /* of what may be passed on: consent and scope */
} w4_human;

/* Can somebody be told, with proof, what this human consents to now? */
static inline bool w4_human_can_be_told(const w4_human *human) {
    return human->word.msg_id[0] != '\0' && w4_fingerprint_is_zero(&human->word.to);
}
/* Does the scope of a greeting, JSON, name a topic that is not in that of this human? */
bool w4_human_scope_is_wider(const w4_human *human, w4_json scope);

/* Is what they said of pressure, clarity and affect still good? */
bool w4_human_is_fresh(const w4_human *human, uint64_t wall_us);
bool w4_human_is_strained(const w4_human *human, uint64_t wall_us); /* pressed or unclear */
bool w4_human_is_tense(const w4_human *human, uint64_t wall_us);    /* or anxious */
/* Is the topic in the scope they greeted with? "topic:work" stands for the topic work. */
bool w4_human_in_scope(const w4_human *human, w4_bytes topic);
bool w4_human_validates(const w4_human *human, const w4_fingerprint *other);

/* Sets it, of what the human consents to now. */
void w4_human_set_digest(w4_human *human);
/* What an envelope of HCP says of its sender, and what rows say too: consent, presence, affect,
 * clarity, pressure. False: not as its schema asks; some of them may be set then. */
bool w4_human_read_state(w4_json object, w4_human *human);
w4_json w4_human_state_of(const w4_envelope *envelope);
