#include "session/state.h"

#include "session/close.h"
#include "session/contract.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ORDINAL_MAX ((UINT32_C(1) << 21) - 1) /* seqs stay below 2^53, as JSON has them */
#define REPEATS_MAX 16u

/* Opening channels, and what else comes of what the peer says about them, in a burst and a second.
 * We keep well within what we bear of others. */
static const w4_token_rate of_ours = {128, 32}, of_peer = {512, 128};

/* ---- the channels that are there */

static void init_channel(w4_session *s, w4_channel *c, w4_channel_kind kind, uint16_t id) {
    *c = (w4_channel){.id = id, .kind = kind, .state = W4_CHANNEL_OPEN};
    w4_outbox_init(&c->out, kind, &s->limits[kind], &s->sending, &s->pace);
    w4_inbox_init(&c->in, kind, s->credit[kind], s->max_message, &s->budget);
    w4_inbox_hold(&c->in, s->acks_held);
}

static void join_ring(w4_session *s, w4_channel *c) {
    w4_channel *turn = s->turn[c->kind];
    if (turn) {
        c->next_of_kind = turn->next_of_kind;
        turn->next_of_kind = c;
    } else {
        c->next_of_kind = c;
        s->turn[c->kind] = c;
    }
}

int w4_session_make_channel(w4_session *s, w4_channel_kind kind, w4_channel **ret_channel) {
    if (!s->channels[kind]) {
        w4_channel *c = malloc(sizeof *c);
        if (!c) {
            return -ENOMEM;
        }
        init_channel(s, c, kind, W4_CHANNEL_ID(kind));
        c->out.allowed = s->rest[kind].allowed;
        c->in.granted = s->rest[kind].granted;
        c->in.ack_due = s->rest[kind].ack_due;
        join_ring(s, c);
        s->channels[kind] = c;
    }
    *ret_channel = s->channels[kind];
    return 0;
}

static w4_channel *free_channel(w4_channel *c) {
    w4_outbox_deinit(&c->out);
    w4_inbox_deinit(&c->in);
    free(c->talk);
    free(c);
    return NULL;
}

void w4_session_channels_deinit(w4_session *s) {
    w4_channel *c;
    for (unsigned i = 0; (c = w4_session_next_channel(s, &i)) != NULL;) {
        free_channel(c);
    }
    free(s->table);
}

size_t w4_session_channels_memory(const w4_session *s) {
    size_t bytes = s->table ? sizeof *s->table : 0;
    const w4_channel *c;
    for (unsigned i = 0; (c = w4_session_next_channel(s, &i)) != NULL;) {
        bytes += sizeof *c;
        bytes += c->talk ? sizeof *c->talk : 0;
        bytes += w4_outbox_latency_memory(&c->out);
    }
    return bytes;
}

w4_channel *w4_session_channel_by_id(const w4_session *s, uint16_t id) {
    if (w4_session_is_standing(id)) {
        return s->channels[id - W4_FRAME_CHANNEL(0)];
    }
    for (unsigned i = 0; s->table && i < s->table->count; i++) {
        w4_channel *c = s->table->at[i];
        if (c->id == id && !c->talk->over) {
            return c;
        }
    }
    return NULL;
}

int w4_session_use_channel(w4_session *s, uint16_t id, w4_channel **ret_channel) {
    if (w4_session_is_standing(id)) {
        return w4_session_make_channel(s, (w4_channel_kind)(id - W4_FRAME_CHANNEL(0)), ret_channel);
    }
    w4_channel *c = w4_session_channel_by_id(s, id);
    if (!c || c->state == W4_CHANNEL_CLOSING) {
        return W4_SESSION_E_NO_CHANNEL;
    }
    *ret_channel = c;
    return 0;
}

static w4_channel *find_exactly(const w4_session *s, uint16_t id, uint32_t ordinal) {
    w4_channel *c = w4_session_channel_by_id(s, id);
    uint32_t of_it = c && c->talk ? c->talk->ordinal : 0;
    return c && of_it == ordinal ? c : NULL;
}

