/* Decisions that were shared (DECISION_SHARE): kept, so that facts can name them as a cause. Those
 * of one key under one decision_id are one decision: it has one choice, and what its author says
 * of it later (a retrospective) belongs to the one he said first. */
#pragma once

#include "crypto/fingerprint.h"
#include "protocol/exchange/sums.h"
#include "store/store.h"

#define W4_DECISIONS_MAX 8192u             /* said to all, and as many said to one */
#define W4_DECISIONS_PER_AGENT 1024u       /* of one key; its oldest goes for its newest */
#define W4_DECISION_LINKS_MAX 16u          /* causes of one */
#define W4_DECISION_RETROSPECTIVES_MAX 16u /* told with the decision: the newest of them */
#define W4_DECISION_CHOICE_LEN 32u

typedef struct w4_decisions w4_decisions;

typedef struct w4_decision {
    char id[37]; /* msg_id */
    w4_fingerprint agent;
    const char *agent_id;
    const char *decision_id;
    uint8_t choice[W4_DECISION_CHOICE_LEN]; /* digest of what was chosen; zero: not known */
    bool retrospective;                     /* it says what came of it */
    bool aside;                             /* said to one agent: not for others to pass on */
    const char (*links)[37];                /* what it follows from */
    uint32_t link_count;
    uint64_t shared_us; /* time stamp of the envelope */
    uint64_t taken_us;
} w4_decision;

/* What the others say about one. */
typedef struct w4_decision_standing {
    bool unsupported;
    const w4_decision *first; /* that it looks back on; NULL: it is the first itself */
    const w4_decision *retrospectives[W4_DECISION_RETROSPECTIVES_MAX]; /* newest first */
    uint32_t retrospective_count;
} w4_decision_standing;

/* One, as a cause and as an effect: for who walks along causes (facts.h). */
typedef struct w4_decision_node {
    const char *id;
    const w4_fingerprint *agent;
    const char (*links)[37];
    uint32_t link_count;
    bool unsupported;
    uint32_t mark; /* the walker's */
} w4_decision_node;

/* Loads what the store has. 0, -ENOMEM, or a store condition. */
int w4_decisions_new(w4_store *store, w4_decisions **ret_decisions);
w4_decisions *w4_decisions_free(w4_decisions *decisions);

/* Each is known by its sender and msg_id: who uses the msg_id of another's adds one of his own
 * beside it. A cause names a msg_id only: any decision of it will do. */
bool w4_decisions_has(const w4_decisions *decisions, const char *id);
bool w4_decisions_has_of(const w4_decisions *decisions, const char *id,
                         const w4_fingerprint *agent);
/* Whose decision is meant by one who names it as a cause: his own, if he shared one of that id,
 * else that of the first who did. NULL: none is known. */
const w4_fingerprint *w4_decisions_author(const w4_decisions *decisions, const char *id,
                                          const w4_fingerprint *by);
w4_decision_node *w4_decisions_node(const w4_decisions *decisions, const char *id,
                                    const w4_fingerprint *by);
/* The msg_id of the first of that key and decision_id that is known, if its choice is another one.
 * NULL: there is none, or it is not known what was chosen in it. */
const char *w4_decisions_other_choice(const w4_decisions *decisions, const w4_fingerprint *agent,
                                      const char *decision_id,
                                      const uint8_t choice[static W4_DECISION_CHOICE_LEN]);
/* False: not known. */
bool w4_decisions_look(const w4_decisions *decisions, const char *id, const w4_fingerprint *agent,
                       const w4_decision **ret_decision, w4_decision_standing *ret_standing);
/* It would be kept: none that was said later would be forgotten for it. What was said to one and
 * what was said to all take no room from one another, so nodes that learn the same of the latter,
 * in whatever order, keep the same of it. */
bool w4_decisions_has_room(const w4_decisions *decisions, const w4_decision *decision);
size_t w4_decisions_count(const w4_decisions *decisions);
size_t w4_decisions_memory(const w4_decisions *decisions); /* bytes */

/* ---- what can be passed on (fact_sync.h): what was said to all, by its msg_ids */
const w4_sums *w4_decisions_sums(const w4_decisions *decisions);
/* Each of all, also what was said to one: *cursor from NULL; NULL at the end. */
const w4_decision *w4_decisions_next(const w4_decisions *decisions, const void **cursor);
/* Of that msg_id the first, or the next behind one of them; NULL: there is none. */
const w4_decision *w4_decisions_shared_as(const w4_decisions *decisions, const char *id,
                                          const w4_decision *behind);
/* Of them all. False: there is none. */
bool w4_decisions_digest(const w4_decisions *decisions, const char *id,
                         uint8_t ret_digest[static W4_EXCHANGE_DIGEST_LEN]);

/* Keeps it and its envelope, texts copied. 0, -ENOMEM, or a store condition (then not kept). */
int w4_decisions_add(w4_decisions *decisions, const w4_decision *decision, w4_bytes envelope);

/* ---- whose causes are to be looked at again */
void w4_decisions_queue_effects(w4_decisions *decisions, const char *id);
w4_decision_node *w4_decisions_next_queued(w4_decisions *decisions); /* takes it off; NULL: none */
bool w4_decisions_any_queued(const w4_decisions *decisions);
void w4_decisions_set_unsupported(w4_decisions *decisions, w4_decision_node *node,
                                  bool unsupported);
/* Stores those whose rows say something else by now. What the store does not take stays for the
 * next time. 0 or -ENOMEM. */
int w4_decisions_save(w4_decisions *decisions);
