/* Durable messages: at the sender's node each waits in the store until the receiver's node has it
 * in its own and has said so with a receipt; there it waits until its agent has acknowledged it. In
 * order for each pair of sender and receiver, known for a repeat at both steps (posts.h, taken.h,
 * shelves.h).
 *
 * Its sender is told one end: that its receiver was given it, or why it was given up. Where it is
 * not given at once the receipt says that it is held, and a second one, which is repeated until the
 * sender's node has it in its store, how it ended (ends.h). */
#pragma once

#include "protocol/durable/ends.h"
#include "protocol/durable/posts.h"
#include "protocol/durable/receipts.h"
#include "protocol/durable/shelves.h"
#include "protocol/pipeline/pipeline.h"

#define W4_DURABLE_AGE_US (UINT64_C(7) * 24 * 3600 * W4_US_PER_S)
#define W4_DURABLE_RECEIPT_US (30 * W4_US_PER_S) /* then the message is brought once more */
#define W4_DURABLE_PAUSE_US W4_US_PER_S          /* after a code that may pass; doubled each time */
#define W4_DURABLE_PAUSES_MAX 6u                 /* doublings */
#define W4_DURABLE_ADMITTED 64u                  /* go on at once, at most */

/* ---- in the pipeline. Of in->durable envelopes only. */

/* In the place of the other checks: what is not too old for it; new (in->repeat when it was taken
 * before); to whom it can be brought; with room for it. Those that return int: 0, or 1 with
 * in->fault. */
w4_refusal w4_durable_check_fresh(const w4_protocol *p, const w4_inbound *in);
int w4_durable_check_new(const w4_protocol *p, w4_inbound *in);
w4_refusal w4_durable_check_route(const w4_protocol *p, const w4_inbound *in, const char **ret_why);
int w4_durable_look_room(const w4_protocol *p, w4_inbound *in);
void w4_durable_make_room(w4_protocol *p, const w4_inbound *in);
/* Delivery: to an agent of this node, attached or not, else to its own node. 0, 1 with in->fault,
 * or a fatal error. */
int w4_durable_route(w4_protocol *p, w4_inbound *in);
/* One who is trusted here has written to an agent here: where it can be answered, also when it is
 * away by then. 0 or -ENOMEM. */
int w4_durable_note_sender(w4_protocol *p, const w4_inbound *in);

/* ---- keys (durable_keys.c): 0 or a fatal error */

/* Another key has taken the place of that one, of an agent or of a node: what waits for it, and
 * what waits to be said to it, is for that one. */
int w4_durable_key_replaced(w4_protocol *p, const w4_fingerprint *key, uint64_t now_us);
int w4_durable_follow_keys(w4_protocol *p); /* the same for all that is known, when all is loaded */

/* ---- at the sender's node: 0 or a fatal error */
int w4_durable_transmitted(w4_protocol *p, uint64_t ticket, w4_refusal outcome, uint64_t now_us,
                           bool *ret_known);
/* The receipt of a node for something it was brought. *ret_known: that was durable, and waited for.
 */
int w4_durable_answered(w4_protocol *p, const w4_answer *answer, uint64_t now_us, bool *ret_known);
/* One that was held has ended. 0 or a fatal error; *ret_known: it was. */
int w4_durable_ended(w4_protocol *p, const w4_fingerprint *sender, const char *msg_id,
                     w4_refusal code, uint64_t now_us, bool *ret_known);
/* The handshake of these two is done. */
int w4_durable_released(w4_protocol *p, const w4_fingerprint *local, const w4_fingerprint *remote,
                        uint64_t now_us);
int w4_durable_peer_up(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us);
int w4_durable_peer_changed(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us);
int w4_durable_peer_down(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us);
/* There is room again on that channel of its session: for so many of the streams that wait for it.
 */
int w4_durable_peer_room(w4_protocol *p, const w4_fingerprint *node, w4_channel_kind channel,
                         uint32_t room, uint64_t now_us);

/* ---- for local agents: 0 or a fatal error */

/* It has attached: is told what became of its messages while it was away, and gets what is here for
 * it. */
int w4_durable_attached(w4_protocol *p, w4_agent *agent, uint64_t now_us);
/* Nobody takes its messages any more. */
void w4_durable_unheard(w4_protocol *p, const w4_agent *agent);
/* Gives it what it may have now. */
int w4_durable_offer(w4_protocol *p, w4_agent *agent, uint64_t now_us);
/* It has dealt with a message. *ret_known: it had one of that name. Also a store condition: then it
 * has it still. */
int w4_durable_acknowledge(w4_protocol *p, w4_agent *agent, const char *msg_id, uint64_t now_us,
                           bool *ret_known);
/* What the receipt for one that came, and was not refused, has to say of it. False: what it would
 * say, an end that is owed says. */
bool w4_durable_stage(const w4_protocol *p, const w4_inbound *in, w4_receipt_stage *ret_stage);
uint32_t w4_durable_waiting(const w4_protocol *p, const w4_fingerprint *agent);

/* Whatever of the types that `match` takes is from or to that agent and can still be held back ends
 * with code. 0 or a fatal error. */
int w4_durable_withdraw(w4_protocol *p, bool (*match)(w4_type type), const w4_fingerprint *who,
                        w4_refusal code, uint64_t now_us);

/* The sender of what is held does not want it given any more: where it is still here, it is not. 0,
 * -ENOMEM, or a store condition. */
int w4_durable_drop_late(w4_protocol *p, const w4_end *end);

/* ---- parts of durable.c, which has the rest: in durable_send.c */
int w4_durable_withdraw_posts(w4_protocol *p, bool (*match)(w4_type type),
                              const w4_fingerprint *who, w4_refusal code, uint64_t now_us);
int w4_durable_post(w4_protocol *p, w4_inbound *in, const w4_fingerprint *node);
/* The end of one that is held at node, beside its receipt: told then. 0, -ENOMEM, or a store
 * condition. */
int w4_durable_hold(w4_protocol *p, const w4_end *draft, uint64_t now_us);
int w4_durable_end_old_posts(w4_protocol *p, uint64_t now_us); /* also a store condition */
int w4_durable_try_streams(w4_protocol *p, uint64_t now_us);
uint64_t w4_durable_streams_deadline(const w4_protocol *p);

int w4_durable_expire(w4_protocol *p, uint64_t now_us);
uint64_t w4_durable_deadline(const w4_protocol *p, uint64_t now_us);