static int make_table(w4_session *s, uint64_t now_us) {
    if (!s->table) {
        s->table = calloc(1, sizeof *s->table);
        if (!s->table) {
            return -ENOMEM;
        }
        s->table->ours = w4_tokens_full(&of_ours, now_us);
        s->table->peer = w4_tokens_full(&of_peer, now_us);
    }
    return 0;
}

static int make_talk(w4_channel *c) {
    if (!c->talk) {
        c->talk = malloc(sizeof *c->talk);
        if (!c->talk) {
            return -ENOMEM;
        }
        *c->talk = (w4_channel_talk){.answered = true,
                                     .repeat_at_us = W4_NEVER,
                                     .contract = W4_SLA_NO_CONTRACT,
                                     .peer_contract = W4_SLA_NO_CONTRACT};
    }
    return 0;
}

static bool has_room(const w4_session *s) {
    return W4_KINDS + s->table->count < s->channels_max &&
           w4_byte_budget_left(&s->budget) >= W4_CHANNEL_BYTES;
}

static int add_channel(w4_session *s, w4_channel_kind kind, uint16_t id, uint32_t ordinal,
                       w4_channel **ret_channel) {
    w4_channel *c = malloc(sizeof *c);
    if (!c) {
        return -ENOMEM;
    }
    init_channel(s, c, kind, id);
    if (make_talk(c) < 0) {
        return free_channel(c) ? 0 : -ENOMEM;
    }
    uint64_t first = w4_frame_word(ordinal, 0);
    w4_outbox_begin_at(&c->out, first);
    w4_inbox_begin_at(&c->in, first);
    c->talk->ordinal = ordinal;
    join_ring(s, c);
    s->table->at[s->table->count++] = c;
    w4_byte_budget_force(&s->budget, W4_CHANNEL_BYTES); /* there is room */
    *ret_channel = c;
    return 0;
}

static void remove_channel(w4_session *s, unsigned place) {
    w4_channel *c = s->table->at[place];
    w4_channel *before = c;
    while (before->next_of_kind != c) {
        before = before->next_of_kind;
    }
    before->next_of_kind = c->next_of_kind;
    if (s->turn[c->kind] == c) {
        s->turn[c->kind] = before == c ? NULL : c->next_of_kind;
    }
    s->table->at[place] = s->table->at[--s->table->count];
    free_channel(c);
    w4_byte_budget_give(&s->budget, W4_CHANNEL_BYTES);
}

/* Those of which nothing is left to say, to either side. */
static void sweep(w4_session *s) {
    for (unsigned i = 0; s->table && i < s->table->count;) {
        const w4_channel *c = s->table->at[i];
        if (c->talk->over && !c->talk->tell_closed && c->out.memory == 0) {
            remove_channel(s, i);
        } else {
            i++;
        }
    }
}

/* ---- words */

static void say(w4_channel *c) {
    c->talk->due = true;
    c->talk->answered = false;
    c->talk->repeats = 0;
    c->talk->repeat_at_us = W4_NEVER;
}

static void stop_saying(w4_channel *c) {
    c->talk->due = false;
    c->talk->answered = true;
    c->talk->repeats = 0;
    c->talk->repeat_at_us = W4_NEVER;
}

static void end_messages(w4_channel *c) {
    w4_outbox_fail_all(&c->out, W4_REFUSAL_DISCONNECTED);
    w4_inbox_end(&c->in);
}

/* The end of a channel that the owner has to be told of. */
static void end_channel(w4_channel *c, w4_refusal code, bool by_peer) {
    end_messages(c);
    c->talk->tell_open = c->talk->tell_contract = false;
    c->talk->answer_due = false;
    c->talk->tell_closed = true;
    c->talk->by_peer = by_peer;
    c->talk->code = code;
}

static void set_over(w4_channel *c) {
    stop_saying(c);
    c->state = W4_CHANNEL_CLOSING;
    c->talk->over = true;
}

