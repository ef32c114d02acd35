/* A whole node without I/O: the composition root. It owns sessions, protocols, mesh and graph; its
 * owner (the daemon, the simulator) gives it transports, a store, time, and calls.
 *
 * One turn is w4_node_process: everything that has arrived is worked off, the store is committed
 * once, and only then do acknowledgements and frames go out. */
#pragma once

#include "mesh/mesh.h"
#include "node/events.h"
#include "protocol/protocol.h"
#include "session/hooks.h"
#include "session/session.h"
#include "transport/registry.h"

#define W4_NODE_TRANSPORTS_MAX 8u
#define W4_NODE_LISTEN_MAX 8u

typedef struct w4_node w4_node;

/* What sessions with one node are held to, where it differs from the rest. */
typedef struct w4_node_channels {
    w4_fingerprint node;
    w4_channel_limits limits[W4_CHANNEL_KIND_COUNT];
} w4_node_channels;

typedef struct w4_node_config {
    w4_protocol_config protocol;
    w4_mesh_config mesh;
    w4_session_config session;
    /* By fingerprint, sorted; borrowed until the next configure or the end of the node. */
    const w4_node_channels *peers;
    uint32_t peers_count;
    uint32_t sessions_max;
    size_t bytes_max;       /* of messages, both ways, in all sessions; session.budget is unused */
    uint32_t half_open_max; /* handshakes under way; the oldest goes first */
    uint32_t handshakes_per_s; /* from one source address */
} w4_node_config;

extern const w4_node_config W4_NODE_CONFIG_DEFAULT;

/* Commits beside the node, so that a slow disk does not hold it up: heartbeats are answered and
 * measured meanwhile. begin: the store is lent (w4_store_lend), and w4_store_commit_lent is called
 * elsewhere until done is true, with what that returned; false: the node commits by itself. Whoever
 * has begun calls w4_node_process when it is over, and is done with the store before w4_node_free.
 */
typedef struct w4_node_committer {
    bool (*begin)(void *context, w4_store *store); /* NULL: there is none */
    bool (*done)(void *context, int *ret_result);
    void *context;
} w4_node_committer;

typedef struct w4_node_context {
    w4_env *env;
    w4_store *store;                       /* borrowed */
    const w4_identity *identity;           /* borrowed */
    const w4_transport_registry *registry; /* borrowed */
    uint64_t (*clock_us)(void *node);      /* measures hooks; NULL: they are not */
    w4_node_committer committer;
} w4_node_context;

/* Replays trust, loads what the store has. 0, -ENOMEM, or a store condition. */
int w4_node_new(const w4_node_context *context, const w4_node_config *config, uint64_t now_us,
                w4_node **ret_node);
w4_node *w4_node_free(w4_node *node); /* abrupt: no goodbye */

/* Opens a backend of the registry; loop as the backend wants it; wake: call w4_node_process soon.
 */
int w4_node_transport_open(w4_node *node, const w4_transport_backend *backend, void *loop,
                           void (*wake)(void *context), void *wake_context);
/* 0, -ENOMEM or W4_TRANSPORT_E_*. */
int w4_node_listen(w4_node *node, const char *address, char ret_bound[static W4_ADDRESS_MAX + 1],
                   int *ret_errno);
/* What can change live. */
void w4_node_configure(w4_node *node, const w4_node_config *config, uint64_t now_us);

/* One turn. 0 or a fatal error. With a committer it may stop half-way, at the commit. */
int w4_node_process(w4_node *node, uint64_t now_us);
/* It waits for its committer: until this is false its owner calls nothing but w4_node_process,
 * which takes in what comes but does nothing with it that others could see, w4_node_deadline, and
 * what only counts. Anything else ends the process. Then a turn is over as any other. */
bool w4_node_committing(const w4_node *node);
/* The beginning of the next turn: what came during a commit is worked off before its owner looks at
 * anything, as if there had been none. 0 or a fatal error. */
