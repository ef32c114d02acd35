/* How nodes learn what humans consent to, that was said while there was no session, or to nodes
 * that are no neighbours: each passes on the last word of each human that moved consent, and the
 * greeting whose scope holds, as they were signed and said to all. It goes through the pipeline
 * here as that human's word; the later time stamp counts, and nothing is believed because a
 * neighbour says so.
 *
 * One node gives, the other takes; all state is the taker's:
 *
 *   G: sum         one digest over all that G could tell. The same here: done.
 *   T: parts       64 digests, by the first digits of the fingerprints, from part N on
 *   G: humans      fingerprints, digests and time stamps, of the first part that differs
 *   T: wanted      those that T lacks, or has an older word of
 *   G: envelopes   their words
 *
 * and again, until no part is left. A sum is said at once when a session begins, soon after
 * something moved here, and to one neighbour now and then. */
#pragma once

#include "protocol/humans/human_give.h"
#include "protocol/pipeline/pipeline.h"

#define W4_HUMAN_SYNC_VERIFIED_PER_TURN 32u
#define W4_HUMAN_SYNC_BURST 256u /* requests that are answered to one neighbour at once ... */
#define W4_HUMAN_SYNC_PER_S 4u   /* ... and later */
#define W4_HUMAN_SYNC_PAUSE_US (20 * W4_US_PER_MS) /* between requests, longer behind ... */
#define W4_HUMAN_SYNC_BRISK 300u                   /* ... that many of one round */
#define W4_HUMAN_SYNC_SPREAD_US (1 * W4_US_PER_S)  /* after something moved here */
#define W4_HUMAN_SYNC_ANSWER_US (10 * W4_US_PER_S)
#define W4_HUMAN_SYNC_AGAIN_US (30 * W4_US_PER_S)  /* after no answer */
#define W4_HUMAN_SYNC_PERIOD_US (15 * W4_US_PER_S) /* between sums said now and then */

typedef struct w4_human_sync {
    struct human_peer *peers;
    w4_human_index index;
    uint64_t changes;          /* of the table, when neighbours were thought of last */
    uint64_t period_us;        /* when to say the next sum to somebody; 0: not set */
    w4_json_document document; /* of the answer that is looked at */
    uint64_t taken;            /* words that moved something */
} w4_human_sync;

void w4_human_sync_deinit(w4_human_sync *sync);

/* A session with a node that understands this begins. 0 or -ENOMEM. */
int w4_human_sync_peer_up(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us);
void w4_human_sync_peer_down(w4_protocol *p, const w4_fingerprint *node);
/* The handler of the pipeline, for MESH_HUMANS. */
int w4_human_sync_take(w4_protocol *p, w4_inbound *in);
/* What a human consents to has moved here, or may have. */
void w4_human_sync_moved(w4_protocol *p, uint64_t now_us);

int w4_human_sync_expire(w4_protocol *p, uint64_t now_us); /* 0 or a fatal error */
uint64_t w4_human_sync_deadline(const w4_protocol *p);
