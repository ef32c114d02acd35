/* A hostile minority among honest nodes: two agents that everybody trusts and that live on one node
 * whose operator cheats, its node trusted too; and any number of agents of theirs that are trusted
 * by nobody, on that node and on two more. They do what they can to have a lie accepted, to become
 * trusted, to have others mistrusted, and to speak to people who do not want it. minority_judge.c
 * only looks: by what was said at the honest nodes, nothing of it may ever succeed. */
#pragma once

#include "world.h"

#include <stdio.h>

#define MINORITY_HONEST 6u
#define MINORITY_NODES 9u
#define MINORITY_TRAITORS 2u
#define MINORITY_AGENTS 14u /* of theirs: the traitors first, on the first hostile node */
#define MINORITY_FACTS_MAX 4096u
#define MINORITY_HEARD_MAX 64u

typedef enum minority_plant {
    MINORITY_PLANT_NONE,
    MINORITY_PLANT_PROBATION,  /* whoever is on probation counts as trusted */
    MINORITY_PLANT_ONE_NODE,   /* confirmers on one node are independent */
    MINORITY_PLANT_CENSOR,     /* those who reject on one node are independent */
    MINORITY_PLANT_REPLAY,     /* nothing is remembered */
    MINORITY_PLANT_STALE,      /* 400 s are fresh */
    MINORITY_PLANT_CONSENT,    /* consent taken back is consent */
    MINORITY_PLANT_INTRODUCED, /* an introduction makes trusted */
    MINORITY_PLANT_COUNT
} minority_plant;
const char *minority_plant_name(minority_plant plant);
void minority_plant_set(minority_plant plant);

typedef struct minority_agent {
    w4_identity *key; /* a copy: they sign what they like */
    w4_fingerprint fingerprint;
    char name[16];
    unsigned node;
    uint64_t owner; /* in this life of its node */
} minority_agent;

typedef struct minority_fact {
    char id[37];
    bool good;            /* two honest agents will confirm it, once it is known to them */
    unsigned proposer;    /* honest node; MINORITY_NODES: one of theirs */
    unsigned confirms[2]; /* honest nodes */
    bool confirmed[2];
} minority_fact;

typedef struct minority_seen { /* what an honest agent was given */
    char key[40];              /* number of its node, msg_id */
    UT_hash_handle hh;
} minority_seen;

typedef struct minority {
    sim_world *world;
    minority_agent agents[MINORITY_AGENTS];
    minority_fact facts[MINORITY_FACTS_MAX];
    unsigned fact_count;
    w4_buffer heard[MINORITY_HEARD_MAX]; /* genuine envelopes, to be said again */
    unsigned heard_count;
    /* The person behind the agent of each honest node. */
    bool greeted[MINORITY_HONEST], revoked[MINORITY_HONEST];
    minority_seen *seen;
    uint64_t given, words, attacks, lies, refused;
} minority;

/* minority_hostile.c */
void minority_attack(minority *m);
void minority_hear(minority *m, const w4_node_event *event);

/* minority_judge.c */
void minority_judge_given(minority *m, sim_node *node, const w4_node_event *event);
void minority_judge_fact(minority *m, const sim_node *node, const w4_node_event *event);
void minority_judge_trust(minority *m); /* at all honest nodes */
void minority_judge_end(minority *m);
void minority_judge_watch(minority *m); /* also what leaves its nodes; NULL: no more */

/* minority.c. Result of w4_protocol_send; to NULL: all. */
int minority_send(minority *m, const sim_node *node, uint64_t owner, w4_family family,
                  const char *type, const w4_fingerprint *to, const char *payload,
                  const char *state, char ret_msg_id[static 37]);
bool minority_is_ready(const sim_node *node);
bool minority_is_honest(const sim_node *node);

typedef struct minority_result {
    bool failed;
    char failure[SIM_TEXT_MAX];
    unsigned facts;
    uint64_t given, words, attacks, lies, refused;
} minority_result;
/* 0, or -1: the world cannot be made. */
int minority_play(uint64_t seed, minority_plant plant, minority_result *ret_result);
