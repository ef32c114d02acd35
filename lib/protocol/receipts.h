/* MESH_RECEIPT: what became of durable envelopes that a neighbour brought. Collected in the turn in
 * which they came, said when the turn is on disk. What gets lost on the way is asked for again: the
 * neighbour brings the envelope once more. */
#pragma once

#include "protocol/pipeline.h"

#define W4_RECEIPTS_MAX 4096u            /* for one neighbour; the first go first */
#define W4_RECEIPTS_PER_WORD 128u        /* in one envelope */
#define W4_RECEIPTS_PAUSE_US W4_US_PER_S /* after the session took no more */

typedef struct w4_receipts {
    struct receipt_box *boxes;     /* by node: not said yet */
    struct receipt_batch *batches; /* by ticket: on their way */
    uint32_t count;                /* in boxes */
    uint64_t again_us;
} w4_receipts;

void w4_receipts_deinit(w4_receipts *receipts);

/* NONE: kept here. 0 or -ENOMEM. */
int w4_receipts_add(w4_receipts *receipts, const w4_fingerprint *node, const w4_fingerprint *sender,
                    const char *msg_id, w4_refusal code);
/* The turn is on disk: says what there is. 0 or -ENOMEM. */
int w4_receipts_say(w4_protocol *p, uint64_t now_us);
/* *ret_known: the ticket was one of receipts. 0 or -ENOMEM. */
int w4_receipts_transmitted(w4_protocol *p, uint64_t ticket, w4_refusal outcome, uint64_t now_us,
                            bool *ret_known);
void w4_receipts_peer_down(w4_receipts *receipts, const w4_fingerprint *node);
/* When to try again after a session took none. Those that wait for a commit are not due: who
 * commits says them, and while the store fails nothing else helps. */
uint64_t w4_receipts_deadline(const w4_receipts *receipts, uint64_t now_us);

/* Handler of the pipeline. */
int w4_receipts_take(w4_protocol *p, w4_inbound *in);
