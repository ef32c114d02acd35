/* MESH_RECEIPT: which durable envelopes that a neighbour brought are kept here, and which envelopes
 * of agents, durable or not, wait here, or were refused. Collected in the turn in which they came,
 * said when the turn is on disk. What gets lost on the way is asked for again where it is durable:
 * the neighbour brings the envelope once more. Ends of what was held (p->owed) are said until the
 * neighbour has acknowledged them, in this session or a later one. */
#pragma once

#include "protocol/pipeline/pipeline.h"

typedef struct w4_waited w4_waited; /* router.h */

#define W4_RECEIPTS_MAX 4096u            /* for one neighbour; the first go first */
#define W4_RECEIPTS_PER_WORD 128u        /* in one envelope, as its schema allows */
#define W4_RECEIPTS_PAUSE_US W4_US_PER_S /* after a session took no more */

typedef enum w4_receipt_stage {
    W4_RECEIPT_PLAIN, /* that is all */
    W4_RECEIPT_HELD,  /* its agent has not been given it: the end is to come */
    W4_RECEIPT_ENDED, /* what was held has ended */
    W4_RECEIPT_STAGE_COUNT
} w4_receipt_stage;

typedef struct w4_receipts {
    struct receipt_box *boxes;     /* by node: not said yet */
    struct receipt_batch *batches; /* by ticket: on their way */
    uint32_t count;                /* in boxes */
    uint64_t again_us;             /* after there was no room for words at all */
} w4_receipts;

void w4_receipts_deinit(w4_receipts *receipts);

/* What became of an envelope that a neighbour brought; refused: in->fault says why. Says so to that
 * neighbour where it wants to know. 0 or -ENOMEM. */
int w4_receipts_give(w4_protocol *p, const w4_inbound *in, bool refused);
/* What waited here, and was not durable, has been given to its agent, or is dropped: says so to the
 * node that brought it, if that is here, unless it was for all. 0 or -ENOMEM. */
int w4_receipts_end(w4_protocol *p, const w4_waited *waited, w4_refusal code);
/* What was given to an agent here has not reached it, and will not: whatever has not been said of
 * it yet says that. 0, -ENOMEM, or a store condition. */
int w4_receipts_recall(w4_protocol *p, const w4_waited *waited, w4_refusal code);
/* The neighbour is gone, or here anew: what is owed to it is said in its next session. */
void w4_receipts_owe_again(w4_protocol *p, const w4_fingerprint *node);
/* The turn is on disk: says what there is. 0 or -ENOMEM. */
int w4_receipts_say(w4_protocol *p, uint64_t now_us);
/* *ret_known: the ticket was one of receipts. 0 or -ENOMEM. */
int w4_receipts_transmitted(w4_protocol *p, uint64_t ticket, w4_refusal outcome, uint64_t now_us,
                            bool *ret_known);
void w4_receipts_peer_down(w4_protocol *p, const w4_fingerprint *node);
/* When to try again after a session took none. Those that wait for a commit are not due: who
 * commits says them, and while the store fails nothing else helps. */
uint64_t w4_receipts_deadline(const w4_receipts *receipts, uint64_t now_us);

/* One receipt that came. */
typedef struct w4_answer {
    const w4_fingerprint *node;              /* whose it is */
    const w4_fingerprint *sender, *receiver; /* of the envelope; receiver zero: all */
    const char *msg_id;
    w4_refusal code;
    w4_receipt_stage stage;
} w4_answer;

/* Handler of the pipeline. */
int w4_receipts_take(w4_protocol *p, w4_inbound *in);
