/* How nodes learn what humans consent to, that was said while there was no session, or to nodes
 * that are no neighbours: each passes on the last word of each human that moved consent, and the
 * greeting whose scope holds, as they were signed and said to all (exchange.h: keys are the
 * fingerprints of the agents that speak for the humans, the type is MESH_HUMANS). The later time
 * stamp counts.
 *
 * Unasked, when a session begins, a node tells what humans of its own said to one agent that lives
 * there, and by which they consent to less than everything: who was told that a word did not get
 * there has given nothing by it. */
#pragma once

#include "protocol/exchange/exchange.h"
#include "protocol/humans/human_index.h"

typedef struct w4_human_sync {
    w4_exchange exchange;
    w4_human_index index;
    uint64_t changes; /* of the table, when neighbours were thought of last */
} w4_human_sync;

void w4_human_sync_init(w4_human_sync *sync);
void w4_human_sync_deinit(w4_human_sync *sync);

/* A session with a node that understands this begins. 0 or -ENOMEM. */
int w4_human_sync_peer_up(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us);
/* The handler of the pipeline, for MESH_HUMANS. */
int w4_human_sync_take(w4_protocol *p, w4_inbound *in);
/* To a neighbour that has just said an older word of a human than is known here, though it may not
 * know of the later one: that one. 0 or -ENOMEM. */
int w4_human_sync_answer(w4_protocol *p, const w4_inbound *in, const w4_human *human);
/* What was said to single agents is told again where they live. 0 or -ENOMEM. */
int w4_human_sync_tell_asides(w4_protocol *p, uint64_t now_us);
/* An agent of this node is there from now on, and can say again what its human said: what
 * neighbours told meanwhile that stands against it is heard once more. 0 or -ENOMEM. */
int w4_human_sync_attached(w4_protocol *p, const w4_fingerprint *agent, uint64_t now_us);
/* What a human consents to has moved here, or may have. */
void w4_human_sync_moved(w4_protocol *p, uint64_t now_us);
