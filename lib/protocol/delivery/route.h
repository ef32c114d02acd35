/* Where an envelope goes from here: to agents of this node, to neighbours. */
#pragma once

#include "protocol/pipeline/pipeline.h"

/* Whom a local agent means: agent_id, fingerprint, unique prefix of one (8 digits at least), or
 * "*". away: also one that is nowhere now, but was. A whole fingerprint stands for the last key of
 * its identity. NONE with *ret_party (agent_id "*" and a zero fingerprint for all), else NOT_FOUND
 * or KEY_REVOKED, and why.
 */
w4_refusal w4_route_resolve(const w4_protocol *p, w4_bytes to, bool away, w4_party *ret_party,
                            const char **ret_why);
/* Why there is no node to send to for that agent: NOT_FOUND, or PEER_BLOCKED (its node is). */
w4_refusal w4_route_missing(const w4_protocol *p, const w4_fingerprint *agent,
                            const char **ret_why);
/* Can an envelope of a local agent go where it is meant to? NONE, NO_ROUTE, or as above. */
w4_refusal w4_route_check(const w4_protocol *p, const w4_envelope *envelope, const char **ret_why);
/* Gives it to one agent of this node: what the family says of that meeting, then its turn. 0 with
 * *ret_code (NONE: taken, or kept for later), or a fatal error; in->fault says more of a code. */
int w4_route_hand(w4_protocol *p, w4_inbound *in, w4_agent *agent, w4_refusal *ret_code);
/* The stage `delivery`: 0, 1 with in->fault, or a fatal error. */
int w4_route(w4_protocol *p, w4_inbound *in);
