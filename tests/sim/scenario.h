/* What happens in a run: agents talk, propose facts and confirm them all the time, while the
 * scenario does its harm; then peace, and everything must come out well. */
#pragma once

#include "faults.h"
#include "ledger.h"

#include <stdio.h>

typedef struct sim_options {
    const char *scenario;
    uint64_t seed;
    unsigned nodes;   /* 0: as the scenario has it */
    unsigned minutes; /* of trouble; 0: as the scenario has it */
    sim_plant plant;
    bool verbose;
    bool quick; /* quick.h */
} sim_options;

typedef struct sim_result {
    bool failed;
    char failure[SIM_TEXT_MAX];
    double failed_s;
    uint64_t trace;
    uint64_t turns;
    unsigned facts, crashes;
    unsigned nodes;
    double simulated_s;
    uint64_t durables, redelivered;       /* messages whose agents have dealt with them */
    uint64_t checks;                      /* of the laws of one channel */
    uint64_t begun[SIM_FAULT_KIND_COUNT]; /* faults of each kind */
    uint64_t told[W4_REFUSAL_COUNT];      /* to senders; NONE: delivered */
    uint64_t answered[W4_REFUSAL_COUNT];  /* by nodes to agents about what they were to send */
    uint64_t people;                      /* words between people that were looked at */
    uint64_t told_people;        /* words of consent that got to nodes by their neighbours only */
    unsigned forgeries, replays; /* of the hostile node, refused as such */
    uint64_t of_revoked;         /* envelopes that nodes refused since their key is revoked */
    unsigned claims;             /* that were brought */
} sim_result;

typedef struct sim_scenario {
    const char *name;
    const char *help;
    unsigned nodes, seconds;
    uint64_t tick_us; /* agents look around, faults begin and end */
    uint64_t fact_every_us, talk_every_us, human_every_us, claim_every_us; /* 0: never */
    uint32_t bulk_bytes; /* facts and talk carry up to so much more */
    unsigned burst;      /* now and then so many words at once; 0: never */
    unsigned neighbours; /* each node seeks so many; 0: all */
    unsigned intruders;  /* peers that keep to no rule */
    unsigned rotations;  /* agents get other keys so often, about */
    bool small_queues;   /* and every policy of overflow, credit and rekeying among the nodes */
    uint64_t commit_us;  /* what one takes the disk of every second node, at most */
    sim_weather weather;
    struct {
        uint64_t every_us; /* about; 0: never */
        uint64_t for_us;   /* up to so much; 0: it is over at once */
    } faults[SIM_FAULT_KIND_COUNT];
} sim_scenario;

const sim_scenario *sim_scenario_find(const char *name);
const sim_scenario *sim_scenario_next(const sim_scenario *scenario); /* NULL: first; NULL: end */

/* What senders were told, which faults there were, how much was checked. */
void sim_print_totals(const sim_result *result, FILE *out);
/* 0, or -1: no such scenario, too many nodes, no memory. table: where to print one, or NULL. */
int sim_play(const sim_options *options, FILE *table, sim_result *ret_result);