int w4_node_catch_up(w4_node *node, uint64_t now_us);
/* What calls on the parts have led to, as far as it needs neither link nor commit: so that the
 * owner knows, before it takes the next request of an agent, whether the one before waits for room
 * (w4_protocol_waits). 0 or a fatal error. */
int w4_node_settle(w4_node *node, uint64_t now_us);
uint64_t w4_node_deadline(const w4_node *node);
/* Does so much wait for local agents that no more is to be taken from anybody before the owner has
 * drained it? While the store fails it cannot: then false. */
bool w4_node_has_enough(const w4_node *node);
/* Has the last turn's commit succeeded? While false nothing may be promised. */
bool w4_node_durable(const w4_node *node);

/* Orderly end: sessions are told. Then turns until w4_node_drained or the owner's patience ends. */
void w4_node_drain(w4_node *node, const char *reason, uint64_t now_us);
bool w4_node_drained(const w4_node *node);

/* By hand. Blocking a node acts at once on its session. 0, -ENOMEM, or -ENOSPC: the table of trust
 * is full, or the store takes no more; nothing has moved then. */
int w4_node_trust_set(w4_node *node, w4_trust_kind kind, const w4_fingerprint *subject,
                      w4_trust_state state, const char *actor, const char *reason, uint64_t now_us);
/* By hand: to start (w4_trust_book_reset). 1: moved, 0: it stood like that, or as above. */
int w4_node_trust_reset(w4_node *node, w4_trust_kind kind, const w4_fingerprint *subject,
                        w4_trust_state start, const char *actor, const char *reason,
                        uint64_t now_us);

/* ---- what comes out for local agents; borrowed until the next call on the node. While
 * the last turn is not durable nothing comes but beacons: an agent is told once, whatever happens.
 */
typedef enum w4_node_event_kind {
    W4_NODE_EVENT_MESSAGE,  /* agent.message */
    W4_NODE_EVENT_DELIVERY, /* agent.delivery: what became of a message */
    W4_NODE_EVENT_HELD,     /* the same: it waits where its receiver is, no end yet */
    W4_NODE_EVENT_FACT,     /* fact.updated, for all who subscribed and may know of it: what each
                               may know w4_protocol_fact_write_for says */
    W4_NODE_EVENT_CLAIM,    /* claim.updated, the same */
    W4_NODE_EVENT_BEACON,   /* a datagram for the LAN */
    W4_NODE_EVENT_KIND_COUNT
} w4_node_event_kind;

typedef struct w4_node_event {
    w4_node_event_kind kind;
    uint64_t owner;
    char agent_id[W4_AGENT_ID_MAX + 1];
    char msg_id[37];
    char to[W4_AGENT_ID_MAX + 1];
    w4_refusal code;
    w4_overflow policy; /* DELIVERY: that ended it; W4_OVERFLOW_COUNT: none did */
    w4_trust_state trust;
    w4_fact_state state; /* FACT, CLAIM: as it was when it changed */
    bool paced;          /* MESSAGE: the human behind the agent is under pressure */
    bool redelivered;    /* MESSAGE: it may have been given before */
    w4_fingerprint node; /* MESSAGE: which neighbour brought it; zero: local */
    uint64_t wall_us;
    w4_bytes bytes; /* MESSAGE: the envelope; BEACON */
} w4_node_event;
bool w4_node_pop_event(w4_node *node, w4_node_event *ret_event);
/* The MESSAGE that was popped last was given to nobody, since its agent had gone by then: its
 * sender is told not_found. One that is durable comes again. */
void w4_node_not_taken(w4_node *node, uint64_t now_us);
/* Nobody takes messages under that owner any more. The same of all that are to be popped for it:
 * senders at other nodes hear that in place of an acknowledgement, which the next turn sends. */
void w4_node_agent_gone(w4_node *node, uint64_t owner, uint64_t now_us);

