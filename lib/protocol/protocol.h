/* The protocol router of a node: local agents, the envelope pipeline, the families. Sans-IO: the
 * node hands in envelopes, requests of local agents and the coming and going of neighbours; it
 * takes out events, in order, after each call.
 *
 * Durability: what a call changes is gathered in the store; the node commits once per turn and
 * only then lets answers, acknowledgements and events out. */
#pragma once

#include "base/clock.h"
#include "base/env.h"
#include "base/use.h"
#include "envelope/envelope.h"
#include "graph/graph.h"
#include "protocol/limits.h"
#include "session/session.h"
#include "store/store.h"
#include "trust/book.h"
#include "trust/keyring.h"
#include "json/writer.h"

#define W4_AGENTS_MAX_DEFAULT 64u
#define W4_AGENT_QUEUE_MAX 256u /* envelopes that wait for a handshake, for each pair */

typedef struct w4_protocol w4_protocol;

typedef struct w4_protocol_config {
    uint32_t quorum;     /* distinct trusted confirmers a fact needs; at least 2 */
    bool distinct_nodes; /* confirmers must be on different nodes */
    uint64_t handshake_timeout_us;
    w4_json_limits limits;
    uint32_t agents_max; /* attached at once */
    uint32_t facts_max;  /* kept; the oldest that are settled go first */
    w4_chain_limits chain;
    w4_hcp_limits hcp;
    w4_durable_limits durable;
    w4_lip_limits lip;
    /* Nodes whose word revokes keys here; borrowed until the next configure or the end. */
    const w4_fingerprint *anchors;
    uint32_t anchor_count;
} w4_protocol_config;

extern const w4_protocol_config W4_PROTOCOL_CONFIG_DEFAULT;

/* All borrowed; they outlive the protocol. node: the identity of this node. */
typedef struct w4_protocol_context {
    w4_env *env;
    w4_store *store;
    w4_trust_book *trust;
    w4_graph *graph; /* with this node's own record in it */
    const w4_identity *node;
} w4_protocol_context;

/* Loads facts, votes, decisions and the replay memory from the store. Trust history is replayed
 * by the node before. 0, -ENOMEM, or a store condition. */
int w4_protocol_new(const w4_protocol_context *context, const w4_protocol_config *config,
                    uint64_t now_us, w4_protocol **ret_protocol);
w4_protocol *w4_protocol_free(w4_protocol *protocol);
void w4_protocol_configure(w4_protocol *protocol, const w4_protocol_config *config); /* reload */

/* A refusal with words, for a caller on a socket. */
typedef struct w4_refused {
    w4_refusal code;
    char pointer[192]; /* into what was handed over, or "" */
    char text[256];
} w4_refused;

/* ---- local agents. owner names the client that holds it (a connection); 0 is none. */
typedef struct w4_agent_info {
    const char *agent_id;
    w4_fingerprint fingerprint;
    w4_pubkey pubkey;
    bool hosted; /* the node holds its key and signs for it */
    bool attached;
    uint64_t owner;
    const char *presence; /* "focused", ... or "" when not told */
    uint32_t lri;
    w4_bytes capabilities; /* JSON array */
    uint64_t attached_wall_us;
    bool paced;       /* knowledge waits for it */
    uint32_t waiting; /* messages that wait */
} w4_agent_info;

typedef struct w4_agent_attach {
    const char *agent_id;
    w4_identity *identity;   /* hosted: taken over on success; else NULL */
    const w4_pubkey *pubkey; /* when not hosted */
    w4_bytes capabilities;   /* canonical JSON array of strings, or empty */
    uint64_t owner;
    bool deaf; /* its client takes no messages, it only sends */
} w4_agent_attach;

/* 0, -ENOMEM, or 1 with *ret_refused (agent_id or key attached already, too many). Attaching with
 * a key in hand counts as a valid handshake: the agent is probing here, no more. */
int w4_protocol_agent_attach(w4_protocol *protocol, const w4_agent_attach *attach, uint64_t now_us,
                             w4_refused *ret_refused);
/* One agent of that owner (agent_id), or all of them (NULL). */
void w4_protocol_agent_detach(w4_protocol *protocol, uint64_t owner, const char *agent_id,
                              uint64_t now_us);
