#include "session/state.h"

#include "session/close.h"

#define OPEN_DOUBLINGS_MAX 1u
/* What says that we live, and measures the way, does not travel with what is large. */
#define DATA_WITH_HEARTBEAT_MAX 1024
/* So many records of control go before an acknowledgement at most. */
#define RECORDS_BEFORE_ACKS_MAX 16u

typedef enum emission_kind {
    EMIT_HEARTBEAT, /* and nothing else, once the link is open */
    EMIT_CONTROL,   /* all but DATA */
    EMIT_ALL,
} emission_kind;

/* What one record is to have. */
typedef struct contents {
    emission_kind emission;
    bool with_acks; /* that are due; the first record of a link has those of all channels */
    bool with_heartbeat;
    size_t data_max;
} contents;

/* All that is not DATA in one record, beside what channels.c says. */
#define CONTROL_LEN_MAX                                                                            \
    (w4_frame_len(W4_SESSION_ID_LEN) + W4_KINDS * w4_frame_len(W4_ACK_LEN) + 2 * w4_frame_len(0) + \
     w4_frame_len(W4_CLOSE_LEN_MAX))

static bool has_heartbeat(const w4_session *s) {
    return s->heartbeat.pong_due || s->heartbeat.ping_due;
}

static bool is_ack_due(const w4_session *s, const w4_channel *c) {
    return c->state == W4_CHANNEL_OPEN &&
           (s->open_due || c->out.ask_due || (c->in.ack_due && !c->in.held));
}

static bool is_ack_due_at_rest(const w4_session *s, unsigned kind) {
    return !s->channels[kind] && s->rest[kind].ack_due && !s->acks_held;
}

