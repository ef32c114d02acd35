#include "session/session.h"

#include "base/text.h"
#include "base/wire.h"
#include "session/close.h"
#include "session/heartbeat.h"
#include "session/inbox.h"
#include "session/outbox.h"
#include "session/record.h"
#include "session/schedule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NOTICES_MAX 8
#define TEXT_MAX 64
#define FORGED_IN_A_ROW_MAX 3
#define INCOMING_FIRST 16u
#define KINDS W4_CHANNEL_KIND_COUNT
/* All that is not DATA in one record. */
#define CONTROL_LEN_MAX                                                                            \
    (w4_frame_len(W4_SESSION_ID_LEN) + KINDS * w4_frame_len(W4_ACK_LEN) + 2 * w4_frame_len(0) +    \
     w4_frame_len(W4_CLOSE_LEN_MAX))

typedef enum phase {
    PHASE_DETACHED, /* no link; waits for one until the resume window ends */
    PHASE_OPENING,  /* initiator: the responder has not told yet which session this is */
    PHASE_OPEN,
    PHASE_CLOSING, /* CLOSE is to be emitted */
    PHASE_CLOSED,
} phase;

/* An event without a message: few a call, told in the order they came. */
typedef struct notice {
    w4_session_event_kind kind;
    w4_refusal code;
    bool resumed, by_peer;
} notice;

typedef struct incoming {
    w4_channel_kind kind;
    w4_bytes message;
    uint8_t *owned; /* what message lies in, or NULL: in the plaintext */
} incoming;

typedef struct channel {
    w4_outbox out;
    w4_inbox in;
} channel;

struct w4_session {
    const w4_env *env;
    w4_session_config config;
    phase phase;
    bool initiator, ordered;

    bool has_id, may_resume;
    uint8_t id[W4_SESSION_ID_LEN], fresh_id[W4_SESSION_ID_LEN];
    bool has_peer;
    w4_hello peer;

    w4_record_sender sender;
    w4_record_receiver receiver;
    unsigned forged_in_a_row;
    w4_rtt rtt;
    w4_heartbeat heartbeat;
    uint64_t attached_us, detached_us, close_by_us;

    /* OPEN, or message 3 in its stead before the responder's OPEN: repeated until answered. */
    bool open_due;
    uint64_t open_at_us;
    unsigned open_repeats;
    uint8_t *repeat;
    uint16_t repeat_len;

    w4_schedule schedule;
    channel channels[KINDS];
    bool moved; /* messages have come or gone since the last heartbeat */

    notice notices[NOTICES_MAX];
    unsigned notice_first, notice_count;
    uint8_t *plain; /* of the record that came last */
    size_t plain_cap;
    incoming *incoming; /* whole messages in it */
    size_t incoming_first, incoming_count, incoming_cap;
    uint8_t *lent; /* the message the owner holds, when it has memory of its own */
    w4_refusal end_code;
    bool end_by_peer, end_told;
    char end_text[TEXT_MAX];

    w4_session_stats stats;
};

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
            [W4_CHANNEL_CONTROL] = {1024, 8u << 20, 256, W4_OVERFLOW_ERROR},
            [W4_CHANNEL_STATE] = {1024, 8u << 20, 256, W4_OVERFLOW_ERROR},
            [W4_CHANNEL_KNOWLEDGE] = {1024, 8u << 20, 256, W4_OVERFLOW_ERROR},
        },
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

/* ---- life and death */

int w4_session_new(const w4_env *env, const w4_session_config *config, uint64_t now_us,
                   w4_session **ret_session) {
    w4_session *s = calloc(1, sizeof *s);
    if (!s) {
        return -ENOMEM;
    }
    s->env = env;
    s->config = *config;
    s->phase = PHASE_DETACHED;
    s->detached_us = now_us;
    s->open_at_us = W4_NEVER;
    w4_rtt_init(&s->rtt, true);
    w4_schedule_init(&s->schedule);
    for (unsigned k = 0; k < KINDS; k++) {
        w4_outbox_init(&s->channels[k].out, &s->config.channels[k]);
        w4_inbox_init(&s->channels[k].in, &s->config.channels[k], config->max_message);
    }
    *ret_session = s;
    return 0;
}