void w4_session_channels_afresh(w4_session *s, uint64_t now_us) {
    for (unsigned k = 0; k < W4_KINDS; k++) {
        w4_channel *c = s->channels[k];
        s->rest[k].allowed = s->rest[k].granted = 0;
        if (!c) {
            continue;
        }
        w4_outbox_restart(&c->out, now_us);
        w4_inbox_restart(&c->in);
        if (c->talk) {
            c->talk->peer_version = 0;
            c->talk->peer_contract = W4_SLA_NO_CONTRACT;
            if (c->talk->version > 0) {
                say(c);
            }
        }
    }
    if (!s->table) {
        return;
    }
    for (unsigned i = 0; i < s->table->count; i++) {
        w4_channel *c = s->table->at[i];
        if (c->state != W4_CHANNEL_CLOSING) {
            end_channel(c, W4_REFUSAL_DISCONNECTED, false);
        }
        set_over(c);
    }
    s->table->opened = s->table->seen_top = 0;
    s->table->seen = 0;
    s->table->stray_count = 0;
    sweep(s);
}

void w4_session_channels_link_down(w4_session *s) {
    w4_channel *c;
    for (unsigned i = 0; (c = w4_session_next_channel(s, &i)) != NULL;) {
        w4_outbox_link_down(&c->out);
        if (c->talk) {
            c->talk->answer_due = false; /* they ask again */
        }
    }
    if (s->table) {
        s->table->stray_count = 0;
    }
}

/* What the configuration promises for those that are always open. Without memory to say so it is
 * said with the next link. */
static void announce_limits(w4_session *s) {
    for (unsigned k = 0; k < W4_KINDS; k++) {
        const w4_sla_contract *contract = &s->limits[k].sla;
        const w4_channel_talk *talk = s->channels[k] ? s->channels[k]->talk : NULL;
        const w4_sla_contract *told = talk ? &talk->contract : &W4_SLA_NO_CONTRACT;
        if (w4_sla_exists(contract) ? memcmp(contract, told, sizeof *told) != 0
                                    : w4_sla_exists(told)) {
            (void)w4_session_channel_announce(s, W4_CHANNEL_ID(k), contract);
        }
    }
}

void w4_session_channels_limits_changed(w4_session *s, uint64_t now_us) {
    w4_channel *c;
    for (unsigned i = 0; (c = w4_session_next_channel(s, &i)) != NULL;) {
        w4_outbox_limits_changed(&c->out, &s->limits[c->kind], now_us);
    }
    announce_limits(s);
}

void w4_session_raise_max_message(w4_session *s) {
    w4_channel *c;
    if (s->config->max_message > s->max_message) {
        s->max_message = s->config->max_message;
    }
    for (unsigned i = 0; (c = w4_session_next_channel(s, &i)) != NULL;) {
        c->in.partial.max = s->max_message;
    }
}

void w4_session_channels_link_agreed(w4_session *s) {
    w4_channel *c;
    announce_limits(s);
    for (unsigned i = 0; (c = w4_session_next_channel(s, &i)) != NULL;) {
        if (c->talk && !c->talk->answered) {
            say(c);
        }
    }
}

/* ---- what the peer says */

static int add_stray(w4_session *s, uint16_t id, uint32_t ordinal, w4_refusal code,
                     uint64_t now_us) {
    int r = make_table(s, now_us);
    if (r < 0) {
        return r;
    }
    s->stats.strays++;
    for (unsigned i = 0; i < s->table->stray_count; i++) {
        if (s->table->strays[i].id == id && s->table->strays[i].ordinal == ordinal) {
            return 0; /* one answer for all that came together */
        }
    }
    if (!w4_tokens_take(&s->table->peer, &of_peer, 1, now_us)) {
        w4_session_close_with(s, W4_REFUSAL_RATE_LIMITED, "too much ado about channels", now_us);
    } else if (s->table->stray_count < W4_STRAYS_MAX) { /* else they ask again */
        s->table->strays[s->table->stray_count++] = (w4_stray){id, ordinal, code};
    }
    return 0;
}

