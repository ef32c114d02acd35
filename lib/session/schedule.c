#include "session/schedule.h"

#include "session/frame.h"

#include <string.h>

/* One share is at least one frame, so each turn sends something. */
#define SHARE ((uint32_t)(W4_FRAME_HEADER + W4_PART_MAX))

/* Bytes a turn; 0: takes no turns, goes first. */
static const uint32_t shares[W4_CHANNEL_KIND_COUNT] = {
    [W4_CHANNEL_CONTROL] = 0,
    [W4_CHANNEL_STATE] = 4 * SHARE,
    [W4_CHANNEL_KNOWLEDGE] = 1 * SHARE,
};

static uint8_t following(uint8_t kind) {
    do {
        kind = (uint8_t)((kind + 1) % W4_CHANNEL_KIND_COUNT);
    } while (shares[kind] == 0);
    return kind;
}

void w4_schedule_init(w4_schedule *s) {
    memset(s, 0, sizeof *s);
    s->turn = W4_CHANNEL_STATE;
    s->deficit[s->turn] = shares[s->turn];
}

bool w4_schedule_pick(w4_schedule *s, const size_t ready[static W4_CHANNEL_KIND_COUNT],
                      w4_channel_kind *ret_kind) {
    bool any = false;
    for (unsigned kind = 0; kind < W4_CHANNEL_KIND_COUNT; kind++) {
        if (ready[kind] == 0) {
            continue;
        }
        if (shares[kind] == 0) {
            *ret_kind = (w4_channel_kind)kind;
            return true;
        }
        any = true;
    }
    if (!any) {
        return false;
    }
    while (ready[s->turn] == 0 || s->deficit[s->turn] < ready[s->turn]) {
        if (ready[s->turn] == 0) {
            s->deficit[s->turn] = 0; /* who has nothing to send saves nothing up */
        }
        s->turn = following(s->turn);
        s->deficit[s->turn] += shares[s->turn];
    }
    *ret_kind = (w4_channel_kind)s->turn;
    return true;
}

void w4_schedule_sent(w4_schedule *s, w4_channel_kind kind, size_t bytes) {
    if (shares[kind] > 0) {
        s->deficit[kind] -= bytes < s->deficit[kind] ? (uint32_t)bytes : s->deficit[kind];
    }
}
