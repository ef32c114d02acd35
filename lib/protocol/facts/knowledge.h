/* Facts at work: FACT_* and DECISION_SHARE as they come, the judging that follows, and what it
 * means for the trust in those who took part. */
#pragma once

#include "protocol/facts/facts.h"
#include "protocol/pipeline/pipeline.h"

/* Looks and handlers of the pipeline. */
int w4_knowledge_look_proposal(const w4_protocol *p, w4_inbound *in);
int w4_knowledge_look_vote(const w4_protocol *p, w4_inbound *in);
int w4_knowledge_look_decision(const w4_protocol *p, w4_inbound *in);
int w4_knowledge_blame(w4_protocol *p, w4_inbound *in); /* of a proposal */
int w4_knowledge_blame_vote(w4_protocol *p, w4_inbound *in);
int w4_knowledge_blame_decision(w4_protocol *p, w4_inbound *in);
int w4_knowledge_propose(w4_protocol *p, w4_inbound *in);
int w4_knowledge_vote(w4_protocol *p, w4_inbound *in);
int w4_knowledge_decision(w4_protocol *p, w4_inbound *in);

enum {                                  /* w4_fact.marks */
       W4_KNOWLEDGE_ARCHIVED = 1u << 0, /* out of an archive: nobody's trust moves by it */
};

/* Where the sender lives; zero: not known here. */
void w4_knowledge_home(const w4_protocol *p, const w4_inbound *in, w4_fingerprint *ret_node);
/* Of words that were passed on it may be known only now where their speakers live. False: of one it
 * is not. */
bool w4_knowledge_place_voters(const w4_protocol *p, w4_facts *book, w4_fact *fact);
/* What the sender says now, where it lives, and how far it is trusted; doubt is the caller's. */
void w4_knowledge_ballot(const w4_protocol *p, const w4_inbound *in, w4_stance stance,
                         w4_ballot *ret_ballot);
/* Counts it for a fact, or what is judged alike, and keeps the envelope it came in. 0, 1 with
 * in->fault (no room in the store), or a fatal error. */
int w4_knowledge_count(w4_protocol *p, w4_inbound *in, w4_facts *book, w4_fact *fact,
                       const w4_ballot *ballot);
/* A vote on what is not known here yet; pointer: the member that names it. It waits (in->held), or
 * 1 with in->fault: from an agent of this node. */
int w4_knowledge_look_early(w4_inbound *in, const char *pointer);
/* Keeps it. 0, or 1 with in->fault: too many, no room in the store. */
int w4_knowledge_keep_early(w4_protocol *p, w4_inbound *in, const char *pointer, const char *fact);

/* After anything that facts may hang on: judges what is queued until nothing changes, stores it,
 * tells it, and lets in votes that waited for a fact. 0 or a fatal error. */
int w4_knowledge_settle(w4_protocol *p, uint64_t now_us);
/* Stores and tells what changed in a book, once each; kind: W4_PROTOCOL_EVENT_FACT or _CLAIM. What
 * the store does not take now stays changed, and is tried with the next settling. 0 or a fatal
 * error. */
int w4_knowledge_save(w4_protocol *p, w4_facts *book, w4_protocol_event_kind kind);
/* A vote of an agent whose key is here says which proposal it means: appends the payload with its
 * digest. Nothing when it is no vote, says so itself, or is about what is not known here. 0 or a
 * fatal error. */
int w4_knowledge_bind(const w4_protocol *p, w4_type type, w4_json payload, w4_buffer *out);
/* Judges what is queued, so that the next word finds it judged. 0 or a fatal error. */
int w4_knowledge_judge(w4_protocol *p, uint64_t now_us);
/* What nodes are worth, or where voters live, is known otherwise now: facts and claims are judged
 * anew with the next settling. */
void w4_knowledge_nodes_moved(w4_protocol *p);
/* A node came, or its record did: it may be known now where a voter lives. */
void w4_knowledge_place(w4_protocol *p, uint64_t now_us);
/* At the start: votes whose fact is here already. The next settling lets them in. */
void w4_knowledge_begin(w4_protocol *p);
/* Early votes whose fact never came. 0 or a fatal error. */
int w4_knowledge_expire(w4_protocol *p, uint64_t now_us);
uint64_t w4_knowledge_deadline(const w4_protocol *p, uint64_t now_us);
/* The rule as it stands. */
struct w4_acceptance w4_knowledge_rule(const w4_protocol *p);
