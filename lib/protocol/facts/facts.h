/* The fact book of a node: all facts by id, by decision, by cause; who takes part in them; and
 * which of them are to be judged anew, stored, or told about. It judges nothing itself. */
#pragma once

#include "protocol/exchange/sums.h"
#include "protocol/facts/acceptance.h"
#include "protocol/facts/decisions.h"
#include "protocol/facts/fact.h"

/* Proposed by one key and not settled: by one that is trusted or attached here, by any other. */
#define W4_FACT_PENDING_PER_AGENT 16384u
#define W4_FACT_PENDING_PER_STRANGER 1024u
#define W4_FACT_PER_DECISION_MAX 16u /* under one decision_id, of who is not trusted */

TAILQ_HEAD(w4_fact_list, w4_fact);

/* decisions: NULL in a book of claims, whose decision_id is the page they are of: it binds nobody.
 */
int w4_facts_new(w4_decisions *decisions, w4_facts **ret_facts);
w4_facts *w4_facts_free(w4_facts *facts);

w4_fact *w4_facts_find(const w4_facts *facts, const char *id);
/* As w4_protocol_fact_find_for and _next. */
uint32_t w4_facts_find_prefix(const w4_facts *facts, w4_bytes prefix, const w4_who *listener,
                              char ret_id[static 37]);
bool w4_facts_next_of(const w4_facts *facts, w4_fact_state state, size_t *cursor,
                      char ret_id[static 37]);
w4_fact *w4_facts_at(const w4_facts *facts, size_t position); /* in order of coming; NULL: end */
size_t w4_facts_count(const w4_facts *facts);
uint32_t w4_facts_count_state(const w4_facts *facts, w4_fact_state state);
/* Facts of that key that are pending or disputed. */
uint32_t w4_facts_open_of(const w4_facts *facts, const w4_fingerprint *proposer);
uint32_t w4_facts_count_decision(const w4_facts *facts, const char *decision_id);
/* One after the other, those that name it as a cause; NULL: end. */
const w4_fact *w4_facts_effect(const w4_facts *facts, const char *id, uint32_t index);
bool w4_facts_takes_part(const w4_facts *facts, const w4_fingerprint *agent);

/* Takes the fact over, also when it fails. It goes to the queue of those to be judged, as do those
 * that wait for it as a cause. 0, -ENOMEM. */
int w4_facts_add(w4_facts *facts, w4_fact *fact);
/* Takes it out and frees it. */
void w4_facts_remove(w4_facts *facts, w4_fact *fact);
/* The next that would have to go for a new one of a proposer trusted or not, in a book of so many.
 * Open ones of who is not trusted push out what is settled only until they are a part of the book;
 * when they are more, they are the first to go for who is trusted. Else the oldest that is settled
 * goes, or for who is trusted the oldest open one of somebody who is not. NULL: none. */
#define W4_FACTS_STRANGERS_PART 4u
w4_fact *w4_facts_expendable(const w4_facts *facts, const w4_trust_book *trust, uint32_t max,
                             bool trusted);

/* Counts the voter among those who take part. 0 or -ENOMEM. Call when a voter is new to a fact. */
int w4_facts_join(w4_facts *facts, const w4_fingerprint *agent);
void w4_facts_leave(w4_facts *facts, const w4_fingerprint *agent);
void w4_facts_set_state(w4_facts *facts, w4_fact *fact, w4_fact_state state);

/* To be judged anew: one; all that name id as a cause; all that this agent takes part in; all of
 * this state; all with that decision_id. */
void w4_facts_queue(w4_facts *facts, w4_fact *fact);
void w4_facts_queue_effects(w4_facts *facts, const char *id);
void w4_facts_queue_agent(w4_facts *facts, const w4_fingerprint *agent);
void w4_facts_queue_state(w4_facts *facts, w4_fact_state state);
void w4_facts_queue_decision(w4_facts *facts, const char *decision_id);
w4_fact *w4_facts_next_queued(w4_facts *facts); /* takes it off; NULL: none */
bool w4_facts_any_queued(const w4_facts *facts);

/* Has to be stored, and told about. */
void w4_facts_changed(w4_facts *facts, w4_fact *fact);
void w4_facts_unsaved(w4_facts *facts, w4_fact *fact); /* the store did not take it */
w4_fact *w4_facts_next_changed(w4_facts *facts);       /* takes it off; NULL: none */

/* Of what can be passed on (fact_sync.h): what was proposed to all, by their ids. */
const w4_sums *w4_facts_sums(const w4_facts *facts);

/* ---- for the rule of acceptance */
/* No other fact holds its decision_id with another statement. One that was accepted holds it; else
 * the one that came first, but nobody who is not trusted holds it against one who is, and a key
 * that was revoked holds nothing. */
bool w4_facts_decision_free(const w4_facts *facts, const w4_fact *fact, const w4_acceptance *rule);
/* A fact of that very key that binds decision_id to another statement: equivocation. */
const w4_fact *w4_facts_equivocation(const w4_facts *facts, const w4_fingerprint *proposer,
                                     const char *decision_id, const uint8_t statement[static 32]);

/* For who goes along causes (causes.h). */
typedef struct w4_walks {
    const w4_facts *facts;
    w4_decisions *decisions;
    uint32_t mark;  /* of what the walk that is under way has met */
    uint32_t steps; /* of all walks, since they were asked for */
} w4_walks;
w4_walks *w4_facts_walks(w4_facts *facts);
