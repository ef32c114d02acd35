/* Life: PING and PONG, silence, and the round-trip time. */
#pragma once

#include "base/clock.h"
#include "base/env.h"
#include "session/rtt.h"

/* So many PINGs are answered at once, then one in so much time: a flood of them costs its sender
 * more than us, and no honest one goes without its answer. */
#define W4_PONGS_AT_ONCE 16u
#define W4_PONG_GAP_US (5 * W4_US_PER_MS)

/* PINGs that wait for their answers; an older one gives way. So a round trip may be longer than the
 * time between two of them. */
#define W4_PINGS_WAITING 2u

typedef struct w4_ping {
    uint64_t token, sent_us;
} w4_ping;

typedef struct w4_heartbeat {
    uint64_t interval_us, timeout_us;
    uint64_t heard_us;
    uint64_t ping_at_us;
    uint64_t pong_token;
    uint64_t rtt_us; /* of the last PING that was answered; 0: none yet */
    uint64_t smoothed_us;
    uint64_t pongs_since_us;
    uint8_t pongs_left;
    uint8_t ping_count;
    bool ping_due, pong_due;
    w4_ping pings[W4_PINGS_WAITING]; /* the newest first */
} w4_heartbeat;

/* A link has come up. The first PING is due at once. */
void w4_heartbeat_start(w4_heartbeat *h, uint64_t interval_us, uint64_t timeout_us,
                        uint64_t now_us);
void w4_heartbeat_heard(w4_heartbeat *h, uint64_t now_us); /* an authenticated record */
bool w4_heartbeat_silent(const w4_heartbeat *h, uint64_t now_us);

void w4_heartbeat_recv_ping(w4_heartbeat *h, uint64_t token, uint64_t now_us);
/* True when it answers one of ours; rtt_us is its round trip then. */
bool w4_heartbeat_recv_pong(w4_heartbeat *h, uint64_t token, w4_rtt *rtt, uint64_t now_us);
/* The token to send with one that is due. */
uint64_t w4_heartbeat_take_ping(w4_heartbeat *h, const w4_env *env, uint64_t now_us);
void w4_heartbeat_forget_pings(w4_heartbeat *h); /* their answers mean nothing any more */
bool w4_heartbeat_take_pong(w4_heartbeat *h, uint64_t *ret_token);
uint64_t w4_heartbeat_deadline(const w4_heartbeat *h);
/* True when a new interval has begun. */
bool w4_heartbeat_expire(w4_heartbeat *h, uint64_t now_us);
