#include "session/state.h"

#include "base/text.h"
#include "session/close.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHANNEL_DEFAULT                                                                            \
    {                                                                                              \
        1024, 8u << 20, 256, W4_OVERFLOW_ERROR, 100 * W4_US_PER_MS, {                              \
            0                                                                                      \
        }                                                                                          \
    }

const w4_session_config W4_SESSION_CONFIG_DEFAULT = {
    .heartbeat_us = 5 * W4_US_PER_S,
    .timeout_us = 15 * W4_US_PER_S,
    .resume_window_us = 120 * W4_US_PER_S,
    .max_message = 1024u * 1024u,
    .rekey_records = UINT64_C(1) << 20,
    .rekey_bytes = UINT64_C(1) << 30,
    .rekey_us = 120 * W4_US_PER_S,
    .channels =
        {
            [W4_CHANNEL_CONTROL] = CHANNEL_DEFAULT,
            [W4_CHANNEL_STATE] = CHANNEL_DEFAULT,
            [W4_CHANNEL_KNOWLEDGE] = CHANNEL_DEFAULT,
        },
    .channels_max = W4_SESSION_CHANNELS_MAX,
    .bytes_max = 64u << 20,
};

static const char *const overflow_names[W4_OVERFLOW_COUNT] = {
    [W4_OVERFLOW_ERROR] = "error",
    [W4_OVERFLOW_DROP_OLDEST] = "drop_oldest",
    [W4_OVERFLOW_DROP_NEWEST] = "drop_newest",
    [W4_OVERFLOW_BLOCK] = "block",
};

const char *w4_overflow_name(w4_overflow overflow) {
    return overflow < W4_OVERFLOW_COUNT ? overflow_names[overflow] : "?";
}

bool w4_overflow_from_name(w4_bytes name, w4_overflow *ret_overflow) {
    static const struct {
        const char *name;
        w4_overflow overflow;
    } spellings[] = {
        {"error", W4_OVERFLOW_ERROR},
        {"drop_oldest", W4_OVERFLOW_DROP_OLDEST},
        {"dropoldest", W4_OVERFLOW_DROP_OLDEST},
        {"drop_newest", W4_OVERFLOW_DROP_NEWEST},
        {"dropnewest", W4_OVERFLOW_DROP_NEWEST},
        {"block", W4_OVERFLOW_BLOCK},
    };
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        if (w4_bytes_equal_text(name, spellings[i].name)) {
            *ret_overflow = spellings[i].overflow;
            return true;
        }
    }
    return false;
}

/* ---- life and death */

static size_t sending_part(size_t bytes_max) {
    return bytes_max - bytes_max / 4;
}

static void set_credit(w4_session *s) {
    for (unsigned k = 0; k < W4_KINDS; k++) {
        s->credit[k] = s->limits[k].credit;
        if (s->channels[k]) {
            s->channels[k]->in.credit = s->credit[k];
        }
    }
}

int w4_session_new(const w4_env *env, const w4_session_config *config, uint64_t now_us,
                   w4_session **ret_session) {
    w4_session *s = calloc(1, sizeof *s);
    if (!s) {
        return -ENOMEM;
    }
    s->env = env;
    s->config = config;
    s->limits = config->channels;
    s->max_message = config->max_message;
    s->channels_max = config->channels_max;
    set_credit(s);
    s->phase = W4_PHASE_DETACHED;
    s->detached_us = now_us;
    s->open_at_us = W4_NEVER;
    w4_rtt_init(&s->rtt, true);
    w4_byte_budget_init(&s->budget, config->budget, config->bytes_max);
    w4_byte_budget_init(&s->sending, &s->budget, sending_part(config->bytes_max));
    s->aside = W4_BUFFER_INIT(W4_SESSION_ASIDE_MAX + W4_ASIDE_BEYOND);
    w4_pace_start(&s->pace, now_us);
    w4_schedule_init(&s->schedule);
    *ret_session = s;
    return 0;
}

void w4_session_set_limits(w4_session *session,
                           const w4_channel_limits limits[static W4_CHANNEL_KIND_COUNT],
                           uint64_t now_us) {
    session->limits = limits;
    if (!session->has_peer) {
        set_credit(session);
    }
    w4_session_channels_limits_changed(session, now_us);
}

