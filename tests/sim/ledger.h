/* What was promised to agents, and what became of it: an account of its own, by which invariants 1
 * to 3 and 5 are judged. It looks at what goes in and comes out of nodes, at their counters, and at
 * what is in their stores; it uses nothing that nodes conclude. */
#pragma once

#include "world.h"

#include <uthash.h>

/* A fault that is put in on purpose, to see that it is noticed. */
typedef enum sim_plant {
    SIM_PLANT_NONE,
    SIM_PLANT_LOSE,    /* a message that came out for an agent is not seen */
    SIM_PLANT_TWICE,   /* one is seen twice */
    SIM_PLANT_SWAP,    /* two are seen in the other order */
    SIM_PLANT_COUNTER, /* a counter of a channel is off by one */
    SIM_PLANT_VOTE,    /* confirmations that were given count as not given */
    SIM_PLANT_TRUST,   /* an agent is trusted all at once */
    SIM_PLANT_RESUME,  /* the resume point of a session is off by one */
    SIM_PLANT_ACK,     /* some acknowledgements are dropped by who should read them */
    SIM_PLANT_CONSENT, /* consent that was taken back counts as given */
    SIM_PLANT_TOLD,    /* what neighbours pass on of humans is not listened to */
    SIM_PLANT_KEY,     /* what a revoked key signs counts as before */
    SIM_PLANT_FORGED,  /* nobody looks at signatures */
    SIM_PLANT_VOICES,  /* an agent with two keys has two voices */
    SIM_PLANT_FORMER,  /* what a key signs that was replaced counts as before */
    SIM_PLANT_BEHIND,  /* what was said to a key that was replaced stays with that key */
    SIM_PLANT_DEAF,    /* some of what nodes say of themselves is not listened to */
    SIM_PLANT_ORDER,   /* what an operator orders of a fact cannot be taken back */
    SIM_PLANT_COUNT
} sim_plant;
const char *sim_plant_name(sim_plant plant);
bool sim_plant_from_name(const char *name, sim_plant *ret_plant);

typedef enum sim_kind {
    SIM_KIND_PROPOSE,
    SIM_KIND_CONFIRM,
    SIM_KIND_TALK,
    SIM_KIND_DURABLE, /* talk that is durable */
    SIM_KIND_HUMAN,   /* a word of HCP */
    SIM_KIND_WEB,     /* a word of LIP */
    SIM_KIND_COUNT
} sim_kind;

/* One call of w4_protocol_send that was accepted. */
typedef struct sim_sent {
    UT_hash_handle hh;
    struct sim_sent *next_unkept;
    char msg_id[37];
    sim_kind kind;
    char fact[37];         /* CONFIRM: which; WEB: the claim it is about, "": it brings one */
    unsigned from;         /* node */
    unsigned life;         /* of that node */
    w4_fingerprint author; /* the key it is signed with */
    int to;                /* node; -1: all */
    w4_channel_kind channel;
    uint64_t number; /* of all that this node's agent sent */
    uint64_t at_us;
    bool kept;   /* the turn in which it was accepted is on disk */
    bool stored; /* its sender was promised that it survives, once kept */
    bool greets; /* keys have changed, and its receiver was not greeted since */
    uint32_t recipients;
    uint32_t outcomes;
    unsigned *lives;  /* of each node, when it was sent */
    uint8_t *arrived; /* at the agent of each node: how often */
    uint64_t *when;   /* it came there first, counted in arrivals */
    uint8_t *refused; /* by each node */
    uint8_t *outcome; /* for each node: 0 none yet, 1 delivered, 2 failed */
} sim_sent;

typedef struct sim_ledger sim_ledger;
typedef struct sim_durables sim_durables;
typedef struct sim_people sim_people;

int sim_ledger_new(sim_plant plant, sim_ledger **ret_ledger);
sim_ledger *sim_ledger_free(sim_ledger *ledger);
/* Did an operator speak against that fact there? Then it need not stay accepted. */
typedef bool sim_ledger_overruled(const void *context, const sim_node *node, const char *fact);
void sim_ledger_overrule(sim_ledger *ledger, sim_ledger_overruled *overruled, const void *context);
void sim_ledger_attach(sim_ledger *ledger, sim_world *world); /* before anything else */
sim_durables *sim_ledger_durables(const sim_ledger *ledger);
sim_people *sim_ledger_people(const sim_ledger *ledger);

/* The owner hands on what the hooks of the world tell. */
void sim_ledger_started(sim_ledger *ledger, sim_node *node); /* when its agent is there */
void sim_ledger_event(sim_ledger *ledger, sim_node *node, const w4_node_event *event);
/* What came out for its agent had nobody to take it: a connection that was closed. */
void sim_ledger_lost(sim_ledger *ledger, const sim_node *node, const char *msg_id);
void sim_ledger_told(sim_ledger *ledger, sim_node *node, const w4_event_view *view);
void sim_ledger_turned(sim_ledger *ledger, sim_node *node);
void sim_ledger_died(sim_ledger *ledger, sim_node *node);

/* fact: of a confirmation. NULL: no memory (the world has failed). */
sim_sent *sim_ledger_sent(sim_ledger *ledger, sim_node *node, sim_kind kind, w4_family family,
                          int to, w4_channel_kind channel, const char *fact,
                          const w4_send_receipt *receipt);
sim_sent *sim_ledger_find(const sim_ledger *ledger, const char *msg_id);
sim_sent *sim_ledger_next(const sim_ledger *ledger, const sim_sent *sent); /* NULL: the first */
/* The operator of that node trusts the agent of the other. */
void sim_ledger_anchor(sim_ledger *ledger, const sim_node *node, const sim_node *other);
/* Has that node told its agent of that fact or claim, and was it accepted there once? */
bool sim_ledger_knows(const sim_ledger *ledger, const sim_node *node, const char *fact);
bool sim_ledger_accepted(const sim_ledger *ledger, const sim_node *node, const char *fact);
/* Or is it accepted there now? Its agent may have been slow to take that, and the node have died.
 */
bool sim_ledger_holds(const sim_ledger *ledger, const sim_node *node, const char *fact);

/* Is its sender, who lives on, still to be told what became of it? patient: also of what is kept
 * for a neighbour who may come again, which takes until it is stale. */
bool sim_ledger_owes(const sim_ledger *ledger, const sim_sent *sent, bool patient);
/* When all has come to rest: whoever was promised something was told about it. */
void sim_ledger_settle(sim_ledger *ledger, bool patient);

typedef struct sim_totals {
    uint64_t sent, kept, outcomes, delivered, failed, arrived, refused, checks;
} sim_totals;
/* Envelopes that honest nodes refused with that code, over all their lives. */
uint64_t sim_ledger_refusals(const sim_ledger *ledger, w4_refusal code);
/* How often senders were told that; NONE: delivered. */
uint64_t sim_ledger_outcomes(const sim_ledger *ledger, w4_refusal code);
void sim_ledger_totals(const sim_ledger *ledger, unsigned node, sim_totals *ret_totals);