static bool has_control(const w4_session *s) {
    bool due = s->open_due || has_heartbeat(s) || w4_session_channels_due(s);
    for (unsigned k = 0; k < W4_KINDS; k++) {
        due = due || is_ack_due_at_rest(s, k);
    }
    const w4_channel *c;
    for (unsigned i = 0; !due && (c = w4_session_next_channel(s, &i)) != NULL;) {
        due = is_ack_due(s, c);
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

static uint8_t *put_ack_at_rest(w4_session *s, unsigned kind, uint8_t *at) {
    w4_channel_rest *rest = &s->rest[kind];
    w4_inbox in;
    w4_inbox_init(&in, (w4_channel_kind)kind, s->credit[kind], 0, &s->budget);
    in.granted = rest->granted;
    at = w4_inbox_put_ack(&in, W4_CHANNEL_ID(kind), false, at);
    rest->granted = (uint32_t)in.granted;
    rest->ack_due = false;
    return at;
}

static uint8_t *put_acks(w4_session *s, bool all, uint8_t *at) {
    for (unsigned k = 0; k < W4_KINDS; k++) {
        if ((all && !s->channels[k]) || is_ack_due_at_rest(s, k)) {
            at = put_ack_at_rest(s, k, at);
        }
    }
    w4_channel *c;
    for (unsigned i = 0; (c = w4_session_next_channel(s, &i)) != NULL;) {
        if ((all && c->state == W4_CHANNEL_OPEN) || is_ack_due(s, c)) {
            at = w4_inbox_put_ack(&c->in, c->id, c->out.ask_due, at);
            c->out.ask_due = false;
        }
    }
    return at;
}

static uint8_t *put_heartbeat(w4_session *s, uint8_t *at, uint64_t now_us) {
    uint64_t token;
    if (w4_heartbeat_take_pong(&s->heartbeat, &token)) {
        w4_frame frame = {.type = W4_FRAME_PONG, .seq = token};
        at = w4_frame_put(at, &frame);
    }
    if (s->heartbeat.ping_due) {
        w4_frame frame = {
            .type = W4_FRAME_PING,
            .seq = w4_heartbeat_take_ping(&s->heartbeat, s->env, w4_pace_flight(&s->pace), now_us)};
        w4_pace_pinged(&s->pace, frame.seq, s->alone, now_us);
        at = w4_frame_put(at, &frame);
    }
    return at;
}

/* What is not DATA, as far as it is due in this phase. */
static uint8_t *put_control(w4_session *s, uint8_t *at, const contents *p, uint64_t now_us) {
    switch (s->phase) {
    case W4_PHASE_OPENING: /* which session the ACKs would be of is not known yet */
        return put_heartbeat(s, at, now_us);
    case W4_PHASE_OPEN:
        if (p->emission != EMIT_HEARTBEAT && s->open_due) {
            at = put_acks(s, true, put_open(s, at, now_us));
        } else if (p->with_acks) {
            at = put_acks(s, false, at);
        }
        at = p->with_heartbeat ? put_heartbeat(s, at, now_us) : at;
        return p->emission == EMIT_HEARTBEAT ? at : w4_session_put_channels(s, at, now_us);
    case W4_PHASE_CLOSING:
        if (s->agreed) {
            at = put_acks(s, false, at);
        }
        return w4_close_put(at, s->end_code, w4_session_end_text(s));
    case W4_PHASE_DETACHED:
    case W4_PHASE_CLOSED:
        break;
    }
    return at;
}

/* The next of a kind to send, in their round; NULL: none. Who has to wait for the pace is not
 * overtaken by others whose parts are smaller. */
static w4_channel *first_ready(const w4_session *s, unsigned kind, size_t *ret_len) {
    w4_channel *c = s->turn[kind];
    *ret_len = 0;
    if (!c) {
        return NULL;
    }
    do {
        *ret_len = c->state == W4_CHANNEL_CLOSING ? 0 : w4_outbox_ready(&c->out);
        if (*ret_len > 0 || w4_outbox_held(&c->out) > 0) {
            return c;
        }
        c = c->next_of_kind;
    } while (c != s->turn[kind]);
    return NULL;
}

/* Those of a kind take turns, each with as many bytes; what one takes more it has less the next
 * time. */
static void pass_turn(w4_session *s, w4_channel *c, size_t sent) {
    if (c->next_of_kind == c) {
        return;
    }
    if (s->turn[c->kind] != c) {
        s->turn[c->kind] = c; /* those before have nothing to send, and save nothing up */
        c->share = (c->share < 0 ? c->share : 0) + W4_CHANNEL_SHARE;
    }
    c->share -= (int32_t)sent;
    if (c->share <= 0) {
        w4_channel *next = c->next_of_kind;
        s->turn[c->kind] = next;
        next->share = (next->share < 0 ? next->share : 0) + W4_CHANNEL_SHARE;
    }
}

static void get_ready(const w4_session *s, w4_channel *ret_first[static W4_KINDS],
                      size_t ret_ready[static W4_KINDS]) {
    for (unsigned k = 0; k < W4_KINDS; k++) {
        ret_first[k] = first_ready(s, k, &ret_ready[k]);
    }
}

static uint8_t *put_data(w4_session *s, uint8_t *at, const uint8_t *end, uint64_t now_us) {
    w4_channel *first[W4_KINDS];
    size_t ready[W4_KINDS];
    w4_channel_kind kind;
    get_ready(s, first, ready);
    while (w4_schedule_pick(&s->schedule, ready, &kind) && ready[kind] <= (size_t)(end - at)) {
        at = w4_outbox_put(&first[kind]->out, first[kind]->id, at, now_us);
        w4_schedule_sent(&s->schedule, kind, ready[kind]);
        pass_turn(s, first[kind], ready[kind]);
        first[kind] = first_ready(s, kind, &ready[kind]);
    }
    return at;
}

static bool has_data(const w4_session *s) {
    w4_channel *first[W4_KINDS];
    size_t ready[W4_KINDS];
    get_ready(s, first, ready);
    return ready[W4_CHANNEL_CONTROL] + ready[W4_CHANNEL_STATE] + ready[W4_CHANNEL_KNOWLEDGE] > 0;
}

/* What is under way holds the rest back: a PING measures whether less should, or more may be. */
static void measure(w4_session *s, uint64_t now_us) {
    const w4_channel *c;
    for (unsigned i = 0; (c = w4_session_next_channel(s, &i)) != NULL;) {
        size_t len = c->kind == W4_CHANNEL_CONTROL ? 0 : w4_outbox_held(&c->out);
        if (len > 0) {
            w4_pace_held(&s->pace, len);
        }
    }
    if (w4_pace_wants_ping(&s->pace, w4_rtt_timeout(&s->rtt, 0), now_us)) {
        s->heartbeat.ping_due = true;
    }
}

/* No more than the frames of all that is not acknowledged. */
static size_t frames_len(const w4_outbox *o) {
    const w4_channel_stats *stats = &o->stats;
    size_t frames = stats->queued + stats->in_flight + stats->queued_bytes / W4_PART_SMALL + 1;
    return stats->queued_bytes + frames * W4_FRAME_HEADER;
}

/* No more than what waits, so that a lone PING does not claim a whole record's memory. */
static size_t record_room(const w4_session *s, bool with_data) {
    size_t room = W4_RECORD_OVERHEAD + CONTROL_LEN_MAX + w4_session_channels_len(s);
    const w4_channel *c;
    for (unsigned i = 0; with_data && (c = w4_session_next_channel(s, &i)) != NULL;) {
        room += frames_len(&c->out);
    }
    return room < W4_RECORD_MAX ? room : W4_RECORD_MAX;
}

/* What is to go on control now, as far as that is known without a look at each message: if
 * anything is, all of it that has not gone over this link. */
static size_t control_len(const w4_session *s) {
    const w4_channel *c = s->channels[W4_CHANNEL_CONTROL];
    size_t len = c && w4_outbox_ready(&c->out) > 0 ? frames_len(&c->out) : 0;
    return len > 0 && len > c->out.flight ? len - c->out.flight : len;
}

/* A word on control may tell why a message is not taken that has come, and to its sender whatever
 * is told of it first counts: so what is to be said there leaves no later than the ACKs. Those
 * wait for it, and the first record of a link has as much of it as there is room for, rather than
 * a heartbeat. */
static contents plan(w4_session *s, emission_kind emission, size_t room) {
    contents p = {.emission = emission, .with_acks = emission != EMIT_HEARTBEAT};
    size_t data_max = room - W4_RECORD_OVERHEAD - CONTROL_LEN_MAX - w4_session_channels_len(s);
    size_t said = emission == EMIT_ALL && s->phase == W4_PHASE_OPEN ? control_len(s) : 0;
    bool opens = s->open_due && said > DATA_WITH_HEARTBEAT_MAX;
    p.with_heartbeat = !opens;
    s->alone = p.with_heartbeat && has_heartbeat(s) && (s->pace.draining || !s->alone);
    if (opens) {
        p.data_max = data_max;
    } else {
        p.data_max = s->alone ? DATA_WITH_HEARTBEAT_MAX : w4_pace_record_len(&s->pace);
    }
    data_max = p.data_max < data_max ? p.data_max : data_max;
    if (said > data_max && s->before_acks < RECORDS_BEFORE_ACKS_MAX) {
        s->before_acks++;
        p.with_acks = false;
    } else if (p.with_acks) {
        s->before_acks = 0;
    }
    return p;
}

static void seal(w4_session *s, uint8_t *start, size_t len, uint64_t now_us) {
    const w4_record_limits limits = {s->config->rekey_records, s->config->rekey_bytes,
                                     s->config->rekey_us};
    uint64_t before = s->sender.rekeys;
    w4_record_seal(&s->sender, &limits, start, len, now_us);
    if (s->sender.rekeys != before) {
        /* The answer to a PING under the new key says that the peer has it. */
        s->sender.unfollowed = true;
        w4_heartbeat_forget_pings(&s->heartbeat);
        s->heartbeat.ping_due = true;
        w4_session_tell(s, (w4_notice){.kind = W4_SESSION_EVENT_REKEYED});
    }
    s->stats.records_out++;
    s->stats.bytes_out += len;
}

static int emit_record(w4_session *s, w4_buffer *out, emission_kind emission, uint64_t now_us) {
    size_t room = record_room(s, emission == EMIT_ALL);
    int r = w4_buffer_reserve(out, room);
    if (r < 0) {
        return r;
    }
    uint8_t *start = out->data + out->len;
    const uint8_t *end = start + room - W4_AEAD_TAG_LEN;
    contents p = plan(s, emission, room);
    uint8_t *at = put_control(s, start + W4_RECORD_HEADER, &p, now_us);
    if ((size_t)(end - at) > p.data_max) {
        end = at + p.data_max;
    }
    if (emission == EMIT_ALL) {
        at = put_data(s, at, end, now_us);
    }
    size_t len = (size_t)(at - start) + W4_AEAD_TAG_LEN;
    seal(s, start, len, now_us);
    out->len += len;
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

int w4_session_emit_answer(w4_session *session, w4_buffer *out, uint64_t now_us) {
    w4_session *s = session;
    return s->phase == W4_PHASE_OPEN && s->heartbeat.pong_due
               ? emit_record(s, out, EMIT_HEARTBEAT, now_us)
               : 0;
}

uint64_t w4_session_beat_at(const w4_session *session) {
    const w4_session *s = session;
    if (s->phase == W4_PHASE_OPENING) {
        return s->heartbeat.pong_due ? 0 : W4_NEVER;
    }
    if (s->phase != W4_PHASE_OPEN) {
        return W4_NEVER;
    }
    if (s->open_due) { /* with its ACKs, so not before what is to be said with those */
        return control_len(s) == 0 ? 0 : W4_NEVER;
    }
    return has_heartbeat(s) ? 0 : s->heartbeat.ping_at_us;
}

int w4_session_emit_beat(w4_session *session, w4_buffer *out, uint64_t now_us) {
    if (now_us < w4_session_beat_at(session)) {
        return 0;
    }
    if (session->phase == W4_PHASE_OPEN) {
        (void)w4_heartbeat_expire(&session->heartbeat, now_us);
    }
    return emit_record(session, out, session->open_due ? EMIT_CONTROL : EMIT_HEARTBEAT, now_us);
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
        return s->heartbeat.pong_due ? emit_record(s, out, EMIT_CONTROL, now_us) : 0;
    case W4_PHASE_CLOSING:
        r = emit_record(s, out, EMIT_CONTROL, now_us);
        if (r == 1) {
            w4_session_finish(s, now_us);
        }
        return r;
    case W4_PHASE_OPEN:
        break;
    }
    bool any = has_control(s) || has_data(s);
    if (!any) { /* all that may go is on its way: right behind it a PING measures */
        measure(s, now_us);
        any = s->heartbeat.ping_due;
    }
    r = any ? emit_record(s, out, EMIT_ALL, now_us) : 0;
    w4_channel *c;
    for (unsigned i = 0; (c = w4_session_next_channel(s, &i)) != NULL;) {
        w4_outbox_arm(&c->out, &s->rtt, now_us);
    }
    return r;
}