void w4_session_set_bytes_max(w4_session *session, size_t bytes_max) {
    session->budget.limit = bytes_max;
    session->sending.limit = sending_part(bytes_max);
}

void w4_session_set_channels_max(w4_session *session, uint32_t channels_max) {
    session->channels_max = channels_max;
}

void w4_session_stop_repeating(w4_session *s) {
    free(s->repeat);
    s->repeat = NULL;
    s->repeat_len = 0;
    s->open_due = false;
    s->open_at_us = W4_NEVER;
    s->open_repeats = 0;
}

static void wipe_keys(w4_session *s) {
    s->stats.rekeys += s->sender.rekeys;
    s->stats.rekeys_in += s->receiver.rekeys;
    w4_record_sender_deinit(&s->sender);
    w4_record_receiver_deinit(&s->receiver);
}

w4_session *w4_session_free(w4_session *session) {
    if (session) {
        wipe_keys(session);
        w4_session_stop_repeating(session);
        w4_session_free_incoming(session);
        w4_session_drop_aside(session);
        w4_session_free_notices(session);
        free(session->end_text);
        free(session->lent);
        w4_session_channels_deinit(session);
        w4_byte_budget_deinit(&session->sending);
        w4_byte_budget_deinit(&session->budget);
        free(session);
    }
    return NULL;
}

static void drop_link(w4_session *s, uint64_t now_us) {
    wipe_keys(s);
    w4_session_stop_repeating(s);
    w4_session_drop_aside(s); /* it comes again */
    w4_session_channels_link_down(s);
    s->detached_us = now_us;
    s->agreed = false;
    s->phase = W4_PHASE_DETACHED;
}

static void fail_messages(w4_session *s) {
    w4_channel *c;
    for (unsigned i = 0; (c = w4_session_next_channel(s, &i)) != NULL;) {
        w4_outbox_fail_all(&c->out, W4_REFUSAL_DISCONNECTED);
    }
}

void w4_session_set_end(w4_session *s, w4_refusal code, const char *text, bool by_peer) {
    s->end_code = code;
    s->end_by_peer = by_peer;
    char escaped[W4_END_TEXT_MAX];
    w4_text_escape_cut(escaped, sizeof escaped, w4_bytes_from_text(text));
    w4_session_set_end_text(s, escaped);
}

void w4_session_set_end_text(w4_session *s, const char *text) {
    free(s->end_text);
    s->end_text = text[0] != '\0' ? strdup(text) : NULL; /* without memory: the code has to do */
}

const char *w4_session_end_text(const w4_session *s) {
    return s->end_text ? s->end_text : "";
}

void w4_session_finish(w4_session *s, uint64_t now_us) {
    if (w4_session_has_link(s)) {
        drop_link(s, now_us);
    }
    fail_messages(s);
    s->phase = W4_PHASE_CLOSED;
}

void w4_session_close_with(w4_session *s, w4_refusal code, const char *text, uint64_t now_us) {
    if (s->phase == W4_PHASE_CLOSING || s->phase == W4_PHASE_CLOSED) {
        return;
    }
    w4_session_set_end(s, code, text, false);
    if (!w4_session_has_link(s)) {
        w4_session_finish(s, now_us);
        return;
    }
    fail_messages(s);
    s->phase = W4_PHASE_CLOSING;
    s->close_by_us = w4_later(now_us, W4_SESSION_LINGER_US);
}

void w4_session_close(w4_session *session, w4_refusal code, const char *text, uint64_t now_us) {
    w4_session_close_with(session, code, text, now_us);
}

void w4_session_lose_link(w4_session *s, w4_refusal code, bool by_peer, uint64_t now_us) {
    drop_link(s, now_us);
    w4_session_tell(
        s, (w4_notice){.kind = W4_SESSION_EVENT_LINK_LOST, .code = code, .by_peer = by_peer});
}

void w4_session_detach(w4_session *session, uint64_t now_us) {
    if (session->phase == W4_PHASE_CLOSING) {
        w4_session_finish(session, now_us);
    } else if (w4_session_has_link(session)) {
        drop_link(session, now_us);
    }
}

