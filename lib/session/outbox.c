#include "session/outbox.h"

#include "base/wire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GAPS_TO_GO_BACK 2u
#define REPEATS_MAX 16u

void w4_outbox_init(w4_outbox *o, w4_channel_kind kind, const w4_channel_limits *limits,
                    w4_byte_budget *budget, w4_pace *pace) {
    memset(o, 0, sizeof *o);
    o->kind = (uint8_t)kind;
    o->limits = limits;
    o->budget = budget;
    o->pace = pace;
    w4_queue_init(&o->queue, limits);
    TAILQ_INIT(&o->messages);
    TAILQ_INIT(&o->ended);
    TAILQ_INIT(&o->admitted);
    o->timer_us = W4_NEVER;
}

static void free_list(struct w4_messages *list) {
    w4_message *m;
    while ((m = TAILQ_FIRST(list)) != NULL) {
        TAILQ_REMOVE(list, m, entry);
        free(m);
    }
}

void w4_outbox_begin_at(w4_outbox *o, uint64_t seq) {
    o->first = o->acked = o->position = o->high = seq;
}

static size_t charge_of(size_t len) {
    return sizeof(w4_message) + len;
}

static void give_all_back(w4_outbox *o) {
    w4_channel_stats *s = &o->stats;
    size_t count = (size_t)s->queued + s->in_flight;
    w4_byte_budget_give(o->budget, s->queued_bytes + count * charge_of(0));
    s->queued = s->in_flight = 0;
    s->queued_bytes = 0;
}

void w4_outbox_deinit(w4_outbox *o) {
    give_all_back(o);
    free_list(&o->messages);
    free_list(&o->ended);
    w4_queue_deinit(&o->queue);
    TAILQ_INIT(&o->admitted);
    o->next = NULL;
    w4_histogram_sparse_deinit(&o->latency_us);
}

static uint32_t parts_of(const w4_message *m) {
    return m->len == 0 ? 1 : (m->len + m->part_len - 1) / m->part_len;
}

static uint32_t part_len(const w4_message *m, uint64_t part) {
    uint32_t start = (uint32_t)part * m->part_len;
    return m->len - start < m->part_len ? m->len - start : m->part_len;
}

static uint32_t first_part_len(const w4_outbox *o, const w4_message *m) {
    uint32_t most = w4_pace_part_len(o->pace);
    return m->len < most ? m->len : most;
}

void w4_outbox_latency(const w4_outbox *o, w4_histogram *ret_latency_us) {
    w4_histogram_sparse_expand(&o->latency_us, ret_latency_us);
}

/* ---- the end of a message */

static void tell_end(w4_outbox *o, w4_message *m, w4_refusal outcome, w4_overflow policy) {
    m->outcome = outcome;
    m->policy = policy;
    TAILQ_INSERT_TAIL(&o->ended, m, entry);
    o->ended_count++;
}

/* It has left its list: it waits with its outcome for the owner. */
static void end(w4_outbox *o, w4_message *m, w4_refusal outcome, w4_overflow policy) {
    if (m->started) {
        o->stats.in_flight--;
        o->started_bytes -= m->len;
    } else {
        o->stats.queued--;
    }
    o->stats.queued_bytes -= m->len;
    o->has_freed = true;
    w4_byte_budget_give(o->budget, charge_of(m->len));
    w4_queue_release(&o->queue, m);
    tell_end(o, m, outcome, policy);
}

/* The first of those on their way. */
static void end_head(w4_outbox *o, w4_refusal outcome) {
    w4_message *m = TAILQ_FIRST(&o->messages);
    if (o->next == m) {
        o->next = TAILQ_NEXT(m, entry);
        o->next_part = 0;
    }
    TAILQ_REMOVE(&o->messages, m, entry);
    end(o, m, outcome, W4_OVERFLOW_COUNT);
}

static void fail_head(w4_outbox *o, w4_refusal code) {
    o->stats.failed++;
    end_head(o, code);
}

static void fail_queued(w4_outbox *o, w4_message *m, w4_refusal code) {
    o->stats.failed++;
    end(o, m, code, W4_OVERFLOW_COUNT);
}

/* ---- room */

