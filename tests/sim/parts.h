/* Who can hear from whom: the parts that sessions between honest nodes make of the mesh now. */
#pragma once

#include "world.h"

/* By node: the same number for all of one part. */
void sim_parts_find(sim_world *world, unsigned ret_part_of[static SIM_NODES_MAX]);