static void free_incoming(w4_session *s) {
    for (size_t i = s->incoming_first; i < s->incoming_count; i++) {
        free(s->incoming[i].owned);
    }
    free(s->incoming);
    s->incoming = NULL;
    s->incoming_first = s->incoming_count = s->incoming_cap = 0;
    free(s->plain);
    s->plain = NULL;
    s->plain_cap = 0;
}

static void stop_repeating(w4_session *s) {
    free(s->repeat);
    s->repeat = NULL;
    s->repeat_len = 0;
    s->open_due = false;
    s->open_at_us = W4_NEVER;
    s->open_repeats = 0;
}

static void wipe_keys(w4_session *s) {
    s->stats.rekeys += s->sender.rekeys;
    w4_wipe(&s->sender, sizeof s->sender);
    w4_wipe(&s->receiver, sizeof s->receiver);
}

w4_session *w4_session_free(w4_session *session) {
    if (session) {
        wipe_keys(session);
        stop_repeating(session);
        free_incoming(session);
        free(session->lent);
        for (unsigned k = 0; k < KINDS; k++) {
            w4_outbox_deinit(&session->channels[k].out);
            w4_inbox_deinit(&session->channels[k].in);
        }
        free(session);
    }
    return NULL;
}

/* An owner that does not drain loses the oldest notices, never the last word (CLOSED is not one of
 * them). */
static void tell(w4_session *s, notice n) {
    if (s->notice_count == NOTICES_MAX) {
        s->notice_first = (s->notice_first + 1) % NOTICES_MAX;
        s->notice_count--;
    }
    s->notices[(s->notice_first + s->notice_count) % NOTICES_MAX] = n;
    s->notice_count++;
}

static bool has_link(const w4_session *s) {
    return s->phase == PHASE_OPENING || s->phase == PHASE_OPEN || s->phase == PHASE_CLOSING;
}

static void drop_link(w4_session *s, uint64_t now_us) {
    wipe_keys(s);
    stop_repeating(s);
    for (unsigned k = 0; k < KINDS; k++) {
        w4_outbox_link_down(&s->channels[k].out);
    }
    s->detached_us = now_us;
    s->phase = PHASE_DETACHED;
}

static void fail_messages(w4_session *s) {
    for (unsigned k = 0; k < KINDS; k++) {
        w4_outbox_fail_all(&s->channels[k].out, W4_REFUSAL_DISCONNECTED);
    }
}

static void set_end(w4_session *s, w4_refusal code, const char *text, bool by_peer) {
    s->end_code = code;
    s->end_by_peer = by_peer;
    w4_text_escape_cut(s->end_text, sizeof s->end_text, w4_bytes_from_text(text));
}

static void finish(w4_session *s, uint64_t now_us) {
    if (has_link(s)) {
        drop_link(s, now_us);
    }
    fail_messages(s);
    s->phase = PHASE_CLOSED;
}

/* Ends the session from our side: CLOSE goes out with the next emit. */
static void close_with(w4_session *s, w4_refusal code, const char *text, uint64_t now_us) {
    if (s->phase == PHASE_CLOSING || s->phase == PHASE_CLOSED) {
        return;
    }
    set_end(s, code, text, false);
    if (!has_link(s)) {
        finish(s, now_us);
        return;
    }
    fail_messages(s);
    s->phase = PHASE_CLOSING;
    s->close_by_us = w4_later(now_us, W4_SESSION_LINGER_US);
}

void w4_session_close(w4_session *session, w4_refusal code, const char *text, uint64_t now_us) {
    close_with(session, code, text, now_us);
}

static void lose_link(w4_session *s, w4_refusal code, bool by_peer, uint64_t now_us) {
    drop_link(s, now_us);
    tell(s, (notice){.kind = W4_SESSION_EVENT_LINK_LOST, .code = code, .by_peer = by_peer});
}

void w4_session_detach(w4_session *session, uint64_t now_us) {
    if (session->phase == PHASE_CLOSING) {
        finish(session, now_us);
    } else if (has_link(session)) {
        drop_link(session, now_us);
    }
}