static bool is_undrained(const w4_outbox *o) {
    return o->ended_count >= o->limits->messages_max && o->ended_count >= W4_OUTBOX_ENDED_MIN;
}

static bool is_full(const w4_outbox *o, size_t len) {
    return o->stats.queued + o->stats.in_flight >= o->limits->messages_max ||
           o->stats.queued_bytes > o->limits->bytes_max || /* they may have become less */
           len > o->limits->bytes_max - o->stats.queued_bytes ||
           charge_of(len) > w4_byte_budget_left(o->budget);
}

static void unwait(w4_outbox *o, w4_message *m) {
    w4_queue_unwait(&o->queue, m);
    o->stats.waiting--;
    o->stats.waiting_bytes -= m->len;
}

/* It waited, or was to wait, and is not accepted. */
static void refuse(w4_outbox *o, w4_message *m, w4_refusal code, w4_overflow policy) {
    w4_queue_disown(&o->queue, m);
    o->stats.attempted++;
    if (policy == W4_OVERFLOW_DROP_NEWEST) {
        o->stats.dropped_newest++;
    } else {
        o->stats.errors++;
    }
    tell_end(o, m, code, policy);
}

static void enqueue(w4_outbox *o, w4_message *m, uint64_t now_us) {
    m->enqueued_us = now_us;
    w4_queue_add(&o->queue, m);
    o->stats.attempted++;
    o->stats.enqueued++;
    o->stats.queued++;
    o->stats.queued_bytes += m->len;
    w4_byte_budget_force(o->budget, charge_of(m->len)); /* there is room */
    uint32_t held = o->stats.queued + o->stats.in_flight;
    if (held > o->stats.max_queue_len) {
        o->stats.max_queue_len = held;
    }
}

/* There may be room for some that wait. */
static void admit(w4_outbox *o, uint64_t now_us) {
    w4_message *m;
    while ((m = w4_queue_next_waiting(&o->queue)) != NULL && !is_full(o, m->len) &&
           !is_undrained(o)) {
        unwait(o, m);
        enqueue(o, m, now_us);
        TAILQ_INSERT_TAIL(&o->admitted, m, since);
    }
}

bool w4_outbox_withdraw(w4_outbox *o, uint64_t token, w4_refusal code, uint64_t now_us) {
    bool waits;
    w4_message *m = w4_queue_find(&o->queue, token, &waits);
    if (!m) {
        return false;
    }
    if (waits) {
        unwait(o, m);
        refuse(o, m, code, W4_OVERFLOW_COUNT);
    } else {
        w4_queue_remove(&o->queue, m);
        fail_queued(o, m, code);
    }
    admit(o, now_us);
    return true;
}

/* What is to go ends; others may have room then. */
static void purge(w4_outbox *o, const w4_purge *what) {
    struct w4_messages queued, waiting;
    w4_message *m;
    w4_queue_collect(&o->queue, what, &queued, &waiting);
    while ((m = TAILQ_FIRST(&queued)) != NULL) {
        TAILQ_REMOVE(&queued, m, entry);
        fail_queued(o, m, w4_queue_judge(what, m));
    }
    while ((m = TAILQ_FIRST(&waiting)) != NULL) {
        TAILQ_REMOVE(&waiting, m, entry);
        o->stats.waiting--;
        o->stats.waiting_bytes -= m->len;
        refuse(o, m, w4_queue_judge(what, m), W4_OVERFLOW_COUNT);
    }
    admit(o, what->now_us);
}

static void purge_overdue(w4_outbox *o, uint64_t now_us) {
    if (now_us >= o->queue.purge_us) {
        purge(o, &(w4_purge){.now_us = now_us, .len_max = SIZE_MAX});
    }
}

/* Makes room by ending the oldest messages that were never sent; the rest is on its way. */
static bool drop_oldest(w4_outbox *o, size_t len) {
    w4_message *m;
    while (is_full(o, len) && !is_undrained(o) && (m = w4_queue_oldest(&o->queue)) != NULL) {
        w4_queue_remove(&o->queue, m);
        o->stats.dropped_oldest++;
        end(o, m, W4_REFUSAL_BACKPRESSURE, W4_OVERFLOW_DROP_OLDEST);
    }
    return !is_full(o, len) && !is_undrained(o);
}

