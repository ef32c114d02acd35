/* How what local agents sent gets to other nodes, and what becomes of it: held until a handshake is
 * done, given to the session, kept in the outbox where it is knowledge, told to the sender. */
#pragma once

#include "protocol/delivery/mail.h"
#include "protocol/delivery/parcels.h"
#include "protocol/durable/receipts.h"
#include "protocol/pipeline/pipeline.h"
#include "protocol/protocol.h"

#define W4_RESEND_WINDOW 128u /* from the outbox to one neighbour at once */
/* What waits elsewhere for its receiver, without that its end is told from there. */
#define W4_PARCEL_THERE_US (UINT64_C(21600) * W4_US_PER_S)
#define W4_RESEND_PAUSE_US (1 * W4_US_PER_S) /* after the session took no more */

typedef struct w4_dispatch {
    w4_blob *envelope;
    const char *msg_id;
    const w4_fingerprint *sender;
    const w4_fingerprint *node;
    const w4_party *receiver; /* NULL: all of the node */
    w4_type type;
    w4_channel_kind channel;
    w4_letter *letter; /* or NULL: not kept */
    uint64_t deadline_us;
    bool greets; /* only after a handshake */
} w4_dispatch;

/* 0 or a fatal error; a code goes to the sender as an event. */
int w4_deliver(w4_protocol *p, const w4_dispatch *dispatch, uint64_t now_us);
/* A word of a handshake: goes at once, or not at all. 0 or -ENOMEM. */
int w4_deliver_unheld(w4_protocol *p, w4_bytes envelope, const w4_envelope_draft *draft,
                      const w4_agent *sender, const w4_fingerprint *node, uint64_t now_us);

/* The handshake of these two is done: what waited for it goes. */
int w4_deliveries_release(w4_protocol *p, const w4_fingerprint *local, const w4_fingerprint *remote,
                          const w4_fingerprint *node, uint64_t now_us);
/* A greeting went unanswered; if something waits for anybody at that node, try another. */
int w4_deliveries_greet_next(w4_protocol *p, const w4_agent *local, const w4_fingerprint *node,
                             uint64_t now_us);

/* The node at the other end has refused what it acknowledged: known in time, that is its end; else
 * it corrects what the sender is being told. 0 or -ENOMEM. */
int w4_deliveries_refused(w4_protocol *p, const w4_answer *answer, uint64_t now_us);
/* It waits at the node at the other end: its sender is told that, and no end, when it has been
 * acknowledged. 0 or -ENOMEM. */
int w4_deliveries_wait(w4_protocol *p, const w4_answer *answer);
/* What waited there has been given to its receiver (NONE), or dropped. 0 or -ENOMEM. */
int w4_deliveries_ended(w4_protocol *p, const w4_answer *answer, uint64_t now_us);
/* Before the session is asked to take it: true, it is not to, as something that goes before it came
 * back meanwhile. A letter comes again; anything else has ended with a code. */
bool w4_deliveries_later(w4_protocol *p, uint64_t ticket, uint64_t now_us);
int w4_deliveries_transmitted(w4_protocol *p, uint64_t ticket, w4_refusal outcome, uint64_t now_us);
int w4_deliveries_dropped(w4_protocol *p, uint64_t ticket, w4_overflow policy, uint64_t now_us);
int w4_deliveries_peer_up(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us);
int w4_deliveries_peer_changed(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us);
int w4_deliveries_peer_down(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us);
/* There is room again in its session: what was to go later goes now. 0 or -ENOMEM. */
int w4_deliveries_peer_room(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us);
/* Another key took the place of that one: what is kept for that node goes to the new one, and what
 * is kept for that agent goes where it is listed under the new one. 0 or -ENOMEM. */
int w4_deliveries_key_replaced(w4_protocol *p, const w4_fingerprint *key, uint64_t now_us);
/* The end of a parcel: NONE when it arrived. Its sender is told, unless that was done before. */
int w4_deliveries_end(w4_protocol *p, w4_parcel *parcel, w4_refusal code, uint64_t now_us);
/* What flies behind that letter, which has come back, is asked back: a session begins nothing of a
 * sender before what that one gave it earlier, so it is in time. 0 or -ENOMEM. */
int w4_deliveries_recall_behind(w4_protocol *p, const w4_parcel *parcel);
/* Whatever of the types that `match` takes is on its way from or to that agent, and can still be
 * held back, ends with code; waiting letters and what waits for local agents too. */
int w4_deliveries_withdraw(w4_protocol *p, bool (*match)(w4_type type), const w4_fingerprint *who,
                           w4_refusal code, uint64_t now_us);
int w4_deliveries_expire(w4_protocol *p, uint64_t now_us);
uint64_t w4_deliveries_deadline(const w4_protocol *p, uint64_t now_us);
