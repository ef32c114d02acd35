#include "trust/blame.h"

#include <assert.h>

/* clang-format off */
static const struct {
    const char *name;
    bool signer;  /* falls on a proven signer */
    bool carrier; /* falls on the carrier where no signer is proven */
    w4_trust_event event;
} rows[W4_TRUST_OFFENCE_COUNT] = {
    /*                                    name               signer carrier event */
    [W4_TRUST_OFFENCE_BAD_FINGERPRINT] = {"bad_fingerprint", true,  true,   W4_TRUST_EVENT_MALICE},
    [W4_TRUST_OFFENCE_BAD_SIGNATURE]   = {"bad_signature",   false, true,   W4_TRUST_EVENT_MALICE},
    [W4_TRUST_OFFENCE_EQUIVOCATION]    = {"equivocation",    true,  false,  W4_TRUST_EVENT_MALICE},
    [W4_TRUST_OFFENCE_STALE_CLOCK]     = {"stale_clock",     true,  false,  W4_TRUST_EVENT_ANOMALY},
    [W4_TRUST_OFFENCE_FLAPPING]        = {"flapping",        true,  false,  W4_TRUST_EVENT_ANOMALY},
};
/* clang-format on */

bool w4_trust_blame_find(w4_trust_offence offence, w4_trust_kind signer_kind,
                         const w4_fingerprint *signer, const w4_fingerprint *carrier,
                         w4_trust_blame *ret_blame) {
    assert(offence < W4_TRUST_OFFENCE_COUNT && signer_kind < W4_TRUST_KIND_COUNT);
    if (signer && rows[offence].signer) {
        *ret_blame = (w4_trust_blame){signer_kind, *signer, rows[offence].event};
        return true;
    }
    if (carrier && rows[offence].carrier) {
        *ret_blame = (w4_trust_blame){W4_TRUST_NODE, *carrier, rows[offence].event};
        return true;
    }
    return false;
}

const char *w4_trust_offence_name(w4_trust_offence offence) {
    assert(offence < W4_TRUST_OFFENCE_COUNT);
    return rows[offence].name;
}
