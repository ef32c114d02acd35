/* The inside of a w4_protocol: its parts, and what all of them need of it. */
#pragma once

#include "protocol/cip_handshake.h"
#include "protocol/delivery/agents.h"
#include "protocol/delivery/event_queue.h"
#include "protocol/delivery/homes.h"
#include "protocol/delivery/mail.h"
#include "protocol/delivery/parcels.h"
#include "protocol/delivery/stamps.h"
#include "protocol/durable/durable.h"
#include "protocol/durable/receipts.h"
#include "protocol/durable/taken.h"
#include "protocol/evidence/known_keys.h"
#include "protocol/facts/decisions.h"
#include "protocol/facts/early_votes.h"
#include "protocol/facts/fact_sync.h"
#include "protocol/facts/facts.h"
#include "protocol/humans/human_sync.h"
#include "protocol/keys/key_sync.h"
#include "protocol/pipeline/chain.h"
#include "protocol/pipeline/pipeline.h"
#include "protocol/pipeline/seen.h"
#include "protocol/protocol.h"

struct w4_protocol {
    w4_env *env;
    w4_store *store;
    w4_trust_book *trust;
    w4_graph *graph;
    const w4_identity *node;
    w4_fingerprint self; /* its fingerprint */
    w4_protocol_config config;
    w4_event_queue events;
    w4_agents agents;
    uint64_t late_us; /* what waits for them in memory is wanted until then, or longer */
    w4_known_keys *keys;
    w4_keyring *keyring;
    w4_key_sync key_sync;
    bool keys_unstored; /* some of its documents are not in the store yet */
    w4_seen seen;
    w4_budgets budgets;
    w4_cip_handshakes handshakes;
    w4_parcels parcels;
    w4_mail mail;
    w4_homes homes;
    w4_homes listed; /* roster.h */
    w4_stamps stamps;
    w4_posts posts;
    w4_ends held; /* of agents here, at the nodes of their receivers or here */
    w4_ends owed; /* to nodes whose agents sent them */
    w4_shelves shelves;
    uint64_t shelving; /* the message that comes onto a shelf just now; 0: none */
    w4_taken taken;
    w4_receipts receipts;
    uint64_t offer_us;         /* when to offer again what is on the shelves; W4_NEVER */
    uint64_t durable_again_us; /* what is too old is not looked for before */
    w4_facts *facts;
    w4_early_votes early;
    w4_fact_sync fact_sync;
    w4_human_sync human_sync;
    uint32_t proofs;   /* of misconduct, that are kept */
    bool unplaced;     /* of some voter it is not known where he lives */
    uint32_t placings; /* times that it may be known since */
    w4_decisions *decisions;
    void *family_states[W4_FAMILIES_MAX]; /* by place in w4_family_rules_all */
    w4_log_limit log_limit;
    int failed;                /* a fatal error that a call could not return */
    bool was_overloaded;       /* a local agent, when facts were judged last */
    w4_json_document document; /* of the envelope in the pipeline */
    w4_buffer draft;           /* an envelope that is made for a local agent */
    w4_buffer word;            /* one that is made for a handshake or receipts meanwhile */
    uint64_t wake_us;          /* expire is due; may be early, never late */
};

static inline uint64_t w4_router_wall(const w4_protocol *p, uint64_t now_us) {
    return w4_env_wall_us(p->env, now_us);
}

static inline void w4_router_wake(w4_protocol *p, uint64_t at_us) {
    p->wake_us = w4_earlier(p->wake_us, at_us);
}

static inline w4_trust_state w4_router_trust_of(const w4_protocol *p, const w4_fingerprint *agent) {
    return w4_trust_book_state(p->trust, W4_TRUST_AGENT, agent);
}

/* Applies an event of trust; a move is stored, told, and has facts judged anew. actor: whose doing
 * it is, or NULL for this node. evidence: msg_id or "". 0, -ENOMEM, or a store condition. */
int w4_router_trust(w4_protocol *p, w4_trust_kind kind, const w4_fingerprint *subject,
                    w4_trust_event event, const w4_fingerprint *actor, const char *note,
                    const char *evidence, uint64_t now_us);

/* What hangs on the trust in that agent is to be judged anew. */
void w4_router_trust_moved(w4_protocol *p, const w4_fingerprint *agent);

/* Nothing that is from or to that key goes on here. 0 or a fatal error. */
int w4_router_key_revoked(w4_protocol *p, const w4_fingerprint *key, uint64_t now_us);

/* What became of an envelope of a local agent for one receiver (an agent, or a node): told to the
 * agent if it is attached. 0 or -ENOMEM. */
int w4_router_tell_delivery(w4_protocol *p, const w4_fingerprint *sender, const char *msg_id,
                            const w4_fingerprint *receiver, w4_refusal code);

/* An agent here has been given an envelope of that type: its family hears of it. 0 or fatal. */
int w4_router_given(w4_protocol *p, w4_type type, const w4_fingerprint *sender,
                    const w4_fingerprint *receiver, w4_bytes envelope);

/* That it waits where its receiver is: no end yet. 0 or -ENOMEM. */
int w4_router_tell_held(w4_protocol *p, const w4_fingerprint *sender, const char *msg_id,
                        const w4_fingerprint *receiver);

/* The same for what a session had no room for: which policy it was that ended it. */
int w4_router_tell_dropped(w4_protocol *p, const w4_fingerprint *sender, const char *msg_id,
                           const w4_fingerprint *receiver, w4_refusal code, w4_overflow policy);

/* The agent is told, or will be, that it was delivered: that was not so. */
int w4_router_correct_delivery(w4_protocol *p, const w4_fingerprint *sender, const char *msg_id,
                               const w4_fingerprint *receiver, w4_refusal code);

