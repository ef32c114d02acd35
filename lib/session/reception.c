#include "session/state.h"

#include "base/wire.h"
#include "session/close.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FORGED_IN_A_ROW_MAX 3
#define INCOMING_FIRST 4u
#define INCOMING_GROWTH 4u
#define ASIDE_HEADER 4u

static void recv_open(w4_session *s, w4_bytes id, uint64_t now_us) {
    if (!s->initiator) {
        if (memcmp(id.data, s->id, sizeof s->id) != 0) {
            w4_session_close_with(s, W4_REFUSAL_AUTH_FAILURE, "OPEN names another session", now_us);
        } else {
            w4_session_stop_repeating(s);
        }
        return;
    }
    if (s->phase == W4_PHASE_OPENING) {
        bool resumed = s->may_resume && memcmp(id.data, s->id, sizeof s->id) == 0;
        if (!resumed && memcmp(id.data, s->fresh_id, sizeof s->fresh_id) != 0) {
            w4_session_close_with(s, W4_REFUSAL_AUTH_FAILURE, "OPEN names another session", now_us);
            return;
        }
        if (!resumed) {
            w4_session_begin_afresh(s, now_us);
        }
        w4_session_stop_repeating(s);
        w4_session_open_channels(s, resumed, now_us);
    }
    s->open_due = true; /* the answer, also to one that is repeated */
}

static void recv_close(w4_session *s, w4_bytes payload, uint64_t now_us) {
    w4_refusal code;
    char text[W4_END_TEXT_MAX];
    if (!w4_close_parse(payload, &code, text, sizeof text)) {
        w4_session_close_with(s, W4_REFUSAL_UNSUPPORTED_VERSION, "malformed CLOSE", now_us);
        return;
    }
    s->end_code = code;
    s->end_by_peer = true;
    w4_session_set_end_text(s, text);
    bool for_the_moment = code == W4_REFUSAL_OVERLOADED || code == W4_REFUSAL_RATE_LIMITED;
    if (s->phase == W4_PHASE_OPENING && for_the_moment) {
        w4_session_lose_link(s, code, true, now_us);
    } else {
        w4_session_finish(s, now_us);
    }
}

static int add_incoming(w4_session *s, w4_incoming item) {
    if (s->incoming_count == s->incoming_cap) {
        size_t cap = s->incoming_cap > 0 ? s->incoming_cap * INCOMING_GROWTH : INCOMING_FIRST;
        w4_incoming *grown = realloc(s->incoming, cap * sizeof *grown);
        if (!grown) {
            return -ENOMEM;
        }
        s->incoming = grown;
        s->incoming_cap = cap;
    }
    s->incoming[s->incoming_count++] = item;
    return 0;
}

static int recv_data(w4_session *s, w4_channel *c, const w4_frame *frame, uint64_t now_us) {
    if (s->data_held) {
        s->stats.undrained++;
        return 0;
    }
    w4_pace_received(&s->pace, frame->payload.len);
    w4_heartbeat_came(&s->heartbeat, frame->payload.len);
    w4_incoming item = {.channel = c};
    /* The place first, so that a message that is taken is never lost for want of it. */
    int r = add_incoming(s, item);
    if (r < 0) {
        return r;
    }
    r = w4_inbox_take(&c->in, frame, &item.message, &item.owned);
    if (r == W4_INBOX_MESSAGE) {
        s->incoming[s->incoming_count - 1] = item;
        return 0;
    }
    s->incoming_count--;
    if (r == W4_INBOX_NO_CREDIT) {
        w4_session_close_with(s, W4_REFUSAL_BACKPRESSURE, "message beyond the credit granted",
                              now_us);
    } else if (r == W4_INBOX_TOO_LARGE) {
        w4_session_close_with(s, W4_REFUSAL_TOO_LARGE, "message over max_message", now_us);
    }
    return r < 0 ? r : 0;
}

