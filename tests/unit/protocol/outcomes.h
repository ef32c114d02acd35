/* What senders are told became of their messages. */
#pragma once

#include "world.h"

/* How often it was told at that node that the message ended with that code. */
static inline unsigned outcomes(const world *w, unsigned n, const char *msg_id, w4_refusal code) {
    unsigned count = 0;
    for (unsigned i = 0; i < w->log_count[n]; i++) {
        const logged *at = &w->log[n][i];
        count += at->kind == W4_PROTOCOL_EVENT_DELIVERY && strcmp(at->msg_id, msg_id) == 0 &&
                         at->code == code
                     ? 1
                     : 0;
    }
    return count;
}
