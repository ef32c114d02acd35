/* The own record, and the records that neighbours tell each other in MESH_HELLO. */
#include "base/text.h"
#include "mesh/state.h"
#include "json/writer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- MESH_HELLO out */

/* records: the members of the array, with commas between them. */
static int send_hello(w4_mesh *mesh, const w4_mesh_peer *peer, const w4_buffer *records,
                      uint64_t now_us) {
    w4_buffer payload = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    w4_buffer envelope = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    int r = w4_buffer_append_text(&payload, "{\"records\":[");
    r = r != 0 ? r : w4_buffer_append(&payload, w4_buffer_bytes(records));
    r = r != 0 ? r : w4_buffer_append_text(&payload, "]}");
    char msg_id[W4_UUID_LEN + 1];
    w4_uuid_v4(mesh->context.env, msg_id);
    w4_party receiver = {.fingerprint = peer->node};
    w4_text_copy(receiver.agent_id, sizeof receiver.agent_id,
                 w4_bytes_from_text(peer->name[0] == '\0' ? "node" : peer->name));
    w4_envelope_draft draft = {
        .type = W4_TYPE_MESH_HELLO,
        .msg_id = msg_id,
        .timestamp_us = w4_env_wall_us(mesh->context.env, now_us),
        .sender_id = mesh->config.name,
        .receiver = &receiver,
        .with_pubkey = true,
        .payload = w4_buffer_bytes(&payload),
    };
    r = r != 0 ? r : w4_envelope_write(&draft, mesh->context.node, &envelope);
    if (r == 0) {
        w4_mesh_event event = {.kind = W4_MESH_EVENT_TRANSMIT,
                               .node = peer->node,
                               .bytes = w4_buffer_bytes(&envelope)};
        r = w4_mesh_push(mesh, &event);
    }
    w4_buffer_deinit(&payload);
    w4_buffer_deinit(&envelope);
    return r;
}

static int add_record(w4_buffer *records, w4_bytes record) {
    int r = records->len > 0 ? w4_buffer_append_text(records, ",") : 0;
    return r != 0 ? r : w4_buffer_append(records, record);
}

static int send_record(w4_mesh *mesh, const w4_mesh_peer *peer, w4_bytes record, uint64_t now_us) {
    w4_buffer records = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    int r = add_record(&records, record);
    r = r != 0 ? r : send_hello(mesh, peer, &records, now_us);
    w4_buffer_deinit(&records);
    return r;
}

/* One more of those that go together, as far as there is room. */
static int gather_record(w4_mesh *mesh, const w4_mesh_peer *peer, w4_buffer *records,
                         const w4_fingerprint *author, uint64_t now_us) {
    w4_bytes record = w4_graph_text(mesh->context.graph, author);
    int r = 0;
    if (record.len == 0) {
        return 0;
    }
    if (records->len > 0 && records->len + record.len + 1 > W4_MESH_HELLO_BYTES_MAX) {
        r = send_hello(mesh, peer, records, now_us);
        w4_buffer_clear(records);
    }
    return r != 0 ? r : add_record(records, record);
}

/* The own record first, then those of the other neighbours: so neighbours find each other. Then
 * what the peer has been told beside that. */
int w4_mesh_greet(w4_mesh *mesh, const w4_mesh_peer *peer, uint64_t now_us) {
    const w4_fingerprint *self = w4_identity_fingerprint(mesh->context.node);
    w4_buffer records = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    int r = gather_record(mesh, peer, &records, self, now_us);
    for (uint32_t i = 0; r == 0 && i < mesh->registry.count; i++) {
        const w4_mesh_peer *other = mesh->registry.peers[i];
        if (other != peer && other->connected) {
            r = gather_record(mesh, peer, &records, &other->node, now_us);
        }
    }
    for (uint32_t i = 0; r == 0 && i < W4_MESH_REMINDED_OF; i++) {
        if (!w4_fingerprint_is_zero(&peer->reminded_of[i])) {
            r = gather_record(mesh, peer, &records, &peer->reminded_of[i], now_us);
        }
    }
    if (r == 0 && records.len > 0) {
        r = send_hello(mesh, peer, &records, now_us);
    }
    w4_buffer_deinit(&records);
    return r;
}