static void recv_ack(w4_session *s, w4_channel *c, const w4_frame *frame, uint64_t now_us) {
    w4_reader r;
    w4_reader_init(&r, frame->payload);
    uint32_t credit = w4_read_u32(&r);
    uint64_t acked = c->out.acked;
    if (!w4_outbox_acknowledge(&c->out, frame->seq, (frame->flags & W4_FRAME_GAP) != 0, &s->rtt,
                               now_us)) {
        w4_session_close_with(s, W4_REFUSAL_UNSUPPORTED_VERSION, "ACK of what was never sent",
                              now_us);
        return;
    }
    if (c->out.acked > acked) {
        w4_heartbeat_is_read(&s->heartbeat, now_us);
    }
    w4_outbox_grant(&c->out, frame->seq, credit);
    w4_outbox_arm(&c->out, &s->rtt, now_us);
    if (frame->flags & W4_FRAME_ASK) {
        c->in.ack_due = true;
    }
}

/* Nothing was sent on it yet. */
static void recv_ack_at_rest(w4_session *s, unsigned kind, const w4_frame *frame, uint64_t now_us) {
    w4_reader r;
    w4_reader_init(&r, frame->payload);
    uint32_t credit = w4_read_u32(&r);
    w4_channel_rest *rest = &s->rest[kind];
    if (frame->seq > 0) {
        w4_session_close_with(s, W4_REFUSAL_UNSUPPORTED_VERSION, "ACK of what was never sent",
                              now_us);
        return;
    }
    rest->allowed = credit > rest->allowed ? credit : rest->allowed;
    rest->ack_due = rest->ack_due || (frame->flags & W4_FRAME_ASK) != 0;
}

static int recv_of_channel(w4_session *s, const w4_frame *frame, uint64_t now_us) {
    w4_channel *c;
    if (w4_session_is_standing(frame->channel)) {
        unsigned kind = frame->channel - 1u;
        if (!s->channels[kind] && frame->type == W4_FRAME_ACK) {
            recv_ack_at_rest(s, kind, frame, now_us);
            return 0;
        }
        if (w4_session_make_channel(s, (w4_channel_kind)kind, &c) < 0) {
            return -ENOMEM;
        }
    } else {
        c = w4_session_channel_of(s, frame, now_us);
    }
    if (!c) {
        return 0;
    }
    if (frame->type == W4_FRAME_DATA) {
        return recv_data(s, c, frame, now_us);
    }
    recv_ack(s, c, frame, now_us);
    return 0;
}

static void recv_pong(w4_session *s, uint64_t token, uint64_t now_us) {
    if (w4_heartbeat_recv_pong(&s->heartbeat, token, &s->rtt, now_us)) {
        w4_pace_measured(&s->pace, token, s->heartbeat.rtt_us, now_us);
        s->sender.unfollowed = false; /* those of before the rekey are forgotten */
    }
}

/* Only those who have said that they know of such things may speak of them. */
static bool is_of_feature(const w4_frame *frame) {
    return frame->channel >= W4_FRAME_CHANNEL_OPENED ||
           (frame->type == W4_FRAME_OPEN && frame->channel != W4_FRAME_CHANNEL_SESSION);
}

static int recv_frame(w4_session *s, const w4_frame *frame, uint64_t now_us) {
    bool agreed = s->phase == W4_PHASE_OPEN;
    if (agreed && is_of_feature(frame) && !w4_session_knows_channels(s)) {
        w4_session_close_with(s, W4_REFUSAL_NOT_FOUND, "channels were not agreed on", now_us);
        return 0;
    }
    switch (frame->type) {
    case W4_FRAME_DATA:
    case W4_FRAME_ACK:
        return agreed ? recv_of_channel(s, frame, now_us) : 0;
    case W4_FRAME_OPEN:
        if (frame->channel != W4_FRAME_CHANNEL_SESSION) {
            return agreed ? w4_session_recv_channel_open(s, frame, now_us) : 0;
        }
        recv_open(s, frame->payload, now_us);
        return 0;
    case W4_FRAME_CLOSE_CHANNEL:
        if (agreed) {
            w4_session_recv_channel_close(s, frame, now_us);
        }
        return 0;
    case W4_FRAME_PING:
        w4_heartbeat_recv_ping(&s->heartbeat, frame->seq, now_us);
        return 0;
    case W4_FRAME_PONG:
        recv_pong(s, frame->seq, now_us);
        return 0;
    case W4_FRAME_CLOSE:
        recv_close(s, frame->payload, now_us);
        return 0;
    }
    return 0;
}