/* The peer has taken our channel. */
static void set_open(w4_channel *c) {
    c->state = W4_CHANNEL_OPEN;
    c->talk->tell_open = true;
    c->in.ack_due = true;
}

static bool is_of_peer(const w4_session *s, uint16_t id) {
    return (id % 2 == 0) != s->began;
}

w4_channel *w4_session_channel_of(w4_session *s, const w4_frame *frame, uint64_t now_us) {
    w4_channel *c = w4_session_channel_by_id(s, frame->channel);
    if (c && c->talk->ordinal == w4_frame_ordinal(frame->seq)) {
        if (c->state == W4_CHANNEL_OPENING && frame->type == W4_FRAME_ACK) {
            set_open(c);
        }
        return c->state == W4_CHANNEL_OPEN ? c : NULL;
    }
    /* It may be late, of a channel that is closed: then the answer is passed over. */
    (void)add_stray(s, frame->channel, w4_frame_ordinal(frame->seq), W4_REFUSAL_NOT_FOUND, now_us);
    return NULL;
}

/* Has this one of the peer's been there before? Then it is closed by now. */
static bool is_seen(w4_channel_table *t, uint32_t ordinal) {
    if (ordinal > t->seen_top) {
        uint32_t step = ordinal - t->seen_top;
        t->seen = step < 64 ? t->seen << step : 0;
        t->seen |= step <= 64 && t->seen_top > 0 ? UINT64_C(1) << (step - 1) : 0;
        t->seen_top = ordinal;
        return false;
    }
    uint32_t back = t->seen_top - ordinal;
    if (back == 0 || back > 64) {
        return true;
    }
    bool seen = (t->seen >> (back - 1) & 1) != 0;
    t->seen |= UINT64_C(1) << (back - 1);
    return seen;
}

static void answer(w4_channel *c, uint32_t version) {
    c->talk->answer_due = true;
    c->talk->answer_version = version;
    c->in.ack_due = true;
}

static void take_contract(w4_channel *c, uint32_t version, const w4_sla_contract *contract) {
    if (version <= c->talk->peer_version) {
        return;
    }
    bool first = c->talk->peer_version == 0;
    c->talk->peer_version = version;
    c->talk->tell_contract = !first || w4_sla_exists(contract);
    c->talk->peer_contract = *contract;
}

static int open_for_peer(w4_session *s, const w4_frame *frame, w4_channel_kind kind,
                         const w4_sla_contract *contract, uint64_t now_us) {
    uint32_t ordinal = w4_frame_ordinal(frame->seq);
    w4_channel_table *t = s->table;
    w4_channel *c;
    if (!is_of_peer(s, frame->channel) || is_seen(t, ordinal)) {
        return add_stray(s, frame->channel, ordinal, W4_REFUSAL_NOT_FOUND, now_us);
    }
    if (!has_room(s) || w4_session_channel_by_id(s, frame->channel)) {
        return add_stray(s, frame->channel, ordinal, W4_REFUSAL_OVERLOADED, now_us);
    }
    if (!w4_tokens_take(&t->peer, &of_peer, 1, now_us)) {
        w4_session_close_with(s, W4_REFUSAL_RATE_LIMITED, "channels opened too fast", now_us);
        return 0;
    }
    int r = add_channel(s, kind, frame->channel, ordinal, &c);
    if (r < 0) {
        return r;
    }
    c->talk->tell_open = true;
    c->talk->by_peer = true;
    c->talk->peer_version = w4_frame_version(frame->seq);
    c->talk->peer_contract = *contract;
    answer(c, c->talk->peer_version);
    return 0;
}

