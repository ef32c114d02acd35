/* A few whole nodes on one memory network, each with one agent whose key it holds, under virtual
 * time: for what no simulation would meet often enough. */
#pragma once

#include "runner.h"

#include "base/text.h"
#include "node/state.h"
#include "store/memory.h"
#include "transport/memory.h"

#include <stdio.h>
#include <string.h>

#define TOWN_MAX 12u
#define TOWN_START_US (UINT64_C(1000) * W4_US_PER_S)
#define TOWN_MS W4_US_PER_MS
#define TOWN_S W4_US_PER_S
#define TOWN_STRING 14000u /* longest single string in a payload */

typedef struct town_node {
    unsigned index;
    char name[8], agent_id[8], address[16];
    w4_env env;
    uint64_t random;
    uint64_t event_cursor;
    w4_identity *identity;
    w4_fingerprint id, agent;
    w4_store *store;
    w4_node *node;
    w4_node_committer committer; /* none */
    bool slow;                   /* it is not done until this is false */
    bool frozen;                 /* gets no turns */
    bool mute;                   /* what comes out is left where it is */
    unsigned messages;           /* that came out for its agent from others, without handshakes */
    uint64_t last[TOWN_MAX][3];  /* by sender and channel: number of the last one */
    bool disorder;
    unsigned delivered, failed; /* outcomes */
    unsigned beacons;
    unsigned facts; /* that changed and can be told */
    unsigned told[W4_EVENT_COUNT];
} town_node;

typedef struct town {
    w4_memory_network *network;
    w4_transport_registry registry;
    town_node nodes[TOWN_MAX];
    unsigned count;
    uint64_t now_us;
    unsigned turns;
    uint64_t numbers; /* of messages sent */
    bool durable;     /* these are */
} town;

static inline void town_random(void *context, void *ret_bytes, size_t len) {
    uint64_t *state = (uint64_t *)context;
    for (size_t i = 0; i < len; i++) {
        *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
        ((uint8_t *)ret_bytes)[i] = (uint8_t)(*state >> 40);
    }
}

static inline w4_identity *town_identity(unsigned kind, unsigned index) {
    uint8_t seed[W4_SEED_LEN] = {(uint8_t)kind, (uint8_t)index};
    w4_identity *identity = NULL;
    ck_assert_int_eq(w4_identity_from_seed(seed, &identity), 0);
    return identity;
}

static inline void town_wake(void *context) {
    (void)context; /* deadlines are asked for before each step */
}

/* config: what differs from the defaults in session, mesh and node; names are filled in. */
static inline void town_start(town *t, unsigned index, const w4_node_config *wanted) {
    town_node *n = &t->nodes[index];
    w4_node_config config = *wanted;
    (void)snprintf(config.mesh.name, sizeof config.mesh.name, "%s", n->name);
    (void)snprintf(config.mesh.version, sizeof config.mesh.version, "test");
    const w4_node_context context = {.env = &n->env,
                                     .store = n->store,
                                     .identity = n->identity,
                                     .registry = &t->registry,
                                     .committer = n->committer};
    char bound[W4_ADDRESS_MAX + 1];
    int error = 0;
    ck_assert_int_eq(w4_node_new(&context, &config, t->now_us, &n->node), 0);
    ck_assert_int_eq(
        w4_node_transport_open(n->node, &w4_transport_memory, t->network, town_wake, NULL), 0);
    ck_assert_int_eq(w4_node_listen(n->node, n->address, bound, &error), 0);
    const char *addresses[] = {n->address};
    ck_assert_int_eq(w4_mesh_set_addresses(w4_node_mesh(n->node), addresses, 1, t->now_us), 0);
    w4_agent_attach attach = {.agent_id = n->agent_id,
                              .identity = town_identity(2, index),
                              .capabilities = w4_bytes_from_text("[]"),
                              .owner = 1};
    w4_refused refused;
    ck_assert_int_eq(
        w4_protocol_agent_attach(w4_node_protocol(n->node), &attach, t->now_us, &refused), 0);
}

static inline w4_node_config town_config(void) {
    w4_node_config config = W4_NODE_CONFIG_DEFAULT;
    config.protocol = W4_PROTOCOL_CONFIG_DEFAULT;
    config.mesh = W4_MESH_CONFIG_DEFAULT;
    config.session = W4_SESSION_CONFIG_DEFAULT;
    return config;
}

