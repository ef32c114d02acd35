/* Which channel sends next: control first, then state and knowledge by deficit round robin 4:1. */
#pragma once

#include "envelope/type.h"

typedef struct w4_schedule {
    uint8_t turn; /* w4_channel_kind, one of those that take turns */
    uint32_t deficit[W4_CHANNEL_KIND_COUNT];
} w4_schedule;

void w4_schedule_init(w4_schedule *s);
/* ready: bytes of the next frame of each channel, 0 for none. False when all are 0. Picking
 * changes only whose turn it is; what is really sent is told with _sent. */
bool w4_schedule_pick(w4_schedule *s, const size_t ready[static W4_CHANNEL_KIND_COUNT],
                      w4_channel_kind *ret_kind);
void w4_schedule_sent(w4_schedule *s, w4_channel_kind kind, size_t bytes);
