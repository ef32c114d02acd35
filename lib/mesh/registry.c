#define HASH_NONFATAL_OOM 1

#include "mesh/registry.h"

#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool w4_mesh_budget_take(w4_mesh_budget *budget, uint32_t max, uint64_t every_us, uint64_t now_us) {
    uint64_t back = now_us > budget->since_us ? (now_us - budget->since_us) / every_us : 0;
    budget->since_us += back * every_us;
    budget->used -= back < budget->used ? (uint32_t)back : budget->used;
    if (budget->used == 0) {
        budget->since_us = now_us;
    }
    if (budget->used >= max) {
        return false;
    }
    budget->used++;
    return true;
}

/* ---- peers */

void w4_mesh_registry_remove(w4_mesh_registry *registry, w4_mesh_peer *peer) {
    w4_mesh_registry_set_connected(registry, peer, false);
    while (peer->address_count > 0) {
        w4_peer_address *address = peer->addresses[--peer->address_count];
        (void)w4_mesh_registry_dial_end(registry, address->dial);
        free(address);
    }
    if (!w4_fingerprint_is_zero(&peer->node)) {
        HASH_DEL(registry->by_node, peer);
    }
    free((void *)peer->addresses);
    registry->count--;
    for (size_t i = peer->position; i < registry->count; i++) {
        registry->peers[i] = registry->peers[i + 1];
        registry->peers[i]->position = i;
    }
    free(peer);
}

void w4_mesh_registry_deinit(w4_mesh_registry *registry) {
    while (registry->count > 0) {
        w4_mesh_registry_remove(registry, registry->peers[registry->count - 1]);
    }
    free((void *)registry->peers);
    registry->peers = NULL;
    registry->cap = 0;
}

w4_mesh_peer *w4_mesh_registry_find(const w4_mesh_registry *registry, const w4_fingerprint *node) {
    w4_mesh_peer *peer = NULL;
    HASH_FIND(hh, registry->by_node, node, sizeof *node, peer);
    return peer;
}

static int grow(w4_mesh_registry *registry) {
    if (registry->count >= W4_MESH_PEERS_MAX) {
        return -ENOSPC;
    }
    if (registry->count < registry->cap) {
        return 0;
    }
    uint32_t cap = registry->cap == 0 ? 16 : registry->cap * 2;
    w4_mesh_peer **peers = (w4_mesh_peer **)realloc((void *)registry->peers, cap * sizeof *peers);
    if (peers == NULL) {
        return -ENOMEM;
    }
    registry->peers = peers;
    registry->cap = cap;
    return 0;
}

static int peer_new(w4_mesh_registry *registry, const w4_fingerprint *node,
                    w4_mesh_peer **ret_peer) {
    int r = grow(registry);
    if (r < 0) {
        return r;
    }
    w4_mesh_peer *peer = (w4_mesh_peer *)calloc(1, sizeof *peer);
    if (peer == NULL) {
        return -ENOMEM;
    }
    if (node != NULL) {
        peer->node = *node;
        HASH_ADD(hh, registry->by_node, node, sizeof peer->node, peer);
        if (peer->hh.tbl == NULL) {
            free(peer);
            return -ENOMEM;
        }
    }
    peer->position = registry->count;
    registry->peers[registry->count++] = peer;
    *ret_peer = peer;
    return 0;
}

int w4_mesh_registry_peer(w4_mesh_registry *registry, const w4_fingerprint *node,
                          w4_mesh_peer **ret_peer) {
    w4_mesh_peer *known = node == NULL ? NULL : w4_mesh_registry_find(registry, node);
    if (known == NULL) {
        return peer_new(registry, node, ret_peer);
    }
    *ret_peer = known;
    return 0;
}

static bool is_kept(const w4_mesh_peer *peer, const w4_trust_book *trust, bool met) {
    bool kept = peer->connected || (!met && peer->seen_wall_us != 0);
    for (uint32_t i = 0; !kept && i < peer->address_count; i++) {
        kept = peer->addresses[i]->dial != 0 || peer->addresses[i]->source <= W4_ADDRESS_OPERATOR;
    }
    return kept || w4_trust_book_state(trust, W4_TRUST_NODE, &peer->node) == W4_TRUST_TRUSTED;
}

w4_mesh_peer *w4_mesh_registry_expendable(const w4_mesh_registry *registry,
                                          const w4_trust_book *trust, bool met) {
    w4_mesh_peer *least = NULL;
    for (uint32_t i = 0; i < registry->count; i++) {
        w4_mesh_peer *peer = registry->peers[i];
        if ((least == NULL || peer->seen_wall_us < least->seen_wall_us) &&
            !is_kept(peer, trust, met)) {
            least = peer;
        }
    }
    return least;
}

void w4_mesh_registry_set_connected(w4_mesh_registry *registry, w4_mesh_peer *peer,
                                    bool connected) {
    registry->connected += connected;
    registry->connected -= peer->connected;
    peer->connected = connected;
}

/* ---- addresses */

