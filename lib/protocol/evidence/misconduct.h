/* What proves that a key said two things that exclude one another: both envelopes, as it signed
 * them, kept in W4_STORE_META under "proof/" | fingerprint 32 | msg_id 36 of the second. Nobody is
 * accused without them. */
#pragma once

#include "protocol/pipeline/pipeline.h"
#include "trust/blame.h"

/* Kept at all; of those who were not trusted here, three quarters of it. More are not kept. */
#define W4_PROOFS_MAX 256u

/* Is something else kept here that its sender signed under the msg_id of in->envelope? A word that
 * was passed on can come when its msg_id is no longer remembered. 0, a fatal error, or a store
 * condition: what is kept cannot be read, so nobody knows, and the word must not pass. */
int w4_misconduct_look(const w4_protocol *p, const w4_inbound *in, bool *ret_else);

/* in->envelope, whose signature is good, and the one of the same sender that is kept here under
 * that msg_id exclude one another; what says how, for people. When that one is here and the sender
 * signed something else in it, both are kept and the sender is taken to be malicious, unless it is
 * blocked already. 0 or a fatal error. */
int w4_misconduct_accuse(w4_protocol *p, const w4_inbound *in, const char *kept_msg_id,
                         const char *what);

/* Holds it against the sender of in->envelope, as the table of blame has it; the caller knows that
 * it is proven. 0 or a fatal error. */
int w4_misconduct_blame(w4_protocol *p, const w4_inbound *in, w4_trust_offence offence);

/* The proofs against one key, as an array. 0, -ENOMEM, or a store condition. */
int w4_misconduct_write(w4_store *store, const w4_fingerprint *subject, w4_json_writer *w);

/* How many are kept: counted at the start. 0, -ENOMEM, or a store condition. */
int w4_misconduct_count(w4_store *store, uint32_t *ret_count);
