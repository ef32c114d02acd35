/* The inside of a node, shared by the files of this folder only. */
#pragma once

#include "node/ledger.h"
#include "node/node.h"
#include "node/timers.h"
#include "transport/source_limit.h"

#include <sys/queue.h>
#include <uthash.h>

/* When both ends dialled at once, links this close in age are compared by the fixed rule of
 * wire.md 2; an older link has been given up by the other side. */
#define W4_NODE_DUPLICATE_AGE_US (UINT64_C(5) * 1000000u)
#define W4_NODE_EVENTS_FULL 4096u /* from then on no message is taken in */
#define W4_NODE_EVENTS_BYTES_FULL ((size_t)32 * 1024 * 1024)
/* Far above what one frame or one request can lead to beyond that. What only tells leaves room to
 * messages, and those to what became of messages: of that nothing may be lost. */
#define W4_NODE_EVENTS_TELL_MAX 32768u
#define W4_NODE_EVENTS_MESSAGES_MAX 49152u
#define W4_NODE_EVENTS_MAX 131072u
#define W4_NODE_QUEUED_SHARE_MIN ((size_t)64 * 1024)
#define W4_NODE_COMMIT_AGAIN_US W4_US_PER_S
#define W4_NODE_COMMIT_LIGHT_US W4_US_PER_S /* what was only kept is committed after that */
#define W4_NODE_BEAT_US (W4_US_PER_S / 20)  /* of a commit between two looks at heartbeats */
#define W4_NODE_ROOM 16u                    /* messages go on as the node has room for them again */
#define W4_NODE_OVERFLOW_US W4_US_PER_S     /* between two events of one queue that overflows */
#define W4_NODE_REKEYED_US W4_US_PER_S      /* between two events of a peer's new keys */
#define W4_NODE_ROUNDS_MAX 64u              /* of passing events between the parts, in one turn */
#define W4_NODE_ASIDE_BYTES_MAX ((size_t)4 * 1024 * 1024) /* taken in during commits */
#define W4_NODE_PUT_BY_BYTES_MAX ((size_t)1024 * 1024)    /* the same, of handshakes */
#define W4_NODE_FRAMES_PER_TURN 512u /* taken from one transport before others have a turn */
/* The same for messages, each of which is some signature's time: who sends them hears of the first
 * while the last are still looked at, and has more ready when those are done. */
#define W4_NODE_MESSAGES_PER_TURN 32u
/* What one turn hands to links at most, then it goes out before the next peers are served: a word
 * to all of thousands never lies in thousands of buffers at once. */
#define W4_NODE_EMIT_BYTES_PER_TURN ((size_t)512 * 1024)
#define W4_TOKEN_MESH (UINT64_C(1) << 63) /* tokens of what the mesh tells */

typedef struct w4_node_peer w4_node_peer;

/* What a w4_timer lies in. */
enum { W4_NODE_TIMER_LINK, W4_NODE_TIMER_PEER, W4_NODE_TIMER_CONTRACT, W4_NODE_TIMER_OPENED };

/* One connection: first a handshake, then it carries a peer's session. */
typedef struct w4_node_link {
    TAILQ_ENTRY(w4_node_link) next; /* in half_open while there is a handshake */
    w4_timer timer;                 /* of the handshake */
    w4_link *link;
    w4_handshake *handshake;
    w4_node_peer *peer;
    uint64_t dial; /* the number of the mesh's dial, until it was told what became of it; or 0 */
    bool dialled;
    bool half_open; /* is in the list */
    bool blocked;   /* its queue is full: pending waits for WRITABLE */
    bool up;
    w4_buffer pending;
    uint64_t since_us;
} w4_node_link;

TAILQ_HEAD(w4_node_links, w4_node_link);

/* What is promised to a peer; also while it is away. */
typedef struct w4_node_contract {
    UT_hash_handle hh;
    w4_timer timer;
    w4_fingerprint peer;
    w4_node_peer *session; /* NULL: it is away */
    w4_sla *sla[W4_CHANNEL_KIND_COUNT];
    uint64_t away_since_us;
    bool named; /* in the configuration */
} w4_node_contract;

