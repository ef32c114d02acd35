#include "session/state.h"

#include "session/close.h"

#define OPEN_DOUBLINGS_MAX 1u

/* All that is not DATA in one record. */
#define CONTROL_LEN_MAX                                                                            \
    (w4_frame_len(W4_SESSION_ID_LEN) + W4_KINDS * w4_frame_len(W4_ACK_LEN) + 2 * w4_frame_len(0) + \
     w4_frame_len(W4_CLOSE_LEN_MAX))

static bool is_ack_due(const w4_session *s, unsigned kind) {
    const w4_channel *c = &s->channels[kind];
    return s->open_due || c->out.ask_due || (c->in.ack_due && !c->in.held);
}

static bool has_control(const w4_session *s) {
    bool due = s->open_due || s->heartbeat.pong_due || s->heartbeat.ping_due;
    for (unsigned k = 0; k < W4_KINDS; k++) {
        due = due || is_ack_due(s, k);
    }
    return due;
}

/* Small frames that all else waits for: the back-off ends early. */
static uint64_t open_again(w4_session *s, uint64_t now_us) {
    uint64_t at_us = w4_later(now_us, w4_rtt_timeout(&s->rtt, s->open_repeats));
    if (s->open_repeats < OPEN_DOUBLINGS_MAX) {
        s->open_repeats++;
    }
    return at_us;
}

static uint8_t *put_open(w4_session *s, uint8_t *at, uint64_t now_us) {
    w4_frame frame = {.type = W4_FRAME_OPEN,
                      .channel = W4_FRAME_CHANNEL_SESSION,
                      .payload = w4_bytes_of(s->id, sizeof s->id)};
    s->open_due = false;
    if (!s->initiator) {
        s->open_at_us = open_again(s, now_us);
    }
    return w4_frame_put(at, &frame);
}

static uint8_t *put_acks(w4_session *s, bool all, uint8_t *at) {
    for (unsigned k = 0; k < W4_KINDS; k++) {
        w4_channel *c = &s->channels[k];
        if (all || is_ack_due(s, k)) {
            at = w4_inbox_put_ack(&c->in, (w4_channel_kind)k, c->out.ask_due, at);
            c->out.ask_due = false;
        }
    }
    return at;
}

static uint8_t *put_heartbeat(w4_session *s, uint8_t *at, uint64_t now_us) {
    uint64_t token;
    if (w4_heartbeat_take_pong(&s->heartbeat, now_us, &token)) {
        w4_frame frame = {.type = W4_FRAME_PONG, .seq = token};
        at = w4_frame_put(at, &frame);
    }
    if (w4_heartbeat_take_ping(&s->heartbeat, s->env, now_us, &token)) {
        w4_frame frame = {.type = W4_FRAME_PING, .seq = token};
        at = w4_frame_put(at, &frame);
    }
    return at;
}

/* What is not DATA, as far as it is due in this phase. */
static uint8_t *put_control(w4_session *s, uint8_t *at, uint64_t now_us) {
    switch (s->phase) {
    case W4_PHASE_OPENING: /* which session the ACKs would be of is not known yet */
        return put_heartbeat(s, at, now_us);
    case W4_PHASE_OPEN:
        if (s->open_due) {
            return put_heartbeat(s, put_acks(s, true, put_open(s, at, now_us)), now_us);
        }
        return put_heartbeat(s, put_acks(s, false, at), now_us);
    case W4_PHASE_CLOSING:
        if (s->agreed) {
            at = put_acks(s, false, at);
        }
        return w4_close_put(at, s->end_code, s->end_text);
    case W4_PHASE_DETACHED:
    case W4_PHASE_CLOSED:
        break;
    }
    return at;
}

static void get_ready(const w4_session *s, size_t ret_ready[static W4_KINDS]) {
    for (unsigned k = 0; k < W4_KINDS; k++) {
        ret_ready[k] = w4_outbox_ready(&s->channels[k].out);
    }
}

static uint8_t *put_data(w4_session *s, uint8_t *at, const uint8_t *end, uint64_t now_us) {
    size_t ready[W4_KINDS];
    w4_channel_kind kind;
    get_ready(s, ready);
    while (w4_schedule_pick(&s->schedule, ready, &kind) && ready[kind] <= (size_t)(end - at)) {
        at = w4_outbox_put(&s->channels[kind].out, kind, at, now_us);
        w4_schedule_sent(&s->schedule, kind, ready[kind]);
        ready[kind] = w4_outbox_ready(&s->channels[kind].out);
    }
    return at;
}

static bool has_data(const w4_session *s) {
    size_t ready[W4_KINDS];
    get_ready(s, ready);
    return ready[W4_CHANNEL_CONTROL] + ready[W4_CHANNEL_STATE] + ready[W4_CHANNEL_KNOWLEDGE] > 0;
}

/* No more than what waits, so that a lone PING does not claim a whole record's memory. */
static size_t record_room(const w4_session *s, bool with_data) {
    size_t room = W4_RECORD_OVERHEAD + CONTROL_LEN_MAX;
    for (unsigned k = 0; k < W4_KINDS && with_data; k++) {
        const w4_channel_stats *stats = &s->channels[k].out.stats;
        size_t frames = stats->queued + stats->in_flight + stats->queued_bytes / W4_PART_LEN + 1;
        room += stats->queued_bytes + frames * W4_FRAME_HEADER;
    }
    return room < W4_RECORD_MAX ? room : W4_RECORD_MAX;
}

static int emit_record(w4_session *s, w4_buffer *out, bool with_data, uint64_t now_us) {
    size_t room = record_room(s, with_data);
    int r = w4_buffer_reserve(out, room);
    if (r < 0) {
        return r;
    }
    uint8_t *start = out->data + out->len;
    const uint8_t *end = start + room - W4_AEAD_TAG_LEN;
    uint8_t *at = put_control(s, start + W4_RECORD_HEADER, now_us);
    if (with_data) {
        at = put_data(s, at, end, now_us);
    }
    size_t len = (size_t)(at - start) + W4_AEAD_TAG_LEN;
    const w4_record_limits limits = {s->config.rekey_records, s->config.rekey_bytes,
                                     s->config.rekey_us};
    w4_record_seal(&s->sender, &limits, start, len, now_us);
    out->len += len;
    s->stats.records_out++;
    s->stats.bytes_out += len;
    return 1;
}

static int emit_repeat(w4_session *s, w4_buffer *out, uint64_t now_us) {
    int r = w4_buffer_append(out, w4_bytes_of(s->repeat, s->repeat_len));
    if (r < 0) {
        return r;
    }
    s->open_due = false;
    s->open_at_us = open_again(s, now_us);
    return 1;
}

int w4_session_emit(w4_session *session, w4_buffer *out, uint64_t now_us) {
    w4_session *s = session;
    int r;
    switch (s->phase) {
    case W4_PHASE_DETACHED:
    case W4_PHASE_CLOSED:
        return 0;
    case W4_PHASE_OPENING:
        if (s->open_due && s->repeat) {
            return emit_repeat(s, out, now_us);
        }
        return s->heartbeat.pong_due ? emit_record(s, out, false, now_us) : 0;
    case W4_PHASE_CLOSING:
        r = emit_record(s, out, false, now_us);
        if (r == 1) {
            w4_session_finish(s, now_us);
        }
        return r;
    case W4_PHASE_OPEN:
        break;
    }
    r = has_control(s) || has_data(s) ? emit_record(s, out, true, now_us) : 0;
    for (unsigned k = 0; k < W4_KINDS; k++) {
        w4_outbox_arm(&s->channels[k].out, &s->rtt, now_us);
    }
    return r;
}
