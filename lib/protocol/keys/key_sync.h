/* How successions and revocations reach every node: MESH_KEYS. What is new goes to all neighbours
 * once it is stored; and when a session begins, and now and then, two nodes compare:
 *
 *   A: sum        one digest over all that A keeps. The same at B: done.
 *   B: sums       64 of them, by the first digits of the ids
 *   A: lists      the ids that A has in the parts that differ
 *   B: documents  those that A lacks, the successions first
 *
 * and again while A took something and there is more. Each document is judged by its own
 * signatures, whoever brings it. */
#pragma once

#include "protocol/pipeline/pipeline.h"
#include "trust/keyring.h"

#define W4_KEY_SYNC_DOCUMENTS_MAX 64u /* in one message */
#define W4_KEY_SYNC_IDS_MAX 2048u     /* in the lists of one message */
#define W4_KEY_SYNC_BYTES_MAX ((size_t)96 * 1024)
#define W4_KEY_SYNC_BURST 2048u /* documents, and lists, that are taken from one neighbour ... */
#define W4_KEY_SYNC_PER_S 20u   /* ... and later */
#define W4_KEY_SYNC_PERIOD_US (60 * W4_US_PER_S)

typedef struct w4_key_sync {
    struct key_peer *peers;
    w4_json_document document; /* of the one that is looked at */
    w4_buffer fresh;           /* what is new, to be said to all: JSON, with commas between */
    uint32_t fresh_count;
    bool fresh_sum;      /* it is too much: neighbours are told a sum instead */
    w4_fingerprint from; /* who brought all of it; zero: nobody in particular */
    uint64_t period_us;  /* when to say the next sum to somebody; 0: not set */
} w4_key_sync;

void w4_key_sync_deinit(w4_key_sync *sync);
/* A session with a node that understands this begins, or ended. 0 or -ENOMEM. */
int w4_key_sync_peer_up(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us);
void w4_key_sync_peer_down(w4_protocol *p, const w4_fingerprint *node);
/* It is new here, and will be said to all but from when it is stored. 0 or -ENOMEM. */
int w4_key_sync_spread(w4_protocol *p, const w4_key_document *document, const w4_fingerprint *from);
int w4_key_sync_committed(w4_protocol *p, uint64_t now_us); /* 0 or -ENOMEM */
int w4_key_sync_expire(w4_protocol *p, uint64_t now_us);    /* 0 or a fatal error */
uint64_t w4_key_sync_deadline(const w4_protocol *p);
/* Handler of the pipeline, for MESH_KEYS. */
int w4_key_sync_take(w4_protocol *p, w4_inbound *in);
