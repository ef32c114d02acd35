/* The mesh of a node: which peers exist and where, whom to dial, this node's own record, and the
 * records exchanged with direct neighbours. Sans-IO: the node hands in what happened and takes out
 * events after each call. */
#pragma once

#include "base/clock.h"
#include "base/env.h"
#include "envelope/envelope.h"
#include "graph/graph.h"
#include "protocol/protocol.h"
#include "store/store.h"
#include "trust/book.h"

#define W4_MESH_PEERS_MAX 4096u
#define W4_MESH_PEER_ADDRESSES_MAX 8u
#define W4_MESH_DIALS_MAX 16u /* under way at once */
#define W4_BEACON_MAX 512u

typedef struct w4_mesh w4_mesh;

/* Where an address came from: for people, and for how long it is kept. */
typedef enum w4_address_source {
    W4_ADDRESS_SEED,       /* config */
    W4_ADDRESS_OPERATOR,   /* peers.add */
    W4_ADDRESS_REMEMBERED, /* the store */
    W4_ADDRESS_RECORD,     /* a node's own signed record */
    W4_ADDRESS_BEACON,     /* LAN */
    W4_ADDRESS_SOURCE_COUNT
} w4_address_source;

const char *w4_address_source_name(w4_address_source source);

typedef struct w4_mesh_config {
    char name[64]; /* of this node */
    char version[32];
    uint32_t peers_max; /* sessions wanted at most (inbound ones above are refused by the node) */
    uint64_t record_interval_us; /* own record at most this often; 1 s */
    uint64_t beacon_interval_us; /* 0: no beacons */
} w4_mesh_config;

extern const w4_mesh_config W4_MESH_CONFIG_DEFAULT;

/* All borrowed. protocol: whose local agents go into the record. */
typedef struct w4_mesh_context {
    w4_env *env;
    w4_store *store;
    w4_trust_book *trust;
    w4_graph *graph;
    w4_protocol *protocol;
    const w4_identity *node;
} w4_mesh_context;

/* Loads remembered peers and records. 0, -ENOMEM, or a store condition. */
int w4_mesh_new(const w4_mesh_context *context, const w4_mesh_config *config, uint64_t now_us,
                w4_mesh **ret_mesh);
w4_mesh *w4_mesh_free(w4_mesh *mesh);

/* Where others reach this node (as bound, or as config advertises). Replaces; goes into the record.
 */
int w4_mesh_set_addresses(w4_mesh *mesh, const char *const *addresses, size_t count,
                          uint64_t now_us);
void w4_mesh_configure(w4_mesh *mesh, const w4_mesh_config *config); /* reload: acts next turn */
/* An address to try. node: whom to expect there (pinned), or NULL. 0, -ENOMEM, -ENOSPC, 1: that is
 * no address, or 2: the key of node was revoked. */
int w4_mesh_add_address(w4_mesh *mesh, const char *address, w4_address_source source,
                        const w4_fingerprint *node, uint64_t now_us);
/* Forgets a peer and its addresses (not its trust). False when unknown. */
bool w4_mesh_forget(w4_mesh *mesh, const w4_fingerprint *node, uint64_t now_us);
/* The same for an address behind which no node has proved itself. */
bool w4_mesh_forget_address(w4_mesh *mesh, const char *address);

/* What became of a DIAL event, by its number: each is answered once, by one of these or by
 * w4_mesh_session_up. No link, or no handshake: */
void w4_mesh_dial_failed(w4_mesh *mesh, uint64_t dial, const char *why, uint64_t now_us);
/* node answered and has proved who it is, but the link is not needed: there is a session. */
int w4_mesh_dial_worked(w4_mesh *mesh, uint64_t dial, const w4_fingerprint *node, uint64_t now_us);
/* A session with node is up. dial: the one that led to it, or 0 (they dialled us). */
int w4_mesh_session_up(w4_mesh *mesh, const w4_fingerprint *node, const w4_pubkey *pubkey,
                       const char *name, uint64_t dial, uint64_t now_us);