/* Somebody takes the messages of that owner's agents from now on, or nobody does any more. */
void w4_protocol_agent_hears(w4_protocol *protocol, uint64_t owner, bool hears, uint64_t now_us);
/* How many bytes its client may be given from now on: it reads slowly. What goes beyond
 * is refused with backpressure, what is durable waits for more room. Unbounded until told. */
void w4_protocol_agent_room(w4_protocol *protocol, uint64_t owner, size_t bytes, uint64_t now_us);
/* The agent has dealt with a durable message: it is given no more. *ret_known: it was given one of
 * that name. 0, -ENOMEM, or 1 with *ret_refused: the store takes nothing now. Gone for good once
 * the turn's commit has succeeded. */
int w4_protocol_agent_ack(w4_protocol *protocol, uint64_t owner, const char *agent_id,
                          const char *msg_id, uint64_t now_us, bool *ret_known,
                          w4_refused *ret_refused);
bool w4_protocol_agent_next(const w4_protocol *protocol, size_t *cursor, w4_agent_info *ret_info);
/* Agents of this node that are away while something durable waits for them; *cursor starts as NULL.
 * Of an info: agent_id, fingerprint, waiting. */
bool w4_protocol_absent_next(const w4_protocol *protocol, const void **cursor,
                             w4_agent_info *ret_info);
/* Durable messages that wait here. */
typedef struct w4_durable_counts {
    uint64_t to_be_taken, to_be_taken_bytes; /* by the nodes of their receivers */
    uint64_t for_agents, for_agents_bytes;   /* of this node, which have not acknowledged them */
    uint64_t ends;                           /* to be told to senders who are away */
} w4_durable_counts;
w4_durable_counts w4_protocol_durable(const w4_protocol *protocol);
bool w4_protocol_agent_find(const w4_protocol *protocol, uint64_t owner, const char *agent_id,
                            w4_agent_info *ret_info); /* agent_id NULL: the owner's only one */

typedef struct w4_send_request {
    uint64_t owner;
    const char *agent_id; /* NULL: the owner's only one */
    w4_family family;
    w4_bytes type; /* name on the wire */
    w4_bytes to;   /* agent_id, fingerprint, or "*" */
    w4_json payload;
    w4_json state;        /* or none */
    w4_json source;       /* or none */
    w4_json channel;      /* a string that overrides the type's channel, or none */
    w4_bytes caused_by;   /* msg_id of the message it answers, or empty */
    uint64_t deadline_us; /* 0: none; else when it ends with timeout */
    bool durable;         /* to one agent, which may be away */
} w4_send_request;

typedef struct w4_send_receipt {
    char msg_id[37];
    bool stored;         /* is in the store once the turn's commit has succeeded */
    uint32_t recipients; /* nodes and local agents it went to (or waits for) */
    w4_refusal notice;   /* why it will wait there, as far as is known here; NONE */
} w4_send_receipt;

/* Builds, signs, checks as any other envelope, takes effect here, sends. 0, -ENOMEM, or 1. */
int w4_protocol_send(w4_protocol *protocol, const w4_send_request *request, uint64_t now_us,
                     w4_send_receipt *ret_receipt, w4_refused *ret_refused);
/* The same for an envelope the agent signed itself (any JSON form; is made canonical). */
int w4_protocol_submit(w4_protocol *protocol, uint64_t owner, w4_bytes envelope, uint64_t now_us,
                       w4_send_receipt *ret_receipt, w4_refused *ret_refused);
/* The agent's own state (presence, lri, kernel_signals, intent): paces what is delivered to it and
 * goes to the others as STATE_UPDATE. state: canonical object, as the payload of STATE_UPDATE. */
int w4_protocol_agent_state(w4_protocol *protocol, uint64_t owner, const char *agent_id,
                            w4_json state, uint64_t now_us, w4_refused *ret_refused);

/* ---- neighbours */
/* Its node answers durable envelopes with MESH_RECEIPT. Before w4_protocol_peer_up. */
void w4_protocol_peer_speaks(w4_protocol *protocol, const w4_fingerprint *node, bool receipts);
/* It compares and passes on facts (MESH_FACTS). Before w4_protocol_peer_up. */
void w4_protocol_peer_shares(w4_protocol *protocol, const w4_fingerprint *node, bool facts);
/* It compares and passes on what humans consent to (MESH_HUMANS). Before w4_protocol_peer_up. */
void w4_protocol_peer_tells(w4_protocol *protocol, const w4_fingerprint *node, bool humans);
/* It passes on successions and revocations of keys (MESH_KEYS). Before w4_protocol_peer_up. */
void w4_protocol_peer_keys(w4_protocol *protocol, const w4_fingerprint *node, bool keys);
/* What its clock said when its session began: the wall, now. Before w4_protocol_peer_up, and with
 * each link. */