/* Our OPEN has been read. */
static void recv_open_done(w4_session *s, const w4_frame *frame) {
    w4_channel *c = find_exactly(s, frame->channel, w4_frame_ordinal(frame->seq));
    if (!c || !c->talk || c->state == W4_CHANNEL_CLOSING) {
        return;
    }
    if (w4_frame_version(frame->seq) == c->talk->version) {
        stop_saying(c);
    }
    if (c->state == W4_CHANNEL_OPENING) {
        set_open(c);
    }
}

int w4_session_recv_channel_open(w4_session *s, const w4_frame *frame, uint64_t now_us) {
    if (frame->flags & W4_FRAME_DONE) {
        recv_open_done(s, frame);
        return 0;
    }
    uint32_t ordinal = w4_frame_ordinal(frame->seq);
    uint32_t version = w4_frame_version(frame->seq);
    bool standing = frame->channel < W4_FRAME_CHANNEL_OPENED;
    if (version == 0 || ordinal > ORDINAL_MAX || standing != (ordinal == 0)) {
        w4_session_close_with(s, W4_REFUSAL_UNSUPPORTED_VERSION, "OPEN without a good word",
                              now_us);
        return 0;
    }
    w4_channel_kind kind;
    w4_sla_contract contract;
    int r = w4_open_parse(frame->payload, &kind, &contract);
    r = r < 0 ? r : make_table(s, now_us) < 0 ? -ENOMEM : r;
    if (r < 0) {
        return r;
    }
    w4_channel *c = NULL;
    if (standing && w4_session_use_channel(s, frame->channel, &c) < 0) {
        return -ENOMEM;
    }
    c = standing ? c : find_exactly(s, frame->channel, ordinal);
    if (r > 0 || (c && c->kind != kind)) {
        if (!c) {
            return add_stray(s, frame->channel, ordinal, W4_REFUSAL_BAD_JSON, now_us);
        }
        w4_session_close_with(s, W4_REFUSAL_BAD_JSON, "OPEN is not well formed", now_us);
        return 0;
    }
    if (!c) {
        return open_for_peer(s, frame, kind, &contract, now_us);
    }
    if (c->state == W4_CHANNEL_CLOSING) {
        return 0; /* they will hear of that */
    }
    r = make_talk(c);
    if (r == 0) {
        take_contract(c, version, &contract);
        answer(c, version);
    }
    return r;
}

void w4_session_recv_channel_close(w4_session *s, const w4_frame *frame, uint64_t now_us) {
    w4_refusal code = W4_REFUSAL_NONE;
    char text[W4_END_TEXT_MAX];
    bool done = (frame->flags & W4_FRAME_DONE) != 0;
    if ((frame->payload.len > 0 || !done) &&
        !w4_close_parse(frame->payload, &code, text, sizeof text)) {
        w4_session_close_with(s, W4_REFUSAL_UNSUPPORTED_VERSION, "malformed CLOSE_CHANNEL", now_us);
        return;
    }
    uint32_t ordinal = w4_frame_ordinal(frame->seq);
    w4_channel *c = find_exactly(s, frame->channel, ordinal);
    if (c) {
        if (c->state != W4_CHANNEL_CLOSING) {
            end_channel(c, code, true);
        }
        set_over(c);
        sweep(s);
    }
    if (!done) {
        (void)add_stray(s, frame->channel, ordinal, W4_REFUSAL_NONE, now_us);
    }
}

/* ---- what goes out */

/* A peer that knows nothing of channels is told nothing of them. */
static bool has_word(const w4_session *s, const w4_channel *c) {
    return c->talk && (c->talk->due || c->talk->answer_due) && w4_session_knows_channels(s);
}

bool w4_session_channels_due(const w4_session *s) {
    if (s->table && s->table->stray_count > 0) {
        return true;
    }
    const w4_channel *c;
    for (unsigned i = 0; (c = w4_session_next_channel(s, &i)) != NULL;) {
        if (has_word(s, c)) {
            return true;
        }
    }
    return false;
}

