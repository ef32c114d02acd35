/* The account of people (invariant 4): what each of them last said of consent, and who has heard
 * so. Behind the agent of each node is one person. By that it judges what agents are given and what
 * nodes take from them; it uses nothing that nodes conclude. */
#pragma once

#include "ledger.h"

#include "envelope/envelope.h"

typedef enum sim_consent {
    SIM_CONSENT_NONE, /* has not greeted yet */
    SIM_CONSENT_GRANTED,
    SIM_CONSENT_LIMITED, /* to one topic: work */
    SIM_CONSENT_REVOKED,
} sim_consent;
const char *sim_consent_name(sim_consent consent); /* on the wire */

typedef struct sim_person {
    sim_consent consent; /* as their own node took it last */
    unsigned revision;   /* counts what was said of it */
    uint64_t since_us;
    char msg_id[37]; /* of the word that said so */
    bool kept;       /* that word is on disk at their node */
    /* Their node may know another word than that one: it died before it kept it, or refused one
     * when it had taken it already. Until the next word that is accepted. */
    bool unsure;
    bool strained; /* said to be under pressure */
    bool tense;
    bool greeted;              /* in this life of their node */
    bool satisfied, satisfies; /* said of others, and others of them, in words that were taken */
} sim_person;

int sim_people_new(sim_world *world, sim_people **ret_people);
sim_people *sim_people_free(sim_people *people);

sim_person *sim_person_of(const sim_people *people, unsigned node);
/* A node took that word of its own person, or refused it (msg_id NULL). Each says of consent what
 * is given here. */
void sim_people_said(sim_people *people, const sim_node *node, sim_consent consent,
                     const char *msg_id);
/* A node took a word of its person that is none of state. to: node, whom it is for. */
void sim_people_check_taken(sim_people *people, const sim_node *node, unsigned to,
                            const char *msg_id);
/* That node trusts the person of the other one: were both sides content? */
void sim_people_check_trusted(sim_people *people, const sim_node *node, const sim_node *other);
/* An agent is given an envelope of HCP, which was sent at that time. */
void sim_people_arrived(sim_people *people, const sim_node *node, const w4_envelope *envelope,
                        uint64_t at_us);
void sim_people_turned(sim_people *people, const sim_node *node); /* and it is on disk */
void sim_people_died(sim_people *people, const sim_node *node);
uint64_t sim_people_checks(const sim_people *people); /* of words that came to agents */
