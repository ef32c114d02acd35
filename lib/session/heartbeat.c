#include "session/heartbeat.h"

#include "session/frame.h"
#include "session/record.h"

#include <string.h>

#define UNREAD_TRIPS 4u /* round trips more, in case the link has become slower */
#define LATE_PART 2u    /* of the time to answer: after it an answer is late */
#define SPREAD_PART 4u  /* of that: records within it may have been in one piece */
#define PING_LEN (W4_RECORD_OVERHEAD + W4_FRAME_HEADER)
#define HURRIED_PART 4u /* of an interval */

void w4_heartbeat_start(w4_heartbeat *h, uint64_t interval_us, uint64_t timeout_us,
                        uint64_t now_us) {
    *h = (w4_heartbeat){
        .interval_us = interval_us,
        .timeout_us = timeout_us,
        .heard_us = now_us,
        .asked_us = W4_NEVER,
        .ping_at_us = w4_later(now_us, interval_us),
        .ping_due = true,
        .pongs_left = W4_PONGS_AT_ONCE,
        .pongs_since_us = now_us,
    };
}

static uint64_t late_us(const w4_heartbeat *h) {
    return w4_earlier(h->timeout_us, W4_UNREAD_US) / LATE_PART;
}

void w4_heartbeat_came(w4_heartbeat *h, size_t len) {
    size_t room = W4_UNREAD_CAME_MAX - h->came;
    h->came += (uint32_t)(len < room ? len : room);
}

void w4_heartbeat_heard(w4_heartbeat *h, uint64_t now_us) {
    h->heard_us = now_us;
    if (h->lives_us == 0 && now_us >= w4_later(h->asked_us, late_us(h))) {
        h->lives_us = now_us;
    }
}

static void ask_from(w4_heartbeat *h, uint64_t since_us) {
    h->asked_us = since_us;
    h->came = 0;
    h->lives_us = 0;
}

void w4_heartbeat_is_read(w4_heartbeat *h, uint64_t now_us) {
    if (h->asked_us != W4_NEVER) {
        ask_from(h, now_us);
    }
}

bool w4_heartbeat_is_late(const w4_heartbeat *h) {
    return h->lives_us > 0 && h->heard_us >= w4_later(h->lives_us, late_us(h) / SPREAD_PART);
}

uint64_t w4_heartbeat_unread_at(const w4_heartbeat *h, bool more, uint32_t speed) {
    if (!w4_heartbeat_is_late(h)) {
        return W4_NEVER;
    }
    uint64_t limit_us = h->timeout_us;
    if (more) {
        /* a PING and its answer have taken no longer, each */
        uint64_t back = h->smoothed_us > 0 ? PING_LEN * W4_US_PER_S / h->smoothed_us : 0;
        back = back > W4_UNREAD_SPEED_MIN ? back : W4_UNREAD_SPEED_MIN;
        uint64_t there = speed > back ? speed : back;
        uint64_t way_us = h->asked.in_front * W4_US_PER_S / there + h->came * W4_US_PER_S / back +
                          UNREAD_TRIPS * h->smoothed_us;
        limit_us = w4_earlier(limit_us, w4_later(W4_UNREAD_US, way_us));
    }
    return w4_later(h->asked_us, limit_us);
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

static void measure(w4_heartbeat *h, uint64_t sent_us, w4_rtt *rtt, uint64_t now_us) {
    h->rtt_us = now_us > sent_us ? now_us - sent_us : 1;
    w4_rtt_add(rtt, h->rtt_us);
    h->smoothed_us =
        h->smoothed_us == 0 ? h->rtt_us : h->smoothed_us - h->smoothed_us / 8 + h->rtt_us / 8;
}

/* The oldest of those that are known to wait still, if any, is the one. */
static void ask_next(w4_heartbeat *h) {
    ask_from(h, W4_NEVER);
    if (h->ping_count > 0) {
        h->asked = h->pings[h->ping_count - 1];
        h->asked_us = h->asked.sent_us;
    }
}

bool w4_heartbeat_recv_pong(w4_heartbeat *h, uint64_t token, w4_rtt *rtt, uint64_t now_us) {
    for (uint8_t i = 0; i < h->ping_count; i++) {
        const w4_ping *ping = &h->pings[i];
        if (ping->token == token) {
            measure(h, ping->sent_us, rtt, now_us);
            h->ping_count = i; /* those before it are of no interest any more */
            ask_next(h);
            return true;
        }
    }
    if (h->asked_us == W4_NEVER || token != h->asked.token) {
        return false;
    }
    uint64_t sent_us = h->asked.sent_us;
    ask_next(h);
    if (sent_us == W4_NEVER) {
        return false;
    }
    measure(h, sent_us, rtt, now_us);
    return true;
}

uint64_t w4_heartbeat_take_ping(w4_heartbeat *h, const w4_env *env, uint32_t in_front,
                                uint64_t now_us) {
    if (h->ping_count == W4_PINGS_WAITING) {
        h->ping_count--;
    }
    memmove(h->pings + 1, h->pings, h->ping_count * sizeof h->pings[0]);
    h->ping_count++;
    h->pings[0] = (w4_ping){.sent_us = now_us, .in_front = in_front};
    /* Nobody can answer before having seen it. */
    env->random(env->context, &h->pings[0].token, sizeof h->pings[0].token);
    h->ping_due = false;
    if (h->asked_us == W4_NEVER) {
        h->asked = h->pings[0];
        ask_from(h, now_us);
    }
    return h->pings[0].token;
}

void w4_heartbeat_forget_pings(w4_heartbeat *h) {
    h->ping_count = 0;
    h->asked.sent_us = W4_NEVER;
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
    bool hurried = h->asked_us != W4_NEVER && h->heard_us > h->asked_us &&
                   now_us >= w4_later(h->asked_us, h->interval_us);
    h->ping_due = true;
    h->ping_at_us = w4_later(now_us, hurried ? h->interval_us / HURRIED_PART : h->interval_us);
    return true;
}