static inline void town_init(town *t, unsigned count, const w4_node_config *config) {
    memset(t, 0, sizeof *t);
    ck_assert_int_ge(w4_crypto_init(), 0);
    t->count = count;
    t->now_us = TOWN_START_US;
    t->registry = (w4_transport_registry){.backends = {&w4_transport_memory}, .count = 1};
    ck_assert_int_eq(w4_memory_network_new(1, &t->network), 0);
    const w4_memory_conditions links = {.latency_us = 10 * TOWN_MS};
    ck_assert_int_eq(w4_memory_network_set(t->network, NULL, NULL, &links), 0);
    for (unsigned i = 0; i < count; i++) {
        town_node *n = &t->nodes[i];
        n->index = i;
        n->random = i + 1;
        n->env = (w4_env){.context = &n->random,
                          .random = town_random,
                          .wall_offset_us = INT64_C(1795428732) * 1000000};
        (void)snprintf(n->name, sizeof n->name, "n%u", i);
        (void)snprintf(n->agent_id, sizeof n->agent_id, "agent%u", i);
        (void)snprintf(n->address, sizeof n->address, "memory:n%u", i);
        n->identity = town_identity(1, i);
        n->id = *w4_identity_fingerprint(n->identity);
        w4_identity *agent = town_identity(2, i);
        n->agent = *w4_identity_fingerprint(agent);
        w4_identity_free(agent);
        ck_assert_int_eq(w4_store_memory_new(&n->store), 0);
        town_start(t, i, config);
    }
}

static inline void town_deinit(town *t) {
    for (unsigned i = 0; i < t->count; i++) {
        w4_node_free(t->nodes[i].node);
        w4_store_free(t->nodes[i].store);
        w4_identity_free(t->nodes[i].identity);
    }
    w4_memory_network_free(t->network);
}

/* The one of whom n is told dials it. */
static inline void town_introduce(town *t, unsigned who, unsigned to) {
    ck_assert_int_eq(w4_mesh_add_address(w4_node_mesh(t->nodes[who].node), t->nodes[to].address,
                                         W4_ADDRESS_SEED, NULL, t->now_us),
                     0);
}

/* ---- turns */

static inline void town_note_message(town *t, town_node *n, const w4_node_event *event) {
    w4_json_document doc = {0};
    w4_envelope envelope;
    w4_envelope_fault fault;
    int64_t number = 0;
    ck_assert_int_eq(
        w4_envelope_read(&doc, event->bytes, &W4_JSON_LIMITS_ENVELOPE, &envelope, &fault), 0);
    if (w4_json_integer(w4_json_get(envelope.payload, "number"), &number)) {
        unsigned from = 0;
        while (!w4_fingerprint_equal(&t->nodes[from].agent, &envelope.sender.fingerprint)) {
            ck_assert_uint_lt(++from, t->count);
        }
        unsigned channel = (unsigned)(number & 3);
        n->disorder = n->disorder || (uint64_t)number <= n->last[from][channel];
        n->last[from][channel] = (uint64_t)number;
        n->messages++;
    }
    w4_json_document_deinit(&doc);
}

/* As who subscribed is told of it. */
static inline bool town_can_tell(const town_node *n, const char *fact) {
    w4_buffer text = W4_BUFFER_INIT(W4_JSON_LIMITS_LINE.bytes);
    w4_json_writer w;
    w4_json_writer_init(&w, &text);
    bool there = w4_protocol_fact_write(w4_node_protocol(n->node), fact, &w);
    w4_buffer_deinit(&text);
    return there && w.error == 0;
}

static inline void town_drain(town *t, town_node *n) {
    w4_node_event event;
    while (!n->mute && w4_node_pop_event(n->node, &event)) {
        switch (event.kind) {
        case W4_NODE_EVENT_MESSAGE:
            town_note_message(t, n, &event);
            break;
        case W4_NODE_EVENT_DELIVERY:
            n->delivered += event.code == W4_REFUSAL_NONE;
            n->failed += event.code != W4_REFUSAL_NONE;
            break;
        case W4_NODE_EVENT_BEACON:
            n->beacons++;
            break;
        case W4_NODE_EVENT_FACT:
            n->facts += town_can_tell(n, event.msg_id) ? 1 : 0;
            break;
        case W4_NODE_EVENT_HELD:
        case W4_NODE_EVENT_CLAIM:
        case W4_NODE_EVENT_KIND_COUNT:
            break;
        }
    }
    w4_event_view view;
    while (w4_events_next(w4_node_events(n->node), &n->event_cursor, &view)) {
        n->told[view.event]++;
    }
}

static inline void town_turn(town *t, unsigned index) {
    town_node *n = &t->nodes[index];
    t->turns++;
    do {
        ck_assert_int_eq(w4_node_process(n->node, t->now_us), 0);
    } while (w4_node_committing(n->node) && !n->slow);
    if (!w4_node_committing(n->node)) {
        town_drain(t, n);
    }
}

/* Until nothing is due before that time. */
static inline void town_run(town *t, uint64_t until_us) {
    unsigned still = 0;
    for (;;) {
        town_node *next = NULL;
        uint64_t at_us = W4_NEVER;
        for (unsigned i = 0; i < t->count; i++) {
            uint64_t due_us = t->nodes[i].frozen ? W4_NEVER : w4_node_deadline(t->nodes[i].node);
            if (due_us < at_us) {
                at_us = due_us;
                next = &t->nodes[i];
            }
        }
        if (next == NULL || at_us > until_us) {
            break;
        }
        still = at_us > t->now_us ? 0 : still + 1;
        ck_assert_msg(still < 20000, "%s does not come to rest", next->name);
        t->now_us = w4_earlier(until_us, at_us > t->now_us ? at_us : t->now_us);
        town_turn(t, next->index);
    }
    t->now_us = until_us;
}