size_t w4_session_channels_len(const w4_session *s) {
    size_t len = 0;
    const w4_channel *c;
    for (unsigned i = 0; (c = w4_session_next_channel(s, &i)) != NULL;) {
        if (has_word(s, c)) {
            len += w4_frame_len(W4_OPEN_LEN_OURS) + w4_frame_len(0);
        }
        len += c->id < W4_FRAME_CHANNEL_OPENED ? 0 : w4_frame_len(W4_ACK_LEN);
    }
    return s->table ? len + s->table->stray_count * w4_frame_len(W4_CLOSE_LEN_SHORT) : len;
}

static uint8_t *put_word(w4_session *s, w4_channel *c, uint8_t *at, uint64_t now_us) {
    w4_channel_talk *t = c->talk;
    t->due = false;
    t->repeat_at_us = w4_later(now_us, w4_rtt_timeout(&s->rtt, t->repeats));
    t->repeats += t->repeats < REPEATS_MAX ? 1 : 0;
    if (c->state == W4_CHANNEL_CLOSING) {
        return w4_close_channel_put(at, c->id, w4_frame_word(t->ordinal, 0), 0, t->code);
    }
    uint8_t text[W4_OPEN_LEN_OURS];
    w4_frame frame = {
        .type = W4_FRAME_OPEN,
        .channel = c->id,
        .seq = w4_frame_word(t->ordinal, t->version),
        .payload = w4_bytes_of(text, w4_open_encode(c->kind, &t->contract, text)),
    };
    return w4_frame_put(at, &frame);
}

static uint8_t *put_answer(w4_channel *c, uint8_t *at) {
    w4_frame frame = {
        .type = W4_FRAME_OPEN,
        .flags = W4_FRAME_DONE,
        .channel = c->id,
        .seq = w4_frame_word(c->talk->ordinal, c->talk->answer_version),
    };
    c->talk->answer_due = false;
    return w4_frame_put(at, &frame);
}

uint8_t *w4_session_put_channels(w4_session *s, uint8_t *at, uint64_t now_us) {
    w4_channel *c;
    for (unsigned i = 0; (c = w4_session_next_channel(s, &i)) != NULL;) {
        if (has_word(s, c) && c->talk->answer_due) {
            at = put_answer(c, at);
        }
        if (has_word(s, c)) {
            at = put_word(s, c, at, now_us);
        }
    }
    for (unsigned i = 0; s->table && i < s->table->stray_count; i++) {
        const w4_stray *stray = &s->table->strays[i];
        at = w4_close_channel_put(at, stray->id, w4_frame_word(stray->ordinal, 0), W4_FRAME_DONE,
                                  stray->code);
    }
    if (s->table) {
        s->table->stray_count = 0;
    }
    return at;
}

/* ---- time */

uint64_t w4_session_channels_deadline(const w4_session *s) {
    uint64_t deadline = W4_NEVER;
    const w4_channel *c;
    for (unsigned i = 0; (c = w4_session_next_channel(s, &i)) != NULL;) {
        deadline = w4_earlier(deadline, w4_outbox_deadline(&c->out));
        if (c->talk && s->phase == W4_PHASE_OPEN) {
            deadline = w4_earlier(deadline, c->talk->repeat_at_us);
        }
    }
    return deadline;
}

void w4_session_channels_expire(w4_session *s, uint64_t now_us) {
    w4_channel *c;
    for (unsigned i = 0; (c = w4_session_next_channel(s, &i)) != NULL;) {
        w4_outbox_expire(&c->out, &s->rtt, now_us);
        if (c->talk && s->phase == W4_PHASE_OPEN && now_us >= c->talk->repeat_at_us) {
            c->talk->due = true;
            c->talk->repeat_at_us = W4_NEVER;
        }
    }
}

/* ---- what the owner is told */

static bool tell(const w4_channel *c, w4_session_event_kind kind, w4_session_event *ret_event) {
    *ret_event = (w4_session_event){
        .kind = kind, .channel = c->kind, .channel_id = c->id, .by_peer = c->talk->by_peer};
    return true;
}

