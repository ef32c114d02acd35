#include "session/outbox.h"

#include "base/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GAPS_TO_GO_BACK 2u
#define REPEATS_MAX 16u

void w4_outbox_init(w4_outbox *o, const w4_channel_limits *limits) {
    memset(o, 0, sizeof *o);
    o->limits = limits;
    STAILQ_INIT(&o->messages);
    STAILQ_INIT(&o->ended);
    o->timer_us = W4_NEVER;
}

static void free_list(struct w4_message_list *list) {
    w4_message *m;
    while ((m = STAILQ_FIRST(list)) != NULL) {
        STAILQ_REMOVE_HEAD(list, entry);
        free(m);
    }
}

void w4_outbox_deinit(w4_outbox *o) {
    free_list(&o->messages);
    free_list(&o->ended);
    o->next = NULL;
    free(o->latency_us);
    o->latency_us = NULL;
}

static uint32_t parts_of(const w4_message *m) {
    return m->len == 0 ? 1 : (m->len + W4_PART_LEN - 1) / W4_PART_LEN;
}

static uint32_t part_len(const w4_message *m, uint64_t part) {
    uint32_t start = (uint32_t)part * W4_PART_LEN;
    return m->len - start < W4_PART_LEN ? m->len - start : W4_PART_LEN;
}

static void add_latency(w4_outbox *o, uint64_t us) {
    if (!o->latency_us && o->sample_count < W4_OUTBOX_SAMPLES) {
        o->samples[o->sample_count++] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
        return;
    }
    if (!o->latency_us) {
        /* Without memory for it the first samples stay what is known. */
        w4_histogram *full = calloc(1, sizeof *full);
        if (!full) {
            return;
        }
        w4_outbox_latency(o, full);
        o->latency_us = full;
    }
    w4_histogram_add(o->latency_us, us);
}

void w4_outbox_latency(const w4_outbox *o, w4_histogram *ret_latency_us) {
    if (o->latency_us) {
        *ret_latency_us = *o->latency_us;
        return;
    }
    w4_histogram_clear(ret_latency_us);
    for (unsigned i = 0; i < o->sample_count; i++) {
        w4_histogram_add(ret_latency_us, o->samples[i]);
    }
}

/* The message has left the list of the living: it waits with its outcome for the owner. */
static void end(w4_outbox *o, w4_message *m, w4_refusal outcome) {
    if (m->started) {
        o->stats.in_flight--;
    } else {
        o->stats.queued--;
    }
    o->stats.queued_bytes -= m->len;
    m->outcome = outcome;
    STAILQ_INSERT_TAIL(&o->ended, m, entry);
    o->ended_count++;
}

static void end_head(w4_outbox *o, w4_refusal outcome) {
    w4_message *m = STAILQ_FIRST(&o->messages);
    if (o->next == m) {
        o->next = STAILQ_NEXT(m, entry);
        o->next_part = 0;
    }
    STAILQ_REMOVE_HEAD(&o->messages, entry);
    end(o, m, outcome);
}

static void fail_head(w4_outbox *o, w4_refusal code) {
    o->stats.failed++;
    end_head(o, code);
}

static bool is_full(const w4_outbox *o, size_t len) {
    return o->stats.queued + o->stats.in_flight >= o->limits->messages_max ||
           o->ended_count >= o->limits->messages_max ||
           o->stats.queued_bytes > o->limits->bytes_max || /* they may have become less */
           len > o->limits->bytes_max - o->stats.queued_bytes;
}

static void end_queued(w4_outbox *o, w4_message *m, w4_refusal outcome) {
    if (o->next == m) {
        o->next = STAILQ_NEXT(m, entry);
        o->next_part = 0;
    }
    STAILQ_REMOVE(&o->messages, m, w4_message, entry);
    end(o, m, outcome);
}