void w4_protocol_peer_clock(w4_protocol *protocol, const w4_fingerprint *node, uint64_t wall_us,
                            uint64_t now_us);
void w4_protocol_peer_up(w4_protocol *protocol, const w4_fingerprint *node, uint64_t now_us);
void w4_protocol_peer_down(w4_protocol *protocol, const w4_fingerprint *node, uint64_t now_us);
/* The record of a node in the graph changed: its agents may be new or gone. */
void w4_protocol_peer_changed(w4_protocol *protocol, const w4_fingerprint *node, uint64_t now_us);
/* On a channel of its session, which had ended something with backpressure, there is room again,
 * for so many messages: what waits goes on. True: there is more, so say when there is room for it.
 */
bool w4_protocol_peer_room(w4_protocol *protocol, const w4_fingerprint *node,
                           w4_channel_kind channel, uint32_t room, uint64_t now_us);
/* One envelope from a neighbour's session, as it came. Runs the pipeline. 0 or -ENOMEM; a refusal
 * is an event. */
int w4_protocol_receive(w4_protocol *protocol, const w4_fingerprint *from_node, w4_bytes envelope,
                        uint64_t now_us);
/* What became of a TRANSMIT: delivered (NONE) or a code. */
int w4_protocol_transmitted(w4_protocol *protocol, uint64_t ticket, w4_refusal outcome,
                            uint64_t now_us);

/* The same for one that a policy of its channel ended: backpressure. */
int w4_protocol_dropped(w4_protocol *protocol, uint64_t ticket, w4_overflow policy,
                        uint64_t now_us);
/* To be asked before a TRANSMIT is given to its session. True: it must not be, and nothing is told
 * of it: what goes before it was sent back by that session meanwhile. */
bool w4_protocol_transmits_later(w4_protocol *protocol, uint64_t ticket, uint64_t now_us);
/* The session has no room for a TRANSMIT and lets it wait; false: it has its place now. What became
 * of it is still to come. */
void w4_protocol_set_waits(w4_protocol *protocol, uint64_t ticket, bool waits);
/* Does something wait that an agent of that owner sent? So long nothing more is to be taken from
 * him. The answer may be another only when the turn has moved. */
bool w4_protocol_waits(const w4_protocol *protocol, uint64_t owner);
uint64_t w4_protocol_waits_turn(const w4_protocol *protocol);

/* A message that was given to an agent did not reach it, and will not: the node that brought it is
 * told, if it can be yet. receiver: as its envelope has it; zero: all, of which nobody is told. */
void w4_protocol_recalled(w4_protocol *protocol, const w4_fingerprint *node, const char *msg_id,
                          const w4_fingerprint *sender, const w4_fingerprint *receiver,
                          w4_refusal code);
/* What the calls up to now have changed is on disk: says to neighbours what that makes true. 0 or
 * -ENOMEM. */
int w4_protocol_committed(w4_protocol *protocol, uint64_t now_us);

uint64_t w4_protocol_deadline(const w4_protocol *protocol);
int w4_protocol_expire(w4_protocol *protocol, uint64_t now_us);

/* ---- what comes out */
typedef enum w4_protocol_event_kind {
    W4_PROTOCOL_EVENT_TRANSMIT, /* send to a neighbour, unless w4_protocol_transmits_later; answer
                                 * with w4_protocol_transmitted */
    W4_PROTOCOL_EVENT_WITHDRAW, /* what has not left yet shall not: ends with code, or as it would
                                 */
    W4_PROTOCOL_EVENT_DELIVER,  /* to a local agent: agent.message */
    W4_PROTOCOL_EVENT_DELIVERY, /* to a local agent: agent.delivery, the end of a message */
    W4_PROTOCOL_EVENT_HELD,     /* to a local agent: the same, no end yet; msg_id, to */
    W4_PROTOCOL_EVENT_MESH,     /* a verified envelope of the mesh family, for lib/mesh */
    W4_PROTOCOL_EVENT_REJECTED, /* envelope_rejected */
    W4_PROTOCOL_EVENT_TRUST,    /* trust_updated; is stored already */
    W4_PROTOCOL_EVENT_FACT,     /* fact_updated: to subscribers and watchers */
    W4_PROTOCOL_EVENT_ROUTED,   /* envelope_routed */
    W4_PROTOCOL_EVENT_CLAIM,    /* claim_updated: msg_id */
    W4_PROTOCOL_EVENT_CONSENT,  /* consent_updated: sender (agent_id) said so in msg_id; text. Code
                                 * not NONE: what waits for agents and is of that human ends so */
    W4_PROTOCOL_EVENT_KEY,      /* sender is a key that was succeeded by receiver (code
                                 * KEY_REPLACED; agent_id: its kind), or revoked by the word of
                                 * receiver (KEY_REVOKED; agent_id: on what authority; text: why) */
    W4_PROTOCOL_EVENT_KIND_COUNT
} w4_protocol_event_kind;