void w4_mesh_untold(w4_mesh *mesh, const w4_fingerprint *node, uint64_t now_us) {
    w4_mesh_peer *peer = w4_mesh_registry_find(&mesh->registry, node);
    if (peer != NULL && peer->connected) {
        peer->to_greet = true;
        mesh->greet_due_us = w4_earlier(mesh->greet_due_us, w4_later(now_us, W4_MESH_UNTOLD_US));
    }
}

int w4_mesh_greet_again(w4_mesh *mesh, uint64_t now_us) {
    uint32_t greeted = 0;
    mesh->greet_due_us = W4_NEVER;
    for (uint32_t i = 0; i < mesh->registry.count; i++) {
        w4_mesh_peer *peer = mesh->registry.peers[i];
        if (!peer->to_greet || !peer->connected) {
            peer->to_greet = false;
            continue;
        }
        if (++greeted > W4_MESH_TELLS_MAX) {
            mesh->greet_due_us = now_us; /* the others in the next turn */
            break;
        }
        peer->to_greet = false;
        int r = w4_mesh_greet(mesh, peer, now_us);
        if (r != 0) {
            return r;
        }
    }
    return 0;
}

/* ---- the own record */

void w4_mesh_publish_soon(w4_mesh *mesh, uint64_t now_us) {
    uint64_t earliest = mesh->record_made_us == 0
                            ? now_us
                            : w4_later(mesh->record_made_us, mesh->config.record_interval_us);
    mesh->record_due_us = w4_earlier(mesh->record_due_us, earliest > now_us ? earliest : now_us);
}

/* Routes first: *ret_routes of them. Then who is trusted here, as far as there is room. */
static uint32_t collect_edges(const w4_mesh *mesh, w4_record_edge *edges, uint32_t *ret_routes) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < mesh->registry.count && count < W4_RECORD_EDGES_MAX; i++) {
        const w4_mesh_peer *peer = mesh->registry.peers[i];
        if (peer->connected) {
            edges[count++] = (w4_record_edge){
                .target = peer->node, .relation = W4_RELATION_ROUTES, .weight = 1, .active = true};
        }
    }
    *ret_routes = count;
    for (uint32_t i = 0; i < mesh->registry.count && count < W4_RECORD_EDGES_MAX; i++) {
        const w4_fingerprint *node = &mesh->registry.peers[i]->node;
        if (w4_trust_book_state(mesh->context.trust, W4_TRUST_NODE, node) == W4_TRUST_TRUSTED) {
            edges[count++] = (w4_record_edge){
                .target = *node, .relation = W4_RELATION_TRUSTS, .weight = 1, .active = true};
        }
    }
    return count;
}

/* The attached agents; their capabilities are read into docs, which the caller frees. */
static uint32_t collect_agents(const w4_mesh *mesh, w4_record_agent *agents,
                               w4_json_document *docs) {
    uint32_t count = 0;
    w4_agent_info info;
    size_t cursor = 0;
    while (count < W4_RECORD_AGENTS_MAX &&
           w4_protocol_agent_next(mesh->context.protocol, &cursor, &info)) {
        if (!info.attached) {
            continue;
        }
        w4_record_agent *agent = &agents[count];
        *agent = (w4_record_agent){.fingerprint = info.fingerprint, .pubkey = info.pubkey};
        w4_text_copy(agent->agent_id, sizeof agent->agent_id, w4_bytes_from_text(info.agent_id));
        if (info.capabilities.len > 0 &&
            w4_json_read(&docs[count], info.capabilities, &W4_JSON_LIMITS_ENVELOPE, NULL) == 0) {
            agent->capabilities = w4_json_root(&docs[count]);
        }
        count++;
    }
    return count;
}

