/* On whom an offence falls (protocols.md 2): on the key that provably signed, else on the node
 * whose authenticated session brought it, else on nobody. A fingerprint that was merely claimed is
 * not an argument here, so nobody can be blamed in another's name. */
#pragma once

#include "crypto/fingerprint.h"
#include "trust/machine.h"

typedef enum w4_trust_offence {
    W4_TRUST_OFFENCE_BAD_FINGERPRINT, /* the claimed fingerprint is not that of the key */
    W4_TRUST_OFFENCE_BAD_SIGNATURE,   /* proves nothing about any key */
    W4_TRUST_OFFENCE_EQUIVOCATION,    /* two signed statements that exclude one another */
    W4_TRUST_OFFENCE_STALE_CLOCK,     /* signed at a time that is yet to come */
    W4_TRUST_OFFENCE_FLAPPING,        /* begins anew again and again */
    W4_TRUST_OFFENCE_COUNT
} w4_trust_offence;

typedef struct w4_trust_blame {
    w4_trust_kind kind;
    w4_fingerprint subject;
    w4_trust_event event; /* what to apply to that subject */
} w4_trust_blame;

/* signer: the fingerprint computed from the key whose signature was verified over the offending
 * bytes, and its kind; NULL when no signature was verified. carrier: the node at the other end of
 * the authenticated session, NULL when there is none (a local agent, a session not yet up).
 * False: nobody is blamed. */
bool w4_trust_blame_find(w4_trust_offence offence, w4_trust_kind signer_kind,
                         const w4_fingerprint *signer, const w4_fingerprint *carrier,
                         w4_trust_blame *ret_blame);
const char *w4_trust_offence_name(w4_trust_offence offence);
