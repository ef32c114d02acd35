/* When a fact is accepted: the rule, as one function over the votes. It looks, and changes nothing.
 *
 * What counts is trust as it is now, not as it was when a vote came; so a fact is judged anew
 * whenever a vote or trust changes. Having been accepted stays: only a dispute or a refutation
 * takes it back.
 *
 * What a revoked key has signed does not count, whenever that was: nobody can say since when
 * somebody else had it. A later key of the same identity speaks for itself. */
#pragma once

#include "protocol/facts/fact.h"
#include "trust/keyring.h"

#define W4_FACT_REJECTIONS 2u /* independent ones of trusted agents make an end of a fact */

typedef struct w4_facts w4_facts;

typedef enum w4_missing { /* what acceptance waits for */
                          W4_MISSING_NOTHING,
                          W4_MISSING_PROPOSER, /* is untrusted or blacklisted */
                          W4_MISSING_KEY,      /* the one that proposed it was revoked */
                          W4_MISSING_DECISION, /* its decision_id is bound to another statement */
                          W4_MISSING_CONFIRMERS,
                          W4_MISSING_CAUSE_UNKNOWN,
                          W4_MISSING_CAUSE_REJECTED,
                          W4_MISSING_CAUSE_CIRCLE,
                          W4_MISSING_EASE, /* a local agent is overloaded */
                          W4_MISSING_COUNT
} w4_missing;

typedef struct w4_acceptance {
    w4_facts *facts; /* for causes and decisions */
    const w4_trust_book *trust;
    const w4_keyring *keys; /* NULL: none is revoked */
    uint32_t quorum;
    bool distinct_nodes;
    bool overloaded; /* a local agent is */
} w4_acceptance;

typedef struct w4_judgement {
    w4_fact_state state;
    w4_missing missing;                 /* PENDING only */
    uint32_t confirmations, rejections; /* that count */
    const w4_vote *challenge;           /* the first that is open, or NULL */
} w4_judgement;

bool w4_acceptance_revoked(const w4_acceptance *rule, const w4_fingerprint *key);
/* It is trusted, and its key was not revoked. */
bool w4_acceptance_trusts(const w4_acceptance *rule, const w4_fingerprint *agent);

/* Only what was said, as far as it counts: pending, and nothing of what is missing. */
w4_judgement w4_fact_tally(const w4_fact *fact, const w4_acceptance *rule);
w4_judgement w4_fact_judge(const w4_fact *fact, const w4_acceptance *rule);

/* Why a voter's word does not count (now): NULL when it does. Of a decision also says when another
 * one on the same node is counted in its place. */
const char *w4_fact_vote_void(const w4_fact *fact, const w4_vote *vote, w4_stance stance,
                              const w4_acceptance *rule);
bool w4_fact_challenge_open(const w4_fact *fact, const w4_vote *vote, const w4_acceptance *rule);
