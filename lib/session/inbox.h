/* The receiving half of a channel: parts in order, once; whole messages out; credit.
 *
 * Credit: the peer may start message number n (from 0, since the session began) only when
 * n < messages + credit - outstanding, where outstanding are those the application has not yet
 * said to have consumed. That bound never goes back, so what an ACK once granted stays granted. */
#pragma once

#include "session/frame.h"
#include "session/session.h"

typedef struct w4_inbox {
    const w4_channel_limits *limits;
    uint64_t expected; /* seq of the next part */
    uint64_t messages; /* whole ones, since the session began */
    uint32_t outstanding;
    bool in_message;
    bool held;         /* promise no more than was promised */
    uint64_t promised; /* the seq of the last ACK */
    uint64_t promised_messages;
    uint64_t granted; /* the bound as last told */
    bool ack_due, gap;
    w4_buffer partial; /* parts of the message that is coming in, when it has several */
    uint64_t duplicates, bytes, messages_total;
} w4_inbox;

typedef enum w4_inbox_verdict {
    W4_INBOX_NOTHING, /* a part, a duplicate, or one beyond a gap */
    W4_INBOX_MESSAGE,
    /* The session ends: */
    W4_INBOX_NO_CREDIT,
    W4_INBOX_TOO_LARGE,
    W4_INBOX_VERDICT_COUNT
} w4_inbox_verdict;

void w4_inbox_init(w4_inbox *in, const w4_channel_limits *limits, uint32_t max_message);
void w4_inbox_deinit(w4_inbox *in);

/* A DATA frame. A w4_inbox_verdict, or -ENOMEM (as if the frame had been lost). With MESSAGE:
 * *ret_owned is NULL when the message lies in the frame, else the memory it lies in, which the
 * caller frees. */
int w4_inbox_take(w4_inbox *in, const w4_frame *frame, w4_bytes *ret_message, uint8_t **ret_owned);
void w4_inbox_consumed(w4_inbox *in, uint32_t n);
void w4_inbox_hold(w4_inbox *in, bool hold);
void w4_inbox_restart(w4_inbox *in); /* the session begins afresh */
/* Writes an ACK frame to at: of all that has come, or, while held, of what was promised before.
 * Returns the place behind. */
uint8_t *w4_inbox_put_ack(w4_inbox *in, w4_channel_kind kind, bool ask, uint8_t *at);
