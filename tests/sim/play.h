/* One run: what its parts share. agents.c speaks for the agents, hostile.c for the node that is one
 * of the mesh and keeps to no rule, intruder.c for peers that are none, faults.c does the harm. */
#pragma once

#include "faults.h"
#include "scenario.h"

#define SIM_FACTS_MAX 1024u
#define SIM_CLAIMS_MAX 512u
#define SIM_PAYLOAD_MAX 80000u
#define SIM_HOSTILE_FROM 4u /* nodes */
#define SIM_FORGED_MAX 3u
#define SIM_KEYS_MAX 3u /* that an agent gets one after the other */
#define SIM_OLD_WORDS 64u
#define SIM_ORDERS_MAX 64u

typedef struct sim_intruder sim_intruder;

/* A fact, and who is to confirm it. */
typedef struct sim_fact {
    char id[37];
    unsigned proposer, confirmers[2];
    const sim_sent *proposal;
    const sim_sent *votes[2]; /* the last each of them sent, or NULL */
} sim_fact;

/* Evidence from the internet, and who is to say something of it. */
typedef struct sim_claim {
    char id[37];
    unsigned proposer, voices[2];
    const sim_sent *evidence;
    const sim_sent *votes[2];
    bool against; /* the second one is against it */
} sim_claim;

/* What the hostile node forged, and said again, and who is to refuse it. */
typedef struct sim_attack {
    char msg_id[37];
    unsigned victim, witness;
    bool forgery_refused, replay_refused;
} sim_attack;

/* The keys that an agent had. */
typedef struct sim_keychain {
    w4_buffer documents[SIM_KEYS_MAX]; /* that say so, the first one first */
    w4_identity *old;                  /* the last but one */
    uint64_t made_us;                  /* wall: from then on it counts no more */
    uint64_t said_us;                  /* wall: the latest time stamp of the agent */
    uint64_t known_us[SIM_NODES_MAX];  /* since when nodes know of the last; 0: not yet */
} sim_keychain;

typedef struct sim_old_word { /* what the hostile node signed with such a key */
    char msg_id[37];
    unsigned whose;
    uint64_t at_us;
} sim_old_word;

/* An operator rejected a fact on a node. */
typedef struct sim_order {
    char fact[37];
    unsigned node;
    bool kept; /* on disk */
} sim_order;

typedef struct sim_run_state {
    const sim_scenario *scenario;
    sim_world *world;
    sim_ledger *ledger;
    sim_faults faults;
    sim_fact facts[SIM_FACTS_MAX];
    unsigned fact_count;
    sim_claim claims[SIM_CLAIMS_MAX];
    unsigned claim_count;
    uint64_t trouble_ends_us;
    uint64_t next_fact_us, next_talk_us, next_burst_us, next_human_us, next_claim_us;
    unsigned crashes;
    char payload[SIM_PAYLOAD_MAX];
    uint64_t said[SIM_KIND_COUNT][W4_REFUSAL_COUNT]; /* what nodes answered their agents; NONE: 0 */
    sim_intruder *intruders[SIM_STRANGERS_MAX];
    /* The hostile node: what it heard, and what it did with it. */
    w4_buffer heard; /* a genuine envelope */
    char heard_id[37];
    unsigned heard_from;
    sim_attack attacks[SIM_FORGED_MAX];
    unsigned attack_count;
    /* The key of its agent, until it is revoked; and who knows that, since when, and on disk. */
    w4_identity *stolen;
    uint64_t revoke_us, next_word_us;
    uint64_t key_known_us[SIM_NODES_MAX];
    bool key_kept[SIM_NODES_MAX];
    sim_keychain chains[SIM_NODES_MAX];
    sim_old_word old_words[SIM_OLD_WORDS];
    unsigned old_word_count;
    uint64_t rotate_every_us, next_rotation_us, next_old_word_us;
    unsigned rotations;
    sim_order orders[SIM_ORDERS_MAX];
    unsigned order_count;
    uint64_t next_order_us;
} play;

/* The last node of the world is the hostile one; among very few nodes there is none. */
static inline bool sim_has_hostile(const play *p) {
    return p->world->config.nodes >= SIM_HOSTILE_FROM;
}

static inline sim_node *sim_hostile(const play *p) {
    return &p->world->nodes[p->world->config.nodes - 1];
}

static inline unsigned sim_honest_count(const play *p) {
    return p->world->config.nodes - (sim_has_hostile(p) ? 1 : 0);
}

static inline bool sim_is_ready(const sim_node *node) {
    return node->node != NULL && node->owner != 0 && node->doomed == SIM_DEATH_ALIVE;
}

