/* Facts at work: FACT_* and DECISION_SHARE as they come, the judging that follows, and what it
 * means for the trust in those who took part. */
#pragma once

#include "protocol/pipeline.h"

/* Handlers of the pipeline. */
int w4_knowledge_propose(w4_protocol *p, w4_inbound *in);
int w4_knowledge_vote(w4_protocol *p, w4_inbound *in);
int w4_knowledge_decision(w4_protocol *p, w4_inbound *in);

/* After anything that facts may hang on: judges what is queued until nothing changes, stores it,
 * tells it, and lets in votes that waited for a fact. 0 or a fatal error. */
int w4_knowledge_settle(w4_protocol *p, uint64_t now_us);
/* At the start: votes whose fact is here already. The next settling lets them in. */
void w4_knowledge_begin(w4_protocol *p);
/* Early votes whose fact never came. 0 or a fatal error. */
int w4_knowledge_expire(w4_protocol *p, uint64_t now_us);
uint64_t w4_knowledge_deadline(const w4_protocol *p, uint64_t now_us);
/* The rule as it stands. */
struct w4_acceptance w4_knowledge_rule(const w4_protocol *p);
