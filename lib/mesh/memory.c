/* What the store remembers of peers, so that a restart finds them again without its seeds. */
#include "base/text.h"
#include "mesh/state.h"
#include "transport/address.h"
#include "json/writer.h"

#include <errno.h>
#include <string.h>

int w4_mesh_remember(w4_mesh *mesh, const w4_mesh_peer *peer) {
    w4_buffer text = W4_BUFFER_INIT(W4_STORE_VALUE_MAX);
    w4_json_writer w;
    char time[W4_TIMESTAMP_LEN + 1];
    w4_json_writer_init(&w, &text);
    w4_json_begin_object(&w);
    w4_json_name(&w, "addresses");
    w4_json_begin_array(&w);
    for (uint32_t i = 0; i < peer->address_count; i++) {
        const w4_peer_address *address = peer->addresses[i];
        w4_json_begin_object(&w);
        w4_json_member_string(&w, "address", address->address);
        if (address->source == W4_ADDRESS_OPERATOR) { /* that is still his word after a restart */
            w4_json_member_string(&w, "source", w4_address_source_name(address->source));
        }
        if (address->worked_wall_us != 0) {
            w4_timestamp_format(address->worked_wall_us, time);
            w4_json_member_string(&w, "worked_at", time);
        }
        w4_json_end_object(&w);
    }
    w4_json_end_array(&w);
    w4_json_member_string(&w, "name", peer->name);
    if (peer->seen_wall_us != 0) {
        w4_timestamp_format(peer->seen_wall_us, time);
        w4_json_member_string(&w, "seen_at", time);
    }
    w4_json_end_object(&w);
    int r = w.error != 0 ? w.error
                         : w4_store_put(mesh->context.store, W4_STORE_PEER,
                                        w4_bytes_of(peer->node.bytes, sizeof peer->node.bytes),
                                        w4_buffer_bytes(&text));
    w4_buffer_deinit(&text);
    return r < 0 ? r : 0;
}

static uint64_t time_at(w4_json object, const char *name) {
    uint64_t wall_us = 0;
    (void)w4_timestamp_parse(w4_json_string_raw(w4_json_get(object, name)), &wall_us);
    return wall_us;
}

static w4_address_source source_of(w4_json address) {
    return w4_json_string_equal(w4_json_get(address, "source"),
                                w4_address_source_name(W4_ADDRESS_OPERATOR))
               ? W4_ADDRESS_OPERATOR
               : W4_ADDRESS_REMEMBERED;
}

static int load_peer(w4_mesh *mesh, const w4_fingerprint *node, w4_json value) {
    w4_mesh_peer *peer = NULL;
    if (w4_mesh_is_refused(mesh, node)) {
        return 0;
    }
    int r = w4_mesh_registry_peer(&mesh->registry, node, &peer);
    if (r != 0) {
        return r == -ENOSPC ? 0 : r;
    }
    (void)w4_json_string_copy(w4_json_get(value, "name"), peer->name, sizeof peer->name);
    peer->seen_wall_us = time_at(value, "seen_at");
    for (w4_json_iterator i = w4_json_first(w4_json_get(value, "addresses"));
         r == 0 && w4_json_exists(i.value); i = w4_json_next(i)) {
        char text[256];
        if (!w4_json_string_copy(w4_json_get(i.value, "address"), text, sizeof text) ||
            !w4_address_valid(text) || peer->address_count == W4_MESH_PEER_ADDRESSES_MAX) {
            continue;
        }
        r = w4_mesh_registry_add(&mesh->registry, peer, text, source_of(i.value), true);
        if (r == 0) {
            peer->addresses[peer->address_count - 1]->worked_wall_us =
                time_at(i.value, "worked_at");
        }
    }
    return r;
}

