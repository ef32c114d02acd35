/* Meshes without sessions: what one tells is handed to the other by hand. */
#pragma once

#include "base/text.h"
#include "mesh/mesh.h"
#include "store/memory.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S W4_US_PER_S
#define WALL0 UINT64_C(1795428732000000) /* of a clock without offset at now 0 */
#define MESHES_MAX 8u

typedef struct node {
    w4_env env;
    uint64_t random;
    w4_store *store;
    w4_trust_book *trust;
    w4_graph *graph;
    w4_protocol *protocol;
    w4_identity *identity;
    w4_mesh *mesh;
    char address[64];
    uint64_t session_to; /* bit of each node that it has a session with */
    unsigned events[W4_MESH_EVENT_KIND_COUNT];
    char last_text[256];
    w4_refusal last_code;
    char last_dialled[256];
    uint64_t last_dial;
    w4_buffer beacon;    /* the last */
    unsigned dials_open; /* DIAL events that were not answered yet */
} node;

static node nodes[MESHES_MAX];
static unsigned node_count;
static uint64_t now_us;

static inline void node_random(void *context, void *ret_bytes, size_t len) {
    node *n = (node *)context;
    uint8_t *out = (uint8_t *)ret_bytes;
    for (size_t i = 0; i < len; i++) {
        n->random = n->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        out[i] = (uint8_t)(n->random >> 56);
    }
}

static inline const w4_fingerprint *id_of(const node *n) {
    return w4_identity_fingerprint(n->identity);
}

/* The mesh and what it stands on, from what is in the store. */
static inline void node_start(node *n) {
    ck_assert_int_eq(w4_trust_book_new(&n->trust), 0);
    ck_assert_int_eq(w4_graph_new(&n->graph), 0);
    w4_protocol_context protocol = {&n->env, n->store, n->trust, n->graph, n->identity};
    ck_assert_int_eq(w4_protocol_new(&protocol, &W4_PROTOCOL_CONFIG_DEFAULT, now_us, &n->protocol),
                     0);
    w4_mesh_context context = {.env = &n->env,
                               .store = n->store,
                               .trust = n->trust,
                               .graph = n->graph,
                               .protocol = n->protocol,
                               .node = n->identity};
    w4_mesh_config config = W4_MESH_CONFIG_DEFAULT;
    (void)snprintf(config.name, sizeof config.name, "n%td", n - nodes);
    ck_assert_int_eq(w4_mesh_new(&context, &config, now_us, &n->mesh), 0);
    const char *addresses[] = {n->address};
    ck_assert_int_eq(w4_mesh_set_addresses(n->mesh, addresses, 1, now_us), 0);
    n->session_to = 0;
    n->dials_open = 0;
}

static inline void node_stop(node *n) {
    n->mesh = w4_mesh_free(n->mesh);
    n->protocol = w4_protocol_free(n->protocol);
    n->graph = w4_graph_free(n->graph);
    n->trust = w4_trust_book_free(n->trust);
}

static inline node *node_add(void) {
    node *n = &nodes[node_count];
    uint8_t seed[W4_SEED_LEN] = {(uint8_t)(node_count + 1)};
    *n = (node){.random = 7 + node_count, .beacon = W4_BUFFER_INIT(4096)};
    n->env = (w4_env){.context = n, .random = node_random, .wall_offset_us = (int64_t)WALL0};
    (void)snprintf(n->address, sizeof n->address, "memory:n%u", node_count);
    ck_assert_int_eq(w4_crypto_init(), 0);
    ck_assert_int_eq(w4_identity_from_seed(seed, &n->identity), 0);
    ck_assert_int_eq(w4_store_memory_new(&n->store), 0);
    node_count++;
    node_start(n);
    return n;
}

static inline void nodes_reset(void) {
    for (unsigned i = 0; i < node_count; i++) {
        node_stop(&nodes[i]);
        w4_store_free(nodes[i].store);
        w4_identity_free(nodes[i].identity);
        w4_buffer_deinit(&nodes[i].beacon);
    }
    node_count = 0;
    now_us = 0;
}

static inline bool joined(const node *a, const node *b) {
    return (a->session_to >> (b - nodes) & 1) != 0;
}

static inline void set_joined(node *a, node *b, bool yes) {
    a->session_to =
        (a->session_to & ~(UINT64_C(1) << (b - nodes))) | ((uint64_t)yes << (b - nodes));
}

static inline void session_up(node *n, const node *with, uint64_t dial) {
    char name[32];
    (void)snprintf(name, sizeof name, "n%td", with - nodes);
    ck_assert_int_eq(w4_mesh_session_up(n->mesh, id_of(with), w4_identity_pubkey(with->identity),
                                        name, dial, now_us),
                     0);
}

/* A dials B, and both have a session. dial: the number of a DIAL event of A, or 0. */
static inline void join(node *a, node *b, uint64_t dial) {
    set_joined(a, b, true);
    set_joined(b, a, true);
    session_up(a, b, dial);
    session_up(b, a, 0);
}

static inline void part(node *a, node *b) {
    set_joined(a, b, false);
    set_joined(b, a, false);
    ck_assert_int_eq(w4_mesh_session_lost(a->mesh, id_of(b), now_us, now_us), 0);
    ck_assert_int_eq(w4_mesh_session_lost(b->mesh, id_of(a), now_us, now_us), 0);
}