bool w4_session_channels_pop_open(w4_session *s, w4_session_event *ret_event) {
    w4_channel *c;
    for (unsigned i = 0; (c = w4_session_next_channel(s, &i)) != NULL;) {
        if (c->talk && c->talk->tell_open) {
            c->talk->tell_open = false;
            return tell(c, W4_SESSION_EVENT_CHANNEL_OPEN, ret_event);
        }
        if (c->talk && c->talk->tell_contract) {
            c->talk->tell_contract = false;
            tell(c, W4_SESSION_EVENT_CONTRACT, ret_event);
            ret_event->by_peer = true;
            return true;
        }
    }
    return false;
}

bool w4_session_channels_pop_closed(w4_session *s, w4_session_event *ret_event) {
    for (unsigned i = 0; s->table && i < s->table->count; i++) {
        w4_channel *c = s->table->at[i];
        if (c->talk->tell_closed) {
            c->talk->tell_closed = false;
            tell(c, W4_SESSION_EVENT_CHANNEL_CLOSED, ret_event);
            ret_event->code = c->talk->code;
            sweep(s);
            return true;
        }
    }
    return false;
}

/* ---- what the owner wants */

/* Numbers come round again after 32,766 of them; the one that is due is not in use, unless its
 * channel has lived through all the others. */
static uint16_t number_of(const w4_session *s, uint32_t ordinal) {
    uint32_t first = W4_FRAME_CHANNEL_OPENED + (s->began ? 0 : 1);
    return (uint16_t)(first + (ordinal - 1) % 32766 * 2);
}

int w4_session_channel_open(w4_session *session, w4_channel_kind kind,
                            const w4_sla_contract *contract, uint64_t now_us, uint16_t *ret_id) {
    w4_session *s = session;
    if (w4_session_has_ended(s)) {
        return W4_SESSION_E_CLOSED;
    }
    if (!s->has_id || s->phase == W4_PHASE_OPENING || !w4_session_knows_channels(s)) {
        return W4_SESSION_E_UNSUPPORTED;
    }
    int r = make_table(s, now_us);
    if (r < 0) {
        return r;
    }
    uint32_t ordinal = s->table->opened + 1;
    uint16_t id = number_of(s, ordinal);
    if (!has_room(s) || ordinal > ORDINAL_MAX || w4_session_channel_by_id(s, id) ||
        !w4_tokens_take(&s->table->ours, &of_ours, 1, now_us)) {
        return W4_SESSION_E_CHANNELS;
    }
    w4_channel *c;
    r = add_channel(s, kind, id, ordinal, &c);
    if (r < 0) {
        return r;
    }
    s->table->opened = ordinal;
    c->ours = true;
    c->state = W4_CHANNEL_OPENING;
    c->talk->version = 1;
    if (contract) {
        c->talk->contract = *contract;
    }
    say(c);
    *ret_id = id;
    return 0;
}

bool w4_session_channel_close(w4_session *session, uint16_t id, w4_refusal code) {
    w4_channel *c = w4_session_channel_by_id(session, id);
    if (!c || id < W4_FRAME_CHANNEL_OPENED || c->state == W4_CHANNEL_CLOSING ||
        w4_session_has_ended(session)) {
        return false;
    }
    end_channel(c, code, false);
    c->state = W4_CHANNEL_CLOSING;
    say(c);
    return true;
}

int w4_session_channel_announce(w4_session *session, uint16_t id, const w4_sla_contract *contract) {
    w4_channel *c = w4_session_channel_by_id(session, id);
    bool at_rest = !c && w4_session_is_standing(id);
    if ((at_rest || (c && !c->talk)) && (!contract || !w4_sla_exists(contract))) {
        return 0;
    }
    int r = w4_session_use_channel(session, id, &c);
    r = r == 0 ? make_talk(c) : r;
    if (r != 0) {
        return r;
    }
    c->talk->contract = contract ? *contract : W4_SLA_NO_CONTRACT;
    c->talk->version++;
    say(c);
    return 0;
}
