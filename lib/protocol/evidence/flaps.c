#include "protocol/evidence/flaps.h"

#include "protocol/router.h"
#include "trust/blame.h"

static int accuse(w4_protocol *p, const w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    w4_trust_blame blame;
    if (!w4_trust_blame_find(W4_TRUST_OFFENCE_FLAPPING, in->family->kind, &e->sender.fingerprint,
                             NULL, &blame)) {
        return 0;
    }
    int r =
        w4_router_trust(p, blame.kind, &blame.subject, blame.event, NULL,
                        w4_trust_offence_name(W4_TRUST_OFFENCE_FLAPPING), e->msg_id, in->now_us);
    return r < 0 ? r : 0;
}

int w4_flaps_note(w4_flaps *flaps, w4_protocol *p, const w4_inbound *in) {
    if (flaps->count == 0 || in->now_us - flaps->since_us > W4_FLAPS_WINDOW_US) {
        *flaps = (w4_flaps){.since_us = in->now_us};
    }
    if (flaps->count++ < W4_FLAPS_MAX) {
        return 0;
    }
    flaps->count = 0;
    return accuse(p, in);
}