typedef struct w4_protocol_event {
    w4_protocol_event_kind kind;
    w4_fingerprint node;     /* TRANSMIT: to; REJECTED, DELIVER, MESH: from (zero: local) */
    w4_channel_kind channel; /* TRANSMIT */
    uint64_t ticket;         /* TRANSMIT */
    uint64_t deadline_us;    /* TRANSMIT: worth nothing from then on; W4_NEVER */
    bool of_session;         /* TRANSMIT: ends with its session, also when nothing of it was sent */
    bool spares;       /* TRANSMIT: it comes again, so nothing is dropped to make room for it */
    w4_bytes envelope; /* TRANSMIT, DELIVER, MESH: canonical; borrowed until the next call */
    uint64_t owner;    /* DELIVER, DELIVERY */
    char agent_id[W4_AGENT_ID_MAX + 1]; /* DELIVER, DELIVERY: of the local agent */
    w4_trust_state trust;               /* DELIVER: of the sender here */
    bool paced;                         /* DELIVER: the human behind the agent is under pressure */
    uint64_t wall_us;                   /* DELIVER: received at */
    bool redelivered;                   /* DELIVER: it may have been given to it before */
    bool durable;                       /* DELIVER: it comes again until it is acknowledged */
    char msg_id[37];                    /* DELIVERY, REJECTED, FACT, ROUTED; "" when unknown */
    char to[W4_AGENT_ID_MAX + 1];       /* DELIVERY: whom it was for */
    w4_refusal code;                    /* DELIVERY: NONE is delivered; REJECTED */
    w4_overflow policy;                 /* DELIVERY: that ended it; W4_OVERFLOW_COUNT: none did */
    bool
        correction; /* DELIVERY: in the place of one that says delivered, unless it has been told */
    w4_family family;      /* ROUTED, REJECTED when known */
    w4_type type;          /* ROUTED, DELIVER; W4_TYPE_COUNT when unknown */
    w4_fingerprint sender; /* TRANSMIT, DELIVER; REJECTED, ROUTED: as claimed; zero when unknown */
    w4_fingerprint receiver; /* DELIVER: the local agent */
    w4_fingerprint named;    /* DELIVER: the receiver, as the envelope has it; zero: all */
    char text[256];          /* REJECTED: pointer and expectation, printable */
    w4_trust_move move;      /* TRUST */
} w4_protocol_event;

bool w4_protocol_pop_event(w4_protocol *protocol, w4_protocol_event *ret_event);
bool w4_protocol_has_event(const w4_protocol *protocol);

/* ---- keys (trust/keyring.h) */

/* A succession or a revocation, in any JSON form, judged as if a neighbour had brought it. 0,
 * -ENOMEM, or 1 with *ret_refused. *ret_news: it was not known here. It is in force at once, and
 * told to others once the turn's commit has succeeded. *ret_key: which it speaks of. */
int w4_protocol_key_take(w4_protocol *protocol, w4_bytes document, uint64_t now_us, bool *ret_news,
                         w4_fingerprint *ret_key, w4_refused *ret_refused);
/* Makes a revocation in the name of this node, and takes it; as above. */
int w4_protocol_key_revoke(w4_protocol *protocol, const w4_fingerprint *key, w4_key_kind of,
                           const char *reason, uint64_t now_us, w4_refused *ret_refused);
/* Appends the successions by which the key of this node follows others, a line each, the last ones
 * if not all fit. 0 or -ENOMEM. */
