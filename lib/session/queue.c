#include "session/queue.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define PURGE_PAUSE_US (50 * W4_US_PER_MS) /* between looks at all that is queued */

void w4_queue_init(w4_queue *q, const w4_channel_limits *limits) {
    memset(q, 0, sizeof *q);
    q->limits = limits;
    TAILQ_INIT(&q->known);
    TAILQ_INIT(&q->turns);
    TAILQ_INIT(&q->waiting_turns);
    TAILQ_INIT(&q->since);
    q->purge_us = W4_NEVER;
}

static void free_messages(struct w4_messages *list) {
    w4_message *m;
    while ((m = TAILQ_FIRST(list)) != NULL) {
        TAILQ_REMOVE(list, m, entry);
        free(m);
    }
}

static void forget(w4_queue *q, w4_producer *producer) {
    TAILQ_REMOVE(&q->known, producer, entry);
    q->known_count--;
    q->others = q->others == producer ? NULL : q->others;
    free(producer);
}

void w4_queue_deinit(w4_queue *q) {
    w4_producer *producer;
    while ((producer = TAILQ_FIRST(&q->known)) != NULL) {
        free_messages(&producer->queued);
        free_messages(&producer->waiting);
        forget(q, producer);
    }
    w4_queue_init(q, q->limits);
}

/* ---- producers */

static w4_producer *new_producer(w4_queue *q, uint64_t id) {
    w4_producer *producer = calloc(1, sizeof *producer);
    if (producer) {
        producer->id = id;
        TAILQ_INIT(&producer->queued);
        TAILQ_INIT(&producer->waiting);
        TAILQ_INSERT_HEAD(&q->known, producer, entry);
        q->known_count++;
    }
    return producer;
}

static w4_producer *find(const w4_queue *q, uint64_t id) {
    w4_producer *producer;
    TAILQ_FOREACH (producer, &q->known, entry) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): who was forgotten left the list before */
        if (producer->id == id && producer != q->others) {
            return producer;
        }
    }
    return NULL;
}

static void tidy(w4_queue *q, w4_producer *producer) {
    if (producer->messages == 0 && producer->wants_until_us == 0) {
        forget(q, producer);
    }
}

/* Forgets what nobody wants any more. */
static void settle_wants(w4_queue *q, uint64_t now_us) {
    w4_producer *producer = TAILQ_FIRST(&q->known), *next;
    q->wants_until_us = 0;
    for (; producer; producer = next) {
        next = TAILQ_NEXT(producer, entry);
        if (producer->wants_until_us > now_us) {
            q->wants_until_us = producer->wants_until_us > q->wants_until_us
                                    ? producer->wants_until_us
                                    : q->wants_until_us;
        } else {
            producer->wants_until_us = 0;
            tidy(q, producer);
        }
    }
}

/* Who once went to the others stays there until all of them are through: so the order is kept. */
static w4_producer *find_or_new(w4_queue *q, uint64_t id) {
    w4_producer *producer = find(q, id);
    producer = producer ? producer : q->others;
    if (!producer) {
        bool full = q->known_count >= W4_PRODUCERS_MAX;
        producer = new_producer(q, id);
        q->others = full ? producer : NULL;
    }
    return producer;
}

bool w4_queue_own(w4_queue *q, w4_message *m, uint64_t producer_id, uint64_t now_us) {
    if (q->wants_until_us > 0) {
        settle_wants(q, now_us);
    }
    m->producer = find_or_new(q, producer_id);
    if (m->producer) {
        m->producer->messages++;
    }
    return m->producer != NULL;
}

void w4_queue_disown(w4_queue *q, w4_message *m) {
    w4_producer *producer = m->producer;
    m->producer = NULL;
    producer->messages--;
    tidy(q, producer);
}

/* ---- fairness */

