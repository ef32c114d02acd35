#include "protocol/humans/deferral.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>

void w4_deferrals_init(w4_deferrals *deferrals) {
    TAILQ_INIT(&deferrals->list);
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
    uint64_t deadline_us = W4_NEVER;
    const w4_deferral *queue;
    TAILQ_FOREACH (queue, &deferrals->list, link) {
        deadline_us = w4_earlier(deadline_us, queue->next_us);
    }
    return deadline_us;
}
