#include "protocol/humans/deferral.h"

#include "base/clock.h"
#include "protocol/router.h"

#include <errno.h>
#include <stdlib.h>

void w4_deferrals_init(w4_deferrals *deferrals) {
    TAILQ_INIT(&deferrals->list);
    deferrals->late_us = W4_NEVER;
}

void w4_deferrals_deinit(w4_deferrals *deferrals) {
    w4_deferral *queue, *next_queue;
    for (queue = TAILQ_FIRST(&deferrals->list); queue; queue = next_queue) {
        next_queue = TAILQ_NEXT(queue, link);
        w4_deferred *deferred, *next;
        for (deferred = TAILQ_FIRST(&queue->list); deferred; deferred = next) {
            next = TAILQ_NEXT(deferred, link);
            w4_deferrals_take(deferrals, queue, deferred);
            w4_deferred_free(deferred);
        }
    }
}

w4_deferral *w4_deferrals_find(const w4_deferrals *deferrals, const w4_fingerprint *human) {
    w4_deferral *queue;
    TAILQ_FOREACH (queue, &deferrals->list, link) {
        if (w4_fingerprint_equal(&queue->human, human)) {
            return queue;
        }
    }
    return NULL;
}

static w4_deferral *new_queue(w4_deferrals *deferrals, const w4_fingerprint *human,
                              uint64_t first_us) {
    w4_deferral *queue = calloc(1, sizeof *queue);
    if (queue) {
        queue->human = *human;
        queue->next_us = first_us;
        TAILQ_INIT(&queue->list);
        TAILQ_INSERT_TAIL(&deferrals->list, queue, link);
    }
    return queue;
}

static void drop_if_empty(w4_deferrals *deferrals, w4_deferral *queue) {
    if (queue->count == 0) {
        TAILQ_REMOVE(&deferrals->list, queue, link);
        free(queue);
    }
}

int w4_deferrals_add(w4_deferrals *deferrals, const w4_fingerprint *human, const w4_deferred *draft,
                     uint64_t first_us) {
    w4_deferral *queue = w4_deferrals_find(deferrals, human);
    size_t bytes = draft->envelope->len;
    if (bytes > W4_DEFERRED_BYTES_PER_HUMAN - (queue ? queue->bytes : 0) ||
        (queue && queue->count >= W4_DEFERRED_PER_HUMAN)) {
        return 1;
    }
    queue = queue ? queue : new_queue(deferrals, human, first_us);
    w4_deferred *deferred = queue ? malloc(sizeof *deferred) : NULL;
    if (!deferred) {
        if (queue) {
            drop_if_empty(deferrals, queue);
        }
        return -ENOMEM;
    }
    *deferred = *draft;
    w4_blob_ref(deferred->envelope);
    TAILQ_INSERT_TAIL(&queue->list, deferred, link);
    queue->count++;
    queue->bytes += bytes;
    deferrals->late_us = w4_earlier(deferrals->late_us, deferred->deadline_us);
    return 0;
}

void w4_deferrals_take(w4_deferrals *deferrals, w4_deferral *queue, w4_deferred *deferred) {
    TAILQ_REMOVE(&queue->list, deferred, link);
    queue->count--;
    queue->bytes -= deferred->envelope->len;
    drop_if_empty(deferrals, queue);
}

w4_deferred *w4_deferred_free(w4_deferred *deferred) {
    if (deferred) {
        w4_blob_unref(deferred->envelope);
        free(deferred);
    }
    return NULL;
}

uint64_t w4_deferrals_deadline(const w4_deferrals *deferrals) {
    uint64_t deadline_us = deferrals->late_us;
    const w4_deferral *queue;
    TAILQ_FOREACH (queue, &deferrals->list, link) {
        deadline_us = w4_earlier(deadline_us, queue->next_us);
    }
    return deadline_us;
}

/* ---- ends */

int w4_deferrals_end(w4_protocol *p, w4_deferrals *deferrals, w4_deferral *queue,
                     w4_deferred *deferred, w4_refusal code) {
    w4_fingerprint human = queue->human;
    w4_deferrals_take(deferrals, queue, deferred);
    const w4_waited waited = {deferred->msg_id, &deferred->sender, &deferred->receiver, &human,
                              &deferred->from_node};
    int r = w4_router_tell_ended(p, &waited, code);
    w4_deferred_free(deferred);
    return r;
}

int w4_deferrals_purge(w4_protocol *p, w4_deferrals *deferrals, const w4_fingerprint *human,
                       w4_refusal code) {
    w4_deferral *queue, *next_queue;
    int r = 0;
    for (queue = TAILQ_FIRST(&deferrals->list); r == 0 && queue; queue = next_queue) {
        next_queue = TAILQ_NEXT(queue, link);
        bool theirs = w4_router_is_key_of(p, &queue->human, human);
        uint32_t left = queue->count;
        w4_deferred *deferred, *next;
        for (deferred = TAILQ_FIRST(&queue->list); r == 0 && left > 0; deferred = next, left--) {
            next = TAILQ_NEXT(deferred, link);
            if (theirs || w4_router_is_word_of(p, &deferred->sender, human)) {
                r = w4_deferrals_end(p, deferrals, queue, deferred, code);
            }
        }
    }
    return r;
}

static int end_late_of(w4_protocol *p, w4_deferrals *deferrals, w4_deferral *queue,
                       uint64_t now_us) {
    uint32_t left = queue->count;
    w4_deferred *deferred, *next;
    int r = 0;
    for (deferred = TAILQ_FIRST(&queue->list); r == 0 && left > 0; deferred = next, left--) {
        next = TAILQ_NEXT(deferred, link);
        if (now_us >= deferred->deadline_us) {
            r = w4_deferrals_end(p, deferrals, queue, deferred, W4_REFUSAL_TIMEOUT);
        } else {
            deferrals->late_us = w4_earlier(deferrals->late_us, deferred->deadline_us);
        }
    }
    return r;
}

int w4_deferrals_end_late(w4_protocol *p, w4_deferrals *deferrals, uint64_t now_us) {
    w4_deferral *queue, *next;
    int r = 0;
    if (now_us < deferrals->late_us) {
        return 0;
    }
    deferrals->late_us = W4_NEVER;
    for (queue = TAILQ_FIRST(&deferrals->list); r == 0 && queue; queue = next) {
        next = TAILQ_NEXT(queue, link);
        r = end_late_of(p, deferrals, queue, now_us);
    }
    return r;
}
