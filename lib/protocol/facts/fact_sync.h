/* How nodes that were away catch up with facts: what was proposed and said to all while there was
 * no session. Each envelope is signed by who said it, so it goes through the pipeline here as
 * anybody's word, and nothing is believed because a neighbour says so.
 *
 * One node gives, the other takes; all state is the taker's:
 *
 *   G: MESH_FACTS sum      one digest over all that G could pass on. The same here: done.
 *   T: MESH_FACTS parts    64 digests, by the first digits of the ids, from part N on
 *   G: MESH_FACTS facts    ids and digests of the facts of the first part that differs
 *   T: MESH_FACTS wanted   those that T lacks, or knows otherwise
 *   G: MESH_VOTES          proposals, the decisions they follow from, votes, in order of time
 *
 * and again, until no part is left. What T cannot make the same (it trusts a voter less, it has no
 * room) it remembers and does not ask G for again, until trust moves. A sum is said when a session
 * begins, after something was taken from another neighbour, and to one neighbour now and then. What
 * was said to one agent only is not passed on. */
#pragma once

#include "protocol/pipeline/pipeline.h"

#include <sys/queue.h>

#define W4_FACT_SYNC_LIST_MAX 128u /* facts in one list, or asked for at once */
#define W4_FACT_SYNC_ENVELOPES_MAX 128u
#define W4_FACT_SYNC_BYTES_MAX ((size_t)128 * 1024) /* of the envelopes in one answer */
#define W4_FACT_SYNC_DEPTH 3u                       /* levels around an envelope in it */
#define W4_FACT_SYNC_TRIED_MAX 32768u
#define W4_FACT_SYNC_VERIFIED_PER_TURN 32u
#define W4_FACT_SYNC_BURST 256u /* requests that are answered to one neighbour at once ... */
#define W4_FACT_SYNC_PER_S 4u   /* ... and later */
#define W4_FACT_SYNC_PAUSE_US                                                                      \
    (40 * W4_US_PER_MS)                         /* between requests, ten times longer behind ... */
#define W4_FACT_SYNC_BRISK 200u                 /* ... that many of one round */
#define W4_FACT_SYNC_START_US (1 * W4_US_PER_S) /* after a session began */
#define W4_FACT_SYNC_ANSWER_US (10 * W4_US_PER_S)
#define W4_FACT_SYNC_AGAIN_US (30 * W4_US_PER_S)  /* after no answer */
#define W4_FACT_SYNC_PERIOD_US (15 * W4_US_PER_S) /* between sums said now and then */

typedef struct w4_fact_sync {
    struct sync_peer *peers;
    struct sync_tried *tried;
    uint64_t period_us; /* when to say the next sum to somebody; 0: not set */
    bool trust_moved;
    w4_json_document document; /* of the answer that is looked at */
    uint64_t taken;            /* envelopes that took effect */
} w4_fact_sync;

void w4_fact_sync_deinit(w4_fact_sync *sync);

/* A session with a node that understands this begins. 0 or -ENOMEM. */
int w4_fact_sync_peer_up(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us);
void w4_fact_sync_peer_down(w4_protocol *p, const w4_fingerprint *node);
/* Trust in somebody moved: what was refused before may be taken now. */
void w4_fact_sync_trust_moved(w4_protocol *p);

/* States of facts at others that could not be made the ones here, and are not asked for again. */
uint32_t w4_fact_sync_tried(const w4_fact_sync *sync);
/* Handlers of the pipeline, for MESH_FACTS and MESH_VOTES. */
int w4_fact_sync_take(w4_protocol *p, w4_inbound *in);
int w4_fact_sync_take_votes(w4_protocol *p, w4_inbound *in);

int w4_fact_sync_expire(w4_protocol *p, uint64_t now_us); /* 0 or a fatal error */
uint64_t w4_fact_sync_deadline(const w4_protocol *p);