static w4_refusal refusal_of(w4_frame_verdict verdict) {
    switch (verdict) {
    case W4_FRAME_TOO_LONG:
        return W4_REFUSAL_TOO_LARGE;
    case W4_FRAME_NO_CHANNEL:
        return W4_REFUSAL_NOT_FOUND;
    case W4_FRAME_GOOD:
    case W4_FRAME_END:
    case W4_FRAME_SKIPPED:
    case W4_FRAME_UNKNOWN:
    case W4_FRAME_MALFORMED:
    case W4_FRAME_VERDICT_COUNT:
        break;
    }
    return W4_REFUSAL_UNSUPPORTED_VERSION;
}

static void copy_counters(w4_session *s) {
    w4_channel *c;
    for (unsigned i = 0; (c = w4_session_next_channel(s, &i)) != NULL;) {
        const w4_inbox *in = &c->in;
        w4_channel_stats *stats = &c->out.stats;
        stats->duplicates = in->duplicates;
        stats->bytes_in = in->bytes;
        stats->messages_in = in->messages_total;
    }
}

static bool takes_records(const w4_session *s) {
    return s->phase == W4_PHASE_OPENING || s->phase == W4_PHASE_OPEN;
}

static int recv_plain(w4_session *s, w4_bytes plain, uint64_t now_us) {
    w4_frame_verdict verdict = w4_frame_check(plain);
    if (verdict != W4_FRAME_GOOD) {
        w4_session_close_with(s, refusal_of(verdict), w4_frame_verdict_name(verdict), now_us);
        return 0;
    }
    int r = 0;
    w4_frame frame;
    while (r == 0 && takes_records(s) &&
           (verdict = w4_frame_next(&plain, &frame)) != W4_FRAME_END) {
        if (verdict == W4_FRAME_GOOD) {
            r = recv_frame(s, &frame, now_us);
        }
    }
    copy_counters(s);
    return r;
}

static void count_forged(w4_session *s, uint64_t now_us) {
    s->stats.verification_failures++;
    if (++s->forged_in_a_row >= FORGED_IN_A_ROW_MAX && s->ordered) {
        w4_session_set_end(s, W4_REFUSAL_AUTH_FAILURE, "records that do not authenticate", false);
        w4_session_lose_link(s, W4_REFUSAL_AUTH_FAILURE, false, now_us);
    }
}

static int make_plain(w4_session *s, size_t len) {
    if (s->plain_cap < len) {
        uint8_t *plain = malloc(len);
        if (!plain) {
            return -ENOMEM;
        }
        free(s->plain);
        s->plain = plain;
        s->plain_cap = len;
    }
    return 0;
}

/* False: it was dropped. */
static bool open_record(w4_session *s, w4_bytes frame, uint8_t *ret_plain, uint64_t now_us) {
    uint64_t rekeys = s->receiver.rekeys;
    switch (w4_record_open(&s->receiver, frame, ret_plain, now_us)) {
    case W4_RECORD_REPLAY:
        s->stats.replays++;
        return false;
    case W4_RECORD_FORGED:
    case W4_RECORD_VERDICT_COUNT:
        count_forged(s, now_us);
        return false;
    case W4_RECORD_OPENED:
        break;
    }
    if (s->receiver.rekeys != rekeys) {
        w4_session_tell(s, (w4_notice){.kind = W4_SESSION_EVENT_REKEYED, .by_peer = true});
    }
    s->forged_in_a_row = 0;
    s->stats.records_in++;
    s->stats.bytes_in += frame.len;
    s->stats.last_heard_us = now_us;
    w4_heartbeat_heard(&s->heartbeat, now_us);
    return true;
}

int w4_session_recv(w4_session *session, w4_bytes frame, uint64_t now_us) {
    w4_session *s = session;
    w4_session_take_back_lent(s);
    if (!takes_records(s)) {
        return 0;
    }
    if (s->incoming_first < s->incoming_count || w4_session_aside(s) > 0) {
        s->stats.undrained++;
        return 0;
    }
    if (frame.len > W4_RECORD_MAX) {
        count_forged(s, now_us);
        return 0;
    }
    int r = make_plain(s, frame.len);
    if (r < 0 || !open_record(s, frame, s->plain, now_us)) {
        return r;
    }
    s->incoming_first = s->incoming_count = 0;
    return recv_plain(s, w4_bytes_of(s->plain, frame.len - W4_RECORD_OVERHEAD), now_us);
}