bool w4_session_attached(const w4_session *session) {
    return w4_session_has_link(session);
}

/* ---- a link comes up */

void w4_session_begin_afresh(w4_session *s, uint64_t now_us) {
    memcpy(s->id, s->fresh_id, sizeof s->id);
    s->has_id = true;
    s->began = s->initiator;
    if (s->other_process) { /* the agents that all this was for are not there any more */
        fail_messages(s);
    }
    w4_session_channels_afresh(s, now_us);
    s->other_process = false;
}

void w4_session_open_channels(w4_session *s, bool resumed, uint64_t now_us) {
    w4_channel *c;
    for (unsigned i = 0; (c = w4_session_next_channel(s, &i)) != NULL;) {
        w4_outbox_fail_larger(&c->out, s->peer.max_message, now_us);
        c->in.ack_due = c->state == W4_CHANNEL_OPEN;
    }
    for (unsigned k = 0; k < W4_KINDS; k++) {
        s->rest[k].ack_due = true;
    }
    s->phase = W4_PHASE_OPEN;
    s->agreed = true;
    w4_session_channels_link_agreed(s);
    s->stats.opened_us = now_us;
    s->heartbeat.ping_due = true;
    w4_session_tell(s, (w4_notice){.kind = W4_SESSION_EVENT_OPEN, .resumed = resumed});
}

static uint64_t slower_us(uint64_t ours_us, uint32_t theirs_ms) {
    uint64_t theirs_us = theirs_ms * W4_US_PER_MS;
    return ours_us > theirs_us ? ours_us : theirs_us;
}

bool w4_session_fits(const w4_session *session, const w4_resume_point *point) {
    const w4_session *s = session;
    if (!point->present || !s->has_id || memcmp(point->session, s->id, sizeof s->id) != 0) {
        return false;
    }
    for (unsigned k = 0; k < W4_KINDS; k++) {
        const w4_channel *c = s->channels[k];
        if (c ? !w4_outbox_may_acknowledge(&c->out, point->expected[k]) : point->expected[k] > 0) {
            return false;
        }
    }
    return true;
}

/* The responder's decision, from what the initiator's hello says. The hello of one that resumes
 * acknowledges as well, but what it has to say of those messages is still to come, before the ACKs
 * of its first record. */
static void decide(w4_session *s, uint64_t now_us) {
    bool resumed = !s->other_process && w4_session_fits(s, &s->peer.resume);
    if (resumed) {
        for (unsigned k = 0; k < W4_KINDS; k++) {
            if (s->channels[k]) {
                w4_outbox_pass_over(&s->channels[k]->out, s->peer.resume.expected[k]);
            }
        }
    } else {
        w4_session_begin_afresh(s, now_us);
    }
    s->open_due = true;
    w4_session_open_channels(s, resumed, now_us);
}

int w4_session_attach(w4_session *session, w4_handshake_result *result, bool ordered_link,
                      uint64_t now_us) {
    w4_session *s = session;
    uint8_t *repeat = NULL;
    if (s->phase == W4_PHASE_CLOSING || s->phase == W4_PHASE_CLOSED) {
        w4_wipe(&result->keys, sizeof result->keys);
        return W4_SESSION_E_CLOSED;
    }
    if (result->repeat_len > 0 && !ordered_link) {
        repeat = malloc(result->repeat_len);
        if (!repeat) {
            return -ENOMEM;
        }
        memcpy(repeat, result->repeat, result->repeat_len);
    }
    if (w4_session_has_link(s)) {
        drop_link(s, now_us);
    }
    s->repeat = repeat;
    s->repeat_len = repeat ? result->repeat_len : 0;
    s->stats.reconnects += s->has_peer ? 1 : 0;
    s->initiator = result->initiator;
    s->ordered = ordered_link;
    s->peer = result->peer;
    s->other_process |= s->has_peer && memcmp(s->peer_static, result->peer_static, W4_DH_LEN) != 0;
    memcpy(s->peer_static, result->peer_static, W4_DH_LEN);
    s->has_peer = true;
    s->attached_us = now_us;
    s->stats.last_heard_us = now_us; /* the handshake */
    s->forged_in_a_row = 0;
    w4_session_raise_max_message(s);
    memcpy(s->fresh_id, result->keys.hash, sizeof s->fresh_id);
    w4_record_sender_init(&s->sender, result->keys.send, now_us);
    w4_record_receiver_init(&s->receiver, result->keys.recv);
    w4_wipe(&result->keys, sizeof result->keys);
    w4_rtt_init(&s->rtt, ordered_link);
    w4_heartbeat_start(&s->heartbeat, slower_us(s->config->heartbeat_us, s->peer.heartbeat_ms),
                       slower_us(s->config->timeout_us, s->peer.timeout_ms), now_us);
    w4_pace_start(&s->pace, now_us);
    if (s->initiator) {
        s->phase = W4_PHASE_OPENING;
        s->heartbeat.ping_due = false;
        s->may_resume = result->sent_resume.present && s->has_id && !s->other_process &&
                        memcmp(result->sent_resume.session, s->id, sizeof s->id) == 0;
        if (repeat) {
            s->open_at_us = w4_later(now_us, w4_rtt_timeout(&s->rtt, 0));
        }
    } else {
        decide(s, now_us);
    }
    return 0;
}