static int write_own(w4_mesh *mesh, w4_record_agent *agents, w4_json_document *docs,
                     uint64_t wall_us, w4_buffer *out) {
    w4_record_edge edges[W4_RECORD_EDGES_MAX];
    uint32_t routes = 0;
    /* Higher than any that was told before, also when the store was lost. */
    uint64_t by_clock = wall_us / W4_US_PER_MS;
    mesh->record_seq = mesh->record_seq >= by_clock ? mesh->record_seq + 1 : by_clock;
    w4_record record = {
        .seq = mesh->record_seq,
        .issued_wall_us = wall_us,
        .ttl_s = W4_RECORD_TTL_S,
        .edges = edges,
        .edge_count = collect_edges(mesh, edges, &routes),
        .agents = agents,
        .agent_count = collect_agents(mesh, agents, docs),
        .address_count = mesh->address_count,
    };
    w4_text_copy(record.name, sizeof record.name, w4_bytes_from_text(mesh->config.name));
    w4_text_copy(record.version, sizeof record.version, w4_bytes_from_text(mesh->config.version));
    memcpy(record.addresses, mesh->addresses, sizeof record.addresses);
    int r = w4_record_write(&record, mesh->context.node, out);
    /* Too much to tell at once: fewer agents are still better than no record. */
    while (r == -EMSGSIZE && record.agent_count + record.edge_count > 0) {
        if (record.edge_count > routes) {
            record.edge_count = routes;
        } else if (record.agent_count > 0) {
            record.agent_count /= 2;
        } else {
            record.edge_count /= 2;
        }
        w4_buffer_clear(out);
        r = w4_record_write(&record, mesh->context.node, out);
    }
    return r;
}

static int make_own(w4_mesh *mesh, uint64_t wall_us, w4_buffer *out) {
    w4_record_agent *agents = (w4_record_agent *)calloc(W4_RECORD_AGENTS_MAX, sizeof *agents);
    w4_json_document *docs = (w4_json_document *)calloc(W4_RECORD_AGENTS_MAX, sizeof *docs);
    int r = agents == NULL || docs == NULL ? -ENOMEM : write_own(mesh, agents, docs, wall_us, out);
    for (uint32_t i = 0; docs != NULL && i < W4_RECORD_AGENTS_MAX; i++) {
        w4_json_document_deinit(&docs[i]);
    }
    free(docs);
    free(agents);
    return r;
}

static int keep_record(w4_mesh *mesh, const w4_fingerprint *author, w4_bytes record) {
    int r = w4_store_put(mesh->context.store, W4_STORE_RECORD,
                         w4_bytes_of(author->bytes, sizeof author->bytes), record);
    return r < 0 ? r : 0; /* a store that takes nothing is reported by the node */
}

int w4_mesh_publish(w4_mesh *mesh, uint64_t now_us) {
    uint64_t wall_us = w4_env_wall_us(mesh->context.env, now_us);
    w4_buffer record = W4_BUFFER_INIT(W4_RECORD_BYTES_MAX);
    w4_graph_change change = W4_GRAPH_UNCHANGED;
    w4_fingerprint author = {{0}};
    w4_record_fault fault = {.pointer = ""};
    int r = make_own(mesh, wall_us, &record);
    r = r != 0 ? r
               : w4_graph_put(mesh->context.graph, w4_buffer_bytes(&record), wall_us, &change,
                              &author, &fault);
    bool told = r == 0 && (change == W4_GRAPH_ADDED || change == W4_GRAPH_UPDATED);
    if (r == 0 && !told) {
        w4_log(mesh->context.env, W4_LOG_ERROR, "the own record was not taken (%d): %s %s",
               (int)change, fault.pointer, fault.expected);
    }
    r = told ? keep_record(mesh, &author, w4_buffer_bytes(&record)) : r;
    for (uint32_t i = 0; r == 0 && told && i < mesh->registry.count; i++) {
        mesh->registry.peers[i]->to_tell = mesh->registry.peers[i]->connected;
        mesh->tell_due_us = now_us;
    }
    w4_buffer_deinit(&record);
    mesh->record_made_us = now_us;
    mesh->record_due_us = w4_later(now_us, (uint64_t)W4_RECORD_TTL_S / 3 * W4_US_PER_S);
    if (told && r == 0) {
        w4_mesh_event event = {.kind = W4_MESH_EVENT_RECORD,
                               .node = *w4_identity_fingerprint(mesh->context.node)};
        r = w4_mesh_push(mesh, &event);
    }
    return r;
}

/* Thousands of neighbours are not told in one turn, in which nothing else would be done and the
 * record lie in memory once for each of them. Who is told late is told what is newest then. */
