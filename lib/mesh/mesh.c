#include "mesh/mesh.h"

#include "base/text.h"
#include "mesh/beacon.h"
#include "mesh/state.h"
#include "protocol/trust_history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const w4_mesh_config W4_MESH_CONFIG_DEFAULT = {
    .name = "node",
    .peers_max = 64,
    .record_interval_us = W4_US_PER_S,
};

// clang-format off
static const char *const source_names[W4_ADDRESS_SOURCE_COUNT] = {
    [W4_ADDRESS_SEED]       = "seed",
    [W4_ADDRESS_OPERATOR]   = "operator",
    [W4_ADDRESS_REMEMBERED] = "store",
    [W4_ADDRESS_RECORD]     = "record",
    [W4_ADDRESS_BEACON]     = "beacon",
};
// clang-format on

const char *w4_address_source_name(w4_address_source source) {
    return source < W4_ADDRESS_SOURCE_COUNT ? source_names[source] : "unknown";
}

/* ---- events */

int w4_mesh_push(w4_mesh *mesh, const w4_mesh_event *event) {
    if (mesh->item_count >= W4_MESH_EVENTS_MAX) {
        return 0; /* the owner drains after each call; only a flood within one call comes here */
    }
    w4_mesh_item *item = (w4_mesh_item *)malloc(sizeof *item + event->bytes.len);
    if (item == NULL) {
        return -ENOMEM;
    }
    item->event = *event;
    if (event->bytes.len > 0) {
        memcpy(item->bytes, event->bytes.data, event->bytes.len);
    }
    item->event.bytes = w4_bytes_of(item->bytes, event->bytes.len);
    STAILQ_INSERT_TAIL(&mesh->items, item, next);
    mesh->item_count++;
    return 0;
}

bool w4_mesh_pop_event(w4_mesh *mesh, w4_mesh_event *ret_event) {
    free(mesh->popped);
    mesh->popped = STAILQ_FIRST(&mesh->items);
    if (mesh->popped == NULL) {
        return false;
    }
    STAILQ_REMOVE_HEAD(&mesh->items, next);
    mesh->item_count--;
    *ret_event = mesh->popped->event;
    return true;
}

static int push_text(w4_mesh *mesh, w4_mesh_event_kind kind, const w4_fingerprint *node,
                     const char *text) {
    w4_mesh_event event = {.kind = kind, .node = *node};
    w4_text_copy(event.text, sizeof event.text, w4_bytes_from_text(text));
    return w4_mesh_push(mesh, &event);
}

int w4_mesh_trust(w4_mesh *mesh, const w4_fingerprint *node, w4_trust_event trust_event,
                  const char *note, uint64_t now_us) {
    w4_mesh_event event = {.kind = W4_MESH_EVENT_TRUST, .node = *node};
    int r = w4_trust_book_apply(mesh->context.trust, W4_TRUST_NODE, node, trust_event, "node", note,
                                "", w4_env_wall_us(mesh->context.env, now_us), &event.move);
    if (r == 1) {
        r = w4_trust_history_append(mesh->context.store, &event.move);
        r = r != 0 ? (r < 0 ? r : 0) : w4_mesh_push(mesh, &event);
    }
    return r == -ENOSPC ? 0 : r; /* who does not fit stays unknown */
}

/* ---- life */

int w4_mesh_new(const w4_mesh_context *context, const w4_mesh_config *config, uint64_t now_us,
                w4_mesh **ret_mesh) {
    w4_mesh *mesh = (w4_mesh *)calloc(1, sizeof *mesh);
    if (mesh == NULL) {
        return -ENOMEM;
    }
    mesh->context = *context;
    mesh->config = *config;
    mesh->record_due_us = now_us;
    mesh->sweep_due_us = w4_later(now_us, W4_MESH_SWEEP_US);
    mesh->beacon_due_us = config->beacon_interval_us == 0 ? W4_NEVER : now_us;
    mesh->dial_due_us = now_us;
    STAILQ_INIT(&mesh->items);
    int r = w4_mesh_load(mesh, now_us);
    if (r != 0) {
        w4_mesh_free(mesh);
        return r;
    }
    *ret_mesh = mesh;
    return 0;
}

