/* An agent that begins its handshakes again and again, though each came to its end. That sessions
 * come and go is not held against agents: whoever is between two nodes can cut them. But a greeting
 * is signed, a session forgets what was greeted over the one before, and the same greeting once
 * more is an answer that got lost: who begins anew, over one session and with the same agent, does
 * so himself. One that was not ended may have taken too long: beginning anew is right then. */
#pragma once

#include "protocol/pipeline/pipeline.h"

#define W4_FLAPS_MAX 5u /* handshakes begun anew within that time: one more is an anomaly */
#define W4_FLAPS_WINDOW_US (60 * W4_US_PER_S)

typedef struct w4_flaps { /* of one agent with one of this node */
    uint64_t since_us;
    uint32_t count;
} w4_flaps;

/* The sender of in->envelope begins a handshake anew with an agent that it has one with. 0 or a
 * fatal error. */
int w4_flaps_note(w4_flaps *flaps, w4_protocol *p, const w4_inbound *in);