bool w4_session_resume_point(const w4_session *session, w4_resume_point *ret_point) {
    if (!session->has_id || session->phase == W4_PHASE_CLOSING ||
        session->phase == W4_PHASE_CLOSED) {
        return false;
    }
    memset(ret_point, 0, sizeof *ret_point);
    ret_point->present = true;
    memcpy(ret_point->session, session->id, sizeof ret_point->session);
    for (unsigned k = 0; k < W4_KINDS; k++) {
        ret_point->expected[k] = session->channels[k] ? session->channels[k]->in.promised : 0;
    }
    return true;
}

void w4_session_hold_data(w4_session *session, bool hold) {
    session->data_held = hold;
}

void w4_session_hold_acks(w4_session *session, bool hold) {
    w4_channel *c;
    session->acks_held = hold;
    for (unsigned i = 0; (c = w4_session_next_channel(session, &i)) != NULL;) {
        w4_inbox_hold(&c->in, hold);
    }
}

void w4_session_rekey(w4_session *session) {
    session->sender.rekey_wanted = true;
}

int w4_session_refuse(w4_handshake_result *result, w4_refusal code, const char *text,
                      w4_buffer *out) {
    int r = w4_close_record(out, result->keys.send, code, text);
    w4_wipe(&result->keys, sizeof result->keys);
    return r;
}

/* ---- time */

static bool has_more(const w4_session *s) {
    const w4_channel *c;
    for (unsigned i = 0; (c = w4_session_next_channel(s, &i)) != NULL;) {
        if (c->out.stats.queued + c->out.stats.in_flight > 0) {
            return true;
        }
    }
    return false;
}

/* When the peer counts as one that reads nothing. */
static uint64_t unread_at(const w4_session *s) {
    bool late = w4_heartbeat_is_late(&s->heartbeat); /* looked at all the time; it seldom is */
    return late ? w4_heartbeat_unread_at(&s->heartbeat, has_more(s), s->pace.speed) : W4_NEVER;
}

uint64_t w4_session_deadline(const w4_session *session) {
    const w4_session *s = session;
    uint64_t deadline = w4_session_channels_deadline(s);
    switch (s->phase) {
    case W4_PHASE_CLOSED:
        return W4_NEVER;
    case W4_PHASE_DETACHED:
        return w4_earlier(deadline, w4_later(s->detached_us, s->config->resume_window_us));
    case W4_PHASE_CLOSING:
        return s->close_by_us;
    case W4_PHASE_OPENING:
        deadline = w4_earlier(deadline, s->open_at_us);
        return w4_earlier(deadline, w4_later(s->attached_us, s->heartbeat.timeout_us));
    case W4_PHASE_OPEN:
        deadline = w4_earlier(deadline, w4_heartbeat_deadline(&s->heartbeat));
        deadline = w4_earlier(deadline, unread_at(s));
        deadline = w4_earlier(deadline, s->open_at_us);
        deadline = w4_earlier(deadline, w4_pace_deadline(&s->pace));
        return w4_earlier(deadline, w4_record_receiver_deadline(&s->receiver));
    }
    return deadline;
}