/* ---- records that wait */

void w4_session_drop_aside(w4_session *s) {
    w4_buffer_deinit(&s->aside);
    s->aside_at = 0;
    s->aside_ends = false;
}

size_t w4_session_aside(const w4_session *session) {
    return session->aside.len - session->aside_at;
}

/* Heeds the heartbeats and takes them out; what is no good record is judged when its turn comes,
 * and nothing behind it, or behind a CLOSE, is an answer's worth. Returns the length of the rest.
 */
static size_t heed_heartbeats(w4_session *s, uint8_t *plain, size_t len, uint64_t now_us) {
    w4_bytes left = w4_bytes_of(plain, len);
    uint8_t *end = plain;
    w4_frame frame;
    if (s->aside_ends || w4_frame_check(left) != W4_FRAME_GOOD) {
        s->aside_ends = true;
        return len;
    }
    for (;;) {
        const uint8_t *start = left.data;
        w4_frame_verdict verdict = w4_frame_next(&left, &frame);
        if (verdict == W4_FRAME_END) {
            return (size_t)(end - plain);
        }
        if (verdict == W4_FRAME_GOOD && frame.type == W4_FRAME_PING) {
            w4_heartbeat_recv_ping(&s->heartbeat, frame.seq, now_us);
        } else if (verdict == W4_FRAME_GOOD && frame.type == W4_FRAME_PONG) {
            recv_pong(s, frame.seq, now_us);
        } else {
            s->aside_ends =
                s->aside_ends || (verdict == W4_FRAME_GOOD && frame.type == W4_FRAME_CLOSE);
            memmove(end, start, (size_t)(left.data - start));
            end += left.data - start;
        }
    }
}

int w4_session_set_aside(w4_session *session, w4_bytes frame, bool room, uint64_t now_us) {
    w4_session *s = session;
    if (!takes_records(s)) {
        return 0;
    }
    if (frame.len > W4_RECORD_MAX) {
        count_forged(s, now_us);
        return 0;
    }
    size_t before = s->aside.len;
    int r = w4_buffer_reserve(&s->aside, ASIDE_HEADER + frame.len);
    if (r < 0) {
        return r;
    }
    uint8_t *at = s->aside.data + before;
    if (!open_record(s, frame, at + ASIDE_HEADER, now_us)) {
        return 0;
    }
    size_t len = heed_heartbeats(s, at + ASIDE_HEADER, frame.len - W4_RECORD_OVERHEAD, now_us);
    if (len > 0 && room && before + ASIDE_HEADER + len <= s->aside.max - W4_ASIDE_BEYOND) {
        w4_put_u32(at, (uint32_t)len);
        s->aside.len = before + ASIDE_HEADER + len;
    } else if (len > 0) {
        s->stats.undrained++; /* it comes again */
    }
    if (w4_session_aside(s) == 0) {
        w4_session_drop_aside(s);
    }
    return 0;
}

int w4_session_recv_aside(w4_session *session, uint64_t now_us) {
    w4_session *s = session;
    w4_session_take_back_lent(s);
    if (s->incoming_first < s->incoming_count) {
        s->stats.undrained++;
        return 0;
    }
    if (w4_session_aside(s) == 0) {
        return 0;
    }
    w4_reader reader;
    w4_reader_init(&reader, w4_bytes_of(s->aside.data + s->aside_at, w4_session_aside(s)));
    w4_bytes plain = w4_read_bytes(&reader, w4_read_u32(&reader));
    int r = make_plain(s, plain.len);
    if (r < 0) {
        return r;
    }
    memcpy(s->plain, plain.data, plain.len);
    plain.data = s->plain;
    s->aside_at += ASIDE_HEADER + plain.len;
    if (w4_session_aside(s) == 0) {
        w4_session_drop_aside(s);
    }
    s->incoming_first = s->incoming_count = 0;
    return takes_records(s) ? recv_plain(s, plain, now_us) : 0;
}
