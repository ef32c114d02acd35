/* What waits to be taken out by the node, in order. Bounded in number; events that only tell
 * (rejected, routed, trust, fact) leave the last quarter to those that carry something. */
#pragma once

#include "protocol/blob.h"
#include "protocol/protocol.h"

#include <sys/queue.h>

#define W4_EVENT_QUEUE_MAX 32768u /* over twice the parcels that one call may end */
#define W4_EVENT_QUEUE_TELL_MAX (W4_EVENT_QUEUE_MAX / 4 * 3)
#define W4_EVENT_QUEUE_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define W4_EVENT_QUEUE_SPARE_MAX 32u

typedef struct w4_queued_event w4_queued_event;

TAILQ_HEAD(w4_queued_event_list, w4_queued_event);
typedef struct w4_event_queue {
    struct w4_queued_event_list items, spare;
    uint32_t count, spare_count;
    size_t bytes;
    uint64_t lost; /* events that only tell and found no room */
    w4_blob *out;  /* of the event popped last */
} w4_event_queue;

void w4_event_queue_init(w4_event_queue *queue);
void w4_event_queue_deinit(w4_event_queue *queue);

/* blob: the event's envelope (a reference is taken) or NULL. 0, -ENOMEM, or 1: no room. */
int w4_event_queue_push(w4_event_queue *queue, const w4_protocol_event *event, w4_blob *blob);
bool w4_event_queue_pop(w4_event_queue *queue, w4_protocol_event *ret_event);