w4_mesh *w4_mesh_free(w4_mesh *mesh) {
    if (mesh == NULL) {
        return NULL;
    }
    while (!STAILQ_EMPTY(&mesh->items)) {
        w4_mesh_item *item = STAILQ_FIRST(&mesh->items);
        STAILQ_REMOVE_HEAD(&mesh->items, next);
        free(item);
    }
    free(mesh->popped);
    w4_mesh_registry_deinit(&mesh->registry);
    w4_json_document_deinit(&mesh->doc);
    free(mesh);
    return NULL;
}

int w4_mesh_set_addresses(w4_mesh *mesh, const char *const *addresses, size_t count,
                          uint64_t now_us) {
    mesh->address_count = 0;
    for (size_t i = 0; i < count && i < W4_RECORD_ADDRESSES_MAX; i++) {
        w4_text_copy(mesh->addresses[mesh->address_count++], sizeof mesh->addresses[0],
                     w4_bytes_from_text(addresses[i]));
    }
    w4_mesh_publish_soon(mesh, now_us);
    return 0;
}

static bool is_self(const w4_mesh *mesh, const w4_fingerprint *node) {
    return w4_fingerprint_equal(node, w4_identity_fingerprint(mesh->context.node));
}

static bool is_own_address(const w4_mesh *mesh, const char *address) {
    for (uint32_t i = 0; i < mesh->address_count; i++) {
        if (strcmp(mesh->addresses[i], address) == 0) {
            return true;
        }
    }
    return false;
}

int w4_mesh_add_address(w4_mesh *mesh, const char *address, w4_address_source source,
                        const w4_fingerprint *node, uint64_t now_us) {
    if ((node != NULL && is_self(mesh, node)) || is_own_address(mesh, address)) {
        return 0;
    }
    w4_mesh_peer *peer = NULL;
    w4_peer_address *added = NULL;
    int r = node == NULL ? 0 : w4_mesh_registry_peer(&mesh->registry, node, &peer);
    r = r != 0 ? r
               : w4_mesh_registry_add(&mesh->registry, peer, address, source, node != NULL, &added);
    if (r == 0) {
        mesh->dial_due_us = w4_earlier(mesh->dial_due_us, now_us);
    }
    return r;
}

bool w4_mesh_forget(w4_mesh *mesh, const w4_fingerprint *node, uint64_t now_us) {
    w4_mesh_peer *peer = w4_mesh_registry_find(&mesh->registry, node);
    if (peer == NULL) {
        return false;
    }
    w4_bytes key = w4_bytes_of(node->bytes, sizeof node->bytes);
    (void)w4_store_remove(mesh->context.store, W4_STORE_PEER, key);
    (void)w4_store_remove(mesh->context.store, W4_STORE_RECORD, key);
    (void)w4_graph_remove(mesh->context.graph, node);
    w4_mesh_registry_remove(&mesh->registry, peer);
    w4_mesh_publish_soon(mesh, now_us);
    return true;
}

/* ---- sessions come and go */

static void dial_ended(w4_mesh *mesh, w4_peer_address *address) {
    if (address->dialling) {
        address->dialling = false;
        mesh->registry.dialling--;
    }
}

void w4_mesh_dial_failed(w4_mesh *mesh, const char *address, const char *why, uint64_t now_us) {
    w4_peer_address *known = NULL;
    if (w4_mesh_registry_find_address(&mesh->registry, address, &known) == NULL) {
        return;
    }
    dial_ended(mesh, known);
    known->failures++;
    w4_text_copy(known->last_error, sizeof known->last_error, w4_bytes_from_text(why));
    w4_backoff_failed(&known->backoff, mesh->context.env, now_us);
    mesh->dial_due_us = w4_earlier(mesh->dial_due_us, now_us);
}

static void address_worked(w4_mesh *mesh, const char *address, uint64_t wall_us) {
    w4_peer_address *known = NULL;
    if (w4_mesh_registry_find_address(&mesh->registry, address, &known) != NULL) {
        dial_ended(mesh, known);
        known->worked_wall_us = wall_us;
        known->failures = 0;
        known->last_error[0] = '\0';
    }
}

