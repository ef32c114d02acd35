/* What the owner asks of channels, and gives them to send. */
#include "session/state.h"

static const char *const state_names[W4_CHANNEL_STATE_COUNT] = {
    [W4_CHANNEL_OPENING] = "opening",
    [W4_CHANNEL_OPEN] = "open",
    [W4_CHANNEL_CLOSING] = "closing",
};

const char *w4_channel_state_name(w4_channel_state state) {
    return state < W4_CHANNEL_STATE_COUNT ? state_names[state] : "?";
}

static void fill_info(const w4_channel *c, w4_channel_info *ret_info) {
    *ret_info = (w4_channel_info){
        .id = c->id,
        .kind = c->kind,
        .state = c->state,
        .standing = c->id < W4_FRAME_CHANNEL_OPENED,
        .ours = c->ours,
        .contract = c->talk ? c->talk->contract : W4_SLA_NO_CONTRACT,
        .peer_contract = c->talk ? c->talk->peer_contract : W4_SLA_NO_CONTRACT,
        .credit = w4_outbox_credit(&c->out),
        .credit_given = w4_inbox_credit(&c->in),
        .limits = c->out.limits,
        .stats = &c->out.stats,
    };
}

bool w4_session_channel_next(const w4_session *session, unsigned *cursor,
                             w4_channel_info *ret_info) {
    const w4_channel *c;
    while ((c = w4_session_channel_at(session, (*cursor)++)) != NULL) {
        if (!(c->talk && c->talk->over)) {
            fill_info(c, ret_info);
            return true;
        }
    }
    (*cursor)--;
    return false;
}

bool w4_session_channel_find(const w4_session *session, uint16_t id, w4_channel_info *ret_info) {
    const w4_channel *c = w4_session_channel_by_id(session, id);
    if (c) {
        fill_info(c, ret_info);
    }
    return c != NULL;
}

void w4_session_channel_latency(const w4_session *session, uint16_t id,
                                w4_histogram *ret_latency_us) {
    const w4_channel *c = w4_session_channel_by_id(session, id);
    if (c) {
        w4_outbox_latency(&c->out, ret_latency_us);
    } else {
        w4_histogram_clear(ret_latency_us);
    }
}

w4_sla_waiting w4_session_channel_waiting(const w4_session *session, uint16_t id,
                                          uint64_t longer_than_us, uint64_t now_us) {
    const w4_channel *c = w4_session_channel_by_id(session, id);
    return c ? w4_outbox_waiting(&c->out, longer_than_us, now_us) : (w4_sla_waiting){0};
}

int w4_session_channel_send(w4_session *session, uint16_t id, const w4_sending *sending,
                            uint64_t now_us) {
    const w4_session *s = session;
    w4_channel *c = w4_session_channel_by_id(s, id);
    if (!c || c->state == W4_CHANNEL_CLOSING) {
        return W4_SESSION_E_NO_CHANNEL;
    }
    if (w4_session_has_ended(s)) {
        w4_outbox_count_error(&c->out);
        return W4_SESSION_E_CLOSED;
    }
    size_t len_max = s->has_peer ? s->peer.max_message : s->config.max_message;
    return w4_outbox_push(&c->out, sending, len_max, now_us);
}

int w4_session_send_as(w4_session *session, w4_channel_kind channel, const w4_sending *sending,
                       uint64_t now_us) {
    return w4_session_channel_send(session, W4_CHANNEL_ID(channel), sending, now_us);
}

int w4_session_send(w4_session *session, w4_channel_kind channel, w4_bytes message, uint64_t token,
                    uint64_t now_us) {
    const w4_sending sending = {.message = message, .token = token, .deadline_us = W4_NEVER};
    return w4_session_send_as(session, channel, &sending, now_us);
}

void w4_session_count_error(w4_session *session, w4_channel_kind channel) {
    w4_outbox_count_error(&session->channels[channel].out);
}

bool w4_session_withdraw(w4_session *session, w4_channel_kind channel, uint64_t token,
                         w4_refusal code, uint64_t now_us) {
    return (unsigned)channel < W4_KINDS &&
           w4_outbox_withdraw(&session->channels[channel].out, token, code, now_us);
}

void w4_session_channel_consumed(w4_session *session, uint16_t id, uint32_t n) {
    w4_channel *c = w4_session_channel_by_id(session, id);
    if (c && c->state != W4_CHANNEL_CLOSING) {
        w4_inbox_consumed(&c->in, n);
    }
}

void w4_session_consumed(w4_session *session, w4_channel_kind channel, uint32_t n) {
    w4_session_channel_consumed(session, W4_CHANNEL_ID(channel), n);
}