static void time_out(w4_session *s, bool unread, uint64_t now_us) {
    w4_session_set_end(s, W4_REFUSAL_TIMEOUT,
                       unread ? "the peer does not read" : "the peer is silent", false);
    w4_session_tell(s, (w4_notice){.kind = W4_SESSION_EVENT_HEARTBEAT_TIMEOUT,
                                   .code = W4_REFUSAL_TIMEOUT,
                                   .unread = unread});
    w4_session_lose_link(s, W4_REFUSAL_TIMEOUT, false, now_us);
}

static void expire_open(w4_session *s, uint64_t now_us) {
    bool silent = w4_heartbeat_silent(&s->heartbeat, now_us);
    if (silent || now_us >= unread_at(s)) {
        time_out(s, !silent, now_us);
        return;
    }
    (void)w4_heartbeat_expire(&s->heartbeat, now_us);
    if (now_us >= s->open_at_us) {
        s->open_due = true;
        s->open_at_us = W4_NEVER;
    }
    w4_record_receiver_expire(&s->receiver, now_us);
    w4_pace_expire(&s->pace, now_us);
}

int w4_session_expire(w4_session *session, uint64_t now_us) {
    w4_session *s = session;
    w4_session_channels_expire(s, now_us);
    switch (s->phase) {
    case W4_PHASE_CLOSED:
        break;
    case W4_PHASE_DETACHED:
        if (now_us >= w4_later(s->detached_us, s->config->resume_window_us)) {
            w4_session_set_end(s, W4_REFUSAL_DISCONNECTED, "no link came back in time", false);
            w4_session_finish(s, now_us);
        }
        break;
    case W4_PHASE_CLOSING:
        if (now_us >= s->close_by_us) {
            w4_session_finish(s, now_us);
        }
        break;
    case W4_PHASE_OPENING:
        if (now_us >= w4_later(s->attached_us, s->heartbeat.timeout_us)) {
            time_out(s, false, now_us);
        } else if (now_us >= s->open_at_us) {
            s->open_due = true;
            s->open_at_us = W4_NEVER;
        }
        break;
    case W4_PHASE_OPEN:
        expire_open(s, now_us);
        break;
    }
    return 0;
}

/* ---- what others ask */

const w4_hello *w4_session_peer(const w4_session *session) {
    return session->has_peer ? &session->peer : NULL;
}

const uint8_t *w4_session_peer_static(const w4_session *session) {
    return session->peer_static;
}

const uint8_t *w4_session_id(const w4_session *session) {
    return session->id;
}

void w4_session_stats_get(const w4_session *session, w4_session_stats *ret_stats) {
    *ret_stats = session->stats;
    ret_stats->rekeys += session->sender.rekeys;
    ret_stats->rekeys_in += session->receiver.rekeys;
    ret_stats->rtt_us = session->heartbeat.smoothed_us;
    ret_stats->ping_us = session->heartbeat.rtt_us;
    ret_stats->attached = w4_session_has_link(session);
}

static size_t base_memory(const w4_session *s) {
    return sizeof *s + s->plain_cap + s->aside.cap + s->repeat_len +
           s->incoming_cap * sizeof *s->incoming + w4_record_receiver_memory(&s->receiver) +
           (s->notices ? W4_NOTICES_MAX * sizeof *s->notices : 0) +
           (s->end_text ? strlen(s->end_text) + 1 : 0);
}

void w4_session_memory_get(const w4_session *session, w4_session_memory_use *ret_use) {
    w4_session_memory_use use = {
        .session = base_memory(session),
        .channels = w4_session_channels_memory(session),
        .limit = session->budget.limit,
    };
    const w4_channel *c;
    for (unsigned i = 0; (c = w4_session_next_channel(session, &i)) != NULL;) {
        use.sending += w4_outbox_memory(&c->out);
        use.receiving += w4_inbox_memory(&c->in);
    }
    use.total = use.session + use.channels + use.sending + use.receiving;
    *ret_use = use;
}

size_t w4_session_memory(const w4_session *session) {
    w4_session_memory_use use;
    w4_session_memory_get(session, &use);
    return use.total;
}