static int load_peers(w4_mesh *mesh) {
    w4_store_cursor cursor;
    int r = w4_store_cursor_init(&cursor, W4_STORE_PEER, w4_bytes_of(NULL, 0));
    while (r == 0 && (r = w4_store_next(mesh->context.store, &cursor)) == 0) {
        w4_fingerprint node;
        if (cursor.key.len != sizeof node.bytes ||
            w4_json_read(&mesh->doc, w4_buffer_bytes(&cursor.value), &W4_JSON_LIMITS_LINE, NULL) !=
                0) {
            r = W4_STORE_E_CORRUPT;
            break;
        }
        memcpy(node.bytes, cursor.key.data, sizeof node.bytes);
        r = load_peer(mesh, &node, w4_json_root(&mesh->doc));
    }
    w4_store_cursor_deinit(&cursor);
    return r == W4_STORE_E_NOT_FOUND ? 0 : r;
}

uint64_t w4_mesh_seq_of(w4_mesh *mesh, w4_bytes record) {
    int64_t seq = 0;
    if (w4_json_read_canonical(&mesh->doc, record, &W4_JSON_LIMITS_ENVELOPE, NULL) == 0) {
        (void)w4_json_integer(w4_json_get(w4_json_root(&mesh->doc), "seq"), &seq);
    }
    return seq > 0 ? (uint64_t)seq : 0;
}

/* One that is over goes; one that seems to come from the future stays until the clock is right. */
static bool is_over(w4_mesh *mesh, w4_bytes record, uint64_t wall_us) {
    return w4_json_read_canonical(&mesh->doc, record, &W4_JSON_LIMITS_ENVELOPE, NULL) != 0 ||
           time_at(w4_json_root(&mesh->doc), "issued_at") <= wall_us;
}

static int load_record(w4_mesh *mesh, w4_bytes key, w4_bytes record, uint64_t wall_us) {
    const w4_fingerprint *self = w4_identity_fingerprint(mesh->context.node);
    w4_graph_change change = W4_GRAPH_UNCHANGED;
    w4_fingerprint author;
    w4_record_fault fault;
    if (w4_bytes_equal(key, w4_bytes_of(self->bytes, sizeof self->bytes))) {
        mesh->record_seq = w4_mesh_seq_of(mesh, record); /* also when it is long over */
    }
    int r = w4_graph_put(mesh->context.graph, record, wall_us, &change, &author, &fault);
    if (r == 0 && change == W4_GRAPH_ADDED && w4_mesh_is_refused(mesh, &author)) {
        (void)w4_graph_remove(mesh->context.graph, &author);
        change = W4_GRAPH_INVALID;
    }
    if (r == 0 && (change == W4_GRAPH_INVALID ||
                   (change == W4_GRAPH_EXPIRED && is_over(mesh, record, wall_us)))) {
        r = w4_store_remove(mesh->context.store, W4_STORE_RECORD, key);
    }
    return r;
}

static int load_records(w4_mesh *mesh, uint64_t now_us) {
    uint64_t wall_us = w4_env_wall_us(mesh->context.env, now_us);
    w4_store_cursor cursor;
    int r = w4_store_cursor_init(&cursor, W4_STORE_RECORD, w4_bytes_of(NULL, 0));
    while (r == 0 && (r = w4_store_next(mesh->context.store, &cursor)) == 0) {
        r = load_record(mesh, w4_buffer_bytes(&cursor.key), w4_buffer_bytes(&cursor.value),
                        wall_us);
    }
    w4_store_cursor_deinit(&cursor);
    return r == W4_STORE_E_NOT_FOUND ? 0 : r;
}

/* Numbers that were told and never kept (the store failed, or is not the one it was) must not be
 * used again, for two records under one number are malice. Nobody knows them, and the clock may
 * have been set back: so each life leaps, further than the numbers of one life lie apart. */
void w4_mesh_leap(w4_mesh *mesh, uint64_t seq) {
    mesh->record_seq = w4_later(mesh->record_seq > seq ? mesh->record_seq : seq,
                                w4_env_random_below(mesh->context.env, W4_MESH_SEQ_LEAP));
}

int w4_mesh_load(w4_mesh *mesh, uint64_t now_us) {
    int r = load_peers(mesh);
    r = r != 0 ? r : load_records(mesh, now_us);
    w4_mesh_leap(mesh, w4_env_wall_us(mesh->context.env, now_us) / W4_US_PER_MS);
    return r;
}