/* Makes room by ending the oldest messages that were never sent; the rest is on its way. */
static bool drop_oldest(w4_outbox *o, size_t len) {
    w4_message *m = STAILQ_FIRST(&o->messages);
    while (m && m->started) {
        m = STAILQ_NEXT(m, entry);
    }
    while (m && is_full(o, len)) {
        w4_message *following = STAILQ_NEXT(m, entry);
        o->stats.dropped_oldest++;
        end_queued(o, m, W4_REFUSAL_BACKPRESSURE);
        m = following;
    }
    return !is_full(o, len);
}

/* 0: there is room now. */
static int make_room(w4_outbox *o, size_t len) {
    if (!is_full(o, len)) {
        return 0;
    }
    o->stats.overflow_events++;
    switch (o->limits->overflow) {
    case W4_OVERFLOW_DROP_OLDEST:
        if (drop_oldest(o, len)) {
            return 0;
        }
        break;
    case W4_OVERFLOW_DROP_NEWEST:
        o->stats.attempted++;
        o->stats.dropped_newest++;
        return W4_SESSION_E_DROPPED;
    case W4_OVERFLOW_BLOCK:
        /* Its producer waits and tries again: that will be the attempt. */
        o->stats.blocked++;
        o->wants_room = true;
        return W4_SESSION_E_FULL;
    case W4_OVERFLOW_ERROR:
    case W4_OVERFLOW_COUNT:
        break;
    }
    o->wants_room = true;
    w4_outbox_count_error(o);
    return W4_SESSION_E_FULL;
}

void w4_outbox_count_error(w4_outbox *o) {
    o->stats.attempted++;
    o->stats.errors++;
}

int w4_outbox_push(w4_outbox *o, w4_bytes message, size_t len_max, uint64_t token,
                   uint64_t now_us) {
    if (message.len > len_max || message.len > o->limits->bytes_max) {
        w4_outbox_count_error(o);
        return W4_SESSION_E_TOO_LARGE;
    }
    w4_message *m = malloc(sizeof *m + message.len);
    if (!m) {
        return -ENOMEM;
    }
    int r = make_room(o, message.len);
    if (r != 0) {
        free(m);
        return r;
    }
    memset(m, 0, sizeof *m);
    m->token = token;
    m->enqueued_us = now_us;
    m->len = (uint32_t)message.len;
    if (message.len > 0) {
        memcpy(m->data, message.data, message.len);
    }
    STAILQ_INSERT_TAIL(&o->messages, m, entry);
    if (!o->next) {
        o->next = m;
        o->next_part = 0;
    }
    o->stats.attempted++;
    o->stats.enqueued++;
    o->stats.queued++;
    o->stats.queued_bytes += message.len;
    uint32_t waiting = o->stats.queued + o->stats.in_flight;
    if (waiting > o->stats.max_queue_len) {
        o->stats.max_queue_len = waiting;
    }
    return 0;
}

static bool lacks_credit(const w4_outbox *o) {
    return o->next && !o->next->started && o->acked_messages + o->stats.in_flight >= o->allowed;
}

size_t w4_outbox_ready(const w4_outbox *o) {
    if (!o->next || lacks_credit(o)) {
        return 0;
    }
    size_t len = w4_frame_len(part_len(o->next, o->next_part));
    return o->flight == 0 || (o->flight < o->window && len <= o->window - o->flight) ? len : 0;
}

uint8_t *w4_outbox_put(w4_outbox *o, w4_channel_kind kind, uint8_t *at, uint64_t now_us) {
    w4_message *m = o->next;
    uint32_t len = part_len(m, o->next_part);
    bool last = o->next_part + 1 == parts_of(m);
    if (!m->started) {
        m->started = true;
        m->seq = o->position;
        o->stats.queued--;
        o->stats.in_flight++;
    }
    if (o->position < o->high) {
        m->repeated = true;
        o->stats.retransmitted++;
    }
    w4_frame frame = {
        .type = W4_FRAME_DATA,
        .flags = last ? W4_FRAME_FIN : 0,
        .channel = W4_FRAME_CHANNEL(kind),
        .seq = o->position,
        .payload = w4_bytes_of(m->data + (size_t)o->next_part * W4_PART_LEN, len),
    };
    at = w4_frame_put(at, &frame);
    m->sent_us = now_us;
    o->flight += w4_frame_len(len);
    o->stats.bytes_out += len;
    o->position++;
    if (o->position > o->high) {
        o->high = o->position;
    }
    o->next_part++;
    if (last) {
        o->next = STAILQ_NEXT(m, entry);
        o->next_part = 0;
    }
    return at;
}