/* What is promised for a channel of a session that was opened by number. */
typedef struct w4_node_opened {
    LIST_ENTRY(w4_node_opened) next;
    w4_timer timer;
    w4_node_peer *peer;
    uint16_t id;
    w4_channel_kind kind;
    w4_sla *sla;
} w4_node_opened;

LIST_HEAD(w4_node_opened_list, w4_node_opened);

/* What hooks and events were told of a peer's session, last. */
typedef struct w4_node_told {
    bool open; /* session_open, and no session_close since */
    bool resumed;
    uint8_t session[W4_SESSION_ID_LEN];
    const char *transport; /* NULL: it was never open */
    uint64_t reconnects;   /* how often it was open again */
    uint64_t seq, wall_us; /* of that event */
} w4_node_told;
/* How often a queue overflowed, and what was told of it. */
typedef struct w4_node_overflow {
    uint64_t of_session; /* of the session's own count, what is in seen */
    uint64_t seen, told;
    uint64_t quiet_until_us;
} w4_node_overflow;

/* One authenticated peer and its session. */
struct w4_node_peer {
    UT_hash_handle hh;
    TAILQ_ENTRY(w4_node_peer) active_next;
    TAILQ_ENTRY(w4_node_peer) aside_next;
    size_t position; /* among all */
    w4_timer timer;
    w4_fingerprint node;
    w4_session *session;
    w4_node_link *link; /* NULL: waiting for another */
    bool active;        /* is in the list: has something to pop or emit */
    bool aside;         /* in the list of those whose session has records aside */
    bool announced;     /* mesh and protocol know it is up */
    bool over_share;    /* something was refused since the node had no room for it */
    w4_node_told told;
    w4_node_contract *contract; /* NULL: nothing is promised for the standing channels */
    struct w4_node_opened_list opened;
    uint64_t rekeyed_quiet_us;  /* until then no more is told of keys of the peer */
    w4_node_overflow *overflow; /* of each kind of channel; NULL: no queue ever did */
};

TAILQ_HEAD(w4_node_peers, w4_node_peer);

typedef struct w4_node_out {
    STAILQ_ENTRY(w4_node_out) next;
    w4_node_event event;
    w4_type type; /* MESSAGE: these five */
    w4_fingerprint sender, receiver, named;
    bool durable;
    uint8_t bytes[];
} w4_node_out;

STAILQ_HEAD(w4_node_outs, w4_node_out);

typedef struct w4_node_transport {
    w4_node *node;
    w4_transport *transport;
} w4_node_transport;

/* What a transport told during a commit that is not for a session. */
typedef struct w4_node_put_by {
    TAILQ_ENTRY(w4_node_put_by) next;
    size_t bytes;
    w4_transport_event event;
    uint8_t frame[]; /* of the event */
} w4_node_put_by;
TAILQ_HEAD(w4_node_puts_by, w4_node_put_by);

struct w4_node {
    w4_env *env;
    w4_store *store;
    const w4_identity *identity;
    const w4_transport_registry *registry;
    w4_node_config config;
    uint8_t static_secret[W4_DH_LEN], static_public[W4_DH_LEN];

    w4_trust_book *trust;
    w4_graph *graph;
    w4_protocol *protocol;
    w4_mesh *mesh;
    w4_events *events;
    w4_hooks *hooks;
    w4_ledger *ledger;

    w4_transport *transports[W4_NODE_TRANSPORTS_MAX];
    uint32_t transport_count;
    char addresses[W4_NODE_LISTEN_MAX][W4_ADDRESS_MAX + 1];
    uint32_t address_count;

    w4_timers timers;
    struct w4_node_links half_open;
    uint32_t half_open_count;
    w4_source_limit *sources;

    w4_node_peer *peers;     /* by fingerprint */
    w4_node_peer **sessions; /* all of them, for walks */
    size_t session_count, session_cap;
    w4_byte_budget budget; /* of messages in all of them */
    struct w4_node_peers active;
    struct w4_node_peers aside; /* what came during the commit, in the order of the peers */
    size_t aside_bytes;         /* of them, as this commit goes on */
    struct w4_node_puts_by put_by;
    size_t put_by_bytes;
    w4_node_contract *contracts; /* by peer */
    bool contracts_due;          /* the configuration has changed */
    w4_buffer frame;             /* the one being emitted */
    size_t emitted_bytes;        /* handed to links in this turn */

