/* The account of durable messages (invariant 5): what was acknowledged as stored is in a store,
 * whoever dies, until its agent has dealt with it or its sender was told a code; it comes in order,
 * and again only where the agent's word that it has dealt with it was not kept, and then marked. */
#pragma once

#include "ledger.h"

int sim_durables_new(sim_world *world, const sim_people *people, sim_durables **ret_durables);
sim_durables *sim_durables_free(sim_durables *durables);

void sim_durables_sent(sim_durables *durables, sim_sent *sent, w4_family family);
void sim_durables_arrived(sim_durables *durables, sim_node *node, const sim_sent *sent,
                          bool redelivered);
void sim_durables_turned(sim_durables *durables, const sim_node *node); /* and it is on disk */
void sim_durables_died(sim_durables *durables, const sim_node *node);
/* Agents deal with what they were given. */
void sim_durables_acknowledge(sim_durables *durables);
/* Is all that was kept in its place? node NULL: of all nodes. */
void sim_durables_check(sim_durables *durables, const sim_node *node);
/* One that has not got to its end, or NULL. */
const sim_sent *sim_durables_open(const sim_durables *durables);
uint64_t sim_durables_done(const sim_durables *durables, uint64_t *ret_redelivered);
