/* Whom a node knows, where they may be reached, and when each address is dialled again. */
#pragma once

#include "mesh/mesh.h"
#include "session/backoff.h"

#include <uthash.h>

#define W4_MESH_SECOND_DIAL_US (UINT64_C(250) * W4_US_PER_MS) /* after the first to that peer */

#define W4_MESH_REMINDED_OF 4u /* authors */

/* How often something may happen: max at once, and one more each every_us. */
typedef struct w4_mesh_budget {
    uint32_t used;
    uint64_t since_us;
} w4_mesh_budget;
bool w4_mesh_budget_take(w4_mesh_budget *budget, uint32_t max, uint64_t every_us, uint64_t now_us);

struct w4_mesh_peer;

typedef struct w4_peer_address {
    struct w4_mesh_peer *peer;
    char address[256];
    w4_address_source source;
    bool pinned;   /* only the node of this peer is good there */
    bool taken;    /* the session that the peer has, or had last, goes by it */
    uint64_t dial; /* the number of the dial that is under way, or 0 */
    uint64_t worked_wall_us;
    uint32_t failures;
    char last_error[128];
    w4_backoff backoff;
} w4_peer_address;

/* A node, or (zero fingerprint) an address of which nobody knows yet whose it is. */
typedef struct w4_mesh_peer {
    UT_hash_handle hh; /* unless its node is zero */
    size_t position;   /* among all */
    w4_fingerprint node;
    w4_pubkey pubkey;
    char name[64];
    bool connected;
    bool had_session; /* since start */
    bool to_tell;     /* has not been told of the newest own record */
    bool to_greet;    /* something that it was told has not come there: all of it is said again */
    uint64_t passed_seq; /* of its own records: what it said itself and others were told last */
    uint64_t seen_wall_us;
    uint64_t up_us;              /* since when it is connected */
    uint64_t dialled_us;         /* when the last dial to it began */
    w4_peer_address **addresses; /* W4_MESH_PEER_ADDRESSES_MAX; NULL: it never had any */
    uint32_t address_count;
    /* Whose records it was told last, since it had told older ones: when not all that it is told
     * comes there, they are said again too. Zero: nobody's. */
    w4_fingerprint reminded_of[W4_MESH_REMINDED_OF];
    uint32_t reminders;
    w4_mesh_budget told;       /* records of its own */
    w4_mesh_budget reminded;   /* of older ones of others that it told */
    w4_mesh_budget introduced; /* of nodes that were not known here */
} w4_mesh_peer;

typedef struct w4_mesh_registry {
    w4_mesh_peer *by_node;
    w4_mesh_peer **peers; /* all, in order of arrival */
    uint32_t count, cap;
    uint32_t connected;
    w4_peer_address *dials[W4_MESH_DIALS_MAX]; /* under way, NULL between */
    uint32_t dialling;
    uint64_t last_dial;
} w4_mesh_registry;

void w4_mesh_registry_deinit(w4_mesh_registry *registry);
w4_mesh_peer *w4_mesh_registry_find(const w4_mesh_registry *registry, const w4_fingerprint *node);
/* Finds or makes; node NULL makes one whose node is not known. 0, -ENOMEM or -ENOSPC. */
int w4_mesh_registry_peer(w4_mesh_registry *registry, const w4_fingerprint *node,
                          w4_mesh_peer **ret_peer);
void w4_mesh_registry_remove(w4_mesh_registry *registry, w4_mesh_peer *peer);
/* Who would have to go for a new one: nobody that is connected, being dialled, trusted or known
 * from an operator; nor, unless met, anybody who ever had a session here. The one seen longest ago.
 * NULL: none. */
w4_mesh_peer *w4_mesh_registry_expendable(const w4_mesh_registry *registry,
                                          const w4_trust_book *trust, bool met);
void w4_mesh_registry_set_connected(w4_mesh_registry *registry, w4_mesh_peer *peer, bool connected);

/* Adds an address to a peer. One that it has keeps its history; the stronger source stays. When all
 * places are taken, the one that promises least gives way. 0, -ENOMEM, -ENOSPC. */
int w4_mesh_registry_add(w4_mesh_registry *registry, w4_mesh_peer *peer, const char *address,
                         w4_address_source source, bool pinned);
/* An address of anybody, as a seed is. One that worked, or whose node is not known, is known
 * already; what others merely claim is not. 0, -ENOMEM, -ENOSPC. */
int w4_mesh_registry_add_anybodys(w4_mesh_registry *registry, const char *address,
                                  w4_address_source source);
/* The address turned out to be that of peer: moves it there, or drops it when there is no room.
 * Returns where it is now, or NULL. */
w4_peer_address *w4_mesh_registry_claim(w4_mesh_registry *registry, w4_mesh_peer *peer,
                                        w4_peer_address *address);
void w4_mesh_registry_remove_address(w4_mesh_registry *registry, w4_peer_address *address);
/* The one that its session goes by was good until then. */
void w4_mesh_registry_worked(w4_mesh_peer *peer, uint64_t wall_us);
#define W4_MESH_ADDRESS_AGE_US (UINT64_C(7) * 24 * 3600 * W4_US_PER_S)
/* What its node does not list goes: at once when it never worked, or the node was reached since by
 * one that it lists; else so long after it worked last. What the configuration or an operator named
 * stays, and what the session goes by. Returns how many went. */
uint32_t w4_mesh_registry_age(w4_mesh_registry *registry, w4_mesh_peer *peer,
                              const w4_record *record, uint64_t wall_us);

/* The address to dial now: of a peer without a session, allowed by its back-off. Those that worked
 * or that an operator gave come before what others say. NULL: none now; *ret_next_us says when to
 * ask again. */
w4_peer_address *w4_mesh_registry_next(w4_mesh_registry *registry, const w4_trust_book *trust,
                                       uint64_t now_us, uint64_t *ret_next_us);
/* Somebody here said it or saw it work; all else is what others claim. */
bool w4_mesh_registry_is_proven(const w4_peer_address *address);
/* There must be room among the dials. Numbers are never used again. */
void w4_mesh_registry_dial_begin(w4_mesh_registry *registry, w4_peer_address *address,
                                 uint64_t now_us);
/* Ends it; the address that was dialled, or NULL when it is gone meanwhile. */
w4_peer_address *w4_mesh_registry_dial_end(w4_mesh_registry *registry, uint64_t dial);