static w4_peer_address *find_address(const w4_mesh_peer *peer, const char *address) {
    for (uint32_t i = 0; i < peer->address_count; i++) {
        if (strcmp(peer->addresses[i]->address, address) == 0) {
            return peer->addresses[i];
        }
    }
    return NULL;
}

/* Takes it out of its peer, and frees neither. */
static void take_out(w4_peer_address *address) {
    w4_mesh_peer *peer = address->peer;
    uint32_t i = 0;
    while (peer->addresses[i] != address) {
        i++;
    }
    peer->addresses[i] = peer->addresses[--peer->address_count];
}

static void remove_if_empty(w4_mesh_registry *registry, w4_mesh_peer *peer) {
    if (peer->address_count == 0 && w4_fingerprint_is_zero(&peer->node)) {
        w4_mesh_registry_remove(registry, peer);
    }
}

void w4_mesh_registry_remove_address(w4_mesh_registry *registry, w4_peer_address *address) {
    w4_mesh_peer *peer = address->peer;
    (void)w4_mesh_registry_dial_end(registry, address->dial);
    take_out(address);
    free(address);
    remove_if_empty(registry, peer);
}

void w4_mesh_registry_worked(w4_mesh_peer *peer, uint64_t wall_us) {
    for (uint32_t i = 0; i < peer->address_count; i++) {
        if (peer->addresses[i]->taken) {
            peer->addresses[i]->worked_wall_us = wall_us;
        }
    }
}

