/* What happens in a run: facts are proposed and confirmed all the time, while the scenario does its
 * harm; then peace, and everything must come out well. */
#pragma once

#include "ledger.h"

#include <stdio.h>

typedef struct sim_options {
    const char *scenario;
    uint64_t seed;
    unsigned nodes;   /* 0: as the scenario has it */
    unsigned minutes; /* of trouble; 0: as the scenario has it */
    sim_plant plant;
    bool verbose;
} sim_options;

typedef struct sim_result {
    bool failed;
    char failure[SIM_TEXT_MAX];
    double failed_s;
    uint64_t trace;
    uint64_t turns;
    unsigned facts, crashes;
    unsigned nodes, minutes;
    double simulated_s;
} sim_result;

typedef struct sim_scenario {
    const char *name;
    const char *help;
    unsigned nodes, minutes;
    unsigned crashes;       /* spread over the time of trouble */
    uint64_t down_us;       /* a node that crashed stays down for up to so much */
    uint64_t part_every_us; /* 0: the net is never parted */
    uint64_t part_for_us;   /* up to so much */
    uint32_t bulk_bytes;    /* facts and talk carry up to so much more */
    bool stores_fail;       /* now and then one can commit nothing for some seconds */
    bool clocks_jump;       /* by up to CLOCK_JUMP_US, either way */
    w4_memory_conditions links;
} sim_scenario;

const sim_scenario *sim_scenario_find(const char *name);
const sim_scenario *sim_scenario_next(const sim_scenario *scenario); /* NULL: first; NULL: end */

/* 0, or -1: no such scenario, too many nodes, no memory. table: where to print one, or NULL. */
int sim_play(const sim_options *options, FILE *table, sim_result *ret_result);