static bool has_room(const w4_outbox *o, const w4_producer *producer, size_t len) {
    return !is_full(o, len) && !is_undrained(o) && o->queue.waiting_count == 0 &&
           !w4_queue_unfair(&o->queue, producer);
}

/* 0: there is room now. W4_SESSION_E_WAITS: it is to wait. */
static int make_room(w4_outbox *o, w4_producer *producer, const w4_sending *sending,
                     uint64_t now_us) {
    size_t len = sending->message.len;
    if (has_room(o, producer, len)) {
        return 0;
    }
    o->stats.overflow_events++;
    w4_outbox_want_room(o);
    switch (o->limits->overflow) {
    case W4_OVERFLOW_DROP_OLDEST:
        if (!sending->spares && drop_oldest(o, len)) {
            return 0;
        }
        break;
    case W4_OVERFLOW_DROP_NEWEST:
        w4_queue_want(&o->queue, producer, now_us);
        o->stats.attempted++;
        o->stats.dropped_newest++;
        return W4_SESSION_E_DROPPED;
    case W4_OVERFLOW_BLOCK:
        if (w4_queue_may_wait(&o->queue, len) && !is_undrained(o)) {
            return W4_SESSION_E_WAITS;
        }
        break;
    case W4_OVERFLOW_ERROR:
    case W4_OVERFLOW_COUNT:
        break;
    }
    w4_queue_want(&o->queue, producer, now_us);
    w4_outbox_count_error(o);
    return W4_SESSION_E_FULL;
}

void w4_outbox_count_error(w4_outbox *o) {
    o->stats.attempted++;
    o->stats.errors++;
}

static w4_message *new_message(const w4_sending *sending) {
    w4_message *m = malloc(sizeof *m + sending->message.len);
    if (m) {
        memset(m, 0, sizeof *m);
        m->token = sending->token;
        m->deadline_us = sending->deadline_us;
        m->of_session = sending->of_session;
        m->len = (uint32_t)sending->message.len;
        m->policy = W4_OVERFLOW_COUNT;
        if (m->len > 0) {
            memcpy(m->data, sending->message.data, m->len);
        }
    }
    return m;
}

int w4_outbox_push(w4_outbox *o, const w4_sending *sending, size_t len_max, uint64_t now_us) {
    size_t len = sending->message.len;
    if (len > len_max || len > o->limits->bytes_max) {
        w4_outbox_count_error(o);
        return W4_SESSION_E_TOO_LARGE;
    }
    purge_overdue(o, now_us);
    w4_message *m = new_message(sending);
    if (!m || !w4_queue_own(&o->queue, m, sending->producer, now_us)) {
        free(m);
        return -ENOMEM;
    }
    int r = make_room(o, m->producer, sending, now_us);
    if (r == 0) {
        enqueue(o, m, now_us);
    } else if (r == W4_SESSION_E_WAITS) {
        w4_queue_wait(&o->queue, m, now_us);
        o->stats.blocked++;
        o->stats.waiting++;
        o->stats.waiting_bytes += len;
    } else {
        w4_queue_disown(&o->queue, m);
        free(m);
        return r;
    }
    o->memory += sizeof *m + len;
    return r;
}

/* Those that wait are judged by a policy that lets nothing wait. */
static void end_waiting(w4_outbox *o, uint64_t now_us) {
    w4_message *m;
    while ((m = w4_queue_next_waiting(&o->queue)) != NULL) {
        unwait(o, m);
        if (o->limits->overflow == W4_OVERFLOW_DROP_OLDEST && drop_oldest(o, m->len)) {
            enqueue(o, m, now_us);
            TAILQ_INSERT_TAIL(&o->admitted, m, since);
        } else {
            refuse(o, m, W4_REFUSAL_BACKPRESSURE, o->limits->overflow);
        }
    }
}

void w4_outbox_limits_changed(w4_outbox *o, const w4_channel_limits *limits, uint64_t now_us) {
    o->limits = o->queue.limits = limits;
    admit(o, now_us);
    if (o->limits->overflow != W4_OVERFLOW_BLOCK) {
        end_waiting(o, now_us);
    }
}

