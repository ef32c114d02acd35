/* Invariant 3, in part: whom a node trusts follows from the history that it has stored. */
#pragma once

#include "world.h"

/* Plays the stored history of everybody whom the node knows; what it gives must be what stands in
 * the node's book. For a node that is up. */
void sim_histories_check(const sim_node *node);
