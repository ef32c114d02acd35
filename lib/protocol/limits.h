/* What whoever owns a protocol allows it: how much is kept, how far a chain of answers may go, what
 * moves a source. Plain numbers, so that each folder below knows its own without knowing the rest.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The guard of agent loops: of messages that answer messages. */
typedef struct w4_chain_limits {
    uint32_t depth;   /* answers between a message and the root of its chain */
    uint32_t repeats; /* how often one agent may stand in a chain */
    uint32_t budget;  /* messages that one which begins a chain may cause */
} w4_chain_limits;

/* Of the gates between humans. */
typedef struct w4_hcp_limits {
    uint64_t pace_interval_us;     /* between messages to one who is under pressure */
    uint64_t correction_window_us; /* two corrections in it are a misunderstanding */
} w4_hcp_limits;

/* How many of each move a tier by one. */
typedef struct w4_source_limits {
    uint32_t raise_after, lower_after;
} w4_source_limits;

/* Of what comes from the internet. */
typedef struct w4_lip_limits {
    uint32_t claims_max; /* kept; the oldest that are settled go first */
    w4_source_limits sources;
} w4_lip_limits;

/* How much of durable messages is kept, at both ends. */
typedef struct w4_durable_limits {
    uint64_t age_us;            /* after its time stamp a message is given up */
    uint32_t receiver_messages; /* waiting for one receiver */
    size_t receiver_bytes;
    uint32_t sender_messages; /* of one sender: waiting here to be sent, or for one receiver here */
    size_t sender_bytes;
    size_t bytes; /* of all that wait here to be sent, and of all that wait for agents here */
} w4_durable_limits;
