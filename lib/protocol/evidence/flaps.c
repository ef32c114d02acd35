#include "protocol/evidence/flaps.h"

#include "protocol/evidence/misconduct.h"

int w4_flaps_note(w4_flaps *flaps, w4_protocol *p, const w4_inbound *in) {
    if (flaps->count == 0 || in->now_us - flaps->since_us > W4_FLAPS_WINDOW_US) {
        *flaps = (w4_flaps){.since_us = in->now_us};
    }
    if (flaps->count++ < W4_FLAPS_MAX) {
        return 0;
    }
    flaps->count = 0;
    return w4_misconduct_blame(p, in, W4_TRUST_OFFENCE_FLAPPING);
}