static bool is_listed(const w4_record *record, const char *address) {
    for (uint32_t i = 0; i < record->address_count; i++) {
        if (strcmp(record->addresses[i], address) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_old(const w4_peer_address *address, const w4_record *record, uint64_t wall_us) {
    bool in_use = address->dial != 0 || (address->taken && address->peer->connected);
    bool claimed = address->source == W4_ADDRESS_REMEMBERED || address->source == W4_ADDRESS_RECORD;
    if (!claimed || in_use || is_listed(record, address->address)) {
        return false;
    }
    bool moved = false;
    for (uint32_t i = 0; i < address->peer->address_count; i++) {
        const w4_peer_address *other = address->peer->addresses[i];
        moved = moved || (other->worked_wall_us > address->worked_wall_us &&
                          is_listed(record, other->address));
    }
    return moved || address->worked_wall_us == 0 ||
           wall_us > w4_later(address->worked_wall_us, W4_MESH_ADDRESS_AGE_US);
}

uint32_t w4_mesh_registry_age(w4_mesh_registry *registry, w4_mesh_peer *peer,
                              const w4_record *record, uint64_t wall_us) {
    uint32_t gone = 0;
    if (record->address_count == 0) { /* it does not say where it is */
        return 0;
    }
    for (uint32_t i = peer->address_count; i > 0; i--) {
        if (is_old(peer->addresses[i - 1], record, wall_us)) {
            w4_mesh_registry_remove_address(registry, peer->addresses[i - 1]);
            gone++;
        }
    }
    return gone;
}

/* Makes room for one more: 0, -ENOMEM, or -ENOSPC when all that are there are worth more. */
static int make_room(w4_mesh_registry *registry, w4_mesh_peer *peer) {
    if (peer->addresses == NULL) {
        peer->addresses =
            (w4_peer_address **)calloc(W4_MESH_PEER_ADDRESSES_MAX, sizeof *peer->addresses);
    }
    if (peer->address_count < W4_MESH_PEER_ADDRESSES_MAX) {
        return peer->addresses == NULL ? -ENOMEM : 0;
    }
    w4_peer_address *worst = NULL;
    for (uint32_t i = 0; i < peer->address_count; i++) {
        w4_peer_address *a = peer->addresses[i];
        bool kept = a->dial != 0 || a->source <= W4_ADDRESS_OPERATOR;
        if (!kept && (worst == NULL || a->worked_wall_us < worst->worked_wall_us)) {
            worst = a;
        }
    }
    if (worst != NULL) {
        w4_mesh_registry_remove_address(registry, worst);
    }
    return worst == NULL ? -ENOSPC : 0;
}

static void strengthen(w4_peer_address *known, w4_address_source source) {
    known->source = source < known->source ? source : known->source;
}

int w4_mesh_registry_add(w4_mesh_registry *registry, w4_mesh_peer *peer, const char *text,
                         w4_address_source source, bool pinned) {
    w4_peer_address *known = find_address(peer, text);
    if (known != NULL) {
        strengthen(known, source);
        known->pinned = known->pinned || pinned;
        return 0;
    }
    int r = make_room(registry, peer);
    if (r < 0) {
        return r;
    }
    w4_peer_address *address = (w4_peer_address *)calloc(1, sizeof *address);
    if (address == NULL) {
        return -ENOMEM;
    }
    address->peer = peer;
    address->source = source;
    address->pinned = pinned;
    w4_backoff_init(&address->backoff);
    w4_text_copy(address->address, sizeof address->address, w4_bytes_from_text(text));
    peer->addresses[peer->address_count++] = address;
    return 0;
}

int w4_mesh_registry_add_anybodys(w4_mesh_registry *registry, const char *text,
                                  w4_address_source source) {
    for (uint32_t i = 0; i < registry->count; i++) {
        const w4_mesh_peer *peer = registry->peers[i];
        w4_peer_address *known = find_address(peer, text);
        if (known != NULL && (known->worked_wall_us != 0 || w4_fingerprint_is_zero(&peer->node))) {
            strengthen(known, source);
            known->pinned = false; /* whoever is there is good */
            return 0;
        }
    }
    w4_mesh_peer *peer = NULL;
    int r = peer_new(registry, NULL, &peer);
    if (r == 0) {
        r = w4_mesh_registry_add(registry, peer, text, source, false);
        remove_if_empty(registry, peer);
    }
    return r;
}

w4_peer_address *w4_mesh_registry_claim(w4_mesh_registry *registry, w4_mesh_peer *peer,
                                        w4_peer_address *address) {
    w4_mesh_peer *holder = address->peer;
    if (holder == peer) {
        return address;
    }
    w4_peer_address *known = find_address(peer, address->address);
    if (known != NULL) { /* what was found there without a pin stays without one */
        strengthen(known, address->source);
        known->pinned = known->pinned && address->pinned;
        w4_mesh_registry_remove_address(registry, address);
        return known;
    }
    if (make_room(registry, peer) < 0) {
        w4_mesh_registry_remove_address(registry, address);
        return NULL;
    }
    take_out(address);
    address->peer = peer;
    peer->addresses[peer->address_count++] = address;
    remove_if_empty(registry, holder);
    return address;
}

/* ---- dials */

/* What somebody here said or saw, before what others claim. */
bool w4_mesh_registry_is_proven(const w4_peer_address *address) {
    return address->worked_wall_us != 0 || address->source <= W4_ADDRESS_OPERATOR;
}

static bool better(const w4_peer_address *a, const w4_peer_address *b) {
    if (w4_mesh_registry_is_proven(a) != w4_mesh_registry_is_proven(b)) {
        return w4_mesh_registry_is_proven(a);
    }
    if (a->failures != b->failures) {
        return a->failures < b->failures;
    }
    if (a->worked_wall_us != b->worked_wall_us) {
        return a->worked_wall_us > b->worked_wall_us;
    }
    return a->source < b->source;
}

static bool is_dialling(const w4_mesh_peer *peer) {
    for (uint32_t i = 0; i < peer->address_count; i++) {
        if (peer->addresses[i]->dial != 0) {
            return true;
        }
    }
    return false;
}

/* The best of one peer, or NULL with *ret_next_us moved to when there may be one. */
static w4_peer_address *next_of(const w4_mesh_peer *peer, uint64_t now_us, uint64_t *ret_next_us) {
    w4_peer_address *best = NULL;
    uint64_t second_us = w4_later(peer->dialled_us, W4_MESH_SECOND_DIAL_US);
    bool wait = is_dialling(peer) && now_us < second_us;
    for (uint32_t i = 0; i < peer->address_count; i++) {
        w4_peer_address *address = peer->addresses[i];
        if (address->dial != 0) {
            continue;
        }
        if (wait) {
            *ret_next_us = w4_earlier(*ret_next_us, second_us);
        } else if (!w4_backoff_may_dial(&address->backoff, now_us)) {
            *ret_next_us = w4_earlier(*ret_next_us, address->backoff.not_before_us);
        } else if (best == NULL || better(address, best)) {
            best = address;
        }
    }
    return best;
}

w4_peer_address *w4_mesh_registry_next(w4_mesh_registry *registry, const w4_trust_book *trust,
                                       uint64_t now_us, uint64_t *ret_next_us) {
    w4_peer_address *best = NULL;
    uint64_t next_us = W4_NEVER;
    for (uint32_t i = 0; i < registry->count; i++) {
        const w4_mesh_peer *peer = registry->peers[i];
        bool named = !w4_fingerprint_is_zero(&peer->node);
        if (peer->connected ||
            (named && w4_trust_book_state(trust, W4_TRUST_NODE, &peer->node) == W4_TRUST_BLOCKED)) {
            continue;
        }
        w4_peer_address *address = next_of(peer, now_us, &next_us);
        if (address != NULL && (best == NULL || better(address, best))) {
            best = address;
        }
    }
    *ret_next_us = best != NULL ? now_us : next_us;
    return best;
}

void w4_mesh_registry_dial_begin(w4_mesh_registry *registry, w4_peer_address *address,
                                 uint64_t now_us) {
    for (uint32_t i = 0; i < W4_MESH_DIALS_MAX; i++) {
        if (registry->dials[i] == NULL) {
            registry->dials[i] = address;
            registry->dialling++;
            address->dial = ++registry->last_dial;
            address->peer->dialled_us = now_us;
            return;
        }
    }
}

w4_peer_address *w4_mesh_registry_dial_end(w4_mesh_registry *registry, uint64_t dial) {
    for (uint32_t i = 0; dial != 0 && i < W4_MESH_DIALS_MAX; i++) {
        w4_peer_address *address = registry->dials[i];
        if (address != NULL && address->dial == dial) {
            registry->dials[i] = NULL;
            registry->dialling--;
            address->dial = 0;
            return address;
        }
    }
    return NULL;
}
