/* How much of durable messages is kept, at both ends. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct w4_durable_limits {
    uint64_t age_us;            /* after its time stamp a message is given up */
    uint32_t receiver_messages; /* waiting for one receiver */
    size_t receiver_bytes;
    uint32_t sender_messages; /* of one sender: waiting here to be sent, or for one receiver here */
    size_t sender_bytes;
    size_t bytes; /* of all that wait here to be sent, and of all that wait for agents here */
} w4_durable_limits;