/* agents.c */
int sim_agent_identity(const play *p, const sim_node *node, w4_identity **ret_identity);
void sim_agents_start(play *p, sim_node *node); /* attaches its agent, with its anchors */
void sim_agents_attach(play *p, sim_node *node);
void sim_agents_talk(play *p); /* as much as is due */
void sim_agents_confirm(play *p);
/* One word; 0 with *ret_sent, or what w4_protocol_send says. payload: JSON; channel: its own, or
 * W4_CHANNEL_KIND_COUNT for that of the type. */
typedef struct sim_word {
    const char *type, *to, *payload;
    sim_kind kind;
    w4_channel_kind channel;
    const char *about; /* CONFIRM, WEB: the fact or the claim, or "" */
    w4_family family;
    const char *state, *source; /* JSON, or NULL */
} sim_word;
int sim_agent_send(play *p, sim_node *node, const sim_word *word, const sim_sent **ret_sent);

/* Another honest node, a neighbour where neighbours are few. */
sim_node *sim_draw_other(const play *p, const sim_node *node);
/* Two others, who are to vote; the same one twice where there is but one. False: none could be
 * found. */
bool sim_draw_voices(const play *p, const sim_node *node, unsigned ret_voices[static 2]);
/* Does what was said stand: is it on disk, or does its node live on? */
bool sim_stands(const sim_world *world, const sim_sent *sent);

/* humans.c */
void sim_humans_talk(play *p, sim_node *node, const sim_node *other); /* one word */
void sim_humans_ease(play *p); /* nobody is under pressure any more, and all say what they want */
/* A node that does not know what a person consents to, though it could have heard. */
bool sim_humans_missing(play *p, unsigned *ret_node, unsigned *ret_person);

/* web.c */
void sim_web_bring(play *p, sim_node *node); /* evidence */
void sim_web_vote(play *p);
/* A claim that this node has not accepted, and has to; or NULL. */
const sim_claim *sim_web_missing(const play *p, const sim_node *node);

/* hostile.c */
void sim_hostile_hears(play *p, const w4_node_event *event);
void sim_hostile_acts(play *p);
void sim_hostile_told(play *p, const sim_node *node, const w4_event_view *view);
unsigned sim_hostile_refused(const play *p, bool replays); /* or forgeries */
void sim_hostile_check(play *p); /* what it did was refused, and with the right code */

void sim_hostile_sends(play *p, unsigned to, w4_channel_kind channel, w4_bytes envelope);

/* keys.c */
int sim_keys_new(play *p); /* 0 or an error */
void sim_keys_act(play *p);
void sim_keys_told(play *p, const sim_node *node, const w4_event_view *view);
void sim_keys_turned(play *p, const sim_node *node);
void sim_keys_died(play *p, const sim_node *node);
void sim_keys_started(play *p, const sim_node *node);
void sim_keys_arrived(play *p, const sim_node *node, const w4_node_event *event);
/* A node that does not know of the revoked key, though it could have heard; or NULL. */
const sim_node *sim_keys_missing(const play *p);

/* rotation.c */
void sim_rotation_new(play *p);
void sim_rotation_free(play *p);
void sim_rotation_act(play *p, bool trouble);
void sim_rotation_said(play *p, const sim_node *node); /* something, with its key */
void sim_rotation_hand_in(play *p, sim_node *node);    /* what the keys of its agent have signed */
void sim_rotation_look(play *p, const sim_node *node); /* what it knows of the keys of others */
void sim_rotation_told(play *p, const sim_node *node, const w4_event_view *view);
/* Is it a word that an earlier key has signed since? Then it did not come to one who knows. */
bool sim_rotation_is_late(const play *p, const sim_node *node, const char *msg_id);
/* A node that does not know the key of an agent, though it could have heard; or NULL. */
const sim_node *sim_rotation_missing(const play *p, unsigned *ret_whose);

/* orders.c */
void sim_orders_act(play *p, bool trouble); /* without trouble all are taken back */
void sim_orders_turned(play *p, const sim_node *node);
void sim_orders_started(play *p, const sim_node *node);
/* Was an order given there against that fact, and not taken back? It may be lost, unless kept. */
bool sim_orders_against(const play *p, const sim_node *node, const char *id);

/* mesh.c */
/* Is something of invariant 6 missing, and what? all_meet: each node is to have a session with each
 * other one. */
bool sim_mesh_missing(const play *p, bool all_meet, char ret_text[static SIM_TEXT_MAX]);

/* intruder.c */
int sim_intruder_new(sim_world *world, unsigned number, sim_intruder **ret_intruder);
sim_intruder *sim_intruder_free(sim_intruder *intruder);
void sim_intruder_acts(sim_intruder *intruder);
