/* Faults of every kind, each with a beginning and an end; what they are done to is drawn. */
#pragma once

#include "world.h"

typedef w4_memory_conditions sim_weather;

typedef enum sim_fault_kind {
    SIM_FAULT_CRASH,      /* within a turn or after its commit; down until the end */
    SIM_FAULT_KILL,       /* between two turns, at once */
    SIM_FAULT_PART,       /* the net falls into two parts; some pairs are cut one way only */
    SIM_FAULT_CUT,        /* from one node to another nothing passes */
    SIM_FAULT_RESET,      /* links of a node break */
    SIM_FAULT_NARROW,     /* little passes from a node in a second */
    SIM_FAULT_WEATHER,    /* what a node sends is lost, repeated, late */
    SIM_FAULT_STORE,      /* no commit succeeds */
    SIM_FAULT_DISK,       /* the store takes nothing more */
    SIM_FAULT_CLOCK,      /* jumps */
    SIM_FAULT_SLOW_NODE,  /* each turn takes long */
    SIM_FAULT_SLOW_AGENT, /* its agent takes one event at a time */
    SIM_FAULT_KIND_COUNT
} sim_fault_kind;
const char *sim_fault_name(sim_fault_kind kind);

typedef struct sim_faults {
    sim_world *world;
    unsigned victims; /* the first so many nodes */
    uint64_t next_us[SIM_FAULT_KIND_COUNT];
    uint64_t until_us[SIM_FAULT_KIND_COUNT][SIM_NODES_MAX]; /* 0: not afflicted */
    unsigned other[SIM_NODES_MAX];                          /* CUT: to whom */
    uint64_t begun[SIM_FAULT_KIND_COUNT];
} sim_faults;

/* One that is to come now; for_us: as the scenario has it. False: whom it was to befall is dead or
 * has it already. */
bool sim_fault_begin(sim_faults *faults, sim_fault_kind kind, uint64_t for_us);
void sim_faults_end(sim_faults *faults, uint64_t now_us); /* those whose time is over */
void sim_faults_end_all(sim_faults *faults);
/* The node has died: what was wrong with its store is over, and some time it is started again. */
void sim_faults_died(sim_faults *faults, unsigned index);
