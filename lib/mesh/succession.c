/* What becomes of a node whose key was succeeded, or revoked. */
#include "mesh/state.h"

#include <errno.h>
#include <string.h>

static void drop_record(w4_mesh *mesh, const w4_fingerprint *node) {
    w4_bytes key = w4_bytes_of(node->bytes, sizeof node->bytes);
    (void)w4_store_remove(mesh->context.store, W4_STORE_RECORD, key);
    (void)w4_graph_remove(mesh->context.graph, node);
}

static int move_addresses(w4_mesh *mesh, const w4_mesh_peer *from, w4_mesh_peer *to) {
    int r = 0;
    for (uint32_t i = 0; r >= 0 && i < from->address_count; i++) {
        const w4_peer_address *address = from->addresses[i];
        r = w4_mesh_registry_add(&mesh->registry, to, address->address, address->source,
                                 address->pinned);
    }
    if (to->name[0] == '\0') {
        memcpy(to->name, from->name, sizeof to->name);
    }
    r = r == -ENOMEM ? r : w4_mesh_remember(mesh, to);
    return r < 0 ? r : 0;
}

int w4_mesh_key_replaced(w4_mesh *mesh, const w4_fingerprint *key, const w4_fingerprint *successor,
                         uint64_t now_us) {
    const w4_fingerprint *self = w4_identity_fingerprint(mesh->context.node);
    /* Who was away may have been succeeded more than once, and that is told in one. */
    const w4_fingerprint current = w4_trust_book_current(mesh->context.trust, successor);
    w4_mesh_peer *old = w4_mesh_registry_find(&mesh->registry, key), *fresh = NULL;
    int r = 0;
    drop_record(mesh, key);
    if (old != NULL && !w4_fingerprint_equal(&current, self) &&
        !w4_mesh_is_refused(mesh, &current)) {
        r = w4_mesh_peer_of(mesh, &current, true, &fresh);
        old = w4_mesh_registry_find(&mesh->registry, key); /* it may have made room */
        r = r == 0 && old != NULL ? move_addresses(mesh, old, fresh) : r;
    }
    if (r == -ENOMEM) {
        return r;
    }
    (void)w4_mesh_forget(mesh, key, now_us);
    w4_mesh_event event = {.kind = W4_MESH_EVENT_RECORD, .node = *key};
    return w4_mesh_push(mesh, &event);
}

int w4_mesh_key_revoked(w4_mesh *mesh, const w4_fingerprint *key, uint64_t now_us) {
    drop_record(mesh, key);
    (void)w4_mesh_forget(mesh, key, now_us);
    w4_mesh_event event = {.kind = W4_MESH_EVENT_RECORD, .node = *key};
    return w4_mesh_push(mesh, &event);
}

bool w4_mesh_is_refused(const w4_mesh *mesh, const w4_fingerprint *node) {
    return w4_protocol_key_refused(mesh->context.protocol, node) != W4_REFUSAL_NONE;
}
