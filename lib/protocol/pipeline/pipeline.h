/* The way of one envelope through this node: the gates of protocols.md 1, drawn as a table in
 * pipeline.c, and what a family has to say about its types. */
#pragma once

#include "protocol/blob.h"
#include "protocol/pipeline/chain.h"
#include "protocol/protocol.h"

typedef struct w4_agent w4_agent;
typedef struct w4_words w4_words;

typedef enum w4_origin {
    W4_ORIGIN_NODE,    /* a neighbour's session brought it */
    W4_ORIGIN_HOSTED,  /* made here for a local agent, and signed with its key just now */
    W4_ORIGIN_SUBMIT,  /* a local agent signed it itself */
    W4_ORIGIN_SHARED,  /* a neighbour passes on what its sender said to all, maybe long ago */
    W4_ORIGIN_ARCHIVE, /* an operator brings back what a memory had kept (archive.h) */
    W4_ORIGIN_COUNT
} w4_origin;

typedef struct w4_type_rule w4_type_rule;
typedef struct w4_family_rules w4_family_rules;

/* One envelope on its way. */
typedef struct w4_inbound {
    w4_origin origin;
    w4_fingerprint from_node; /* zero: local */
    w4_agent *agent;          /* whose it is, when local */
    w4_bytes bytes;
    uint64_t now_us, wall_us;
    uint64_t deadline_us;       /* of the sender's; W4_NEVER */
    const char *channel;        /* that the sender wants, or NULL */
    w4_json_document *document; /* it is read into; the pipeline has one of its own */
    /* Foreseen only, nothing takes effect: room for what its family would have learned from it by
     * then (preview_size of the family). NULL: it happens. */
    void *preview;
    /* from the stage `form` on */
    w4_envelope envelope;
    const w4_family_rules *family;
    const w4_type_rule *rule;
    w4_channel_kind channel_kind;
    w4_blob *blob; /* the canonical text */
    bool durable;  /* and dealt with as such */
    bool chained;  /* it answers another: chain */
    w4_chain chain;
    bool proven; /* signed by its sender, and that one may say it here */
    bool repeat; /* durable: it was taken before */
    /* from the handler on */
    bool consumed;    /* by a handshake: not for the agents */
    bool concerns;    /* says a look: what it does here it does whomever it is for */
    bool took_effect; /* here, whoever else it is for */
    bool stored;
    bool held; /* kept for later: not delivered now */
    const char *held_why;
    bool paced;         /* the human it is for is under pressure */
    bool met;           /* its family let it through to the agent that it is handed to */
    bool waits;         /* here, for the agent that it is for, which has not been given it yet */
    bool not_for;       /* for all, but its family says: not for the agent that it was handed to */
    w4_refusal untaken; /* it took effect, but the one agent that it is for does not get it */
    uint32_t recipients;
    w4_envelope_fault fault;
} w4_inbound;

/* ---- judging and doing are two things. A `look` judges: it changes nothing but what it learns
 * into the inbound, so that it can be asked what it would say (explain.h) without anything
 * happening. All that happens is in `act` (it has passed) and `blame` (it has not). What a look
 * cannot know before, such as a store that takes no more, an act may still refuse. */

/* What a family says about one of its types. */
enum {
    W4_RULE_NO_COOLDOWN = 1u << 0,  /* not from one that is cooling down */
    W4_RULE_NODE_ANSWERS = 1u << 1, /* not for agents whose key the node holds: it answers */
    W4_RULE_SHARED = 1u << 2,       /* neighbours may pass it on (fact_sync.h) */
    W4_RULE_TO_ONE = 1u << 5,       /* ... also when it was said to one agent, to that one's node */
    W4_RULE_KEPT = 1u << 4,         /* memories keep it: it may come out of an archive */
    W4_RULE_IN_ORDER = 1u << 3, /* of two of one agent the one with the later time stamp stands */
};
struct w4_type_rule {
    w4_type type;
    w4_trust_state at_least; /* of the sender; UNTRUSTED: from anybody who is not blocked */
    unsigned flags;
    int (*look)(const w4_protocol *p, w4_inbound *in); /* may it take effect here? NULL: it may */
    /* Takes effect here. 0, 1 with in->fault, or a fatal error. NULL: only delivery. */
    int (*handle)(w4_protocol *p, w4_inbound *in);
    int (*blame)(w4_protocol *p, w4_inbound *in); /* its look refused. NULL: nothing follows */
    /* Passes although its sender is trusted less. NULL: never. */
    bool (*admits)(const w4_protocol *p, const w4_inbound *in);
    const char *effect; /* for people: what it does here */
};

/* A gate ends with 0 (goes on), 1 (refused, see in->fault), or a fatal error. */
typedef struct w4_gate {
    const char *name;
    int (*look)(const w4_protocol *p, w4_inbound *in); /* NULL: lets everything pass */
    int (*act)(w4_protocol *p, w4_inbound *in);        /* it has passed. NULL: nothing happens */
    int (*blame)(w4_protocol *p, w4_inbound *in);      /* it has not: 0 or a fatal error */
    /* For people: what it looked at, which is all in `in` and here. NULL: see help. */
    void (*tell)(const w4_protocol *p, const w4_inbound *in, w4_words *words);
    const char *codes; /* what it may refuse with */
    const char *help;  /* for people: what it asks */
    bool alone;        /* it judges the same without a node */
} w4_gate;

#define W4_FAMILIES_MAX 8u
#define W4_MEETS_LATER 2
#define W4_MEETS_NOT 3