/* ---- lifecycle hooks, see session/hooks.h
 *
 * They run at the end of a turn, when nothing else of the node does: a hook may call whatever its
 * owner may call between turns. A turn within a hook is none; the node is not freed within one. */
w4_hooks *w4_node_hooks(w4_node *node);
/* For who comes late: the event session_open of a session that is open now, as it was, with its
 * seq. False: no more. */
bool w4_node_session_told(const w4_node *node, size_t *cursor, w4_json_writer *w,
                          uint64_t *ret_seq);

/* ---- parts, for the methods of the sockets */
w4_protocol *w4_node_protocol(w4_node *node);
w4_mesh *w4_node_mesh(w4_node *node);
w4_trust_book *w4_node_trust(w4_node *node);
w4_graph *w4_node_graph(w4_node *node);
w4_events *w4_node_events(w4_node *node);
const w4_env *w4_node_env(const w4_node *node);
uint64_t w4_node_refusals(const w4_node *node, w4_refusal code);
/* Messages that were counted for agents here (w4_protocol_agent_room) and then not given to them,
 * ever: when there are more, their owner tells anew what there is room for. */
uint64_t w4_node_withdrawn(const w4_node *node);
void w4_node_count_refusal(w4_node *node, w4_refusal code); /* told over a socket */
size_t w4_node_addresses(const w4_node *node, const char *ret_addresses[static W4_NODE_LISTEN_MAX]);

typedef struct w4_node_session {
    w4_fingerprint peer;
    const w4_session *session;
    const char *address;   /* of the link, or "" */
    const char *transport; /* or "" */
    bool initiator;
    bool open;           /* as session_open and session_close tell */
    uint64_t reconnects; /* how often it was open again; the same as those tell */
} w4_node_session;
bool w4_node_session_next(const w4_node *node, size_t *cursor, w4_node_session *ret_session);
/* What this node promises for a channel with a peer, and how far that is kept. */
typedef struct w4_node_sla {
    w4_fingerprint peer;
    const w4_session *session; /* NULL: the peer is away */
    bool open;
    w4_channel_kind channel;
    uint16_t channel_id; /* 0: the one of its kind that is always open, of whatever session */
    w4_sla_contract contract;
    w4_sla_measure measures[W4_SLA_CLAUSE_COUNT];
} w4_node_sla;
typedef struct w4_node_sla_cursor {
    bool begun, opened;
    unsigned channel;
    size_t session;
    w4_fingerprint peer;
} w4_node_sla_cursor;
/* All of them: the standing channels by peer, then those that were opened. A cursor that is zero at
 * first; nothing else is called in between. */
bool w4_node_sla_next(w4_node *node, w4_node_sla_cursor *cursor, uint64_t now_us,
                      w4_node_sla *ret_sla);
const char *w4_node_sla_measured_name(w4_sla_clause clause); /* "p99_ms", "drop_rate", ... */

/* False when there is none. */
bool w4_node_session_close(w4_node *node, const w4_fingerprint *peer, w4_refusal code,
                           const char *text, uint64_t now_us);
/* What we send in its session is under a new key from now on. False when there is none. */
bool w4_node_session_rekey(w4_node *node, const w4_fingerprint *peer);
/* What was sent to a peer since the node began, over all of its sessions, with what was sent to it
 * without one. NULL: of those of long ago. */
w4_channel_stats w4_node_channel_stats(const w4_node *node, const w4_fingerprint *peer,
                                       w4_channel_kind kind);
size_t w4_node_memory(const w4_node *node); /* bytes held by sessions */
/* To be called now and then: gives back memory that only makes the next turn quicker, the store's
 * included (w4_store_rest). */
void w4_node_rest(w4_node *node);
/* What the node holds in memory, table by table; *cursor from 0. False: no more. */
bool w4_node_use_next(const w4_node *node, size_t *cursor, w4_use *ret_use);
