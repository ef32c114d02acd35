/* Life: PING and PONG, silence, and the round-trip time. */
#pragma once

#include "base/clock.h"
#include "base/env.h"
#include "session/rtt.h"

/* So many PINGs are answered at once, then one in so much time: a flood of them costs its sender
 * more than us, and no honest one goes without its answer. */
#define W4_PONGS_AT_ONCE 16u
#define W4_PONG_GAP_US (5 * W4_US_PER_MS)

typedef struct w4_heartbeat {
    uint64_t interval_us, timeout_us;
    uint64_t heard_us;
    uint64_t ping_at_us, ping_sent_us;
    uint64_t ping_token, pong_token;
    uint64_t rtt_us; /* of the last PING that was answered; 0: none yet */
    uint64_t pongs_since_us;
    uint8_t pongs_left;
    bool ping_due, ping_waiting, pong_due;
} w4_heartbeat;

/* A link has come up. The first PING is due at once. */
void w4_heartbeat_start(w4_heartbeat *h, uint64_t interval_us, uint64_t timeout_us,
                        uint64_t now_us);
void w4_heartbeat_heard(w4_heartbeat *h, uint64_t now_us); /* an authenticated record */
bool w4_heartbeat_silent(const w4_heartbeat *h, uint64_t now_us);

void w4_heartbeat_recv_ping(w4_heartbeat *h, uint64_t token, uint64_t now_us);
/* True when it answers the last PING; rtt_us is its round trip then. */
bool w4_heartbeat_recv_pong(w4_heartbeat *h, uint64_t token, w4_rtt *rtt, uint64_t now_us);
/* The token to send, when one is due. */
bool w4_heartbeat_take_ping(w4_heartbeat *h, const w4_env *env, uint64_t now_us,
                            uint64_t *ret_token);
bool w4_heartbeat_take_pong(w4_heartbeat *h, uint64_t *ret_token);
uint64_t w4_heartbeat_deadline(const w4_heartbeat *h);
/* Has the last PING been answered, or waited for its answer as long as that? */
bool w4_heartbeat_is_answered(const w4_heartbeat *h, uint64_t patience_us, uint64_t now_us);
/* True when a new interval has begun. */
bool w4_heartbeat_expire(w4_heartbeat *h, uint64_t now_us);
