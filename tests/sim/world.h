/* A world of whole nodes under virtual time: the shipped core, links in memory, stores that can
 * crash. One seed is one run. Single-threaded; everything happens in turns of single nodes, in the
 * order of their deadlines. */
#pragma once

#include "node/node.h"
#include "node/timers.h"
#include "transport/memory.h"

#include <uthash.h>

#define SIM_NODES_MAX 256u
#define SIM_START_US (UINT64_C(1000) * W4_US_PER_S)
#define SIM_WALL_OFFSET_US (INT64_C(1795428732) * 1000000)
#define SIM_STRANGERS_MAX 8u
#define SIM_SEEDS_MAX 2u
#define SIM_SIP_US (20 * W4_US_PER_MS) /* between two sips of a slow consumer */
#define SIM_STANDSTILL_MAX 200000u     /* turns while time does not move: something spins */
#define SIM_TEXT_MAX 1024u

typedef struct sim_world sim_world;

/* How a node dies. What it had put on the wire dies with it in every case. */
typedef enum sim_death {
    SIM_DEATH_ALIVE,
    SIM_DEATH_COMMITTED, /* after the commit of a turn, before anybody heard of it */
    SIM_DEATH_MIDWAY,    /* within a turn, before its commit */
} sim_death;

typedef struct sim_node {
    w4_timer timer; /* first */
    UT_hash_handle hh_id, hh_agent;
    sim_world *world;
    unsigned index;
    char name[16];
    char address[32];
    w4_env env;
    uint64_t random;
    w4_identity *identity;
    w4_fingerprint id;
    w4_store *store;
    w4_node *node;                 /* NULL: down */
    unsigned life;                 /* how often it was started */
    w4_node_config config;         /* of this life */
    unsigned seeds[SIM_SEEDS_MAX]; /* nodes whose addresses it is told */
    uint64_t turn_us;              /* how long a turn takes it: a slow machine */
    uint64_t busy_until_us;        /* by its last turn */
    uint64_t commit_us;            /* how long one takes its disk, at most */
    uint64_t committed_us;         /* when the one under way is over */
    unsigned sips;                 /* events its agent takes in one turn: a slow consumer; 0: all */
    bool hostile;
    bool stirred; /* is in the list of those */
    sim_death doomed;
    uint64_t event_cursor; /* into the ring of this life */

    /* Its one agent, whose key the node holds. */
    char agent_id[16];
    w4_fingerprint agent, root; /* its key, and the first it had */
    unsigned generation;        /* how many it had before */
    uint64_t rekeyed_us;        /* when it got this one */
    uint64_t owner;             /* in this life; 0: not attached */
} sim_node;

typedef struct sim_config {
    uint64_t seed;
    unsigned nodes;
    bool verbose; /* every event to standard error */
    w4_memory_conditions links;
    int64_t clock_spread_us; /* clocks are wrong by up to so much */
    /* All are told of the first node; else each of the one before it and of another one. */
    bool scattered;
} sim_config;

/* What a run does beyond what nodes do by themselves. */
typedef struct sim_hooks {
    void *context;
    /* Before a node is started: what differs from the defaults. */
    void (*configure)(void *context, sim_node *node, w4_node_config *config);
    /* After a node was started: anchors, agents. */
    void (*started)(void *context, sim_node *node);
    /* Something came out for its agent. */
    void (*event)(void *context, sim_node *node, const w4_node_event *event);
    /* Something in its ring of events. */
    void (*told)(void *context, sim_node *node, const w4_event_view *view);
    /* A turn is over and its node lives; durable says whether all of it is on disk. */
    void (*turned)(void *context, sim_node *node);
    void (*died)(void *context, sim_node *node);
} sim_hooks;

struct sim_world {
    sim_config config;
    sim_hooks hooks;
    uint64_t now_us;
    uint64_t random;
    w4_memory_network *network;
    w4_transport_registry registry;
    sim_node *nodes;
    sim_node *by_id, *by_agent;
    struct sim_former_key *former;               /* of agents */
    w4_fingerprint strangers[SIM_STRANGERS_MAX]; /* peers that are no nodes */
    unsigned stranger_count;
    w4_timers timers;
    sim_node **stirred; /* whose deadline came nearer while another had its turn */
    unsigned stirred_count;
    uint64_t turns;
    unsigned standstill;
    bool settling; /* nobody's disk takes its time just now */
    uint64_t next_owner;
    uint64_t trace; /* hash of all that was told and came out */
    bool failed;    /* an invariant does not hold */
    char failure[SIM_TEXT_MAX];
    uint64_t failed_us;
};

int sim_world_new(const sim_config *config, const sim_hooks *hooks, sim_world **ret_world);
sim_world *sim_world_free(sim_world *world);

void sim_start(sim_node *node);
void sim_crash(sim_node *node, sim_death death); /* at its next turn */
void sim_kill(sim_node *node);                   /* at once, between two turns */

/* Goes on to time until_us, or to a failure. */
void sim_run(sim_world *world, uint64_t until_us);
/* Something was asked of the node from outside: it has its turn before time moves on. */
void sim_poke(sim_node *node);
sim_node *sim_node_of(sim_world *world, const w4_fingerprint *id);
sim_node *sim_node_of_agent(sim_world *world, const w4_fingerprint *agent); /* now or before */
/* Its agent has another key from now on. 0 or -ENOMEM. */
int sim_world_agent_moves(sim_world *world, sim_node *node, const w4_fingerprint *key);

uint64_t sim_random(uint64_t *state);
uint64_t sim_below(sim_world *world, uint64_t bound);
/* The first failure is kept: which invariant, and what happened. */
void sim_fail(sim_world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_trace(sim_world *world, const void *bytes, size_t len);
