/* Two sessions joined by hand: the test carries each frame, and moves the time. */
#pragma once

#include "pair.h"

static pair_end ada, ben;
static w4_session *a, *b;
static uint64_t now;

static inline void begin_with(const w4_session_config *config) {
    now = PAIR_START_US;
    pair_end_init(&ada, 1, "ada");
    pair_end_init(&ben, 2, "ben");
    ck_assert_int_eq(w4_session_new(&ada.env, config, now, &a), 0);
    ck_assert_int_eq(w4_session_new(&ben.env, config, now, &b), 0);
}

static inline void begin(void) {
    begin_with(&W4_SESSION_CONFIG_DEFAULT);
}

static inline void finish(void) {
    a = w4_session_free(a);
    b = w4_session_free(b);
    pair_end_deinit(&ada);
    pair_end_deinit(&ben);
}

/* Handshake from a to b; both get the link. */
static inline void link_up(bool ordered) {
    w4_handshake_result ra, rb;
    w4_resume_point point;
    bool resume = w4_session_resume_point(a, &point);
    ada.config.lossy_link = ben.config.lossy_link = !ordered;
    ck_assert(pair_handshake(&ada, &ben, resume ? &point : NULL, now, &ra, &rb));
    ck_assert_int_eq(w4_session_attach(a, &ra, ordered, now), 0);
    ck_assert_int_eq(w4_session_attach(b, &rb, ordered, now), 0);
}

static inline void cut(void) {
    w4_session_detach(a, now);
    w4_session_detach(b, now);
}

/* One frame across, or into nowhere (to is NULL). False when there was none. */
static inline bool carry(w4_session *from, w4_session *to) {
    w4_buffer frame = W4_BUFFER_INIT(65535);
    int r = w4_session_emit(from, &frame, now);
    ck_assert_int_ge(r, 0);
    ck_assert_int_eq(r == 1, frame.len > 0);
    if (r == 1 && to) {
        ck_assert_int_eq(w4_session_recv(to, w4_buffer_bytes(&frame), now), 0);
    }
    w4_buffer_deinit(&frame);
    return r == 1;
}

static inline w4_session_event next(w4_session *s, w4_session_event_kind kind) {
    w4_session_event e;
    ck_assert_msg(w4_session_pop_event(s, &e), "an event was expected");
    ck_assert_int_eq(e.kind, kind);
    return e;
}

static inline void no_more(w4_session *s) {
    w4_session_event e;
    ck_assert(!w4_session_pop_event(s, &e));
}

/* Carries to and fro until both are silent. MESSAGEs are drained and consumed, and counted. */
static inline unsigned settle(void) {
    unsigned messages = 0;
    for (int i = 0; i < 2000; i++) {
        now += 100;
        bool one = carry(a, b);
        w4_session_event e;
        while (b && w4_session_pop_event(b, &e)) {
            messages += e.kind == W4_SESSION_EVENT_MESSAGE;
            if (e.kind == W4_SESSION_EVENT_MESSAGE) {
                w4_session_channel_consumed(b, e.channel_id, 1);
            }
        }
        bool two = carry(b, a);
        while (w4_session_pop_event(a, &e)) {
            messages += e.kind == W4_SESSION_EVENT_MESSAGE;
            if (e.kind == W4_SESSION_EVENT_MESSAGE) {
                w4_session_channel_consumed(a, e.channel_id, 1);
            }
        }
        if (!one && !two) {
            return messages;
        }
    }
    ck_abort_msg("the ends do not come to rest");
}

static inline void open_link(bool ordered) {
    link_up(ordered);
    settle();
}

static inline int send(w4_session *s, w4_channel_kind kind, const char *text, uint64_t token) {
    return w4_session_send(s, kind, w4_bytes_from_text(text), token, now);
}

/* Time passes for s up to its next deadline. */
static inline void wait_for(w4_session *s) {
    uint64_t deadline = w4_session_deadline(s);
    ck_assert_uint_ne(deadline, W4_NEVER);
    now = deadline > now ? deadline : now;
    ck_assert_int_eq(w4_session_expire(s, now), 0);
    ck_assert_uint_gt(w4_session_deadline(s), now);
}

static inline w4_session_stats stats_of(const w4_session *s) {
    w4_session_stats stats;
    w4_session_stats_get(s, &stats);
    return stats;
}

static inline void closed(w4_session *s, w4_refusal code, bool by_peer) {
    w4_session_event e = next(s, W4_SESSION_EVENT_CLOSED);
    ck_assert_str_eq(w4_refusal_name(e.code), w4_refusal_name(code));
    ck_assert_int_eq(e.by_peer, by_peer);
    no_more(s);
    ck_assert_uint_eq(w4_session_deadline(s), W4_NEVER);
    ck_assert(!carry(s, NULL));
}
