/* One fact and what was said about it. */
#pragma once

#include "protocol/protocol.h"

#include <sys/queue.h>

#define W4_FACT_VOTERS_MAX 64u /* keys that spoke about one fact */
#define W4_FACT_LINKS_MAX 64u  /* causes of one fact */

typedef enum w4_stance {
    W4_STANCE_NONE,
    W4_STANCE_CONFIRM,
    W4_STANCE_REJECT,
    W4_STANCE_CHALLENGE,
    W4_STANCE_COUNT
} w4_stance;
const char *w4_stance_name(w4_stance stance); /* "confirm"; "" for none */

typedef enum w4_doubt { /* reason of a challenge */
                        W4_DOUBT_CONFLICT,
                        W4_DOUBT_INSUFFICIENT_EVIDENCE,
                        W4_DOUBT_CANNOT_VERIFY,
                        W4_DOUBT_COUNT
} w4_doubt;
const char *w4_doubt_name(w4_doubt doubt);
bool w4_doubt_from_name(w4_bytes name, w4_doubt *ret_doubt);

/* One utterance. at_us is the envelope's own time stamp: signed, so the same on every node. */
typedef struct w4_utterance {
    uint64_t at_us;    /* 0: never spoken */
    uint64_t taken_us; /* when it came here */
    char msg_id[37];
    w4_trust_state trust; /* of the speaker, when it came */
} w4_utterance;

/* All that one key said about one fact: its latest decision and its latest challenge. */
typedef struct w4_vote {
    w4_fingerprint agent;
    w4_fingerprint node; /* where the agent lived when it last spoke */
    char *agent_id;
    w4_stance decision; /* NONE, CONFIRM, REJECT */
    w4_utterance decided;
    w4_utterance challenged;
    w4_doubt doubt;
} w4_vote;

typedef struct w4_fact {
    char id[37]; /* msg_id of the proposal */
    w4_fingerprint proposer;
    w4_fingerprint node; /* the proposer's */
    char *agent_id;
    char *decision_id;
    uint8_t statement[32]; /* SHA-256 of its canonical text */
    uint64_t proposed_us;  /* time stamp of the envelope */
    uint64_t taken_us, updated_us;
    uint64_t accepted_us;          /* for the first time; 0: never yet */
    w4_trust_state proposer_trust; /* when it was taken */
    w4_fact_state state;
    char (*links)[37];
    uint32_t link_count;
    w4_vote *votes;
    uint32_t vote_count, vote_cap;
    uint32_t marks; /* of who keeps the book: stored with it */
    /* the book's */
    uint32_t mark; /* of walks over causes */
    bool queued, unsaved, untold;
    TAILQ_ENTRY(w4_fact) in_queue, in_changed;
} w4_fact;

/* Empty but for its texts. NULL: no memory. */
w4_fact *w4_fact_new(const char *id, const char *agent_id, const char *decision_id,
                     uint32_t link_count);
w4_fact *w4_fact_free(w4_fact *fact);

w4_vote *w4_fact_vote_find(const w4_fact *fact, const w4_fingerprint *agent);

/* What is said now. */
typedef struct w4_ballot {
    w4_fingerprint agent, node;
    const char *agent_id;
    w4_stance stance; /* CONFIRM, REJECT, CHALLENGE */
    w4_doubt doubt;   /* CHALLENGE */
    w4_utterance spoken;
} w4_ballot;

enum {
    W4_FACT_E_OLD = 1, /* the agent has spoken later than this already: nothing changes */
    W4_FACT_E_FULL,    /* too many voters, and none that may go */
};
/* What recording a ballot did beside. */
typedef struct w4_vote_effect {
    bool joined;          /* the voter had not spoken about this fact before */
    bool evicted;         /* another voter made room: agent */
    w4_fingerprint agent; /* whose words no longer stand */
    char gone[2][37];     /* msg_ids of those words; "" where there are fewer */
} w4_vote_effect;

/* Records it: one decision and one challenge a key, the later one stands. Two of one key with the
 * same time stamp: the one that came later counts as later. When the voters are too many, one that
 * is not trusted makes room for one that is. 0 with *ret_effect, -ENOMEM, W4_FACT_E_*. */
int w4_fact_vote(w4_fact *fact, const w4_ballot *ballot, const w4_trust_book *trust,
                 w4_vote_effect *ret_effect);
