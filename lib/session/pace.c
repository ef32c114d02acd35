#include "session/pace.h"

#define GROWTH_MAX 4u

void w4_pace_start(w4_pace *p, uint64_t now_us) {
    *p = (w4_pace){.window = W4_PACE_WINDOW_MIN, .base_at_us = now_us};
}

static size_t window_of(const w4_pace *p, w4_channel_kind kind) {
    return kind == W4_CHANNEL_CONTROL ? W4_PACE_CONTROL_WINDOW : p->window;
}

bool w4_pace_admits(const w4_pace *p, w4_channel_kind kind, size_t len) {
    size_t window = window_of(p, kind);
    size_t flight = p->flight[kind];
    if (p->draining && kind != W4_CHANNEL_CONTROL) {
        return false;
    }
    return flight == 0 || (flight < window && len <= window - flight);
}

void w4_pace_sent(w4_pace *p, w4_channel_kind kind, size_t len) {
    p->flight[kind] += len;
}

void w4_pace_taken(w4_pace *p, w4_channel_kind kind, size_t len) {
    p->flight[kind] -= len;
}

static void set_window(w4_pace *p, size_t window) {
    if (window < W4_PACE_WINDOW_MIN) {
        window = W4_PACE_WINDOW_MIN;
    }
    p->window = window < W4_PACE_WINDOW_MAX ? window : W4_PACE_WINDOW_MAX;
}

void w4_pace_gap(w4_pace *p, w4_channel_kind kind) {
    size_t half = p->flight[kind] / 2;
    if (kind != W4_CHANNEL_CONTROL && half < p->window) {
        set_window(p, half);
    }
}

void w4_pace_silence(w4_pace *p) {
    set_window(p, 0);
}

void w4_pace_held(w4_pace *p) {
    p->limited = true;
}

static bool is_clear(const w4_pace *p) {
    return p->flight[W4_CHANNEL_STATE] == 0 && p->flight[W4_CHANNEL_KNOWLEDGE] == 0;
}

static bool has_drained(const w4_pace *p, uint64_t now_us) {
    return is_clear(p) || now_us >= w4_later(p->drain_us, W4_PACE_DRAIN_US);
}

bool w4_pace_wants_ping(const w4_pace *p, uint64_t ping_us, uint64_t now_us) {
    if (p->draining) {
        return has_drained(p, now_us);
    }
    return p->limited && now_us >= w4_later(ping_us, W4_PACE_PING_US);
}

uint64_t w4_pace_deadline(const w4_pace *p) {
    return p->draining && !p->drain_late ? w4_later(p->drain_us, W4_PACE_DRAIN_US) : W4_NEVER;
}

void w4_pace_expire(w4_pace *p, uint64_t now_us) {
    p->drain_late = p->draining && now_us >= w4_later(p->drain_us, W4_PACE_DRAIN_US);
}

void w4_pace_pinged(w4_pace *p, uint64_t now_us) {
    p->clear = is_clear(p);
    if (p->draining && has_drained(p, now_us)) {
        p->draining = false;
        p->base_at_us = now_us; /* also when it came to nothing: not again at once */
    }
}

static uint64_t target_of(const w4_pace *p, uint64_t rtt_us) {
    uint64_t part_us = rtt_us * W4_PACE_WINDOW_MIN / p->window;
    uint64_t target_us = p->base_us + p->base_us / 2 + part_us / 2;
    uint64_t slack_us = p->base_us + W4_PACE_SLACK_US;
    return target_us > slack_us ? target_us : slack_us;
}

static void adjust(w4_pace *p, uint64_t rtt_us) {
    double ratio = (double)target_of(p, rtt_us) / (double)rtt_us;
    if (ratio < 1 || p->limited) {
        set_window(p, (size_t)((double)p->window * (ratio < GROWTH_MAX ? ratio : GROWTH_MAX)));
    }
}

void w4_pace_measured(w4_pace *p, uint64_t rtt_us, uint64_t now_us) {
    rtt_us = rtt_us > 0 ? rtt_us : 1;
    bool old = now_us >= w4_later(p->base_at_us, W4_PACE_BASE_US);
    if (p->base_us == 0 || rtt_us < p->base_us || p->clear) {
        p->base_us = rtt_us;
        p->base_at_us = now_us;
    } else if (rtt_us <= p->base_us + p->base_us / 8) {
        p->base_at_us = now_us;
    } else if (old && p->limited && !p->draining) {
        p->draining = true;
        p->drain_late = false;
        p->drain_us = now_us;
    }
    if (!p->clear) { /* else it says nothing about the window */
        adjust(p, rtt_us);
    }
    p->limited = false;
}
