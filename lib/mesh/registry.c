#include "mesh/registry.h"

#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

void w4_mesh_registry_remove(w4_mesh_registry *registry, w4_mesh_peer *peer) {
    for (uint32_t i = 0; i < peer->address_count; i++) {
        registry->dialling -= peer->addresses[i].dialling;
    }
    DL_DELETE2(registry->peers, peer, previous, next);
    registry->count--;
    free(peer->addresses);
    free(peer);
}

void w4_mesh_registry_deinit(w4_mesh_registry *registry) {
    while (registry->peers != NULL) {
        w4_mesh_registry_remove(registry, registry->peers);
    }
}

w4_mesh_peer *w4_mesh_registry_find(const w4_mesh_registry *registry, const w4_fingerprint *node) {
    for (w4_mesh_peer *peer = registry->peers; peer != NULL; peer = peer->next) {
        if (w4_fingerprint_equal(&peer->node, node)) {
            return peer;
        }
    }
    return NULL;
}

w4_mesh_peer *w4_mesh_registry_find_address(const w4_mesh_registry *registry, const char *address,
                                            w4_peer_address **ret_address) {
    for (w4_mesh_peer *peer = registry->peers; peer != NULL; peer = peer->next) {
        for (uint32_t i = 0; i < peer->address_count; i++) {
            if (strcmp(peer->addresses[i].address, address) == 0) {
                *ret_address = &peer->addresses[i];
                return peer;
            }
        }
    }
    return NULL;
}

static int peer_new(w4_mesh_registry *registry, w4_mesh_peer **ret_peer) {
    if (registry->count >= W4_MESH_PEERS_MAX) {
        return -ENOSPC;
    }
    w4_mesh_peer *peer = (w4_mesh_peer *)calloc(1, sizeof *peer);
    if (peer == NULL) {
        return -ENOMEM;
    }
    DL_APPEND2(registry->peers, peer, previous, next);
    registry->count++;
    *ret_peer = peer;
    return 0;
}

int w4_mesh_registry_peer(w4_mesh_registry *registry, const w4_fingerprint *node,
                          w4_mesh_peer **ret_peer) {
    *ret_peer = w4_mesh_registry_find(registry, node);
    if (*ret_peer != NULL) {
        return 0;
    }
    int r = peer_new(registry, ret_peer);
    if (r == 0) {
        (*ret_peer)->node = *node;
    }
    return r;
}

/* Room for one more address: when all are taken, the one that promises least gives way. */
static int address_slot(w4_mesh_registry *registry, w4_mesh_peer *peer,
                        w4_peer_address **ret_address) {
    if (peer->addresses == NULL) {
        peer->addresses =
            (w4_peer_address *)calloc(W4_MESH_PEER_ADDRESSES_MAX, sizeof *peer->addresses);
        if (peer->addresses == NULL) {
            return -ENOMEM;
        }
    }
    if (peer->address_count < W4_MESH_PEER_ADDRESSES_MAX) {
        *ret_address = &peer->addresses[peer->address_count++];
        return 0;
    }
    w4_peer_address *worst = NULL;
    for (uint32_t i = 0; i < peer->address_count; i++) {
        w4_peer_address *a = &peer->addresses[i];
        bool kept = a->dialling || a->source <= W4_ADDRESS_OPERATOR;
        if (!kept && (worst == NULL || a->worked_wall_us < worst->worked_wall_us)) {
            worst = a;
        }
    }
    if (worst == NULL) {
        return -ENOSPC;
    }
    registry->dialling -= worst->dialling;
    *ret_address = worst;
    return 0;
}

int w4_mesh_registry_add(w4_mesh_registry *registry, w4_mesh_peer *peer, const char *address,
                         w4_address_source source, bool pinned, w4_peer_address **ret_address) {
    w4_peer_address *known = NULL;
    w4_mesh_peer *holder = w4_mesh_registry_find_address(registry, address, &known);
    if (holder != NULL && (peer == NULL || holder == peer)) {
        known->source = source < known->source ? source : known->source;
        known->pinned = known->pinned || pinned;
        *ret_address = known;
        return 0;
    }
    bool anonymous = peer == NULL;
    if (anonymous) {
        int r = peer_new(registry, &peer);
        if (r < 0) {
            return r;
        }
    }
    w4_peer_address *slot = NULL;
    int r = address_slot(registry, peer, &slot);
    if (r < 0) {
        if (anonymous) {
            w4_mesh_registry_remove(registry, peer);
        }
        return r;
    }
    *slot = (w4_peer_address){.source = source, .pinned = pinned};
    w4_backoff_init(&slot->backoff);
    w4_text_copy(slot->address, sizeof slot->address, w4_bytes_from_text(address));
    *ret_address = slot;
    return 0;
}

void w4_mesh_registry_remove_address(w4_mesh_registry *registry, w4_mesh_peer *peer,
                                     w4_peer_address *address) {
    registry->dialling -= address->dialling;
    *address = peer->addresses[--peer->address_count];
    if (peer->address_count == 0 && w4_fingerprint_is_zero(&peer->node)) {
        w4_mesh_registry_remove(registry, peer);
    }
}

int w4_mesh_registry_claim(w4_mesh_registry *registry, w4_mesh_peer *peer, const char *address) {
    w4_peer_address *known = NULL;
    w4_mesh_peer *holder = w4_mesh_registry_find_address(registry, address, &known);
    if (holder == peer) {
        return 0;
    }
    w4_address_source source = W4_ADDRESS_REMEMBERED;
    if (holder != NULL) {
        source = known->source;
        w4_mesh_registry_remove_address(registry, holder, known);
    }
    w4_peer_address *added = NULL;
    return w4_mesh_registry_add(registry, peer, address, source, false, &added);
}

static bool better(const w4_peer_address *a, const w4_peer_address *b) {
    if (a->failures != b->failures) {
        return a->failures < b->failures;
    }
    if (a->worked_wall_us != b->worked_wall_us) {
        return a->worked_wall_us > b->worked_wall_us;
    }
    return a->source < b->source;
}

w4_peer_address *w4_mesh_registry_next(w4_mesh_registry *registry, const w4_trust_book *trust,
                                       uint64_t now_us, uint64_t *ret_next_us,
                                       w4_mesh_peer **ret_peer) {
    w4_peer_address *best = NULL;
    uint64_t next_us = W4_NEVER;
    for (w4_mesh_peer *peer = registry->peers; peer != NULL; peer = peer->next) {
        bool named = !w4_fingerprint_is_zero(&peer->node);
        if (peer->connected ||
            (named && w4_trust_book_state(trust, W4_TRUST_NODE, &peer->node) == W4_TRUST_BLOCKED)) {
            continue;
        }
        for (uint32_t i = 0; i < peer->address_count; i++) {
            w4_peer_address *address = &peer->addresses[i];
            if (address->dialling) {
                continue;
            }
            if (!w4_backoff_may_dial(&address->backoff, now_us)) {
                next_us = w4_earlier(next_us, address->backoff.not_before_us);
            } else if (best == NULL || better(address, best)) {
                best = address;
                *ret_peer = peer;
            }
        }
    }
    *ret_next_us = best != NULL ? now_us : next_us;
    return best;
}