static bool has_share(const w4_queue *q, const w4_producer *producer) {
    uint64_t shares = q->known_count < W4_SHARES_MAX ? q->known_count : W4_SHARES_MAX;
    return producer->held * shares >= q->limits->messages_max ||
           producer->held_bytes * shares >= q->limits->bytes_max;
}

bool w4_queue_unfair(const w4_queue *q, const w4_producer *producer) {
    if (q->wants_until_us == 0 || !has_share(q, producer)) {
        return false;
    }
    const w4_producer *other;
    TAILQ_FOREACH (other, &q->known, entry) {
        if (other != producer && other->wants_until_us > 0 && !has_share(q, other)) {
            return true;
        }
    }
    return false;
}

void w4_queue_want(w4_queue *q, w4_producer *producer, uint64_t now_us) {
    if (!has_share(q, producer)) {
        producer->wants_until_us = w4_later(now_us, W4_WANT_US);
        q->wants_until_us = producer->wants_until_us;
    }
}

/* ---- queued */

void w4_queue_add(w4_queue *q, w4_message *m) {
    w4_producer *producer = m->producer;
    if (TAILQ_EMPTY(&producer->queued)) {
        TAILQ_INSERT_TAIL(&q->turns, producer, turn);
    }
    TAILQ_INSERT_TAIL(&producer->queued, m, entry);
    producer->held++;
    producer->held_bytes += m->len;
    q->purge_us = w4_earlier(q->purge_us, m->deadline_us);
}

w4_message *w4_queue_first(const w4_queue *q) {
    const w4_producer *producer = TAILQ_FIRST(&q->turns);
    return producer ? TAILQ_FIRST(&producer->queued) : NULL;
}

void w4_queue_remove(w4_queue *q, w4_message *m) {
    w4_producer *producer = m->producer;
    TAILQ_REMOVE(&producer->queued, m, entry);
    if (TAILQ_EMPTY(&producer->queued)) {
        TAILQ_REMOVE(&q->turns, producer, turn);
    }
}

void w4_queue_take(w4_queue *q, w4_message *m) {
    w4_producer *producer = m->producer;
    w4_queue_remove(q, m);
    if (!TAILQ_EMPTY(&producer->queued)) {
        TAILQ_REMOVE(&q->turns, producer, turn);
        TAILQ_INSERT_TAIL(&q->turns, producer, turn);
    }
}

void w4_queue_release(w4_queue *q, w4_message *m) {
    m->producer->held--;
    m->producer->held_bytes -= m->len;
    w4_queue_disown(q, m);
}

w4_message *w4_queue_oldest(const w4_queue *q) {
    const w4_producer *producer, *most = NULL;
    TAILQ_FOREACH (producer, &q->turns, turn) {
        most = !most || producer->held > most->held ? producer : most;
    }
    return most ? TAILQ_FIRST(&most->queued) : NULL;
}

w4_refusal w4_queue_judge(const w4_purge *purge, const w4_message *m) {
    if (purge->of_session && m->of_session) {
        return W4_REFUSAL_DISCONNECTED;
    }
    if (m->len > purge->len_max) {
        return W4_REFUSAL_TOO_LARGE;
    }
    return m->deadline_us <= purge->now_us ? W4_REFUSAL_TIMEOUT : W4_REFUSAL_NONE;
}

static void collect_queued(w4_queue *q, w4_producer *producer, const w4_purge *purge,
                           struct w4_messages *ret_queued) {
    w4_message *m = TAILQ_FIRST(&producer->queued), *next;
    for (; m; m = next) {
        next = TAILQ_NEXT(m, entry);
        if (w4_queue_judge(purge, m) != W4_REFUSAL_NONE) {
            w4_queue_remove(q, m);
            TAILQ_INSERT_TAIL(ret_queued, m, entry);
        } else {
            q->purge_us = w4_earlier(q->purge_us, m->deadline_us);
        }
    }
}