bool w4_channel_stats_balanced(const w4_channel_stats *s) {
    return s->attempted == s->enqueued + s->dropped_newest + s->errors &&
           s->enqueued == s->delivered + s->dropped_oldest + s->failed + s->queued + s->in_flight;
}

void w4_channel_stats_format(const w4_channel_stats *s,
                             char ret_text[static W4_CHANNEL_STATS_TEXT]) {
    (void)snprintf(ret_text, W4_CHANNEL_STATS_TEXT,
                   "%" PRIu64 " attempted, %" PRIu64 " enqueued, %" PRIu64
                   " dropped_newest, %" PRIu64 " errors; %" PRIu64 " delivered, %" PRIu64
                   " dropped_oldest, %" PRIu64 " failed, %u queued, %u in flight",
                   s->attempted, s->enqueued, s->dropped_newest, s->errors, s->delivered,
                   s->dropped_oldest, s->failed, s->queued, s->in_flight);
}

/* ---- on its way */

uint32_t w4_outbox_credit(const w4_outbox *o) {
    uint64_t begun = o->acked_messages + o->stats.in_flight;
    uint64_t left = o->allowed > begun ? o->allowed - begun : 0;
    return left < UINT32_MAX ? (uint32_t)left : UINT32_MAX;
}

static bool lacks_credit(const w4_outbox *o) {
    return !o->next && w4_queue_first(&o->queue) &&
           o->acked_messages + o->stats.in_flight >= o->allowed;
}

/* What is on its way cannot be dropped any more: with the policy drop_oldest half of the queue at
 * most is, so that there is always something to drop for what is newer. */
static bool may_start(const w4_outbox *o, const w4_message *m) {
    if (o->acked_messages + o->stats.in_flight >= o->allowed) {
        return false;
    }
    return o->limits->overflow != W4_OVERFLOW_DROP_OLDEST || o->stats.in_flight == 0 ||
           (o->stats.in_flight < o->limits->messages_max / 2 &&
            o->started_bytes + m->len <= o->limits->bytes_max / 2);
}

/* Bytes of the next DATA frame, if nothing but the pace is in its way. */
static size_t next_len(const w4_outbox *o) {
    if (o->next) {
        return w4_frame_len(part_len(o->next, o->next_part));
    }
    const w4_message *m = w4_queue_first(&o->queue);
    return m && may_start(o, m) ? w4_frame_len(first_part_len(o, m)) : 0;
}

size_t w4_outbox_ready(const w4_outbox *o) {
    size_t len = next_len(o);
    return len > 0 && w4_pace_admits(o->pace, o->kind, len) ? len : 0;
}

size_t w4_outbox_held(const w4_outbox *o) {
    size_t len = next_len(o);
    return len > 0 && !w4_pace_admits(o->pace, o->kind, len) ? len : 0;
}

static w4_message *start(w4_outbox *o) {
    w4_message *m = w4_queue_first(&o->queue);
    w4_queue_take(&o->queue, m);
    TAILQ_INSERT_TAIL(&o->messages, m, entry);
    m->started = true;
    m->seq = o->position;
    m->part_len = w4_pace_part_len(o->pace);
    o->next_part = 0;
    o->stats.queued--;
    o->stats.in_flight++;
    o->started_bytes += m->len;
    return m;
}

static void step(w4_outbox *o, const w4_message *m, uint64_t now_us) {
    size_t len = w4_frame_len(part_len(m, o->next_part));
    o->flight += len;
    w4_pace_sent(o->pace, o->kind, len, now_us);
    o->position++;
    if (++o->next_part == parts_of(m)) {
        o->next = TAILQ_NEXT(m, entry);
        o->next_part = 0;
    }
}

