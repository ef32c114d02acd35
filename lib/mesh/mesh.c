#include "mesh/mesh.h"

#include "base/text.h"
#include "mesh/beacon.h"
#include "mesh/state.h"
#include "protocol/evidence/trust_history.h"
#include "transport/address.h"

#include <errno.h>
#include <inttypes.h>
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
        /* The owner drains after each call: only a flood within one call comes here. */
        mesh->events_lost++;
        return 0;
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

uint64_t w4_mesh_events_lost(const w4_mesh *mesh) {
    return mesh->events_lost;
}

/* Says it now and then: how many since the last time. */
void w4_mesh_tell_lost(w4_mesh *mesh, uint64_t now_us) {
    uint64_t suppressed = 0;
    if (mesh->events_lost > mesh->events_lost_told &&
        w4_log_limit_allow(&mesh->lost_limit, 1, now_us, &suppressed)) {
        w4_log(mesh->context.env, W4_LOG_WARNING,
               "the mesh had more to tell at once than it keeps: %" PRIu64 " were left out",
               mesh->events_lost - mesh->events_lost_told);
        mesh->events_lost_told = mesh->events_lost;
    }
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

int w4_mesh_lost(w4_mesh *mesh, const w4_fingerprint *node, const char *why) {
    return push_text(mesh, W4_MESH_EVENT_LOST, node, why);
}

int w4_mesh_trust(w4_mesh *mesh, const w4_fingerprint *node, w4_trust_event trust_event,
                  const w4_fingerprint *by, const char *note, uint64_t now_us) {
    char actor[W4_FINGERPRINT_TEXT_LEN + 1] = "node";
    if (by != NULL) {
        w4_fingerprint_format(by, actor);
    }
    w4_mesh_event event = {.kind = W4_MESH_EVENT_TRUST, .node = *node};
    int r = w4_trust_book_apply(mesh->context.trust, W4_TRUST_NODE, node, trust_event, actor, note,
                                "", w4_env_wall_us(mesh->context.env, now_us), &event.move);
    if (r == 1) {
        r = w4_trust_history_append(mesh->context.store, mesh->context.trust, &event.move);
        r = r != 0 ? (r < 0 ? r : 0) : w4_mesh_push(mesh, &event);
    }
    return r == -ENOSPC ? 0 : r; /* who does not fit stays unknown */
}

int w4_mesh_trust_moved(w4_mesh *mesh, const w4_trust_move *move, uint64_t now_us) {
    if (move->kind != W4_TRUST_NODE || move->from == move->to) {
        return 0;
    }
    if (move->from == W4_TRUST_TRUSTED || move->to == W4_TRUST_TRUSTED) {
        w4_mesh_publish_soon(mesh, now_us); /* the own record says who is trusted */
    }
    w4_fingerprint subject = w4_trust_book_current(mesh->context.trust, &move->subject);
    return w4_mesh_take_introductions(mesh, &subject, now_us);
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
    mesh->tell_due_us = mesh->greet_due_us = W4_NEVER;
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

void w4_mesh_configure(w4_mesh *mesh, const w4_mesh_config *config) {
    bool renamed = strcmp(mesh->config.name, config->name) != 0;
    if (mesh->config.beacon_interval_us != config->beacon_interval_us) {
        mesh->beacon_due_us = config->beacon_interval_us == 0 ? W4_NEVER : 0;
    }
    mesh->config = *config;
    mesh->dial_due_us = 0; /* there may be room for more sessions */
    if (renamed) {
        w4_mesh_publish_soon(mesh, 0);
    }
}

/* Where the table is full, one that is worth less goes. False: none is. */
static bool make_room(w4_mesh *mesh, bool met) {
    w4_mesh_peer *out = w4_mesh_registry_expendable(&mesh->registry, mesh->context.trust, met);
    if (out != NULL) {
        (void)w4_store_remove(mesh->context.store, W4_STORE_PEER,
                              w4_bytes_of(out->node.bytes, sizeof out->node.bytes));
        w4_mesh_registry_remove(&mesh->registry, out);
    }
    return out != NULL;
}

/* Finds or makes. met: there is a session. */
int w4_mesh_peer_of(w4_mesh *mesh, const w4_fingerprint *node, bool met, w4_mesh_peer **ret_peer) {
    int r = w4_mesh_registry_peer(&mesh->registry, node, ret_peer);
    if (r == -ENOSPC && make_room(mesh, met)) {
        r = w4_mesh_registry_peer(&mesh->registry, node, ret_peer);
    }
    return r;
}

static int add_anybodys(w4_mesh *mesh, const char *address, w4_address_source source) {
    int r = w4_mesh_registry_add_anybodys(&mesh->registry, address, source);
    if (r == -ENOSPC && make_room(mesh, false)) {
        r = w4_mesh_registry_add_anybodys(&mesh->registry, address, source);
    }
    return r;
}

int w4_mesh_add_address(w4_mesh *mesh, const char *address, w4_address_source source,
                        const w4_fingerprint *node, uint64_t now_us) {
    if (!w4_address_valid(address)) {
        return 1;
    }
    w4_fingerprint current;
    if (node !=
        NULL) { /* configurations, and words on the way, may name a key that was succeeded */
        current = w4_trust_book_current(mesh->context.trust, node);
        node = &current;
    }
    if ((node != NULL && is_self(mesh, node)) || is_own_address(mesh, address)) {
        return 0;
    }
    w4_mesh_peer *peer = NULL;
    int r = 0;
    if (node == NULL) {
        r = add_anybodys(mesh, address, source);
    } else if (w4_mesh_is_refused(mesh, node)) {
        return 2;
    } else {
        r = w4_mesh_peer_of(mesh, node, false, &peer);
        r = r != 0 ? r : w4_mesh_registry_add(&mesh->registry, peer, address, source, true);
    }
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
    mesh->dial_due_us = w4_earlier(mesh->dial_due_us, now_us);
    w4_mesh_publish_soon(mesh, now_us);
    return true;
}

bool w4_mesh_forget_address(w4_mesh *mesh, const char *address) {
    for (uint32_t i = 0; i < mesh->registry.count; i++) {
        const w4_mesh_peer *peer = mesh->registry.peers[i];
        for (uint32_t a = 0; w4_fingerprint_is_zero(&peer->node) && a < peer->address_count; a++) {
            if (strcmp(peer->addresses[a]->address, address) == 0) {
                w4_mesh_registry_remove_address(&mesh->registry, peer->addresses[a]);
                return true;
            }
        }
    }
    return false;
}

/* ---- sessions come and go */

void w4_mesh_dial_failed(w4_mesh *mesh, uint64_t dial, const char *why, uint64_t now_us) {
    w4_peer_address *address = w4_mesh_registry_dial_end(&mesh->registry, dial);
    mesh->dial_due_us = w4_earlier(mesh->dial_due_us, now_us);
    if (address != NULL) {
        address->failures++;
        w4_text_copy(address->last_error, sizeof address->last_error, w4_bytes_from_text(why));
        w4_backoff_failed(&address->backoff, mesh->context.env, now_us);
    }
}

/* Where the dial led to peer: its address from now on. Returns it, or NULL. */
static w4_peer_address *dial_worked(w4_mesh *mesh, w4_mesh_peer *peer, uint64_t dial,
                                    uint64_t now_us) {
    w4_peer_address *address = w4_mesh_registry_dial_end(&mesh->registry, dial);
    mesh->dial_due_us = w4_earlier(mesh->dial_due_us, now_us);
    if (address != NULL) {
        address->worked_wall_us = w4_env_wall_us(mesh->context.env, now_us);
        address->failures = 0;
        address->last_error[0] = '\0';
        address = w4_mesh_registry_claim(&mesh->registry, peer, address);
    }
    return address;
}

int w4_mesh_dial_worked(w4_mesh *mesh, uint64_t dial, const w4_fingerprint *node, uint64_t now_us) {
    w4_mesh_peer *peer = w4_mesh_registry_find(&mesh->registry, node);
    if (peer == NULL) {
        (void)w4_mesh_registry_dial_end(&mesh->registry, dial);
        return 0;
    }
    (void)dial_worked(mesh, peer, dial, now_us);
    return w4_mesh_remember(mesh, peer);
}

static void age_addresses(w4_mesh *mesh, w4_mesh_peer *peer, uint64_t now_us) {
    const w4_record *record = w4_graph_find(mesh->context.graph, &peer->node);
    if (record != NULL) {
        (void)w4_mesh_registry_age(&mesh->registry, peer, record,
                                   w4_env_wall_us(mesh->context.env, now_us));
    }
}

int w4_mesh_session_up(w4_mesh *mesh, const w4_fingerprint *node, const w4_pubkey *pubkey,
                       const char *name, uint64_t dial, uint64_t now_us) {
    w4_mesh_peer *peer = NULL;
    int r = w4_mesh_peer_of(mesh, node, true, &peer);
    if (r < 0) {
        (void)w4_mesh_registry_dial_end(&mesh->registry, dial);
        return r == -ENOSPC ? 0 : r; /* the session stands; it is only not remembered */
    }
    w4_peer_address *address = dial_worked(mesh, peer, dial, now_us);
    bool first = !peer->had_session;
    bool was_connected = peer->connected;
    peer->pubkey = *pubkey;
    w4_text_copy(peer->name, sizeof peer->name, w4_bytes_from_text(name));
    for (uint32_t i = 0; i < peer->address_count; i++) {
        peer->addresses[i]->taken = false;
    }
    if (address != NULL) {
        address->taken = true;
    }
    w4_mesh_registry_set_connected(&mesh->registry, peer, true);
    age_addresses(mesh, peer, now_us);
    peer->had_session = true;
    peer->seen_wall_us = w4_env_wall_us(mesh->context.env, now_us);
    peer->up_us = now_us;
    r = w4_mesh_remember(mesh, peer);
    r = r != 0 ? r : w4_mesh_trust(mesh, node, W4_TRUST_EVENT_HANDSHAKE, NULL, "session", now_us);
    if (r == 0 && first) {
        r = push_text(mesh, W4_MESH_EVENT_DISCOVERED, node, peer->name);
    }
    if (!was_connected) {
        w4_mesh_publish_soon(mesh, now_us);
    }
    peer->to_tell = peer->to_greet = false; /* the greeting does */
    return r != 0 ? r : w4_mesh_greet(mesh, peer, now_us);
}

/* A session that lasted no longer than what its address may have to wait for counts as a dial that
 * failed; one that did makes good for them, whoever dialled. So who ends each session at once is
 * dialled less and less, and a link that is cut again and again comes back soon each time. */
static void judge_addresses(w4_mesh *mesh, const w4_mesh_peer *peer, uint64_t now_us) {
    for (uint32_t i = 0; i < peer->address_count; i++) {
        w4_peer_address *address = peer->addresses[i];
        if (now_us - peer->up_us < w4_backoff_pause_max_us(&address->backoff)) {
            if (address->taken) {
                w4_backoff_failed(&address->backoff, mesh->context.env, now_us);
            }
        } else if (address->taken) {
            w4_backoff_succeeded(&address->backoff);
        } else if (address->worked_wall_us != 0) { /* its owner is there, as it seems */
            w4_backoff_init(&address->backoff);
        }
    }
}

int w4_mesh_session_lost(w4_mesh *mesh, const w4_fingerprint *node, uint64_t heard_us,
                         uint64_t now_us) {
    w4_mesh_peer *peer = w4_mesh_registry_find(&mesh->registry, node);
    if (peer == NULL || !peer->connected) {
        return 0;
    }
    if (heard_us >= peer->up_us) {
        peer->seen_wall_us = w4_env_wall_us(mesh->context.env, heard_us);
        w4_mesh_registry_worked(peer, peer->seen_wall_us);
    }
    w4_mesh_registry_set_connected(&mesh->registry, peer, false);
    judge_addresses(mesh, peer, now_us);
    mesh->dial_due_us = w4_earlier(mesh->dial_due_us, now_us);
    w4_mesh_publish_soon(mesh, now_us);
    int r = w4_mesh_remember(mesh, peer);
    if (r < 0) {
        return r;
    }
    return w4_graph_find(mesh->context.graph, node) != NULL
               ? 0
               : w4_mesh_lost(mesh, node, "its session has ended");
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

static int dial_due(w4_mesh *mesh, uint64_t now_us) {
    w4_mesh_registry *registry = &mesh->registry;
    mesh->dial_due_us = W4_NEVER;
    while (registry->dialling < W4_MESH_DIALS_MAX &&
           registry->connected + registry->dialling < mesh->config.peers_max) {
        uint64_t next_us = W4_NEVER;
        w4_peer_address *address =
            w4_mesh_registry_next(registry, mesh->context.trust, now_us, &next_us);
        if (address == NULL) {
            mesh->dial_due_us = next_us;
            return 0;
        }
        if (!w4_mesh_registry_is_proven(address) &&
            !w4_mesh_budget_take(&mesh->hearsay, W4_MESH_HEARSAY_DIALS_MAX, W4_MESH_HEARSAY_DIAL_US,
                                 now_us)) {
            mesh->dial_due_us = w4_later(now_us, W4_MESH_HEARSAY_DIAL_US); /* none better is due */
            return 0;
        }
        w4_mesh_registry_dial_begin(registry, address, now_us);
        w4_mesh_event event = {.kind = W4_MESH_EVENT_DIAL, .dial = address->dial};
        if (address->pinned) {
            event.node = address->peer->node;
        }
        memcpy(event.address, address->address, sizeof event.address);
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
    for (uint32_t i = 0; w4_graph_expire(mesh->context.graph, wall_us, &author); i++) {
        (void)w4_store_remove(mesh->context.store, W4_STORE_RECORD,
                              w4_bytes_of(author.bytes, sizeof author.bytes));
        w4_mesh_event event = {.kind = W4_MESH_EVENT_RECORD, .node = author};
        int r = w4_mesh_push(mesh, &event);
        const w4_mesh_peer *peer = w4_mesh_registry_find(&mesh->registry, &author);
        if (is_self(mesh, &author)) { /* the clock was put forward: its time is not over here */
            w4_mesh_publish_soon(mesh, now_us);
        } else if (r == 0 && (peer == NULL || !peer->connected)) {
            r = w4_mesh_lost(mesh, &author, "its record has expired");
        }
        if (r < 0) {
            return r;
        }
        if (i == W4_MESH_SWEEP_MAX) {
            mesh->sweep_due_us = now_us; /* the rest in the next turn */
            break;
        }
    }
    return 0;
}

uint64_t w4_mesh_deadline(const w4_mesh *mesh) {
    uint64_t deadline = w4_earlier(mesh->record_due_us, mesh->sweep_due_us);
    deadline = w4_earlier(deadline, mesh->beacon_due_us);
    deadline = w4_earlier(deadline, mesh->tell_due_us);
    deadline = w4_earlier(deadline, mesh->greet_due_us);
    return w4_earlier(deadline, mesh->dial_due_us);
}

int w4_mesh_expire(w4_mesh *mesh, uint64_t now_us) {
    int r = 0;
    w4_mesh_tell_lost(mesh, now_us);
    if (mesh->record_due_us <= now_us) {
        r = w4_mesh_publish(mesh, now_us);
    }
    if (r == 0 && mesh->tell_due_us <= now_us) {
        r = w4_mesh_tell(mesh, now_us);
    }
    if (r == 0 && mesh->greet_due_us <= now_us) {
        r = w4_mesh_greet_again(mesh, now_us);
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
    if (*cursor >= mesh->registry.count) {
        return false;
    }
    const w4_mesh_peer *peer = mesh->registry.peers[(*cursor)++];
    *ret_info = (w4_mesh_peer_info){.node = peer->node,
                                    .name = peer->name,
                                    .connected = peer->connected,
                                    .seen_wall_us = peer->seen_wall_us,
                                    .address_count = peer->address_count};
    for (uint32_t i = 0; i < peer->address_count; i++) {
        const w4_peer_address *address = peer->addresses[i];
        ret_info->addresses[i] = (w4_mesh_address_info){
            .address = address->address,
            .source = address->source,
            .worked_wall_us = address->worked_wall_us,
            .failures = address->failures,
            .next_us = address->dial != 0 ? 0 : address->backoff.not_before_us,
            .last_error = address->last_error};
    }
    return true;
}
