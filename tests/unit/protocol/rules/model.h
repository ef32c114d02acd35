/* The rules of the specification once more, small and slow, by somebody who has not read the code:
 * what a node answers to each step of a history, and what it then thinks of agents, humans, facts
 * and claims. All that was ever said is kept as it was said, and judged anew each time. */
#pragma once

#include "history.h"

#include "envelope/refusal.h"
#include "protocol/protocol.h"

/* An envelope that a step made. */
typedef struct letter {
    const step *says;
    uint32_t id;   /* of the step whose msg_id it has; 0: no letter */
    int64_t at_ms; /* its time stamp */
    bool bound;    /* a vote that names a proposal by its digest */
} letter;

typedef struct utterance {
    uint32_t about;  /* a fact or a claim */
    uint32_t letter; /* number of the step that said it */
    unsigned who, word;
    int64_t at_ms, taken_ms;
} utterance;

typedef struct matter { /* a fact, or a claim */
    uint32_t id;
    uint32_t letter; /* number of the step that said it, which another may say otherwise */
    unsigned who, decision, says;
    uint32_t causes[2];
    bool was_accepted;
    bool unsupported; /* fact */
    bool doubtful;    /* fact: what is behind it is not all known, so the mark may stay */
    bool settled, settled_against; /* fact: by the operator */
    int64_t settled_ms;
    /* Fact: of what others passed on it is not known where its author lives, as long as that node
     * is blocked. */
    bool homeless[KEYS];
    bool queued;                   /* to be judged */
    bool deferred;                 /* claim: nobody has got it yet */
    bool corroborated, conflicted; /* claim: that counted for its source */
    w4_fact_state state;
} matter;

typedef struct human {
    bool known;
    int64_t said_ms, taken_ms, greeted_ms;
    unsigned consent, scope, affect, clarity, pressure;
    bool greeted;
    int64_t corrected_ms; /* the last time; 0: none that counts */
    w4_trust_state trust;
} human;

typedef struct pair { /* of humans, one after the other */
    bool has_topic;
    unsigned topic;
    bool asked;          /* by the first */
    bool validates;      /* the first finds the second satisfying */
    int64_t answered_ms; /* by the second, after that; 0: not yet */
} pair;

/* A word that waits for the human it is for. */
typedef struct owed {
    uint32_t id;
    bool doubtful; /* it might not be given to them at some time since */
} owed;

typedef struct source {
    unsigned tier, good, bad;
    bool pinned;
} source;

/* What is to be judged, in the order in which it was touched; each is in it once. */
typedef struct queue {
    matter *items[STEPS_MAX];
    size_t at, count;
} queue;

typedef struct sequence { /* of letters, by their ids */
    uint32_t ids[STEPS_MAX];
    size_t count;
} sequence;

/* What is known of a key. Keys are told by their numbers, and 1 more where 0 is none. */
typedef struct key_state {
    unsigned successor, predecessor;
    int64_t replaced_ms;
    bool revoked;
} key_state;

/* A durable message that an agent here has not dealt with. */
typedef struct kept_one {
    uint32_t id;
    unsigned given;
    bool out; /* it has it */
    bool trusted;
} kept_one;

typedef struct ended { /* what the node of its sender is told */
    uint32_t id;
    w4_refusal code;
} ended;

/* Durable messages of one sender to one agent here that were taken. */
typedef struct taken_names {
    uint32_t ids[STEPS_MAX];
    size_t count;
} taken_names;

typedef struct model {
    const history *h;
    unsigned voices; /* keys that may speak */
    key_state keys[KEYS];
    /* Of an identity, under its first key. */
    bool met[KEYS], ordered[KEYS];
    unsigned quorum;
    bool distinct_nodes;
    int64_t now_ms;
    letter letters[STEPS_MAX + 1];
    /* Who took which msg_id in whose words; who said is the author of the letter. */
    uint32_t taken[STEPS_MAX + 1]; /* by id: number of the letter that was taken; 0: none */
    w4_trust_state agents[KEYS], nodes[NODES];
    unsigned introducer[NODES]; /* 0: none */
    int64_t cooldown_ms[KEYS];  /* until */
    unsigned unverifiable[KEYS];
    bool busy[LOCALS];
    utterance said[STEPS_MAX];
    size_t said_count;
    uint32_t early[STEPS_MAX]; /* letters that wait for what they are about */
    size_t early_count;
    matter facts[STEPS_MAX], claims[STEPS_MAX];
    size_t fact_count, claim_count;
    queue due[2]; /* facts, claims */
    bool was_busy;
    bool shared[STEPS_MAX + 1];
    source sources[SOURCES];
    human humans[AGENTS];
    pair pairs[AGENTS][AGENTS];
    /* What a human of this node is owed, and has not got. */
    owed waiting[LOCALS][STEPS_MAX];
    size_t waiting_count[LOCALS];
    int64_t paced_ms[LOCALS]; /* since when one of them might go */
    uint32_t at_once[LOCALS]; /* in this step, without waiting; 0: nothing */
    /* What was said to all: what waits for each agent of this node, and what it gets in this step.
     */
    sequence paced[LOCALS], gets[LOCALS];
    bool here[LOCALS]; /* attached */
    kept_one shelves[LOCALS][STEPS_MAX];
    size_t shelf_count[LOCALS];
    taken_names pairs_taken[KEYS][LOCALS];
    ended ends[STEPS_MAX]; /* in this step */
    size_t ended_count;
    bool holds; /* what came in this step waits */
    bool eased; /* somebody has said in this step how he is */
} model;

