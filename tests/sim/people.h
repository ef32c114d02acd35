/* The account of people (invariant 4): what each of them last said of consent, and who has heard
 * so. Behind the agent of each node is one person. By that it judges what agents are given and what
 * nodes take from them; it uses nothing that nodes conclude. That a node has heard a word is seen
 * when it comes to the agent there, or, passed on by a neighbour, from its being in the store. */
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
    char msg_id[37];     /* of the word that said so, or of a greeting since */
    bool kept;           /* that word is on disk at their node */
    uint64_t revoked_us; /* when consent was last taken back; 0: never */
    unsigned narrowed;   /* the last revision that took it back or limited it; 0: none */
    /* Their node may know another word than that one: it died before it kept it, or refused one
     * when it had taken it already. Until the next word that is accepted. */
    bool unsure;
    /* The latest time stamp of their words; and the last word has an earlier one: their node forgot
     * what they said, or its clock was put back. Who knows of the later word may go by that until
     * the node has said the last one again. */
    uint64_t latest_us;
    bool overtaken;
    bool strained; /* said to be under pressure */
    bool tense;
    bool greeted;              /* in this life of their node */
    bool satisfied, satisfies; /* said of others, and others of them, in words that were taken */
} sim_person;

int sim_people_new(sim_world *world, sim_people **ret_people);
sim_people *sim_people_free(sim_people *people);

sim_person *sim_person_of(const sim_people *people, unsigned node);
/* A node took that word of its own person, or refused it (msg_id NULL). Each says of consent what
 * is given here; greets: it is a greeting. stamp_us: of the word. */
void sim_people_said(sim_people *people, const sim_node *node, sim_consent consent, bool greets,
                     const char *msg_id, uint64_t stamp_us);
/* A node took a word of its person that is none of state. to: node, whom it is for. */
void sim_people_check_taken(sim_people *people, const sim_node *node, unsigned to,
                            const char *msg_id);
/* That node trusts the person of the other one: were both sides content? */
void sim_people_check_trusted(sim_people *people, const sim_node *node, const sim_node *other);
/* An agent is given an envelope of HCP, which was sent at that time. */
void sim_people_arrived(sim_people *people, const sim_node *node, const w4_envelope *envelope,
                        uint64_t at_us);
/* The agent of that person has another key: nobody knows yet what they consent to under that. */
void sim_people_rekeyed(sim_people *people, const sim_node *node);
void sim_people_turned(sim_people *people, const sim_node *node); /* and it is on disk */
void sim_people_died(sim_people *people, const sim_node *node);
/* Was consent of one of the two taken back at that time, or later? */
bool sim_people_revoked_since(const sim_people *people, unsigned a, unsigned b, uint64_t at_us);
/* The revision of the words of `who` that has come to the node `listener`, or an earlier one. */
unsigned sim_people_heard(const sim_people *people, unsigned who, unsigned listener);
/* Does that node not know yet what the person of the other one consents to? */
bool sim_people_lacks(sim_people *people, const sim_node *node, const sim_node *other);
uint64_t sim_people_checks(const sim_people *people); /* of words that came to agents */
/* Words that moved consent and that nodes knew in the end by being told of them by neighbours. */
uint64_t sim_people_told(const sim_people *people);
