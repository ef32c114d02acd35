#include "node/timers.h"

#include <errno.h>
#include <stdlib.h>

void w4_timers_deinit(w4_timers *timers) {
    free(timers->heap);
    *timers = (w4_timers){0};
}

static void place(w4_timers *timers, size_t position, w4_timer *timer) {
    timers->heap[position] = timer;
    timer->position = position;
}

static void sift_up(w4_timers *timers, size_t position) {
    w4_timer *timer = timers->heap[position];
    while (position > 1 && timers->heap[position / 2]->at_us > timer->at_us) {
        place(timers, position, timers->heap[position / 2]);
        position /= 2;
    }
    place(timers, position, timer);
}

static void sift_down(w4_timers *timers, size_t position) {
    w4_timer *timer = timers->heap[position];
    for (;;) {
        size_t child = position * 2;
        if (child > timers->count) {
            break;
        }
        if (child < timers->count && timers->heap[child + 1]->at_us < timers->heap[child]->at_us) {
            child++;
        }
        if (timers->heap[child]->at_us >= timer->at_us) {
            break;
        }
        place(timers, position, timers->heap[child]);
        position = child;
    }
    place(timers, position, timer);
}

static int grow(w4_timers *timers) {
    if (timers->count + 1 < timers->cap) {
        return 0;
    }
    size_t cap = timers->cap == 0 ? 64 : timers->cap * 2;
    w4_timer **heap = (w4_timer **)realloc((void *)timers->heap, cap * sizeof *heap);
    if (heap == NULL) {
        return -ENOMEM;
    }
    timers->heap = heap;
    timers->cap = cap;
    return 0;
}

int w4_timers_set(w4_timers *timers, w4_timer *timer, uint64_t at_us) {
    if (at_us == W4_NEVER) {
        w4_timers_remove(timers, timer);
        return 0;
    }
    if (timer->position == 0) {
        int r = grow(timers);
        if (r < 0) {
            return r;
        }
        timer->at_us = at_us;
        place(timers, ++timers->count, timer);
        sift_up(timers, timers->count);
        return 0;
    }
    bool earlier = at_us < timer->at_us;
    timer->at_us = at_us;
    if (earlier) {
        sift_up(timers, timer->position);
    } else {
        sift_down(timers, timer->position);
    }
    return 0;
}

void w4_timers_remove(w4_timers *timers, w4_timer *timer) {
    if (timer->position == 0) {
        return;
    }
    size_t hole = timer->position;
    w4_timer *last = timers->heap[timers->count--];
    timer->position = 0;
    if (last == timer) {
        return;
    }
    place(timers, hole, last);
    sift_up(timers, hole);
    sift_down(timers, last->position);
}

uint64_t w4_timers_next(const w4_timers *timers) {
    return timers->count == 0 ? W4_NEVER : timers->heap[1]->at_us;
}

w4_timer *w4_timers_pop(w4_timers *timers, uint64_t now_us) {
    if (timers->count == 0 || timers->heap[1]->at_us > now_us) {
        return NULL;
    }
    w4_timer *due = timers->heap[1];
    w4_timers_remove(timers, due);
    return due;
}