static inline node *node_of(const w4_fingerprint *id) {
    for (unsigned i = 0; i < node_count; i++) {
        if (w4_fingerprint_equal(id_of(&nodes[i]), id)) {
            return &nodes[i];
        }
    }
    return NULL;
}

static inline node *node_at(const char *address) {
    for (unsigned i = 0; i < node_count; i++) {
        if (strcmp(nodes[i].address, address) == 0) {
            return &nodes[i];
        }
    }
    return NULL;
}

/* One node's events. dial: dials lead somewhere at once, where anybody is. */
static inline bool drain(node *n, bool dial) {
    w4_mesh_event event;
    bool any = false;
    while (w4_mesh_pop_event(n->mesh, &event)) {
        any = true;
        n->events[event.kind]++;
        if (event.kind == W4_MESH_EVENT_REJECTED) {
            n->last_code = event.code;
            memcpy(n->last_text, event.text, sizeof n->last_text);
        } else if (event.kind == W4_MESH_EVENT_LOST) {
            memcpy(n->last_text, event.text, sizeof n->last_text);
        } else if (event.kind == W4_MESH_EVENT_BEACON) {
            w4_buffer_clear(&n->beacon);
            ck_assert_int_eq(w4_buffer_append(&n->beacon, event.bytes), 0);
        } else if (event.kind == W4_MESH_EVENT_TRANSMIT) {
            node *to = node_of(&event.node);
            ck_assert_ptr_nonnull(to);
            if (joined(n, to)) {
                ck_assert_int_eq(w4_mesh_receive(to->mesh, id_of(n), event.bytes, now_us), 0);
            }
        } else if (event.kind == W4_MESH_EVENT_DIAL) {
            node *to = node_at(event.address);
            ck_assert_uint_ne(event.dial, 0);
            memcpy(n->last_dialled, event.address, sizeof n->last_dialled);
            n->last_dial = event.dial;
            if (!dial) {
                n->dials_open++;
            } else if (to == NULL || to == n || to->mesh == NULL ||
                       (!w4_fingerprint_is_zero(&event.node) && node_of(&event.node) != to)) {
                w4_mesh_dial_failed(n->mesh, event.dial, "nobody there", now_us);
            } else if (joined(n, to)) {
                ck_assert_int_eq(w4_mesh_dial_worked(n->mesh, event.dial, id_of(to), now_us), 0);
            } else {
                join(n, to, event.dial);
            }
        }
    }
    return any;
}

static inline void settle_with(bool dial) {
    for (unsigned round = 0; round < 1000; round++) {
        bool any = false;
        for (unsigned i = 0; i < node_count; i++) {
            if (nodes[i].mesh != NULL) {
                if (w4_mesh_deadline(nodes[i].mesh) <= now_us) {
                    ck_assert_int_eq(w4_mesh_expire(nodes[i].mesh, now_us), 0);
                    any = true;
                }
                any = drain(&nodes[i], dial) || any;
            }
        }
        if (!any) {
            return;
        }
    }
    ck_abort_msg("the meshes do not come to rest");
}

static inline void settle(void) {
    settle_with(true);
}

/* Goes on in time, stopping wherever something is due. */
static inline void run_for(uint64_t delay_us) {
    uint64_t until_us = now_us + delay_us;
    settle();
    while (now_us < until_us) {
        uint64_t next_us = until_us;
        for (unsigned i = 0; i < node_count; i++) {
            if (nodes[i].mesh != NULL) {
                next_us = w4_earlier(next_us, w4_mesh_deadline(nodes[i].mesh));
            }
        }
        now_us = next_us > now_us ? next_us : now_us;
        settle();
    }
}

static inline bool peer_info(const node *n, const w4_fingerprint *id, w4_mesh_peer_info *ret_info) {
    for (size_t cursor = 0; w4_mesh_peer_next(n->mesh, &cursor, ret_info);) {
        if (w4_fingerprint_equal(&ret_info->node, id)) {
            return true;
        }
    }
    return false;
}

static inline unsigned peer_count(const node *n) {
    unsigned count = 0;
    w4_mesh_peer_info info;
    for (size_t cursor = 0; w4_mesh_peer_next(n->mesh, &cursor, &info);) {
        count++;
    }
    return count;
}

static inline const w4_record *record_of(const node *n, const node *of) {
    return w4_graph_find(n->graph, id_of(of));
}

/* A MESH_HELLO as it is after the pipeline: only its payload is looked at. */
static inline void tell(node *from, node *to, w4_bytes record) {
    w4_buffer text = W4_BUFFER_INIT(1u << 20);
    ck_assert_int_eq(w4_buffer_append_text(&text, "{\"payload\":{\"records\":["), 0);
    ck_assert_int_eq(w4_buffer_append(&text, record), 0);
    ck_assert_int_eq(w4_buffer_append_text(&text, "]}}"), 0);
    ck_assert_int_eq(w4_mesh_receive(to->mesh, id_of(from), w4_buffer_bytes(&text), now_us), 0);
    w4_buffer_deinit(&text);
}

static inline w4_buffer own_record(const node *n, uint64_t seq, uint64_t wall_us, uint32_t ttl_s,
                                   const char *name) {
    w4_record record = {.seq = seq, .issued_wall_us = wall_us, .ttl_s = ttl_s};
    w4_buffer out = W4_BUFFER_INIT(W4_RECORD_BYTES_MAX);
    (void)snprintf(record.name, sizeof record.name, "%s", name);
    ck_assert_int_eq(w4_record_write(&record, n->identity, &out), 0);
    return out;
}
