/* Histories: what may happen to one node, step after step, drawn from a seed. A step names others
 * by their numbers, so that any part of a history is a history too: one that fails can be made
 * small (shrink.h). Node 0 is the one under test, with agents 0 and 1; nodes 1 to 4 are its
 * neighbours, with two agents each, and all that is said comes in envelopes that the test makes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NODES 5u
#define LOCALS 2u
#define AGENTS 10u
#define KEYS_EACH 3u /* that an agent may come to have, one after the other */
#define KEYS (AGENTS * KEYS_EACH)
#define STEPS_MAX 1024u
#define SOURCES 3u
#define STEP_MS 7 /* between two steps, at least */
#define FRESH_MS INT64_C(300000)

/* Of an agent, or of one of its keys. */
static inline unsigned home_of(unsigned key) {
    unsigned agent = key % AGENTS;
    return agent < LOCALS ? 0 : 1 + (agent - LOCALS) % (NODES - 1);
}

#define DURABLE_AGE_MS INT64_C(3600000)
#define DURABLE_OF_RECEIVER 8u  /* messages that wait, */
#define DURABLE_OF_SENDER 3u    /* of one sender, */
#define DURABLE_OF_STRANGERS 2u /* and of all who are not trusted: a quarter */
#define DURABLE_NAMES 64u       /* of a pair that are remembered */

typedef enum step_kind {
    PROPOSE,    /* a fact: decision, statement, causes */
    VOTE,       /* on a fact: word is its stance */
    SHARE,      /* a decision, that facts may name as a cause */
    CLAIM,      /* from a source */
    CLAIM_VOTE, /* word: accept, reject, conflict */
    HUMAN,      /* word: its type; from one human to another */
    LOAD,       /* a local agent has much to do, or no longer */
    GREET,      /* a handshake with agent 0 */
    AGAIN,      /* the envelope of another step once more, as it is */
    FORGE,      /* the same, with a signature that is none */
    TWIST,      /* its author signs something else under its msg_id */
    ORDER,      /* of the operator: trust in an agent */
    NODE_ORDER, /* trust in a node */
    SOURCE,     /* tier of a source */
    SETTLE,     /* of the operator, about a fact: word is his verdict */
    AIM,        /* an intent of one agent, for one of this node */
    CATCH_UP,   /* a node passes on what was said of a fact */
    KEEP,       /* a durable message to an agent of this node, which may be away */
    LEAVE,      /* that agent is gone, */
    COME,       /* is here again, */
    DEAL,       /* and has dealt with a message */
    SUCCEED,    /* a key of an agent is followed by another: that of `to`, number `word` */
    REVOKE,     /* a key of an agent is revoked: word says by whom */
    PASS,       /* time */
    RESTART,
    KINDS
} step_kind;

typedef enum verdict { FOR, AGAINST, WITHDRAWN, VERDICTS } verdict;
enum { NO_DIGEST, TRUE_DIGEST, OTHER_DIGEST };
typedef enum stance { CONFIRM, REJECT, CONFLICT, INSUFFICIENT, UNVERIFIABLE, STANCES } stance;
/* In the order of what they mean for facts: confirm, reject, conflict. */
typedef enum claim_word { LIP_YES, LIP_NO, LIP_CONFLICT, CLAIM_WORDS } claim_word;
typedef enum human_word {
    HELLO,
    INTENT,
    CONTEXT,
    DECISION,
    FEEDBACK,
    UPDATE,
    HUMAN_WORDS
} human_word;
typedef enum revoker { BY_ITSELF, BY_OTHER_KEY, BY_OPERATOR, BY_NODE, REVOKERS } revoker;
typedef enum consent { GRANTED, LIMITED, REVOKED, CONSENTS } consent;

typedef struct step {
    uint32_t number; /* of this step, from 1; 0 is none */
    step_kind kind;
    unsigned who; /* speaks; LOAD, ORDER: whom it is about; NODE_ORDER: the node */
    unsigned key; /* which of its keys, that speaks, or is succeeded or revoked */
    unsigned
        to; /* HUMAN, AIM, KEEP: the listener; SUCCEED: whose new key; REVOKE: of whom, the node */
    unsigned via; /* node that brings it; 0: the agent is here */
    unsigned word;
    uint32_t about;     /* VOTE, CLAIM_VOTE, SETTLE, AGAIN, FORGE, TWIST, CATCH_UP, DEAL: another */
    unsigned digest;    /* VOTE: of which proposal */
    bool missed;        /* PROPOSE, VOTE, SHARE: the node under test does not hear it */
    uint32_t causes[2]; /* PROPOSE */
    unsigned decision, says; /* PROPOSE: ids; CLAIM: source, kind of evidence */
    unsigned by;             /* REVOKE: the number of the other key */
    int64_t skew_ms;         /* of the time stamp */
    uint64_t pass_ms;        /* before the step */
    /* HUMAN */
    unsigned consent, scope; /* scope: bits of topics */
    unsigned affect, clarity, pressure;
    unsigned topic, priority, goal, flags, satisfaction;
} step;

enum { CHECK_IN = 1, RATIONALE = 2, CORRECTIONS = 4 };
enum { AFFECT_CALM, AFFECT_TENSE, AFFECT_ANXIOUS };
enum { GOAL_ALIGN, GOAL_DECIDE, GOAL_RESOLVE };

typedef struct history {
    uint64_t seed;
    unsigned profile;
    bool deaf; /* the agents of the node take no messages */
    unsigned quorum;
    bool distinct_nodes;
    bool agreed; /* the clocks of the neighbours, with the one here, when their sessions began */
    unsigned anchor;            /* a node whose word revokes here; 0: none */
    unsigned introducer[NODES]; /* through which other node one became known; 0: it came itself */
    size_t count;
    step steps[STEPS_MAX];
} history;

/* The key that speaks, of all keys of all agents: the first of each are the first. */
static inline unsigned key_of_step(const step *s) {
    return s->who + AGENTS * s->key;
}

#define PROFILES 7u
#define OF_KEYS 5u /* profiles */
#define OF_DURABLE 6u
/* profile: what it is mostly about: 0 everything, 1 facts, 2 humans, 3 claims, 4 who is independent
 * of whom, 5 keys, 6 durable messages. */
void history_draw(history *h, uint64_t seed, unsigned profile, size_t count);
void history_print(const history *h); /* to standard error, a line for each step */
const char *kind_name(step_kind kind);
/* The step whose msg_id has the letter of this one. */
uint32_t history_id_of(const history *h, uint32_t number);
const step *history_step(const history *h, uint32_t number); /* NULL: there is none */
/* Which letters of those that were made are passed on by a step CATCH_UP, in which order: of that
 * fact, of the decisions behind it, and the votes. Returns how many. */
#define WORDS_MAX 32u     /* as many as are looked at in one go */
#define CATCH_UP_MS 400   /* how long it takes, */
#define HEARD_AFTER_MS 45 /* and when the words have come */
typedef bool (*made)(const void *context, uint32_t number);
size_t history_passed_on(const history *h, const step *st, made is_made, const void *context,
                         uint32_t ret_numbers[static WORDS_MAX]);