void model_init(model *m, const history *h);
/* One step; what it is answered with. *ret_happens: whether it is more than the time before it (of
 * what is left of a history a step may lack what it is about). */
w4_refusal model_step(model *m, const step *s, bool *ret_happens);

/* model.c, for the others */
/* Behind its proof: is it fresh, and what if it is not? via: who brings it; 0: it is of here. */
w4_refusal model_freshness(model *m, const letter *l, unsigned via, bool old);
w4_refusal model_trust_gate(const model *m, const step *s);
w4_refusal model_propose(model *m, const letter *l);
void model_share(model *m, const letter *l);
/* In the time of a step. */
void model_judge_facts(model *m);
void model_say(model *m, const letter *l, unsigned word, matter *about, bool homeless);
/* Does it say that it is about another proposal than the one that is known? */
bool model_of_another(const letter *l, const matter *known);
w4_refusal model_take_vote(model *m, const letter *l, unsigned word, matter *known);
/* What they wait for is here now: votes of that kind are taken. */
void model_let_in(model *m, matter *came, step_kind vote);
bool model_busy(const model *m);
/* All keys of an identity have one voice. The words of facts; those of claims mean the same:
 * accept, reject, conflict. */
const utterance *model_last(const model *m, uint32_t about, unsigned who, unsigned words);
#define NOBODY KEYS
unsigned model_confirmations(const model *m, const matter *f, int64_t after_ms, unsigned except);
unsigned model_rejections(const model *m, const matter *f);
const utterance *model_doubt(const model *m, const matter *f); /* NULL: none that is open */
void model_touch(model *m, matter *about);                     /* it is to be judged anew */
matter *model_next(model *m, queue *due);                      /* takes it out; NULL: none */
void model_settle(model *m);

void model_touch_agent(model *m, unsigned who); /* trust in it has moved */

/* model_keys.c: which key follows which, and which are revoked */
unsigned model_root(const model *m, unsigned key);
w4_trust_state model_trust(const model *m, unsigned key);
/* Does what that key has signed, at that time, count? */
w4_refusal model_key_gate(const model *m, unsigned key, int64_t at_ms);
w4_refusal model_keys(model *m, const step *s);

/* model_paced.c: what was said to all comes to the agents of this node, in order, while they have
 * not too much to do. */
void model_deliver(model *m, const letter *l);
void model_ease(model *m, unsigned local);
bool model_is_paced(const model *m, uint32_t id); /* of a letter that this is about */
void model_withdraw(model *m, unsigned key);      /* what waits and that key has signed */

/* model_kept.c: durable messages. NONE and *ret_known: it was taken before, and nothing happens. */
w4_refusal model_kept_gate(model *m, const letter *l, bool *ret_known);
w4_refusal model_keep(model *m, const letter *l);
void model_come(model *m, unsigned local);
void model_leave(model *m, unsigned local);
w4_refusal model_deal(model *m, const step *s);
void model_kept_pass(model *m);                   /* time: what is too old is given up */
void model_kept_withdraw(model *m, unsigned key); /* it was revoked */

/* model_away.c: a node passes on what was said of a fact. */
w4_refusal model_catch_up(model *m, const step *s);

/* model_claims.c */
w4_refusal model_claim(model *m, const letter *l);
w4_refusal model_claim_vote(model *m, const letter *l);
void model_settle_claims(model *m);
void model_touch_claims(model *m); /* those that wait: a source is another now, or there is ease */
matter *model_find(matter *all, size_t count, uint32_t id);

/* model_humans.c */
w4_refusal model_human(model *m, const letter *l);
/* Might it be given to them now, by all that was said? */
w4_refusal model_human_gate(const model *m, const letter *l);

/* A human of this node was given that. NULL, or what is wrong with it. */
const char *model_given(model *m, unsigned local, uint32_t id);
/* At the end of a step. NULL, or what is wrong with what he was not given: *ret_id. */
const char *model_owes(model *m, unsigned local, uint32_t *ret_id);