int w4_mesh_tell(w4_mesh *mesh, uint64_t now_us) {
    w4_bytes record =
        w4_graph_text(mesh->context.graph, w4_identity_fingerprint(mesh->context.node));
    uint32_t told = 0;
    int r = 0;
    mesh->tell_due_us = W4_NEVER;
    for (uint32_t i = 0; r == 0 && i < mesh->registry.count; i++) {
        if (told == W4_MESH_TELLS_MAX ||
            mesh->item_count >= W4_MESH_EVENTS_MAX - W4_MESH_EVENTS_SPARE) {
            mesh->tell_due_us = now_us;
            break;
        }
        mesh->tell_at = mesh->tell_at < mesh->registry.count ? mesh->tell_at : 0;
        w4_mesh_peer *peer = mesh->registry.peers[mesh->tell_at++];
        if (peer->to_tell && peer->connected && record.len > 0) {
            r = send_record(mesh, peer, record, now_us);
            told++;
        }
        peer->to_tell = false;
    }
    return r;
}

/* ---- MESH_HELLO in */

static int reject(w4_mesh *mesh, const w4_fingerprint *from, w4_refusal code, const char *what,
                  const char *a, const char *b) {
    w4_mesh_event event = {.kind = W4_MESH_EVENT_REJECTED, .node = *from, .code = code};
    (void)snprintf(event.text, sizeof event.text, "%.20s%.100s: %.120s", what, a, b);
    return w4_mesh_push(mesh, &event);
}

/* A neighbour's newest record goes to the other neighbours, once: they may not have met yet. It is
 * what the neighbour says itself that counts: others may have brought it before. */
