/* Whom a node knows, where they may be reached, and when each address is dialled again. */
#pragma once

#include "mesh/mesh.h"
#include "session/backoff.h"

#include <uthash.h>

typedef struct w4_peer_address {
    char address[256];
    w4_address_source source;
    bool pinned; /* only the node of this peer is good there */
    bool dialling;
    uint64_t worked_wall_us;
    uint32_t failures;
    char last_error[128];
    w4_backoff backoff;
} w4_peer_address;

/* A node, or (zero fingerprint) an address of which nobody knows yet whose it is. */
typedef struct w4_mesh_peer {
    struct w4_mesh_peer *next, *previous; /* all, in order of arrival */
    w4_fingerprint node;
    w4_pubkey pubkey;
    char name[64];
    bool connected;
    bool had_session; /* since start */
    uint64_t seen_wall_us;
    uint64_t up_us; /* since when it is connected */
    char via[256];  /* the address of that session, or "" */
    w4_peer_address *addresses;
    uint32_t address_count;
} w4_mesh_peer;

typedef struct w4_mesh_registry {
    w4_mesh_peer *peers;
    uint32_t count;
    uint32_t dialling;
} w4_mesh_registry;

void w4_mesh_registry_deinit(w4_mesh_registry *registry);
w4_mesh_peer *w4_mesh_registry_find(const w4_mesh_registry *registry, const w4_fingerprint *node);
/* Whose address it is, with *ret_address; NULL when it is not known. */
w4_mesh_peer *w4_mesh_registry_find_address(const w4_mesh_registry *registry, const char *address,
                                            w4_peer_address **ret_address);
/* Finds or makes. 0, -ENOMEM or -ENOSPC. */
int w4_mesh_registry_peer(w4_mesh_registry *registry, const w4_fingerprint *node,
                          w4_mesh_peer **ret_peer);
/* Adds an address to a peer (NULL: to a peer of its own without a node). Known ones keep their
 * history; the stronger source stays. 0, -ENOMEM, -ENOSPC. */
int w4_mesh_registry_add(w4_mesh_registry *registry, w4_mesh_peer *peer, const char *address,
                         w4_address_source source, bool pinned, w4_peer_address **ret_address);
/* The address turned out to be that of peer: moves it there. 0, -ENOMEM, -ENOSPC. */
int w4_mesh_registry_claim(w4_mesh_registry *registry, w4_mesh_peer *peer, const char *address);
void w4_mesh_registry_remove_address(w4_mesh_registry *registry, w4_mesh_peer *peer,
                                     w4_peer_address *address);
void w4_mesh_registry_remove(w4_mesh_registry *registry, w4_mesh_peer *peer);

/* The address to dial now: of a peer without a session, allowed by its back-off, the one that
 * worked last first. NULL: none now; *ret_next_us says when to ask again. */
w4_peer_address *w4_mesh_registry_next(w4_mesh_registry *registry, const w4_trust_book *trust,
                                       uint64_t now_us, uint64_t *ret_next_us,
                                       w4_mesh_peer **ret_peer);
