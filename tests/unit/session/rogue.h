/* An authenticated peer that does not keep to the rules: its records are made by hand. */
#pragma once

#include "pair.h"

#include "base/wire.h"
#include "session/close.h"
#include "session/record.h"

static pair_end ada, eve;
static w4_session *a; /* ours */
static w4_session_config own_config;
static uint64_t now;
static w4_record_sender tx;
static w4_record_receiver rx;
static uint8_t fresh_id[W4_SESSION_ID_LEN];
static uint8_t record[W4_RECORD_MAX], plain[W4_RECORD_MAX];
static uint8_t *at;

static const w4_record_limits unlimited = {UINT64_MAX, UINT64_MAX, UINT64_MAX};

static inline w4_session_config config(void) {
    w4_session_config c = W4_SESSION_CONFIG_DEFAULT;
    c.max_message = 40000;
    for (unsigned k = 0; k < W4_CHANNEL_KIND_COUNT; k++) {
        c.channels[k].credit = 4;
    }
    return c;
}

static inline void begin_session(void) {
    own_config = config();
    now = PAIR_START_US;
    pair_end_init(&ada, 1, "ada");
    pair_end_init(&eve, 2, "eve");
    ck_assert_int_eq(w4_session_new(&ada.env, &own_config, now, &a), 0);
}

static inline void attach_eve(bool eve_dials, const w4_resume_point *resume) {
    w4_handshake_result dialler, listener;
    pair_end *from = eve_dials ? &eve : &ada;
    pair_end *to = eve_dials ? &ada : &eve;
    ck_assert(pair_handshake(from, to, resume, now, &dialler, &listener));
    w4_handshake_result *ours = eve_dials ? &listener : &dialler;
    w4_handshake_result *hers = eve_dials ? &dialler : &listener;
    w4_record_sender_init(&tx, hers->keys.send, now);
    w4_record_receiver_init(&rx, hers->keys.recv);
    memcpy(fresh_id, hers->keys.hash, sizeof fresh_id);
    ck_assert_int_eq(w4_session_attach(a, ours, true, now), 0);
    at = record + W4_RECORD_HEADER;
}

/* Ours is the responder, and open. */
static inline void begin(void) {
    w4_session_event e;
    begin_session();
    attach_eve(true, NULL);
    ck_assert(w4_session_pop_event(a, &e));
    ck_assert_int_eq(e.kind, W4_SESSION_EVENT_OPEN);
}

static inline void finish(void) {
    w4_record_receiver_deinit(&rx);
    a = w4_session_free(a);
    pair_end_deinit(&ada);
    pair_end_deinit(&eve);
}

/* ---- what she says */

static inline void put(w4_frame frame) {
    at = w4_frame_put(at, &frame);
}

static inline void put_data(w4_channel_kind kind, uint64_t seq, bool last, size_t len) {
    static uint8_t bytes[W4_RECORD_MAX];
    put((w4_frame){.type = W4_FRAME_DATA,
                   .flags = last ? W4_FRAME_FIN : 0,
                   .channel = W4_FRAME_CHANNEL(kind),
                   .seq = seq,
                   .payload = w4_bytes_of(bytes, len)});
}

static inline void put_ack(w4_channel_kind kind, uint64_t seq, uint32_t credit, uint8_t flags) {
    uint8_t payload[W4_ACK_LEN];
    w4_put_u32(payload, credit);
    put((w4_frame){.type = W4_FRAME_ACK,
                   .flags = flags,
                   .channel = W4_FRAME_CHANNEL(kind),
                   .seq = seq,
                   .payload = w4_bytes_of(payload, sizeof payload)});
}

static inline void put_open(const uint8_t *id) {
    put((w4_frame){.type = W4_FRAME_OPEN, .payload = w4_bytes_of(id, W4_SESSION_ID_LEN)});
}

static inline void say(void) {
    size_t len = (size_t)(at - record) + W4_AEAD_TAG_LEN;
    w4_record_seal(&tx, &unlimited, record, len, now);
    ck_assert_int_eq(w4_session_recv(a, w4_bytes_of(record, len), now), 0);
    at = record + W4_RECORD_HEADER;
}

/* ---- what she hears */

/* All frames of the next record of ours, one after the other; false at its end. */
static inline bool hear(w4_frame *ret_frame) {
    static w4_bytes rest;
    if (rest.len == 0) {
        w4_buffer frame = W4_BUFFER_INIT(W4_RECORD_MAX);
        int r = w4_session_emit(a, &frame, now);
        ck_assert_int_ge(r, 0);
        if (r == 1) {
            ck_assert_int_eq(w4_record_open(&rx, w4_buffer_bytes(&frame), plain, now),
                             W4_RECORD_OPENED);
            rest = w4_bytes_of(plain, frame.len - W4_RECORD_OVERHEAD);
        }
        w4_buffer_deinit(&frame);
    }
    return w4_frame_next(&rest, ret_frame) == W4_FRAME_GOOD;
}

static inline unsigned count_heard(w4_frame_type type) {
    unsigned count = 0;
    w4_frame frame;
    while (hear(&frame)) {
        count += frame.type == type;
    }
    return count;
}

static inline void ends_with(w4_refusal code) {
    w4_frame frame;
    w4_refusal said = W4_REFUSAL_COUNT;
    char text[64];
    while (hear(&frame)) {
        ck_assert_int_ne(frame.type, W4_FRAME_DATA);
        if (frame.type == W4_FRAME_CLOSE) {
            ck_assert(w4_close_parse(frame.payload, &said, text, sizeof text));
        }
    }
    ck_assert_str_eq(w4_refusal_name(said), w4_refusal_name(code));
    w4_session_event e;
    while (w4_session_pop_event(a, &e) && e.kind != W4_SESSION_EVENT_CLOSED) {
        ck_assert_int_ne(e.kind, W4_SESSION_EVENT_LINK_LOST);
    }
    ck_assert_int_eq(e.kind, W4_SESSION_EVENT_CLOSED);
    ck_assert_str_eq(w4_refusal_name(e.code), w4_refusal_name(code));
    ck_assert(!e.by_peer);
    ck_assert_str_ne(e.text, "");
}

static inline unsigned count_messages(void) {
    unsigned count = 0;
    w4_session_event e;
    while (w4_session_pop_event(a, &e)) {
        ck_assert_int_eq(e.kind, W4_SESSION_EVENT_MESSAGE);
        count++;
    }
    return count;
}