static int pass_on(w4_mesh *mesh, const w4_fingerprint *from, w4_bytes record, uint64_t now_us) {
    w4_mesh_peer *author = w4_mesh_registry_find(&mesh->registry, from);
    uint64_t seq = w4_mesh_seq_of(mesh, record);
    if (author == NULL || seq <= author->passed_seq) {
        return 0;
    }
    author->passed_seq = seq;
    for (uint32_t i = 0; i < mesh->registry.count; i++) {
        const w4_mesh_peer *peer = mesh->registry.peers[i];
        if (!peer->connected || w4_fingerprint_equal(&peer->node, from)) {
            continue;
        }
        int r = send_record(mesh, peer, record, now_us);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int learn_addresses(w4_mesh *mesh, const w4_fingerprint *author, uint64_t now_us) {
    const w4_record *record = w4_graph_find(mesh->context.graph, author);
    if (record == NULL) {
        return 0;
    }
    for (uint32_t i = 0; i < record->address_count; i++) {
        int r = w4_mesh_add_address(mesh, record->addresses[i], W4_ADDRESS_RECORD, author, now_us);
        if (r == -ENOMEM) {
            return r;
        }
    }
    w4_mesh_peer *peer = w4_mesh_registry_find(&mesh->registry, author);
    if (peer != NULL) {
        (void)w4_mesh_registry_age(&mesh->registry, peer, record,
                                   w4_env_wall_us(mesh->context.env, now_us));
    }
    if (peer != NULL && peer->name[0] == '\0') {
        w4_text_copy(peer->name, sizeof peer->name, w4_bytes_from_text(record->name));
    }
    return peer == NULL ? 0 : w4_mesh_remember(mesh, peer);
}

int w4_mesh_take_introductions(w4_mesh *mesh, const w4_fingerprint *author, uint64_t now_us) {
    const w4_fingerprint *self = w4_identity_fingerprint(mesh->context.node);
    w4_trust_book *trust = mesh->context.trust;
    const w4_record *record = w4_graph_find(mesh->context.graph, author);
    if (record == NULL || w4_trust_book_state(trust, W4_TRUST_NODE, author) != W4_TRUST_TRUSTED) {
        return 0;
    }
    int r = 0;
    for (uint32_t i = 0; r >= 0 && i < record->edge_count; i++) {
        const w4_record_edge *edge = &record->edges[i];
        if (edge->relation != W4_RELATION_TRUSTS || !edge->active || edge->of_agent ||
            w4_fingerprint_equal(&edge->target, author) ||
            w4_fingerprint_equal(&edge->target, self)) {
            continue;
        }
        w4_trust_book_bear(trust, W4_TRUST_NODE, &edge->target, author);
        r = w4_mesh_trust(mesh, &edge->target, W4_TRUST_EVENT_INTRODUCED, author, record->name,
                          now_us);
    }
    return r;
}

/* Tells it what is known of that author: one who does not hear it now hears it again. */
static int remind(w4_mesh *mesh, w4_mesh_peer *peer, const w4_fingerprint *author, w4_bytes record,
                  uint64_t now_us) {
    peer->reminded_of[peer->reminders++ % W4_MESH_REMINDED_OF] = *author;
    return send_record(mesh, peer, record, now_us);
}

static int record_changed(w4_mesh *mesh, const w4_fingerprint *from, const w4_fingerprint *author,
                          w4_bytes record, uint64_t now_us) {
    int r = keep_record(mesh, author, record);
    r = r != 0 ? r : learn_addresses(mesh, author, now_us);
    r = r != 0 ? r : w4_mesh_take_introductions(mesh, author, now_us);
    w4_mesh_peer *peer = w4_mesh_registry_find(&mesh->registry, author);
    if (r == 0 && w4_graph_find(mesh->context.graph, author) == NULL &&
        (peer == NULL || !peer->connected)) {
        r = w4_mesh_lost(mesh, author, "it has taken its record back");
    }
    if (r == 0 && w4_fingerprint_equal(author, from)) {
        r = pass_on(mesh, from, record, now_us);
    } else if (r == 0 && peer != NULL && peer->connected) {
        r = remind(mesh, peer, author, record, now_us); /* of an earlier life: it has to outdo it */
    }
    w4_mesh_event event = {.kind = W4_MESH_EVENT_RECORD, .node = *author};
    return r != 0 ? r : w4_mesh_push(mesh, &event);
}

/* Told in an earlier life of this node: what it says next must be newer. Others may know of what it
 * told after that: it leaps over all of it. */
static void outdo(w4_mesh *mesh, w4_bytes record, uint64_t now_us) {
    uint64_t seq = w4_mesh_seq_of(mesh, record);
    if (seq >= mesh->record_seq) {
        w4_mesh_leap(mesh, seq);
    }
    w4_mesh_publish_soon(mesh, now_us);
}

static int receive_own(w4_mesh *mesh, w4_bytes record, w4_graph_change change, uint64_t now_us) {
    if (change != W4_GRAPH_UNCHANGED && change != W4_GRAPH_FULL) {
        outdo(mesh, record, now_us);
    }
    return 0;
}

/* Who tells less than is known here is told that. Where it tells of itself, it has lost its memory,
 * and nobody would hear it; where of another, that one has, and is not heard here. */
static int told_again(w4_mesh *mesh, const w4_fingerprint *from, const w4_fingerprint *author,
                      w4_bytes record, uint64_t now_us) {
    w4_mesh_peer *peer = w4_mesh_registry_find(&mesh->registry, from);
    w4_bytes known = w4_graph_text(mesh->context.graph, author);
    bool of_itself = w4_fingerprint_equal(from, author);
    if (peer == NULL || !peer->connected) { /* since it said so */
        return 0;
    }
    if (w4_bytes_equal(known, record)) {
        return of_itself ? pass_on(mesh, from, record, now_us) : 0;
    }
    bool is_too_much = !of_itself && !w4_mesh_budget_take(&peer->reminded, W4_MESH_TOLD_MAX,
                                                          W4_MESH_TOLD_US, now_us);
    return is_too_much ? 0 : remind(mesh, peer, author, known, now_us);
}

static int receive_record(w4_mesh *mesh, const w4_fingerprint *from, w4_bytes record,
                          uint64_t now_us) {
    w4_graph_change change = W4_GRAPH_UNCHANGED;
    w4_fingerprint author = {{0}};
    w4_record_fault fault;
    int r = w4_graph_put(mesh->context.graph, record, w4_env_wall_us(mesh->context.env, now_us),
                         &change, &author, &fault);
    if (r < 0) {
        return r;
    }
    if (w4_fingerprint_equal(&author, w4_identity_fingerprint(mesh->context.node))) {
        return receive_own(mesh, record, change, now_us);
    }
    switch (change) {
    case W4_GRAPH_ADDED:
    case W4_GRAPH_UPDATED:
    case W4_GRAPH_WITHDRAWN:
        return record_changed(mesh, from, &author, record, now_us);
    case W4_GRAPH_UNCHANGED:
        return told_again(mesh, from, &author, record, now_us);
    case W4_GRAPH_INVALID:
        return reject(mesh, from, W4_REFUSAL_BAD_ENVELOPE, "node record ", fault.pointer,
                      fault.expected);
    case W4_GRAPH_EXPIRED:
        return !w4_fingerprint_equal(&author, from)
                   ? 0
                   : reject(mesh, from, W4_REFUSAL_STALE, "node record", " /issued_at",
                            "its clock and the one here are too far apart");
    case W4_GRAPH_EQUIVOCATION:
        r = w4_mesh_trust(mesh, &author, W4_TRUST_EVENT_MALICE, NULL,
                          "two records under one number", now_us);
        return r != 0 ? r
                      : reject(mesh, from, W4_REFUSAL_BAD_ENVELOPE, "node record", " /seq",
                               "its author signed another record under the same number");
    case W4_GRAPH_FULL:
    case W4_GRAPH_CHANGE_COUNT:
        break;
    }
    return 0;
}

/* Who the record says it is of; nothing is proven. */
static bool author_of(w4_json record, w4_fingerprint *ret_author) {
    w4_json id = w4_json_get(w4_json_get(record, "node"), "id");
    return w4_json_string_plain(id) && w4_fingerprint_parse(w4_json_string_raw(id), ret_author);
}

/* Before anything is verified: is it more than its bearer may tell? Nodes that are known or were
 * met here cost nothing that could be saved. */
static bool is_too_much(w4_mesh *mesh, const w4_fingerprint *from, w4_json record,
                        uint64_t now_us) {
    w4_fingerprint author;
    w4_mesh_peer *bearer = w4_mesh_registry_find(&mesh->registry, from);
    if (bearer == NULL || !author_of(record, &author)) {
        return false;
    }
    w4_bytes known = w4_graph_text(mesh->context.graph, &author);
    if (w4_fingerprint_equal(&author, from)) {
        return !w4_bytes_equal(known, w4_json_text(record)) &&
               !w4_mesh_budget_take(&bearer->told, W4_MESH_TOLD_MAX, W4_MESH_TOLD_US, now_us);
    }
    const w4_mesh_peer *peer = w4_mesh_registry_find(&mesh->registry, &author);
    bool met = peer != NULL && (peer->connected || peer->seen_wall_us != 0);
    return known.len == 0 && !met &&
           !(w4_mesh_budget_take(&bearer->introduced, W4_MESH_INTRODUCED_MAX, W4_MESH_STRANGER_US,
                                 now_us) &&
             w4_mesh_budget_take(&mesh->strangers, W4_MESH_STRANGERS_MAX, W4_MESH_STRANGER_US,
                                 now_us));
}

int w4_mesh_receive(w4_mesh *mesh, const w4_fingerprint *from, w4_bytes envelope, uint64_t now_us) {
    w4_json_document doc = {0};
    int r = w4_json_read_canonical(&doc, envelope, &W4_JSON_LIMITS_ENVELOPE, NULL);
    if (r == 0) {
        w4_json records = w4_json_get(w4_json_get(w4_json_root(&doc), "payload"), "records");
        for (w4_json_iterator i = w4_json_first(records); r == 0 && w4_json_exists(i.value);
             i = w4_json_next(i)) {
            w4_fingerprint author;
            if (author_of(i.value, &author) && w4_mesh_is_refused(mesh, &author)) {
                continue; /* who passes it on may not know yet */
            }
            r = is_too_much(mesh, from, i.value, now_us)
                    ? reject(mesh, from, W4_REFUSAL_RATE_LIMITED, "node record", " /node/id",
                             "fewer nodes that are not known here")
                    : receive_record(mesh, from, w4_json_text(i.value), now_us);
        }
    }
    w4_json_document_deinit(&doc);
    return r < 0 ? r : 0;
}
