#include "session/pace.h"

#define RECORDS_A_WINDOW 4u
#define WHOLE_PART (W4_FRAME_HEADER + W4_PART_LEN)
#define GROWTH 1.5       /* a round trip, while nothing queues */
#define GROWTH_LOOSE 4.0 /* while it does, but for less than the slack */

void w4_pace_start(w4_pace *p, uint64_t now_us) {
    *p = (w4_pace){.window = W4_PACE_WINDOW_START, .base_at_us = now_us};
}

/* ---- what is under way */

static uint32_t flight_of(const w4_pace *p) {
    return p->flight[W4_CHANNEL_STATE] + p->flight[W4_CHANNEL_KNOWLEDGE];
}

bool w4_pace_admits(const w4_pace *p, w4_channel_kind kind, size_t len) {
    bool control = kind == W4_CHANNEL_CONTROL;
    size_t window = control ? W4_PACE_CONTROL_WINDOW : p->window;
    size_t flight = p->flight[kind];
    if (p->draining && !control) {
        return false;
    }
    return flight == 0 || (flight < window && len <= window - flight);
}

void w4_pace_sent(w4_pace *p, w4_channel_kind kind, size_t len, uint64_t now_us) {
    if (kind == W4_CHANNEL_CONTROL) {
        p->flight[kind] += (uint32_t)len;
        return;
    }
    p->since_us = flight_of(p) == 0 ? now_us : p->since_us;
    p->flight[kind] += (uint32_t)len;
    p->burst = (p->sent_us == now_us ? p->burst : 0) + (uint32_t)len;
    p->sent_us = now_us;
}

void w4_pace_acked(w4_pace *p, w4_channel_kind kind, size_t len, uint64_t now_us) {
    w4_pace_taken(p, kind, len);
    p->since_us = kind == W4_CHANNEL_CONTROL ? p->since_us : now_us;
}

void w4_pace_taken(w4_pace *p, w4_channel_kind kind, size_t len) {
    p->flight[kind] -= (uint32_t)len;
}

void w4_pace_received(w4_pace *p, size_t len) {
    p->received += (uint32_t)len;
}

static void see_speed(w4_pace *p, double bytes_per_s) {
    if (bytes_per_s > p->speed) {
        p->speed = bytes_per_s < UINT32_MAX ? (uint32_t)bytes_per_s : UINT32_MAX;
    }
}

void w4_pace_came_over(w4_pace *p, size_t len, uint64_t took_us) {
    see_speed(p, (double)len * (double)W4_US_PER_S / (double)(took_us > 0 ? took_us : 1));
}

uint32_t w4_pace_flight(const w4_pace *p) {
    return flight_of(p) + p->flight[W4_CHANNEL_CONTROL];
}

uint64_t w4_pace_time_us(const w4_pace *p) {
    uint64_t flight = w4_pace_flight(p);
    uint64_t speed = p->speed > W4_PACE_SPEED_MIN ? p->speed : W4_PACE_SPEED_MIN;
    uint64_t time_us = flight * W4_US_PER_S / speed;
    return time_us < W4_PACE_TIME_MAX_US ? time_us : W4_PACE_TIME_MAX_US;
}

size_t w4_pace_record_len(const w4_pace *p) {
    size_t share = p->window / RECORDS_A_WINDOW;
    return share > WHOLE_PART ? share : WHOLE_PART;
}

uint32_t w4_pace_part_len(const w4_pace *p) {
    return p->window < 2 * WHOLE_PART ? W4_PART_SMALL : W4_PART_LEN;
}

static double larger(double a, double b) {
    return a > b ? a : b;
}

static double smaller(double a, double b) {
    return a < b ? a : b;
}

static void set_window(w4_pace *p, double window) {
    const uint32_t least = W4_PACE_WINDOW_MIN; /* in whole bytes */
    window = larger(window, least);
    p->window = window < W4_PACE_WINDOW_MAX ? (uint32_t)window : W4_PACE_WINDOW_MAX;
}

void w4_pace_gap(w4_pace *p, w4_channel_kind kind) {
    uint32_t half = p->flight[kind] / 2;
    if (kind != W4_CHANNEL_CONTROL && half < p->window) {
        set_window(p, half);
    }
}

void w4_pace_silence(w4_pace *p) {
    set_window(p, 0);
    p->speed /= 2;
}

void w4_pace_held(w4_pace *p, size_t len) {
    p->held = len > p->held ? (uint32_t)len : p->held;
}

/* ---- PINGs */

