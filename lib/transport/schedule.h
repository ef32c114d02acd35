/* Things that are due at a time, the earliest first; of one time, the first that was added. */
#pragma once

#include "base/clock.h"

#define W4_SCHEDULE_MAX (1u << 24)

/* A member of what is scheduled. */
typedef struct w4_schedule_entry {
    uint64_t at_us;
    uint64_t sequence; /* given by the owner; breaks ties */
    uint32_t place;    /* where it is in the schedule, from 1; 0: in none */
} w4_schedule_entry;

typedef struct w4_schedule {
    w4_schedule_entry **entries;
    uint32_t count;
    uint32_t cap;
} w4_schedule;

void w4_schedule_deinit(w4_schedule *schedule); /* the entries are the owner's */
/* 0, -ENOMEM, or -ENOSPC above W4_SCHEDULE_MAX. */
int w4_schedule_add(w4_schedule *schedule, w4_schedule_entry *entry, uint64_t at_us,
                    uint64_t sequence);
void w4_schedule_remove(w4_schedule *schedule, w4_schedule_entry *entry); /* in none: nothing */
w4_schedule_entry *w4_schedule_first(const w4_schedule *schedule);        /* NULL when empty */
uint64_t w4_schedule_deadline(const w4_schedule *schedule);