static bool is_waiting(const w4_outbox *o) {
    return o->acked < o->position || lacks_credit(o);
}

void w4_outbox_arm(w4_outbox *o, const w4_rtt *rtt, uint64_t now_us) {
    if (!is_waiting(o)) {
        o->timer_us = W4_NEVER;
    } else if (o->timer_us == W4_NEVER) {
        o->timer_us = w4_later(now_us, w4_rtt_timeout(rtt, o->repeats));
    }
}

/* Back to the first part that is not acknowledged. */
static void go_back(w4_outbox *o) {
    w4_message *first = STAILQ_FIRST(&o->messages);
    if (first && first->started) {
        o->next = first;
        o->next_part = (uint32_t)(o->acked - first->seq);
    }
    o->position = o->acked;
    o->flight = 0;
    o->gaps = 0;
}

void w4_outbox_expire(w4_outbox *o, const w4_rtt *rtt, uint64_t now_us) {
    if (now_us < o->timer_us) {
        return;
    }
    o->timer_us = W4_NEVER;
    if (o->repeats < REPEATS_MAX) {
        o->repeats++;
    }
    if (o->acked < o->position) {
        go_back(o);
        o->recover = o->high;
        o->window = W4_OUTBOX_WINDOW_MIN;
    } else {
        o->ask_due = lacks_credit(o);
    }
    w4_outbox_arm(o, rtt, now_us);
}

bool w4_outbox_may_acknowledge(const w4_outbox *o, uint64_t seq) {
    return seq <= o->high;
}

/* One part further. Returns bytes of its frame. */
static size_t advance(w4_outbox *o, w4_rtt *rtt, uint64_t now_us) {
    w4_message *m = STAILQ_FIRST(&o->messages);
    uint64_t part = o->acked - m->seq;
    size_t len = w4_frame_len(part_len(m, part));
    if (o->acked < o->position) {
        o->flight -= len;
    }
    o->acked++;
    if (o->position < o->acked) {
        /* Acknowledged while it was to be sent again. */
        o->position = o->acked;
        o->next_part = (uint32_t)part + 1;
    }
    if (part + 1 == parts_of(m)) {
        if (!m->repeated) {
            w4_rtt_add(rtt, now_us - m->sent_us);
        }
        m->took_us = now_us - m->enqueued_us;
        add_latency(o, m->took_us);
        o->stats.delivered++;
        o->acked_messages++;
        end_head(o, W4_REFUSAL_NONE);
    }
    return len;
}

static void heed_gap(w4_outbox *o) {
    if (++o->gaps < GAPS_TO_GO_BACK || o->acked < o->recover || o->acked == o->position) {
        return;
    }
    o->window = o->flight / 2 > W4_OUTBOX_WINDOW_MIN ? o->flight / 2 : W4_OUTBOX_WINDOW_MIN;
    o->recover = o->high;
    go_back(o);
}

bool w4_outbox_acknowledge(w4_outbox *o, uint64_t seq, bool gap, w4_rtt *rtt, uint64_t now_us) {
    if (seq > o->high) {
        return false;
    }
    if (seq < o->acked) {
        return true;
    }
    if (seq > o->acked) {
        size_t bytes = 0;
        while (o->acked < seq) {
            bytes += advance(o, rtt, now_us);
        }
        o->window = o->window > SIZE_MAX - bytes ? SIZE_MAX : o->window + bytes;
        o->gaps = 0;
        o->repeats = 0;
        o->timer_us = W4_NEVER;
    }
    if (gap) {
        heed_gap(o);
    }
    return true;
}

