#pragma once

#include "ledger.h"

void sim_planted_set(sim_plant plant); /* others than those of the runtime bend nothing */