static bool is_right_behind(const w4_pace *p, uint64_t now_us) {
    bool fresh = now_us - p->since_us <= p->base_us / 8;
    return flight_of(p) > 0 && flight_of(p) >= p->held && p->sent_us == now_us && fresh;
}

bool w4_pace_wants_ping(const w4_pace *p, uint64_t patience_us, uint64_t now_us) {
    if (p->draining) {
        return flight_of(p) == 0;
    }
    uint64_t pause_us = p->measuring ? patience_us : W4_PACE_PING_US;
    return p->held > 0 && is_right_behind(p, now_us) && now_us >= w4_later(p->behind_us, pause_us);
}

uint64_t w4_pace_deadline(const w4_pace *p) {
    return p->draining ? w4_later(p->drain_us, W4_PACE_DRAIN_US) : W4_NEVER;
}

static void stop_draining(w4_pace *p, uint64_t now_us) {
    p->draining = false;
    p->base_at_us = now_us; /* also when it came to nothing: not again at once */
}

void w4_pace_expire(w4_pace *p, uint64_t now_us) {
    if (now_us >= w4_pace_deadline(p)) {
        stop_draining(p, now_us);
    }
}

void w4_pace_pinged(w4_pace *p, uint64_t token, bool alone, uint64_t now_us) {
    uint32_t flight = flight_of(p);
    if (flight == 0 && alone) {
        p->clear_token = token;
        p->clear_received = p->received;
        if (p->draining) {
            stop_draining(p, now_us);
        }
    } else if (is_right_behind(p, now_us)) {
        /* A window that holds something back is in use, but for a part that did not fit. */
        p->behind_flight = p->held > 0 && flight < p->window ? p->window : flight;
        p->behind_burst = p->burst;
        p->behind_token = token;
        p->behind_us = now_us;
        p->measuring = true;
    }
}

static void drain(w4_pace *p, uint64_t now_us) {
    p->draining = true;
    p->drain_us = now_us;
}

/* With nothing in its way it took longer. */
static void see_longer_base(w4_pace *p, uint64_t rtt_us, uint64_t now_us) {
    p->longer_us = p->longer_count == 0 || rtt_us < p->longer_us ? rtt_us : p->longer_us;
    if (++p->longer_count == W4_PACE_LONGER) {
        p->base_us = p->longer_us;
        p->base_at_us = now_us;
        p->longer_count = 0;
    } else if (p->held > 0) {
        drain(p, now_us);
    }
}

static void see_base(w4_pace *p, uint64_t token, uint64_t rtt_us, uint64_t now_us) {
    bool clear = token == p->clear_token && p->received - p->clear_received <= 1024;
    bool old = now_us >= w4_later(p->base_at_us, W4_PACE_BASE_US);
    if (p->base_us == 0 || rtt_us <= p->base_us + p->base_us / 8) {
        p->base_us = p->base_us == 0 || rtt_us < p->base_us ? rtt_us : p->base_us;
        p->base_at_us = now_us;
        p->longer_count = 0;
    } else if (clear) {
        see_longer_base(p, rtt_us, now_us);
    } else if (old && p->held > 0 && !p->draining) {
        drain(p, now_us);
    }
}

static void set_by_speed(w4_pace *p, uint64_t rtt_us) {
    double base = (double)p->base_us, rtt = (double)rtt_us, flight = p->behind_flight;
    double late = rtt - base;
    double speed = flight / rtt;
    bool queued = late > base / 8;
    if (queued) {
        speed = larger(speed, p->behind_burst / late);
    }
    see_speed(p, speed * (double)W4_US_PER_S);
    double loose = (base + W4_PACE_SLACK_US) / rtt;
    double queue = queued ? smaller((speed * base + WHOLE_PART) / 2, WHOLE_PART) : WHOLE_PART;
    double fits = larger(speed * base + queue, flight * smaller(loose, GROWTH_LOOSE));
    if (!queued) {
        fits = larger(fits, flight * GROWTH);
    }
    if (fits > p->window) {
        set_window(p, fits);
    } else if (queued && loose < 1) {
        set_window(p, larger(fits, p->window * base / rtt));
    }
}

void w4_pace_measured(w4_pace *p, uint64_t token, uint64_t rtt_us, uint64_t now_us) {
    rtt_us = rtt_us > 0 ? rtt_us : 1;
    see_base(p, token, rtt_us, now_us);
    if (p->measuring && token == p->behind_token) {
        p->measuring = false;
        set_by_speed(p, rtt_us);
    }
    p->held = 0;
}