void w4_outbox_grant(w4_outbox *o, uint64_t seq, uint32_t credit) {
    if (seq == o->acked && o->acked_messages + credit > o->allowed) {
        o->allowed = o->acked_messages + credit;
        if (o->acked == o->position) {
            o->repeats = 0; /* it was credit that we waited for */
            o->timer_us = W4_NEVER;
        }
    }
}

void w4_outbox_link_up(w4_outbox *o, bool ordered_link) {
    w4_outbox_link_down(o);
    o->window = ordered_link ? SIZE_MAX : W4_OUTBOX_WINDOW_MIN;
}

void w4_outbox_link_down(w4_outbox *o) {
    for (w4_message *m = STAILQ_FIRST(&o->messages); m && m->started; m = STAILQ_NEXT(m, entry)) {
        m->repeated = true; /* the time between links says nothing about the next one */
    }
    go_back(o);
    o->recover = 0;
    o->repeats = 0;
    o->timer_us = W4_NEVER;
    o->ask_due = false;
}

void w4_outbox_restart(w4_outbox *o) {
    w4_message *m;
    while ((m = STAILQ_FIRST(&o->messages)) != NULL && m->started) {
        fail_head(o, W4_REFUSAL_DISCONNECTED);
    }
    o->next = m;
    o->next_part = 0;
    o->acked = 0;
    o->high = 0;
    o->acked_messages = 0;
    o->allowed = 0;
    w4_outbox_link_down(o);
}

void w4_outbox_fail_all(w4_outbox *o, w4_refusal code) {
    while (!STAILQ_EMPTY(&o->messages)) {
        fail_head(o, code);
    }
    w4_outbox_link_down(o);
}

void w4_outbox_fail_larger(w4_outbox *o, size_t len_max) {
    w4_message *m = STAILQ_FIRST(&o->messages);
    while (m) {
        w4_message *following = STAILQ_NEXT(m, entry);
        if (!m->started && m->len > len_max) {
            o->stats.failed++;
            end_queued(o, m, W4_REFUSAL_TOO_LARGE);
        }
        m = following;
    }
}

bool w4_outbox_pop_ended(w4_outbox *o, uint64_t *ret_token, w4_refusal *ret_outcome,
                         uint64_t *ret_took_us) {
    w4_message *m = STAILQ_FIRST(&o->ended);
    if (!m) {
        return false;
    }
    STAILQ_REMOVE_HEAD(&o->ended, entry);
    o->ended_count--;
    *ret_token = m->token;
    *ret_outcome = m->outcome;
    *ret_took_us = m->took_us;
    free(m);
    return true;
}

/* They are in the order in which they were enqueued: the late ones come first. */
w4_sla_waiting w4_outbox_waiting(const w4_outbox *o, uint64_t longer_than_us, uint64_t now_us) {
    w4_sla_waiting waiting = {0};
    const w4_message *m = STAILQ_FIRST(&o->messages);
    for (; m && now_us - m->enqueued_us > longer_than_us; m = STAILQ_NEXT(m, entry)) {
        uint64_t age_us = now_us - m->enqueued_us;
        waiting.late++;
        waiting.oldest_us = age_us > waiting.oldest_us ? age_us : waiting.oldest_us;
    }
    return waiting;
}

/* A quarter free is worth waking somebody; less would wake it for every message. */
bool w4_outbox_pop_writable(w4_outbox *o) {
    uint32_t waiting = o->stats.queued + o->stats.in_flight;
    if (!o->wants_room || waiting > o->limits->messages_max / 4 * 3 ||
        o->stats.queued_bytes > o->limits->bytes_max / 4 * 3) {
        return false;
    }
    o->wants_room = false;
    return true;
}

static size_t memory_of(const struct w4_message_list *list) {
    size_t bytes = 0;
    for (const w4_message *m = STAILQ_FIRST(list); m; m = STAILQ_NEXT(m, entry)) {
        bytes += sizeof *m + m->len;
    }
    return bytes;
}

size_t w4_outbox_memory(const w4_outbox *o) {
    return (o->latency_us ? sizeof *o->latency_us : 0) + memory_of(&o->messages) +
           memory_of(&o->ended);
}
