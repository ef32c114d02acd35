/* A heap of deadlines: what is due first, among thousands, in O(log n). Intrusive and owned by the
 * caller's structs. */
#pragma once

#include "base/clock.h"

typedef struct w4_timer {
    uint64_t at_us;
    size_t position; /* 1-based in the heap; 0: not in it */
    uint32_t kind;   /* the caller's: which struct it lies in */
} w4_timer;

typedef struct w4_timers {
    w4_timer **heap; /* heap[0] unused */
    size_t count, cap;
} w4_timers;

void w4_timers_deinit(w4_timers *timers);
/* Adds, moves, or (W4_NEVER) removes. 0 or -ENOMEM. */
int w4_timers_set(w4_timers *timers, w4_timer *timer, uint64_t at_us);
void w4_timers_remove(w4_timers *timers, w4_timer *timer);
uint64_t w4_timers_next(const w4_timers *timers);            /* W4_NEVER when empty */
w4_timer *w4_timers_pop(w4_timers *timers, uint64_t now_us); /* one that is due, or NULL */