uint8_t *w4_outbox_put(w4_outbox *o, uint16_t channel, uint8_t *at, uint64_t now_us) {
    w4_message *m = o->next ? o->next : start(o);
    uint32_t len = part_len(m, o->next_part);
    bool last = o->next_part + 1 == parts_of(m);
    o->next = m;
    if (o->position < o->high) {
        m->repeated = true;
        o->stats.retransmitted++;
    }
    w4_frame frame = {
        .type = W4_FRAME_DATA,
        .flags = last ? W4_FRAME_FIN : 0,
        .channel = channel,
        .seq = o->position,
        .payload = w4_bytes_of(m->data + (size_t)o->next_part * m->part_len, len),
    };
    at = w4_frame_put(at, &frame);
    m->sent_us = now_us;
    o->stats.bytes_out += len;
    step(o, m, now_us);
    if (o->position > o->high) {
        o->high = o->position;
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
        o->timer_us = w4_later(now_us, w4_rtt_timeout(rtt, o->repeats) + w4_pace_time_us(o->pace));
    }
}

/* Back to the first part that is not acknowledged. */
static void go_back(w4_outbox *o) {
    w4_message *first = TAILQ_FIRST(&o->messages);
    if (first) {
        o->next = first;
        o->next_part = (uint32_t)(o->acked - first->seq);
    }
    o->position = o->acked;
    w4_pace_taken(o->pace, o->kind, o->flight);
    o->flight = 0;
    o->gaps = 0;
}

void w4_outbox_pass_over(w4_outbox *o, uint64_t seq) {
    while (o->position < seq && o->next) {
        step(o, o->next, 0); /* it went over another link */
    }
}

/* What waited too long, and what is past its deadline. */
static void expire_messages(w4_outbox *o, uint64_t now_us) {
    purge_overdue(o, now_us);
    admit(o, now_us);
    while (now_us >= w4_queue_wait_deadline(&o->queue)) {
        w4_message *m = TAILQ_FIRST(&o->queue.since);
        unwait(o, m);
        refuse(o, m, W4_REFUSAL_BACKPRESSURE, W4_OVERFLOW_BLOCK);
    }
}

uint64_t w4_outbox_deadline(const w4_outbox *o) {
    return w4_earlier(o->timer_us,
                      w4_earlier(o->queue.purge_us, w4_queue_wait_deadline(&o->queue)));
}

void w4_outbox_expire(w4_outbox *o, const w4_rtt *rtt, uint64_t now_us) {
    expire_messages(o, now_us);
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
        w4_pace_silence(o->pace);
    } else {
        o->ask_due = lacks_credit(o);
    }
    w4_outbox_arm(o, rtt, now_us);
}

bool w4_outbox_may_acknowledge(const w4_outbox *o, uint64_t seq) {
    return o->acked <= seq && seq <= o->high;
}

/* One part further. */
static void advance(w4_outbox *o, w4_rtt *rtt, uint64_t now_us) {
    w4_message *m = TAILQ_FIRST(&o->messages);
    uint64_t part = o->acked - m->seq;
    size_t len = w4_frame_len(part_len(m, part));
    if (o->acked < o->position) {
        o->flight -= len;
        w4_pace_acked(o->pace, o->kind, len, now_us);
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
            w4_pace_came_over(o->pace, len, now_us - m->sent_us);
        }
        m->took_us = now_us - m->enqueued_us;
        w4_histogram_sparse_add(&o->latency_us, m->took_us);
        o->stats.delivered++;
        o->acked_messages++;
        end_head(o, W4_REFUSAL_NONE);
    }
}

