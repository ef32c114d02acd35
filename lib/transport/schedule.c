#include "transport/schedule.h"

#include <errno.h>
#include <stdlib.h>

#define SCHEDULE_FIRST_CAP 16u

void w4_schedule_deinit(w4_schedule *schedule) {
    free(schedule->entries);
    *schedule = (w4_schedule){0};
}

static bool is_before(const w4_schedule_entry *a, const w4_schedule_entry *b) {
    return a->at_us < b->at_us || (a->at_us == b->at_us && a->sequence < b->sequence);
}

/* Places count from 1, so that the parent of p is p / 2. */
static void put(w4_schedule *schedule, uint32_t place, w4_schedule_entry *entry) {
    schedule->entries[place - 1] = entry;
    entry->place = place;
}

static void sift_up(w4_schedule *schedule, w4_schedule_entry *entry) {
    uint32_t place = entry->place;
    while (place > 1 && is_before(entry, schedule->entries[place / 2 - 1])) {
        put(schedule, place, schedule->entries[place / 2 - 1]);
        place /= 2;
    }
    put(schedule, place, entry);
}

static void sift_down(w4_schedule *schedule, w4_schedule_entry *entry) {
    uint32_t place = entry->place;
    for (;;) {
        uint32_t child = place * 2;
        if (child > schedule->count) {
            break;
        }
        if (child < schedule->count &&
            is_before(schedule->entries[child], schedule->entries[child - 1])) {
            child++;
        }
        if (!is_before(schedule->entries[child - 1], entry)) {
            break;
        }
        put(schedule, place, schedule->entries[child - 1]);
        place = child;
    }
    put(schedule, place, entry);
}

static int make_room(w4_schedule *schedule) {
    if (schedule->count < schedule->cap) {
        return 0;
    }
    if (schedule->count >= W4_SCHEDULE_MAX) {
        return -ENOSPC;
    }
    uint32_t cap = schedule->cap > 0 ? schedule->cap * 2 : SCHEDULE_FIRST_CAP;
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): it holds pointers */
    w4_schedule_entry **entries = realloc(schedule->entries, cap * sizeof *entries);
    if (!entries) {
        return -ENOMEM;
    }
    schedule->entries = entries;
    schedule->cap = cap;
    return 0;
}

int w4_schedule_add(w4_schedule *schedule, w4_schedule_entry *entry, uint64_t at_us,
                    uint64_t sequence) {
    int r = make_room(schedule);
    if (r < 0) {
        return r;
    }
    entry->at_us = at_us;
    entry->sequence = sequence;
    put(schedule, ++schedule->count, entry);
    sift_up(schedule, entry);
    return 0;
}

void w4_schedule_remove(w4_schedule *schedule, w4_schedule_entry *entry) {
    uint32_t place = entry->place;
    if (place == 0) {
        return;
    }
    entry->place = 0;
    w4_schedule_entry *last = schedule->entries[--schedule->count];
    if (last == entry) {
        return;
    }
    put(schedule, place, last);
    sift_up(schedule, last);
    sift_down(schedule, last);
}

w4_schedule_entry *w4_schedule_first(const w4_schedule *schedule) {
    return schedule->count > 0 ? schedule->entries[0] : NULL;
}

uint64_t w4_schedule_deadline(const w4_schedule *schedule) {
    return schedule->count > 0 ? schedule->entries[0]->at_us : W4_NEVER;
}
