/* One fact and what was said about it. */
#pragma once

#include "protocol/protocol.h"
#include "trust/keyring.h"

#include <sys/queue.h>

#define W4_FACT_VOTERS_MAX 64u /* keys that spoke about one fact */
#define W4_FACT_LINKS_MAX 64u  /* causes of one fact */
#define W4_FACT_DIGEST_LEN 16u

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
    bool bound;           /* it names the proposal by its digest */
    bool aside;           /* said to one agent: not for others to pass on */
} w4_utterance;

/* All that one key said about one fact: its latest decision and its latest challenge. */
typedef struct w4_vote {
    w4_fingerprint agent;
    w4_fingerprint node; /* where the agent lived when it last spoke; zero: not known here */
    char *agent_id;
    w4_stance decision; /* NONE, CONFIRM, REJECT */
    w4_stance former;   /* the other one, which it was before; NONE */
    w4_utterance decided;
    w4_utterance challenged;
    w4_utterance formerly; /* kept, so that who comes later can see how it went */
    w4_doubt doubt;
} w4_vote;

#define W4_SETTLED_BY_MAX 63u
#define W4_SETTLED_REASON_MAX 127u

/* An operator's order about one fact: what was said before it no longer speaks against the fact, or
 * the fact is over, whatever was said. */
typedef struct w4_settlement {
    bool accepted; /* false: rejected */
    uint64_t at_us;
    char by[W4_SETTLED_BY_MAX + 1];
    char reason[W4_SETTLED_REASON_MAX + 1];
} w4_settlement;

typedef struct w4_fact {
    char id[37]; /* msg_id of the proposal */
    w4_fingerprint proposer;
    w4_fingerprint node; /* the proposer's */
    char *agent_id;
    char *decision_id;
    uint8_t statement[32]; /* SHA-256 of its canonical text */
    uint8_t proposal[32];  /* SHA-256 of what its proposer signed; zero: not kept */
    uint64_t proposed_us;  /* time stamp of the envelope */
    uint64_t taken_us, updated_us;
    uint64_t accepted_us;          /* for the first time; 0: never yet */
    w4_trust_state proposer_trust; /* when it was taken */
    w4_fact_state state;
    bool aside;                /* it was proposed to one agent: not for others to pass on */
    w4_fingerprint to;         /* aside: that agent; zero: it is not known any more */
    bool unsupported;          /* something it follows from, however far, was rejected or refuted */
    w4_settlement *settlement; /* or NULL */
    char (*links)[37];
    uint32_t link_count;
    w4_vote *votes;
    uint32_t vote_count, vote_cap;
    uint32_t marks; /* of who keeps the book: stored with it */
    /* the book's */
    uint32_t mark; /* of walks over causes */
    bool queued, unsaved, untold;
    bool counted; /* in the digests of what can be passed on; with this one: */
    uint8_t digest[W4_FACT_DIGEST_LEN];
    TAILQ_ENTRY(w4_fact) in_queue, in_changed;
} w4_fact;

/* Empty but for its texts. NULL: no memory. */
w4_fact *w4_fact_new(const char *id, const char *agent_id, const char *decision_id,
                     uint32_t link_count);
w4_fact *w4_fact_free(w4_fact *fact);

w4_vote *w4_fact_vote_find(const w4_fact *fact, const w4_fingerprint *agent);
/* Is this very word of that vote known? */
bool w4_fact_vote_said(const w4_vote *vote, const char *msg_id);
/* Puts an operator's order in the place of an earlier one; NULL: takes it back. 0 or -ENOMEM. */
int w4_fact_settle(w4_fact *fact, const w4_settlement *settlement);

/* May that agent know of it: was it said to all, or by it or to it? NULL may know everything. */
bool w4_fact_is_for(const w4_fact *fact, const w4_who *listener);
/* Was the fact, or anything about it, said to one agent only? */
bool w4_fact_any_aside(const w4_fact *fact);

/* Is `said` later than what stood before? Time stamps are the speakers' own and signed, so nodes
 * that got them in another order agree. */
bool w4_utterance_is_later(const w4_utterance *said, const w4_utterance *before);

static inline bool w4_fact_has_fallen(const w4_fact *fact) {
    return fact->state == W4_FACT_REJECTED || fact->state == W4_FACT_REFUTED;
}

/* What is known of it: its proposal, and what was said to all about it; the same on nodes that know
 * the same. */
void w4_fact_digest(const w4_fact *fact, uint8_t ret_digest[static W4_FACT_DIGEST_LEN]);

/* What is said now. */
typedef struct w4_ballot {
    w4_fingerprint agent, node;
    const char *agent_id;
    w4_stance stance; /* CONFIRM, REJECT, CHALLENGE */
    w4_doubt doubt;   /* CHALLENGE */
    w4_utterance spoken;
} w4_ballot;

enum {
    W4_FACT_E_OLD =
        1,          /* the agent has spoken later than this already, or said it: nothing changes */
    W4_FACT_E_FULL, /* too many voters, and none that weighs less than this one */
};
/* What recording a ballot did beside. */
typedef struct w4_vote_effect {
    bool joined;          /* the voter had not spoken about this fact before */
    bool evicted;         /* another voter made room: agent */
    w4_fingerprint agent; /* whose words no longer stand */
    char gone[3][37];     /* msg_ids of those words; "" where there are fewer */
} w4_vote_effect;

/* Records it: one decision and one challenge a key, the later one stands, in whatever order they
 * come. Of two with the same time stamp the one with the higher msg_id stands, so that all nodes
 * agree; a challenge stands beside a confirmation of the same time. When the voters are too many,
 * one whose key was revoked goes first, then one that is not trusted, then one that never spoke
 * against the fact; of several the one with the smallest fingerprint, also when that is the new
 * one. keys: NULL: none is revoked. 0 with *ret_effect, -ENOMEM, W4_FACT_E_*. */
int w4_fact_vote(w4_fact *fact, const w4_ballot *ballot, const w4_trust_book *trust,
                 const w4_keyring *keys, w4_vote_effect *ret_effect);