static void heed_gap(w4_outbox *o) {
    if (++o->gaps < GAPS_TO_GO_BACK || o->acked < o->recover || o->acked == o->position) {
        return;
    }
    w4_pace_gap(o->pace, o->kind);
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
        while (o->acked < seq) {
            advance(o, rtt, now_us);
        }
        o->gaps = 0;
        o->repeats = 0;
        o->timer_us = W4_NEVER;
        admit(o, now_us);
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

void w4_outbox_link_down(w4_outbox *o) {
    w4_message *m;
    TAILQ_FOREACH (m, &o->messages, entry) {
        m->repeated = true; /* the time between links says nothing about the next one */
    }
    go_back(o);
    o->recover = 0;
    o->repeats = 0;
    o->timer_us = W4_NEVER;
    o->ask_due = false;
}

void w4_outbox_restart(w4_outbox *o, uint64_t now_us) {
    while (!TAILQ_EMPTY(&o->messages)) {
        fail_head(o, W4_REFUSAL_DISCONNECTED);
    }
    o->next = NULL;
    o->next_part = 0;
    o->acked = o->first;
    o->high = o->first;
    o->acked_messages = 0;
    o->allowed = 0;
    w4_outbox_link_down(o);
    purge(o, &(w4_purge){.now_us = now_us, .len_max = SIZE_MAX, .of_session = true});
}

void w4_outbox_fail_all(w4_outbox *o, w4_refusal code) {
    w4_message *m;
    while (!TAILQ_EMPTY(&o->messages)) {
        fail_head(o, code);
    }
    while ((m = w4_queue_first(&o->queue)) != NULL) {
        w4_queue_remove(&o->queue, m);
        fail_queued(o, m, code);
    }
    while ((m = w4_queue_next_waiting(&o->queue)) != NULL) {
        unwait(o, m);
        refuse(o, m, code, W4_OVERFLOW_COUNT);
    }
    w4_outbox_link_down(o);
}

void w4_outbox_fail_larger(w4_outbox *o, size_t len_max, uint64_t now_us) {
    purge(o, &(w4_purge){.now_us = now_us, .len_max = len_max});
}

bool w4_outbox_pop_outcome(w4_outbox *o, w4_outcome *ret_outcome) {
    w4_message *m = TAILQ_FIRST(&o->admitted);
    if (m) {
        TAILQ_REMOVE(&o->admitted, m, since);
        *ret_outcome = (w4_outcome){.token = m->token,
                                    .admitted = true,
                                    .code = W4_REFUSAL_NONE,
                                    .policy = W4_OVERFLOW_COUNT};
        return true;
    }
    m = TAILQ_FIRST(&o->ended);
    if (!m) {
        return false;
    }
    TAILQ_REMOVE(&o->ended, m, entry);
    o->ended_count--;
    *ret_outcome = (w4_outcome){
        .token = m->token, .code = m->outcome, .policy = m->policy, .took_us = m->took_us};
    o->memory -= sizeof *m + m->len;
    free(m);
    return true;
}

static bool is_late(const w4_message *m, uint64_t longer_than_us, uint64_t now_us,
                    w4_sla_waiting *waiting) {
    uint64_t age_us = now_us - m->enqueued_us;
    if (age_us <= longer_than_us) {
        return false;
    }
    waiting->late++;
    waiting->oldest_us = age_us > waiting->oldest_us ? age_us : waiting->oldest_us;
    return true;
}

w4_sla_waiting w4_outbox_waiting(const w4_outbox *o, uint64_t longer_than_us, uint64_t now_us) {
    w4_sla_waiting waiting = {0};
    const w4_message *m;
    TAILQ_FOREACH (m, &o->messages, entry) { /* as they were begun: by turns */
        (void)is_late(m, longer_than_us, now_us, &waiting);
    }
    const w4_producer *producer;
    TAILQ_FOREACH (producer, &o->queue.turns, turn) {
        m = TAILQ_FIRST(&producer->queued); /* as they were enqueued: the late ones first */
        while (m && is_late(m, longer_than_us, now_us, &waiting)) {
            m = TAILQ_NEXT(m, entry);
        }
    }
    return waiting;
}

/* A quarter free is worth waking somebody; less would wake it for every message. So would what
 * finds no room where there is some, being large, or of one who has his share. */
bool w4_outbox_pop_writable(w4_outbox *o, uint32_t *ret_room) {
    uint32_t waiting = o->stats.queued + o->stats.in_flight;
    if (!o->wants_room || !o->has_freed || waiting > o->limits->messages_max / 4 * 3 ||
        o->stats.queued_bytes > o->limits->bytes_max / 4 * 3 || w4_byte_budget_tight(o->budget)) {
        return false;
    }
    o->wants_room = false;
    *ret_room = o->limits->messages_max - waiting;
    return true;
}

void w4_outbox_want_room(w4_outbox *o) {
    o->wants_room = true;
    o->has_freed = false;
}

size_t w4_outbox_memory(const w4_outbox *o) {
    return o->memory + o->queue.known_count * sizeof(w4_producer);
}

size_t w4_outbox_latency_memory(const w4_outbox *o) {
    return w4_histogram_sparse_memory(&o->latency_us);
}