static inline void town_go_on(town *t, uint64_t for_us) {
    town_run(t, t->now_us + for_us);
}

/* ---- words */

/* Said by the agent of that node; payload and state are JSON, state may be NULL. */
static inline w4_send_receipt town_say(town *t, unsigned from, w4_family family, const char *type,
                                       const char *to, const char *payload, const char *state) {
    w4_json_document docs[2] = {0};
    w4_send_receipt receipt;
    w4_refused refused = {.text = ""};
    ck_assert_int_eq(
        w4_json_read(&docs[0], w4_bytes_from_text(payload), &W4_JSON_LIMITS_LINE, NULL), 0);
    ck_assert_int_eq(w4_json_read(&docs[1], w4_bytes_from_text(state ? state : "{}"),
                                  &W4_JSON_LIMITS_LINE, NULL),
                     0);
    const w4_send_request request = {.owner = 1,
                                     .family = family,
                                     .type = w4_bytes_from_text(type),
                                     .to = w4_bytes_from_text(to),
                                     .payload = w4_json_root(&docs[0]),
                                     .state = state ? w4_json_root(&docs[1]) : (w4_json){0}};
    ck_assert_msg(w4_protocol_send(w4_node_protocol(t->nodes[from].node), &request, t->now_us,
                                   &receipt, &refused) == 0,
                  "%s", refused.text);
    w4_json_document_deinit(&docs[0]);
    w4_json_document_deinit(&docs[1]);
    town_turn(t, from);
    return receipt;
}

/* From one agent to another, padding bytes long at least. The number tells channel and order. */
static inline void town_send(town *t, unsigned from, unsigned to, w4_channel_kind channel,
                             size_t padding) {
    static char text[320000];
    char name[W4_FINGERPRINT_TEXT_LEN + 1];
    town_node *n = &t->nodes[from];
    size_t len = (size_t)snprintf(
        text, sizeof text,
        "{\"channel\":\"%s\",\"payload\":{\"goal\":\"ask\",\"topic\":\"tides\",\"priority\":"
        "\"normal\",\"context\":\"a trip\",\"number\":%llu,\"more\":[",
        w4_channel_kind_name(channel), (unsigned long long)(++t->numbers * 4 + channel));
    for (size_t left = padding; left > 0;) {
        size_t part = left < TOWN_STRING ? left : TOWN_STRING;
        ck_assert_uint_lt(len + part + 16, sizeof text);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s\"", left < padding ? "," : "");
        memset(text + len, 'x', part);
        text[len + part] = '"';
        len += part + 1;
        left -= part;
    }
    (void)snprintf(text + len, sizeof text - len, "]}}");
    w4_json_document doc = {0};
    ck_assert_int_eq(w4_json_read(&doc, w4_bytes_from_text(text), &W4_JSON_LIMITS_LINE, NULL), 0);
    w4_json root = w4_json_root(&doc);
    w4_fingerprint_format(&t->nodes[to].agent, name);
    const w4_send_request request = {.owner = 1,
                                     .family = W4_FAMILY_CIP,
                                     .type = w4_bytes_from_text("INTENT"),
                                     .to = w4_bytes_from_text(name),
                                     .payload = w4_json_get(root, "payload"),
                                     .channel = w4_json_get(root, "channel"),
                                     .durable = t->durable};
    w4_send_receipt receipt;
    w4_refused refused = {.text = ""};
    ck_assert_msg(
        w4_protocol_send(w4_node_protocol(n->node), &request, t->now_us, &receipt, &refused) == 0,
        "%s", refused.text);
    ck_assert_uint_eq(receipt.recipients, 1);
    w4_json_document_deinit(&doc);
    town_turn(t, from);
}

/* The first node is told of the next two, and their agents shake hands with its own. */
static inline void town_gather(town *t) {
    town_introduce(t, 1, 0);
    town_introduce(t, 2, 0);
    town_go_on(t, 3 * TOWN_S);
    town_send(t, 1, 0, W4_CHANNEL_STATE, 0);
    town_send(t, 2, 0, W4_CHANNEL_STATE, 0);
    town_go_on(t, 3 * TOWN_S);
    ck_assert_uint_eq(t->nodes[0].messages, 2);
    ck_assert_uint_eq(t->nodes[1].delivered, 1);
    ck_assert_uint_eq(t->nodes[2].delivered, 1);
}

/* What one node has with another; fails when it has none. */
static inline w4_node_peer *town_peer(const town *t, unsigned at, unsigned of) {
    w4_node_peer *peer = w4_node_peer_find(t->nodes[at].node, &t->nodes[of].id);
    ck_assert_ptr_nonnull(peer);
    return peer;
}
