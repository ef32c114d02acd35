/* The liminal queue: what agents brought from the internet (LIP_EVIDENCE), and what was said about
 * it. One envelope is one claim, known by its msg_id; it is judged like a fact, by votes of
 * independent trusted agents, or by the tier of its source, and kept in W4_STORE_CLAIM.
 *
 * Of its w4_fact record decision_id is the key of its source (sources.h) and links are none. */
#pragma once

#include "protocol/facts/acceptance.h"
#include "protocol/internet/sources.h"
#include "protocol/pipeline/pipeline.h"

enum {                                  /* w4_fact.marks */
       W4_CLAIM_DEFERRED = 1u << 0,     /* its sender was not trusted; nobody has got it yet */
       W4_CLAIM_CORROBORATED = 1u << 1, /* that counted for its source */
       W4_CLAIM_CONFLICTED = 1u << 2,   /* that counted against it */
};
#define W4_CLAIMS_DEFERRED_MAX 64u                   /* of one sender */
#define W4_CLAIMS_RELEASE_AGAIN_US (1 * W4_US_PER_S) /* after the store took no more */

typedef enum w4_claim_missing {
    W4_CLAIM_MISSING_NOTHING,
    W4_CLAIM_MISSING_SENDER,        /* is not trusted */
    W4_CLAIM_MISSING_KEY,           /* the one that brought it was revoked */
    W4_CLAIM_MISSING_SOURCE,        /* is blocked */
    W4_CLAIM_MISSING_CORROBORATION, /* the tier of the source is no help */
    W4_CLAIM_MISSING_EASE,          /* a local agent is overloaded */
    W4_CLAIM_MISSING_COUNT
} w4_claim_missing;

typedef struct w4_claim_judgement {
    w4_fact_state state;                 /* never REFUTED */
    w4_claim_missing missing;            /* PENDING only */
    uint32_t corroborations, rejections; /* that count */
    const w4_vote *conflict;             /* the first that is open, or NULL */
} w4_claim_judgement;

typedef struct w4_claims w4_claims;

int w4_claims_new(w4_store *store, w4_claims **ret_claims); /* 0, -ENOMEM, a store condition */
w4_claims *w4_claims_free(w4_claims *claims);
w4_facts *w4_claims_book(const w4_claims *claims);
w4_sources *w4_claims_sources(const w4_claims *claims);

w4_claim_judgement w4_claim_judge(const w4_fact *claim, const w4_acceptance *rule, w4_tier tier);

/* Looks and handlers of the pipeline: as pipeline.h. */
int w4_claims_look_evidence(const w4_protocol *p, w4_inbound *in);
int w4_claims_look_vote(const w4_protocol *p, w4_inbound *in);
int w4_claims_look_conflict(const w4_protocol *p, w4_inbound *in);
int w4_claims_evidence(w4_protocol *p, w4_inbound *in);
int w4_claims_vote(w4_protocol *p, w4_inbound *in);
int w4_claims_conflict(w4_protocol *p, w4_inbound *in);

int w4_claims_settle(w4_protocol *p, w4_claims *claims, uint64_t now_us);
void w4_claims_trust_moved(w4_claims *claims, const w4_fingerprint *agent);
void w4_claims_tier_moved(w4_claims *claims);
/* The rule as it stands. */
w4_acceptance w4_claims_rule(const w4_protocol *p, const w4_claims *claims);
/* The claim object of the methods, as one value; listener: as w4_fact_view_write. 0, -ENOMEM, or a
 * store condition. */
int w4_claim_write(const w4_protocol *p, const w4_claims *claims, const w4_fact *claim,
                   const w4_who *listener, w4_json_writer *w);
