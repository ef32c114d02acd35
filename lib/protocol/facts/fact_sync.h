/* How nodes that were away catch up with facts and decisions: what was said to all while there was
 * no session (exchange.h: keys are the ids, the types MESH_FACTS and MESH_VOTES). What is given are
 * decisions, and proposals with what they follow from and the votes, in order of time; of a fact
 * that has fallen also what was accepted before and follows from it.
 *
 * What this node cannot make the same (it trusts a voter less, it has no room) it remembers and
 * does not ask that neighbour for again, until trust moves. What was said to one agent only is not
 * passed on. */
#pragma once

#include "protocol/exchange/exchange.h"

#define W4_FACT_SYNC_TRIED_MAX 32768u

typedef struct w4_fact_sync {
    w4_exchange exchange;
    w4_sums sums; /* of facts and decisions, as of the last refresh */
    struct sync_tried *tried;
    bool trust_moved;
} w4_fact_sync;

void w4_fact_sync_init(w4_fact_sync *sync);
void w4_fact_sync_deinit(w4_fact_sync *sync);

/* Trust in somebody moved: what was refused before may be taken now. */
void w4_fact_sync_trust_moved(w4_protocol *p);

/* States of ids at others that could not be made the ones here, and are not asked for again. */
uint32_t w4_fact_sync_tried(const w4_fact_sync *sync);
/* Handlers of the pipeline, for MESH_FACTS and MESH_VOTES. */
int w4_fact_sync_take(w4_protocol *p, w4_inbound *in);
int w4_fact_sync_take_votes(w4_protocol *p, w4_inbound *in);

int w4_fact_sync_expire(w4_protocol *p, uint64_t now_us); /* 0 or a fatal error */
