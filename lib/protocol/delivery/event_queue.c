#include "protocol/delivery/event_queue.h"

#include <errno.h>
#include <stdlib.h>

struct w4_queued_event {
    TAILQ_ENTRY(w4_queued_event) link;
    w4_protocol_event event;
    w4_blob *blob;
};

/* clang-format off */
static const bool only_tells[W4_PROTOCOL_EVENT_KIND_COUNT] = {
    [W4_PROTOCOL_EVENT_TRANSMIT] = false,
    [W4_PROTOCOL_EVENT_DELIVER]  = false,
    [W4_PROTOCOL_EVENT_DELIVERY] = false,
    [W4_PROTOCOL_EVENT_HELD]     = true,
    [W4_PROTOCOL_EVENT_MESH]     = false,
    [W4_PROTOCOL_EVENT_REJECTED] = true,
    [W4_PROTOCOL_EVENT_TRUST]    = true,
    [W4_PROTOCOL_EVENT_FACT]     = true,
    [W4_PROTOCOL_EVENT_ROUTED]   = true,
};
/* clang-format on */

void w4_event_queue_init(w4_event_queue *queue) {
    *queue = (w4_event_queue){0};
    TAILQ_INIT(&queue->items);
    TAILQ_INIT(&queue->spare);
}

void w4_event_queue_deinit(w4_event_queue *queue) {
    w4_queued_event *item;
    while ((item = TAILQ_FIRST(&queue->items)) != NULL) {
        TAILQ_REMOVE(&queue->items, item, link);
        w4_blob_unref(item->blob);
        free(item);
    }
    while ((item = TAILQ_FIRST(&queue->spare)) != NULL) {
        TAILQ_REMOVE(&queue->spare, item, link);
        free(item);
    }
    queue->out = w4_blob_unref(queue->out);
    queue->count = queue->spare_count = 0;
    queue->bytes = 0;
}

int w4_event_queue_push(w4_event_queue *queue, const w4_protocol_event *event, w4_blob *blob) {
    size_t bytes = blob ? blob->len : 0;
    uint32_t max = only_tells[event->kind] ? W4_EVENT_QUEUE_TELL_MAX : W4_EVENT_QUEUE_MAX;
    if (queue->count >= max || bytes > W4_EVENT_QUEUE_BYTES_MAX - queue->bytes) {
        queue->lost += only_tells[event->kind] ? 1 : 0;
        return 1;
    }
    w4_queued_event *item = TAILQ_FIRST(&queue->spare);
    if (item) {
        TAILQ_REMOVE(&queue->spare, item, link);
        queue->spare_count--;
    } else if ((item = malloc(sizeof *item)) == NULL) {
        return -ENOMEM;
    }
    item->event = *event;
    item->blob = w4_blob_ref(blob);
    TAILQ_INSERT_TAIL(&queue->items, item, link);
    queue->count++;
    queue->bytes += bytes;
    return 0;
}

bool w4_event_queue_pop(w4_event_queue *queue, w4_protocol_event *ret_event) {
    queue->out = w4_blob_unref(queue->out);
    w4_queued_event *item = TAILQ_FIRST(&queue->items);
    if (!item) {
        return false;
    }
    TAILQ_REMOVE(&queue->items, item, link);
    queue->count--;
    *ret_event = item->event;
    ret_event->envelope = w4_blob_bytes(item->blob);
    queue->bytes -= ret_event->envelope.len;
    queue->out = item->blob;
    if (queue->spare_count < W4_EVENT_QUEUE_SPARE_MAX) {
        TAILQ_INSERT_HEAD(&queue->spare, item, link);
        queue->spare_count++;
    } else {
        free(item);
    }
    return true;
}
