/* The receiving half of a channel: parts in order, once; whole messages out; credit.
 *
 * Credit: the peer may start message number n (from 0, since the session began) only when
 * n < messages + credit - outstanding, where outstanding are those the application has not yet
 * said to have consumed. That bound never goes back, so what an ACK once granted stays granted.
 *
 * What has come and is not consumed counts against the budget, parts and whole messages alike. A
 * part beyond it is dropped as if the link had lost it; while it is tight nothing more is granted,
 * except on control. But one message of a session that was begun may always be finished: or many
 * that are half there would wait for one another's room. */
#pragma once

#include "session/budget.h"
#include "session/frame.h"
#include "session/session.h"

typedef struct w4_inbox {
    w4_byte_budget *budget;
    uint64_t first;    /* seq of the first part of all */
    uint64_t expected; /* seq of the next part */
    uint64_t messages; /* whole ones, since the session began */
    uint8_t kind;      /* w4_channel_kind */
    bool in_message;
    bool held; /* promise no more than was promised */
    bool ack_due : 1, gap : 1;
    uint32_t credit; /* messages that may be outstanding */
    uint32_t outstanding;
    size_t outstanding_bytes;
    uint64_t promised; /* the seq of the last ACK */
    uint64_t promised_messages;
    uint64_t granted;  /* the bound as last told */
    w4_buffer partial; /* parts of the message that is coming in, when it has several */
    size_t beyond;     /* bytes of it that are not in the budget */
    uint64_t duplicates, bytes, messages_total, over_budget;
} w4_inbox;

typedef enum w4_inbox_verdict {
    W4_INBOX_NOTHING, /* a part, a duplicate, or one beyond a gap */
    W4_INBOX_MESSAGE,
    /* The session ends: */
    W4_INBOX_NO_CREDIT,
    W4_INBOX_TOO_LARGE,
    W4_INBOX_VERDICT_COUNT
} w4_inbox_verdict;

/* budget (may be NULL) is borrowed. */
void w4_inbox_init(w4_inbox *in, w4_channel_kind kind, uint32_t credit, uint32_t max_message,
                   w4_byte_budget *budget);
void w4_inbox_begin_at(w4_inbox *in, uint64_t seq); /* of the first part */
void w4_inbox_deinit(w4_inbox *in);

/* A DATA frame. A w4_inbox_verdict, or -ENOMEM (as if the frame had been lost). With MESSAGE:
 * *ret_owned is NULL when the message lies in the frame, else the memory it lies in, which the
 * caller frees. */
int w4_inbox_take(w4_inbox *in, const w4_frame *frame, w4_bytes *ret_message, uint8_t **ret_owned);
void w4_inbox_consumed(w4_inbox *in, uint32_t n);
uint32_t w4_inbox_credit(const w4_inbox *in); /* messages the peer may begin, as it was told */
void w4_inbox_hold(w4_inbox *in, bool hold);
void w4_inbox_restart(w4_inbox *in); /* the session begins afresh */
void w4_inbox_end(w4_inbox *in); /* nothing more comes, and what was consumed is of no interest */
/* Writes an ACK frame to at: of all that has come, or, while held, of what was promised before.
 * Returns the place behind. */
uint8_t *w4_inbox_put_ack(w4_inbox *in, uint16_t channel, bool ask, uint8_t *at);
size_t w4_inbox_memory(const w4_inbox *in); /* on the heap, and what the owner has not consumed */