static w4_message *find_in(const struct w4_messages *list, uint64_t token) {
    w4_message *m;
    TAILQ_FOREACH (m, list, entry) {
        if (m->token == token) {
            return m;
        }
    }
    return NULL;
}

w4_message *w4_queue_find(const w4_queue *q, uint64_t token, bool *ret_waits) {
    const w4_producer *producer;
    TAILQ_FOREACH (producer, &q->known, entry) {
        w4_message *queued = find_in(&producer->queued, token);
        w4_message *waiting = queued ? NULL : find_in(&producer->waiting, token);
        if (queued || waiting) {
            *ret_waits = waiting != NULL;
            return queued ? queued : waiting;
        }
    }
    return NULL;
}

void w4_queue_collect(w4_queue *q, const w4_purge *purge, struct w4_messages *ret_queued,
                      struct w4_messages *ret_waiting) {
    TAILQ_INIT(ret_queued);
    TAILQ_INIT(ret_waiting);
    q->purge_us = W4_NEVER;
    w4_producer *producer = TAILQ_FIRST(&q->turns), *next_producer;
    for (; producer; producer = next_producer) {
        next_producer = TAILQ_NEXT(producer, turn);
        collect_queued(q, producer, purge, ret_queued);
    }
    w4_message *m = TAILQ_FIRST(&q->since), *next;
    for (; m; m = next) {
        next = TAILQ_NEXT(m, since);
        if (w4_queue_judge(purge, m) != W4_REFUSAL_NONE) {
            w4_queue_unwait(q, m);
            TAILQ_INSERT_TAIL(ret_waiting, m, entry);
        } else {
            q->purge_us = w4_earlier(q->purge_us, m->deadline_us);
        }
    }
    uint64_t soon_us = w4_later(purge->now_us, PURGE_PAUSE_US);
    q->purge_us = q->purge_us > soon_us ? q->purge_us : soon_us;
}

/* ---- waiting */

bool w4_queue_may_wait(const w4_queue *q, size_t len) {
    size_t room = q->limits->bytes_max / W4_WAITING_BYTES_PART;
    return q->waiting_count == 0 || (q->waiting_count < W4_WAITING_MAX &&
                                     q->waiting_bytes <= room && len <= room - q->waiting_bytes);
}

void w4_queue_wait(w4_queue *q, w4_message *m, uint64_t now_us) {
    w4_producer *producer = m->producer;
    m->enqueued_us = now_us;
    if (TAILQ_EMPTY(&producer->waiting)) {
        TAILQ_INSERT_TAIL(&q->waiting_turns, producer, waiting_turn);
    }
    TAILQ_INSERT_TAIL(&producer->waiting, m, entry);
    TAILQ_INSERT_TAIL(&q->since, m, since);
    q->waiting_count++;
    q->waiting_bytes += m->len;
    q->purge_us = w4_earlier(q->purge_us, m->deadline_us);
}

w4_message *w4_queue_next_waiting(const w4_queue *q) {
    const w4_producer *producer = TAILQ_FIRST(&q->waiting_turns);
    return producer ? TAILQ_FIRST(&producer->waiting) : NULL;
}

void w4_queue_unwait(w4_queue *q, w4_message *m) {
    w4_producer *producer = m->producer;
    TAILQ_REMOVE(&producer->waiting, m, entry);
    TAILQ_REMOVE(&q->since, m, since);
    q->waiting_count--;
    q->waiting_bytes -= m->len;
    TAILQ_REMOVE(&q->waiting_turns, producer, waiting_turn);
    if (!TAILQ_EMPTY(&producer->waiting)) {
        TAILQ_INSERT_TAIL(&q->waiting_turns, producer, waiting_turn);
    }
}

uint64_t w4_queue_wait_deadline(const w4_queue *q) {
    const w4_message *oldest = TAILQ_FIRST(&q->since);
    return oldest ? w4_later(oldest->enqueued_us, q->limits->block_timeout_us) : W4_NEVER;
}