int w4_mesh_session_up(w4_mesh *mesh, const w4_fingerprint *node, const w4_pubkey *pubkey,
                       const char *name, const char *address, uint64_t now_us) {
    uint64_t wall_us = w4_env_wall_us(mesh->context.env, now_us);
    w4_mesh_peer *peer = NULL;
    int r = w4_mesh_registry_peer(&mesh->registry, node, &peer);
    if (r == -ENOSPC) {
        return 0; /* the session stands; it is only not remembered */
    }
    if (r == 0 && address[0] != '\0') {
        r = w4_mesh_registry_claim(&mesh->registry, peer, address);
        r = r == -ENOSPC ? 0 : r;
        address_worked(mesh, address, wall_us);
    }
    if (r < 0) {
        return r;
    }
    bool first = !peer->had_session;
    bool was_connected = peer->connected;
    peer->pubkey = *pubkey;
    w4_text_copy(peer->name, sizeof peer->name, w4_bytes_from_text(name));
    w4_text_copy(peer->via, sizeof peer->via, w4_bytes_from_text(address));
    peer->connected = true;
    peer->had_session = true;
    peer->seen_wall_us = wall_us;
    peer->up_us = now_us;
    r = w4_mesh_remember(mesh, peer);
    r = r != 0 ? r : w4_mesh_trust(mesh, node, W4_TRUST_EVENT_HANDSHAKE, "session", now_us);
    if (r == 0 && first) {
        r = push_text(mesh, W4_MESH_EVENT_DISCOVERED, node, peer->name);
    }
    if (!was_connected) {
        w4_mesh_publish_soon(mesh, now_us);
    }
    return r != 0 ? r : w4_mesh_greet(mesh, peer, now_us);
}

void w4_mesh_session_lost(w4_mesh *mesh, const w4_fingerprint *node, uint64_t now_us) {
    w4_mesh_peer *peer = w4_mesh_registry_find(&mesh->registry, node);
    if (peer == NULL || !peer->connected) {
        return;
    }
    peer->connected = false;
    bool steady = now_us - peer->up_us >= W4_MESH_STEADY_US;
    for (uint32_t i = 0; i < peer->address_count; i++) {
        w4_peer_address *address = &peer->addresses[i];
        if (steady) {
            w4_backoff_init(&address->backoff);
        } else if (strcmp(address->address, peer->via) == 0) {
            w4_backoff_failed(&address->backoff, mesh->context.env, now_us);
        }
    }
    mesh->dial_due_us = w4_earlier(mesh->dial_due_us, now_us);
    w4_mesh_publish_soon(mesh, now_us);
}

void w4_mesh_agents_changed(w4_mesh *mesh, uint64_t now_us) {
    w4_mesh_publish_soon(mesh, now_us);
}

int w4_mesh_beacon_recv(w4_mesh *mesh, w4_bytes datagram, uint64_t now_us) {
    uint64_t suppressed = 0;
    if (!w4_log_limit_allow(&mesh->beacon_limit, W4_MESH_BEACONS_PER_S, now_us, &suppressed)) {
        return 0;
    }
    w4_beacon beacon;
    int r = w4_beacon_read(&mesh->doc, datagram, &beacon);
    if (r != 0) {
        return r < 0 ? r : 0;
    }
    uint64_t wall_us = w4_env_wall_us(mesh->context.env, now_us);
    uint64_t age = wall_us > beacon.wall_us ? wall_us - beacon.wall_us : beacon.wall_us - wall_us;
    for (uint32_t i = 0; age <= W4_FRESHNESS_WINDOW_US && i < beacon.address_count; i++) {
        r = w4_mesh_add_address(mesh, beacon.addresses[i], W4_ADDRESS_BEACON, &beacon.node, now_us);
        if (r == -ENOMEM) {
            return r;
        }
    }
    return 0;
}

/* ---- time */

static uint32_t connected_count(const w4_mesh *mesh) {
    uint32_t count = 0;
    for (const w4_mesh_peer *peer = mesh->registry.peers; peer != NULL; peer = peer->next) {
        count += peer->connected;
    }
    return count;
}

static int dial_due(w4_mesh *mesh, uint64_t now_us) {
    mesh->dial_due_us = W4_NEVER;
    while (mesh->registry.dialling < W4_MESH_DIALS_MAX &&
           connected_count(mesh) + mesh->registry.dialling < mesh->config.peers_max) {
        w4_mesh_peer *peer = NULL;
        uint64_t next_us = W4_NEVER;
        w4_peer_address *address =
            w4_mesh_registry_next(&mesh->registry, mesh->context.trust, now_us, &next_us, &peer);
        if (address == NULL) {
            mesh->dial_due_us = next_us;
            return 0;
        }
        w4_mesh_event event = {.kind = W4_MESH_EVENT_DIAL};
        if (address->pinned) {
            event.node = peer->node;
        }
        memcpy(event.address, address->address, sizeof event.address);
        address->dialling = true;
        mesh->registry.dialling++;
        int r = w4_mesh_push(mesh, &event);
        if (r < 0) {
            return r;
        }
    }
    /* Full: asked again when a session or a dial ends. */
    return 0;
}