    struct w4_node_outs out;
    w4_node_out *popped;
    w4_node_out *beacon; /* the last one: it promises nothing, so it waits for no commit */
    uint32_t out_count;
    size_t out_bytes;
    uint64_t out_lost;
    uint64_t out_withdrawn; /* messages that found no room there, or were taken out of it */
    struct { /* the last message that found no room there: its sender is about to be told more */
        char msg_id[37];
        char to[W4_FINGERPRINT_TEXT_LEN + 1];
    } untaken;

    uint64_t refusals[W4_REFUSAL_COUNT];
    uint64_t messages_taken; /* from sessions, ever */
    w4_node_committer committer;
    bool committing;
    uint64_t beat_us; /* heartbeats are looked after again, while it commits */
    bool again_after; /* again, once it has committed */
    bool durable;
    uint64_t commit_due_us;   /* after one that failed, and of what was only kept */
    uint64_t overflow_due_us; /* there is more to tell of a queue that overflows */
    bool draining;
    bool again; /* a transport has more than one turn takes */
};

typedef int w4_node_emit_fn(w4_session *session, w4_buffer *out, uint64_t now_us);

/* links.c */
/* As it was dialled, or whom it came from; "" for none. */
const char *w4_node_link_address(const w4_node_link *link);
int w4_node_links_drain(w4_node *node, w4_transport *transport, uint64_t now_us);
/* The same during a commit. */
int w4_node_links_wait(w4_node *node, w4_transport *transport, uint64_t now_us);
/* During one that takes long, at node->beat_us: PINGs that are due. 0 or fatal. */
int w4_node_links_beat(w4_node *node, uint64_t now_us);
/* What came during the commit, before all that came later. 0 or fatal. */
int w4_node_links_catch_up(w4_node *node, uint64_t now_us);
bool w4_node_links_behind(const w4_node *node); /* there is such */
void w4_node_links_forget(w4_node *node, const w4_link *link);
int w4_node_link_dial(w4_node *node, uint64_t dial, const char *address,
                      const w4_fingerprint *pinned, uint64_t now_us);
int w4_node_link_expire(w4_node *node, w4_node_link *link, uint64_t now_us);
/* Ends a link and frees it. The mesh is told that its dial failed, unless it was told before; else
 * nobody is. why: of that. */
w4_node_link *w4_node_link_free(w4_node *node, w4_node_link *link, const char *why,
                                uint64_t now_us);

/* peers.c */
/* Of the channels of sessions with that node: W4_CHANNEL_KIND_COUNT of them. */
const w4_channel_limits *w4_node_limits(const w4_node *node, const w4_fingerprint *peer);
w4_node_peer *w4_node_peer_find(const w4_node *node, const w4_fingerprint *fingerprint);
/* A handshake is done: session, tie-break, or refusal. Takes the link over in every case. */
int w4_node_peer_attach(w4_node *node, w4_node_link *link, w4_handshake_result *result,
                        uint64_t now_us);
/* reason: for people. close_reason: that of session_close. */
int w4_node_peer_link_lost(w4_node *node, w4_node_peer *peer, const char *reason,
                           const char *close_reason, uint64_t now_us);
void w4_node_peer_activate(w4_node *node, w4_node_peer *peer);
int w4_node_peer_events(w4_node *node, w4_node_peer *peer, uint64_t now_us);
int w4_node_peer_emit(w4_node *node, w4_node_peer *peer, uint64_t now_us);
/* A PING is answered at once, before the rest of what came is worked off and committed. */
int w4_node_peer_answer(w4_node *node, w4_node_peer *peer, uint64_t now_us);
int w4_node_peer_timer(w4_node *node, w4_node_peer *peer);
w4_node_peer *w4_node_peer_free(w4_node *node, w4_node_peer *peer, uint64_t now_us);

