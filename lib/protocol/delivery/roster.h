/* Agents that neighbours have listed in their records, also those of which this node knows nothing
 * else: so that what is durable can be sent to one that is away by now. It is a node's word, which
 * what agents themselves have said here goes before: nothing but durable messages of agents here
 * goes by it. */
#pragma once

#include "protocol/delivery/homes.h"

struct w4_protocol;

/* What the record of that neighbour lists now. 0 or -ENOMEM. */
int w4_roster_note(struct w4_protocol *p, const w4_fingerprint *node, uint64_t now_us);

/* Where that agent was last, as it said itself, or else as a node listed it. NULL: not known. */
const w4_home *w4_roster_home(const struct w4_protocol *p, const w4_fingerprint *agent);
