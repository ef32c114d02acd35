/* Two humans about to meet: what HCP asks of a message between them, by what is known of both. */
#pragma once

#include "protocol/humans/consent.h"
#include "protocol/humans/rapport.h"
#include "protocol/pipeline/pipeline.h"

/* Who speaks and who listens, as far as they are known here. receiver is NULL for one who has said
 * nothing, and of a broadcast that has no agent yet. */
typedef struct w4_meeting {
    const w4_human *sender, *receiver;
    const w4_fingerprint *sender_key, *receiver_key; /* receiver_key NULL: nobody in particular */
    const w4_rapport *rapport;                       /* or NULL */
} w4_meeting;

typedef enum w4_meeting_check {
    W4_MEETING_CONSENT,
    W4_MEETING_SCOPE,
    W4_MEETING_RATIONALE,
    W4_MEETING_CHECK_IN,
    W4_MEETING_CHECK_COUNT
} w4_meeting_check;

/* 0, or 1 with in->fault. */
int w4_meeting_ask(const w4_meeting *meeting, w4_inbound *in, w4_meeting_check check);

bool w4_meeting_greets(const w4_inbound *in);
/* A greeting, or what a human says of themselves: these pass although nobody consents. */
bool w4_meeting_tells_state(const w4_inbound *in);
bool w4_meeting_presses(const w4_inbound *in); /* for a decision */
/* Of a decision: does it say why, and how many alternatives does it name? Blanks say nothing. */
bool w4_meeting_reasons(const w4_inbound *in);
uint32_t w4_meeting_alternatives(const w4_inbound *in);
