#include "protocol/evidence/clocks.h"

#include "protocol/evidence/misconduct.h"
#include "protocol/router.h"

#include <errno.h>

static uint64_t apart(uint64_t a, uint64_t b) {
    return a > b ? a - b : b - a;
}

void w4_protocol_peer_clock(w4_protocol *p, const w4_fingerprint *node, uint64_t wall_us,
                            uint64_t now_us) {
    w4_neighbour *neighbour = w4_neighbour_get(&p->parcels, node);
    if (!neighbour) {
        p->failed = p->failed != 0 ? p->failed : -ENOMEM;
        p->wake_us = 0;
        return;
    }
    neighbour->clock_us = now_us;
    neighbour->wall_us = w4_router_wall(p, now_us);
    neighbour->agrees = apart(wall_us, neighbour->wall_us) <= W4_CLOCKS_AGREE_US;
}

/* The clock here still says what it said, and what the neighbour said, when its session began. */
static bool still_agrees(const w4_neighbour *neighbour, const w4_inbound *in) {
    uint64_t ticked_us = neighbour->wall_us + (in->now_us - neighbour->clock_us);
    return neighbour->agrees && apart(ticked_us, in->wall_us) <= W4_CLOCKS_AGREE_US;
}

static bool is_right_here(const w4_protocol *p, const w4_inbound *in) {
    void *cursor = NULL;
    const w4_neighbour *neighbour;
    bool any = false;
    while ((neighbour = w4_neighbour_next(&p->parcels, &cursor)) != NULL) {
        if (neighbour->up && neighbour->clock_us != 0) {
            any = true;
            if (!still_agrees(neighbour, in)) {
                return false;
            }
        }
    }
    return any;
}

int w4_clocks_blame(w4_protocol *p, w4_inbound *in) {
    bool ahead = in->envelope.timestamp_us > w4_later(in->wall_us, W4_FRESHNESS_WINDOW_US);
    if (in->fault.code != W4_REFUSAL_STALE || !ahead || w4_fingerprint_is_zero(&in->from_node) ||
        !is_right_here(p, in)) {
        return 0;
    }
    return w4_misconduct_blame(p, in, W4_TRUST_OFFENCE_STALE_CLOCK);
}
