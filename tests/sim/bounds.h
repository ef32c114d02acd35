/* Invariant 2: counters balance, and no queue and no table passes its bound. */
#pragma once

#include "world.h"

typedef struct sim_bounds sim_bounds;

/* off_by_one: a planted fault, of a counter of each busy channel. */
int sim_bounds_new(sim_world *world, bool off_by_one, sim_bounds **ret_bounds);
sim_bounds *sim_bounds_free(sim_bounds *bounds);
/* A turn of that node is over. */
void sim_bounds_check(sim_bounds *bounds, const sim_node *node);