/* Tells of what a neighbour brought and what in->fault says of it. 0 or -ENOMEM. */
int w4_router_tell_rejected(w4_protocol *p, const w4_inbound *in);

/* Fatal errors of calls that cannot return them come back from the next that can. */
void w4_router_keep_error(w4_protocol *p, int r);
void w4_router_refuse(w4_refused *refused, w4_refusal code, const char *pointer, const char *text);

/* An envelope of this node itself for a neighbour; the caller's. 0, -ENOMEM, or -EMSGSIZE. */
int w4_router_word(w4_protocol *p, const w4_fingerprint *node, w4_type type, w4_bytes payload,
                   uint64_t now_us, w4_blob **ret_word);
/* Says one, in this session or not at all: what does not get
 * through the one who says it makes good. 0 or -ENOMEM; too large: nothing is said. */
int w4_router_say(w4_protocol *p, const w4_fingerprint *node, w4_type type, w4_bytes payload,
                  uint64_t life_us, uint64_t now_us);

/* One that waited here for a local agent. */
struct w4_waited {
    const char *msg_id;
    const w4_fingerprint *sender;
    const w4_fingerprint *named;     /* the receiver, as its envelope has it; zero: all */
    const w4_fingerprint *agent;     /* that it waited for, under the key it has here */
    const w4_fingerprint *from_node; /* zero: an agent here sent it */
};
/* It does not reach it: its sender is told, where it is an agent here, else its node (unless it was
 * for all), and whoever watches this one. 0 or -ENOMEM. */
int w4_router_tell_ended(w4_protocol *p, const w4_waited *waited, w4_refusal code);
static inline w4_waited w4_waited_of(const w4_agent *agent, const w4_paced *paced) {
    return (w4_waited){paced->msg_id, &paced->sender, &paced->receiver, &agent->fingerprint,
                       &paced->from_node};
}
/* Whom the sender hears of: the receiver that he named, or one of all. */
static inline const w4_fingerprint *w4_named_or(const w4_fingerprint *named,
                                                const w4_fingerprint *agent) {
    return w4_fingerprint_is_zero(named) ? agent : named;
}

/* Where an agent is: this node for local ones, else where the directory says. from: the node whose
 * session brought its word, or NULL; it is believed where its own record has the agent, and where
 * that of no node that had a session here has. False: nobody knows. */
bool w4_router_home(const w4_protocol *p, const w4_fingerprint *agent, const w4_fingerprint *from,
                    w4_fingerprint *ret_node);

/* Who gets what is for that key: whoever has the last key of its identity. */
w4_fingerprint w4_router_addressee(const w4_protocol *p, const w4_fingerprint *agent);
/* It is that key, or an earlier one of whose last that is: of an earlier one it is nobody else's.
 */
bool w4_router_is_key_of(const w4_protocol *p, const w4_fingerprint *key,
                         const w4_fingerprint *who);
/* Is what `key` has said a word of who, in that way? Where who was revoked, what earlier keys have
 * said stays theirs. */
bool w4_router_is_word_of(const w4_protocol *p, const w4_fingerprint *key,
                          const w4_fingerprint *who);
/* The agent of this node that is attached with that key, else with the last one of its identity;
 * or NULL. */
w4_agent *w4_router_attached(const w4_protocol *p, const w4_fingerprint *agent);
/* An agent of this node: attached, or away. One that told another node lately is not. */
bool w4_router_is_ours(const w4_protocol *p, const w4_fingerprint *agent);

/* Does the node's own record say that the agent is there? */
bool w4_router_has(const w4_protocol *p, const w4_fingerprint *node, const w4_fingerprint *agent);
/* The same for agents elsewhere, as the records say: the best of the nodes that name it. */
bool w4_router_place(const w4_protocol *p, const w4_fingerprint *agent, w4_fingerprint *ret_node);
/* The node to send to when sender (a local agent) means receiver: where it proved to be, as long as
 * that node's record has it; else as w4_router_home. */
bool w4_router_node_for(const w4_protocol *p, const w4_fingerprint *sender,
                        const w4_fingerprint *receiver, w4_fingerprint *ret_node);

bool w4_router_is_blocked(const w4_protocol *p, const w4_fingerprint *node);
/* The agent is at a node that is blocked here, and at no other as far as anybody says. */
bool w4_router_is_behind(const w4_protocol *p, const w4_fingerprint *agent,
                         w4_fingerprint *ret_node);

/* Hands an envelope to a local agent: at once, or when it has room (knowledge only; *ret_waits).
 * *ret_code: NONE when it was taken. 0 or -ENOMEM. */
typedef struct w4_arrival {
    w4_blob *envelope;
    const char *msg_id;
    const w4_fingerprint *sender;
    const w4_fingerprint *named;     /* the receiver, as the envelope has it; zero: all */
    const w4_fingerprint *from_node; /* zero: local */
    w4_channel_kind channel;
    w4_type type;
    bool paced; /* the human behind the agent is under pressure */
    uint64_t wall_us;
    uint64_t deadline_us; /* of a sender here: it does not wait longer; W4_NEVER */
} w4_arrival;
int w4_router_arrive(w4_protocol *p, w4_agent *agent, const w4_arrival *arrival, bool *ret_waits,
                     w4_refusal *ret_code);
/* Delivers what waited, as far as the agent has room. 0 or -ENOMEM. */
int w4_router_unpace(w4_protocol *p, w4_agent *agent, uint64_t now_us);
/* What waits for agents longer than its senders want ends with timeout. 0 or -ENOMEM. */
int w4_router_end_late(w4_protocol *p, uint64_t now_us);