/* lifecycle.c: 0 or -ENOMEM. */
int w4_node_lifecycle_init(w4_node *node, const w4_node_context *context);
int w4_node_lifecycle_open(w4_node *node, w4_node_peer *peer, bool resumed, uint64_t now_us);
int w4_node_lifecycle_timeout(w4_node *node, w4_node_peer *peer, bool unread, uint64_t now_us);
void w4_node_lifecycle_rekeyed(w4_node *node, w4_node_peer *peer, bool by_peer, uint64_t now_us);
/* Nothing when it is not open. */
int w4_node_lifecycle_close(w4_node *node, w4_node_peer *peer, const char *reason, const char *text,
                            uint64_t now_us);
int w4_node_lifecycle_end(w4_node *node, w4_node_peer *peer, const w4_session_event *closed,
                          uint64_t now_us);
int w4_node_lifecycle_run(w4_node *node, uint64_t now_us); /* the hooks */

/* contracts.c: 0 or -ENOMEM. */
int w4_node_contracts_configure(w4_node *node, uint64_t now_us);
int w4_node_contract_open(w4_node *node, w4_node_peer *peer, uint64_t now_us);
int w4_node_contract_close(w4_node *node, w4_node_peer *peer, uint64_t now_us);
void w4_node_contract_gone(w4_node *node, w4_node_peer *peer, uint64_t now_us);
int w4_node_contract_count(w4_node *node, w4_node_peer *peer, uint64_t now_us);
void w4_node_contract_delivered(w4_node_peer *peer, const w4_session_event *delivered,
                                uint64_t now_us);
int w4_node_contract_expire(w4_node *node, w4_node_contract *contract, uint64_t now_us);
void w4_node_contracts_free(w4_node *node);
typedef struct w4_node_sla_about {
    const w4_fingerprint *peer;
    const w4_node_peer *session; /* NULL: it is away */
    const w4_sla *sla;
    w4_channel_kind kind;
    uint16_t channel_id; /* 0: the standing one of its kind */
} w4_node_sla_about;
void w4_node_contract_tell(w4_node *node, const w4_node_sla_about *about, const w4_sla_event *told,
                           uint64_t now_us);

/* opened.c: 0 or -ENOMEM. */
/* The channel is open, or over. */
int w4_node_opened_see(w4_node *node, w4_node_peer *peer, uint16_t id, uint64_t now_us);
int w4_node_opened_link(w4_node *node, w4_node_peer *peer, bool open, uint64_t now_us);
int w4_node_opened_count(w4_node *node, w4_node_peer *peer, uint64_t now_us);
void w4_node_opened_delivered(const w4_node_peer *peer, uint16_t id, uint64_t latency_us,
                              uint64_t now_us);
int w4_node_opened_expire(w4_node *node, w4_node_opened *opened, uint64_t now_us);
void w4_node_opened_free(w4_node *node, w4_node_peer *peer);
bool w4_node_sla_opened_next(w4_node *node, w4_node_sla_cursor *cursor, uint64_t now_us,
                             w4_node_sla *ret_sla);
/* sending.c */
int w4_node_send(w4_node *node, const w4_fingerprint *to, w4_channel_kind channel,
                 const w4_sending *sending, uint64_t now_us);
void w4_node_peer_writable(w4_node *node, w4_node_peer *peer, const w4_session_event *event,
                           uint64_t now_us);
/* What was refused since the node had no room goes on, if it has some. */
void w4_node_peer_room(w4_node *node, w4_node_peer *peer, uint64_t now_us);
/* ADMITTED, DELIVERED, FAILED of a session. */
int w4_node_outcome(w4_node *node, w4_node_peer *peer, const w4_session_event *event,
                    uint64_t now_us);
/* What was not told yet of its queues. */
void w4_node_peer_tell_overflow(w4_node *node, w4_node_peer *peer, uint64_t now_us);
void w4_node_overflow_expire(w4_node *node, uint64_t now_us);

/* dispatch.c */
int w4_node_dispatch(w4_node *node, uint64_t now_us); /* until the parts are quiet */
void w4_node_rejected(w4_node *node, w4_refusal code, const w4_fingerprint *peer, const char *text,
                      const char *msg_id, const w4_fingerprint *sender, uint64_t now_us);
/* Tells of the move; a node that is blocked now loses its session. */
int w4_node_trust_moved(w4_node *node, const w4_trust_move *move, uint64_t now_us);
