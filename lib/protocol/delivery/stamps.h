/* Time stamps of what agents here say, where they tell what is later. They go on behind those that
 * an earlier process of this node gave: many messages in a millisecond run ahead of the clock, and
 * it may have been put back. In W4_STORE_META "stamps" -> u64, wall: no later one was given. */
#pragma once

#include "protocol/delivery/agents.h"
#include "store/store.h"

#define W4_STAMPS_STEP_US (100 * W4_US_PER_MS) /* so seldom is the row written */

typedef struct w4_stamps {
    w4_store *store;
    uint64_t before_us; /* an earlier process may have given all until then */
    uint64_t until_us;  /* of the row */
} w4_stamps;

/* 0, -ENOMEM, or a store condition. */
int w4_stamps_init(w4_stamps *stamps, w4_store *store);
/* Between two stamps, which are written in milliseconds: each is another then; or, of what is only
 * durable, no more of them are the same than a receiver remembers (durable/taken.h), so that they
 * keep up with the clock however much is sent. */
#define W4_STAMPS_APART_US W4_US_PER_MS
#define W4_STAMPS_CLOSE_US (W4_US_PER_MS / 32)

/* For the next message of that agent, as of w4_agent_next_time. 0 or -ENOMEM; a store that takes no
 * row now will say so of the message. */
int w4_stamps_next(w4_stamps *stamps, w4_agent *agent, uint64_t step_us, uint64_t wall_us,
                   uint64_t *ret_stamp_us);
