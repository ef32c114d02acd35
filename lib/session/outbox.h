/* The sending half of a channel: what send accepted and nobody has acknowledged yet, in order.
 *
 *     head ........ in flight ........ | ........ queued ........ tail      | ended
 *     ^ acked part        ^ next part to send (goes back on loss)            (for the owner)
 *
 * Every message that was pushed is in one of these three places until the owner takes it from the
 * last, with its outcome: so each ends exactly once. */
#pragma once

#include "base/histogram.h"
#include "session/frame.h"
#include "session/rtt.h"
#include "session/session.h"

#include <sys/queue.h>

#define W4_OUTBOX_SAMPLES 16
#define W4_OUTBOX_WINDOW_MIN 65536u /* bytes; after a loss, and at first on lossy links */

typedef struct w4_message {
    STAILQ_ENTRY(w4_message) entry;
    uint64_t token;
    uint64_t seq; /* of the first part; once started */
    uint64_t enqueued_us, sent_us;
    uint64_t took_us; /* from enqueued to acknowledged; once ended */
    uint32_t len;
    bool started;  /* a part of it was sent */
    bool repeated; /* a part of it was sent twice: no round-trip time from it */
    w4_refusal outcome;
    uint8_t data[];
} w4_message;

STAILQ_HEAD(w4_message_list, w4_message);

typedef struct w4_outbox {
    const w4_channel_limits *limits;
    struct w4_message_list messages, ended;
    uint32_t ended_count;
    w4_message *next; /* has the next part to send; NULL: all is sent */
    uint32_t next_part;
    uint64_t acked;          /* all parts before are acknowledged */
    uint64_t position;       /* seq of the next part to send */
    uint64_t high;           /* parts before have been sent at least once */
    uint64_t acked_messages; /* since the session began */
    uint64_t allowed;        /* messages the peer lets us start, since the session began */
    size_t flight, window;   /* bytes of frames from acked to position, and how many may be */
    uint64_t recover;        /* no second step back for a gap before this is acknowledged */
    unsigned gaps, repeats;
    uint64_t timer_us; /* retransmission, or asking for credit */
    bool ask_due;
    bool wants_room; /* somebody was told that it is full */
    w4_channel_stats stats;
    w4_histogram *latency_us; /* made when the samples are full */
    uint32_t samples[W4_OUTBOX_SAMPLES];
    uint8_t sample_count;
} w4_outbox;

void w4_outbox_init(w4_outbox *o, const w4_channel_limits *limits);
void w4_outbox_deinit(w4_outbox *o);

/* 0, -ENOMEM, W4_SESSION_E_*. len_max: of one message, over that W4_SESSION_E_TOO_LARGE. */
int w4_outbox_push(w4_outbox *o, w4_bytes message, size_t len_max, uint64_t token, uint64_t now_us);
/* A try to send that came to nothing before it reached the queue. */
void w4_outbox_count_error(w4_outbox *o);

/* Bytes of the DATA frame that may be sent now; 0: none. */
size_t w4_outbox_ready(const w4_outbox *o);
/* Writes that frame to at. Returns the place behind. */
uint8_t *w4_outbox_put(w4_outbox *o, w4_channel_kind kind, uint8_t *at, uint64_t now_us);
/* Starts or stops the timer, as there is something to wait for. After each emit. */
void w4_outbox_arm(w4_outbox *o, const w4_rtt *rtt, uint64_t now_us);
void w4_outbox_expire(w4_outbox *o, const w4_rtt *rtt, uint64_t now_us);

/* All parts before seq have come, says an ACK or a resume point; gap: and some behind a missing
 * one. False when seq acknowledges what was never sent. An old one, overtaken, changes nothing. */
bool w4_outbox_acknowledge(w4_outbox *o, uint64_t seq, bool gap, w4_rtt *rtt, uint64_t now_us);
/* The credit that came with the ACK of seq. */
void w4_outbox_grant(w4_outbox *o, uint64_t seq, uint32_t credit);
bool w4_outbox_may_acknowledge(const w4_outbox *o, uint64_t seq);

void w4_outbox_link_up(w4_outbox *o, bool ordered_link);
void w4_outbox_link_down(w4_outbox *o); /* all that is not acknowledged is to be sent again */
/* The session begins afresh: what was started ends with `disconnected`. */
void w4_outbox_restart(w4_outbox *o);
void w4_outbox_fail_all(w4_outbox *o, w4_refusal code);
void w4_outbox_fail_larger(w4_outbox *o, size_t len_max); /* queued ones; with too_large */

/* The outcome NONE means delivered; then *ret_took_us is how long that took. */
bool w4_outbox_pop_ended(w4_outbox *o, uint64_t *ret_token, w4_refusal *ret_outcome,
                         uint64_t *ret_took_us);
bool w4_outbox_pop_writable(w4_outbox *o);
w4_sla_waiting w4_outbox_waiting(const w4_outbox *o, uint64_t longer_than_us, uint64_t now_us);
void w4_outbox_latency(const w4_outbox *o, w4_histogram *ret_latency_us);
size_t w4_outbox_memory(const w4_outbox *o); /* on the heap */