bool w4_session_attached(const w4_session *session) {
    return has_link(session);
}

/* ---- a link comes up */

static void begin_afresh(w4_session *s) {
    memcpy(s->id, s->fresh_id, sizeof s->id);
    s->has_id = true;
    for (unsigned k = 0; k < KINDS; k++) {
        w4_outbox_restart(&s->channels[k].out);
        w4_inbox_restart(&s->channels[k].in);
    }
}

static void open_channels(w4_session *s, bool resumed, uint64_t now_us) {
    for (unsigned k = 0; k < KINDS; k++) {
        w4_outbox_fail_larger(&s->channels[k].out, s->peer.max_message);
        s->channels[k].in.ack_due = true;
    }
    s->phase = PHASE_OPEN;
    s->stats.opened_us = now_us;
    s->heartbeat.ping_due = true;
    tell(s, (notice){.kind = W4_SESSION_EVENT_OPEN, .resumed = resumed});
}

static uint64_t slower_us(uint64_t ours_us, uint32_t theirs_ms) {
    uint64_t theirs_us = theirs_ms * W4_US_PER_MS;
    return ours_us > theirs_us ? ours_us : theirs_us;
}

/* The responder's decision, from what the initiator's hello says. */
static bool can_resume(const w4_session *s) {
    const w4_resume_point *point = &s->peer.resume;
    if (!point->present || !s->has_id || memcmp(point->session, s->id, sizeof s->id) != 0) {
        return false;
    }
    for (unsigned k = 0; k < KINDS; k++) {
        if (!w4_outbox_may_acknowledge(&s->channels[k].out, point->expected[k])) {
            return false;
        }
    }
    return true;
}

static void decide(w4_session *s, uint64_t now_us) {
    bool resumed = can_resume(s);
    if (resumed) {
        for (unsigned k = 0; k < KINDS; k++) {
            w4_outbox_acknowledge(&s->channels[k].out, s->peer.resume.expected[k], false, &s->rtt,
                                  now_us);
        }
    } else {
        begin_afresh(s);
    }
    s->open_due = true;
    open_channels(s, resumed, now_us);
}

