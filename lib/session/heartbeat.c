#include "session/heartbeat.h"

#include <string.h>

void w4_heartbeat_start(w4_heartbeat *h, uint64_t interval_us, uint64_t timeout_us,
                        uint64_t now_us) {
    *h = (w4_heartbeat){
        .interval_us = interval_us,
        .timeout_us = timeout_us,
        .heard_us = now_us,
        .ping_at_us = w4_later(now_us, interval_us),
        .ping_due = true,
        .pongs_left = W4_PONGS_AT_ONCE,
        .pongs_since_us = now_us,
    };
}

void w4_heartbeat_heard(w4_heartbeat *h, uint64_t now_us) {
    h->heard_us = now_us;
}

bool w4_heartbeat_silent(const w4_heartbeat *h, uint64_t now_us) {
    return now_us >= w4_later(h->heard_us, h->timeout_us);
}

void w4_heartbeat_recv_ping(w4_heartbeat *h, uint64_t token, uint64_t now_us) {
    uint64_t more = (now_us - h->pongs_since_us) / W4_PONG_GAP_US;
    if (more >= W4_PONGS_AT_ONCE - h->pongs_left) {
        h->pongs_left = W4_PONGS_AT_ONCE;
        h->pongs_since_us = now_us;
    } else {
        h->pongs_left = (uint8_t)(h->pongs_left + more);
        h->pongs_since_us += more * W4_PONG_GAP_US;
    }
    if (h->pongs_left > 0) {
        h->pongs_left--;
        h->pong_due = true;
        h->pong_token = token;
    }
}

bool w4_heartbeat_recv_pong(w4_heartbeat *h, uint64_t token, w4_rtt *rtt, uint64_t now_us) {
    for (uint8_t i = 0; i < h->ping_count; i++) {
        const w4_ping *ping = &h->pings[i];
        if (ping->token == token) {
            h->rtt_us = now_us > ping->sent_us ? now_us - ping->sent_us : 1;
            w4_rtt_add(rtt, h->rtt_us);
            h->smoothed_us = h->smoothed_us == 0
                                 ? h->rtt_us
                                 : h->smoothed_us - h->smoothed_us / 8 + h->rtt_us / 8;
            h->ping_count = i; /* those before it are of no interest any more */
            return true;
        }
    }
    return false;
}

uint64_t w4_heartbeat_take_ping(w4_heartbeat *h, const w4_env *env, uint64_t now_us) {
    if (h->ping_count == W4_PINGS_WAITING) {
        h->ping_count--;
    }
    memmove(h->pings + 1, h->pings, h->ping_count * sizeof h->pings[0]);
    h->ping_count++;
    h->pings[0].sent_us = now_us;
    /* Nobody can answer before having seen it. */
    env->random(env->context, &h->pings[0].token, sizeof h->pings[0].token);
    h->ping_due = false;
    return h->pings[0].token;
}

void w4_heartbeat_forget_pings(w4_heartbeat *h) {
    h->ping_count = 0;
}

bool w4_heartbeat_take_pong(w4_heartbeat *h, uint64_t *ret_token) {
    if (!h->pong_due) {
        return false;
    }
    h->pong_due = false;
    *ret_token = h->pong_token;
    return true;
}

uint64_t w4_heartbeat_deadline(const w4_heartbeat *h) {
    return w4_earlier(h->ping_at_us, w4_later(h->heard_us, h->timeout_us));
}

bool w4_heartbeat_expire(w4_heartbeat *h, uint64_t now_us) {
    if (now_us < h->ping_at_us) {
        return false;
    }
    h->ping_due = true;
    h->ping_at_us = w4_later(now_us, h->interval_us);
    return true;
}
