/* The sending half of a channel: what send accepted and nobody has acknowledged yet, in order.
 *
 *     waiting | queued, by producer ... | on its way: head ...... tail | ended
 *     (block)   (queue.h)                 ^ acked part     ^ next part   (for the owner)
 *                                                (goes back on loss)
 *
 * Every message that was pushed is in one of these places until the owner takes it from the last,
 * with its outcome: so each ends exactly once. */
#pragma once

#include "base/histogram.h"
#include "session/budget.h"
#include "session/frame.h"
#include "session/pace.h"
#include "session/queue.h"
#include "session/rtt.h"
#include "session/session.h"

#define W4_OUTBOX_ENDED_MIN                                                                        \
    64u /* outcomes that may wait for the owner, however short the queue                           \
         */

/* What became of a message, or that one that waited is accepted now. */
typedef struct w4_outcome {
    uint64_t token;
    bool admitted;      /* accepted; its end is yet to come */
    w4_refusal code;    /* NONE: delivered */
    w4_overflow policy; /* that ended it; W4_OVERFLOW_COUNT: none did */
    uint64_t took_us;   /* delivered: from its acceptance to its acknowledgement */
} w4_outcome;

typedef struct w4_outbox {
    const w4_channel_limits *limits;
    w4_byte_budget *budget; /* for what was accepted; NULL: no limit but its own */
    w4_pace *pace;          /* of the link */
    w4_queue queue;
    struct w4_messages messages, ended; /* on their way; ended */
    struct w4_messages admitted;        /* by `since`: the owner is yet to be told */
    size_t started_bytes, memory;
    w4_message *next; /* on its way, has the next part to send; NULL: the queue has */
    uint8_t kind;     /* w4_channel_kind */
    bool ask_due;
    bool wants_room; /* somebody was told that it is full, or has more to send */
    bool has_freed;  /* something has ended since */
    uint32_t next_part;
    uint32_t ended_count;
    uint16_t gaps, repeats;
    uint64_t first;          /* seq of the first part of all */
    uint64_t acked;          /* all parts before are acknowledged */
    uint64_t position;       /* seq of the next part to send */
    uint64_t high;           /* parts before have been sent at least once */
    uint64_t acked_messages; /* since the session began */
    uint64_t allowed;        /* messages the peer lets us start, since the session began */
    size_t flight;           /* bytes of frames from acked to position */
    uint64_t recover;        /* no second step back for a gap before this is acknowledged */
    uint64_t timer_us;       /* retransmission, or asking for credit */
    w4_channel_stats stats;
    w4_histogram_sparse latency_us;
} w4_outbox;

/* limits, budget (may be NULL) and pace are borrowed. */
void w4_outbox_init(w4_outbox *o, w4_channel_kind kind, const w4_channel_limits *limits,
                    w4_byte_budget *budget, w4_pace *pace);
/* seq of the first part; before anything is sent. */
void w4_outbox_begin_at(w4_outbox *o, uint64_t seq);
void w4_outbox_deinit(w4_outbox *o);

/* 0, -ENOMEM, W4_SESSION_E_*. len_max: of one message, over that W4_SESSION_E_TOO_LARGE. */
int w4_outbox_push(w4_outbox *o, const w4_sending *sending, size_t len_max, uint64_t now_us);
/* The limits are others now. What waits under another policy than block ends as that one says. */
void w4_outbox_limits_changed(w4_outbox *o, const w4_channel_limits *limits, uint64_t now_us);
/* Fails the message with that token with code, unless a part of it was sent. False: too late. */
bool w4_outbox_withdraw(w4_outbox *o, uint64_t token, w4_refusal code, uint64_t now_us);
/* A try to send that came to nothing before it reached the queue. */
void w4_outbox_count_error(w4_outbox *o);

/* Bytes of the DATA frame that may be sent now; 0: none. */
size_t w4_outbox_ready(const w4_outbox *o);
/* Writes that frame to at. Returns the place behind. */
uint8_t *w4_outbox_put(w4_outbox *o, uint16_t channel, uint8_t *at, uint64_t now_us);
/* Bytes of the part that would go now if it were not for the pace; 0: none. */
size_t w4_outbox_held(const w4_outbox *o);
/* Starts or stops the timer, as there is something to wait for. After each emit. */
void w4_outbox_arm(w4_outbox *o, const w4_rtt *rtt, uint64_t now_us);
uint64_t w4_outbox_deadline(const w4_outbox *o); /* also while there is no link */
void w4_outbox_expire(w4_outbox *o, const w4_rtt *rtt, uint64_t now_us);

/* All parts before seq have come, says an ACK or a resume point; gap: and some behind a missing
 * one. False when seq acknowledges what was never sent. An old one, overtaken, changes nothing. */
bool w4_outbox_acknowledge(w4_outbox *o, uint64_t seq, bool gap, w4_rtt *rtt, uint64_t now_us);
/* The credit that came with the ACK of seq. */
void w4_outbox_grant(w4_outbox *o, uint64_t seq, uint32_t credit);
uint32_t w4_outbox_credit(const w4_outbox *o); /* messages that may be begun */
/* A resume point says that all before seq has come: it is not sent again, and counts as under way
 * until an ACK says the same. After link_down. */
void w4_outbox_pass_over(w4_outbox *o, uint64_t seq);
/* May a resume point say so? It is newer than all ACKs that came before. */
bool w4_outbox_may_acknowledge(const w4_outbox *o, uint64_t seq);

void w4_outbox_link_down(w4_outbox *o); /* all that is not acknowledged is to be sent again */
/* The session begins afresh: what was started ends with `disconnected`. */
void w4_outbox_restart(w4_outbox *o, uint64_t now_us);
void w4_outbox_fail_all(w4_outbox *o, w4_refusal code);
/* Queued and waiting ones; with too_large. */
void w4_outbox_fail_larger(w4_outbox *o, size_t len_max, uint64_t now_us);

bool w4_outbox_pop_outcome(w4_outbox *o, w4_outcome *ret_outcome);
/* *ret_room: messages, as far as their bytes allow. */
bool w4_outbox_pop_writable(w4_outbox *o, uint32_t *ret_room);
void w4_outbox_want_room(w4_outbox *o); /* as after one that was told that it is full */
w4_sla_waiting w4_outbox_waiting(const w4_outbox *o, uint64_t longer_than_us, uint64_t now_us);
void w4_outbox_latency(const w4_outbox *o, w4_histogram *ret_latency_us);
size_t w4_outbox_memory(const w4_outbox *o); /* of messages, also of those that have ended */
size_t w4_outbox_latency_memory(const w4_outbox *o); /* on the heap */