int w4_session_attach(w4_session *session, w4_handshake_result *result, bool ordered_link,
                      uint64_t now_us) {
    w4_session *s = session;
    uint8_t *repeat = NULL;
    if (s->phase == PHASE_CLOSING || s->phase == PHASE_CLOSED) {
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
    if (has_link(s)) {
        drop_link(s, now_us);
    }
    s->stats.reconnects += s->has_peer ? 1 : 0;
    s->initiator = result->initiator;
    s->ordered = ordered_link;
    s->peer = result->peer;
    s->has_peer = true;
    s->attached_us = now_us;
    s->forged_in_a_row = 0;
    memcpy(s->fresh_id, result->keys.hash, sizeof s->fresh_id);
    w4_record_sender_init(&s->sender, result->keys.send, now_us);
    w4_record_receiver_init(&s->receiver, result->keys.recv);
    w4_wipe(&result->keys, sizeof result->keys);
    w4_rtt_init(&s->rtt, ordered_link);
    w4_heartbeat_start(&s->heartbeat, slower_us(s->config.heartbeat_us, s->peer.heartbeat_ms),
                       slower_us(s->config.timeout_us, s->peer.timeout_ms), now_us);
    for (unsigned k = 0; k < KINDS; k++) {
        w4_outbox_link_up(&s->channels[k].out, ordered_link);
    }
    if (s->initiator) {
        s->phase = PHASE_OPENING;
        s->heartbeat.ping_due = false;
        s->may_resume = result->sent_resume.present && s->has_id &&
                        memcmp(result->sent_resume.session, s->id, sizeof s->id) == 0;
        s->repeat = repeat;
        s->repeat_len = repeat ? result->repeat_len : 0;
        if (repeat) {
            s->open_at_us = w4_later(now_us, w4_rtt_timeout(&s->rtt, 0));
        }
    } else {
        decide(s, now_us);
    }
    return 0;
}

bool w4_session_resume_point(const w4_session *session, w4_resume_point *ret_point) {
    if (!session->has_id || session->phase == PHASE_CLOSING || session->phase == PHASE_CLOSED) {
        return false;
    }
    memset(ret_point, 0, sizeof *ret_point);
    ret_point->present = true;
    memcpy(ret_point->session, session->id, sizeof ret_point->session);
    for (unsigned k = 0; k < KINDS; k++) {
        ret_point->expected[k] = session->channels[k].in.promised;
    }
    return true;
}

/* ---- what comes in */

static void violated(w4_session *s, w4_refusal code, const char *text, uint64_t now_us) {
    close_with(s, code, text, now_us);
}

static void recv_open(w4_session *s, w4_bytes id, uint64_t now_us) {
    if (!s->initiator) {
        if (memcmp(id.data, s->id, sizeof s->id) != 0) {
            violated(s, W4_REFUSAL_AUTH_FAILURE, "OPEN names another session", now_us);
        } else {
            stop_repeating(s);
        }
        return;
    }
    if (s->phase == PHASE_OPENING) {
        bool resumed = s->may_resume && memcmp(id.data, s->id, sizeof s->id) == 0;
        if (!resumed && memcmp(id.data, s->fresh_id, sizeof s->fresh_id) != 0) {
            violated(s, W4_REFUSAL_AUTH_FAILURE, "OPEN names another session", now_us);
            return;
        }
        if (!resumed) {
            begin_afresh(s);
        }
        stop_repeating(s);
        open_channels(s, resumed, now_us);
    }
    s->open_due = true; /* the answer, also to one that is repeated */
}

static void recv_close(w4_session *s, w4_bytes payload, uint64_t now_us) {
    w4_refusal code;
    char text[TEXT_MAX];
    if (!w4_close_parse(payload, &code, text, sizeof text)) {
        violated(s, W4_REFUSAL_UNSUPPORTED_VERSION, "malformed CLOSE", now_us);
        return;
    }
    s->end_code = code;
    s->end_by_peer = true;
    memcpy(s->end_text, text, sizeof text);
    bool for_the_moment = code == W4_REFUSAL_OVERLOADED || code == W4_REFUSAL_RATE_LIMITED;
    if (s->phase == PHASE_OPENING && for_the_moment) {
        lose_link(s, code, true, now_us);
    } else {
        finish(s, now_us);
    }
}

static int add_incoming(w4_session *s, incoming item) {
    if (s->incoming_count == s->incoming_cap) {
        size_t cap = s->incoming_cap > 0 ? s->incoming_cap * 2 : INCOMING_FIRST;
        incoming *grown = realloc(s->incoming, cap * sizeof *grown);
        if (!grown) {
            return -ENOMEM;
        }
        s->incoming = grown;
        s->incoming_cap = cap;
    }
    s->incoming[s->incoming_count++] = item;
    return 0;
}

static int recv_data(w4_session *s, w4_channel_kind kind, const w4_frame *frame, uint64_t now_us) {
    incoming item = {.kind = kind};
    /* The place first, so that a message that is taken is never lost for want of it. */
    int r = add_incoming(s, item);
    if (r < 0) {
        return r;
    }
    s->moved = true;
    r = w4_inbox_take(&s->channels[kind].in, frame, &item.message, &item.owned);
    if (r == W4_INBOX_MESSAGE) {
        s->incoming[s->incoming_count - 1] = item;
        return 0;
    }
    s->incoming_count--;
    if (r == W4_INBOX_NO_CREDIT) {
        violated(s, W4_REFUSAL_BACKPRESSURE, "message beyond the credit granted", now_us);
    } else if (r == W4_INBOX_TOO_LARGE) {
        violated(s, W4_REFUSAL_TOO_LARGE, "message over max_message", now_us);
    }
    return r < 0 ? r : 0;
}

static void recv_ack(w4_session *s, w4_channel_kind kind, const w4_frame *frame, uint64_t now_us) {
    channel *c = &s->channels[kind];
    w4_reader r;
    w4_reader_init(&r, frame->payload);
    uint32_t credit = w4_read_u32(&r);
    if (!w4_outbox_acknowledge(&c->out, frame->seq, (frame->flags & W4_FRAME_GAP) != 0, &s->rtt,
                               now_us)) {
        violated(s, W4_REFUSAL_UNSUPPORTED_VERSION, "ACK of what was never sent", now_us);
        return;
    }
    w4_outbox_grant(&c->out, frame->seq, credit);
    w4_outbox_arm(&c->out, &s->rtt, now_us);
    if (frame->flags & W4_FRAME_ASK) {
        c->in.ack_due = true;
    }
}

static int recv_frame(w4_session *s, const w4_frame *frame, uint64_t now_us) {
    w4_channel_kind kind = (w4_channel_kind)(frame->channel - W4_FRAME_CHANNEL(0));
    switch (frame->type) {
    case W4_FRAME_DATA:
        return s->phase == PHASE_OPEN ? recv_data(s, kind, frame, now_us) : 0;
    case W4_FRAME_ACK:
        if (s->phase == PHASE_OPEN) {
            recv_ack(s, kind, frame, now_us);
        }
        return 0;
    case W4_FRAME_OPEN:
        recv_open(s, frame->payload, now_us);
        return 0;
    case W4_FRAME_PING:
        w4_heartbeat_recv_ping(&s->heartbeat, frame->seq, now_us);
        return 0;
    case W4_FRAME_PONG:
        w4_heartbeat_recv_pong(&s->heartbeat, frame->seq, &s->rtt, now_us);
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
    for (unsigned k = 0; k < KINDS; k++) {
        const w4_inbox *in = &s->channels[k].in;
        w4_channel_stats *stats = &s->channels[k].out.stats;
        stats->duplicates = in->duplicates;
        stats->bytes_in = in->bytes;
        stats->messages_in = in->messages_total;
    }
}

static int recv_plain(w4_session *s, w4_bytes plain, uint64_t now_us) {
    w4_frame_verdict verdict = w4_frame_check(plain);
    if (verdict != W4_FRAME_GOOD) {
        violated(s, refusal_of(verdict), w4_frame_verdict_name(verdict), now_us);
        return 0;
    }
    int r = 0;
    w4_frame frame;
    while (r == 0 && (s->phase == PHASE_OPENING || s->phase == PHASE_OPEN) &&
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
        set_end(s, W4_REFUSAL_AUTH_FAILURE, "records that do not authenticate", false);
        lose_link(s, W4_REFUSAL_AUTH_FAILURE, false, now_us);
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

static void take_back_lent(w4_session *s) {
    free(s->lent);
    s->lent = NULL;
}

int w4_session_recv(w4_session *session, w4_bytes frame, uint64_t now_us) {
    w4_session *s = session;
    take_back_lent(s);
    if (s->phase != PHASE_OPENING && s->phase != PHASE_OPEN) {
        return 0;
    }
    if (s->incoming_first < s->incoming_count) {
        s->stats.undrained++;
        return 0;
    }
    int r = make_plain(s, frame.len);
    if (r < 0) {
        return r;
    }
    switch (w4_record_open(&s->receiver, frame, s->plain, now_us)) {
    case W4_RECORD_REPLAY:
        s->stats.replays++;
        return 0;
    case W4_RECORD_FORGED:
    case W4_RECORD_VERDICT_COUNT:
        count_forged(s, now_us);
        return 0;
    case W4_RECORD_OPENED:
        break;
    }
    s->forged_in_a_row = 0;
    s->incoming_first = s->incoming_count = 0;
    s->stats.records_in++;
    s->stats.bytes_in += frame.len;
    s->stats.last_heard_us = now_us;
    w4_heartbeat_heard(&s->heartbeat, now_us);
    return recv_plain(s, w4_bytes_of(s->plain, frame.len - W4_RECORD_OVERHEAD), now_us);
}

/* ---- what goes out */

static bool is_ack_due(const w4_session *s, unsigned kind) {
    const channel *c = &s->channels[kind];
    return s->open_due || c->out.ask_due || (c->in.ack_due && !c->in.held);
}

static bool has_control(const w4_session *s) {
    bool due = s->open_due || s->heartbeat.pong_due || s->heartbeat.ping_due;
    for (unsigned k = 0; k < KINDS; k++) {
        due = due || is_ack_due(s, k);
    }
    return due;
}

/* OPEN, ACKs, PONG and PING, as far as they are due. */
static uint8_t *put_control(w4_session *s, uint8_t *at, uint64_t now_us) {
    uint64_t token;
    bool opening = s->phase == PHASE_OPENING;
    bool all = s->open_due;
    if (s->open_due) {
        w4_frame frame = {.type = W4_FRAME_OPEN,
                          .channel = W4_FRAME_CHANNEL_SESSION,
                          .payload = w4_bytes_of(s->id, sizeof s->id)};
        at = w4_frame_put(at, &frame);
        s->open_due = false;
        s->open_at_us =
            s->initiator ? W4_NEVER : w4_later(now_us, w4_rtt_timeout(&s->rtt, s->open_repeats++));
    }
    for (unsigned k = 0; k < KINDS && !opening; k++) {
        channel *c = &s->channels[k];
        if (all || is_ack_due(s, k)) {
            at = w4_inbox_put_ack(&c->in, (w4_channel_kind)k, c->out.ask_due, at);
            c->out.ask_due = false;
        }
    }
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

static void get_ready(const w4_session *s, size_t ret_ready[static KINDS]) {
    for (unsigned k = 0; k < KINDS; k++) {
        ret_ready[k] = w4_outbox_ready(&s->channels[k].out);
    }
}

static uint8_t *put_data(w4_session *s, uint8_t *at, const uint8_t *end, uint64_t now_us) {
    size_t ready[KINDS];
    w4_channel_kind kind;
    get_ready(s, ready);
    while (w4_schedule_pick(&s->schedule, ready, &kind) && ready[kind] <= (size_t)(end - at)) {
        at = w4_outbox_put(&s->channels[kind].out, kind, at, now_us);
        w4_schedule_sent(&s->schedule, kind, ready[kind]);
        ready[kind] = w4_outbox_ready(&s->channels[kind].out);
        s->moved = true;
    }
    return at;
}

static bool has_data(const w4_session *s) {
    size_t ready[KINDS];
    get_ready(s, ready);
    return ready[W4_CHANNEL_CONTROL] + ready[W4_CHANNEL_STATE] + ready[W4_CHANNEL_KNOWLEDGE] > 0;
}

/* No more than what waits, so that a lone PING does not claim a whole record's memory. */
static size_t record_room(const w4_session *s, bool with_data) {
    size_t room = W4_RECORD_OVERHEAD + CONTROL_LEN_MAX;
    for (unsigned k = 0; k < KINDS && with_data; k++) {
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
    if (s->phase == PHASE_CLOSING) {
        at = w4_close_put(at, s->end_code, s->end_text);
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
    s->open_at_us = w4_later(now_us, w4_rtt_timeout(&s->rtt, ++s->open_repeats));
    return 1;
}

int w4_session_emit(w4_session *session, w4_buffer *out, uint64_t now_us) {
    w4_session *s = session;
    int r;
    switch (s->phase) {
    case PHASE_DETACHED:
    case PHASE_CLOSED:
        return 0;
    case PHASE_OPENING:
        if (s->open_due && s->repeat) {
            return emit_repeat(s, out, now_us);
        }
        return s->heartbeat.pong_due ? emit_record(s, out, false, now_us) : 0;
    case PHASE_CLOSING:
        r = emit_record(s, out, false, now_us);
        if (r == 1) {
            finish(s, now_us);
        }
        return r;
    case PHASE_OPEN:
        break;
    }
    if (!has_control(s) && !has_data(s)) {
        return 0;
    }
    r = emit_record(s, out, true, now_us);
    for (unsigned k = 0; k < KINDS; k++) {
        w4_outbox_arm(&s->channels[k].out, &s->rtt, now_us);
    }
    return r;
}

void w4_session_hold_acks(w4_session *session, bool hold) {
    for (unsigned k = 0; k < KINDS; k++) {
        w4_inbox_hold(&session->channels[k].in, hold);
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

uint64_t w4_session_deadline(const w4_session *session) {
    const w4_session *s = session;
    uint64_t deadline = W4_NEVER;
    switch (s->phase) {
    case PHASE_CLOSED:
        return W4_NEVER;
    case PHASE_DETACHED:
        return w4_later(s->detached_us, s->config.resume_window_us);
    case PHASE_CLOSING:
        return s->close_by_us;
    case PHASE_OPENING:
        return w4_earlier(s->open_at_us, w4_later(s->attached_us, s->heartbeat.timeout_us));
    case PHASE_OPEN:
        deadline = w4_earlier(w4_heartbeat_deadline(&s->heartbeat), s->open_at_us);
        break;
    }
    for (unsigned k = 0; k < KINDS; k++) {
        deadline = w4_earlier(deadline, s->channels[k].out.timer_us);
    }
    return w4_earlier(deadline, w4_record_receiver_deadline(&s->receiver));
}

static void time_out(w4_session *s, uint64_t now_us) {
    set_end(s, W4_REFUSAL_TIMEOUT, "the peer is silent", false);
    tell(s, (notice){.kind = W4_SESSION_EVENT_HEARTBEAT_TIMEOUT, .code = W4_REFUSAL_TIMEOUT});
    lose_link(s, W4_REFUSAL_TIMEOUT, false, now_us);
}

/* What a busy session keeps for speed an idle one gives back. */
static void rest(w4_session *s) {
    if (!s->moved && s->incoming_first == s->incoming_count) {
        free_incoming(s);
    }
    s->moved = false;
}

static void expire_open(w4_session *s, uint64_t now_us) {
    if (w4_heartbeat_silent(&s->heartbeat, now_us)) {
        time_out(s, now_us);
        return;
    }
    if (w4_heartbeat_expire(&s->heartbeat, now_us)) {
        rest(s);
    }
    if (now_us >= s->open_at_us) {
        s->open_due = true;
        s->open_at_us = W4_NEVER;
    }
    for (unsigned k = 0; k < KINDS; k++) {
        w4_outbox_expire(&s->channels[k].out, &s->rtt, now_us);
    }
    w4_record_receiver_expire(&s->receiver, now_us);
}

int w4_session_expire(w4_session *session, uint64_t now_us) {
    w4_session *s = session;
    switch (s->phase) {
    case PHASE_CLOSED:
        break;
    case PHASE_DETACHED:
        if (now_us >= w4_later(s->detached_us, s->config.resume_window_us)) {
            set_end(s, W4_REFUSAL_DISCONNECTED, "no link came back in time", false);
            finish(s, now_us);
        }
        break;
    case PHASE_CLOSING:
        if (now_us >= s->close_by_us) {
            finish(s, now_us);
        }
        break;
    case PHASE_OPENING:
        if (now_us >= w4_later(s->attached_us, s->heartbeat.timeout_us)) {
            time_out(s, now_us);
        } else if (now_us >= s->open_at_us) {
            s->open_due = true;
            s->open_at_us = W4_NEVER;
        }
        break;
    case PHASE_OPEN:
        expire_open(s, now_us);
        break;
    }
    return 0;
}

/* ---- events */

static bool pop_notice(w4_session *s, w4_session_event *ret_event) {
    if (s->notice_count == 0) {
        return false;
    }
    notice n = s->notices[s->notice_first];
    s->notice_first = (s->notice_first + 1) % NOTICES_MAX;
    s->notice_count--;
    *ret_event = (w4_session_event){
        .kind = n.kind, .code = n.code, .resumed = n.resumed, .by_peer = n.by_peer};
    if (n.kind == W4_SESSION_EVENT_LINK_LOST) {
        memcpy(ret_event->text, s->end_text, sizeof ret_event->text);
    }
    return true;
}

static bool pop_ended(w4_session *s, w4_session_event *ret_event) {
    for (unsigned k = 0; k < KINDS; k++) {
        uint64_t token;
        w4_refusal outcome;
        if (w4_outbox_pop_ended(&s->channels[k].out, &token, &outcome)) {
            *ret_event = (w4_session_event){
                .kind = outcome == W4_REFUSAL_NONE ? W4_SESSION_EVENT_DELIVERED
                                                   : W4_SESSION_EVENT_FAILED,
                .channel = (w4_channel_kind)k,
                .token = token,
                .code = outcome,
            };
            return true;
        }
    }
    return false;
}

static bool pop_incoming(w4_session *s, w4_session_event *ret_event) {
    if (s->incoming_first == s->incoming_count) {
        return false;
    }
    const incoming *item = &s->incoming[s->incoming_first++];
    *ret_event = (w4_session_event){
        .kind = W4_SESSION_EVENT_MESSAGE, .channel = item->kind, .message = item->message};
    s->lent = item->owned;
    return true;
}

static bool pop_writable(w4_session *s, w4_session_event *ret_event) {
    for (unsigned k = 0; k < KINDS && s->phase != PHASE_CLOSED; k++) {
        if (w4_outbox_pop_writable(&s->channels[k].out)) {
            *ret_event = (w4_session_event){.kind = W4_SESSION_EVENT_WRITABLE,
                                            .channel = (w4_channel_kind)k};
            return true;
        }
    }
    return false;
}

static bool pop_end(w4_session *s, w4_session_event *ret_event) {
    if (s->phase != PHASE_CLOSED || s->end_told) {
        return false;
    }
    s->end_told = true;
    *ret_event = (w4_session_event){
        .kind = W4_SESSION_EVENT_CLOSED, .code = s->end_code, .by_peer = s->end_by_peer};
    memcpy(ret_event->text, s->end_text, sizeof ret_event->text);
    return true;
}

bool w4_session_pop_event(w4_session *session, w4_session_event *ret_event) {
    take_back_lent(session);
    return pop_notice(session, ret_event) || pop_ended(session, ret_event) ||
           pop_incoming(session, ret_event) || pop_writable(session, ret_event) ||
           pop_end(session, ret_event);
}

/* ---- the application */

int w4_session_send(w4_session *session, w4_channel_kind channel_kind, w4_bytes message,
                    uint64_t token, uint64_t now_us) {
    w4_outbox *out = &session->channels[channel_kind].out;
    if (session->phase == PHASE_CLOSING || session->phase == PHASE_CLOSED) {
        w4_outbox_count_error(out);
        return W4_SESSION_E_CLOSED;
    }
    size_t len_max = session->has_peer ? session->peer.max_message : session->config.max_message;
    return w4_outbox_push(out, message, len_max, token, now_us);
}

void w4_session_consumed(w4_session *session, w4_channel_kind channel_kind, uint32_t n) {
    w4_inbox_consumed(&session->channels[channel_kind].in, n);
}

const w4_hello *w4_session_peer(const w4_session *session) {
    return session->has_peer ? &session->peer : NULL;
}

const uint8_t *w4_session_id(const w4_session *session) {
    return session->id;
}

void w4_session_stats_get(const w4_session *session, w4_session_stats *ret_stats) {
    *ret_stats = session->stats;
    ret_stats->rekeys += session->sender.rekeys;
    ret_stats->rtt_us = session->rtt.smoothed_us;
    ret_stats->attached = has_link(session);
}

const w4_channel_stats *w4_session_channel_stats(const w4_session *session,
                                                 w4_channel_kind channel_kind) {
    return &session->channels[channel_kind].out.stats;
}

void w4_session_latency(const w4_session *session, w4_channel_kind channel_kind,
                        w4_histogram *ret_latency_us) {
    w4_outbox_latency(&session->channels[channel_kind].out, ret_latency_us);
}

size_t w4_session_memory(const w4_session *session) {
    size_t bytes = sizeof *session + session->plain_cap + session->repeat_len +
                   session->incoming_cap * sizeof *session->incoming;
    for (unsigned k = 0; k < KINDS; k++) {
        bytes += w4_outbox_memory(&session->channels[k].out);
        bytes += session->channels[k].in.partial.cap;
    }
    return bytes;
}