/* A family, as the router knows it: the other half of its w4_family_row. It is added by a file of
 * its own and a line in families.c. What may be NULL is. */
struct w4_family_rules {
    w4_family family;
    w4_trust_kind kind; /* which machine judges its senders */
    w4_refusal blocked; /* the code for one that is blocked */
    bool local;         /* local agents may send it */
    const w4_type_rule *rules;
    size_t rule_count;
    const w4_gate *gates; /* what it asks beyond trust and policy, in their order */
    size_t gate_count;
    size_t preview_size; /* of in->preview; 0: none */
    /* Hands it to the node instead of to an agent. NULL: to the agents it is for. */
    int (*deliver)(w4_protocol *p, w4_inbound *in);
    /* Time stamps of one hosted agent only grow, also when its clock is put back and its node
     * started again: what it says of itself is ordered by them. Wall, the last that is known here,
     * 0: none. NULL: they need not grow. */
    uint64_t (*said_last)(const w4_protocol *p, const w4_fingerprint *agent);
    /* A look, before each local agent that gets one, also of a broadcast: 0, 1 with in->fault (not
     * that agent), W4_MEETS_LATER (it is kept, by `keep`), W4_MEETS_NOT (not that agent, and nobody
     * is told), or a fatal error. */
    int (*meets)(const w4_protocol *p, w4_inbound *in, const w4_agent *agent);
    /* Keeps one that is not durable for an agent it met too early: 0, 1 with in->fault, fatal. */
    int (*keep)(w4_protocol *p, w4_inbound *in, w4_agent *agent);
    /* An agent of this node has been given one, at once or after it waited. 0 or a fatal error. */
    int (*given)(w4_protocol *p, w4_type type, const w4_fingerprint *sender,
                 const w4_fingerprint *receiver, w4_bytes envelope);
    /* A local sender should know that it waits there, as far as is known here. NONE: nothing. */
    w4_refusal (*notice)(const w4_protocol *p, const w4_inbound *in);
    /* An envelope of a local agent has passed: what it says of itself beside its payload. */
    int (*spoken)(w4_protocol *p, const w4_inbound *in);
    /* What it keeps: w4_family_state is its own. open loads it: 0, -ENOMEM, or a store condition.
     * close copes with what open left behind when it failed. */
    int (*open)(w4_protocol *p, uint64_t now_us, void **ret_state);
    void (*close)(void *state);
    int (*expire)(w4_protocol *p, uint64_t now_us);           /* what is due; 0 or a fatal error */
    uint64_t (*deadline)(const w4_protocol *p);               /* monotonic; W4_NEVER */
    int (*agent_gone)(w4_protocol *p, const w4_agent *agent); /* detached; 0 or a fatal error */
    /* Trust in that agent is another now. */
    void (*trust_moved)(w4_protocol *p, const w4_fingerprint *agent);
    /* After anything that what it keeps may hang on: judges, stores, tells. 0 or a fatal error. */
    int (*settle)(w4_protocol *p, uint64_t now_us);
    /* Does it keep what votes of it may come too early for? */
    bool (*knows)(const w4_protocol *p, const char *id);
};

/* The registration (families.c): the one place that names the families; ends with NULL. */
extern const w4_family_rules *const w4_family_rules_all[];
extern const w4_family_rules w4_cip_rules, w4_hcp_rules, w4_lip_rules, w4_mesh_rules;
const w4_family_rules *w4_family_rules_of(w4_family family); /* NULL: not registered */
const w4_type_rule *w4_type_rule_of(const w4_family_rules *family, w4_type type); /* NULL: none */
void *w4_family_state(const w4_protocol *p, w4_family family);

typedef enum w4_sight {                   /* what a stage may look at */
                        W4_SIGHT_CARRIER, /* who brought it */
                        W4_SIGHT_FORM,    /* bytes, and members that nobody has proved */
                        W4_SIGHT_PROVEN,  /* an envelope whose signature is good */
                        W4_SIGHT_COUNT
} w4_sight;

typedef struct w4_stage {
    w4_gate gate;
    w4_sight sight;
    unsigned origins; /* bits: those that it concerns */
    bool of_family;   /* stands for the gates of its family, one after the other */
    bool delivers;    /* hands it on: whom it would reach is foreseen, not looked at */
} w4_stage;

const w4_stage *w4_pipeline_stages(size_t *ret_count);

/* Runs all stages. 0 passed; 1 refused; else fatal. in->blob is the caller's to unref. */
int w4_pipeline_run(w4_protocol *p, w4_inbound *in);
/* One that passed the gates before and was held: handler and delivery. */
int w4_pipeline_resume(w4_protocol *p, w4_inbound *in);

/* One that took effect before and was not delivered: delivery alone. */
int w4_pipeline_deliver(w4_protocol *p, w4_inbound *in);

/* It was said some time ago, and not to this node: what it says of the place and the moment of its
 * sender counts for nothing. */
static inline bool w4_inbound_is_old(const w4_inbound *in) {
    return in->origin == W4_ORIGIN_SHARED || in->origin == W4_ORIGIN_ARCHIVE;
}

/* Sets the fault and returns 1. */
int w4_inbound_refuse(w4_inbound *in, w4_refusal code, const char *pointer, const char *expected);
/* The key of its sender that is known here, from an envelope, a record, or an agent; or NULL. */
const w4_pubkey *w4_inbound_key(const w4_protocol *p, const w4_inbound *in);
/* The store could take it no more, or is damaged: turns a condition of it into a refusal. */
int w4_inbound_store_failed(w4_inbound *in, int condition);