int w4_protocol_lineage(const w4_protocol *protocol, w4_buffer *out);
/* A node brings such documents of its own in a handshake: those that lead to its key are taken. */
void w4_protocol_peer_lineage(w4_protocol *protocol, const w4_fingerprint *peer, w4_bytes lineage,
                              uint64_t now_us);
const w4_keyring *w4_protocol_keyring(const w4_protocol *protocol);
/* Why nothing that the key signs now counts here: KEY_REVOKED, KEY_REPLACED; NONE. */
w4_refusal w4_protocol_key_refused(const w4_protocol *protocol, const w4_fingerprint *key);

/* ---- facts */
typedef enum w4_fact_state {
    W4_FACT_PENDING,
    W4_FACT_ACCEPTED,
    W4_FACT_DISPUTED,
    W4_FACT_REJECTED,
    W4_FACT_REFUTED,
    W4_FACT_STATE_COUNT
} w4_fact_state;

const char *w4_fact_state_name(w4_fact_state state);
bool w4_fact_state_from_name(w4_bytes name, w4_fact_state *ret_state);

/* Finds by msg_id or any unique prefix of it (4 characters at least). 0: none, 1: *ret_id, more:
 * not unique. */
uint32_t w4_protocol_fact_find(const w4_protocol *protocol, w4_bytes prefix,
                               char ret_id[static 37]);
/* False: there is none. */
bool w4_protocol_fact_state(const w4_protocol *protocol, const char *id, w4_fact_state *ret_state);
/* The fact object of rpc/method.c (facts.show) as one value; false when there is none. */
bool w4_protocol_fact_write(const w4_protocol *protocol, const char *id, w4_json_writer *w);
/* What one agent may know: of what was said to all, or by it or to it; the voices of others to
 * others are left out. The rest is not there for it. NULL: one who may know everything. */
uint32_t w4_protocol_fact_find_for(const w4_protocol *protocol, w4_bytes prefix,
                                   const w4_who *listener, char ret_id[static 37]);
bool w4_protocol_fact_is_for(const w4_protocol *protocol, const char *id, const w4_who *listener);
bool w4_protocol_fact_write_for(const w4_protocol *protocol, const char *id, const w4_who *listener,
                                w4_json_writer *w);
/* Was any of it said to one agent only? */
bool w4_protocol_fact_any_aside(const w4_protocol *protocol, const char *id);
/* Why it stands where it stands: the array of facts.why; false when there is none. */
bool w4_protocol_fact_why(const w4_protocol *protocol, const char *id, w4_json_writer *w);
/* The same in one sentence, as a JSON string; false when there is none. */
bool w4_protocol_fact_reason(const w4_protocol *protocol, const char *id, w4_json_writer *w);
/* Newest first; state W4_FACT_STATE_COUNT: all. Returns false at the end; *cursor from 0. */
bool w4_protocol_fact_next(const w4_protocol *protocol, w4_fact_state state, size_t *cursor,
                           char ret_id[static 37]);
uint32_t w4_protocol_fact_count(const w4_protocol *protocol, w4_fact_state state);

typedef enum w4_fact_verdict {
    W4_FACT_VERDICT_ACCEPTED, /* what was said against it before no longer counts */
    W4_FACT_VERDICT_REJECTED, /* it is over, whatever was said and will be */
    W4_FACT_VERDICT_NONE,     /* takes an earlier order back */
    W4_FACT_VERDICT_COUNT
} w4_fact_verdict;
/* An operator's order about one fact, for this node alone; it is kept with who gave it and why
 * (both are cut where they are too long). It takes the place of votes against, never of
 * confirmations that are missing. 0, -ENOMEM, or, and nothing has changed, 1: no such fact, 2: the
 * store takes no more. */
int w4_protocol_fact_settle(w4_protocol *protocol, const char *id, w4_fact_verdict verdict,
                            const char *by, const char *reason, uint64_t now_us);

/* What the protocols hold in memory, table by table; *cursor from 0. False: no more. */
bool w4_protocol_use_next(const w4_protocol *protocol, size_t *cursor, w4_use *ret_use);

/* Orders of an operator that touch what agents and facts are worth: call after changing the trust
 * book by hand, so that facts are judged anew. */
int w4_protocol_trust_changed(w4_protocol *protocol, const w4_fingerprint *subject,
                              uint64_t now_us);
/* An operator spoke of a node: confirmers on it may be independent now. 0 or fatal. */
int w4_protocol_node_ordered(w4_protocol *protocol, uint64_t now_us);