/* Its link, over which it was heard last at heard_us, is gone: dial again. */
int w4_mesh_session_lost(w4_mesh *mesh, const w4_fingerprint *node, uint64_t heard_us,
                         uint64_t now_us);

/* What a TRANSMIT was to tell that neighbour did not come there, and the session stands: its queue
 * had no room for it. */
void w4_mesh_untold(w4_mesh *mesh, const w4_fingerprint *node, uint64_t now_us);

/* A verified envelope of the mesh family from that neighbour (W4_PROTOCOL_EVENT_MESH). 0/-ENOMEM.
 */
int w4_mesh_receive(w4_mesh *mesh, const w4_fingerprint *from, w4_bytes envelope, uint64_t now_us);
/* Trust has moved, by whatever cause. 0 or -ENOMEM or a condition of the store. */
int w4_mesh_trust_moved(w4_mesh *mesh, const w4_trust_move *move, uint64_t now_us);
/* Another key has taken the place of a node's: its addresses, and what is pinned, are that one's.
 * 0 or -ENOMEM. */
int w4_mesh_key_replaced(w4_mesh *mesh, const w4_fingerprint *key, const w4_fingerprint *successor,
                         uint64_t now_us);
/* Nobody is to be found under that key any more. 0 or -ENOMEM. */
int w4_mesh_key_revoked(w4_mesh *mesh, const w4_fingerprint *key, uint64_t now_us);
int w4_mesh_beacon_recv(w4_mesh *mesh, w4_bytes datagram, uint64_t now_us);
void w4_mesh_agents_changed(w4_mesh *mesh, uint64_t now_us); /* attach, detach: record again */

uint64_t w4_mesh_deadline(const w4_mesh *mesh);
int w4_mesh_expire(w4_mesh *mesh, uint64_t now_us);

typedef enum w4_mesh_event_kind {
    W4_MESH_EVENT_DIAL,       /* dial address, expect node unless zero; say what became of it */
    W4_MESH_EVENT_TRANSMIT,   /* a MESH_HELLO for a neighbour, on control */
    W4_MESH_EVENT_RECORD,     /* the record of node changed: tell the protocol */
    W4_MESH_EVENT_DISCOVERED, /* peer_discovered */
    W4_MESH_EVENT_LOST,       /* peer_lost: no session and no record any more */
    W4_MESH_EVENT_REJECTED,   /* what a neighbour sent was not good: text */
    W4_MESH_EVENT_TRUST,      /* a move of the node machine; stored already */
    W4_MESH_EVENT_BEACON,     /* a datagram for the LAN */
    W4_MESH_EVENT_KIND_COUNT
} w4_mesh_event_kind;

typedef struct w4_mesh_event {
    w4_mesh_event_kind kind;
    w4_fingerprint node;
    uint64_t dial; /* DIAL: its number */
    char address[256];
    w4_bytes bytes; /* TRANSMIT, BEACON: borrowed until the next call */
    w4_refusal code;
    char text[256];
    w4_trust_move move;
} w4_mesh_event;

bool w4_mesh_pop_event(w4_mesh *mesh, w4_mesh_event *ret_event);
/* What did not fit among those that wait for the owner; also logged. The own record is not lost by
 * it: whom it was not told is told first next time. */
uint64_t w4_mesh_events_lost(const w4_mesh *mesh);

/* For peers.list. */
typedef struct w4_mesh_address_info {
    const char *address;
    w4_address_source source;
    uint64_t worked_wall_us; /* 0: never */
    uint32_t failures;       /* in a row */
    uint64_t next_us;        /* no dial earlier; 0: any time, or one is under way */
    const char *last_error;  /* "" */
} w4_mesh_address_info;

typedef struct w4_mesh_peer_info {
    w4_fingerprint node; /* zero: an address whose node is not known yet */
    const char *name;
    bool connected;
    uint64_t seen_wall_us; /* last session; 0: never */
    uint32_t address_count;
    w4_mesh_address_info addresses[W4_MESH_PEER_ADDRESSES_MAX];
} w4_mesh_peer_info;

bool w4_mesh_peer_next(const w4_mesh *mesh, size_t *cursor, w4_mesh_peer_info *ret_info);