static int beacon_due(w4_mesh *mesh, uint64_t now_us) {
    uint64_t interval = mesh->config.beacon_interval_us;
    uint64_t jitter = w4_env_random_below(mesh->context.env, interval / 5 + 1);
    mesh->beacon_due_us = w4_later(now_us, interval - interval / 10 + jitter);
    const char *addresses[W4_RECORD_ADDRESSES_MAX];
    for (uint32_t i = 0; i < mesh->address_count; i++) {
        addresses[i] = mesh->addresses[i];
    }
    w4_buffer datagram = W4_BUFFER_INIT(W4_BEACON_BYTES_MAX);
    int r = w4_beacon_write(mesh->context.node, w4_env_wall_us(mesh->context.env, now_us),
                            addresses, mesh->address_count, &datagram);
    if (r == 0) {
        w4_mesh_event event = {.kind = W4_MESH_EVENT_BEACON, .bytes = w4_buffer_bytes(&datagram)};
        r = w4_mesh_push(mesh, &event);
    }
    w4_buffer_deinit(&datagram);
    return r == -EMSGSIZE ? 0 : r; /* no address to tell */
}

static int sweep(w4_mesh *mesh, uint64_t now_us) {
    mesh->sweep_due_us = w4_later(now_us, W4_MESH_SWEEP_US);
    w4_fingerprint author;
    uint64_t wall_us = w4_env_wall_us(mesh->context.env, now_us);
    while (w4_graph_expire(mesh->context.graph, wall_us, &author)) {
        (void)w4_store_remove(mesh->context.store, W4_STORE_RECORD,
                              w4_bytes_of(author.bytes, sizeof author.bytes));
        w4_mesh_event event = {.kind = W4_MESH_EVENT_RECORD, .node = author};
        int r = w4_mesh_push(mesh, &event);
        const w4_mesh_peer *peer = w4_mesh_registry_find(&mesh->registry, &author);
        if (r == 0 && (peer == NULL || !peer->connected)) {
            r = push_text(mesh, W4_MESH_EVENT_LOST, &author, "its record has expired");
        }
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

uint64_t w4_mesh_deadline(const w4_mesh *mesh) {
    uint64_t deadline = w4_earlier(mesh->record_due_us, mesh->sweep_due_us);
    deadline = w4_earlier(deadline, mesh->beacon_due_us);
    return w4_earlier(deadline, mesh->dial_due_us);
}

int w4_mesh_expire(w4_mesh *mesh, uint64_t now_us) {
    int r = 0;
    if (mesh->record_due_us <= now_us) {
        r = w4_mesh_publish(mesh, now_us);
    }
    if (r == 0 && mesh->sweep_due_us <= now_us) {
        r = sweep(mesh, now_us);
    }
    if (r == 0 && mesh->beacon_due_us <= now_us) {
        r = beacon_due(mesh, now_us);
    }
    if (r == 0 && mesh->dial_due_us <= now_us) {
        r = dial_due(mesh, now_us);
    }
    return r;
}

/* ---- for people */

bool w4_mesh_peer_next(const w4_mesh *mesh, size_t *cursor, w4_mesh_peer_info *ret_info) {
    size_t position = 0;
    for (const w4_mesh_peer *peer = mesh->registry.peers; peer != NULL; peer = peer->next) {
        if (position++ < *cursor) {
            continue;
        }
        *cursor = position;
        *ret_info = (w4_mesh_peer_info){.node = peer->node,
                                        .name = peer->name,
                                        .connected = peer->connected,
                                        .seen_wall_us = peer->seen_wall_us,
                                        .address_count = peer->address_count};
        for (uint32_t i = 0; i < peer->address_count; i++) {
            const w4_peer_address *address = &peer->addresses[i];
            ret_info->addresses[i] =
                (w4_mesh_address_info){.address = address->address,
                                       .source = address->source,
                                       .worked_wall_us = address->worked_wall_us,
                                       .failures = address->failures,
                                       .last_error = address->last_error};
        }
        return true;
    }
    return false;
}
