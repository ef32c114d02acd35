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
        .standing = w4_session_is_standing(c->id),
        .ours = c->ours,
        .contract = c->talk ? c->talk->contract : W4_SLA_NO_CONTRACT,
        .peer_contract = c->talk ? c->talk->peer_contract : W4_SLA_NO_CONTRACT,
        .credit = w4_outbox_credit(&c->out),
        .credit_given = w4_inbox_credit(&c->in),
        .limits = c->out.limits,
        .stats = &c->out.stats,
    };
}

/* Nothing was sent on it and nothing came. */
static const w4_channel_stats no_stats;

static void fill_info_at_rest(const w4_session *s, unsigned kind, w4_channel_info *ret_info) {
    *ret_info = (w4_channel_info){
        .id = W4_CHANNEL_ID(kind),
        .kind = (w4_channel_kind)kind,
        .state = W4_CHANNEL_OPEN,
        .standing = true,
        .contract = W4_SLA_NO_CONTRACT,
        .peer_contract = W4_SLA_NO_CONTRACT,
        .credit = s->rest[kind].allowed,
        .credit_given = s->rest[kind].granted,
        .limits = &s->limits[kind],
        .stats = &no_stats,
    };
}

bool w4_session_channel_next(const w4_session *session, unsigned *cursor,
                             w4_channel_info *ret_info) {
    if (*cursor < W4_KINDS && !session->channels[*cursor]) {
        fill_info_at_rest(session, (*cursor)++, ret_info);
        return true;
    }
    const w4_channel *c;
    while ((c = w4_session_next_channel(session, cursor)) != NULL) {
        if (!(c->talk && c->talk->over)) {
            fill_info(c, ret_info);
            return true;
        }
    }
    return false;
}

bool w4_session_channel_find(const w4_session *session, uint16_t id, w4_channel_info *ret_info) {
    const w4_channel *c = w4_session_channel_by_id(session, id);
    if (c) {
        fill_info(c, ret_info);
    } else if (w4_session_is_standing(id)) {
        fill_info_at_rest(session, id - 1u, ret_info);
    }
    return c || w4_session_is_standing(id);
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
    w4_channel *c;
    int r = w4_session_use_channel(session, id, &c);
    if (r != 0) {
        return r;
    }
    if (w4_session_has_ended(s)) {
        w4_outbox_count_error(&c->out);
        return W4_SESSION_E_CLOSED;
    }
    size_t len_max = s->has_peer ? s->peer.max_message : s->max_message;
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
    w4_channel *c;
    if (w4_session_use_channel(session, W4_CHANNEL_ID(channel), &c) == 0) {
        w4_outbox_count_error(&c->out);
    }
}

bool w4_session_withdraw(w4_session *session, w4_channel_kind channel, uint64_t token,
                         w4_refusal code, uint64_t now_us) {
    w4_channel *c = (unsigned)channel < W4_KINDS ? session->channels[channel] : NULL;
    return c && w4_outbox_withdraw(&c->out, token, code, now_us);
}

void w4_session_want_room(w4_session *session, w4_channel_kind channel) {
    w4_channel *c = (unsigned)channel < W4_KINDS ? session->channels[channel] : NULL;
    if (c) {
        w4_outbox_want_room(&c->out);
    }
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

const w4_channel_stats *w4_session_channel_stats(const w4_session *session,
                                                 w4_channel_kind channel_kind) {
    const w4_channel *c = session->channels[channel_kind];
    return c ? &c->out.stats : &no_stats;
}

void w4_session_latency(const w4_session *session, w4_channel_kind channel_kind,
                        w4_histogram *ret_latency_us) {
    w4_session_channel_latency(session, W4_CHANNEL_ID(channel_kind), ret_latency_us);
}

w4_sla_waiting w4_session_waiting(const w4_session *session, w4_channel_kind channel_kind,
                                  uint64_t longer_than_us, uint64_t now_us) {
    return w4_session_channel_waiting(session, W4_CHANNEL_ID(channel_kind), longer_than_us, now_us);
}
